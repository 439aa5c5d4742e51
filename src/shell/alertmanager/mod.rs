//! The API v2 of the Alertmanager, so that Prometheus, vmalert, Grafana and Loki can name vigie
//! under `alertmanagers:`, and amtool and its like see every alarm, whoever told it.
//!
//! In: posted alerts, silences, questions. Out: events through the lanes, commands, JSON from the
//! published view. A success is answered when what it stands for is durable.
//!
//! Reading order: `query` (what a question asks), `shown` (an alarm as an alert), `alerts` (the
//! listings), `body` (JSON in), `posting` (alerts in), `silences`, `status`, `answer` (how answers
//! are written).
//! The routes are apart by role: [`read_routes`], [`intake_routes`], [`act_routes`].

mod alerts;
mod answer;
mod body;
mod posting;
mod query;
mod shown;
mod silences;
mod status;

use crate::model::time::Timestamp;
use crate::shell::api::view::SharedView;
use crate::shell::commands::Commands;
use crate::shell::pipeline::SharedClassifier;
use crate::shell::readiness::Readiness;
use crate::shell::submission::Way;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// What the routes work with. Cheap to clone.
#[derive(Clone)]
pub struct Alertmanager {
    parts: Arc<Parts>,
}

/// What an [`Alertmanager`] is made of.
pub struct Parts {
    /// What is shown.
    pub view: SharedView,
    /// Whether the daemon has caught up.
    pub readiness: Arc<Readiness>,
    /// The way of commands.
    pub commands: Commands,
    /// The way of alerts.
    pub way: Way,
    /// Index of the ledger of alerts among the listeners.
    pub listener: u16,
    /// Rules and directory in force.
    pub classifier: SharedClassifier,
    /// How long an alert is believed that does not say how long it is to be.
    pub resolve_timeout: Duration,
    /// When the daemon started.
    pub started_at: Timestamp,
    /// Who may read a body or make a listing.
    pub turns: Turns,
}

/// How many requests are worked on at once; further ones wait.
pub struct Turns {
    bodies: Semaphore,
    listings: Semaphore,
}

impl Default for Turns {
    fn default() -> Self {
        Self { bodies: Semaphore::new(BODIES_MAX), listings: Semaphore::new(LISTINGS_MAX) }
    }
}

impl Alertmanager {
    /// Made of its parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts) }
    }
}

/// Questions: nothing is changed.
pub fn read_routes<S>(alertmanager: &Alertmanager) -> Router<S> {
    Router::new()
        .route("/-/healthy", get(status::healthy))
        .route("/-/ready", get(status::ready))
        .route("/api/v2/status", get(status::status))
        .route("/api/v2/receivers", get(status::receivers))
        .route("/api/v2/alerts", get(alerts::list))
        .route("/api/v2/alerts/groups", get(alerts::groups))
        .route("/api/v2/silences", get(silences::list))
        .route("/api/v2/silence/{id}", get(silences::one))
        .with_state(alertmanager.clone())
}

/// Alerts in.
pub fn intake_routes<S>(alertmanager: &Alertmanager) -> Router<S> {
    Router::new()
        .route("/api/v2/alerts", post(posting::alerts))
        .layer(DefaultBodyLimit::disable())
        .with_state(alertmanager.clone())
}

/// What people do: silences.
pub fn act_routes<S>(alertmanager: &Alertmanager) -> Router<S> {
    Router::new()
        .route("/api/v2/silences", post(silences::set))
        .route("/api/v2/silence/{id}", axum::routing::delete(silences::expire))
        .layer(DefaultBodyLimit::disable())
        .with_state(alertmanager.clone())
}

/// Bodies in memory at once.
const BODIES_MAX: usize = 4;
/// Listings made at once; each may show every alarm.
const LISTINGS_MAX: usize = 1;
