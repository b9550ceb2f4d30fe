//! A rotation is cut short at every call to AWS and at every write, in every way, and then run again. What is where meanwhile
//! becomes the tables of docs/rotation.md (`UPDATE_DOCS=1 cargo test --test e2e rotation::matrix` writes them).
//!
//! The calls and the writes are those of a run that nothing disturbs: a new step is a new test.

mod calls;
mod state;
mod writes;

use calls::Manner;
use state::{Case, Stage};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

/// The command that is cut short, and run again.
const LINE: [&str; 3] = ["rotate", "--delete-old", "prod"];

#[test]
fn whatever_cuts_a_rotation_short_a_working_key_is_in_the_vault_and_the_next_run_ends_well() {
    let (mut calls, mut writes) = (Vec::new(), Vec::new());
    thread::scope(|scope| {
        // What takes long, side by side; the machine is mostly waiting.
        let of_calls: Vec<_> = Manner::GROUPS
            .iter()
            .map(|group| scope.spawn(|| calls::strike_every_call(&Stage::set(), group)))
            .collect();
        let of_writes: Vec<_> = writes::FAULTS
            .iter()
            .map(|fault| scope.spawn(|| writes::strike_every_write(&Stage::set(), *fault)))
            .collect();
        for group in of_calls {
            calls.extend(group.join().expect("calls"));
        }
        for fault in of_writes {
            writes.extend(fault.join().expect("writes"));
        }
    });
    let failed = calls.iter().chain(&writes).filter(|case| case.is_none()).count();
    assert_eq!(
        failed, 0,
        "strikes after which something was not true; each is told above"
    );
    let (calls, writes): (Vec<Case>, Vec<Case>) = (
        calls.into_iter().flatten().collect(),
        writes.into_iter().flatten().collect(),
    );
    println!("{} strikes at calls, {} at writes", calls.len(), writes.len());
    assert!(calls.len() > 60 && writes.len() > 60);
    compare("calls", &table("call", Rows::OfEachPlace, calls));
    compare("writes", &table("write", Rows::OfEachOutcome, writes));
}

/// Whether a table tells the places apart, or only what came of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rows {
    OfEachPlace,
    OfEachOutcome,
}

/// One row for what comes to the same, in the order in which it was struck.
fn table(what: &str, rows: Rows, cases: Vec<Case>) -> String {
    type Places = (usize, BTreeSet<String>, BTreeSet<String>);
    let mut found: BTreeMap<(Option<String>, [String; 3]), Places> = BTreeMap::new();
    for case in cases {
        let place = (rows == Rows::OfEachPlace).then(|| case.point.clone());
        let row = found
            .entry((place, case.state))
            .or_insert((case.order, BTreeSet::new(), BTreeSet::new()));
        row.0 = row.0.min(case.order);
        row.1.insert(case.point);
        row.2.insert(case.how);
    }
    let mut rows: Vec<_> = found.into_iter().collect();
    rows.sort_by_key(|((place, state), (order, ..))| (*order, place.clone(), state.clone()));
    let mut text = format!("| {what} | cut short by | at AWS | in the vault | the next run |\n|---|---|---|---|---|\n");
    let joined = |words: BTreeSet<String>| words.into_iter().collect::<Vec<_>>().join("; ");
    for ((_, [aws, vault, next]), (_, points, hows)) in rows {
        text.push_str(&format!(
            "| {} | {} | {aws} | {vault} | {next} |\n",
            joined(points),
            joined(hows)
        ));
    }
    text
}

/// Holds a table against the one in the documentation, or writes it there.
fn compare(name: &str, right: &str) {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rotation.md");
    let text = fs::read_to_string(&path).expect("docs/rotation.md");
    let begin = format!("<!-- {name}: written by tests/e2e/rotation/matrix.rs -->\n");
    let end = format!("<!-- end of {name} -->\n");
    let (head, rest) = text.split_once(&begin).expect("the mark where it begins");
    let (written, tail) = rest.split_once(&end).expect("the mark where it ends");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, format!("{head}{begin}{right}{end}{tail}")).expect("written");
    } else {
        assert!(
            written == right,
            "the table of {name} in docs/rotation.md is not what happens; UPDATE_DOCS=1 writes it anew. It would be:\n{right}"
        );
    }
}
