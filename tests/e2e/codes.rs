//! MFA codes from the token's OATH applet: which account gives them, when the token blinks for them, and that none is spent twice.

mod accounts;
mod faults;
mod kept;
mod many;
mod order;

use crate::bench::{ANA, Bench};

/// Ana's device, which the profile `prod` of these tests names.
pub const ANA_MFA: &str = tapvault_lab::aws_standin::ANA_MFA;

/// What the stand-in knows Ana's codes by; base32.
const SEED: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";

/// `prod` with an MFA device, its access key sealed, and nothing on the OATH applet yet.
pub fn with_mfa() -> Bench {
    with_mfa_on(Bench::start())
}

/// The same on a bench of another kind.
pub fn with_mfa_on(bench: Bench) -> Bench {
    bench.enroll();
    bench.secret("the seed", SEED);
    bench.aws_config(&format!(
        "[profile prod]\nregion = eu-central-1\nmfa_serial = {ANA_MFA}\n"
    ));
    bench.add("prod", ANA).success();
    bench.forget_runs();
    bench.aws().clear_calls();
    bench
}

/// Puts an account on the token as a person would, with Yubico's own program.
pub fn put(bench: &Bench, name: &str, touch: Touch) {
    put_with(bench, name, touch, &[]);
}

/// The same with more of ykman's options.
pub fn put_with(bench: &Bench, name: &str, touch: Touch, options: &[&str]) {
    let touch: &[&str] = match touch {
        Touch::Required => &["--touch"],
        Touch::None => &[],
    };
    bench.ykman(&[&["oath", "accounts", "add"], touch, options, &[name, SEED]].concat());
}

/// Whether an account's codes take a touch.
#[derive(Clone, Copy)]
pub enum Touch {
    Required,
    None,
}
