//! What the agent is made of, part by part, in processes of their own: `agent-probe` says what happens in them.

mod clock;
mod faketime;
mod locked;
mod login;
mod probe_process;
