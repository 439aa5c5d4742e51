//! One step: what is due first, then the input, then what follows from both.

use crate::correlate::incident::Incident;
use crate::correlate::muting::SilenceRefusal;
use crate::engine::Engine;
use crate::engine::effect::{Answer, Effect};
use crate::engine::facts::Evidence;
use crate::engine::input::{Action, Command, Input, Repeat};
use crate::model::silence::silence_name;
use crate::model::time::{At, EngineTime};
use crate::ticket::command::Refusal;
use crate::ticket::desk::Deadline;
use std::sync::Arc;

/// Deadlines fired at most in a step that is for them; the rest is due at once in the next.
const FIRED_BY_PULSE_MAX: usize = 16;
/// Nor further ones once a step has so many things to show: one that founds an incident of fifty
/// alarms weighs more than one that finds nothing to do.
const SHOWN_BY_PULSE_MAX: usize = 32;
/// Deadlines fired at most in a step that has something else to do: a message must not wait for
/// all of them.
const FIRED_MAX: usize = 1;

impl Engine {
    /// Applies one input at one journal position. Effects are appended in a fixed order.
    pub fn step(&mut self, at: At, position: u64, input: &Input<'_>, effects: &mut Vec<Effect>) {
        self.position = position;
        self.correlator.position = position;
        self.correlator.now = at.engine;
        let is_pulse = matches!(input, Input::Pulse);
        if is_pulse && !self.spent.as_mut().is_some_and(Evidence::shrink) {
            self.spent = None;
        }
        if let Some((_, work)) = self.long_work() {
            self.work_further(at, work, is_pulse);
        } else {
            if is_pulse {
                self.correlator.spread_further(at, &mut self.changes);
                self.open_further(at);
                self.desk.set_breaches(at);
                self.settle(at);
            }
            self.fire_due(at, if is_pulse { FIRED_BY_PULSE_MAX } else { FIRED_MAX });
        }
        let answer = self.apply(at, position, input);
        self.settle(at);
        self.show(at, effects);
        effects.extend(answer.map(|answer| Effect::Answer(Arc::new(answer))));
    }

    fn fire_due(&mut self, at: At, most: usize) {
        for fired in 0..most {
            let is_much = fired > 0 && self.weight() >= SHOWN_BY_PULSE_MAX;
            if is_much || self.long_work().is_some() {
                return;
            }
            let correlate = self.correlator.next_deadline().filter(|due| *due <= at.engine);
            let ticket = self.desk.timers.next().filter(|due| *due <= at.engine);
            match (correlate, ticket) {
                (None, None) => return,
                (Some(due), other) if other.is_none_or(|other| due <= other) => {
                    self.correlator.fire_next(at, due, &mut self.changes);
                }
                _ => {
                    if let Some((_, deadline)) = self.desk.timers.pop_due(at.engine) {
                        if let Deadline::Stable(key) | Deadline::Breach(key) = deadline {
                            self.follow_at_once(at, key);
                        }
                        if let Deadline::Forget(key) = deadline
                            && self.is_about_something_live(key)
                        {
                            self.desk.forget_later(at, key);
                            continue;
                        }
                        self.desk.fire(at, deadline, &mut self.ticket_changes);
                    }
                }
            }
            // What one deadline led to is settled before the next, so that their order counts.
            self.settle(at);
        }
    }

    /// Whether an incident of the ticket is not over.
    fn is_about_something_live(&self, key: u64) -> bool {
        let Some(ticket) = self.desk.get(key) else { return false };
        let mut incidents = ticket.covers.iter().chain([&ticket.incident]);
        incidents.any(|id| self.correlator.incidents.get(id).is_some_and(Incident::is_live))
    }

    /// How much this step has to show so far.
    fn weight(&self) -> usize {
        self.changes.weight().saturating_add(self.ticket_changes.len())
    }

