//! One incident and its life cycle.
//!
//! ```text
//!   founded ──▶ Forming ── hold-off over ──▶ Open ── all clear, stable ──▶ Restored ──▶ Closed
//!                 │ all clear                 ▲  ▲                            │
//!                 ▼                           │  └────────── relapse ─────────┘
//!               Closed (nobody was told)      │
//!   Forming, Open ── one fault explains both ─┴▶ Merged
//! ```

use crate::correlate::alarm_table::AlarmSlot;
use crate::correlate::changes::IncidentEvent;
use crate::correlate::reason::Why;
use crate::correlate::resource::Slot;
use crate::model::limits::EXPLAIN_ENTRIES_MAX;
use crate::model::severity::Severity;
use crate::model::time::{At, EngineTime, Timestamp};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Where an incident is in its life.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Status {
    /// Waiting for its root.
    Forming,
    /// Open.
    Open,
    /// Every alarm cleared and stable.
    Restored,
    /// Done.
    Closed,
    /// Taken over by another.
    Merged,
}

/// A step that the life cycle does not have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("incident {id}: {trigger} is impossible while {status:?}")]
pub struct ImpossibleTransition {
    /// Incident.
    pub id: u64,
    /// Where it is.
    pub status: Status,
    /// What was asked.
    pub trigger: &'static str,
}

/// Alarms that one fault explains.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Incident {
    /// Journal position of the event that founded it.
    pub id: u64,
    status: Status,
    /// Its alarms with their ids, in the order in which they joined.
    pub alarms: Vec<(AlarmSlot, u64)>,
    /// Alarm held to be the root, with its id.
    pub root_alarm: (AlarmSlot, u64),
    /// Resource held to be the root.
    pub root: Slot,
    /// Why this root.
    pub why: Why,
    /// Both clocks when it was founded.
    pub founded: At,
    /// Receive time of its earliest alarm.
    pub opened_at: Timestamp,
    /// When service was back.
    pub restored_at: Option<Timestamp>,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// Incident that took it over.
    pub merged_into: Option<u64>,
    /// Whether anybody outside was told of it.
    pub is_announced: bool,
    /// Worst severity that it had.
    pub worst: Severity,
    /// Numbers of its tickets.
    pub tickets: Vec<SmolStr>,
    /// Why it has no ticket.
    pub no_ticket: Option<Why>,
    /// Services that it was seen to affect, in slot order.
    pub services: Vec<Slot>,
    /// When the last of its alarms cleared, while none is active.
    pub all_clear_at: Option<Timestamp>,
    /// When the raise was received that last made one of its alarms active.
    pub last_raise_at: At,
    /// Checksum of what was last shown of it.
    pub shown: u32,
    /// What had happened to it when it was last shown.
    pub shown_as: IncidentEvent,
    /// When it was last shown.
    pub told_at: EngineTime,
    active: [u32; 5],
    trail: Vec<(Timestamp, Why)>,
}

