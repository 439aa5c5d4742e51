//! Samples over HTTP: Prometheus remote write, OpenTelemetry and InfluxDB line protocol.
//!
//! In: requests of anybody who may send. Out: what the series of their samples tell, through
//! [`crate::shell::series`], and an answer in the form that the sender's program reads. A success
//! is answered when all of that is durable; what has no room is answered with 429 or 503 and
//! Retry-After, so that the sender tries again: nothing is lost without a word.
//!
//! Reading order: `body` (bytes, bounded), `refused` (why not), `exchange` (what all protocols
//! share), then one file per protocol. `rpc` is what OTLP answers over HTTP and over gRPC.

pub(in crate::shell::intake) mod body;
pub(in crate::shell::intake) mod exchange;
mod influx;
mod otlp;
pub(in crate::shell::intake) mod refused;
mod remote_write;
pub(in crate::shell::intake) mod rpc;

pub use body::Bodies;

use crate::shell::series::SeriesIntake;
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use std::sync::Arc;

/// What the routes work with. Cheap to clone.
#[derive(Clone)]
pub struct SampleDoor {
    /// Where samples go.
    pub series: Arc<SeriesIntake>,
    /// Room for bodies.
    pub bodies: Arc<Bodies>,
}

/// The URLs that samples are sent to.
pub fn intake_routes<S>(door: SampleDoor) -> Router<S> {
    Router::new()
        .route("/api/v1/write", post(remote_write::write).fallback(no_such_method))
        .route("/v1/metrics", post(otlp::metrics).fallback(no_such_method))
        .route("/write", post(influx::write_1).fallback(no_such_method))
        .route("/api/v2/write", post(influx::write_2).fallback(no_such_method))
        .route("/ping", get(influx::ping).post(influx::ping))
        .route("/health", get(influx::health))
        // Bodies are bounded by `Bodies`, which knows the setting.
        .layer(DefaultBodyLimit::disable())
        .with_state(door)
}

/// Samples are posted.
async fn no_such_method(State(door): State<SampleDoor>) -> StatusCode {
    door.series.counters().refuse_body();
    StatusCode::METHOD_NOT_ALLOWED
}

#[cfg(test)]
mod disk_tests;
#[cfg(test)]
mod tests;
