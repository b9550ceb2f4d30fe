//! A rotation that nothing cuts short.

use super::{journal, key_in_vault, keys_at_aws};
use crate::bench::{ANA, Bench};
use tapvault_lab::aws_standin::KeyStatus;

#[test]
fn a_rotation_makes_seals_proves_tries_switches_and_retires() {
    let bench = Bench::with_prod();
    bench.aws().clear_calls();
    let out = bench.tapvault(["rotate", "prod"]).run().success();
    println!("{out}");
    out.touches(2);
    let keys = keys_at_aws(&bench);
    assert_eq!(keys[0], (ANA.0.to_owned(), KeyStatus::Inactive));
    assert_eq!(keys[1].1, KeyStatus::Active);
    assert_eq!(key_in_vault(&bench, "prod"), keys[1].0);
    assert_eq!(journal(&bench, "prod").expect("a journal")["stage"], "retired");
    assert_eq!(
        bench.calls(),
        [
            "GetCallerIdentity",
            "ListAccessKeys",
            "CreateAccessKey",
            "GetCallerIdentity",
            "UpdateAccessKey"
        ]
    );
}
