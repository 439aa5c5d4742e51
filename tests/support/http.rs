//! A small HTTP client: one request per connection, as HTTP/1.0, so that no body comes in chunks.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

/// An answer.
#[derive(Debug)]
pub(crate) struct Response {
    /// Status code.
    pub(crate) status: u16,
    /// Body as text.
    pub(crate) body: String,
}

impl Response {
    /// The body read as JSON.
    pub(crate) fn json(&self) -> Result<serde_json::Value, String> {
        serde_json::from_str(&self.body).map_err(|error| format!("{error} in {}", self.body))
    }
}

/// Asks the server on that port of 127.0.0.1 for a path (with its query, already encoded).
pub(crate) fn get(port: u16, path: &str) -> Result<Response, String> {
    send(port, "GET", path, "", b"")
}

/// Sends a request with a body of that type; no body without a type.
pub(crate) fn send(
    port: u16,
    method: &str,
    path: &str,
    content_type: &str,
    body: &[u8],
) -> Result<Response, String> {
    let mut head = format!("{method} {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nAccept: */*\r\n");
    if !content_type.is_empty() {
        let length = body.len();
        let lines = [("Content-Type", content_type), ("Content-Length", &length.to_string())];
        for (name, value) in lines {
            head.extend([name, ": ", value, "\r\n"]);
        }
    }
    let request = [head.as_bytes(), b"\r\n", body].concat();
    let answer = exchange(port, &request).map_err(|error| format!("{method} {path}: {error}"))?;
    parse(&answer).ok_or_else(|| format!("{method} {path}: no HTTP answer: {answer:?}"))
}

/// Sends a body to a path; `headers` are whole lines.
pub(crate) fn post(port: u16, path: &str, headers: &str, body: &[u8]) -> Result<Response, String> {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\
         Content-Length: {length}\r\n{headers}\r\n"
    );
    let request = [head.as_bytes(), body].concat();
    let answer = exchange(port, &request).map_err(|error| format!("POST {path}: {error}"))?;
    parse(&answer).ok_or_else(|| format!("POST {path}: no HTTP answer: {answer:?}"))
}

/// A query value with everything escaped that a query does not take as it is.
pub(crate) fn encode(value: &str) -> String {
    value
        .bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

fn exchange(port: u16, request: &[u8]) -> std::io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    // A server that refuses a body may do so before it has all of it.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    if answer.is_empty() {
        read?;
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn parse(answer: &str) -> Option<Response> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some(Response { status, body: body.to_owned() })
}

#[test]
fn answers_are_read_and_values_encoded() {
    let answer = parse("HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n{}").unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (404, "{}"));
    assert!(parse("SSH-2.0-server\r\n\r\n").is_none());
    assert_eq!(encode("a{b=\"c d\"}"), "a%7Bb%3D%22c%20d%22%7D");
}
