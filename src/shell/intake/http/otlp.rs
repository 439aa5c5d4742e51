//! OpenTelemetry metrics over HTTP (OTLP/HTTP), protobuf or JSON, plain or gzip. The answer is in
//! the encoding of the request: an `ExportMetricsServiceResponse`, or a `google.rpc.Status`.

use crate::decode::metrics::otlp::{binary, json};
use crate::shell::intake::http::SampleDoor;
use crate::shell::intake::http::exchange::{JSON, PROTOBUF, answer, counted, header, take};
use crate::shell::intake::http::refused::Refused;
use crate::shell::intake::http::rpc;
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
    let (form, encoding) = match counted(&door, terms(request.headers())) {
        Ok(terms) => terms,
        // JSON is what a person can read.
        Err(refused) => return refuse(Form::Json, &refused),
    };
    let decode = move |bytes: &[u8], visit: &mut Visit<'_>| match form {
        Form::Protobuf => binary::decode(bytes, visit),
        Form::Json => json::decode(bytes, visit),
    };
    let terms = (Protocol::Otlp, encoding);
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
    let body = match form {
        Form::Protobuf => rpc::export_response(settled),
        Form::Json => match rpc::partial_success(settled) {
            None => b"{}".to_vec(),
            Some((rejected, complaint)) => {
                let partial = object!({
                    "rejectedDataPoints": rejected.to_string(),
                    "errorMessage": complaint,
                });
                object!({ "partialSuccess": partial }).to_string().into_bytes()
            }
        },
    };
    answer(StatusCode::OK, None, (content_type(form), body))
}

fn refuse(form: Form, refused: &Refused) -> Response {
    let code = rpc::Code::of(refused);
    let body = match form {
        Form::Protobuf => rpc::status(code, &refused.reason, refused.retry_after_s),
        Form::Json => {
            let status = object!({ "code": code.number(), "message": refused.reason });
            status.to_string().into_bytes()
        }
    };
    answer(refused.status, refused.retry_after_s, (content_type(form), body))
}

const fn content_type(form: Form) -> &'static str {
    match form {
        Form::Protobuf => PROTOBUF,
        Form::Json => JSON,
    }
}