    fn apply(&mut self, at: At, position: u64, input: &Input<'_>) -> Option<Answer> {
        match input {
            Input::Event(event) => {
                self.correlator.event(at, position, event, &mut self.changes);
                None
            }
            Input::Repeats(repeats) => {
                self.apply_repeats(at, repeats);
                None
            }
            Input::Command(command) => Some(self.command(at, command)),
            Input::Settings(settings) => {
                self.gather_anew();
                self.correlator.begin_renewal(at, settings, &mut self.changes);
                self.renew(at);
                None
            }
            Input::Boot(boot) => {
                self.correlator.was_down(at, boot.downtime_ns);
                if self.correlator.alarms.is_empty() {
                    self.correlator.reseed(boot.hash_seed);
                }
                None
            }
            Input::ClockQuality(quality) => {
                self.clock_quality = format!(
                    "{}, {}, error {} µs",
                    quality.source,
                    if quality.is_synchronised { "synchronised" } else { "not synchronised" },
                    quality.error_us
                );
                None
            }
            Input::ClockStep { .. } => {
                self.desk.wall_clock_set(at);
                self.correlator.silences_by_new_clock(at, &mut self.changes);
                self.correlator.leases_by_new_clock(at);
                None
            }
            Input::Loss(_) | Input::Pulse | Input::Skip { .. } => None,
        }
    }

    fn apply_repeats(&mut self, at: At, repeats: &[Repeat]) {
        for repeat in repeats {
            let age = i64::from(repeat.age_ns);
            let arrived = At {
                engine: EngineTime(at.engine.0.saturating_sub(u64::from(repeat.age_ns))),
                wall: at.wall.plus_ns(age.saturating_neg()),
            };
            self.correlator.repeat(repeat.alarm, arrived, repeat.listener, &mut self.changes);
        }
    }

    fn command(&mut self, at: At, command: &Command) -> Answer {
        let (accepted, message) = match self.carry_out(at, command) {
            Ok((subject, done)) => (true, format!("{subject} {done}")),
            Err(refused) => (false, refused.to_string()),
        };
        Answer { command: command.id, accepted, message }
    }

    /// Gives what the command was about, and what was done to it.
    fn carry_out(&mut self, at: At, command: &Command) -> Result<(String, &'static str), Refused> {
        let author = command.author.as_str();
        if let Some(number) = command.action.ticket() {
            // What the operator says comes after what was received before.
            let key = self.desk.key_of(number)?;
            self.follow_at_once(at, key);
            self.unshown.show_first(key);
        }
        let changes = &mut self.ticket_changes;
        let done = |subject: &str, done: &'static str| Ok((subject.to_owned(), done));
        match &command.action {
            Action::ConfirmTicket { number } => {
                self.desk.confirm(number, author, changes)?;
                done(number, "is confirmed")
            }
            Action::RefuteTicket { number, reason } => {
                self.desk.refute(at, number, (author, reason), changes)?;
                done(number, "is cancelled; its number stays taken")
            }
            Action::TakeTicket { number } => {
                self.desk.take(at, number, author, changes)?;
                done(number, "is in progress")
            }
            Action::RestoreTicket { number, restored_at, reason } => {
                let restored = (number.as_str(), *restored_at);
                self.desk.restore(at, restored, (author, reason), changes)?;
                self.following.forget_failure(self.desk.key_of(number)?);
                done(number, "is restored")
            }
            Action::CloseTicket { number, reason } => {
                self.desk.close(at, number, (author, reason), changes)?;
                done(number, "is closed")
            }
            Action::SetSilence { replaces, request } => {
                let (position, asked) = (self.position, (replaces.as_str(), &**request));
                let id = self.correlator.set_silence(at, position, asked, &mut self.changes)?;
                done(&silence_name(id), "mutes notices; tickets and clocks go on")
            }
            Action::ExpireSilence { silence } => {
                self.correlator.expire_silence(at, silence, &mut self.changes)?;
                done(silence, "has ended")
            }
        }
    }
}

/// Why a command was refused.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Ticket(#[from] Refusal),
    #[error(transparent)]
    Silence(#[from] SilenceRefusal),
}
