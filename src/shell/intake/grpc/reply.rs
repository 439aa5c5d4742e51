//! Answers of gRPC: a message and trailers, or trailers only that say why not.

use crate::shell::api::access::gate::advice;
use crate::shell::intake::http::refused::Refused;
use crate::shell::intake::http::rpc::{self, Code};
use crate::shell::observe::counters::HttpRefusal;
use axum::body::Bytes;
use axum::http::header::{ALLOW, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use hyper::body::{Body, Frame};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Content type of what is answered.
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
/// What messages may be compressed with.
const ENCODINGS: HeaderValue = HeaderValue::from_static("identity, gzip");
const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");
/// Senders take some 8 KiB of headers; a reason is in there twice, escaped and in base64.
const REASON_BYTES_MAX: usize = 1_024;

/// How a call ended, if not well.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Status {
    code: Code,
    reason: String,
    /// When to try again, s.
    retry_after_s: Option<u32>,
}

impl Status {
    /// There is no such method.
    pub(super) fn no_method(path: &str) -> Self {
        let shown: String = path.chars().take(120).collect();
        let reason = format!("nothing at {shown:?}: metrics are taken here, nothing else");
        Self { code: Code::Unimplemented, reason, retry_after_s: None }
    }

    /// The gate did not let it in.
    pub(super) fn of_gate(reason: HttpRefusal) -> Self {
        let (code, retry_after_s) = match reason {
            HttpRefusal::NoCredentials | HttpRefusal::BadCredentials => {
                (Code::Unauthenticated, None)
            }
            HttpRefusal::Role | HttpRefusal::ForeignOrigin => (Code::PermissionDenied, None),
            HttpRefusal::Busy
            | HttpRefusal::Tls
            | HttpRefusal::Connections
            | HttpRefusal::Protocol => (Code::Unavailable, Some(5)),
        };
        Self { code, reason: advice(reason).to_owned(), retry_after_s }
    }
}

impl From<Refused> for Status {
    fn from(refused: Refused) -> Self {
        let code = Code::of(&refused);
        Self { code, reason: refused.reason, retry_after_s: refused.retry_after_s }
    }
}

/// The body of an answer: a message and its trailers, or nothing.
#[derive(Debug, Default)]
pub(super) struct Reply {
    message: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(message) = self.message.take() {
            return Poll::Ready(Some(Ok(Frame::data(message))));
        }
        Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.message.is_none() && self.trailers.is_none()
    }
}

/// The call went well, and this is its message.
pub(super) fn success(message: &[u8]) -> Response<Reply> {
    let length = u32::try_from(message.len()).expect("answers of ours are short");
    let framed = [&[0][..], &length.to_be_bytes(), message].concat();
    let trailers = HeaderMap::from_iter([(STATUS, HeaderValue::from_static("0"))]);
    let reply = Reply { message: Some(framed.into()), trailers: Some(trailers) };
    with_headers(reply)
}

/// The call went wrong.
pub(super) fn failure(status: &Status) -> Response<Reply> {
    let reason = cut(&status.reason, REASON_BYTES_MAX);
    let mut response = with_headers(Reply::default());
    let headers = response.headers_mut();
    headers.insert(STATUS, u16::from(status.code.number()).into());
    let details = rpc::status(status.code, reason, status.retry_after_s);
    for (name, text) in [(MESSAGE, escaped(reason)), (DETAILS, STANDARD_NO_PAD.encode(details))] {
        headers.insert(name, HeaderValue::try_from(text).expect("printable ASCII"));
    }
    response
}

/// It is no call of gRPC: HTTP says so.
pub(super) fn no_call(status: StatusCode) -> Response<Reply> {
    let mut response = Response::new(Reply::default());
    *response.status_mut() = status;
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    }
    response
}

fn with_headers(reply: Reply) -> Response<Reply> {
    let mut response = Response::new(reply);
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    response.headers_mut().insert(ACCEPT_ENCODING, ENCODINGS);
    response
}

/// The beginning of a text, not longer than so many bytes.
fn cut(text: &str, bytes_max: usize) -> &str {
    let mut ends = (0..=bytes_max.min(text.len())).rev();
    ends.find_map(|end| text.get(..end)).unwrap_or_default()
}

/// As gRPC writes texts in headers: printable ASCII, the rest and `%` by their bytes.
fn escaped(text: &str) -> String {
    use std::fmt::Write as _;
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if matches!(byte, b' '..=b'~') && byte != b'%' {
            escaped.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_cut_and_escaped() {
        assert_eq!(escaped("50 % über\n"), "50 %25 %C3%BCber%0A");
        assert_eq!(cut("abü", 3), "ab");
        let status = Status::from(Refused::invalid("é".repeat(5_000)));
        let response = failure(&status);
        let bytes: usize = response.headers().values().map(HeaderValue::len).sum();
        assert!(bytes < 6_000, "{bytes}");
        assert!(response.body().is_end_stream(), "trailers only");
    }

    #[test]
    fn a_client_that_may_not_is_told_so() {
        for (reason, code) in [
            (HttpRefusal::NoCredentials, "16"),
            (HttpRefusal::BadCredentials, "16"),
            (HttpRefusal::Role, "7"),
            (HttpRefusal::ForeignOrigin, "7"),
            (HttpRefusal::Busy, "14"),
        ] {
            let response = failure(&Status::of_gate(reason));
            assert_eq!(response.status(), StatusCode::OK);
            let said = response.headers().get(STATUS).map(HeaderValue::as_bytes);
            assert_eq!(said, Some(code.as_bytes()));
        }
    }
}
