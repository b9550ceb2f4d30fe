//! The FIDO2 tokens of a bench.

use super::{Bench, program};
use std::fs;
use tapvault_lab::fido_key;

impl Bench {
    /// The FIDO2 token of this number.
    pub fn fido2(&self, number: usize) -> &fido_key::client::Control {
        self.fido2.as_ref().expect("this bench has FIDO2 tokens").key(number)
    }

    /// Its node as programs see it.
    pub fn fido2_node(&self, number: usize) -> String {
        let rig = self.fido2.as_ref().expect("this bench has FIDO2 tokens");
        rig.node(number).seen_as().display().to_string()
    }

    /// Sets a FIDO2 token's first PIN, and lets pinentry know it by the token's serial number.
    pub fn set_fido2_pin(&self, number: usize, pin: &str) {
        self.secret(&format!("PIN of FIDO2 token {number}"), pin);
        self.fido2_tool("pin", number, pin);
        if let Some(serial) = self
            .fido2(number)
            .ping()
            .expect("the FIDO2 token tells its serial number")
            .serial
        {
            self.pinentry_knows(&serial, pin);
        }
    }

    /// The lab's `fido2-tool` on this token; what it prints.
    pub fn fido2_tool(&self, task: &str, number: usize, input: &str) -> String {
        let file = self.hand().join("fido2-tool");
        fs::write(&file, input).expect("what the tool reads");
        let output = std::process::Command::new(program::fido2_tool())
            .args([task, &self.fido2_node(number)])
            .env_clear()
            .envs(self.environment())
            .stdin(fs::File::open(&file).expect("what the tool reads"))
            .output()
            .expect("fido2-tool runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        String::from_utf8(output.stdout).expect("fido2-tool prints text")
    }

    /// libfido2's fido2-token on this token, which reads `lines` where it asks for PINs: there is no terminal.
    pub fn fido2_token(&self, number: usize, words: &[&str], lines: &[&str]) {
        let program = "/usr/bin/fido2-token";
        let file = self.hand().join("fido2-token");
        let typed: String = lines.iter().map(|line| format!("{line}\n")).collect();
        fs::write(&file, typed).expect("what is typed");
        let output = std::process::Command::new("/usr/bin/setsid")
            .args(["--wait", program])
            .args(words)
            .arg(self.fido2_node(number))
            .env_clear()
            .envs(self.environment())
            .stdin(fs::File::open(&file).expect("what is typed"))
            .output()
            .expect("setsid runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{program} {words:?}: {said}");
    }
}
