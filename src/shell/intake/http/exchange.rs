//! What all protocols share: body in, inflated, decoded beside the runtime, told, durable.

use crate::decode::metrics::body::inflate;
use crate::model::sample::Tally;
use crate::shell::api::connection::Peer;
use crate::shell::batch::NO_PEER;
use crate::shell::intake::http::SampleDoor;
use crate::shell::intake::http::body::Held;
use crate::shell::intake::http::refused::Refused;
use crate::shell::series::{Protocol, Settled, Visit};
use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderMap, HeaderName};
use axum::response::Response;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What is known of a request before its body.
pub(in crate::shell::intake) struct Terms {
    /// How the samples are written.
    pub(in crate::shell::intake) protocol: Protocol,
    /// How the body is compressed, in the words of Content-Encoding.
    pub(in crate::shell::intake) encoding: String,
    /// Who sends it.
    pub(in crate::shell::intake) peer: IpAddr,
}

/// Takes the samples of a request; returns when all they tell is durable.
pub(super) async fn take<D>(
    door: &SampleDoor,
    terms: (Protocol, String),
    request: Request,
    decode: D,
) -> Result<Settled, Refused>
where
    D: FnOnce(&[u8], &mut Visit<'_>) -> Tally + Send + 'static,
{
    take_by(Instant::now() + ANSWER_TIME, door, (terms, request), decode).await
}

/// The same, answered at that moment at the latest once the body is there.
pub(super) async fn take_by<D>(
    answer_by: Instant,
    door: &SampleDoor,
    ((protocol, encoding), request): ((Protocol, String), Request),
    decode: D,
) -> Result<Settled, Refused>
where
    D: FnOnce(&[u8], &mut Visit<'_>) -> Tally + Send + 'static,
{
    let terms = Terms { protocol, encoding, peer: peer(&request) };
    let (head, body) = request.into_parts();
    let outcome = match check_goes_on(door) {
        Ok(()) => door.bodies.read(&head.headers, body).await,
        Err(stopping) => Err(stopping),
    };
    let outcome = match outcome {
        // Whatever it does after that, its sender hears when to come again before the connection
        // is cut.
        Ok(held) => tokio::time::timeout_at(answer_by, tell(door, terms, held, decode))
            .await
            .unwrap_or_else(|_| Err(Refused::not_durable())),
        Err(refused) => Err(refused),
    };
    let outcome = counted(door, outcome);
    let is_unseen = |settled: &Settled| settled.is_unreadable() && settled.tally.rejected == 0;
    if outcome.as_ref().is_ok_and(is_unseen) {
        door.series.counters().refuse_body();
    }
    outcome
}

/// Whether samples are still taken.
pub(in crate::shell::intake) fn check_goes_on(door: &SampleDoor) -> Result<(), Refused> {
    if door.series.is_stopping() { Err(Refused::stopping()) } else { Ok(()) }
}

/// Counts a body that was refused before its samples were.
pub(in crate::shell::intake) fn counted<T>(
    door: &SampleDoor,
    outcome: Result<T, Refused>,
) -> Result<T, Refused> {
    if outcome.as_ref().is_err_and(|refused| refused != &Refused::not_durable()) {
        door.series.counters().refuse_body();
    }
    outcome
}

/// Inflates and decodes a body, and waits until all that it tells is durable. A sender that goes
/// away meanwhile changes nothing: a task of its own brings it to its end, so that the account adds
/// up and no series waits for word of what it told.
pub(in crate::shell::intake) async fn tell<D>(
    door: &SampleDoor,
    terms: Terms,
    held: Held,
    decode: D,
) -> Result<Settled, Refused>
where
    D: FnOnce(&[u8], &mut Visit<'_>) -> Tally + Send + 'static,
{
    let task = tokio::spawn(tell_here(door.clone(), terms, held, decode));
    // An error means that the runtime ends.
    task.await.unwrap_or_else(|_| Err(Refused::stopping()))
}

async fn tell_here<D>(
    door: SampleDoor,
    terms: Terms,
    held: Held,
    decode: D,
) -> Result<Settled, Refused>
where
    D: FnOnce(&[u8], &mut Visit<'_>) -> Tally + Send + 'static,
{
    let turn = door.bodies.turn().await?;
    let (series, limit) = (Arc::clone(&door.series), door.bodies.bytes_max());
    let work = move || {
        let mut inflated = Vec::new();
        let bytes = inflate(&held.bytes, &terms.encoding, limit, &mut inflated)
            .map_err(|fault| Refused::of_body(&fault))?;
        let told = series.take(terms.protocol, terms.peer, |visit| decode(bytes, visit));
        drop(turn);
        Ok(told)
    };
    let told = tokio::task::spawn_blocking(work).await.map_err(|_| Refused::stopping())??;
    let settled = told.settle(&door.series).await;
    if settled.is_durable { Ok(settled) } else { Err(Refused::not_durable()) }
}

/// Who sends; nobody when the connection does not say it.
fn peer(request: &Request) -> IpAddr {
    let info = request.extensions().get::<ConnectInfo<Peer>>();
    info.map_or(NO_PEER, |info| info.0.address.ip().to_canonical())
}

/// A header as text; empty when there is none, or none that is text.
pub(in crate::shell::intake) fn header(headers: &HeaderMap, name: HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().trim()
}

/// The answer, told when to come again if that is what it says.
pub(super) fn answer(
    status: axum::http::StatusCode,
    retry_after_s: Option<u32>,
    (content_type, body): (&'static str, Vec<u8>),
) -> Response {
    let mut builder = Response::builder().status(status);
    if !body.is_empty() {
        builder = builder
            .header(axum::http::header::CONTENT_TYPE, content_type)
            .header(axum::http::header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    }
    if let Some(seconds) = retry_after_s {
        builder = builder.header(axum::http::header::RETRY_AFTER, seconds);
    }
    builder.body(body.into()).expect("status and headers are ours, and valid")
}

/// A request is answered so long after its head, at the latest: less than its connection has.
const ANSWER_TIME: Duration = Duration::from_secs(8);
/// Content type of plain text.
pub(super) const TEXT: &str = "text/plain; charset=utf-8";
/// Content type of JSON.
pub(super) const JSON: &str = "application/json";
/// Content type of protobuf.
pub(super) const PROTOBUF: &str = "application/x-protobuf";
