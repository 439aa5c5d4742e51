//! What is over goes from the history when it is old enough, a few rows at a time and only while
//! nothing waits to be written.
//!
//! A cleared alarm counts by its last change and stays while its incident is not closed; incidents
//! and tickets count by their closure. Tickets of a contract stay longer, since that is what a
//! customer may ask about. The file keeps its size: SQLite fills the freed pages again.

use crate::model::time::Timestamp;
use crate::shell::config::History;
use crate::shell::store::{Store, StoreError};
use rusqlite::params;

/// Rows of one kind per transaction.
const ROWS: i64 = 500;
/// Between two looks for what is old enough, ns.
const PERIOD_NS: u64 = 3_600_000_000_000;
const DAY_NS: i64 = 86_400_000_000_000;

// What is over was created before: the older bound lets the index by time find it.
const ALARMS: &str = "
DELETE FROM alarms WHERE id IN (
    SELECT id FROM alarms
    WHERE time_created_ns < ?1 AND last_changed_ns < ?1 AND is_cleared = 1 AND NOT EXISTS (
        SELECT 1 FROM incidents
        WHERE incidents.id = alarms.incident AND incidents.closed_at_ns IS NULL)
    LIMIT ?2)";

const INCIDENTS: &str = "
DELETE FROM incidents WHERE id IN (
    SELECT id FROM incidents WHERE opened_at_ns < ?1 AND closed_at_ns < ?1 LIMIT ?2)";

const TICKETS: &str = "
SELECT number FROM tickets
WHERE opened_at_ns < ?1 AND state IN ('closed', 'cancelled')
    AND COALESCE(closed_at_ns, opened_at_ns) < CASE WHEN contract IS NULL THEN ?1 ELSE ?2 END
LIMIT ?3";

/// When to look again, and for what.
#[derive(Debug)]
pub(super) struct Retention {
    history: History,
    not_before_ns: u64,
}

impl Retention {
    pub(super) const fn new(history: History) -> Self {
        Self { history, not_before_ns: 0 }
    }

    /// Whether it is time to look, by the clock since boot.
    pub(super) const fn is_due(&self, now_ns: u64) -> bool {
        now_ns >= self.not_before_ns
    }

    /// Removes some rows of what is too old at `wall`; gives their number. With nothing left to
    /// remove, or after an error, the next look comes an hour later.
    pub(super) fn remove_some(
        &mut self,
        store: &mut Store,
        wall: Timestamp,
        now_ns: u64,
    ) -> Result<usize, StoreError> {
        self.not_before_ns = now_ns.saturating_add(PERIOD_NS);
        let removed = remove_some(store, self.history, wall)?;
        if removed > 0 {
            self.not_before_ns = now_ns;
        }
        Ok(removed)
    }
}

fn remove_some(store: &mut Store, history: History, wall: Timestamp) -> Result<usize, StoreError> {
    let before = |days: u32| wall.0.saturating_sub(i64::from(days).saturating_mul(DAY_NS));
    let (limit, of_tickets) = (before(history.keep_days), before(history.keep_tickets_days));
    let transaction = store.connection.transaction()?;
    let mut removed = transaction.prepare_cached(ALARMS)?.execute([limit, ROWS])?;
    removed =
        removed.saturating_add(transaction.prepare_cached(INCIDENTS)?.execute([limit, ROWS])?);
    let numbers: Vec<String> = transaction
        .prepare_cached(TICKETS)?
        .query_map(params![limit, of_tickets, ROWS], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for number in &numbers {
        for sql in
            ["DELETE FROM ticket_times WHERE number = ?1", "DELETE FROM tickets WHERE number = ?1"]
        {
            transaction.prepare_cached(sql)?.execute([number])?;
        }
    }
    transaction.commit()?;
    Ok(removed.saturating_add(numbers.len()))
}
