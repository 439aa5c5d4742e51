//! OpenTelemetry metrics over HTTP (OTLP/HTTP), protobuf or JSON, plain or gzip. The answer is in
//! the encoding of the request: an `ExportMetricsServiceResponse`, or a `google.rpc.Status`.

use crate::decode::metrics::otlp::{binary, json};
use crate::shell::intake::http::SampleDoor;
use crate::shell::intake::http::exchange::{JSON, PROTOBUF, Terms, answer, header, take};
use crate::shell::intake::http::refused::Refused;
use crate::shell::series::{Protocol, Settled, Visit};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::json as object;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Protobuf,
    Json,
}

/// `POST /v1/metrics`.
pub(super) async fn metrics(State(door): State<SampleDoor>, request: Request) -> Response {
    let (form, encoding) = match terms(request.headers()) {
        Ok(terms) => terms,
        // JSON is what a person can read.
        Err(refused) => return refuse(Form::Json, &refused),
    };
    let decode = move |bytes: &[u8], visit: &mut Visit<'_>| match form {
        Form::Protobuf => binary::decode(bytes, visit),
        Form::Json => json::decode(bytes, visit),
    };
    let terms = Terms { protocol: Protocol::Otlp, encoding };
    match take(&door, terms, request, decode).await {
        Ok(settled) if settled.is_unreadable() => {
            let reason = settled.complaint().unwrap_or_default();
            refuse(form, &Refused::invalid(reason))
        }
        Ok(settled) => respond(form, &settled),
        Err(refused) => refuse(form, &refused),
    }
}

fn terms(headers: &HeaderMap) -> Result<(Form, String), Refused> {
    let content_type = header(headers, axum::http::header::CONTENT_TYPE);
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    let form = if kind.eq_ignore_ascii_case("application/x-protobuf") {
        Form::Protobuf
    } else if kind.eq_ignore_ascii_case("application/json") {
        Form::Json
    } else {
        let shown: String = content_type.chars().take(80).collect();
        return Err(Refused::unsupported(format!(
            "content type {shown:?}: send application/x-protobuf or application/json"
        )));
    };
    let encoding = header(headers, axum::http::header::CONTENT_ENCODING);
    if encoding.eq_ignore_ascii_case("snappy") {
        let reason = "content encoding \"snappy\": OTLP is sent plain or with gzip";
        return Err(Refused::unsupported(reason.to_owned()));
    }
    Ok((form, encoding.to_owned()))
}

fn respond(form: Form, settled: &Settled) -> Response {
    let rejected = settled.tally.seen.saturating_sub(settled.written());
    let complaint = settled.complaint();
    let rejected = if complaint.is_some() { rejected } else { 0 };
    let body = match (form, complaint) {
        (Form::Protobuf, None) => Vec::new(),
        (Form::Protobuf, Some(complaint)) => {
            let mut partial = Vec::new();
            put_number(1, rejected, &mut partial);
            put_bytes(2, complaint.as_bytes(), &mut partial);
            let mut response = Vec::new();
            put_bytes(1, &partial, &mut response);
            response
        }
        (Form::Json, None) => b"{}".to_vec(),
        (Form::Json, Some(complaint)) => {
            let partial = object!({
                "rejectedDataPoints": rejected.to_string(),
                "errorMessage": complaint,
            });
            object!({ "partialSuccess": partial }).to_string().into_bytes()
        }
    };
    answer(StatusCode::OK, None, (content_type(form), body))
}

fn refuse(form: Form, refused: &Refused) -> Response {
    let code = status_code(refused);
    let body = match form {
        Form::Protobuf => {
            let mut status = Vec::new();
            put_number(1, code, &mut status);
            put_bytes(2, refused.reason.as_bytes(), &mut status);
            status
        }
        Form::Json => {
            let status = object!({ "code": code, "message": refused.reason });
            status.to_string().into_bytes()
        }
    };
    answer(refused.status, refused.retry_after_s, (content_type(form), body))
}

/// The `google.rpc.Code` that says the same as the status.
fn status_code(refused: &Refused) -> u64 {
    const INVALID_ARGUMENT: u64 = 3;
    const RESOURCE_EXHAUSTED: u64 = 8;
    const UNAVAILABLE: u64 = 14;
    match refused.status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::PAYLOAD_TOO_LARGE => RESOURCE_EXHAUSTED,
        StatusCode::SERVICE_UNAVAILABLE => UNAVAILABLE,
        _ => INVALID_ARGUMENT,
    }
}

const fn content_type(form: Form) -> &'static str {
    match form {
        Form::Protobuf => PROTOBUF,
        Form::Json => JSON,
    }
}

/// A field of wire type 0.
fn put_number(field: u8, value: u64, out: &mut Vec<u8>) {
    out.push(field << 3);
    put_varint(value, out);
}

/// A field of wire type 2.
fn put_bytes(field: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push((field << 3) | 2);
    put_varint(u64::try_from(bytes.len()).unwrap_or(u64::MAX), out);
    out.extend_from_slice(bytes);
}

fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or(0);
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}
