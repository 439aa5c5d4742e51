//! One alarm and its life cycle.
//!
//! ```text
//!              raise                    raise (same severity: repeat; other: change)
//!   (unknown) ───────▶ Active ◀────────────────┐
//!       │                │  ▲                  │
//!       │ clear          │  └── raise ── Cleared
//!       ▼                └──── clear ─────▲
//!    Cleared (a clear that came before its raise: kept so that a raise that arrived
//!             earlier and was read later does not open what is already gone)
//!   (unknown) ── event ──▶ Stateless (counted, never active)
//! ```
//!
//! Order is judged by arrival, not by the order in which listeners were read, and by the sender's
//! uptime where that tells more: a message of before the last change of state is late and changes
//! nothing but the counts.

use crate::correlate::flap::Flap;
use crate::correlate::resource::Slot;
use crate::correlate::sent::Sent;
use crate::model::event::{Channel, Event, Verb};
use crate::model::fault::Faults;
use crate::model::near;
use crate::model::severity::Severity;
use crate::model::time::{At, EngineTime, Timestamp};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::sync::Arc;

/// State of an alarm.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum AlarmState {
    /// The condition is there.
    Active,
    /// The condition is gone.
    Cleared,
    /// It has no state: something that only happens.
    Stateless,
}

/// What a message did to its alarm.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transition {
    /// It became active.
    Raised,
    /// Its severity changed.
    Changed,
    /// It was cleared.
    Cleared,
    /// Nothing but counts and times.
    Repeated,
    /// The message arrived before the last change: counted, changes nothing.
    Late,
    /// A raise and, a moment later, a clear by another listener, too close to trust their order:
    /// the raise holds until the clear is confirmed.
    ClearHeld,
}

/// An alarm: identity (resource, alarm type, qualifier) and what is known of it.
///
/// What a repeat looks at and changes comes first and fills two cache lines: nearly every message
/// is a repeat, and what it costs is the memory it waits for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[repr(C, align(64))]
pub struct Alarm {
    /// Raises (or events) received.
    pub occurrences: u64,
    /// When the last raise was received.
    pub last_raised: Timestamp,
    /// Engine time of the last raise (what expires counts from here).
    pub raised_engine: EngineTime,
    sampled_at: EngineTime,
    /// Qualifier.
    pub qualifier: Box<str>,
    /// Slot of its resource.
    pub resource: Slot,
    /// Number of its alarm type.
    pub alarm_type: u32,
    state: AlarmState,
    /// Last severity while raised.
    pub severity: Severity,
    /// Channels that told it, as bits.
    pub channels: u8,
    /// Whether whoever told it tells nothing any more: the alarm stays, nobody knows how it is.
    pub is_source_silent: bool,
    /// Whether counts changed since they were last published. No part of the state.
    #[serde(skip)]
    pub is_touched: bool,
    /// Whether it turned out to be the same as another alarm, which goes on.
    pub is_united: bool,
    /// Whether the message that raised it said that no administrator had shut the resource.
    pub was_in_service: bool,
    // Here the second line begins.
    held_clear: Option<At>,
    /// Arrival of the message that last changed its state, and who heard it.
    changed: At,
    /// What the device said about when that began.
    pub occurred_at: Option<Timestamp>,
    changed_listener: u16,
    /// What was wrong with the message of the last change.
    pub faults: Faults,
    // Here the third line begins.
    /// Journal position of the event that created it.
    pub id: u64,
    /// Hash of its identity.
    pub hash: u64,
    /// When its first message was received.
    pub time_created: Timestamp,
    /// When severity or state last changed.
    pub last_changed: Timestamp,
    /// Both clocks at the raise that began the present active time.
    pub active_since: At,
    /// What the clear said about when that ended, while the alarm is cleared.
    pub ended_at: Option<Timestamp>,
    /// Until when the last raise holds without being said again.
    pub lease_until: Option<Timestamp>,
    /// What an alert said of itself, a JSON object; else empty.
    pub labels: Box<str>,
    /// Incident that it belongs to.
    pub incident: Option<u64>,
    /// Line for people, of the last change.
    pub text: Arc<str>,
    /// Rule that decided the last change.
    pub rule: Arc<str>,
    /// Toggling.
    pub flap: Flap,
    /// What the message of the last change said of its sending.
    changed_sent: Option<Sent>,
}

