//! Other users, even where folder and socket let them in.

use super::{Stage, opened_up, others_are_served, with_agent};

/// Asks for the status and prints what comes back; "connected" first.
const ASK: &str = r#"
import json, os, socket, struct, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(10)
s.connect(sys.argv[1])
head = json.dumps({"protocol": 2, "version": sys.argv[2], "wants": "status"}).encode()
print("connected as", os.getuid())
try:
    s.sendall(struct.pack(">II", len(head), 0) + head)
    print("got", len(s.recv(100000)))
except OSError:
    print("got 0")
"#;

fn asked_as(bench: &crate::bench::Bench, uid: u32) -> String {
    opened_up(bench, |socket| {
        let words = [
            format!("--reuid={uid}"),
            format!("--regid={uid}"),
            "--clear-groups".into(),
            "/usr/bin/python3".into(),
            "-c".into(),
            ASK.into(),
            socket.display().to_string(),
            env!("CARGO_PKG_VERSION").into(),
        ];
        let run = bench.program("/usr/bin/setpriv", words);
        run.in_folder(std::path::Path::new("/")).run().success().stdout
    })
}

#[test]
fn another_user_is_not_answered() {
    let (bench, agent) = with_agent();
    assert_eq!(asked_as(&bench, 65_534), "connected as 65534\ngot 0\n");
    let own = asked_as(&bench, 0);
    assert!(
        own.starts_with("connected as 0\ngot ") && !own.contains("got 0"),
        "{own}"
    );
    others_are_served(&bench, agent);
}

/// "ended 0 leases" from a client that was never heard would be believed.
#[test]
fn lock_says_nothing_was_ended_only_if_nobody_is_there() {
    let (bench, _) = with_agent();
    let stage = Stage::beside(&bench);
    let listener = stage.listen();
    let closes = std::thread::spawn(move || {
        for stream in listener.incoming().take(20) {
            drop(stream);
        }
    });
    for line in [&["lock"][..], &["status"]] {
        let run = bench.tapvault(line).env("XDG_RUNTIME_DIR", &stage.run);
        let out = run.run().fails(1, "other");
        out.says("the agent closes every connection without an answer")
            .releases_nothing();
    }
    closes.join().expect("both tried as often");
    let out = bench
        .tapvault(["lock"])
        .env("XDG_RUNTIME_DIR", &stage.run)
        .run()
        .success();
    assert_eq!(out.stdout, "ended 0 leases, dropped 0 PINs\n");
    std::fs::remove_dir_all(&stage.run).expect("the stage goes");
}
