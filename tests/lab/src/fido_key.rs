//! FIDO2 keys in software: firmware of a Nitrokey 3 with its own CTAPHID framing, so that a program goes the whole way
//! from `hidapi` to an authenticator that counts PINs, waits for a touch and computes hmac-secret.
//!
//! The firmware is large to build, so it is a program of another crate (`tests/fido-key`), and here is what tests need
//! to work with it:
//!
//! 1. [`protocol`] and [`fault`] are the words of its control socket, [`journal`] what it has to tell, [`client`] the
//!    typed client.
//! 2. [`rig`] starts one or more keys and shows them to an *unmodified* program as `/dev/hidrawN`, through the library
//!    that [`shim`] builds. No kernel, no root; as fast as the PIV rig, and beside it.
//! 3. [`guest`] runs programs in a small virtual machine, where the keys are real hidraw nodes with real permissions.
//!    Slower: for what a shim can't prove.
//!
//! It is no place for secrets: a key's memory is two files.

pub mod client;
pub mod fault;
pub mod guest;
pub mod journal;
pub mod protocol;
pub mod rig;
pub mod shim;
