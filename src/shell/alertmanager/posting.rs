//! Alerts in: each item of a request becomes an event, or is named as invalid; the answer comes
//! when the events are durable.

use crate::classify::{AlertOrigin, AlertScratch, Classified};
use crate::decode::alerts::{self, BodyError};
use crate::model::limits::ALERTS_BODY_BYTES_MAX;
use crate::shell::alertmanager::Alertmanager;
use crate::shell::alertmanager::answer::Refused;
use crate::shell::alertmanager::body::read_json_body;
use crate::shell::api::connection::Peer;
use crate::shell::batch::NO_PEER;
use crate::shell::intake::guard::guarded;
use crate::shell::observe::counters::IgnoreReason;
use crate::shell::submission::{Sent, Submission};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use std::fmt::{Display, Write as _};
use std::net::IpAddr;
use std::sync::atomic::Ordering;

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
    request: Request,
) -> Result<Response, Refused> {
    // Nobody, when the connection does not say it.
    let peer = request.extensions().get::<ConnectInfo<Peer>>();
    let peer = peer.map_or(NO_PEER, |peer| peer.0.address.ip());
    let (head, body) = request.into_parts();
    let held = read_json_body(&alertmanager, &head.headers, body, ALERTS_BODY_BYTES_MAX).await?;
    let bytes = held.bytes.clone();
    let worker = alertmanager.clone();
    let task = tokio::task::spawn_blocking(move || post(&worker, peer, &bytes));
    let posted = task.await.map_err(|_| Refused::Later("vigie is stopping".to_owned()))??;
    drop(held);
    if !posted.sent.wait_for_disk().await {
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
        let classified =
            guarded(|| match classifier.classify_alert(alert, &canonical, &origin, &mut scratch) {
                Classified::Event(event) => submission.push(&event),
                Classified::Ignored(_) => ignore(alertmanager, IgnoreReason::RuleIgnores),
            });
        if classified.is_none() {
            parts.way.counters.decoder_panics.fetch_add(1, Ordering::Relaxed);
            mistakes.add(place, &"the rules failed on it");
            ignore(alertmanager, IgnoreReason::Invalid);
        }
        if submission.has_failed() {
            break;
        }
    }
    Ok(Posted { sent: submission.finish(), mistakes })
}

fn ignore(alertmanager: &Alertmanager, reason: IgnoreReason) {
    let counters = &alertmanager.parts.way.counters;
    counters.received.fetch_add(1, Ordering::Relaxed);
    counters.add_ignored(reason, 1);
}

impl Mistakes {
    fn add(&mut self, place: usize, mistake: &dyn Display) {
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

/// Invalid items that an answer names.
const MISTAKES_SHOWN_MAX: usize = 20;
