//! The program `fido-client`: the crate that tapvault uses, by itself, for one job at a time. A test of the lab holds it
//! against the key, and so do tests that need somebody else at the key.
//!
//!     fido-client list
//!     fido-client info NODE
//!     fido-client retries NODE
//!     fido-client set-pin NODE
//!     fido-client make NODE RP
//!     fido-client secret NODE RP CREDENTIAL SALT [SALT]
//!     fido-client has NODE RP CREDENTIAL
//!     fido-client readers
//!
//! Bytes are hexadecimal. `PIN` holds the PIN, `PROTOCOL` the PIN protocol (1).

use std::{env, process::ExitCode};

use ctap_hid_fido2::{
    FidoKeyHid, HidParam, LibCfg,
    fidokey::{AssertionExtension, CredentialExtension, GetAssertionArgsBuilder, MakeCredentialArgsBuilder},
    get_fidokey_devices,
};

type Result<T> = std::result::Result<T, String>;

const CHALLENGE: &[u8] = b"challenge";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(lines) => {
            lines.iter().for_each(|line| println!("{line}"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("fido-client: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<Vec<String>> {
    match words {
        ["list"] => Ok(list()),
        ["info", node] => info(node),
        ["retries", node] => Ok(vec![text(open(node)?.get_pin_retries())?.to_string()]),
        ["set-pin", node] => text(open(node)?.set_new_pin(&pin().ok_or("no PIN")?)).map(|_| Vec::new()),
        ["make", node, rp] => make(node, rp),
        ["secret", node, rp, credential, salts @ ..] => secret(node, rp, credential, salts),
        ["has", node, rp, credential] => has(node, rp, credential),
        ["readers"] => readers(),
        _ => Err("not understood; see the source's first lines".to_owned()),
    }
}

fn list() -> Vec<String> {
    let line = |device: ctap_hid_fido2::HidInfo| {
        let HidParam::Path(node) = &device.param else {
            return device.info;
        };
        format!("{node} {:04x}:{:04x} {}", device.vid, device.pid, device.info)
    };
    get_fidokey_devices().into_iter().map(line).collect()
}

fn info(node: &str) -> Result<Vec<String>> {
    let info = text(open(node)?.get_info())?;
    Ok(vec![
        format!("extensions {:?}", info.extensions),
        format!("pin-protocols {:?}", info.pin_uv_auth_protocols),
        format!("options {:?}", info.options),
    ])
}

fn make(node: &str, rp: &str) -> Result<Vec<String>> {
    let key = open(node)?;
    let extensions = [CredentialExtension::HmacSecret(Some(true))];
    let arguments = MakeCredentialArgsBuilder::new(rp, CHALLENGE).extensions(&extensions);
    let pin = pin();
    let arguments = match &pin {
        Some(pin) => arguments.pin(pin),
        None => arguments.without_pin_and_uv(),
    };
    let made = text(key.make_credential_with_args(&arguments.build()))?;
    Ok(vec![hex(&made.credential_descriptor.id)])
}

fn secret(node: &str, rp: &str, credential: &str, salts: &[&str]) -> Result<Vec<String>> {
    let key = open(node)?;
    let salts = salts.iter().map(|salt| salt_of(salt)).collect::<Result<Vec<_>>>()?;
    let extension = match salts.as_slice() {
        [salt] => AssertionExtension::HmacSecret(Some(*salt)),
        [first, second] => AssertionExtension::HmacSecret2(Some((*first, *second))),
        _ => return Err("one salt or two".to_owned()),
    };
    let (credential, extensions, pin) = (bytes(credential)?, [extension], pin());
    let arguments = GetAssertionArgsBuilder::new(rp, CHALLENGE)
        .credential_id(&credential)
        .extensions(&extensions);
    let arguments = match &pin {
        Some(pin) => arguments.pin(pin),
        None => arguments.without_pin_and_uv(),
    };
    let made = text(key.get_assertion_with_args(&arguments.build()))?;
    let outputs = made.iter().flat_map(|assertion| &assertion.extensions);
    let lines: Vec<String> = outputs
        .flat_map(|extension| match extension {
            AssertionExtension::HmacSecret(Some(output)) => vec![hex(output)],
            AssertionExtension::HmacSecret2(Some((first, second))) => vec![hex(first), hex(second)],
            _ => Vec::new(),
        })
        .collect();
    if lines.is_empty() {
        return Err("no hmac-secret in the answer".to_owned());
    }
    Ok(lines)
}

/// Asks silently: no touch, no PIN.
fn has(node: &str, rp: &str, credential: &str) -> Result<Vec<String>> {
    let credential = bytes(credential)?;
    let arguments = GetAssertionArgsBuilder::new(rp, CHALLENGE)
        .credential_id(&credential)
        .without_pin_and_uv()
        .without_up();
    text(open(node)?.get_assertion_with_args(&arguments.build())).map(|_| vec!["yes".to_owned()])
}

fn readers() -> Result<Vec<String>> {
    let context = text(pcsc::Context::establish(pcsc::Scope::User))?;
    let names = text(context.list_readers_owned())?;
    Ok(names.iter().map(|name| name.to_string_lossy().into_owned()).collect())
}

fn open(node: &str) -> Result<FidoKeyHid> {
    let mut settings = LibCfg::init();
    settings.enable_keep_alive_msg = false;
    let protocol = env::var("PROTOCOL").ok().and_then(|number| number.parse().ok());
    let key = text(FidoKeyHid::new(&[HidParam::Path(node.to_owned())], &settings))?;
    Ok(key.with_pin_protocol_version(protocol.unwrap_or(1)))
}

fn pin() -> Option<String> {
    env::var("PIN").ok()
}

fn text<T, E: std::fmt::Display>(result: std::result::Result<T, E>) -> Result<T> {
    result.map_err(|error| format!("{error:#}"))
}

fn hex(bytes: &[u8]) -> String {
    tapvault_lab::soft_token::hex::encode(bytes)
}

fn bytes(hex: &str) -> Result<Vec<u8>> {
    tapvault_lab::soft_token::hex::decode(hex).ok_or_else(|| format!("not hexadecimal: {hex:?}"))
}

fn salt_of(hex: &str) -> Result<[u8; 32]> {
    bytes(hex)?.try_into().map_err(|_| "a salt has 32 bytes".to_owned())
}
