//! What all protocols share: body in, inflated, decoded beside the runtime, told, durable.

use crate::decode::metrics::body::inflate;
use crate::model::sample::Tally;
use crate::shell::api::connection::Peer;
use crate::shell::batch::NO_PEER;
use crate::shell::intake::http::SampleDoor;
use crate::shell::intake::http::refused::Refused;
use crate::shell::series::{Protocol, Settled, Visit};
use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderMap, HeaderName};
use axum::response::Response;
use std::net::IpAddr;
use std::sync::Arc;

/// What is known of a request before its body.
pub(super) struct Terms {
    /// How the samples are written.
    pub(super) protocol: Protocol,
    /// How the body is compressed, in the words of Content-Encoding.
    pub(super) encoding: String,
}

/// Takes the samples of a request; returns when all they tell is durable.
pub(super) async fn take<D>(
    door: &SampleDoor,
    terms: Terms,
    request: Request,
    decode: D,
) -> Result<Settled, Refused>
where
    D: FnOnce(&[u8], &mut Visit<'_>) -> Tally + Send + 'static,
{
    let outcome = take_body(door, terms, request, decode).await;
    if outcome.as_ref().is_err_and(|refused| refused != &Refused::not_durable()) {
        door.series.counters().refuse_body();
    }
    outcome
}

async fn take_body<D>(
    door: &SampleDoor,
    terms: Terms,
    request: Request,
    decode: D,
) -> Result<Settled, Refused>
where
    D: FnOnce(&[u8], &mut Visit<'_>) -> Tally + Send + 'static,
{
    if door.series.is_stopping() {
        return Err(Refused::stopping());
    }
    let peer = peer(&request);
    let (head, body) = request.into_parts();
    let held = door.bodies.read(&head.headers, body).await?;
    let turn = door.bodies.turn().await?;
    let (series, limit) = (Arc::clone(&door.series), door.bodies.bytes_max());
    let work = move || {
        let mut inflated = Vec::new();
        let bytes = inflate(&held.bytes, &terms.encoding, limit, &mut inflated)
            .map_err(|fault| Refused::of_body(&fault))?;
        let told = series.take(terms.protocol, peer, |visit| decode(bytes, visit));
        drop(turn);
        Ok(told)
    };
    // An error means that the runtime ends.
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
pub(super) fn header(headers: &HeaderMap, name: HeaderName) -> &str {
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

/// Content type of plain text.
pub(super) const TEXT: &str = "text/plain; charset=utf-8";
/// Content type of JSON.
pub(super) const JSON: &str = "application/json";
/// Content type of protobuf.
pub(super) const PROTOBUF: &str = "application/x-protobuf";