/// Identity of a new alarm as the tables know it.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// Hash of the identity.
    pub hash: u64,
    /// Slot of the resource.
    pub resource: Slot,
    /// Number of the alarm type.
    pub alarm_type: u32,
}

impl Alarm {
    /// An alarm that no message has touched yet.
    #[must_use]
    pub fn new(id: u64, identity: Identity, event: &Event<'_>) -> Self {
        Self {
            id,
            hash: identity.hash,
            resource: identity.resource,
            alarm_type: identity.alarm_type,
            qualifier: event.qualifier.into(),
            state: if event.verb == Verb::Event {
                AlarmState::Stateless
            } else {
                AlarmState::Cleared
            },
            severity: event.severity,
            channels: 0,
            time_created: event.arrived.wall,
            last_raised: event.arrived.wall,
            last_changed: event.arrived.wall,
            raised_engine: event.arrived.engine,
            active_since: event.arrived,
            occurred_at: None,
            ended_at: None,
            lease_until: None,
            is_source_silent: false,
            labels: "".into(),
            occurrences: 0,
            incident: None,
            text: "".into(),
            rule: "".into(),
            faults: Faults::NONE,
            was_in_service: false,
            flap: Flap::default(),
            changed: At::default(),
            changed_listener: event.listener,
            changed_sent: None,
            held_clear: None,
            sampled_at: EngineTime(0),
            is_united: false,
            is_touched: false,
        }
    }

    /// Where it is in its life.
    #[must_use]
    pub fn state(&self) -> AlarmState {
        self.state
    }

