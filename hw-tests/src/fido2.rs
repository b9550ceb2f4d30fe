//! The scenarios of a FIDO2 key, on the token at one node. Its credential is none that a token stores: its ID lies in the vault's
//! folder, and goes with it. So nothing has to be taken out again, and nobody has to be asked before something is overwritten.

use crate::bench::Bench;
use crate::scenarios::{self, NOTHING, Outcome, Scenario, Token, same};

/// The token, and whether the vault has its key.
pub struct Fido2 {
    bench: Bench,
    node: String,
    is_enrolled: bool,
}

/// What `tapvault doctor` says of a token that has few PIN tries left, and only then.
const FEW_TRIES: &str = "PIN tries left";

const SCENARIOS: [Scenario<Fido2>; 9] = [
    Scenario {
        name: "a key is enrolled",
        writes: NOTHING,
        asks: "type the PIN once, and touch the token three times when you are told to: the first makes the key, the others try it",
        run: enroll,
    },
    Scenario {
        name: "an access key is added",
        writes: NOTHING,
        asks: "PIN, and a touch to seal it",
        run: scenarios::add,
    },
    Scenario {
        name: "a command gets a session",
        writes: NOTHING,
        asks: "PIN, and a touch to open the access key",
        run: scenarios::exec,
    },
    Scenario {
        name: "a sealed session is opened",
        writes: NOTHING,
        asks: "PIN, and a touch to open the session",
        run: scenarios::export,
    },
    Scenario {
        name: "a touch is withheld",
        writes: NOTHING,
        asks: "the PIN, but do NOT touch the token; it takes about a minute",
        run: scenarios::withhold_touch,
    },
    Scenario {
        name: "a PIN is wrong",
        writes: "one try of the PIN is spent, and given back by the right PIN right after; not if only three are left",
        asks: "first a WRONG PIN of 4 characters or more; then, asked again, the right one, and a touch",
        run: wrong_pin,
    },
    Scenario {
        name: "the token is pulled out",
        writes: NOTHING,
        asks: "the PIN; when you are told to touch the token, PULL IT OUT instead",
        run: scenarios::pull_out,
    },
    Scenario {
        name: "an access key is removed",
        writes: NOTHING,
        asks: "PIN, and a touch to open what is removed",
        run: scenarios::remove,
    },
    Scenario {
        name: "a second token opens, too",
        writes: "nothing is written, on neither of the two",
        asks: "have a second FIDO2 token with a PIN at hand, if you own one; you are told when it is its turn",
        run: second_token,
    },
];

impl Fido2 {
    pub fn new(node: String) -> Result<Self, String> {
        Ok(Self {
            bench: Bench::new()?,
            node,
            is_enrolled: false,
        })
    }
}

impl Token for Fido2 {
    const SCENARIOS: &'static [Scenario<Self>] = &SCENARIOS;

    fn bench(&self) -> &Bench {
        &self.bench
    }

    fn warning(&self) -> String {
        format!(
            "These scenarios use the FIDO2 token at {} and write nothing to it; its counter of uses goes on, as with each login. It \
             needs a PIN of its own already: they set none, change none, and never reset.",
            self.node
        )
    }

    fn is_enrolled(&self) -> bool {
        self.is_enrolled
    }

    fn farewell(&self) -> String {
        "Nothing of this is on the token.".to_owned()
    }
}

fn enroll(token: &mut Fido2) -> Result<Outcome, String> {
    let bench = &token.bench;
    bench
        .tapvault(&["key", "enroll", "fido2", "--device", &token.node])?
        .ended_with(0)?;
    let list = bench.tapvault(&["key", "list", "--json"])?.ended_with(0)?.json()?;
    let said = |what: &str| list[0][what].as_str().unwrap_or_default().to_owned();
    token.is_enrolled = true;
    same("kind", &said("kind"), "FIDO2")?;
    same("presence", &said("presence"), "touch, PIN or finger")
}

fn wrong_pin(token: &mut Fido2) -> Result<Outcome, String> {
    // It ends with another exit code where it finds something of the machine's to mend.
    let doctor = token.bench.tapvault(&["doctor"])?;
    match doctor.stdout.lines().find(|line| line.contains(FEW_TRIES)) {
        Some(line) => Ok(Outcome::LeftOut(format!("none is to be spent ({})", line.trim()))),
        None => scenarios::wrong_pin(token),
    }
}

/// Two keys, each alone: one seals for both, and the other opens what it was not there for.
fn second_token(token: &mut Fido2) -> Result<Outcome, String> {
    let bench = &token.bench;
    let node = bench
        .ask("plug in the second token as well and type its node (`fido2-token -L`), or only Enter if there is none");
    if node.is_empty() {
        return Ok(Outcome::LeftOut("there is no second token".to_owned()));
    }
    println!(
        "   three touches and the PIN of the second, to make and try its key; one and the PIN of the first, to vouch for it"
    );
    bench
        .tapvault(&["key", "enroll", "fido2", "--device", &node, "--name", "second"])?
        .ended_with(0)?;
    bench.wait_for_enter("pull the second token out, then Enter");
    println!("   PIN and touch of the first, to seal to both");
    scenarios::add(token)?;
    let bench = &token.bench;
    bench.wait_for_enter("pull the first token out and plug the second in, then Enter");
    println!("   PIN and touch of the second, to open it");
    let ran = bench
        .tapvault(&["exec", "prod", "--", "echo", "released"])?
        .ended_with(0)?;
    same("the command's output", &ran.stdout, "released\n")
}
