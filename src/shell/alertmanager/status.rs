//! Who answers here: status, receivers, health.

use crate::shell::alertmanager::Alertmanager;
use crate::shell::alertmanager::answer::{Refused, json_response};
use crate::shell::alertmanager::query::{Question, RECEIVER};
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::json;

pub(super) async fn healthy() -> Response {
    (StatusCode::OK, "OK").into_response()
}

pub(super) async fn ready(State(alertmanager): State<Alertmanager>) -> Response {
    match alertmanager.parts.readiness.hindrance() {
        None => (StatusCode::OK, "OK").into_response(),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}")).into_response(),
    }
}

pub(super) async fn status(State(alertmanager): State<Alertmanager>) -> Response {
    let parts = &alertmanager.parts;
    let seconds = parts.resolve_timeout.as_secs();
    // A configuration that tools of the Alertmanager can read; vigie's own is elsewhere.
    let original = format!(
        "global:\n  resolve_timeout: {seconds}s\nroute:\n  receiver: {RECEIVER}\n  \
         group_by: ['incident']\nreceivers:\n- name: {RECEIVER}\n"
    );
    let body = json!({
        "cluster": { "status": "disabled", "peers": [] },
        "config": { "original": original },
        "uptime": parts.started_at,
        "versionInfo": {
            "version": env!("CARGO_PKG_VERSION"),
            "revision": "vigie",
            "branch": "",
            "buildUser": "",
            "buildDate": "",
            "goVersion": "",
        },
    });
    json_response(StatusCode::OK, &body)
}

pub(super) async fn receivers(uri: Uri) -> Result<Response, Refused> {
    let receivers = if Question::of(&uri)?.is_receiver_wanted() {
        json!([{ "name": RECEIVER }])
    } else {
        json!([])
    };
    Ok(json_response(StatusCode::OK, &receivers))
}
