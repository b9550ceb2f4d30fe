//! A small client of the query API, independent of any SDK, for tests of the stand-in.
//!
//! It signs with the stand-in's own SigV4 arithmetic, which its unit tests hold against AWS's vectors; what real
//! clients make of the stand-in is told in `outsiders.rs`.

#![allow(dead_code, reason = "each test file uses its own part of it")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tapvault_lab::aws_standin::http::Request;
use tapvault_lab::aws_standin::query::encode;
use tapvault_lab::aws_standin::sigv4::{self, Scope};
use tapvault_lab::aws_standin::{Standin, clock, sample};

/// Credentials and all that goes into a signature; tests bend single parts of it.
#[derive(Clone)]
pub struct Client {
    pub port: u16,
    pub key: String,
    pub secret: String,
    pub token: Option<String>,
    pub region: String,
    /// Seconds the client's clock is ahead.
    pub skew: i64,
    /// A header field it leaves out of its signatures.
    pub unsigned: Option<&'static str>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// The text of the first element of that name.
    pub fn text(&self, element: &str) -> &str {
        self.find(element)
            .unwrap_or_else(|| panic!("no {element} in {}", self.body))
    }

    pub fn find(&self, element: &str) -> Option<&str> {
        let start = self.body.find(&format!("<{element}>"))? + element.len() + 2;
        let end = self.body[start..].find(&format!("</{element}>"))?;
        Some(&self.body[start..start + end])
    }

    /// Asserts an error and hands out its message.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) -> &str {
        assert_eq!((self.status, self.find("Code")), (status, Some(code)), "{}", self.body);
        self.text("Message")
    }

    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.status, 200, "{}", self.body);
        self
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

impl Client {
    pub fn new(aws: &Standin, key: &str, secret: &str) -> Self {
        Self {
            port: aws.port(),
            key: key.to_owned(),
            secret: secret.to_owned(),
            token: None,
            region: "us-east-1".to_owned(),
            skew: 0,
            unsigned: None,
        }
    }

    pub fn ana(aws: &Standin) -> Self {
        Self::new(aws, sample::ANA_KEY, sample::ANA_SECRET)
    }

    /// The client of the session in an answer.
    pub fn session(&self, answer: &Answer) -> Self {
        Self {
            key: answer.text("AccessKeyId").to_owned(),
            secret: answer.text("SecretAccessKey").to_owned(),
            token: Some(answer.text("SessionToken").to_owned()),
            ..self.clone()
        }
    }

    pub fn sts(&self, action: &str, params: &[(&str, &str)]) -> Answer {
        self.call("sts", "2011-06-15", action, params)
    }

    pub fn iam(&self, action: &str, params: &[(&str, &str)]) -> Answer {
        self.call("iam", "2010-05-08", action, params)
    }

    pub fn call(&self, service: &str, version: &str, action: &str, params: &[(&str, &str)]) -> Answer {
        self.try_call(service, version, action, params).expect("a whole answer")
    }

    /// `None` if the connection ended without a whole answer.
    pub fn try_call(&self, service: &str, version: &str, action: &str, params: &[(&str, &str)]) -> Option<Answer> {
        let body = form(version, action, params);
        send(self.port, &self.signed_post(service, &body))
    }

    /// A signed request's bytes.
    pub fn signed_post(&self, service: &str, body: &str) -> Vec<u8> {
        let date = clock::amz_date(Timestamp::now() + SignedDuration::from_secs(self.skew));
        let scope = Scope {
            date: date[..8].to_owned(),
            region: self.region.clone(),
            service: service.to_owned(),
        };
        self.post_with(body, &date, &scope)
    }