    /// Whether it counts as active: raised, or flapping whatever its last message said.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.state == AlarmState::Active || self.flap.is_flapping()
    }

    /// The clear that waits for its confirmation.
    #[must_use]
    pub fn held_clear(&self) -> Option<At> {
        self.held_clear
    }

    /// Whether the event tells nothing new about this alarm, so that 16 bytes in the journal are
    /// enough. Once a minute a whole message is kept as a sample.
    #[must_use]
    pub fn is_repeated_by(&self, event: &Event<'_>) -> bool {
        let is_same_state = match event.verb {
            Verb::Raise => self.state == AlarmState::Active && event.severity == self.severity,
            // When the sender sent it counts, and a compact repeat does not tell that.
            Verb::Clear => self.state == AlarmState::Cleared && event.uptime_cs.is_none(),
            Verb::Event => self.state == AlarmState::Stateless,
            Verb::AdminDown | Verb::Crossing | Verb::Silent => false,
        };
        let tells_when = event.occurred_at.is_some() && self.occurred_at.is_none();
        is_same_state
            && !(event.verb == Verb::Raise && (tells_when || self.is_renewed_by(event)))
            && !self.is_source_silent
            && self.channels & event.channel.bit() != 0
            && self.held_clear.is_none()
            && event.arrived.engine.ns_since(self.sampled_at) < SAMPLE_INTERVAL_NS
    }

    /// Asks for the memory that [`Alarm::is_repeated_by`] and [`Alarm::repeat`] will look at.
    pub(crate) fn fetch(&self) {
        near::fetch(&self.occurrences);
        near::fetch(&self.held_clear);
    }

    /// Whether the event says the alert again with something new about it.
    fn is_renewed_by(&self, event: &Event<'_>) -> bool {
        let is_alert = event.lease_until.is_some() || !event.labels.is_empty();
        is_alert
            && (event.lease_until != self.lease_until
                || *event.labels != *self.labels
                || event.occurred_at < self.occurred_at)
    }

    /// Counts one repeat.
    pub fn repeat(&mut self, arrived: At, listener: u16) {
        if self.state == AlarmState::Cleared {
            self.cleared_again(arrived, listener);
        } else {
            self.occurrences = self.occurrences.saturating_add(1);
            self.last_raised = self.last_raised.max(arrived.wall);
            self.raised_engine = self.raised_engine.max(arrived.engine);
        }
    }

    /// It is still gone: a raise that arrived before this one is late too.
    fn cleared_again(&mut self, arrived: At, listener: u16) {
        if arrived.engine > self.changed.engine {
            self.changed = arrived;
            self.changed_listener = listener;
        }
    }

    /// A raise. `simultaneous_ns` is the time within which two listeners cannot be ordered.
    pub fn raise(&mut self, event: &Event<'_>, simultaneous_ns: u64) -> Transition {
        self.sampled_at = event.arrived.engine;
        let was_told = self.channels & event.channel.bit() != 0;
        let order = self.order(event);
        let is_older = order.map_or(event.arrived.engine < self.changed.engine, Ordering::is_lt);
        let is_behind_clear = self.state == AlarmState::Cleared && self.channels != 0 && is_older;
        let is_late =
            is_behind_clear && (order.is_some() || !self.is_simultaneous(event, simultaneous_ns));
        self.occurrences = self.occurrences.saturating_add(1);
        self.channels |= event.channel.bit();
        if is_late {
            if self.occurrences == 1 {
                self.severity = event.severity;
            }
            return Transition::Late;
        }
        self.last_raised = self.last_raised.max(event.arrived.wall);
        self.raised_engine = self.raised_engine.max(event.arrived.engine);
        self.renew(event);
        if self.state == AlarmState::Active {
            // A raise that arrived after the held clear contradicts it.
            self.held_clear = self.held_clear.filter(|held| held.engine > event.arrived.engine);
            if is_older && event.severity != self.severity {
                return Transition::Late;
            }
            if event.severity == self.severity {
                // Samples that crossed a limit later than others told do not say when it began.
                let tells_when = event.channel != Channel::Metric
                    || event.occurred_at <= Some(self.active_since.wall);
                if tells_when && (!was_told || self.occurred_at.is_none()) {
                    self.occurred_at = self.occurred_at.or(event.occurred_at);
                }
                return Transition::Repeated;
            }
            self.severity = event.severity;
            self.note_change(event);
            return Transition::Changed;
        }
        // The clear was read first although it arrived a moment later: it waits, as it would have
        // done in the other order.
        self.held_clear = is_behind_clear.then_some(self.changed);
        self.state = AlarmState::Active;
        self.ended_at = None;
        self.was_in_service = event.is_in_service;
        self.severity = event.severity;
        // A flapping alarm was held to be active all along.
        if !self.flap.is_flapping() {
            self.active_since = event.arrived;
            self.occurred_at = event.occurred_at;
        }
        self.note_change(event);
        Transition::Raised
    }

    /// What a raise says of who tells it and for how long.
    fn renew(&mut self, event: &Event<'_>) {
        self.is_source_silent = false;
        self.lease_until = event.lease_until.or(self.lease_until);
        if !event.labels.is_empty() && *self.labels != *event.labels {
            self.labels = event.labels.into();
        }
        let is_alert = event.lease_until.is_some();
        if is_alert && self.state == AlarmState::Active && event.occurred_at < self.occurred_at {
            self.occurred_at = event.occurred_at.or(self.occurred_at);
        }
    }

    /// A clear.
    pub fn clear(&mut self, event: &Event<'_>, simultaneous_ns: u64) -> Transition {
        self.sampled_at = event.arrived.engine;
        self.channels |= event.channel.bit();
        if self.state != AlarmState::Active {
            let is_last = self.order(event).is_none_or(Ordering::is_gt);
            self.changed_sent = Sent::of(event).filter(|_| is_last).or(self.changed_sent);
            self.cleared_again(event.arrived, event.listener);
            return Transition::Repeated;
        }
        // The device said again that it is there, after this clear.
        let order = self.order(event);
        if order.map_or(event.arrived.engine < self.raised_engine, Ordering::is_lt) {
            return Transition::Late;
        }
        if order.is_none() && self.is_simultaneous(event, simultaneous_ns) {
            self.held_clear = Some(event.arrived);
            return Transition::ClearHeld;
        }
        self.held_clear = None;
        self.state = AlarmState::Cleared;
        self.is_source_silent = false;
        self.lease_until = None;
        self.ended_at = event.occurred_at;
        self.note_change(event);
        Transition::Cleared
    }

    /// The held clear was not contradicted: it counts, dated back to its arrival.
    pub fn confirm_held_clear(&mut self) -> Option<At> {
        let at = self.held_clear?;
        self.clear_without_message(at);
        Some(at)
    }

    /// Clears it without a message: it expired, was withdrawn, or settled after flapping.
    pub fn clear_without_message(&mut self, at: At) {
        self.held_clear = None;
        self.state = AlarmState::Cleared;
        self.is_source_silent = false;
        self.lease_until = None;
        self.last_changed = at.wall;
        self.changed_sent = None;
        if at.engine > self.changed.engine {
            self.changed = at;
        }
    }

    /// Another alarm turned out to be the same: what it has counted is counted here, and what was
    /// said of it was said of this one.
    pub fn take_over(&mut self, other: &Self) {
        self.occurrences = self.occurrences.saturating_add(other.occurrences);
        self.channels |= other.channels;
        self.time_created = self.time_created.min(other.time_created);
        self.last_raised = self.last_raised.max(other.last_raised);
        self.raised_engine = self.raised_engine.max(other.raised_engine);
        self.active_since = self.active_since.min(other.active_since);
        self.occurred_at = match (self.occurred_at, other.occurred_at) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        self.held_clear = self.held_clear.filter(|held| held.engine >= other.raised_engine);
        self.lease_until = self.lease_until.max(other.lease_until);
        if self.labels.is_empty() {
            self.labels.clone_from(&other.labels);
        }
        if other.flap.is_flapping() && !self.flap.is_flapping() {
            self.flap.clone_from(&other.flap);
        }
    }

    /// An event without a state.
    pub fn happen(&mut self, event: &Event<'_>) {
        self.sampled_at = event.arrived.engine;
        self.occurrences = self.occurrences.saturating_add(1);
        self.channels |= event.channel.bit();
        self.last_raised = self.last_raised.max(event.arrived.wall);
        self.raised_engine = self.raised_engine.max(event.arrived.engine);
        self.severity = event.severity;
        self.note_change(event);
    }

    /// Whether the sender sent the event before or after the message of the last change, when it
    /// says so and nothing was received since that may have been sent later than both.
    fn order(&self, event: &Event<'_>) -> Option<Ordering> {
        let sent = self.changed_sent?;
        let order = Sent::of(event)?.order(&sent)?;
        let is_active = self.state == AlarmState::Active;
        let last_raise = if is_active { self.raised_engine } else { sent.arrived };
        let is_last = self.changed.engine.max(last_raise) <= sent.arrived;
        (order.is_lt() || is_last).then_some(order)
    }

    fn is_simultaneous(&self, event: &Event<'_>, simultaneous_ns: u64) -> bool {
        let apart = event
            .arrived
            .engine
            .ns_since(self.changed.engine)
            .max(self.changed.engine.ns_since(event.arrived.engine));
        event.listener != self.changed_listener && apart < simultaneous_ns
    }

    fn note_change(&mut self, event: &Event<'_>) {
        self.last_changed = event.arrived.wall;
        self.changed = event.arrived;
        self.changed_listener = event.listener;
        self.changed_sent = Sent::of(event);
        self.faults = event.faults;
        if *self.text != *event.text {
            self.text = event.text.into();
        }
        if *self.rule != *event.rule {
            self.rule = event.rule.into();
        }
    }
}

