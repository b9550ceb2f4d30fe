//! Time as AWS writes it.
//!
//! Nothing here reads the clock: [`State::now`](super::state::State::now) does, with the world's offset applied.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

/// `2026-11-24T23:20:47Z`: timestamps in answers (Smithy's `date-time`, which the query protocol uses).
pub fn iso8601(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `20261124T232047Z`: `X-Amz-Date` (IAM User Guide, "Elements of an AWS API request signature").
pub fn amz_date(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// `Tue, 24 Nov 2026 23:20:47 GMT`: the `Date` header (RFC 9110, 5.6.7 IMF-fixdate).
pub fn http_date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Reads an `X-Amz-Date`.
pub fn parse_amz_date(text: &str) -> Option<Timestamp> {
    utc(DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?)
}

/// Reads a `Date` header, which a signature may rest on when there is no `X-Amz-Date`.
pub fn parse_http_date(text: &str) -> Option<Timestamp> {
    utc(DateTime::strptime("%a, %d %b %Y %H:%M:%S GMT", text).ok()?)
}

fn utc(at: DateTime) -> Option<Timestamp> {
    Offset::UTC.to_timestamp(at).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_spelling_of_a_moment() {
        let at = Timestamp::from_second(1_440_938_160).unwrap();
        assert_eq!(iso8601(at), "2015-08-30T12:36:00Z");
        assert_eq!(amz_date(at), "20150830T123600Z");
        assert_eq!(http_date(at), "Sun, 30 Aug 2015 12:36:00 GMT");
        assert_eq!(parse_amz_date("20150830T123600Z"), Some(at));
        assert_eq!(parse_http_date("Sun, 30 Aug 2015 12:36:00 GMT"), Some(at));
        assert_eq!(parse_amz_date("2015-08-30T12:36:00Z"), None);
    }
}