    pub fn post_with(&self, body: &str, date: &str, scope: &Scope) -> Vec<u8> {
        let mut headers = vec![
            (
                "content-type".to_owned(),
                "application/x-www-form-urlencoded".to_owned(),
            ),
            ("host".to_owned(), format!("127.0.0.1:{}", self.port)),
            ("x-amz-date".to_owned(), date.to_owned()),
        ];
        headers.extend(
            self.token
                .clone()
                .map(|token| ("x-amz-security-token".to_owned(), token)),
        );
        let signed = headers.iter().filter(|(name, _)| Some(name.as_str()) != self.unsigned);
        let names: Vec<String> = signed.map(|(name, _)| name.clone()).collect();
        let request = Request {
            method: "POST".to_owned(),
            path: "/".to_owned(),
            query: String::new(),
            headers: headers.clone(),
            body: body.as_bytes().to_vec(),
            keep_alive: true,
        };
        let to_sign = sigv4::string_to_sign(date, scope, &sigv4::canonical_request(&request, &names));
        let signature = sigv4::signature(&sigv4::signing_key(&self.secret, scope), &to_sign);
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={signature}",
            self.key,
            scope.credential_scope(),
            names.join(";")
        );
        headers.push(("authorization".to_owned(), authorization));
        raw_post(&headers, body)
    }

    /// The target of a presigned GET.
    pub fn presigned(&self, service: &str, query: &str, expires: &str) -> String {
        let date = clock::amz_date(Timestamp::now() + SignedDuration::from_secs(self.skew));
        let scope = Scope {
            date: date[..8].to_owned(),
            region: self.region.clone(),
            service: service.to_owned(),
        };
        let credential = encode(format!("{}/{}", self.key, scope.credential_scope()).as_bytes());
        let mut query = format!(
            "{query}&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}&X-Amz-Date={date}\
             &X-Amz-Expires={expires}&X-Amz-SignedHeaders=host"
        );
        if let Some(token) = &self.token {
            query.push_str(&format!("&X-Amz-Security-Token={}", encode(token.as_bytes())));
        }
        let request = Request {
            method: "GET".to_owned(),
            path: "/".to_owned(),
            query: query.clone(),
            headers: vec![("host".to_owned(), format!("127.0.0.1:{}", self.port))],
            body: Vec::new(),
            keep_alive: true,
        };
        let canonical = sigv4::canonical_request(&request, &["host".to_owned()]);
        let to_sign = sigv4::string_to_sign(&date, &scope, &canonical);
        let signature = sigv4::signature(&sigv4::signing_key(&self.secret, &scope), &to_sign);
        format!("/?{query}&X-Amz-Signature={signature}")
    }

    pub fn get(&self, target: &str) -> Answer {
        let request = format!("GET {target} HTTP/1.1\r\nhost: 127.0.0.1:{}\r\n\r\n", self.port);
        send(self.port, request.as_bytes()).expect("a whole answer")
    }
}

/// `Action=...&Version=...&...`
pub fn form(version: &str, action: &str, params: &[(&str, &str)]) -> String {
    let mut body = format!("Action={action}&Version={version}");
    for (name, value) in params {
        body.push_str(&format!("&{name}={}", encode(value.as_bytes())));
    }
    body
}

pub fn raw_post(headers: &[(String, String)], body: &str) -> Vec<u8> {
    let mut request = "POST / HTTP/1.1\r\n".to_owned();
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
    request.into_bytes()
}

/// Sends one request on a connection of its own.
pub fn send(port: u16, request: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the stand-in listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a timeout can be set");
    stream.write_all(request).ok()?;
    receive(&mut stream)
}

/// Reads one answer and leaves the connection open.
pub fn receive(stream: &mut TcpStream) -> Option<Answer> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let status = head.get(9..12)?.parse().ok()?;
            let mut answer = Answer {
                status,
                head,
                body: String::new(),
            };
            let length: usize = answer.header("content-length")?.parse().ok()?;
            if bytes.len() >= end + 4 + length {
                answer.body = String::from_utf8_lossy(&bytes[end + 4..end + 4 + length]).into_owned();
                return Some(answer);
            }
        }
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return None,
            Ok(n) => bytes.extend_from_slice(&chunk[..n]),
        }
    }
}
