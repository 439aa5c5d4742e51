//! The word to stop, shared by receive threads and stream tasks.

use crate::model::time::EngineTime;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Notify;

const RUNNING: u64 = u64::MAX;

/// Tells every listener to end, and until when it may wait for room in the lanes.
#[derive(Debug)]
pub struct Stop {
    until: AtomicU64,
    asked: Notify,
}

impl Default for Stop {
    fn default() -> Self {
        Self { until: AtomicU64::new(RUNNING), asked: Notify::new() }
    }
}

impl Stop {
    /// Asks to stop. Listeners take what has already arrived and wait for room in the lanes until
    /// that instant; what then has no room is shed and counted (`stopping`).
    pub fn request(&self, until: EngineTime) {
        self.until.store(until.0.min(RUNNING.saturating_sub(1)), Ordering::SeqCst);
        self.asked.notify_waiters();
    }

    /// Whether to stop.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.until.load(Ordering::Relaxed) != RUNNING
    }

    /// Whether the time for waiting is over.
    #[must_use]
    pub fn is_over(&self, now: EngineTime) -> bool {
        now.0 >= self.until.load(Ordering::Relaxed)
    }

    /// Returns when a stop is asked for, at once if it already is.
    pub async fn requested(&self) {
        let asked = self.asked.notified();
        tokio::pin!(asked);
        asked.as_mut().enable();
        if !self.is_requested() {
            asked.await;
        }
    }
}
