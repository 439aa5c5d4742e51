//! Work that takes more than a step, since it is about very many resources, alarms or tickets: a
//! slice of it with each pulse, until nothing is left. Nothing stops the engine for longer than a
//! slice: messages count as ever between two of them. Meanwhile deadlines wait and nothing else is
//! decided; while tickets are decided, states stand still too: all is decided on one of them.
//!
//! How far a slice goes depends on what there is to do, never on a clock, so that a replay goes the
//! same way.

use crate::correlate::unsettled::SETTLED_UNITS;
use crate::engine::Engine;
use crate::engine::facts::{Gathered, Gathering};
use crate::model::time::{At, EngineTime};

/// What the engine is at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum LongWork {
    /// New settings come into force.
    Renewal,
    /// Tickets move to the incident that took theirs over.
    Moves,
    /// An incident is looked at, to decide its tickets.
    Gathering,
    /// States are worked out and told.
    States,
}

impl Engine {
    /// What the engine is at, and since when; of several the one that goes on first.
    pub(super) fn long_work(&self) -> Option<(EngineTime, LongWork)> {
        let gathering = self.gathering.as_ref().map(|(since, _)| *since);
        [
            (self.correlator.renewing_since(), LongWork::Renewal),
            (self.desk.moving_since(), LongWork::Moves),
            (gathering, LongWork::Gathering),
            (self.correlator.unsettled_since(), LongWork::States),
        ]
        .into_iter()
        .find_map(|(since, work)| Some((since?, work)))
    }

    /// Whether the engine is at work that takes more than a step.
    #[must_use]
    pub fn is_at_long_work(&self) -> bool {
        self.long_work().is_some()
    }

    /// Does the next slice; or, where what messages bring is part of the work, a little of it.
    pub(super) fn work_further(&mut self, at: At, work: LongWork, is_pulse: bool) {
        match work {
            LongWork::States => {
                let by_message = self.correlator.units_by_message();
                let units = if is_pulse { SETTLED_UNITS } else { by_message };
                self.correlator.settle_states(units, &mut self.changes);
                if self.long_work().is_none() {
                    // It waited for the states.
                    self.correlator.spread_further(at, &mut self.changes);
                }
            }
            LongWork::Renewal if is_pulse => self.renew(at),
            LongWork::Renewal => self.correlator.renew_by_message(&mut self.changes),
            _ if !is_pulse => {}
            LongWork::Moves => self.move_tickets(at),
            LongWork::Gathering => {
                if let Some((since, gathering)) = self.gathering.take() {
                    self.gather_further(at, since, gathering);
                }
            }
        }
    }

    /// Takes new settings further; what tickets go by changes when all the rest is in force.
    pub(super) fn renew(&mut self, at: At) {
        let Some(renewed) = self.correlator.renew(at, &mut self.changes) else { return };
        self.desk.apply_settings(&renewed.settings.tickets, &renewed.settings.contracts);
        self.contract_of = renewed.contract_of;
    }

    /// Decides the tickets of what is due, one incident after the other.
    pub(super) fn decide_due(&mut self, at: At) {
        self.due.append(&mut self.changes.due);
        while self.long_work().is_none()
            && let Some(id) = self.due.pop_first()
        {
            if let Some(incident) = self.correlator.incidents.get(&id) {
                self.gather_further(at, at.engine, Gathering::of(incident));
            }
        }
    }

    fn gather_further(&mut self, at: At, since: EngineTime, gathering: Box<Gathering>) {
        let id = gathering.incident();
        match self.gather(gathering) {
            Gathered::Partly(gathering) => {
                self.correlator.hold_states();
                self.gathering = Some((since, gathering));
            }
            Gathered::Wholly(Some(facts)) => self.decide_tickets(at, id, facts),
            Gathered::Wholly(None) => {}
        }
    }

    /// Other settings come: the incident that is looked at is looked at anew, when they are in
    /// force.
    pub(super) fn gather_anew(&mut self) {
        if let Some((_, gathering)) = self.gathering.take() {
            self.due.insert(gathering.incident());
        }
    }
}
