//! The kernel's own nodes with their permissions, and a person who is not root: in the lab's guest, in one run, for starting it takes
//! long. `guest.sh` has the jobs. libfido2 is the witness of what the token holds, and stock age of what is sealed to that.

use super::{FIDO2_PIN, KEY, OTHER_FIDO2_PIN, OTHER_KEY};
use crate::bench::{ANA, Bench};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use tapvault_lab::fido_key::guest::Guest;
use tapvault_lab::fido_key::rig;
use tapvault_lab::soft_token::hex;

#[test]
fn all_is_done_on_real_nodes_by_somebody_who_is_not_root() {
    // Nothing runs on this bench: it looks for the secrets in what is put into its home.
    let bench = Bench::setup().no_token().start();
    bench.secret("PIN of FIDO2 token 0", FIDO2_PIN);
    bench.secret("PIN of FIDO2 token 1", OTHER_FIDO2_PIN);
    let (id, secret) = ANA;
    let fido_key = rig::program().unwrap_or_else(|error| panic!("{error}"));
    let console = Guest::new(include_str!("guest.sh"))
        .program(Path::new(env!("CARGO_BIN_EXE_tapvault")))
        .program(Path::new(env!("CARGO_BIN_EXE_tapvault-engine")))
        .program(&fido_key)
        .program(Path::new("/usr/bin/fido2-token"))
        .program(Path::new("/usr/bin/fido2-assert"))
        .file(
            "/given/access-key",
            &format!("aws_access_key_id = {id}\naws_secret_access_key = {secret}\n"),
        )
        .file("/given/secret", secret)
        .file("/home/ana/hand/pinentry", include_str!("../bench/pinentry.sh"))
        .file(
            "/home/ana/hand/known",
            &format!("{KEY} {FIDO2_PIN}\n{OTHER_KEY} {OTHER_FIDO2_PIN}\n"),
        )
        .run()
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(console.status, Some(0), "{}", console.text);

    let left = bench.home().join("guest");
    fs::create_dir(&left).expect("a folder");
    fs::write(left.join("console"), &console.text).expect("the console");
    pipe(
        Command::new("tar").args(["-x", "-C"]).arg(&left),
        &console.handed["left"],
    );

    let output = BASE64_STANDARD
        .decode(console.handed["output"].trim_ascii())
        .expect("fido2-assert prints base64");
    let kind = bech32::Hrp::parse("age-secret-key-").expect("age's own");
    let identity = bech32::encode::<bech32::Bech32>(kind, &output).expect("32 bytes");
    let identity = identity.to_uppercase();
    let vault = left.join("home/ana/.local/share/tapvault");
    for file in ["entries/prod.age", "entries/dev.age"] {
        let mut age = Command::new("age");
        age.args(["-d", "-i", "-"]).arg(vault.join(file));
        let content = String::from_utf8(pipe(&mut age, identity.as_bytes())).expect("text");
        assert!(content.contains(secret), "{file} holds something else");
    }

    bench.secret("identity of FIDO2 token 0", &identity);
    bench.secret("output of FIDO2 token 0", &hex::encode(&output));
    bench.secret("output of FIDO2 token 0, in base64", &BASE64_STANDARD.encode(&output));
    bench.search();
}

/// What a program prints that is given `input`.
fn pipe(command: &mut Command, input: &[u8]) -> Vec<u8> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    // Dropped, it is at its end.
    let mut stdin = child.stdin.take().expect("it was piped");
    stdin.write_all(input).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("its output");
    assert!(output.status.success(), "{command:?}");
    output.stdout
}
