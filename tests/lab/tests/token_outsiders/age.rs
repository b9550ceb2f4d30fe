//! age 1.1.1 with age-plugin-yubikey 0.5.1: an identity in a retired slot, and a file that only the token opens.
//!
//! The plugin is found in `target/tools/bin` of the workspace, where tests/setup puts it, or on the path.

use std::fs;

use tapvault_lab::soft_token::{body::Touch, firmware::Firmware};

use crate::bench::{Bench, DEFAULT_MANAGEMENT_KEY};

const GENERATE: &str = "age-plugin-yubikey --generate --slot 1 --touch-policy always";
const DECRYPT: &str = "age -d -i identity.txt -o opened.txt sealed.age";
const PIN_PROMPT: &str = "PIN for YubiKey";

#[test]
fn firmware_5_4_3_seals_and_opens() {
    seals_and_opens(&Bench::new(Firmware::V5_4_3));
}

/// The plugin knows no AES management keys.
#[test]
fn firmware_5_7_1_seals_and_opens_with_a_triple_des_management_key() {
    let bench = Bench::new(Firmware::V5_7_1);
    bench.ykman_piv(&format!(
        "access change-management-key -f -a TDES -m {DEFAULT_MANAGEMENT_KEY} -n {DEFAULT_MANAGEMENT_KEY}"
    ));
    seals_and_opens(&bench);
}

fn seals_and_opens(bench: &Bench) {
    bench.touch_at_once();
    // else the plugin insists on changing them
    bench.ykman_piv("access change-pin -P 123456 -n 654321");
    bench.ykman_piv("access change-puk -p 12345678 -n 87654321");

    let screen = bench.run_on_a_terminal(GENERATE, &[(PIN_PROMPT, "654321")]);
    let word = |start: &str| {
        let found = screen.split_whitespace().find(|word| word.starts_with(start));
        found.unwrap_or_else(|| panic!("no {start} in:\n{screen}")).to_owned()
    };
    fs::write(bench.path("identity.txt"), word("AGE-PLUGIN-YUBIKEY-1")).expect("written");
    assert!(bench.run("age-plugin-yubikey --list").contains(&word("age1yubikey1")));

    fs::write(bench.path("plain.txt"), "a secret").expect("written");
    bench.run(&format!("age -r {} -o sealed.age plain.txt", word("age1yubikey1")));

    let mark = bench.token().mark().expect("answers");
    bench.run_on_a_terminal(DECRYPT, &[(PIN_PROMPT, "654321")]);
    assert_eq!(
        fs::read_to_string(bench.path("opened.txt")).expect("opened"),
        "a secret"
    );
    let log = bench.token().log_since(mark).expect("answers");
    assert_eq!(
        log.iter().filter_map(|entry| entry.touch).collect::<Vec<_>>(),
        [Touch::Given]
    );
}
