//! Prometheus remote write, versions 1.0 and 2.0. The content type says which; without one it is
//! 1.0, and without an encoding snappy, as Prometheus itself takes it.
//!
//! "Partial writes" of 2.0: valid samples are taken, and 400 says what was wrong with the others.
//! 1.0 is answered alike.

use crate::decode::metrics::{remote_write_1, remote_write_2};
use crate::shell::intake::http::SampleDoor;
use crate::shell::intake::http::exchange::{TEXT, answer, counted, header, take};
use crate::shell::intake::http::refused::Refused;
use crate::shell::series::{Protocol, Settled, Visit};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;

/// `POST /api/v1/write`.
pub(super) async fn write(State(door): State<SampleDoor>, request: Request) -> Response {
    let protocol = match counted(&door, protocol(request.headers())) {
        Ok(protocol) => protocol,
        Err(refused) => return refuse(&refused),
    };
    let decode = move |bytes: &[u8], visit: &mut Visit<'_>| match protocol {
        Protocol::RemoteWrite2 => remote_write_2::decode(bytes, visit),
        _ => remote_write_1::decode(bytes, visit),
    };
    let terms = (protocol, "snappy".to_owned());
    match take(&door, terms, request, decode).await {
        Ok(settled) => respond(protocol, &settled),
        Err(refused) => {
            let mut response = refuse(&refused);
            if protocol == Protocol::RemoteWrite2 {
                add_written(response.headers_mut(), [0; 3]);
            }
            response
        }
    }
}

fn protocol(headers: &HeaderMap) -> Result<Protocol, Refused> {
    let encoding = header(headers, axum::http::header::CONTENT_ENCODING);
    if !encoding.is_empty() && !encoding.eq_ignore_ascii_case("snappy") {
        let shown: String = encoding.chars().take(32).collect();
        let reason = format!("content encoding {shown:?}: remote write is compressed with snappy");
        return Err(Refused::unsupported(reason));
    }
    let content_type = header(headers, axum::http::header::CONTENT_TYPE);
    if content_type.is_empty() {
        return Ok(Protocol::RemoteWrite1);
    }
    let mut parts = content_type.split(';').map(str::trim);
    let is_protobuf =
        parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/x-protobuf"));
    let message = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("proto").then(|| value.trim().trim_matches('"'))
    });
    match (is_protobuf, message) {
        (true, None | Some("prometheus.WriteRequest")) => Ok(Protocol::RemoteWrite1),
        (true, Some("io.prometheus.write.v2.Request")) => Ok(Protocol::RemoteWrite2),
        _ => {
            let shown: String = content_type.chars().take(80).collect();
            Err(Refused::unsupported(format!(
                "content type {shown:?}: send application/x-protobuf with \
                 proto=prometheus.WriteRequest or proto=io.prometheus.write.v2.Request"
            )))
        }
    }
}

fn respond(protocol: Protocol, settled: &Settled) -> Response {
    let mut response = match settled.complaint() {
        None => answer(StatusCode::NO_CONTENT, None, (TEXT, Vec::new())),
        Some(complaint) => {
            answer(StatusCode::BAD_REQUEST, None, (TEXT, format!("{complaint}\n").into_bytes()))
        }
    };
    if protocol == Protocol::RemoteWrite2 {
        let histograms = settled.tally.histograms;
        let samples = settled.written().saturating_sub(histograms);
        add_written(response.headers_mut(), [samples, histograms, 0]);
    }
    response
}

/// How much was written, which 2.0 asks to be said always. Exemplars are passed over.
fn add_written(headers: &mut HeaderMap, counts: [u64; 3]) {
    let names = [
        "x-prometheus-remote-write-samples-written",
        "x-prometheus-remote-write-histograms-written",
        "x-prometheus-remote-write-exemplars-written",
    ];
    for (name, count) in names.into_iter().zip(counts) {
        headers.insert(name, HeaderValue::from(count));
    }
}

fn refuse(refused: &Refused) -> Response {
    let body = format!("{}\n", refused.reason).into_bytes();
    answer(refused.status, refused.retry_after_s, (TEXT, body))
}
