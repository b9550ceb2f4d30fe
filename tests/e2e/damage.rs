//! Files and folders of the vault that are cut, changed, swapped for something else, or open to others: named, never a panic
//! and never a hang.
