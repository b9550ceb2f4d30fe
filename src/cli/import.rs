use super::completion;
use crate::context::Context;
use crate::error::Result;
use crate::profile::ProfileName;
use crate::profile::files::rewrite::Backup;
use crate::vault::unlock::KeyChoice;
use aws_credentials::AwsFiles;
use clap::{Args, Subcommand};
use harvest::Because;
use intake::{Intake, Wishes};
use scrub::Scrub;
use std::path::PathBuf;

mod aws_credentials;
mod aws_vault;
mod csv;
mod harvest;
mod intake;
mod report;
mod scrub;

/// Move access keys in from elsewhere
///
/// Each is checked with AWS and sealed; one touch is enough for all of them. What the vault has already is left as it
/// is, so a second run does nothing. Temporary credentials are named and left.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct ImportArgs {
    #[command(subcommand)]
    source: Option<Source>,
    /// From everything that is here: the AWS files, and aws-vault if it is installed
    #[arg(long, required = true)]
    all: bool,
    #[command(flatten)]
    take: TakeArgs,
}

#[derive(Subcommand)]
enum Source {
    AwsCredentials(AwsCredentialsArgs),
    Csv(CsvArgs),
    AwsVault(AwsVaultArgs),
}

/// How keys are taken in, wherever they come from.
#[derive(Args)]
struct TakeArgs {
    /// Do not ask AWS whose keys they are
    #[arg(long)]
    offline: bool,
    /// Replace access keys that the vault has already, where they differ
    #[arg(short, long)]
    force: bool,
}

/// From ~/.aws/credentials, and from keys that stand in ~/.aws/config
#[derive(Args)]
struct AwsCredentialsArgs {
    /// Only this profile; can be given more than once
    #[arg(long, value_name = "NAME", add = completion::profiles())]
    profile: Vec<ProfileName>,
    /// Take the keys out of the files afterwards, once each entry was opened again (a touch for each); a credential_process line
    /// that asks this program takes their place
    #[arg(long)]
    scrub: bool,
    /// Keep a copy of each file that --scrub changes, with the keys
    #[arg(long, requires = "scrub")]
    backup: bool,
    #[command(flatten)]
    take: TakeArgs,
}

/// From the CSV file that the IAM console gives for a new access key
///
/// The file still holds the key afterwards.
#[derive(Args)]
struct CsvArgs {
    /// accessKeys.csv, credentials.csv or rootkey.csv
    file: PathBuf,
    /// The profiles that its keys are for, in the order of its rows; the user's name when left out
    #[arg(value_name = "PROFILE", add = completion::profiles())]
    profiles: Vec<ProfileName>,
    #[command(flatten)]
    take: TakeArgs,
}

/// From aws-vault, by running it
///
/// It may ask for its own passphrase, once for each profile. Its entries stay where they are.
#[derive(Args)]
struct AwsVaultArgs {
    /// Only this profile; can be given more than once
    #[arg(long, value_name = "NAME", add = completion::profiles())]
    profile: Vec<ProfileName>,
    #[command(flatten)]
    take: TakeArgs,
}

pub fn run(args: ImportArgs, ctx: &Context, choice: &KeyChoice) -> Result<()> {
    let Some(source) = args.source else {
        return all(&args.take, ctx, choice);
    };
    match source {
        Source::AwsCredentials(args) => {
            let files = AwsFiles::read(ctx)?;
            let harvest = aws_credentials::harvest(&files, &args.profile)?;
            let backup = if args.backup { Backup::Keep } else { Backup::None };
            let mut scrub = args.scrub.then(|| Scrub::of(&files, ctx, backup)).transpose()?;
            let intake = Intake::new(ctx, choice, wishes(&args.take));
            intake.take_in(harvest, scrub.as_mut())?.tell(ctx)
        }
        Source::Csv(args) => {
            let harvest = csv::harvest(&args.file, &args.profiles)?;
            let told = Intake::new(ctx, choice, wishes(&args.take))
                .take_in(harvest, None)?
                .tell(ctx);
            ctx.dialogue.note(&format!(
                "{} still holds what it held; delete it when you need it no more",
                args.file.display()
            ));
            told
        }
        Source::AwsVault(args) => {
            let harvest = aws_vault::harvest(ctx, &args.profile)?;
            let intake = Intake::new(ctx, choice, wishes(&args.take));
            intake.take_in(harvest, None)?.tell(ctx)
        }
    }
}

/// From every source that is here. A key that stands in two of them is taken from the first.
fn all(take: &TakeArgs, ctx: &Context, choice: &KeyChoice) -> Result<()> {
    let mut harvest = aws_credentials::harvest(&AwsFiles::read(ctx)?, &[])?;
    if aws_vault::is_installed(ctx) {
        match aws_vault::harvest(ctx, &[]) {
            Ok(more) => harvest.append(more),
            Err(error) => harvest.leave("aws-vault", Because::Withheld(error.message().to_owned())),
        }
    } else {
        ctx.dialogue
            .note("aws-vault is not installed, so nothing is taken from it");
    }
    Intake::new(ctx, choice, wishes(take)).take_in(harvest, None)?.tell(ctx)
}

fn wishes(args: &TakeArgs) -> Wishes {
    Wishes {
        check: if args.offline {
            intake::Check::Offline
        } else {
            intake::Check::WithAws
        },
        replace: if args.force {
            crate::vault::entry::Replace::Existing
        } else {
            crate::vault::entry::Replace::Never
        },
    }
}
