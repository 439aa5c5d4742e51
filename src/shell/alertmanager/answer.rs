//! How answers are written: JSON, and errors as clients of the Alertmanager expect them.

use crate::shell::api::answer::{JSON, answer};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;

/// Why a request is not carried out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Refused {
    /// What was asked or sent is wrong.
    Bad(String),
    /// There is no such thing.
    NotFound(String),
    /// The body is of another type.
    MediaType(String),
    /// The body is too large.
    TooLarge(usize),
    /// Not now: try again.
    Later(String),
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Bad(message) => json_response(StatusCode::BAD_REQUEST, &message),
            Self::NotFound(message) => json_response(StatusCode::NOT_FOUND, &message),
            Self::MediaType(found) => {
                let message = format!(
                    "unsupported media type {found:?}, only [application/json] are allowed"
                );
                let body = json!({ "code": 415, "message": message });
                json_response(StatusCode::UNSUPPORTED_MEDIA_TYPE, &body)
            }
            Self::TooLarge(bytes_max) => {
                let message = format!("the body holds more than {bytes_max} bytes");
                json_response(StatusCode::PAYLOAD_TOO_LARGE, &message)
            }
            Self::Later(message) => {
                let mut response = json_response(StatusCode::SERVICE_UNAVAILABLE, &message);
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
                response
            }
        }
    }
}

/// An answer in JSON, of this moment.
pub(super) fn json_response(status: StatusCode, value: &impl Serialize) -> Response {
    let body = serde_json::to_vec(value).unwrap_or_else(|error| {
        tracing::error!(%error, "an answer cannot be written as JSON");
        b"null".to_vec()
    });
    answer(status, JSON, body)
}
