//! AWS is far away: nothing listens, nothing resolves, nobody answers, somebody else answers, a proxy stands between.

use super::{EXEC, bench, refused};
use crate::bench::{Bench, Output};
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use tapvault_lab::aws_standin::{Fault, When};

#[track_caller]
fn exec(bench: &Bench, env: &[(&str, &str)]) -> Output {
    let mut run = bench.tapvault(["--debug", "exec", "prod", "--", "true"]);
    for (name, value) in env {
        run = run.env(name, value);
    }
    let out = run.run().does_not_say("panicked").does_not_say("os error");
    bench.tapvault(["clear"]).run().success();
    out
}

#[test]
fn a_connection_that_breaks_is_said_and_the_call_made_again() {
    let bench = bench();
    let faults: [fn() -> Fault; 3] = [
        || Fault::on("GetSessionToken").drop_connection(When::Before),
        || Fault::on("GetSessionToken").drop_connection(When::After),
        || Fault::on("GetSessionToken").cut(),
    ];
    for fault in faults {
        bench.aws().fault(fault());
        exec(&bench, &[]).success().touches(1);
        let every = Fault { times: None, ..fault() };
        refused(&bench, every, &EXEC, (9, "network"))
            .says("GetSessionToken")
            .says("(3 attempts)");
    }
}

#[test]
fn an_answer_that_is_slow_is_waited_for_and_one_that_never_comes_is_given_up() {
    let bench = bench();
    bench.aws().fault(Fault::on("GetSessionToken").delay(4000, When::After));
    exec(&bench, &[])
        .success()
        .says("waiting for GetSessionToken from http://127.0.0.1");
    bench.aws().fault(Fault::on("GetSessionToken").every().drip(500));
    let out = exec(&bench, &[])
        .fails(9, "network")
        .says("no answer from")
        .says("in time (3 attempts)");
    assert!(out.took.as_secs() < 50, "{out}");
}

#[test]
fn an_address_that_leads_nowhere_is_named() {
    let bench = bench();
    let nothing = TcpListener::bind("127.0.0.1:0").expect("a port");
    let free = nothing.local_addr().expect("its address");
    drop(nothing);
    let refused = format!("http://{free}");
    exec(&bench, &[("AWS_ENDPOINT_URL", &refused)])
        .fails(9, "network")
        .says(&format!("{refused} can't be reached: connection refused"));
    exec(&bench, &[("AWS_ENDPOINT_URL", "https://sts.lab.invalid")])
        .fails(9, "network")
        .says("https://sts.lab.invalid can't be reached: failed to lookup address");
    for wrong in ["nonsense", "ftp://x", "https://", "http://[::1"] {
        let out = exec(&bench, &[("AWS_ENDPOINT_URL", wrong)]);
        assert!(matches!(out.code, Some(3 | 9)), "{out}");
        out.says(wrong);
    }
}

#[test]
fn a_certificate_that_is_not_trusted_is_refused_and_a_bundle_makes_it_trusted() {
    let bench = bench();
    let (right, wrong) = (
        TlsFront::start(&bench, "right", "127.0.0.1"),
        TlsFront::start(&bench, "wrong", "192.0.2.1"),
    );
    exec(&bench, &[("AWS_ENDPOINT_URL", &right.url)])
        .fails(9, "network")
        .says("certificate");
    exec(
        &bench,
        &[("AWS_ENDPOINT_URL", &right.url), ("AWS_CA_BUNDLE", &right.certificate)],
    )
    .success();
    // Trusted, but made for another host.
    exec(
        &bench,
        &[("AWS_ENDPOINT_URL", &wrong.url), ("AWS_CA_BUNDLE", &wrong.certificate)],
    )
    .fails(9, "network")
    .says("certificate not valid for name");
    // No TLS where TLS should be.
    let plain = bench.aws().endpoint().replace("http://", "https://");
    exec(&bench, &[("AWS_ENDPOINT_URL", &plain)])
        .fails(9, "network")
        .says("can't be reached");
    // Through a proxy, which sees no more than the host.
    let proxy = proxy(|connection, target| {
        let _ = (&connection).write_all(b"HTTP/1.1 200 Connection established\r\n\r\n");
        relay(connection, &target);
    });
    let env = [
        ("AWS_ENDPOINT_URL", right.url.as_str()),
        ("AWS_CA_BUNDLE", &right.certificate),
        ("HTTPS_PROXY", &proxy),
    ];
    exec(&bench, &env).success();
}

#[test]
fn a_proxy_that_does_not_let_through_is_named_by_its_variable() {
    let bench = bench();
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent = format!("http://ana:proxy-password-0001@{}", silent_address(&silent));
    let refusing = proxy(|connection, _| {
        let _ = (&connection).write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
    });
    let far = ("AWS_ENDPOINT_URL", "https://sts.lab.invalid");
    for (variable, proxy) in [
        ("HTTPS_PROXY", "http://127.0.0.1:9"),
        ("https_proxy", &refusing),
        ("ALL_PROXY", "http://127.0.0.1:9"),
    ] {
        exec(&bench, &[far, (variable, proxy)])
            .fails(9, "network")
            .says(&format!(
                "{variable} is set, so the call went to that proxy unless NO_PROXY names"
            ));
    }
    // What HTTPS_PROXY says is not for plain HTTP, and NO_PROXY takes back what HTTP_PROXY says.
    exec(&bench, &[("HTTPS_PROXY", "http://127.0.0.1:9")]).success();
    exec(
        &bench,
        &[("HTTP_PROXY", "http://127.0.0.1:9"), ("NO_PROXY", "127.0.0.1")],
    )
    .success();
    exec(&bench, &[("HTTP_PROXY", "http://127.0.0.1:9")])
        .fails(9, "network")
        .says("HTTP_PROXY is set");
    let out = bench
        .tapvault(["--debug", "exec", "prod", "--", "true"])
        .env(far.0, far.1)
        .env("HTTPS_PROXY", &silent)
        .run()
        .fails(9, "network")
        .says("in time (3 attempts)")
        .says("HTTPS_PROXY is set")
        .does_not_say("proxy-password");
    assert!(out.took.as_secs() < 50, "{out}");
}

