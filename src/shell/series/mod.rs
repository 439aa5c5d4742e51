//! Series of metrics: a bounded, soft table of what each said last, so that only news reaches the
//! journal.
//!
//! In: samples, visited by a decoder within a request ([`SeriesIntake::take`]). Out: events (a
//! series came into another zone of a rule, or fell silent), each in a lane, with a receipt for the
//! request. What is known here is a cache: it is believed only after the journal has it, and losing
//! it costs an interval or tells the engine what it knows. Bands, hysteresis, duration and what
//! silence means are the engine's.
//!
//! Reading order: `key` (by what a series is known), `table` and `shard`, `matched` (a series that
//! rules look at), `measure` and `pair` (the number that a rule compares), `bucket`, `baseline`,
//! `baselines` and `baseline_file` (what is usual), `alarms`, `shares` and `peers` (series of one
//! alarm), `standing` and `lasting` (what was told, and what is to be told), `visit` (a request),
//! `sweep` (silence), `senders`, `account`.

mod account;
mod alarms;
mod baseline;
mod baseline_file;
mod baselines;
mod bucket;
mod key;
mod lasting;
mod matched;
mod measure;
mod pair;
mod peers;
mod senders;
mod shard;
mod shares;
mod standing;
mod sweep;
mod table;
mod visit;

#[cfg(test)]
pub(in crate::shell) mod testing;
#[cfg(test)]
mod tests;

pub use account::{Account, Protocol, Refusal, SampleCounters, Shown};
pub use senders::SenderName;
pub use visit::{Settled, Told, Visit};

use crate::model::limits::BASELINES_MAX;
use crate::model::sample::Tally;
use crate::model::time::{EngineTime, NS_PER_S, seconds_ns};
use crate::shell::intake::guard::guarded;
use crate::shell::intake::stop::Stop;
use crate::shell::pipeline::SharedClassifier;
use crate::shell::self_alarm::SelfAlarms;
use crate::shell::series::baselines::Baselines;
use crate::shell::series::key::Keys;
use crate::shell::series::pair::Pair;
use crate::shell::series::senders::Senders;
use crate::shell::series::shares::Shares;
use crate::shell::series::table::{Bounds, Table};
use crate::shell::submission::Way;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Name of the ledger of events made of samples.
pub const SAMPLES: &str = "samples";

/// Name of the file of what was learnt of series, in the state folder.
pub const BASELINES: &str = "baselines";

/// What the intake of samples is made of.
pub struct SeriesParts {
    /// The way to the sequencer, with the ledger of events made of samples.
    pub way: Way,
    /// The index of that ledger among all.
    pub listener: u16,
    /// The classifier in force.
    pub classifier: SharedClassifier,
    /// When to end.
    pub stop: Arc<Stop>,
    /// The way in for vigie's own alarms.
    pub own: SelfAlarms,
    /// Samples older than this move no alarm.
    pub backfill_after: Duration,
    /// The file of what was learnt of series; without it that is forgotten at the end.
    pub baselines: Option<PathBuf>,
}

/// Takes samples in; shared by all requests.
pub struct SeriesIntake {
    core: Core,
    stop: Arc<Stop>,
    own: SelfAlarms,
}

/// What requests and sweeps work with.
pub(in crate::shell::series) struct Core {
    table: Table,
    keys: Keys,
    pairs: Shares<Pair>,
    baselines: Baselines,
    senders: Senders,
    counters: SampleCounters,
    classifier: SharedClassifier,
    way: Way,
    listener: u16,
    backfill_after_ns: i64,
    requests: AtomicU32,
    /// Seconds are counted from here.
    begun: EngineTime,
}

impl SeriesIntake {
    /// An empty table.
    #[must_use]
    pub fn new(parts: SeriesParts) -> Self {
        Self::bounded(parts, Bounds::default())
    }

    fn bounded(parts: SeriesParts, bounds: Bounds) -> Self {
        let SeriesParts { way, listener, classifier, stop, own, .. } = parts;
        let backfill_after_s = i64::try_from(parts.backfill_after.as_secs()).unwrap_or(i64::MAX);
        let core = Core {
            table: Table::new(bounds),
            keys: Keys::default(),
            pairs: Shares::default(),
            baselines: Baselines::load(parts.baselines, BASELINES_MAX),
            senders: Senders::default(),
            counters: SampleCounters::default(),
            classifier,
            listener,
            backfill_after_ns: backfill_after_s.saturating_mul(NS_PER_S),
            requests: AtomicU32::new(0),
            begun: way.clock.now(),
            way,
        };
        Self { core, stop, own }
    }

    /// Whether no more is taken.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stop.is_requested()
    }

    /// Takes the samples of a request of that sender; `decode` visits them. May wait for room in
    /// the lanes: for threads that may block. What comes back is to be settled.
    pub fn take(
        &self,
        protocol: Protocol,
        sender: impl Into<SenderName>,
        decode: impl FnOnce(&mut Visit<'_>) -> Tally,
    ) -> Told {
        let sender = self.core.senders.of(sender.into());
        let mut visit = Visit::new(&self.core, protocol, sender);
        visit.hear_sender();
        let Some(tally) = guarded(|| decode(&mut visit)) else {
            visit.panicked();
            return visit.finish(Tally::default());
        };
        visit.finish(tally)
    }

    /// The account of samples.
    #[must_use]
    pub fn counters(&self) -> &SampleCounters {
        &self.core.counters
    }

    /// Series known.
    #[must_use]
    pub fn series_known(&self) -> u32 {
        self.core.table.len()
    }

    /// Baselines: how many there are, series that got none, and failures with their file.
    #[must_use]
    pub fn baselines(&self) -> [u64; 3] {
        let all = &self.core.baselines;
        [all.known(), all.refused(), all.file_errors()]
    }

    fn core(&self) -> &Core {
        &self.core
    }
}

impl Core {
    /// Engine time in seconds, from 1: 0 means never.
    fn second(&self, at: EngineTime) -> u32 {
        let seconds = at.ns_since(self.begun) / seconds_ns(1);
        u32::try_from(seconds).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// A number for a request; never 0.
    fn next_request(&self) -> u32 {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        number.checked_add(1).unwrap_or(1)
    }
}
