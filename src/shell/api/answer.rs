//! How answers over HTTP are written, those of the Alertmanager's API among them.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

/// Content type of JSON.
pub(in crate::shell) const JSON: &str = "application/json";

/// An answer. Nothing is to be cached, since everything is of this moment, nor guessed to be a
/// script.
pub(in crate::shell) fn answer(
    status: StatusCode,
    content_type: &'static str,
    body: Vec<u8>,
) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, body).into_response()
}
