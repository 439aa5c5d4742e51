//! Alerts in: each item of a request becomes an event, or is named as invalid; the answer comes
//! when the events are durable.

use crate::classify::{AlertOrigin, AlertScratch, Classified};
use crate::decode::alerts::{self, AlertMistake, BodyError};
use crate::model::limits::ALERTS_BODY_BYTES_MAX;
use crate::shell::alertmanager::Alertmanager;
use crate::shell::alertmanager::answer::Refused;
use crate::shell::batch::NO_PEER;
use crate::shell::observe::counters::IgnoreReason;
use crate::shell::submission::{Sent, Submission};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::SemaphorePermit;

/// A body, and its place among those that are in memory.
pub(super) struct Held<'a> {
    pub(super) bytes: Bytes,
    _turn: SemaphorePermit<'a>,
}

/// What became of a request.
struct Posted {
    sent: Sent,
    mistakes: Mistakes,
}

/// The invalid items of a request, named, as many as an answer shows.
#[derive(Default)]
struct Mistakes {
    shown: Vec<String>,
    more: usize,
}

pub(super) async fn alerts(
    State(alertmanager): State<Alertmanager>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let held = read_json_body(&alertmanager, &headers, body, ALERTS_BODY_BYTES_MAX).await?;
    let bytes = held.bytes.clone();
    let worker = alertmanager.clone();
    let peer = NO_PEER;
    let task = tokio::task::spawn_blocking(move || post(&worker, peer, &bytes));
    let posted = task.await.map_err(|_| Refused::Later("vigie is stopping".to_owned()))??;
    drop(held);
    if !posted.sent.is_durable().await {
        let message = "the alerts could not be made durable in time; try again";
        return Err(Refused::Later(message.to_owned()));
    }
    posted.mistakes.into_result().map(|()| StatusCode::OK.into_response())
}

/// For a thread that may block.
fn post(alertmanager: &Alertmanager, peer: IpAddr, body: &[u8]) -> Result<Posted, Refused> {
    let parts = &alertmanager.parts;
    let items = alerts::read(body).map_err(|error| match error {
        BodyError::NotAnArray(_) | BodyError::TooMany(_) => Refused::Bad(error.to_string()),
    })?;
    let resolve_timeout_ns = i64::try_from(parts.resolve_timeout.as_nanos()).unwrap_or(i64::MAX);
    let classifier = parts.classifier.load();
    let mut scratch = AlertScratch::default();
    let mut mistakes = Mistakes::default();
    let mut submission = Submission::new(&parts.way);
    for (place, item) in (0_usize..).zip(&items) {
        let (alert, raw) = match item {
            Ok(posted) => posted,
            Err(mistake) => {
                mistakes.add(place, mistake);
                ignore(alertmanager, IgnoreReason::Invalid);
                continue;
            }
        };
        let origin = AlertOrigin {
            listener: parts.listener,
            arrived: parts.way.clock.at(),
            peer,
            resolve_timeout_ns,
            raw: raw.as_bytes(),
        };
        let canonical = alert.canonical();
        match classifier.classify_alert(alert, &canonical, &origin, &mut scratch) {
            Classified::Event(event) => submission.push(&event),
            Classified::Ignored(_) => ignore(alertmanager, IgnoreReason::RuleIgnores),
        }
    }
    Ok(Posted { sent: submission.finish(), mistakes })
}

fn ignore(alertmanager: &Alertmanager, reason: IgnoreReason) {
    let counters = &alertmanager.parts.way.counters;
    counters.received.fetch_add(1, Ordering::Relaxed);
    counters.add_ignored(reason, 1);
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

impl Mistakes {
    fn add(&mut self, place: usize, mistake: &AlertMistake) {
        if self.shown.len() < MISTAKES_SHOWN_MAX {
            self.shown.push(format!("alert {place}: {mistake}"));
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    fn into_result(self) -> Result<(), Refused> {
        if self.shown.is_empty() {
            return Ok(());
        }
        let mut message = self.shown.join("; ");
        if self.more > 0 {
            let _ = write!(message, "; and {} more", self.more);
        }
        Err(Refused::Bad(message))
    }
}

/// How long a request waits for its turn.
const TURN_PATIENCE: Duration = Duration::from_secs(2);
/// Invalid items that an answer names.
const MISTAKES_SHOWN_MAX: usize = 20;
