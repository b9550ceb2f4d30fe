//! A bus in the place of the system's, and somebody on it in the place of logind.

use std::{
    fs,
    io::Read,
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use zbus::{
    blocking::{Connection, connection::Builder},
    interface,
    zvariant::{self, OwnedObjectPath, OwnedValue, Value},
};

pub const LOGIND: &str = "org.freedesktop.login1";
const MANAGER: (&str, &str) = ("/org/freedesktop/login1", "org.freedesktop.login1.Manager");
const SESSION: &str = "org.freedesktop.login1.Session";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// A session of the user who runs the tests.
pub const OURS: &str = "/org/freedesktop/login1/session/_31";
/// Somebody else's.
pub const THEIRS: &str = "/org/freedesktop/login1/session/c2";

const PATIENCE: Duration = Duration::from_secs(20);

/// A dbus-daemon on which everybody may be called anything.
pub struct SystemBus {
    dir: TempDir,
    daemon: Option<Child>,
}

impl SystemBus {
    /// A place for one; nobody is there.
    pub fn place() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        SystemBus { dir, daemon: None }
    }

    pub fn started() -> Self {
        let mut bus = Self::place();
        bus.start();
        bus
    }

    pub fn start(&mut self) {
        let config = self.dir.path().join("bus.conf");
        let text = format!(
            "<busconfig><type>session</type><listen>{}</listen><policy context=\"default\">\
             <allow send_destination=\"*\"/><allow send_type=\"signal\"/><allow receive_sender=\"*\"/><allow own=\"*\"/>\
             <allow user=\"*\"/></policy></busconfig>",
            self.address()
        );
        fs::write(&config, text).expect("the bus's config");
        let daemon = Command::new("/usr/bin/dbus-daemon")
            .args(["--nofork", "--nopidfile"])
            .arg(format!("--config-file={}", config.display()))
            .stdin(Stdio::null())
            // It complains that it may not raise its limits.
            .stderr(Stdio::null())
            .spawn();
        self.daemon = Some(daemon.expect("dbus-daemon runs"));
        until("the bus does not come", || UnixStream::connect(self.socket()).is_ok());
    }

    pub fn kill(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        let _ = fs::remove_file(self.socket());
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("bus")
    }

    /// What `DBUS_SYSTEM_BUS_ADDRESS` is to be for who shall be on it.
    pub fn address(&self) -> String {
        format!("unix:path={}", self.socket().display())
    }

    fn builder(&self) -> Builder<'static> {
        let address = self.address();
        let builder = Builder::address(address.as_str()).expect("an address");
        builder.method_timeout(PATIENCE)
    }

    /// Somebody of whom the bus knows nothing, and who answers nothing.
    pub fn stranger(&self) -> Connection {
        self.builder().build().expect("on the bus")
    }

    /// A stranger who answers that there is no such thing, where others answer nothing.
    pub fn clueless(&self) -> Connection {
        let builder = self.builder().serve_at("/elsewhere", zbus::fdo::ObjectManager);
        builder.and_then(Builder::build).expect("on the bus")
    }

    /// What a process on this bus is called.
    pub fn name_of(&self, process: u32) -> String {
        let bus = self.stranger();
        let ask = |method: &str, body: &str| {
            let bus_name = "org.freedesktop.DBus";
            let path = "/org/freedesktop/DBus";
            match body {
                "" => bus.call_method(Some(bus_name), path, Some(bus_name), method, &()),
                name => bus.call_method(Some(bus_name), path, Some(bus_name), method, &name),
            }
            .expect("the bus answers")
        };
        let names: Vec<String> = ask("ListNames", "").body().deserialize().expect("names");
        let mut own = names.into_iter().filter(|name| {
            name.starts_with(':') && ask("GetConnectionUnixProcessID", name).body().deserialize().ok() == Some(process)
        });
        own.next().expect("the process is on the bus")
    }
}

impl Drop for SystemBus {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Somebody who owns logind's name, until the value is dropped.
pub struct Logind {
    bus: Connection,
    delays: Receiver<Delay>,
    locked: [Arc<AtomicBool>; 2],
}

/// A delay that the probe asked for, until it lets it go.
pub struct Delay {
    pub words: [String; 4],
    other_end: UnixStream,
}

impl Logind {
    pub fn log_in(bus: &SystemBus) -> Self {
        Self::with_a_screen(bus, false)
    }

    /// With our session's screen locked, or not.
    pub fn with_a_screen(bus: &SystemBus, locked: bool) -> Self {
        let (asked, delays) = channel();
        let locked = [Arc::new(AtomicBool::new(locked)), Arc::new(AtomicBool::new(false))];
        let uid = rustix::process::getuid().as_raw();
        let session = |user: u32, locked: &Arc<AtomicBool>| Session {
            user,
            locked: locked.clone(),
        };
        let bus = bus
            .builder()
            .serve_at(MANAGER.0, Manager { uid, asked })
            .and_then(|builder| builder.serve_at(OURS, session(uid, &locked[0])))
            .and_then(|builder| builder.serve_at(THEIRS, session(uid + 1, &locked[1])))
            .and_then(|builder| builder.name(LOGIND))
            .and_then(Builder::build);
        Logind {
            bus: bus.expect("on the bus"),
            delays,
            locked,
        }
    }

