//! When what the agent holds must end: the machine sleeps, the screen is locked, a clock jumps, a token is pulled out.
//!
//! | module   | its idea                                                             |
//! |----------|----------------------------------------------------------------------|
//! | `clock`  | clocks that part: a suspend that nobody told of, a clock that was set |
//! | `login`  | what logind says on the system bus, before it happens                |
//! | `tokens` | readers that lose their card                                         |
//! | `hidraw` | FIDO2 tokens that go                                                 |
//!
//! What ends then is left to who is told. Each part lives on its own thread until the process ends; one whose source is
//! missing or goes away looks for it again from time to time. Being told once too often is harmless and happens: logind tells of
//! a suspend, and so do the clocks afterwards.

mod clock;
#[cfg(feature = "fido2")]
mod hidraw;
#[cfg(all(feature = "notify", unix, not(target_os = "macos")))]
mod login;
#[cfg(feature = "piv")]
mod tokens;

use crate::env::Env;
use crate::error::{Error, ErrorKind, Result, plain_io};
use std::sync::Arc;
use std::thread;

/// Why something that is held must end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The machine is about to sleep, or has slept.
    Suspended,
    /// A session of this user was locked.
    ScreenLocked,
    /// The wall clock was set, so nothing that ends at a time of day can be relied on.
    ClockJumped,
    /// Cards have gone from these readers, which are called as PC/SC calls them; they may be back already.
    TokensGone(Vec<String>),
}

/// Whom the parts tell.
type Tell = Arc<dyn Fn(Ended) + Send + Sync>;

/// Tells of everything from now on, from threads of its own. Where logind is there, it delays a suspend until `tell` has
/// returned, but for no more than some seconds.
///
/// # Errors
/// [`ErrorKind::Other`] when a thread can't be started; then not all would be seen.
pub fn watch(env: &Env, tell: impl Fn(Ended) + Send + Sync + 'static) -> Result<()> {
    let tell: Tell = Arc::new(tell);
    start("watch-clock", &tell, |tell| clock::watch(&tell))?;
    #[cfg(all(feature = "notify", unix, not(target_os = "macos")))]
    {
        let bus = login::Bus::of(env);
        start("watch-login", &tell, move |tell| login::watch(&bus, &tell))?;
    }
    #[cfg(not(all(feature = "notify", unix, not(target_os = "macos"))))]
    let _ = env;
    #[cfg(feature = "fido2")]
    start("watch-hidraw", &tell, |tell| hidraw::watch(&tell))?;
    #[cfg(feature = "piv")]
    start("watch-tokens", &tell, |tell| tokens::watch(&tell))?;
    Ok(())
}

fn start(name: &str, tell: &Tell, part: impl FnOnce(Tell) + Send + 'static) -> Result<()> {
    let tell = tell.clone();
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || part(tell))
        .map(drop)
        .map_err(|err| {
            Error::new(
                ErrorKind::Other,
                format!(
                    "a thread that watches for suspend and removal can't be started: {}",
                    plain_io(&err)
                ),
            )
            .hint("`ulimit -u` shows how many may run")
        })
}