impl Incident {
    /// An incident founded by one alarm.
    #[must_use]
    pub fn new(id: u64, founder: (AlarmSlot, u64), root: Slot, at: At) -> Self {
        Self {
            id,
            status: Status::Forming,
            alarms: vec![founder],
            root_alarm: founder,
            root,
            why: Why::ClearedWithinHoldOff,
            founded: at,
            opened_at: at.wall,
            restored_at: None,
            closed_at: None,
            merged_into: None,
            is_announced: false,
            worst: Severity::Indeterminate,
            tickets: Vec::new(),
            no_ticket: None,
            services: Vec::new(),
            all_clear_at: None,
            last_raise_at: at,
            shown: 0,
            shown_as: IncidentEvent::Updated,
            told_at: EngineTime(0),
            active: [0; 5],
            trail: Vec::new(),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// Whether alarms may still join.
    #[must_use]
    pub fn is_live(&self) -> bool {
        matches!(self.status, Status::Forming | Status::Open | Status::Restored)
    }

    /// The hold-off is over.
    ///
    /// # Errors
    /// Unless it is forming.
    pub fn open(&mut self) -> Result<(), ImpossibleTransition> {
        self.step(&[Status::Forming], Status::Open, "open")?;
        self.is_announced = true;
        Ok(())
    }

    /// Every alarm cleared and stayed so; dated back to the last clear.
    ///
    /// # Errors
    /// Unless it is open.
    pub fn restore(&mut self, restored_at: Timestamp) -> Result<(), ImpossibleTransition> {
        self.step(&[Status::Open], Status::Restored, "restore")?;
        self.restored_at = Some(restored_at);
        Ok(())
    }

    /// It came back.
    ///
    /// # Errors
    /// Unless it is restored.
    pub fn relapse(&mut self) -> Result<(), ImpossibleTransition> {
        self.step(&[Status::Restored], Status::Open, "relapse")?;
        self.restored_at = None;
        Ok(())
    }

    /// It is over.
    ///
    /// # Errors
    /// Unless it is restored, or forming (then nobody was told).
    pub fn close(&mut self, at: Timestamp) -> Result<(), ImpossibleTransition> {
        self.step(&[Status::Restored, Status::Forming], Status::Closed, "close")?;
        self.closed_at = Some(at);
        Ok(())
    }

    /// Another incident takes it over.
    ///
    /// # Errors
    /// Unless it is live.
    pub fn merge_into(&mut self, other: u64, at: Timestamp) -> Result<(), ImpossibleTransition> {
        self.step(&[Status::Forming, Status::Open, Status::Restored], Status::Merged, "merge")?;
        self.merged_into = Some(other);
        self.closed_at = Some(at);
        Ok(())
    }

    fn step(
        &mut self,
        from: &[Status],
        to: Status,
        trigger: &'static str,
    ) -> Result<(), ImpossibleTransition> {
        if !from.contains(&self.status) {
            return Err(ImpossibleTransition { id: self.id, status: self.status, trigger });
        }
        self.status = to;
        Ok(())
    }

    /// Counts one of its alarms as active, or no longer.
    pub fn count_active(&mut self, severity: Severity, is_more: bool) {
        if let Some(cell) = self.active.get_mut(place(severity)) {
            *cell = if is_more { cell.saturating_add(1) } else { cell.saturating_sub(1) };
        }
    }

    /// Counts the active alarms of another incident as its own.
    pub fn count_active_of(&mut self, other: &Self) {
        for (cell, more) in self.active.iter_mut().zip(other.active) {
            *cell = cell.saturating_add(more);
        }
    }

    /// Number of its active alarms.
    #[must_use]
    pub fn active_count(&self) -> u32 {
        self.active.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Worst severity among its active alarms; none when none is active.
    #[must_use]
    pub fn worst_active(&self) -> Option<Severity> {
        let is_held = |severity: &Severity| self.active.get(place(*severity)) > Some(&0);
        Severity::ALL.into_iter().rev().find(is_held)
    }

    /// Keeps a decision and its reason, the same one after the other once; beyond the bound the
    /// oldest but the first goes.
    pub fn note(&mut self, at: Timestamp, why: Why) {
        if self.trail.last().is_some_and(|(_, last)| *last == why) {
            return;
        }
        if self.trail.len() >= EXPLAIN_ENTRIES_MAX {
            self.trail.remove(1);
        }
        self.trail.push((at, why));
    }

    /// Decisions and reasons, oldest first.
    #[must_use]
    pub fn trail(&self) -> &[(Timestamp, Why)] {
        &self.trail
    }
}

fn place(severity: Severity) -> usize {
    usize::from(severity.number().saturating_sub(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One step of the life cycle.
    type Trigger = fn(&mut Incident) -> Result<(), ImpossibleTransition>;

    #[test]
    fn every_state_takes_the_steps_of_the_diagram_and_no_other() {
        let triggers: [(&str, Trigger); 5] = [
            ("open", Incident::open),
            ("restore", |incident| incident.restore(Timestamp(1))),
            ("relapse", Incident::relapse),
            ("close", |incident| incident.close(Timestamp(2))),
            ("merge", |incident| incident.merge_into(9, Timestamp(3))),
        ];
        let allowed = [
            (Status::Forming, vec!["open", "close", "merge"]),
            (Status::Open, vec!["restore", "merge"]),
            (Status::Restored, vec!["relapse", "close", "merge"]),
            (Status::Closed, vec![]),
            (Status::Merged, vec![]),
        ];
        for (status, expected) in allowed {
            let mut taken = Vec::new();
            for (name, trigger) in triggers {
                let mut incident = Incident::new(1, (0, 1), 0, At::default());
                incident.status = status;
                if trigger(&mut incident).is_ok() {
                    taken.push(name);
                }
            }
            assert_eq!(taken, expected, "{status:?}");
        }
    }
}
