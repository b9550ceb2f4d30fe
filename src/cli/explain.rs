use super::common;
use super::completion;
use super::exec::SessionArgs;
use super::list::{columns, left, print};
use crate::chain::resolve::sealed;
use crate::chain::{Base, Chain, Fact, Step};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::profile::{Note, ProfileName};
use crate::render;
use crate::secret::short_id;
use crate::vault::Vault;
use crate::vault::sidecar::Sidecar;
use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

/// Show what exec would do, and which line said so; opens nothing and calls nobody
#[derive(Args)]
pub struct ExplainArgs {
    /// The profile; AWS_PROFILE when it is left out
    #[arg(add = completion::profiles())]
    profile: Option<ProfileName>,
    #[command(flatten)]
    session: SessionArgs,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// The whole answer; docs/cli.md describes the JSON.
#[derive(Serialize)]
struct Explanation {
    profile: String,
    /// Where the profile's section begins, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    section: Option<String>,
    base: Fact,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_key: Option<AccessKeyFacts>,
    steps: Vec<ExplainedStep>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<Fact>,
    notes: Vec<Note>,
    /// What it takes now, with what is sealed.
    now: Effort,
    /// What it takes when nothing is sealed.
    from_nothing: Effort,
}

#[derive(Serialize)]
struct AccessKeyFacts {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    age_days: Option<i64>,
}

#[derive(Serialize)]
struct ExplainedStep {
    call: &'static str,
    profile: String,
    facts: Vec<Fact>,
    /// When its sealed session ends, if one is sealed and fresh.
    sealed_until: Option<String>,
    #[serde(skip)]
    left: Option<i64>,
}

#[derive(Serialize)]
struct Effort {
    touches: usize,
    codes: usize,
    calls: usize,
}

pub fn run(args: ExplainArgs, ctx: &Context) -> Result<()> {
    let vault = Vault::at(&ctx.paths);
    let config = common::config(ctx)?;
    let profile = common::profile(args.profile, ctx, &config, &vault)?;
    let chain = common::plan(&config, &vault, &profile, &args.session.request()?)?;
    let section = chain.profile.place.as_ref().map(|place| place.to_string());
    let explanation = explain(ctx, &vault, &chain, section, args.session.refreshes())?;
    if args.json {
        let json =
            serde_json::to_string_pretty(&explanation).map_err(|err| Error::new(ErrorKind::Other, err.to_string()))?;
        return print(&format!("{json}\n"));
    }
    print(&text(&explanation))
}

fn explain(ctx: &Context, vault: &Vault, chain: &Chain, section: Option<String>, refresh: bool) -> Result<Explanation> {
    let (snapshot, _lock) = vault.read()?;
    let now = ctx.now();
    let ends = sealed(ctx, vault, chain)?;
    let steps = chain
        .steps
        .iter()
        .zip(&ends)
        .map(|(step, end)| explained(step, *end, now))
        .collect();
    // One key opens one thing; without an entry there is nothing to open.
    let touches = match (&snapshot.keyring, &chain.base) {
        (Some(keyring), Base::Entry { .. }) => usize::from(keyring.unverified().has_token()),
        (None, _) | (_, Base::CredentialProcess { .. } | Base::WebIdentity { .. }) => 0,
    };
    let done = if refresh {
        0
    } else {
        ends.iter().rposition(Option::is_some).map_or(0, |last| last + 1)
    };
    let effort = |remaining: &[Step]| Effort {
        touches,
        codes: remaining.iter().filter(|step| step.mfa().is_some()).count(),
        calls: remaining.len(),
    };
    let sidecar = match chain.entry() {
        Some(entry) => vault.sidecar(entry)?,
        None => None,
    };
    Ok(Explanation {
        profile: chain.profile.name.to_string(),
        section,
        base: chain.base.fact(),
        access_key: sidecar.map(|sidecar| access_key(&sidecar, now)),
        steps,
        region: chain.profile.region.as_ref().map(|region| Fact {
            name: "region",
            value: region.value.as_str().to_owned(),
            origin: region.origin.clone(),
        }),
        notes: chain.notes.clone(),
        now: effort(&chain.steps[done..]),
        from_nothing: effort(&chain.steps),
    })
}

fn access_key(sidecar: &Sidecar, now: Timestamp) -> AccessKeyFacts {
    AccessKeyFacts {
        id: sidecar.access_key_id.clone(),
        arn: sidecar.arn.clone(),
        age_days: sidecar.added.map(|added| now.duration_since(added).as_hours() / 24),
    }
}

fn explained(step: &Step, end: Option<Timestamp>, now: Timestamp) -> ExplainedStep {
    ExplainedStep {
        call: step.call(),
        profile: step.profile().to_string(),
        facts: step.facts(),
        sealed_until: end.map(render::timestamp),
        left: end.map(|end| end.duration_since(now).as_secs()),
    }
}

fn text(explanation: &Explanation) -> String {
    let mut text = match &explanation.section {
        Some(place) => format!("{}  ({place})\n", explanation.profile),
        None => format!("{}  (not in the AWS config)\n", explanation.profile),
    };
    let base = match &explanation.access_key {
        Some(key) => {
            let age = key
                .age_days
                .map(|days| format!(", {days} days old"))
                .unwrap_or_default();
            format!("{}, {}{age}", explanation.base.value, short_id(&key.id))
        }
        None => explanation.base.value.clone(),
    };
    let mut lines = vec![[
        "  ".to_owned(),
        explanation.base.name.to_owned(),
        base,
        explanation.base.origin.to_string(),
    ]];
    for (number, step) in explanation.steps.iter().enumerate() {
        let state = step.left.map_or_else(
            || "not sealed".to_owned(),
            |seconds| format!("sealed, {}", left(seconds)),
        );
        lines.push([
            format!("{}", number + 1),
            step.call.to_owned(),
            format!("for {}", step.profile),
            state,
        ]);
        for fact in &step.facts {
            lines.push([
                "  ".into(),
                format!("  {}", fact.name),
                fact.value.clone(),
                fact.origin.to_string(),
            ]);
        }
    }
    if let Some(region) = &explanation.region {
        lines.push([
            "  ".into(),
            "region".into(),
            region.value.clone(),
            region.origin.to_string(),
        ]);
    }
    text.push_str(&columns(&lines));
    for note in &explanation.notes {
        text.push_str(&format!("note: {}: {}\n", note.what, note.why));
    }
    text.push_str(&format!(
        "now: {}. From nothing: {}\n",
        explanation.now.words(),
        explanation.from_nothing.words()
    ));
    text
}

impl Effort {
    fn words(&self) -> String {
        let some = |number: usize, one: &str, many: &str| match number {
            0 => format!("no {one}"),
            1 => format!("1 {one}"),
            _ => format!("{number} {many}"),
        };
        format!(
            "{}, {}, {}",
            some(self.touches, "touch", "touches"),
            some(self.codes, "code", "codes"),
            some(self.calls, "call", "calls")
        )
    }
}