    /// The next delay that is asked for; whoever asks listens by then.
    pub fn delay(&self) -> Delay {
        self.delays.recv_timeout(PATIENCE).expect("a delay is asked for")
    }

    pub fn prepare_for_sleep(&self, beginning: bool) {
        prepare_for_sleep(&self.bus, None, beginning);
    }

    pub fn lock(&self, session: &str) {
        lock(&self.bus, None, session);
    }

    /// Says that the screen of a session is locked now, or no more.
    pub fn hint(&self, session: &str, locked: bool) {
        let [ours, theirs] = &self.locked;
        if session == OURS { ours } else { theirs }.store(locked, Ordering::SeqCst);
        hint(&self.bus, None, session, locked);
    }

    /// As [`Logind::hint`], without saying how it is now.
    pub fn hint_without_value(&self, session: &str, locked: bool) {
        let [ours, theirs] = &self.locked;
        if session == OURS { ours } else { theirs }.store(locked, Ordering::SeqCst);
        let changed: [(&str, OwnedValue); 0] = [];
        let body = (SESSION, std::collections::HashMap::from(changed), vec!["LockedHint"]);
        let sent = self
            .bus
            .emit_signal(None::<&str>, session, PROPERTIES, "PropertiesChanged", &body);
        sent.expect("it is sent");
    }
}

impl Delay {
    /// Waits until it is let go.
    pub fn is_let_go(&self) {
        self.other_end.set_read_timeout(Some(PATIENCE)).expect("a time");
        let read = (&self.other_end).read(&mut [0]);
        assert_eq!(read.expect("it is let go in time"), 0);
    }

    pub fn is_held(&self) -> bool {
        self.other_end.set_nonblocking(true).expect("a mode");
        let read = (&self.other_end).read(&mut [0]);
        self.other_end.set_nonblocking(false).expect("a mode");
        read.is_err_and(|err| err.kind() == std::io::ErrorKind::WouldBlock)
    }
}

/// Signals, by whoever is on the connection, to all who listen or to one.
pub fn prepare_for_sleep(by: &Connection, to: Option<&str>, beginning: bool) {
    let (path, interface) = MANAGER;
    let sent = by.emit_signal(to, path, interface, "PrepareForSleep", &beginning);
    sent.expect("it is sent");
}

pub fn lock(by: &Connection, to: Option<&str>, session: &str) {
    by.emit_signal(to, session, SESSION, "Lock", &()).expect("it is sent");
}

pub fn hint(by: &Connection, to: Option<&str>, session: &str, locked: bool) {
    let changed = std::collections::HashMap::from([("LockedHint", Value::from(locked))]);
    let unknown: [&str; 0] = [];
    let body = (SESSION, changed, &unknown[..]);
    let sent = by.emit_signal(to, session, PROPERTIES, "PropertiesChanged", &body);
    sent.expect("it is sent");
}

/// Signals of logind's names with contents that they don't have.
pub fn nonsense(by: &Connection) {
    let (path, interface) = MANAGER;
    let words = "x".repeat(100_000);
    let send = |path: &str, interface: &str, member: &str| {
        let sent = by.emit_signal(None::<&str>, path, interface, member, &words.as_str());
        sent.expect("it is sent");
    };
    send(path, interface, "PrepareForSleep");
    send(OURS, interface, "PrepareForSleep");
    send(OURS, PROPERTIES, "PropertiesChanged");
    send(path, SESSION, "Lock");
    let empty = std::collections::HashMap::<&str, Value<'_>>::new();
    let unknown: [&str; 0] = [];
    let sent = by.emit_signal(
        None::<&str>,
        OURS,
        PROPERTIES,
        "PropertiesChanged",
        &("", empty, &unknown[..]),
    );
    sent.expect("it is sent");
}

struct Manager {
    uid: u32,
    asked: Sender<Delay>,
}

#[interface(name = "org.freedesktop.login1.Manager")]
impl Manager {
    fn inhibit(&self, what: String, who: String, why: String, mode: String) -> zvariant::OwnedFd {
        let (other_end, end) = UnixStream::pair().expect("a pair");
        let words = [what, who, why, mode];
        self.asked.send(Delay { words, other_end }).expect("the test listens");
        OwnedFd::from(end).into()
    }

    fn list_sessions(&self) -> Vec<(String, u32, String, String, OwnedObjectPath)> {
        let path = |path: &str| OwnedObjectPath::try_from(path).expect("a path");
        let seat = "seat0".to_owned();
        vec![
            ("1".to_owned(), self.uid, "us".to_owned(), seat.clone(), path(OURS)),
            ("c2".to_owned(), self.uid + 1, "them".to_owned(), seat, path(THEIRS)),
        ]
    }
}

struct Session {
    user: u32,
    locked: Arc<AtomicBool>,
}

#[interface(name = "org.freedesktop.login1.Session")]
impl Session {
    #[zbus(property)]
    fn user(&self) -> (u32, OwnedObjectPath) {
        let path = OwnedObjectPath::try_from("/org/freedesktop/login1/user/_31").expect("a path");
        (self.user, path)
    }

    #[zbus(property)]
    fn locked_hint(&self) -> bool {
        self.locked.load(Ordering::SeqCst)
    }
}

fn until(otherwise: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < deadline, "{otherwise}");
        thread::sleep(Duration::from_millis(10));
    }
}
