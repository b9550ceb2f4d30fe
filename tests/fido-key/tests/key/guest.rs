//! The guest: real nodes, real permissions, both clients.

use std::path::Path;

use tapvault_lab::fido_key::guest::Guest;

use crate::bench::client;

/// Everything in one run, for starting it is most of the time.
const TEST: &str = r#"
export PIN=471108
node=$(plug one --serial LAB00001 --touch-timeout-ms 3000) || exit 1
other=$(plug two) || exit 1
fido-client list
check "both are found" test "$(fido-client list | wc -l)" = 2
check "libfido2 finds both" test "$(fido2-token -L | wc -l)" = 2

check "there is somebody but root" as_ana "test -r /proc/self/status"
check "ana may not open it" sh -c "! su ana -c 'fido2-token -I $node'"
chown ana "$node"
check "its owner may" as_ana "fido2-token -I $node >/dev/null"

tell one auto-touch on
check "a PIN is set" fido-client set-pin "$node"
credential=$(fido-client make "$node" vault.test) || fail "no credential"
salt=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
one=$(fido-client secret "$node" vault.test "$credential" $salt) || fail "no secret"
check "the same secret twice" test "$(fido-client secret "$node" vault.test "$credential" $salt)" = "$one"

tell one auto-touch off
fido-client secret "$node" vault.test "$credential" $salt >/run/answer 2>&1 &
asked=$!
tell one wait
tell one remove
wait $asked && fail "the key was pulled out, and the request went well: $(cat /run/answer)"
check "its node has gone" test ! -e "$node"
tell one insert
check "it is back" test -e "$node"
"#;

#[test]
fn both_clients_find_real_nodes_under_real_permissions() {
    let console = Guest::new(TEST)
        .program(Path::new(env!("CARGO_BIN_EXE_fido-key")))
        .program(&client())
        .program(Path::new("/usr/bin/fido2-token"))
        .run()
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(console.status, Some(0), "{}", console.text);
}
