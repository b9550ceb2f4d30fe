//! Many exports at once with nothing sealed, no agent, and codes of which AWS takes each once.

use crate::bench::{ANA, Bench};
use crate::stopwatch::Surroundings;
use std::time::Duration;
use tapvault_lab::aws_standin::{ANA_MFA, Fault, When};
use tapvault_lab::soft_token::body::AutoTouch;

/// How many at once; the first is what the others are compared with.
pub const NUMBERS: [usize; 3] = [1, 50, 200];

/// How long STS takes.
const STS: u64 = 100;

/// What the stand-in knows Ana's codes by; base32.
const SEED: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";

/// What came of one crowd.
pub struct Crowd {
    /// How many.
    pub number: usize,
    /// From the first one's start until the last has ended.
    pub wall: Duration,
    /// The same for as many /bin/true.
    pub bare: Duration,
    /// Calls of STS.
    pub calls: usize,
    /// Touches, those for codes included.
    pub touches: u64,
}

impl Crowd {
    /// Brings up a token and a vault for it: no code is left over from a crowd before.
    pub fn measure(program: &str, number: usize) -> Self {
        let bench = Bench::setup().agent().start();
        bench.enroll();
        bench.secret("the seed", SEED);
        bench.aws_config(&format!(
            "[profile prod]\nregion = eu-central-1\nmfa_serial = {ANA_MFA}\n"
        ));
        bench.add("prod", ANA).success();
        bench.ykman(&["oath", "accounts", "add", "--touch", ANA_MFA, SEED]);
        let token = bench.token();
        token
            .auto_touch(AutoTouch::Always(Duration::ZERO))
            .expect("the token listens");
        bench
            .aws()
            .fault(Fault::on("GetSessionToken").every().delay(STS, When::Before));
        bench.aws().clear_calls();
        let surroundings = Surroundings::of(&bench);
        let touches = || u64::from(token.counts().expect("counts").touches.given);
        let before = touches();
        let bare = surroundings.time_together(&["/bin/true"], number);
        let wall = surroundings.time_together(&[program, "export", "--format=json", "prod"], number);
        Crowd {
            number,
            wall,
            bare,
            calls: bench.calls().len(),
            touches: touches() - before,
        }
    }
}
