//! HTTP/1.1, plain or through TLS: published versions of the view, health and metrics.
//!
//! In: requests, from whom the listener's gate lets through ([`access`]). Out: JSON pages and
//! objects (docs/api.md), `/healthz`, `/readyz`, `/metrics`. It reads [`view::View`]s only: never
//! the engine, the journal or the database; and no client can make it hold more than its bounds.

pub mod access;
pub mod answer;
pub mod channel;
pub mod connection;
pub mod filter;
pub mod intern;
pub mod listing;
pub mod pins;
pub mod question;
mod resting;
pub mod routes;
pub mod rows;
pub mod table;
pub mod view;

use crate::shell::alertmanager::Alertmanager;
use crate::shell::api::access::gate::Gate;
use crate::shell::api::connection::{GuardedListener, Patience, Peer};
use crate::shell::api::listing::Versions;
use crate::shell::api::pins::Pins;
use crate::shell::api::view::SharedView;
use crate::shell::clock;
use crate::shell::intake::http::SampleDoor;
use crate::shell::readiness::Readiness;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

/// Listings computed at once; each may look at every row. Others wait for their turn.
const LISTINGS_MAX: usize = 2;
/// How long answers in progress may take after the stop.
const STOP_TIME: Duration = Duration::from_secs(3);
/// How often unused versions are let go.
const SWEEP_TIME: Duration = Duration::from_secs(10);

/// Gives the text of `/metrics`; called on a blocking thread at every scrape.
pub type MetricsText = Arc<dyn Fn() -> String + Send + Sync>;

/// What the API answers from. Cheap to clone.
#[derive(Clone)]
pub struct ApiState {
    versions: Arc<Versions>,
    readiness: Arc<Readiness>,
    metrics: MetricsText,
    listings: Arc<Semaphore>,
    samples: Option<SampleDoor>,
    alertmanager: Option<Alertmanager>,
}

impl ApiState {
    /// State over the shared view, the readiness flag and the metrics text.
    #[must_use]
    pub fn new(view: SharedView, readiness: Arc<Readiness>, metrics: MetricsText) -> Self {
        let run = clock::wall().0.unsigned_abs();
        let versions = Versions { newest: view, pins: Pins::default(), run };
        Self {
            versions: Arc::new(versions),
            readiness,
            metrics,
            listings: Arc::new(Semaphore::new(LISTINGS_MAX)),
            samples: None,
            alertmanager: None,
        }
    }

    /// Takes samples of metrics too.
    #[must_use]
    pub fn with_samples(self, door: SampleDoor) -> Self {
        Self { samples: Some(door), ..self }
    }

    /// Where samples go, if they are taken.
    #[must_use]
    pub fn samples(&self) -> Option<&SampleDoor> {
        self.samples.as_ref()
    }

    /// With the API of the Alertmanager beside its own.
    #[must_use]
    pub fn with_alertmanager(self, alertmanager: Alertmanager) -> Self {
        Self { alertmanager: Some(alertmanager), ..self }
    }
}

/// Serves what the gate's listener serves, until `stop` becomes true (or its sender is gone); then
/// lets answers in progress end for at most three seconds.
///
/// # Errors
/// None that a client can cause.
pub async fn serve(
    listener: TcpListener,
    (state, gate): (ApiState, Arc<Gate>),
    stop: watch::Receiver<bool>,
    patience: Patience,
) -> io::Result<()> {
    let versions = Arc::clone(&state.versions);
    let routes = routes::router(&state, &gate).into_make_service_with_connect_info::<Peer>();
    let guarded = GuardedListener::new(listener, gate, patience);
    let server = axum::serve(guarded, routes).with_graceful_shutdown(stopped(stop.clone()));
    let late = async {
        stopped(stop).await;
        tokio::time::sleep(STOP_TIME).await;
    };
    tokio::select! {
        outcome = server => outcome,
        () = late => Ok(()),
        () = sweep_for_ever(&versions) => Ok(()),
    }
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is a stop too.
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn sweep_for_ever(versions: &Versions) {
    loop {
        tokio::time::sleep(SWEEP_TIME).await;
        versions.pins.sweep(clock::boot_ns());
    }
}

#[cfg(test)]
mod tests;