#[test]
fn calls_go_to_the_host_that_the_profiles_partition_and_settings_ask_for() {
    let bench = bench();
    let (send, targets) = mpsc::channel();
    let proxy = proxy(move |connection, target| {
        let _ = send.send(target);
        let _ = (&connection).write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    });
    for (settings, host) in [
        ("region = eu-central-1", "sts.eu-central-1.amazonaws.com:443"),
        ("region = cn-northwest-1", "sts.cn-northwest-1.amazonaws.com.cn:443"),
        ("region = us-gov-west-1", "sts.us-gov-west-1.amazonaws.com:443"),
        (
            "region = us-gov-west-1\nuse_fips_endpoint = true",
            "sts.us-gov-west-1.amazonaws.com:443",
        ),
        (
            "region = us-east-2\nuse_fips_endpoint = true",
            "sts-fips.us-east-2.amazonaws.com:443",
        ),
        (
            "region = eu-west-1\nuse_dualstack_endpoint = true",
            "sts.eu-west-1.api.aws:443",
        ),
        (
            "region = eu-west-1\nsts_regional_endpoints = legacy",
            "sts.amazonaws.com:443",
        ),
        (
            "region = eu-south-1\nsts_regional_endpoints = legacy",
            "sts.eu-south-1.amazonaws.com:443",
        ),
        (
            "region = eu-west-1\nendpoint_url = https://all.lab.invalid",
            "all.lab.invalid:443",
        ),
        (
            "region = eu-west-1\nservices = lab\n[services lab]\nsts =\n  endpoint_url = https://sts.lab.invalid:8443",
            "sts.lab.invalid:8443",
        ),
    ] {
        bench.aws_config(&format!("[profile prod]\n{settings}\n"));
        bench
            .tapvault(["exec", "prod", "--", "true"])
            .env("AWS_ENDPOINT_URL", "")
            .env("HTTPS_PROXY", &proxy)
            .run()
            .fails(9, "network")
            .says("HTTPS_PROXY is set");
        let asked: BTreeSet<String> = targets.try_iter().collect();
        assert_eq!(asked, BTreeSet::from([host.to_owned()]), "{settings}");
    }
}

/// It takes connections and says nothing; held until the test ends.
fn silent_address(listener: &TcpListener) -> String {
    let address = listener.local_addr().expect("its address").to_string();
    let listener = listener.try_clone().expect("a handle");
    thread::spawn(move || {
        let connections: Vec<_> = listener.incoming().collect();
        drop(connections);
    });
    address
}

/// A proxy that hands each CONNECT (RFC 9110, 9.3.6) and its target to `answer`; its address.
fn proxy(answer: impl Fn(TcpStream, String) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("its address"));
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let mut reader = BufReader::new(connection.try_clone().expect("a handle"));
            let (mut request, mut line) = (String::new(), String::new());
            while reader.read_line(&mut line).is_ok_and(|count| count > 2) {
                request.push_str(&line);
                line.clear();
            }
            let target = request.split(' ').nth(1).unwrap_or_default().to_owned();
            answer(connection, target);
        }
    });
    url
}

fn relay(near: TcpStream, target: &str) {
    let Ok(far) = TcpStream::connect(target) else { return };
    let mut ways = [(near.try_clone(), far.try_clone()), (Ok(far), Ok(near))].into_iter();
    while let Some((Ok(mut from), Ok(mut to))) = ways.next() {
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut chunk) {
                if to.write_all(&chunk[..count]).is_err() {
                    break;
                }
            }
            let _ = to.shutdown(Shutdown::Write);
        });
    }
}

/// TLS before the stand-in, with a certificate that it signed itself.
struct TlsFront {
    url: String,
    certificate: String,
    program: Child,
}

impl TlsFront {
    fn start(bench: &Bench, name: &str, address: &str) -> Self {
        let file = |end: &str| bench.root().join(format!("{name}.{end}")).display().to_string();
        let (certificate, key) = (file("pem"), file("key"));
        let made = Command::new("/usr/bin/openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "2",
            ])
            .args(["-subj", "/CN=lab", "-addext", &format!("subjectAltName=IP:{address}")])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .args(["-keyout", &key, "-out", &certificate])
            .output()
            .expect("openssl runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let script = file("py");
        fs::write(&script, include_str!("tls_front.py")).expect("a program");
        let mut program = Command::new("/usr/bin/python3")
            .args([&script, &certificate, &key, &bench.aws().port().to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("python runs");
        let mut port = String::new();
        let stdout = program.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut port).expect("its port");
        TlsFront {
            url: format!("https://127.0.0.1:{}", port.trim()),
            certificate,
            program,
        }
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}
