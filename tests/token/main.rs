//! The token room on the soft token behind a real pcscd: each test has a rig of its own, and drives `token-probe` or
//! `oath-probe`.
//!
//! The probes are processes of their own because libpcsclite reads its environment once per process. A machine without the
//! rig fails these tests: they are what shows that the room works.

mod bench;
mod busy;
mod enroll;
mod oath;
mod open;
