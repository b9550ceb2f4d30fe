use super::completion;
use crate::context::Context;
use crate::error::Result;
use crate::profile::ProfileName;
use crate::profile::files::rewrite::Backup;
use crate::vault::unlock::KeyChoice;
use aws_credentials::AwsFiles;
use clap::{Args, Subcommand};
use intake::{Intake, Wishes};
use scrub::Scrub;
use std::path::PathBuf;

mod aws_credentials;
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
pub struct ImportArgs {
    #[command(subcommand)]
    source: Source,
}

#[derive(Subcommand)]
enum Source {
    AwsCredentials(AwsCredentialsArgs),
    Csv(CsvArgs),
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

pub fn run(args: ImportArgs, ctx: &Context, choice: &KeyChoice) -> Result<()> {
    match args.source {
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
    }
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
