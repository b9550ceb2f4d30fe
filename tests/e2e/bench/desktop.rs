//! A desktop's part: a session bus of the bench's own, and a real gnome-keyring on it, or somebody in its place.
//!
//! ```ignore
//! let desktop = Desktop::log_in(&bench);          // the bus, gnome-keyring unlocked
//! desktop.lock();
//! ```
//!
//! Programs that the bench starts from then on find the bus. Everything ends with the value, by process number; that
//! nothing is left behind is checked then.

use super::Bench;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use zbus::blocking::Connection;
use zbus::blocking::connection::Builder;
use zbus::blocking::fdo::DBusProxy;
use zbus::zvariant::{ObjectPath, OwnedObjectPath, OwnedValue};

/// The variable by which programs find the session bus.
pub const BUS_VARIABLE: &str = "DBUS_SESSION_BUS_ADDRESS";

/// What the keyring is unlocked with.
const PASSWORD: &str = "correct.horse.of.the.desktop";

const NAME: &str = "org.freedesktop.secrets";
const PATH: &str = "/org/freedesktop/secrets";
const LOGIN: &str = "/org/freedesktop/secrets/collection/login";

/// So long daemons may take to come and go.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the bus starts when somebody asks for it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    None,
    /// gnome-keyring, which is then locked.
    Keyring,
}

/// See the module's words.
pub struct Desktop<'b> {
    bench: &'b Bench,
    address: String,
    bus: Option<Child>,
    keyring: Option<Child>,
    impostor: Option<Connection>,
}

impl<'b> Desktop<'b> {
    /// A session bus, and nobody on it. Whatever asks for a window that wants a password leaves a trace instead; see
    /// [`Desktop::windows`].
    pub fn without_keyring(bench: &'b Bench, activation: Activation) -> Self {
        bench.secret("the keyring's password", PASSWORD);
        let services = bench.hand().join("services");
        fs::create_dir_all(&services).expect("a folder");
        let window = bench.hand().join("window.sh");
        let script = format!("#!/bin/sh\necho shown >>{}\n", trace(bench).display());
        fs::write(&window, script).expect("a script");
        fs::set_permissions(&window, fs::Permissions::from_mode(0o700)).expect("its mode");
        let service = |name: &str, line: &str| {
            let text = format!("[D-BUS Service]\nName={name}\nExec={line}\n");
            fs::write(services.join(format!("{name}.service")), text).expect("a service file");
        };
        for prompter in ["org.gnome.keyring.SystemPrompter", "org.gnome.keyring.PrivatePrompter"] {
            service(prompter, &window.display().to_string());
        }
        if activation == Activation::Keyring {
            service(
                NAME,
                "/usr/bin/gnome-keyring-daemon --start --foreground --components=secrets",
            );
        }
        let socket = bench.root().join("bus");
        let config = bench.hand().join("bus.conf");
        let text = format!(
            "<busconfig><type>session</type><listen>unix:path={}</listen><servicedir>{}</servicedir>\
             <policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/><allow eavesdrop=\"true\"/>\
             <allow own=\"*\"/></policy></busconfig>",
            socket.display(),
            services.display()
        );
        fs::write(&config, text).expect("the bus's config");
        let address = format!("unix:path={}", socket.display());
        bench.everywhere(BUS_VARIABLE, &address);
        let mut desktop = Desktop {
            bench,
            address,
            bus: None,
            keyring: None,
            impostor: None,
        };
        let mut daemon = desktop.command("/usr/bin/dbus-daemon", &["--nofork", "--nopidfile"]);
        daemon.arg(format!("--config-file={}", config.display()));
        desktop.bus = Some(daemon.spawn().expect("dbus-daemon runs"));
        until("the session bus does not come", || {
            std::os::unix::net::UnixStream::connect(&socket).is_ok()
        });
        desktop
    }

    /// The bus, and gnome-keyring unlocked on it.
    pub fn log_in(bench: &'b Bench) -> Self {
        let mut desktop = Self::without_keyring(bench, Activation::None);
        desktop.start_keyring(Some(PASSWORD));
        desktop
    }

    /// Stops gnome-keyring, and starts it as a login with the password does.
    pub fn log_in_again(&mut self) {
        self.stop_keyring();
        self.start_keyring(Some(PASSWORD));
    }

    /// Stops gnome-keyring, and starts it as a login without the password does: on its own, locked.
    pub fn log_in_without_password(&mut self) {
        self.stop_keyring();
        self.start_keyring(None);
    }

    fn start_keyring(&mut self, password: Option<&str>) {
        let mut daemon = self.command(
            "/usr/bin/gnome-keyring-daemon",
            &["--foreground", "--components=secrets"],
        );
        daemon.stdin(Stdio::piped());
        if password.is_some() {
            daemon.arg("--unlock");
        }
        let mut child = daemon.spawn().expect("gnome-keyring-daemon runs");
        let mut stdin = child.stdin.take().expect("its standard input");
        if let Some(password) = password {
            stdin.write_all(password.as_bytes()).expect("it takes the password");
        }
        drop(stdin);
        self.keyring = Some(child);
        until("gnome-keyring does not come", || self.is_somebody_there());
        if password.is_some() {
            until("gnome-keyring does not unlock", || self.is_unlocked());
        }
    }

