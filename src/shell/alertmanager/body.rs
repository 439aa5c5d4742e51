//! Bodies of JSON, within bounds: each of them, and how many are in memory at once.

use crate::shell::alertmanager::Alertmanager;
use crate::shell::alertmanager::answer::Refused;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use std::time::Duration;
use tokio::sync::SemaphorePermit;

/// A body, and its place among those that are in memory.
pub(super) struct Held<'a> {
    pub(super) bytes: Bytes,
    _turn: SemaphorePermit<'a>,
}

/// Reads a body of JSON, within bounds.
pub(super) async fn read_json_body<'a>(
    alertmanager: &'a Alertmanager,
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
) -> Result<Held<'a>, Refused> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let content_type = text(header::CONTENT_TYPE).split(';').next().unwrap_or_default().trim();
    if !content_type.eq_ignore_ascii_case("application/json") {
        let found = if content_type.is_empty() { "application/octet-stream" } else { content_type };
        return Err(Refused::MediaType(found.chars().take(80).collect()));
    }
    let encoding = text(header::CONTENT_ENCODING).trim();
    if !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity") {
        return Err(Refused::MediaType(format!("{encoding:.40} (content encoding)")));
    }
    let announced = text(header::CONTENT_LENGTH).parse::<usize>().unwrap_or(0);
    if announced > bytes_max {
        return Err(Refused::TooLarge(bytes_max));
    }
    let turn = tokio::time::timeout(TURN_PATIENCE, alertmanager.parts.turns.bodies.acquire()).await;
    let Ok(Ok(turn)) = turn else {
        return Err(Refused::Later("too many requests at once; try again".to_owned()));
    };
    let bytes = axum::body::to_bytes(body, bytes_max).await.map_err(|error| {
        let is_long = std::error::Error::source(&error)
            .is_some_and(|source| source.to_string().contains("length limit"));
        if is_long {
            Refused::TooLarge(bytes_max)
        } else {
            Refused::Bad("the body did not come to its end".to_owned())
        }
    })?;
    Ok(Held { bytes, _turn: turn })
}

/// How long a request waits for its turn.
const TURN_PATIENCE: Duration = Duration::from_secs(2);
