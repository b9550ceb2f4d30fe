//! What a person does to a FIDO2 token with other tools, for the end-to-end tests: `fido2-tool pin NODE` sets the first PIN, which is on
//! standard input; `fido2-tool outputs NODE` prints in hex what the token gives for the requests there (`CREDENTIAL SALT PIN`, a dash for no
//! PIN), so that a test can look for it everywhere.

use ctap_hid_fido2::fidokey::{AssertionExtension, FidoKeyHid, GetAssertionArgsBuilder};
use ctap_hid_fido2::{HidParam, LibCfg};
use std::io::Read;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut input = String::new();
    let [task, node] = &words[..] else {
        return complain("usage: fido2-tool pin|outputs NODE");
    };
    if std::io::stdin().read_to_string(&mut input).is_err() {
        return complain("nothing on standard input");
    }
    let mut settings = LibCfg::init();
    settings.enable_keep_alive_msg = false;
    let key = match FidoKeyHid::new(&[HidParam::Path(node.clone())], &settings) {
        Ok(key) => key,
        Err(err) => return complain(&err.to_string()),
    };
    let outcome = match task.as_str() {
        "pin" => key.set_new_pin(input.trim()).map_err(Into::into),
        "outputs" => input.lines().try_for_each(|line| output(&key, line)),
        _ => return complain("usage: fido2-tool pin|outputs NODE"),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => complain(&err.to_string()),
    }
}

fn output(key: &FidoKeyHid, line: &str) -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<&str> = line.split(' ').collect();
    let [credential, salt, pin] = &words[..] else {
        return Err("CREDENTIAL SALT PIN".into());
    };
    let salt: [u8; 32] = unhex(salt).try_into().map_err(|_| "a salt has 32 bytes")?;
    let args = GetAssertionArgsBuilder::new("age-encryption.org", b"tool")
        .credential_id(&unhex(credential))
        .extensions(&[AssertionExtension::HmacSecret(Some(salt))]);
    let args = match *pin {
        "-" => args.without_pin_and_uv(),
        pin => args.pin(pin),
    };
    for assertion in key.get_assertion_with_args(&args.build())? {
        for extension in assertion.extensions {
            if let AssertionExtension::HmacSecret(Some(output)) = extension {
                let digits: Vec<String> = output.iter().map(|byte| format!("{byte:02x}")).collect();
                println!("{}", digits.concat());
            }
        }
    }
    Ok(())
}

fn unhex(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

fn complain(words: &str) -> ExitCode {
    eprintln!("fido2-tool: {words}");
    ExitCode::FAILURE
}