    /// Stops gnome-keyring, if it runs.
    pub fn stop_keyring(&mut self) {
        if let Some(keyring) = self.keyring.take() {
            end(keyring);
            until("gnome-keyring does not go", || !self.is_somebody_there());
        }
    }

    /// Locks the login keyring, as a screen lock may.
    pub fn lock(&self) {
        let paths = [ObjectPath::try_from(LOGIN).expect("a path")];
        let (locked, _prompt): (Vec<OwnedObjectPath>, OwnedObjectPath) = self
            .connection()
            .call_method(
                Some(NAME),
                PATH,
                Some("org.freedesktop.Secret.Service"),
                "Lock",
                &(&paths[..]),
            )
            .and_then(|reply| reply.body().deserialize())
            .expect("gnome-keyring locks");
        assert_eq!(locked.len(), 1, "the login keyring is locked");
    }

    /// Takes the secret service's name, and answers nothing.
    pub fn take_its_place_silently(&mut self) {
        // Without an object to serve, zbus reads messages and answers none.
        self.impostor = Some(self.builder().name(NAME).expect("a name").build().expect("on the bus"));
    }

    /// Takes the secret service's name, and knows nothing of what is asked.
    pub fn take_its_place_without_a_clue(&mut self) {
        let builder = self.builder().name(NAME).expect("a name");
        let somewhere_else = builder
            .serve_at("/elsewhere", zbus::fdo::ObjectManager)
            .expect("an object");
        self.impostor = Some(somewhere_else.build().expect("on the bus"));
    }

    /// Whether somebody has the secret service's name.
    pub fn is_somebody_there(&self) -> bool {
        let daemon = self.connection();
        let daemon = DBusProxy::new(&daemon).expect("the bus answers");
        daemon
            .name_has_owner(NAME.try_into().expect("a name"))
            .expect("the bus answers")
    }

    fn is_unlocked(&self) -> bool {
        let what = ("org.freedesktop.Secret.Collection", "Locked");
        let locked: Result<OwnedValue, _> = self
            .connection()
            .call_method(Some(NAME), LOGIN, Some("org.freedesktop.DBus.Properties"), "Get", &what)
            .and_then(|reply| reply.body().deserialize());
        locked.is_ok_and(|value| value.downcast_ref::<bool>() == Ok(false))
    }

    /// `secret-tool` as somebody else's look at the store: standard output.
    pub fn secret_tool(&self, words: &[&str], stdin: &str) -> String {
        let mut child = self
            .command("/usr/bin/secret-tool", words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("secret-tool runs");
        let mut pipe = child.stdin.take().expect("its standard input");
        pipe.write_all(stdin.as_bytes()).expect("it reads");
        drop(pipe);
        let output = child.wait_with_output().expect("it ends");
        String::from_utf8(output.stdout).expect("text")
    }

    /// How often a window was asked for.
    pub fn windows(&self) -> usize {
        fs::read_to_string(trace(self.bench)).map_or(0, |text| text.lines().count())
    }

    pub(super) fn builder(&self) -> Builder<'static> {
        let builder = Builder::address(self.address.as_str()).expect("an address");
        builder.method_timeout(PATIENCE)
    }

    fn connection(&self) -> Connection {
        self.builder().build().expect("the session bus answers")
    }

    /// A program in the person's surroundings, quiet.
    fn command(&self, program: &str, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(words).env_clear().envs(self.bench.environment());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }
}

impl Drop for Desktop<'_> {
    fn drop(&mut self) {
        self.impostor = None;
        // What the bus has started ends with it.
        for child in [self.keyring.take(), self.bus.take()].into_iter().flatten() {
            end(child);
        }
        self.bench.everywhere(BUS_VARIABLE, "");
        if !std::thread::panicking() {
            until("something of the desktop is left behind", || {
                daemons_of(self.bench.root()).is_empty()
            });
        }
    }
}

/// The processes of these names that run in this bench's surroundings, whoever started them.
pub fn daemons_of(root: &Path) -> Vec<String> {
    let root = root.as_os_str().as_encoded_bytes();
    let of = |folder: PathBuf| {
        let name = fs::read_to_string(folder.join("comm")).ok()?.trim().to_owned();
        let environment = fs::read(folder.join("environ")).ok()?;
        let ours = memchr::memmem::find(&environment, root).is_some();
        let daemon = ["dbus-", "gnome-keyring", "gcr-"]
            .iter()
            .any(|begin| name.starts_with(begin));
        (ours && daemon).then(|| format!("{name} ({})", folder.display()))
    };
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    processes.filter_map(|process| of(process.path())).collect()
}

fn trace(bench: &Bench) -> PathBuf {
    bench.hand().join("windows")
}

fn end(mut child: Child) {
    let _ = child.kill();
    let _ = child.wait();
}

fn until(otherwise: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < deadline, "{otherwise}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
