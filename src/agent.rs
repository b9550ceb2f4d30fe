//! The agent: one process per vault that holds, for a while, what a touch has opened, and answers many callers from it.
//!
//! | module   | its idea                                    |
//! |----------|---------------------------------------------|
//! | `locked` | memory that stays out of swap, and is wiped |

pub mod locked;
