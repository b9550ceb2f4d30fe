//! Sealed sessions, made up, moved or ended.

use crate::bench::Bench;
use crate::tampering::{Aside, copy, made_up, read_json, seal_to_all, with_two_entries, write};
use serde_json::json;
use std::fs;

#[test]
fn sessions_that_are_not_what_they_should_be_are_fetched_anew() {
    let bench = with_two_entries();
    bench.aws_config("[profile prod]\nregion = eu-central-1\n[profile dev]\nregion = eu-central-1\n");
    bench
        .tapvault(["exec", "prod", "--", "true"])
        .run()
        .success()
        .touches(1);
    let sessions = bench.vault().join("sessions");
    let of_prod: Vec<String> = session_names(&bench);
    bench.tapvault(["exec", "dev", "--", "true"]).run().success().touches(1);
    let all = session_names(&bench);
    let of_dev = all
        .iter()
        .find(|name| !of_prod.contains(name))
        .expect("a session of dev");
    let of_prod = &of_prod[0];
    let (prod, dev) = (
        sessions.join(format!("{of_prod}.age")),
        sessions.join(format!("{of_dev}.age")),
    );
    let (beside_prod, beside_dev) = (prod.with_extension("json"), dev.with_extension("json"));
    let aside = Aside::of(&bench);
    let env = || {
        bench
            .tapvault(["exec", "dev", "--", "env"])
            .prints_secrets()
            .run()
            .success()
    };
    let sealed = env().touches(1).variable("AWS_ACCESS_KEY_ID").to_owned();
    let calls = bench.calls().len();
    let fetched_anew = |what: &str, touches: usize| {
        let out = env().touches(touches);
        assert_ne!(out.variable("AWS_ACCESS_KEY_ID"), sealed, "{what}\n{out}");
        aside.put_back();
        out
    };
    // Another profile's, with and without its sidecar.
    copy(&prod, &dev);
    fetched_anew("copied", 2).says("fetched anew").says("forged");
    copy(&prod, &dev);
    copy(&beside_prod, &beside_dev);
    fetched_anew("copied with sidecar", 2).says("fetched anew");
    // Made up.
    let mut content = made_up("session", "dev");
    content["session_token"] = json!("mallory");
    content["expires"] = json!("2999-01-01T00:00:00Z");
    content["inputs"] = json!(of_dev);
    write(&dev, seal_to_all(&bench, content.to_string().as_bytes()));
    fetched_anew("made up", 2).says("forged");
    // The access key itself in the place of a session.
    copy(&bench.vault().join("entries/dev.age"), &dev);
    fetched_anew("an entry", 2).says("forged");
    // Changed or cut.
    let bytes = fs::read(&dev).expect("read");
    let mut flipped = bytes.clone();
    *flipped.last_mut().expect("bytes") ^= 1;
    write(&dev, flipped);
    fetched_anew("flipped", 2).says("damaged");
    for cut in [0, 1, 30, bytes.len() - 200] {
        write(&dev, &bytes[..cut]);
        let touches = if cut > 200 { 2 } else { 1 };
        fetched_anew("cut", touches);
    }
    fs::remove_file(&dev).expect("removed");
    fetched_anew("missing", 1);
    fs::remove_file(&beside_dev).expect("removed");
    fetched_anew("without its sidecar", 1);
    write(&beside_dev, "{");
    fetched_anew("with a garbled sidecar", 1);
    let mut early = read_json(&beside_dev);
    early["expires"] = json!("2020-01-01T00:00:00Z");
    write(&beside_dev, early.to_string());
    fetched_anew("ended, as its sidecar says", 1);
    assert!(bench.calls().len() > calls);
}

#[test]
fn an_ended_session_is_not_handed_out_whatever_its_sidecar_says() {
    let bench = with_two_entries();
    bench
        .tapvault(["exec", "dev", "-d", "15m", "--", "true"])
        .run()
        .success()
        .touches(1);
    let name = session_names(&bench).remove(0);
    let sidecar = bench.vault().join(format!("sessions/{name}.json"));
    let mut lie = read_json(&sidecar);
    lie["expires"] = json!("2999-01-01T00:00:00Z");
    write(&sidecar, lie.to_string());
    // So much life does no session of 15 minutes have left.
    bench.settings("min_ttl_seconds = 1000\n");
    bench
        .tapvault(["exec", "dev", "-d", "15m", "--", "true"])
        .run()
        .success()
        .touches(2);
    assert_eq!(
        bench.calls().iter().filter(|call| *call == "GetSessionToken").count(),
        2
    );
}

fn session_names(bench: &Bench) -> Vec<String> {
    let files = bench.vault().join("sessions").read_dir().expect("sessions");
    files
        .filter_map(|file| {
            file.ok()?
                .file_name()
                .into_string()
                .ok()?
                .strip_suffix(".age")
                .map(str::to_owned)
        })
        .collect()
}
