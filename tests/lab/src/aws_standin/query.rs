//! The query protocol's parameters: `Action=...&Version=...` in a form body or a URL.
//!
//! Decoding and encoding only; which parameters an action takes is the action's business.

/// Decoded parameters in the order they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Reads `a=1&b=2`.
    pub fn parse(text: &str) -> Self {
        Self(
            text.split('&')
                .filter(|pair| !pair.is_empty())
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decode(name), decode(value))
                })
                .collect(),
        )
    }

    /// Adds the parameters of another place (the body, after the URL).
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The value of a parameter; of two with one name, the first.
    pub fn find(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// All parameters.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// A list of plain values: `Name.member.1`, `Name.member.2`, until one is missing.
    pub fn list(&self, name: &str) -> Vec<&str> {
        self.numbered(|n| self.find(&format!("{name}.member.{n}")))
    }

    /// A list of structures with two members, such as tags: `Tags.member.1.Key` and `Tags.member.1.Value`.
    pub fn pairs(&self, name: &str, first: &str, second: &str) -> Vec<(&str, &str)> {
        self.numbered(|n| {
            let key = self.find(&format!("{name}.member.{n}.{first}"))?;
            Some((key, self.find(&format!("{name}.member.{n}.{second}")).unwrap_or("")))
        })
    }

    /// Members 1, 2, ... as far as they go: never more than there are parameters, whatever numbers they carry.
    fn numbered<'a, T: 'a>(&'a self, member: impl Fn(usize) -> Option<T>) -> Vec<T> {
        (1..=self.0.len()).map_while(member).collect()
    }
}

/// Undoes percent-encoding, and `+` for a space as forms have it (WHATWG URL, "application/x-www-form-urlencoded").
pub fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = |offset: usize| bytes.get(at + offset).and_then(|b| char::from(*b).to_digit(16));
        match (bytes[at], hex(1), hex(2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, ..) => {
                out.push(if byte == b'+' { b' ' } else { byte });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Percent-encodes all but RFC 3986's unreserved characters, in capitals: `UriEncode` of the IAM User Guide,
/// "Create a signed AWS API request".
pub fn encode(text: &[u8]) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len());
    for byte in text {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            out.push(char::from(*byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 0x0f)]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_once() {
        let params = Params::parse("Action=X&Name=a%2Bb+c&Odd=%zz%&Empty=&Flag");
        assert_eq!(params.find("Name"), Some("a+b c"));
        assert_eq!(params.find("Odd"), Some("%zz%"));
        assert_eq!(
            (params.find("Empty"), params.find("Flag"), params.find("None")),
            (Some(""), Some(""), None)
        );
    }

    #[test]
    fn lists_end_at_the_first_gap() {
        let params = Params::parse("T.member.1.Key=a&T.member.1.Value=1&T.member.2.Key=b&L.member.1=x&L.member.3=z");
        assert_eq!(params.pairs("T", "Key", "Value"), [("a", "1"), ("b", "")]);
        assert_eq!(params.list("L"), ["x"]);
    }

    #[test]
    fn encoding_leaves_only_the_unreserved() {
        assert_eq!(encode("a-Z_0.9~ /=+ሴ".as_bytes()), "a-Z_0.9~%20%2F%3D%2B%E1%88%B4");
    }
}
