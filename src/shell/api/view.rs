//! The view: what the API shows, as published, immutable versions.
//!
//! In: durable effects and the counts of repeats, on one thread. Out: a [`View`] behind an
//! `ArcSwap`, a new version each time the caller says so and something changed. Readers take a
//! version and keep it as long as they like; they never meet the engine or a lock.
//!
//! What is over (cleared, closed, cancelled, unknown and silent) stays up to a bound, then the one
//! that ended first goes: its history is in SQLite. What is not over is never dropped here.

use crate::engine::effect::Effect;
use crate::shell::api::intern::Interner;
use crate::shell::api::rows::{AlarmRow, IncidentRow, ResourceRow, SilenceRow, TicketRow};
use crate::shell::api::table::{Row, Table};
use crate::shell::publish::{Occurrences, Published, Rank};
use arc_swap::ArcSwap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One published version of everything that the API shows.
#[derive(Debug, Default)]
pub struct View {
    /// Number of the version; grows by one with each.
    pub version: u64,
    /// Highest journal position in it.
    pub position: u64,
    /// Alarms by id.
    pub alarms: Table<AlarmRow>,
    /// Incidents by id.
    pub incidents: Table<IncidentRow>,
    /// Tickets by number.
    pub tickets: Table<TicketRow>,
    /// Resources by name.
    pub resources: Table<ResourceRow>,
    /// Silences by id.
    pub silences: Table<SilenceRow>,
}

/// Where readers find the newest version.
pub type SharedView = Arc<ArcSwap<View>>;

/// How many rows are kept after their end, per kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ViewBounds {
    /// Cleared alarms.
    pub cleared_alarms_max: usize,
    /// Closed and merged incidents; each may hold a thousand alarm ids and a trail.
    pub closed_incidents_max: usize,
    /// Closed and cancelled tickets; each holds the history of its times.
    pub closed_tickets_max: usize,
    /// Resources that the inventory does not know and that have no active alarm.
    pub unknown_resources_max: usize,
    /// Silences that have ended.
    pub expired_silences_max: usize,
}

impl Default for ViewBounds {
    fn default() -> Self {
        Self {
            cleared_alarms_max: 100_000,
            closed_incidents_max: 5_000,
            closed_tickets_max: 20_000,
            unknown_resources_max: 100_000,
            expired_silences_max: 1_000,
        }
    }
}

/// Makes versions of the view. Owned by one thread.
pub struct ViewWriter {
    alarms: Kept<AlarmRow>,
    incidents: Kept<IncidentRow>,
    tickets: Kept<TicketRow>,
    resources: Kept<ResourceRow>,
    silences: Kept<SilenceRow>,
    interner: Interner,
    position: u64,
    version: u64,
    has_changed: bool,
    shared: SharedView,
}

impl ViewWriter {
    /// A writer with an empty first version already published.
    #[must_use]
    pub fn new(bounds: ViewBounds) -> Self {
        Self {
            alarms: Kept::new(bounds.cleared_alarms_max),
            incidents: Kept::new(bounds.closed_incidents_max),
            tickets: Kept::new(bounds.closed_tickets_max),
            resources: Kept::new(bounds.unknown_resources_max),
            silences: Kept::new(bounds.expired_silences_max),
            interner: Interner::default(),
            position: 0,
            version: 0,
            has_changed: false,
            shared: Arc::new(ArcSwap::from_pointee(View::default())),
        }
    }

    /// Where readers find the newest version.
    #[must_use]
    pub fn shared(&self) -> SharedView {
        Arc::clone(&self.shared)
    }

    /// Takes an effect in. One that is older than what its row shows changes nothing.
    pub fn apply(&mut self, published: &Published) {
        let rank = published.rank();
        let has_changed = match &published.effect {
            Effect::Alarm(image) => {
                let row = AlarmRow::new(rank, image, &mut self.interner);
                self.alarms.put(row, |old, new| new.count(old.occurrences(), old.last_raised()))
            }
            Effect::Incident(image) => self.incidents.put(IncidentRow::new(rank, image), |_, _| ()),
            Effect::Ticket(image) => self.tickets.put(TicketRow::new(rank, image), |_, _| ()),
            Effect::Resource(image) => {
                let row = ResourceRow::new(rank, image, &mut self.interner);
                self.resources.put(row, |_, _| ())
            }
            Effect::Silence(silence) => {
                self.silences.put(SilenceRow::new(rank, silence), |_, _| ())
            }
            Effect::Answer(_) | Effect::Withdrawn(_) => false,
        };
        self.position = self.position.max(published.position);
        self.has_changed |= has_changed;
    }

    /// Takes the counts of a repeated alarm in, for every version that shows it. Unknown alarms are
    /// none of ours any more.
    pub fn count(&self, told: &Occurrences) {
        if let Some(row) = self.alarms.table.at(&told.alarm) {
            row.count(told.occurrences, told.last_raised);
        }
    }

    /// Publishes a version if anything changed since the last; `true` if it did. Costs a pointer
    /// per page of rows; meant to be called every 50 to 100 ms.
    pub fn publish(&mut self) -> bool {
        if !std::mem::take(&mut self.has_changed) {
            return false;
        }
        self.version = self.version.saturating_add(1);
        self.shared.store(Arc::new(View {
            version: self.version,
            position: self.position,
            alarms: self.alarms.table.clone(),
            incidents: self.incidents.table.clone(),
            tickets: self.tickets.table.clone(),
            resources: self.resources.table.clone(),
            silences: self.silences.table.clone(),
        }));
        true
    }
}

/// A table and the order in which its rows ended.
struct Kept<R: Row> {
    table: Table<R>,
    ended: BTreeMap<Rank, R::Place>,
    ended_max: usize,
}

impl<R: Row> Kept<R> {
    fn new(ended_max: usize) -> Self {
        Self { table: Table::default(), ended: BTreeMap::new(), ended_max }
    }

    /// `carry` takes over from the row that was there what no effect holds. `false` if the row is
    /// no newer than that one.
    fn put(&mut self, row: R, carry: impl FnOnce(&R, &R)) -> bool {
        let place = row.place().clone();
        let (rank, is_ended) = (row.rank(), row.is_ended());
        let mut before = None;
        let is_put = self.table.put(&place, |old| {
            if let Some(old) = old {
                if old.rank() >= rank {
                    return None;
                }
                before = old.is_ended().then(|| old.rank());
                carry(old, &row);
            }
            Some(row)
        });
        if !is_put {
            return false;
        }
        if let Some(before) = before {
            self.ended.remove(&before);
        }
        if is_ended {
            self.ended.insert(rank, place);
        }
        while self.ended.len() > self.ended_max
            && let Some((_, place)) = self.ended.pop_first()
        {
            self.table.remove(&place);
        }
        true
    }
}
