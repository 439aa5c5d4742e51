//! The engine: a pure function of the journal. [`Engine::step`] takes one input and gives effects;
//! nothing else changes it. No clock, no I/O, no thread, no randomness, no unordered iteration.
//!
//! - [`input`], [`effect`]: the two closed lists;
//! - [`step`]: what is due first, then the input, then what follows;
//! - [`long_work`]: what takes more than a step;
//! - [`settle`], [`facts`], [`follow`], [`nature`]: what follows: tickets, restorations, closures;
//! - [`image`], [`unshown`]: state to after-images, and what waits for its turn;
//! - [`census`]: what is open, counted as it changes;
//! - [`check`]: the invariants; [`digest`]: the rolling hash; [`snapshot`]: the state as bytes.

use crate::correlate::changes::Changes;
use crate::correlate::correlator::Correlator;
use crate::correlate::renewal::ContractOf;
use crate::engine::census::Census;
use crate::engine::facts::{Evidence, Gathering};
use crate::engine::follow::Following;
use crate::engine::unshown::Unshown;
use crate::model::event::Event;
use crate::model::severity::Severity;
use crate::model::time::EngineTime;
use crate::ticket::desk::Desk;
use crate::ticket::event::TicketChanges;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::BTreeSet;

mod census;
pub mod check;
pub mod digest;
pub mod effect;
mod facts;
mod follow;
pub mod image;
pub mod input;
mod long_work;
mod nature;
pub mod settle;
pub mod snapshot;
pub mod step;
mod unshown;

/// Version of the engine's decisions: digests compare within one version only. It changes together
/// with the digest of the golden journal.
pub const ENGINE_VERSION: u32 = 5;

/// The engine.
#[derive(Clone, Serialize, Deserialize)]
pub struct Engine {
    pub(crate) correlator: Correlator,
    pub(crate) desk: Desk,
    pub(crate) clock_quality: String,
    /// Contract of each service, by the service's resource slot.
    pub(crate) contract_of: ContractOf,
    pub(crate) position: u64,
    following: Following,
    unshown: Unshown,
    /// Incidents whose tickets are to be decided.
    due: BTreeSet<u64>,
    /// The one of them that is looked at, since so long.
    gathering: Option<(EngineTime, Box<Gathering>)>,
    /// What a gathering has used and nobody needs any more.
    #[serde(skip)]
    spent: Option<Evidence>,
    #[serde(skip)]
    pub(crate) changes: Changes,
    #[serde(skip)]
    pub(crate) ticket_changes: TicketChanges,
    #[serde(skip)]
    census: Census,
}

impl Engine {
    /// An engine that knows nothing yet. Hashes take the seed that the first boot record gives.
    #[must_use]
    pub fn new() -> Self {
        Self {
            correlator: Correlator::new(0),
            desk: Desk::default(),
            clock_quality: "unknown".to_owned(),
            contract_of: ContractOf::new(),
            position: 0,
            following: Following::default(),
            unshown: Unshown::default(),
            due: BTreeSet::new(),
            gathering: None,
            spent: None,
            changes: Changes::default(),
            ticket_changes: TicketChanges::new(),
            census: Census::default(),
        }
    }

    /// Counts what is open anew, after the state was read from a snapshot.
    pub(crate) fn take_census(&mut self) {
        self.census = Census::of(self);
    }

    /// Position of the last step.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// When something is due next; the caller journals a pulse when that moment passes. While the
    /// engine is at long work that is now, and that work is all that a pulse is for.
    #[must_use]
    pub fn next_deadline(&self) -> Option<EngineTime> {
        if let Some((since, _)) = self.long_work() {
            return Some(since);
        }
        let correlate = self.correlator.next_deadline();
        let ticket = self.desk.timers.next();
        let left_over = [
            self.correlator.spread.waits_since(),
            self.desk.waits_since(),
            self.desk.breaches_wait_since(),
            self.following.waits_since(),
            self.unshown.waits_since(),
        ];
        [correlate, ticket].into_iter().chain(left_over).flatten().min()
    }

