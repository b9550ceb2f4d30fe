use super::common;
use super::completion;
use super::exec::{SessionArgs, endpoint_of_child};
use super::list::print;
use crate::chain::mfa::{self, Clues, Outlook};
use crate::chain::open::{no_list, sealed};
use crate::chain::{Chain, Fact, Mfa, Step, default_session_name};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::profile::{Note, ProfileName};
use crate::render;
use crate::vault::Vault;
use crate::vault::keyring::Keyring;
use crate::vault::session::Freshness;
use crate::vault::sidecar::Sidecar;
use crate::vault::unlock::{KeyChoice, candidates};
use crate::wrap::EnrolledKey;
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

mod text;

/// Show what exec would do, and which line said so; opens nothing and calls nobody
///
/// Takes the options of exec, and says what exec would do with them.
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

/// The whole answer; docs/schema/explain.json describes the JSON.
#[derive(Serialize)]
struct Explanation {
    profile: String,
    /// Where the profile's section begins, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    section: Option<String>,
    base: Fact,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_key: Option<AccessKeyFacts>,
    /// What is tried to open it, in this order; empty when the chain begins outside the vault.
    keys: Vec<KeyFacts>,
    steps: Vec<ExplainedStep>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<Fact>,
    /// The general endpoint that the command is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<Fact>,
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
struct KeyFacts {
    name: String,
    presence: String,
}

#[derive(Serialize)]
struct ExplainedStep {
    call: &'static str,
    profile: String,
    facts: Vec<Fact>,
    /// Where its code would come from, if it takes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<CodeSource>,
    /// The account on a token that would give it.
    #[serde(skip_serializing_if = "Option::is_none")]
    oath: Option<Outlook>,
    cache: Cache,
    /// When its sealed session ends, if one is sealed and fresh.
    #[serde(skip_serializing_if = "Option::is_none")]
    sealed_until: Option<String>,
    /// Until when that one is handed out: min_ttl_seconds earlier.
    #[serde(skip_serializing_if = "Option::is_none")]
    used_until: Option<String>,
    /// Seconds until then.
    #[serde(skip)]
    left: i64,
}

/// Where a code comes from.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum CodeSource {
    /// `-t`.
    Given,
    /// A token's OATH applet.
    Oath,
    /// The command that prints it.
    MfaProcess,
    /// The person, at the prompt.
    Asked,
}

/// What becomes of a step's session between commands.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Cache {
    /// One is sealed and will be used.
    Used,
    /// One is sealed, but a later step's will be used instead.
    NotNeeded,
    /// One is sealed, and `--refresh` passes it over.
    PassedOver,
    /// None is sealed; the one that is fetched will be.
    Empty,
    /// None is ever sealed: the chain begins outside the vault.
    Never,
}

#[derive(Serialize)]
struct Effort {
    touches: usize,
    codes: usize,
    calls: usize,
}

pub fn run(args: ExplainArgs, ctx: &Context, choice: &KeyChoice) -> Result<()> {
    let vault = Vault::at(&ctx.paths);
    let config = common::config(ctx)?;
    let profile = common::profile(args.profile, ctx, &config, &vault)?;
    let chain = common::plan(&config, &vault, &profile, &args.session.request()?)?;
    if let Some(entry) = chain.entry() {
        for line in common::left_behind(ctx, &vault, entry.as_str()) {
            ctx.dialogue.note(&line);
        }
        let added = vault.sidecar(entry)?.and_then(|sidecar| sidecar.added);
        if let Some(line) = common::too_old(ctx, entry.as_str(), added, ctx.settings.max_key_age) {
            ctx.dialogue
                .note(&format!("{line}; {}", common::way_to_a_new_key(entry.as_str())));
        }
    }
    let explanation = explain(ctx, &vault, &chain, &args.session, choice)?;
    if args.json {
        let json =
            serde_json::to_string_pretty(&explanation).map_err(|err| Error::new(ErrorKind::Other, err.to_string()))?;
        return print(&format!("{json}\n"));
    }
    print(&text::of(&explanation))
}

