//! The real program, on a real pcscd with soft tokens, against a stand-in for AWS: what a person would see, and that no
//! secret is seen where it should not be.
//!
//! [`bench`] is where a test works, [`tampering`] what somebody does to its vault; the other modules are the tests, by
//! topic. A part of the lab that is missing fails the tests with the command that installs it; nothing is skipped.

mod agent;
mod aws_faults;
mod basics;
mod bench;
mod callers;
#[path = "../config/cases.rs"]
mod cases;
mod codes;
mod completion;
mod damage;
mod debug;
mod doctor;
mod effort;
mod explain;
#[path = "../agent/faketime.rs"]
mod faketime;
mod faults;
mod fido2;
mod forgery;
mod import;
mod keychain;
mod keys;
mod lost_laptop;
mod mfa;
mod names;
mod outside_files;
mod outsiders;
mod pin;
mod presence;
mod programs;
mod races;
mod rollback;
mod rotation;
mod scenarios;
mod tampering;
mod terminal;
mod tokens;
mod vectors;
