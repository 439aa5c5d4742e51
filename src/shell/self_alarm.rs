//! Alarms of vigie about itself. They take the same way as everybody's: a lane, the journal, the
//! engine. Their resource is `vigie`, their listener has a ledger of its own.

use crate::model::event::{Channel, Event, Lane, Verb};
use crate::model::severity::Severity;
use crate::shell::batch::NO_PEER;
use crate::shell::clock::EngineClock;
use crate::shell::lanes::Lanes;
use crate::shell::observe::counters::ListenerCounters;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Name of vigie's own listener, and of its resource.
pub const SELF: &str = "vigie";
/// Messages were lost, in the kernel or on purpose.
pub const DATA_LOST: &str = "vigie-data-lost";
/// More is sent than vigie takes.
pub const OVERLOADED: &str = "vigie-overloaded";
/// Alarms were not held, since there are too many.
pub const ALARMS_FULL: &str = "vigie-alarms-full";
/// The disk of the journal is full.
pub const JOURNAL_FULL: &str = "vigie-journal-full";
/// A sink cannot be written.
pub const SINK_FAILING: &str = "vigie-sink-failing";
/// What samples are fetched from cannot be read.
pub const SOURCE_FAILING: &str = "vigie-source-failing";
/// An input of the journal was passed over, since applying it panicked twice.
pub const INPUT_SKIPPED: &str = "vigie-input-skipped";
/// The wall clock is not synchronised.
pub const CLOCK_UNSYNCHRONISED: &str = "clock-unsynchronised";

/// A sender of metrics has more series than are kept.
pub const SERIES_EXPLOSION: &str = "series-explosion";

/// The way in for vigie's own alarms.
#[derive(Clone)]
pub struct SelfAlarms {
    /// Lanes.
    pub lanes: Arc<Lanes>,
    /// Engine time.
    pub clock: EngineClock,
    /// Its ledger.
    pub counters: Arc<ListenerCounters>,
    /// Its index among the ledgers.
    pub listener: u16,
}

impl SelfAlarms {
    /// Raises.
    pub fn raise(&self, alarm_type: &str, qualifier: &str, text: &str) {
        self.tell(Verb::Raise, (alarm_type, qualifier), text);
    }

    /// Clears.
    pub fn clear(&self, alarm_type: &str, qualifier: &str, text: &str) {
        self.tell(Verb::Clear, (alarm_type, qualifier), text);
    }

    fn tell(&self, verb: Verb, (alarm_type, qualifier): (&str, &str), text: &str) {
        let severity = match alarm_type {
            // A clock that is off spoils no service by itself: worth knowing, not worth a ticket.
            CLOCK_UNSYNCHRONISED => Severity::Warning,
            // Nothing new is supervised any more: somebody must come.
            JOURNAL_FULL => Severity::Critical,
            _ => Severity::Minor,
        };
        let mut batch = self.lanes.take_empty();
        batch.push(&Event {
            severity,
            lane: Lane::Urgent,
            listener: self.listener,
            peer: NO_PEER,
            is_known: true,
            device: SELF,
            alarm_type,
            qualifier,
            rule: "self",
            text,
            ..Event::new(verb, Channel::Internal, self.clock.at())
        });
        self.counters.received.fetch_add(1, Ordering::Relaxed);
        let mut waiting = Some(batch);
        // vigie's own alarms are never shed; the sequencer always comes round to them.
        while let Some(batch) = waiting.take() {
            if let Err(refused) = self.lanes.send(Lane::Urgent, batch) {
                waiting = Some(refused);
                std::thread::yield_now();
            }
        }
    }
}