fn explain(
    ctx: &Context,
    vault: &Vault,
    chain: &Chain,
    wishes: &SessionArgs,
    choice: &KeyChoice,
) -> Result<Explanation> {
    let (snapshot, _lock) = vault.read()?;
    let keys = match (chain.entry(), &snapshot.keyring) {
        (Some(_), Some(keyring)) => candidates(keyring.unverified(), choice)?,
        (Some(entry), None) => return Err(no_list(vault, entry)),
        (None, _) => Vec::new(),
    };
    // One key opens one thing; a token that is here comes before the others.
    let touches = usize::from(keys.iter().any(|key| key.needs_touch()));
    let ends = sealed(Freshness::at_present(ctx), vault, snapshot.keyring.as_ref(), chain)?;
    let done = match ends.iter().rposition(Option::is_some) {
        Some(last) if !wishes.refreshes() => last + 1,
        Some(_) | None => 0,
    };
    let outlooks = outlooks(ctx, vault, snapshot.keyring.as_ref(), chain, wishes)?;
    let effort = |from: usize| Effort {
        touches: touches + touches_for_codes(&outlooks[from..], wishes.gives_code()),
        codes: chain.steps[from..].iter().filter(|step| step.mfa().is_some()).count(),
        calls: chain.steps.len() - from,
    };
    let (now, from_nothing) = (effort(done), effort(0));
    let mut given = wishes.gives_code();
    let mut steps = Vec::new();
    for (at, ((step, end), outlook)) in chain.steps.iter().zip(ends).zip(outlooks).enumerate() {
        let cache = match (end, chain.entry()) {
            (_, None) => Cache::Never,
            (None, Some(_)) => Cache::Empty,
            (Some(_), Some(_)) if wishes.refreshes() => Cache::PassedOver,
            (Some(_), Some(_)) if at + 1 == done => Cache::Used,
            (Some(_), Some(_)) => Cache::NotNeeded,
        };
        // The code of the command line is spent by the first call that is made and takes one.
        let code = step.mfa().map(|mfa| match at >= done && std::mem::take(&mut given) {
            true => CodeSource::Given,
            false => CodeSource::of(mfa, &outlook, wishes),
        });
        steps.push(ExplainedStep {
            oath: outlook.filter(|_| code == Some(CodeSource::Oath)),
            ..explained(ctx, step, code, cache, end)
        });
    }
    let sidecar = match chain.entry() {
        Some(entry) => vault.sidecar(entry)?,
        None => None,
    };
    Ok(Explanation {
        profile: chain.profile.name.to_string(),
        section: chain.profile.place.as_ref().map(|place| place.to_string()),
        base: chain.base.fact(),
        access_key: sidecar.map(|sidecar| access_key(&sidecar, ctx.now())),
        keys: keys.into_iter().map(key).collect(),
        steps,
        region: chain.profile.region.as_ref().map(|region| Fact::of("region", region)),
        endpoint: endpoint_of_child(chain).map(|url| Fact::of("endpoint_url", url)),
        notes: chain.notes.clone(),
        now,
        from_nothing,
    })
}

fn access_key(sidecar: &Sidecar, now: Timestamp) -> AccessKeyFacts {
    AccessKeyFacts {
        id: sidecar.access_key_id.clone(),
        arn: sidecar.arn.clone(),
        age_days: sidecar.added.map(|added| now.duration_since(added).as_hours() / 24),
    }
}

fn key(key: &EnrolledKey) -> KeyFacts {
    KeyFacts {
        name: key.name.to_string(),
        presence: key.presence_word(),
    }
}

fn explained(
    ctx: &Context,
    step: &Step,
    code: Option<CodeSource>,
    cache: Cache,
    end: Option<Timestamp>,
) -> ExplainedStep {
    let spare = SignedDuration::from_secs(i64::from(ctx.settings.min_ttl()));
    let used_until = end.and_then(|end| end.checked_sub(spare).ok());
    ExplainedStep {
        call: step.call(),
        profile: step.profile().to_string(),
        facts: step.facts(&default_session_name(&ctx.env)),
        code,
        oath: None,
        cache,
        sealed_until: end.map(render::timestamp),
        used_until: used_until.map(render::timestamp),
        left: used_until.map_or(0, |until| until.duration_since(ctx.now()).as_secs()),
    }
}

/// The account on a token that would give each step's code, where one would.
fn outlooks(
    ctx: &Context,
    vault: &Vault,
    keyring: Option<&Keyring>,
    chain: &Chain,
    wishes: &SessionArgs,
) -> Result<Vec<Option<Outlook>>> {
    let looked = chain.steps.iter().map(|step| match (step.mfa(), wishes.code_source()) {
        (Some(mfa), None | Some(mfa::CodeSource::Oath)) => {
            let names = chain.named_for(step);
            let clues = match chain.entry() {
                Some(entry) => Clues::gather(vault, keyring, entry, names)?,
                None => Clues {
                    profiles: names,
                    ..Clues::default()
                },
            };
            mfa::outlook(ctx, mfa, &clues)
        }
        (Some(_), Some(mfa::CodeSource::Process | mfa::CodeSource::Prompt)) | (None, _) => Ok(None),
    });
    looked.collect()
}

/// What the token has to be touched for, beside opening. A code of the command line spares the first.
fn touches_for_codes(outlooks: &[Option<Outlook>], given: bool) -> usize {
    let touches = outlooks.iter().flatten().map(|outlook| outlook.touches);
    touches.skip(usize::from(given)).sum()
}

impl CodeSource {
    fn of(mfa: &Mfa, outlook: &Option<Outlook>, wishes: &SessionArgs) -> Self {
        match (wishes.code_source(), outlook, &mfa.process) {
            (Some(mfa::CodeSource::Oath), ..) | (None, Some(_), _) => CodeSource::Oath,
            (Some(mfa::CodeSource::Process), ..) | (None, None, Some(_)) => CodeSource::MfaProcess,
            (Some(mfa::CodeSource::Prompt), ..) | (None, None, None) => CodeSource::Asked,
        }
    }
}
