//! InfluxDB line protocol over HTTP, as versions 1 and 2 take it, and what their clients ask
//! before they write. The lines before and behind a bad one are taken; 400 says what was wrong.

use crate::decode::metrics::line_protocol::{self, Precision};
use crate::shell::intake::http::SampleDoor;
use crate::shell::intake::http::exchange::{JSON, answer, counted, header, take};
use crate::shell::intake::http::refused::Refused;
use crate::shell::series::{Protocol, Visit};
use axum::extract::{Query, Request, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde_json::{Value, json};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// `POST /write`.
pub(super) async fn write_1(door: State<SampleDoor>, request: Request) -> Response {
    write(door.0, Version::One, request).await
}

/// `POST /api/v2/write`.
pub(super) async fn write_2(door: State<SampleDoor>, request: Request) -> Response {
    write(door.0, Version::Two, request).await
}

/// `GET /ping`: whether there is anybody.
pub(super) async fn ping() -> Response {
    let mut response = answer(StatusCode::NO_CONTENT, None, (JSON, Vec::new()));
    let version = axum::http::HeaderValue::from_static(SPOKEN_VERSION);
    response.headers_mut().insert("x-influxdb-version", version);
    response
}

/// `GET /health`.
pub(super) async fn health() -> Response {
    let body = json!({
        "name": "vigie",
        "message": "ready for writes",
        "status": "pass",
        "checks": [],
        "version": SPOKEN_VERSION,
    });
    answer(StatusCode::OK, None, (JSON, body.to_string().into_bytes()))
}

async fn write(door: SampleDoor, version: Version, request: Request) -> Response {
    let (precision, encoding) = match counted(&door, terms(&request)) {
        Ok(terms) => terms,
        Err(refused) => return refuse(version, &refused),
    };
    let decode =
        move |bytes: &[u8], visit: &mut Visit<'_>| line_protocol::decode(bytes, precision, visit);
    let terms = (Protocol::Influx, encoding);
    match take(&door, terms, request, decode).await {
        Ok(settled) => match settled.complaint() {
            None => answer(StatusCode::NO_CONTENT, None, (JSON, Vec::new())),
            Some(complaint) => {
                let reason = format!("partial write: {complaint}");
                refuse(version, &Refused::invalid(reason))
            }
        },
        Err(refused) => refuse(version, &refused),
    }
}

fn terms(request: &Request) -> Result<(Precision, String), Refused> {
    let precision = precision(request.uri())?;
    let encoding = header(request.headers(), axum::http::header::CONTENT_ENCODING);
    if encoding.eq_ignore_ascii_case("snappy") {
        let reason = "content encoding \"snappy\": lines are sent plain or with gzip";
        return Err(Refused::unsupported(reason.to_owned()));
    }
    Ok((precision, encoding.to_owned()))
}

fn precision(uri: &Uri) -> Result<Precision, Refused> {
    // Reading pairs cannot fail; the last of a name counts.
    let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri).map(|pairs| pairs.0);
    let pairs = pairs.unwrap_or_default();
    let name = pairs.iter().rev().find(|(name, _)| name == "precision");
    let name = name.map_or("", |(_, value)| value.as_str());
    Precision::parse(name).ok_or_else(|| {
        let shown: String = name.chars().take(32).collect();
        Refused::invalid(format!("precision {shown:?}: use ns, us, ms, s, m or h"))
    })
}

fn refuse(version: Version, refused: &Refused) -> Response {
    let body: Value = match version {
        Version::One => json!({ "error": refused.reason }),
        Version::Two => json!({ "code": code(refused.status), "message": refused.reason }),
    };
    let body = body.to_string().into_bytes();
    answer(refused.status, refused.retry_after_s, (JSON, body))
}

fn code(status: StatusCode) -> &'static str {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => "request too large",
        StatusCode::TOO_MANY_REQUESTS => "too many requests",
        StatusCode::SERVICE_UNAVAILABLE => "unavailable",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported media type",
        _ => "invalid",
    }
}

/// The version whose writing is spoken here: clients look at it before they write.
const SPOKEN_VERSION: &str = "2.7.0";
