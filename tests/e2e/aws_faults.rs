//! AWS misbehaves: it is slow, throttles, breaks off, answers what is no answer, or refuses. Each time the person is told what
//! happened in AWS's own words, nothing is handed out, no session that worked is lost, and the next command works.

mod network;
mod refusals;
mod sessions;

use crate::bench::{Bench, Output};
use tapvault_lab::aws_standin::Fault;
use tapvault_lab::aws_standin::fault::Effect;

const EXEC: [&str; 4] = ["exec", "prod", "--", "env"];

/// prod is Ana's key, reader a role over it, admin one that needs MFA.
const CONFIG: &str = "[profile prod]\nregion = eu-central-1\n\
    [profile reader]\nregion = eu-west-1\nrole_arn = arn:aws:iam::444455556666:role/reader\nsource_profile = prod\n\
    [profile admin]\nrole_arn = arn:aws:iam::444455556666:role/admin\nsource_profile = prod\n";

fn bench() -> Bench {
    let bench = Bench::with_prod();
    bench.aws_config(CONFIG);
    bench.aws().clear_calls();
    bench
}

/// Runs `line` under `fault`, which has to end it in this way; then without, which has to work.
#[track_caller]
fn refused(bench: &Bench, fault: Fault, line: &[&str], (code, name): (i32, &str)) -> Output {
    bench.aws().fault(fault);
    let out = bench.tapvault(["--debug"].iter().chain(line)).run();
    bench.aws().clear_faults();
    let out = out.fails(code, name).releases_nothing().does_not_say("panicked");
    bench.tapvault(line).prints_secrets().run().success();
    bench.tapvault(["clear"]).run().success();
    out
}

fn body(action: &str, status: u16, body: &str) -> Fault {
    Fault::on(action).every().with(Effect::Garbage {
        status,
        body: body.into(),
    })
}

/// STS's answer to GetSessionToken with these elements in it.
fn answer(credentials: &str) -> String {
    format!(
        r#"<GetSessionTokenResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetSessionTokenResult><Credentials>{credentials}</Credentials></GetSessionTokenResult></GetSessionTokenResponse>"#
    )
}

#[test]
fn what_is_no_answer_of_aws_is_called_so_and_hands_out_nothing() {
    let bench = bench();
    let whole = |expiration: &str| {
        answer(&format!(
            "<AccessKeyId>ASIAX</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
             <Expiration>{expiration}</Expiration>"
        ))
    };
    let page = "<!DOCTYPE html><html><body><h1>Sign in to the hotel's network</h1></body></html>";
    for (status, text, words) in [
        (200, page.to_owned(), "gave an answer that is not AWS's"),
        (200, String::new(), "gave an answer that is not AWS's"),
        (200, "{\"json\": true}".to_owned(), "gave an answer that is not AWS's"),
        (200, "<other/>".to_owned(), "gave an answer that is not AWS's"),
        (200, "<a>".repeat(20_000), "gave an answer that is not AWS's"),
        (200, " ".repeat(50 << 20), "gave an answer that is not AWS's"),
        (200, answer(""), ""),
        (200, answer("<AccessKeyId>ASIAX</AccessKeyId>"), ""),
        (200, whole("next Tuesday"), "gave an answer that is not AWS's"),
        (
            200,
            whole("2020-01-01T00:00:00Z"),
            "the session that came back has ended already (2020-01-01T00:00:00Z)",
        ),
        (302, page.to_owned(), "answered HTTP 302 and nothing that is AWS's"),
        (403, page.to_owned(), "answered HTTP 403 and nothing that is AWS's"),
        (407, page.to_owned(), "answered HTTP 407 and nothing that is AWS's"),
        (
            500,
            page.to_owned(),
            "answered HTTP 500, without AWS's words (3 attempts)",
        ),
        (
            502,
            page.to_owned(),
            "answered HTTP 502, without AWS's words (3 attempts)",
        ),
        (
            503,
            page.to_owned(),
            "answered HTTP 503, without AWS's words (3 attempts)",
        ),
    ] {
        println!("{status} {}", text.chars().take(60).collect::<String>());
        refused(&bench, body("GetSessionToken", status, &text), &EXEC, (9, "network"))
            .says("GetSessionToken")
            .says(words);
    }
}

#[test]
fn a_wait_that_aws_asks_for_is_kept_and_said_and_a_long_one_is_refused() {
    let bench = bench();
    for code in ["Throttling", "RequestLimitExceeded", "SlowDown"] {
        bench.aws().clear_calls();
        bench
            .aws()
            .fault(Fault::on("GetSessionToken").with(throttled(400, code, 2)));
        let out = bench.tapvault(EXEC).prints_secrets().run().success().touches(1);
        assert!(out.took.as_secs() >= 2, "{out}");
        out.says(&format!("GetSessionToken: {code}; trying again in 2 s"));
        assert_eq!(bench.calls(), ["GetSessionToken", "GetSessionToken"]);
        bench.tapvault(["clear"]).run().success();
    }
    let fault = Fault::on("GetSessionToken")
        .every()
        .with(throttled(503, "Throttling", 120));
    let out = refused(&bench, fault, &EXEC, (8, "aws"))
        .says("Throttling: \"Rate exceeded\"")
        .says("AWS asks to wait 120 s before the next attempt");
    assert!(out.took.as_secs() < 10, "it did not wait\n{out}");
    // A server that goes on throttling is not asked for ever.
    bench.aws().clear_calls();
    let fault = Fault::on("GetSessionToken")
        .every()
        .with(throttled(400, "Throttling", 1));
    refused(&bench, fault, &EXEC, (8, "aws")).says("(3 attempts)");
    assert_eq!(bench.calls().len(), 4, "three, and one that worked");
}

fn throttled(status: u16, code: &str, seconds: u64) -> Effect {
    Effect::Error {
        status,
        code: code.into(),
        message: "Rate exceeded".into(),
        retry_after: Some(seconds),
        when: tapvault_lab::aws_standin::When::Before,
    }
}
