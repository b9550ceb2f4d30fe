//! The key itself, held against the crate that tapvault uses and against libfido2's tools.

mod bench;
mod faults;
mod firmware;
mod hand;
mod outsiders;
