//! The lab: stand-ins for the things outside that a test can't borrow. Nothing of it is in the shipped program.

pub mod aws_standin;
pub mod fido_key;
pub mod logind;
pub mod soft_token;
pub mod terminal;
