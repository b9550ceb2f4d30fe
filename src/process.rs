//! Other programs: the child that gets the credentials, and helpers whose output is read.

pub mod capture;
pub mod environment;

pub use capture::{Conversation, Inherit, capture, converse};

use crate::context::Env;
use crate::error::{Error, ErrorKind, Result, plain_io};
use crate::programs;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The exit code when the command is not found, as shells have it (POSIX, Shell Command Language 2.8.2).
pub const NOT_FOUND: u8 = 127;
/// The exit code when it is found but can't be executed.
pub const NOT_EXECUTABLE: u8 = 126;

/// Why the child did not come to life, with the exit code that a shell would give.
pub struct NotStarted {
    /// The message.
    pub error: Error,
    /// [`NOT_FOUND`] or [`NOT_EXECUTABLE`].
    pub exit_code: u8,
}

/// Where commands are looked for when there is no PATH, as the C library does (execvp(3)).
const USUAL_PATH: &str = "/bin:/usr/bin";

/// A command that was found, so that no touch is spent on a typing slip.
pub struct Found<'a> {
    command: &'a [OsString],
    path: PathBuf,
}

/// Looks for the command as a shell does.
///
/// # Errors
/// As [`Found::become_child`].
pub fn find<'a>(command: &'a [OsString], env: &Env) -> Result<Found<'a>, NotStarted> {
    let Some(program) = command.first() else {
        return Err(NotStarted {
            error: Error::new(ErrorKind::Usage, "no command was given"),
            exit_code: ErrorKind::Usage.exit_code(),
        });
    };
    let folder = std::env::current_dir().unwrap_or_default();
    let search = env.os("PATH").unwrap_or(OsStr::new(USUAL_PATH));
    match which::which_in(program, Some(search), &folder) {
        // A path is taken as it was given: a script sees it as its own name.
        Ok(_) if has_folder(program) => Ok(Found {
            command,
            path: program.into(),
        }),
        Ok(path) => Ok(Found { command, path }),
        _ if has_folder(program) && folder.join(program).exists() => {
            Err(not_started(program, &std::io::ErrorKind::PermissionDenied.into()))
        }
        _ => Err(not_started(program, &std::io::ErrorKind::NotFound.into())),
    }
}

/// This program's own path, for config files that call it: as the PATH has it, for that one survives an update; else where it
/// really lies.
///
/// # Errors
/// [`ErrorKind::Other`] when the system does not tell, or the program was replaced while it runs.
pub fn own_path(env: &Env) -> Result<PathBuf> {
    let unknown = |how: String| {
        Error::new(ErrorKind::Other, format!("tapvault's own path can't be told: {how}"))
            .hint("run it again; an update may have replaced it just now")
    };
    let real = programs::own_file()
        .and_then(|path| path.canonicalize())
        .map_err(|err| unknown(plain_io(&err)))?;
    let name = OsStr::new(programs::FRONT);
    // In a folder where the engine is alone, it is what callers have.
    let beside = Some(real.with_file_name(name)).filter(|front| front.exists());
    let real = beside.unwrap_or(real);
    let on_path = which::which_in(name, env.os("PATH"), Path::new("/"));
    let same = |path: &PathBuf| path.is_absolute() && path.canonicalize().is_ok_and(|path| path == real);
    Ok(on_path.ok().filter(same).unwrap_or(real))
}

impl Found<'_> {
    /// Becomes the child: same process id, same signals, same exit code. Returns only when that fails.
    pub fn become_child(&self, environment: Vec<(OsString, OsString)>) -> NotStarted {
        let (program, arguments) = (&self.command[0], &self.command[1..]);
        let err = Command::new(&self.path)
            .arg0(program)
            .args(arguments)
            .env_clear()
            .envs(environment)
            .exec();
        not_started(program, &err)
    }
}

fn has_folder(program: &OsStr) -> bool {
    program.as_bytes().contains(&b'/')
}

fn not_started(program: &OsString, err: &std::io::Error) -> NotStarted {
    let name = program.to_string_lossy();
    if err.kind() == std::io::ErrorKind::NotFound {
        NotStarted {
            error: Error::new(ErrorKind::Other, format!("{name}: command not found"))
                .hint("aliases and shell functions need a shell: -- sh -c '...'"),
            exit_code: NOT_FOUND,
        }
    } else {
        NotStarted {
            error: Error::new(ErrorKind::Other, format!("{name} can't be run: {err}")),
            exit_code: NOT_EXECUTABLE,
        }
    }
}

/// Takes standard output for its holder alone: what others print from now on goes nowhere.
///
/// # Errors
/// [`ErrorKind::Other`] if the system refuses.
#[cfg(feature = "fido2")]
pub fn take_stdout() -> Result<std::fs::File> {
    let failed = |err: std::io::Error| Error::new(ErrorKind::Other, format!("taking standard output: {err}"));
    let own = rustix::io::dup(rustix::stdio::stdout()).map_err(|err| failed(err.into()))?;
    rustix::io::fcntl_setfd(&own, rustix::io::FdFlags::CLOEXEC).map_err(|err| failed(err.into()))?;
    let nowhere = rustix::fs::open("/dev/null", rustix::fs::OFlags::WRONLY, rustix::fs::Mode::empty())
        .map_err(|err| failed(err.into()))?;
    rustix::stdio::dup2_stdout(&nowhere).map_err(|err| failed(err.into()))?;
    Ok(own.into())
}

/// Keeps this process's memory out of core dumps and from debuggers of the same user.
///
/// The kernel sets a child's flag anew when it is executed (prctl(2), PR_SET_DUMPABLE), so the child is not affected.
///
/// # Errors
/// [`ErrorKind::Other`] if the system refuses.
pub fn harden() -> Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .map_err(|err| Error::new(ErrorKind::Other, format!("keeping secrets out of core dumps: {err}")))?;
    Ok(())
}
