//! The silences: asked for and withdrawn by commands, begun and ended by deadlines, kept for a
//! while after their end. They mute notices only; nothing else in the engine asks for them.
//!
//! ```text
//! Pending ── its start ──▶ Active ── its end, or withdrawn ──▶ Expired ── 5 days ──▶ (forgotten)
//!    └──────────────────────── withdrawn ────────────────────────▲
//! ```
//!
//! Their times are wall times. Deadlines run on engine time, so that they are set anew when the
//! wall clock is set.

use crate::correlate::changes::Changes;
use crate::correlate::correlator::{Correlator, Deadline};
use crate::model::limits::SILENCES_MAX;
use crate::model::silence::{Silence, SilenceMistake, SilenceRequest, SilenceState, silence_id};
use crate::model::time::{At, EngineTime, NS_PER_S, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Why a command about a silence was refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SilenceRefusal {
    /// Nobody knows it.
    #[error("there is no silence {0}; list them with GET /api/v2/silences")]
    Unknown(String),
    /// What is asked for makes no sense.
    #[error(transparent)]
    Mistake(#[from] SilenceMistake),
    /// There are too many.
    #[error("{SILENCES_MAX} silences are pending or active; expire one first")]
    TooMany,
}

/// Every silence by id.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub struct Silences {
    by_id: BTreeMap<u64, Silence>,
}

impl Silences {
    /// A silence.
    #[must_use]
    pub fn get(&self, id: u64) -> Option<&Silence> {
        self.by_id.get(&id)
    }

    /// Every silence, in order of its id.
    pub fn iter(&self) -> impl Iterator<Item = &Silence> {
        self.by_id.values()
    }
}

impl Correlator {
    /// Makes a silence, or changes the one that is named: in place where its matchers stay and it
    /// has not begun or not ended, else by another one that takes its place. Gives the id of the
    /// one that holds now; `position` is that of a new one.
    ///
    /// # Errors
    /// When the one named is not known, or what is asked for makes no sense.
    pub fn set_silence(
        &mut self,
        at: At,
        position: u64,
        asked: (&str, &SilenceRequest),
        changes: &mut Changes,
    ) -> Result<u64, SilenceRefusal> {
        let (name, request) = asked;
        let known = if name.is_empty() { None } else { Some(self.known_silence(name)?) };
        let starts_at = request.starts_at;
        let mut request = request.clone().checked(at.wall)?;
        let mut id = position;
        if let Some(known) = known {
            if can_change(known, starts_at, &request, at.wall) {
                id = known.id;
                if known.state == SilenceState::Active {
                    request.starts_at = known.request.starts_at;
                }
            } else if known.state != SilenceState::Expired {
                let known = known.id;
                self.end_silence_now(at, known, changes);
            }
        }
        if !self.silences.by_id.contains_key(&id) {
            self.make_room_for_silence(changes)?;
        }
        let mut silence =
            Silence { id, request, updated_at: at.wall, state: SilenceState::Pending };
        silence.state = silence.state_at(at.wall);
        self.silences.by_id.insert(id, silence);
        self.follow_silence(at, id);
        changes.silences.insert(id);
        Ok(id)
    }

    /// Ends a silence now. One that has ended stays as it is.
    ///
    /// # Errors
    /// When it is not known.
    pub fn expire_silence(
        &mut self,
        at: At,
        name: &str,
        changes: &mut Changes,
    ) -> Result<(), SilenceRefusal> {
        let known = self.known_silence(name)?;
        if known.state != SilenceState::Expired {
            let id = known.id;
            self.end_silence_now(at, id, changes);
        }
        Ok(())
    }

    /// A silence begins, ends, or may be forgotten.
    pub(crate) fn silence_due(&mut self, at: At, id: u64, changes: &mut Changes) {
        let Some(silence) = self.silences.by_id.get_mut(&id) else { return };
        let state = silence.state_at(at.wall);
        if state != silence.state {
            silence.state = state;
            changes.silences.insert(id);
        } else if state == SilenceState::Expired && forget_at(silence) <= at.wall {
            self.silences.by_id.remove(&id);
            return;
        }
        self.follow_silence(at, id);
    }

    /// The wall clock was set: what a silence is by its times may be another thing now.
    pub(crate) fn silences_by_new_clock(&mut self, at: At, changes: &mut Changes) {
        let ids: Vec<u64> = self.silences.by_id.keys().copied().collect();
        for id in ids {
            self.silence_due(at, id, changes);
        }
    }

    fn known_silence(&self, name: &str) -> Result<&Silence, SilenceRefusal> {
        let known = silence_id(name).and_then(|id| self.silences.get(id));
        known.ok_or_else(|| SilenceRefusal::Unknown(name.to_owned()))
    }

    fn end_silence_now(&mut self, at: At, id: u64, changes: &mut Changes) {
        let Some(silence) = self.silences.by_id.get_mut(&id) else { return };
        silence.request.ends_at = at.wall;
        silence.request.starts_at = silence.request.starts_at.min(at.wall);
        silence.updated_at = at.wall;
        silence.state = SilenceState::Expired;
        changes.silences.insert(id);
        self.follow_silence(at, id);
    }

    /// The silence that ended first goes when there is no room for another one.
    fn make_room_for_silence(&mut self, changes: &mut Changes) -> Result<(), SilenceRefusal> {
        if self.silences.by_id.len() < SILENCES_MAX {
            return Ok(());
        }
        let ended = self.silences.iter().filter(|one| one.state == SilenceState::Expired);
        let first = ended.min_by_key(|one| (one.request.ends_at, one.id)).map(|one| one.id);
        let first = first.ok_or(SilenceRefusal::TooMany)?;
        self.silences.by_id.remove(&first);
        self.timers.cancel(Deadline::Silence(first));
        changes.silences.remove(&first);
        Ok(())
    }

    fn follow_silence(&mut self, at: At, id: u64) {
        let Some(silence) = self.silences.by_id.get(&id) else { return };
        let next = match silence.state {
            SilenceState::Pending => silence.request.starts_at,
            SilenceState::Active => silence.request.ends_at,
            SilenceState::Expired => forget_at(silence),
        };
        self.timers.set(Deadline::Silence(id), due(at, next));
    }
}

/// Whether a silence can become what is asked for without being another one.
fn can_change(
    known: &Silence,
    starts_at: Timestamp,
    request: &SilenceRequest,
    at: Timestamp,
) -> bool {
    known.request.matchers == request.matchers
        && match known.state {
            SilenceState::Pending => starts_at >= at,
            // Clients round what they were shown.
            SilenceState::Active => seconds(starts_at) == seconds(known.request.starts_at),
            SilenceState::Expired => false,
        }
}

fn seconds(at: Timestamp) -> i64 {
    at.0.div_euclid(NS_PER_S)
}

fn forget_at(silence: &Silence) -> Timestamp {
    silence.request.ends_at.plus_ns(KEPT_NS)
}

/// The engine's time at a wall time to come; at least a moment from now, since the two clocks may
/// differ a little in their pace.
fn due(at: At, wall: Timestamp) -> EngineTime {
    let wait_ns = u64::try_from(wall.ns_since(at.wall)).unwrap_or(0);
    at.engine.plus_ns(wait_ns.max(MOMENT_NS))
}

/// How long a silence is kept after its end, ns.
const KEPT_NS: i64 = 5 * 86_400 * 1_000_000_000;
const MOMENT_NS: u64 = 10_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::matcher::Matcher;
    use crate::model::silence::silence_name;

    const S: i64 = 1_000_000_000;

    fn at(seconds: i64) -> At {
        let engine = EngineTime(u64::try_from(seconds * S).expect("after the start"));
        At { engine, wall: Timestamp(seconds * S) }
    }

    fn request(from: i64, to: i64) -> SilenceRequest {
        SilenceRequest {
            matchers: vec![Matcher::parse("alertname=Down").expect("a matcher")],
            starts_at: Timestamp(from * S),
            ends_at: Timestamp(to * S),
            created_by: "ann".to_owned(),
            comment: "work".to_owned(),
        }
    }

    fn state(correlator: &Correlator, id: u64) -> Option<SilenceState> {
        correlator.silences.get(id).map(|silence| silence.state)
    }

    /// Lets time pass, deadline by deadline.
    fn pass(correlator: &mut Correlator, until: i64, changes: &mut Changes) {
        while let Some((due, deadline)) = correlator.timers.pop_due(at(until).engine) {
            let now = At { engine: due, wall: Timestamp(i64::try_from(due.0).expect("small")) };
            correlator.fire(now, due, deadline, changes);
        }
    }

    #[test]
    fn a_silence_begins_ends_and_is_forgotten_by_itself() {
        let (mut correlator, mut changes) = (Correlator::new(0), Changes::default());
        let asked = request(20, 30);
        assert_eq!(correlator.set_silence(at(10), 7, ("", &asked), &mut changes), Ok(7));
        assert_eq!(state(&correlator, 7), Some(SilenceState::Pending));
        pass(&mut correlator, 20, &mut changes);
        assert_eq!(state(&correlator, 7), Some(SilenceState::Active));
        pass(&mut correlator, 31, &mut changes);
        assert_eq!(state(&correlator, 7), Some(SilenceState::Expired));
        assert_eq!(changes.silences.len(), 1);
        pass(&mut correlator, 6 * 86_400, &mut changes);
        assert_eq!(state(&correlator, 7), None);
        assert!(correlator.timers.is_empty(), "nothing is left behind");
    }

    #[test]
    fn a_silence_is_changed_in_place_where_that_rewrites_no_history() {
        let (mut correlator, mut changes) = (Correlator::new(0), Changes::default());
        let mut set = |seconds, position, name: &str, asked: &SilenceRequest| {
            correlator.set_silence(at(seconds), position, (name, asked), &mut changes)
        };
        assert_eq!(set(10, 7, "", &request(10, 30)), Ok(7));
        assert_eq!(set(15, 8, &silence_name(7), &request(10, 60)), Ok(7), "longer");
        let other = SilenceRequest {
            matchers: vec![Matcher::parse("alertname=Up").expect("a matcher")],
            ..request(10, 60)
        };
        assert_eq!(set(20, 9, &silence_name(7), &other), Ok(9), "about something else");
        assert_eq!(set(25, 10, &silence_name(7), &request(10, 90)), Ok(10), "it has ended");
        let unknown = set(25, 11, &silence_name(99), &request(10, 90));
        assert_eq!(unknown, Err(SilenceRefusal::Unknown(silence_name(99))));
        assert!(set(25, 12, "", &request(10, 20)).is_err(), "it would be over");
        assert_eq!(state(&correlator, 7), Some(SilenceState::Expired));
        assert_eq!(state(&correlator, 9), Some(SilenceState::Active));
    }

    #[test]
    fn a_silence_is_withdrawn_once() {
        let (mut correlator, mut changes) = (Correlator::new(0), Changes::default());
        let asked = request(20, 30);
        correlator.set_silence(at(10), 7, ("", &asked), &mut changes).expect("it is valid");
        correlator.expire_silence(at(12), &silence_name(7), &mut changes).expect("it is known");
        let ended = correlator.silences.get(7).map(|one| one.request.ends_at);
        correlator.expire_silence(at(14), &silence_name(7), &mut changes).expect("again");
        assert_eq!(correlator.silences.get(7).map(|one| one.request.ends_at), ended);
        assert!(correlator.expire_silence(at(14), "nonsense", &mut changes).is_err());
    }

    #[test]
    fn a_clock_that_was_set_changes_what_is_silent() {
        let (mut correlator, mut changes) = (Correlator::new(0), Changes::default());
        let asked = request(10, 3_600);
        correlator.set_silence(at(10), 7, ("", &asked), &mut changes).expect("it is valid");
        let set = At { wall: Timestamp(7_200 * S), ..at(11) };
        correlator.silences_by_new_clock(set, &mut changes);
        assert_eq!(state(&correlator, 7), Some(SilenceState::Expired));
    }

    #[test]
    fn there_are_never_too_many() {
        let (mut correlator, mut changes) = (Correlator::new(0), Changes::default());
        let asked = request(10, 30);
        for position in 1..=u64::try_from(SILENCES_MAX).expect("few") {
            correlator.set_silence(at(10), position, ("", &asked), &mut changes).expect("room");
        }
        let more = correlator.set_silence(at(10), 20_000, ("", &asked), &mut changes);
        assert_eq!(more, Err(SilenceRefusal::TooMany));
        correlator.expire_silence(at(11), &silence_name(5), &mut changes).expect("it is known");
        assert!(correlator.set_silence(at(12), 20_000, ("", &asked), &mut changes).is_ok());
        assert_eq!(state(&correlator, 5), None, "the one that had ended made room");
    }
}
