//! The helper that shows notifications on the desktop: it is told lines on standard input, and takes the notification away at its end.

use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::time::Duration;
use zbus::blocking::Connection;
use zbus::blocking::connection::Builder;
use zbus::zvariant::{DynamicType, Value};

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";

/// After so long a server does not answer any more.
const LONGEST_ANSWER: Duration = Duration::from_secs(20);

/// In milliseconds: longer than a token waits. Only for the case that this helper is killed by force; not every desktop heeds it.
const EXPIRES_AFTER: i32 = 45_000;

/// Section 9: the urgency "critical", which is shown where others are held back.
const CRITICAL: u8 = 2;

/// Section 5: the notification that replaces none.
const NONE: u32 = 0;

/// Shows each line in the place of the one before, on the desktop whose address is the first line, until `orders` end: then nothing
/// is left of it. Answers with `REACHED` once, and with `SHOWN` for each line.
pub fn serve(orders: impl BufRead, mut answers: impl Write) {
    let mut lines = orders.lines().map_while(Result::ok);
    let Some(address) = lines.next() else { return };
    let Ok(desktop) = Desktop::reach(&address) else { return };
    let mut answer = |what: u8| {
        // Whoever does not listen any more has closed the orders too.
        let _ = answers.write_all(&[what]).and_then(|()| answers.flush());
    };
    answer(super::REACHED);
    let mut id = NONE;
    for line in lines {
        if let Ok(shown) = desktop.notify(id, &line) {
            id = shown;
        }
        answer(super::SHOWN);
    }
    if id != NONE {
        let _: zbus::Result<()> = desktop.call("CloseNotification", &id);
    }
}

struct Desktop {
    bus: Connection,
    /// Whether the server reads tags in the text.
    markup: bool,
}

impl Desktop {
    fn reach(address: &str) -> zbus::Result<Self> {
        let bus = Builder::address(address)?.method_timeout(LONGEST_ANSWER).build()?;
        let mut desktop = Desktop { bus, markup: true };
        let capabilities: Vec<String> = desktop.call("GetCapabilities", &())?;
        desktop.markup = capabilities.iter().any(|capability| capability == "body-markup");
        Ok(desktop)
    }

    /// Section 9, "Notify": the server's number for it.
    fn notify(&self, replaces: u32, line: &str) -> zbus::Result<u32> {
        // Shown literally by a server without markup, `&lt;` would spoil the line, in which `<` stands between callers.
        let body = if self.markup { escaped(line) } else { line.to_owned() };
        let actions: [&str; 0] = [];
        let hints = HashMap::from([
            ("urgency", Value::U8(CRITICAL)),
            // Section 8: it is not kept in a list of what was missed.
            ("transient", Value::Bool(true)),
            ("category", Value::from("device")),
        ]);
        self.call(
            "Notify",
            &(
                "tapvault",
                replaces,
                "dialog-password",
                "tapvault waits for a touch",
                body,
                &actions[..],
                hints,
                EXPIRES_AFTER,
            ),
        )
    }

    fn call<T>(&self, method: &str, body: &(impl serde::Serialize + DynamicType)) -> zbus::Result<T>
    where
        T: for<'d> zbus::zvariant::DynamicDeserialize<'d>,
    {
        self.bus
            .call_method(Some(NAME), PATH, Some(NAME), method, body)?
            .body()
            .deserialize()
    }
}

/// Section 4: the body is XML of a few tags.
fn escaped(line: &str) -> String {
    line.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_brings_no_tags_of_its_own() {
        assert_eq!(escaped("<b>a & b</b> &lt;"), "&lt;b&gt;a &amp; b&lt;/b&gt; &amp;lt;");
    }
}