const _: () = assert!(std::mem::offset_of!(Alarm, held_clear) == 64);
const _: () = assert!(std::mem::offset_of!(Alarm, id) == 128);

/// How often a whole message of a repeated alarm is kept, ns.
pub const SAMPLE_INTERVAL_NS: u64 = 60_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::{Channel, Lane};
    use crate::model::time::Timestamp;
    use std::net::{IpAddr, Ipv4Addr};

    const SIMULTANEOUS_NS: u64 = 50;

    fn event(verb: Verb, arrived: u64, listener: u16) -> Event<'static> {
        Event {
            severity: Severity::Major,
            lane: Lane::Urgent,
            listener,
            epoch: 1,
            peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
            is_known: true,
            device: "d",
            alarm_type: "t",
            rule: "r",
            ..Event::new(
                verb,
                if listener == 0 { Channel::Trap } else { Channel::Syslog },
                At {
                    engine: EngineTime(arrived),
                    wall: Timestamp(i64::try_from(arrived).expect("small")),
                },
            )
        }
    }

    fn alarm(verb: Verb) -> Alarm {
        let identity = Identity { hash: 0, resource: 0, alarm_type: 0 };
        Alarm::new(1, identity, &event(verb, 1_000, 0))
    }

    fn apply(alarm: &mut Alarm, event: &Event<'_>) -> Transition {
        match event.verb {
            Verb::Raise => alarm.raise(event, SIMULTANEOUS_NS),
            Verb::Clear => alarm.clear(event, SIMULTANEOUS_NS),
            Verb::Event | Verb::AdminDown | Verb::Crossing | Verb::Silent => {
                alarm.happen(event);
                Transition::Changed
            }
        }
    }

    #[test]
    fn every_state_takes_every_verb() {
        use AlarmState::{Active, Cleared, Stateless};
        let begin = [
            (Active, vec![Verb::Raise]),
            (Cleared, vec![Verb::Raise, Verb::Clear]),
            (Stateless, vec![Verb::Event]),
        ];
        let expected = [
            (Active, Verb::Raise, Transition::Repeated, Active),
            (Active, Verb::Clear, Transition::Cleared, Cleared),
            (Active, Verb::Event, Transition::Changed, Active),
            (Cleared, Verb::Raise, Transition::Raised, Active),
            (Cleared, Verb::Clear, Transition::Repeated, Cleared),
            (Cleared, Verb::Event, Transition::Changed, Cleared),
            (Stateless, Verb::Raise, Transition::Raised, Active),
            (Stateless, Verb::Clear, Transition::Repeated, Stateless),
            (Stateless, Verb::Event, Transition::Changed, Stateless),
        ];
        for (state, verb, transition, after) in expected {
            let verbs = begin.iter().find(|(known, _)| *known == state).map(|(_, verbs)| verbs);
            let verbs = verbs.expect("every state is in the table");
            let mut alarm = alarm(verbs[0]);
            for (turn, verb) in (1_u64..).zip(verbs) {
                apply(&mut alarm, &event(*verb, turn * 1_000, 0));
            }
            assert_eq!(alarm.state(), state);
            let done = apply(&mut alarm, &event(verb, 9_000, 0));
            assert_eq!((done, alarm.state()), (transition, after), "{state:?} {verb:?}");
        }
    }

    #[test]
    fn what_was_received_earlier_and_read_later_changes_nothing() {
        let mut alarm = alarm(Verb::Raise);
        apply(&mut alarm, &event(Verb::Raise, 1_000, 0));
        assert_eq!(apply(&mut alarm, &event(Verb::Clear, 900, 1)), Transition::Late);
        apply(&mut alarm, &event(Verb::Raise, 2_000, 0));
        assert_eq!(apply(&mut alarm, &event(Verb::Clear, 1_900, 1)), Transition::Late);
        let worse = Event { severity: Severity::Critical, ..event(Verb::Raise, 800, 1) };
        assert_eq!(apply(&mut alarm, &worse), Transition::Late);
        assert_eq!(alarm.severity, Severity::Major);
        apply(&mut alarm, &event(Verb::Clear, 3_000, 0));
        apply(&mut alarm, &event(Verb::Clear, 4_000, 0));
        assert_eq!(apply(&mut alarm, &event(Verb::Raise, 3_500, 1)), Transition::Late);
        assert_eq!(alarm.state(), AlarmState::Cleared);
    }

    #[test]
    fn raise_and_clear_too_close_to_order_end_the_same_whichever_is_read_first() {
        let raise = event(Verb::Raise, 1_000, 0);
        let clear = event(Verb::Clear, 1_020, 1);
        for order in [[raise, clear], [clear, raise]] {
            let mut alarm = alarm(order[0].verb);
            for event in &order {
                apply(&mut alarm, event);
            }
            assert_eq!(alarm.state(), AlarmState::Active);
            assert_eq!(alarm.held_clear().map(|at| at.engine), Some(EngineTime(1_020)));
            assert_eq!(alarm.confirm_held_clear().map(|at| at.engine), Some(EngineTime(1_020)));
            assert_eq!(alarm.state(), AlarmState::Cleared);
        }
        for order in [[clear, event(Verb::Raise, 1_030, 0)], [event(Verb::Raise, 1_030, 0), clear]]
        {
            let mut alarm = alarm(order[0].verb);
            for event in &order {
                apply(&mut alarm, event);
            }
            assert_eq!(alarm.state(), AlarmState::Active);
            assert_eq!(alarm.held_clear(), None, "received as clear, then raise: it holds");
        }
    }

    #[test]
    fn a_raise_contradicts_a_held_clear() {
        let mut alarm = alarm(Verb::Raise);
        apply(&mut alarm, &event(Verb::Raise, 1_000, 0));
        assert_eq!(apply(&mut alarm, &event(Verb::Clear, 1_020, 1)), Transition::ClearHeld);
        apply(&mut alarm, &event(Verb::Raise, 1_040, 1));
        assert_eq!(alarm.held_clear(), None);
        assert_eq!(alarm.confirm_held_clear(), None);
        assert_eq!(alarm.state(), AlarmState::Active);
    }

    #[test]
    fn what_one_sender_sent_earlier_is_late_however_it_arrived() {
        const S: u64 = 1_000_000_000;
        let sent = |verb, arrived_s: u64, uptime_s: u32| Event {
            uptime_cs: Some(uptime_s * 100),
            ..event(verb, arrived_s * S, 0)
        };
        let mut alarm = alarm(Verb::Raise);
        apply(&mut alarm, &sent(Verb::Clear, 1_010, 5_010));
        assert_eq!(apply(&mut alarm, &sent(Verb::Raise, 1_012, 5_000)), Transition::Late);
        apply(&mut alarm, &sent(Verb::Clear, 1_013, 5_013));
        assert_eq!(apply(&mut alarm, &sent(Verb::Raise, 1_014, 5_011)), Transition::Late);
        assert_eq!(apply(&mut alarm, &sent(Verb::Raise, 1_020, 5_020)), Transition::Raised);
        assert_eq!(apply(&mut alarm, &sent(Verb::Clear, 1_021, 5_015)), Transition::Late);
        // Read from another listener after what arrived, but was not sent, after it.
        assert_eq!(apply(&mut alarm, &sent(Verb::Clear, 1_019, 5_021)), Transition::Cleared);
        assert_eq!(apply(&mut alarm, &sent(Verb::Raise, 1_090, 9)), Transition::Raised, "rebooted");
    }

    #[test]
    fn only_what_changes_nothing_is_a_repeat() {
        let mut alarm = alarm(Verb::Raise);
        let first = event(Verb::Raise, 1_000, 0);
        assert!(!alarm.is_repeated_by(&first), "it is not active yet");
        apply(&mut alarm, &first);
        assert!(alarm.is_repeated_by(&event(Verb::Raise, 2_000, 0)));
        let worse = Event { severity: Severity::Critical, ..event(Verb::Raise, 2_000, 0) };
        assert!(!alarm.is_repeated_by(&worse));
        assert!(!alarm.is_repeated_by(&event(Verb::Raise, 2_000, 1)), "a channel of its own");
        let dated = Event { occurred_at: Some(Timestamp(5)), ..event(Verb::Raise, 2_000, 0) };
        assert!(!alarm.is_repeated_by(&dated), "it tells when it happened");
        assert!(!alarm.is_repeated_by(&event(Verb::Clear, 2_000, 0)));
        let later = event(Verb::Raise, 1_000 + SAMPLE_INTERVAL_NS, 0);
        assert!(!alarm.is_repeated_by(&later), "a sample is due");
        alarm.repeat(At { engine: EngineTime(3_000), wall: Timestamp(3_000) }, 0);
        assert_eq!((alarm.occurrences, alarm.raised_engine), (2, EngineTime(3_000)));
    }
}
