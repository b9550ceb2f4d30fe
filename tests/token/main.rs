//! The token room on the soft token behind a real pcscd: each test has a rig of its own, and drives `token-probe` or
//! `oath-probe`.
//!
//! The probes are processes of their own because libpcsclite reads its environment once per process. A machine without the
//! rig fails these tests: they are what shows that the room works. What is told of removals says `agent-probe`.

mod bench;
mod busy;
mod enroll;
mod oath;
mod open;
// What else it can do is for tests/agent.
#[allow(dead_code)]
#[path = "../agent/probe_process.rs"]
mod probe_process;
mod removal;
