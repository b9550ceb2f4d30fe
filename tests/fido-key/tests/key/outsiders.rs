//! libfido2's tools on a rig's key: the second witness, without a virtual machine.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use crate::bench::Bench;

/// A tool of libfido2's without a terminal, so that it reads the PIN from standard input.
fn tool(bench: &Bench, name: &str, arguments: &[&str], input: &str) -> String {
    let program = format!("/usr/bin/{name}");
    assert!(
        std::path::Path::new(&program).exists(),
        "{program} is missing: apt-get install fido2-tools"
    );
    let mut child = Command::new("setsid")
        .args(["--wait", &program])
        .args(arguments)
        .envs(bench.rig.environment())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("setsid runs");
    let mut pipe = child.stdin.take().expect("a pipe");
    pipe.write_all(input.as_bytes()).expect("it reads");
    drop(pipe);
    let output = child.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{name} {arguments:?}: {text}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn libfido2_lists_the_key_and_knows_what_it_can() {
    let bench = Bench::start();
    let listed = tool(&bench, "fido2-token", &["-L"], "");
    assert!(
        listed.contains("/dev/hidraw0: vendor=0x20a0, product=0x42b2"),
        "{listed}"
    );
    let info = tool(&bench, "fido2-token", &["-I", "/dev/hidraw0"], "");
    assert!(
        info.contains("hmac-secret") && info.contains("pin retries: 8"),
        "{info}"
    );
}

#[test]
fn libfido2_gets_the_same_secret_twice() {
    let bench = Bench::start();
    let (challenge, salt) = (
        "eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg=",
        "c2FsdHNhbHRzYWx0c2FsdHNhbHRzYWx0c2FsdHNhbHQ=",
    );
    let parameters = bench.path().join("parameters");
    let words = parameters.to_str().expect("UTF-8");
    std::fs::write(&parameters, format!("{challenge}\nvault.test\nana\ndWlk\n")).expect("written");
    let pin = format!("{}\n", crate::bench::PIN);
    let made = tool(&bench, "fido2-cred", &["-M", "-h", "-i", words, "/dev/hidraw0"], &pin);
    let credential = made.lines().nth(4).expect("a credential");
    std::fs::write(&parameters, format!("{challenge}\nvault.test\n{credential}\n{salt}\n")).expect("written");
    let secret = || {
        let answer = tool(
            &bench,
            "fido2-assert",
            &["-G", "-h", "-v", "-i", words, "/dev/hidraw0"],
            &pin,
        );
        answer.lines().last().expect("a secret").to_owned()
    };
    assert_eq!(secret(), secret());
}
