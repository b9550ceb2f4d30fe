//! Programs and crates that other people wrote, on a soft token behind a real pcscd: what works with a YubiKey has to
//! work here. A program that isn't installed is a failure, not a skip.

mod age;
mod attestation;
mod bench;
#[path = "../common/mod.rs"]
mod common;
mod opensc;
mod piv_tool;
mod ykman;
mod ykman_oath;
mod yubikey_crate;