    /// What a slice of long work may cost at most from now on. Everybody leaves that as it is, but
    /// tests, which have little that is large.
    pub fn work_in_slices_of(&mut self, units: usize) {
        self.correlator.slice_units = units;
    }

    /// Whether new settings are on their way into force: each pulse takes them further.
    #[must_use]
    pub fn is_renewing(&self) -> bool {
        self.correlator.renewing_since().is_some()
    }

    /// The alarm that the event only repeats, if it changes nothing: then a 16-byte entry in the
    /// journal is enough. `hash` is that of [`Engine::hash_of`].
    #[must_use]
    pub fn repeat_of(&self, event: &Event<'_>, hash: u64) -> Option<u32> {
        self.correlator.repeat_of(event, hash)
    }

    /// Whether the event is one of a series and changes nothing: it needs no place in the journal.
    /// After a restart or new settings every series is told once, and nearly all are as they were.
    #[must_use]
    pub fn is_idle_news(&self, event: &Event<'_>) -> bool {
        self.correlator.is_idle_news(event)
    }

    /// Type and qualifier of each active alarm of a resource, by its name.
    #[must_use]
    pub fn active_alarms_of(&self, device: &str, component: &str) -> Vec<(SmolStr, SmolStr)> {
        let correlator = &self.correlator;
        let slot = correlator.resources.find(&correlator.hasher, device, component);
        let active = slot.map(|slot| &correlator.resources.get(slot).active);
        let alarms = active.into_iter().flatten().filter_map(|slot| correlator.alarms.get(*slot));
        let type_of = |number| correlator.types.get(number).id.clone();
        alarms.map(|alarm| (type_of(alarm.alarm_type), SmolStr::new(&alarm.qualifier))).collect()
    }

    /// Hash of an alarm identity, [`Event::identity`].
    #[must_use]
    pub fn hash_of(&self, identity: [&str; 4]) -> u64 {
        self.correlator.hash_of(identity)
    }

    /// Fetches into the caches what events with these hashes will need; see
    /// [`Correlator::look_ahead`].
    pub fn look_ahead(&self, hashes: &[u64]) {
        self.correlator.look_ahead(hashes);
    }

    /// Counts and times of at most `max` alarms that changed without an effect since they were last
    /// told, those that wait longest first: id, occurrences, last raised. Reading is no input.
    pub fn take_touched(&mut self, max: usize) -> Vec<(u64, u64, crate::model::time::Timestamp)> {
        self.correlator
            .take_touched(max)
            .into_iter()
            .filter_map(|slot| {
                let alarm = self.correlator.alarms.get(slot)?;
                Some((alarm.id, alarm.occurrences, alarm.last_raised))
            })
            .collect()
    }

    /// What the gauges show.
    #[must_use]
    pub fn gauges(&self) -> Gauges {
        Gauges {
            active: Severity::ALL
                .map(|severity| (severity, self.correlator.alarms.active_count(severity))),
            incidents_open: self.census.open_incidents(),
            tickets_open: self.census.open_tickets(),
            alarms_held: u64::try_from(self.correlator.alarms.len()).unwrap_or(u64::MAX),
            alarms_refused: self.correlator.alarms_refused,
            resources: u64::try_from(self.correlator.resources.len()).unwrap_or(u64::MAX),
        }
    }
}

impl Default for Engine {
    fn default() -> Self {
        Self::new()
    }
}

/// What the gauges show.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gauges {
    /// Active alarms by severity.
    pub active: [(Severity, u64); 5],
    /// Incidents that are open.
    pub incidents_open: u64,
    /// Tickets that are not closed or cancelled.
    pub tickets_open: u64,
    /// Alarms in memory, cleared ones included.
    pub alarms_held: u64,
    /// Messages about alarms that were not held, since there were too many.
    pub alarms_refused: u64,
    /// Resources known or heard.
    pub resources: u64,
}
