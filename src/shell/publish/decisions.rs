//! Where the publisher takes decisions from: the feed while it flows, the journal where the feed
//! has a hole (the publisher started behind, or the queue was full).

use crate::shell::publish::feed::{FeedEnd, Handed, Received};
use crate::shell::publish::{Batch, Published};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Reads decisions again from the journal.
pub trait DecisionLog: Send {
    /// Durable decisions of whole positions after `after` and up to `up_to`, oldest first: as many
    /// as are convenient (some hundred), none when there are no more in that range.
    ///
    /// # Errors
    /// When the journal cannot be read now; the same range is asked for again later.
    fn read(&mut self, after: u64, up_to: u64) -> io::Result<Vec<Published>>;
}

/// What was found.
#[derive(Debug)]
pub enum Found {
    /// Decisions to take, and the position that was reached with them.
    Decisions(Batch, u64),
    /// Nothing now.
    Nothing,
    /// Nothing any more.
    Closed,
    /// A hole that cannot be filled, since there is no journal to read: from, to.
    Lost(u64, u64),
    /// The journal could not be read.
    Unreadable(io::Error),
}

/// Decisions in order, without holes.
pub struct Decisions {
    feed: FeedEnd,
    log: Option<Box<dyn DecisionLog>>,
    taken: u64,
    hole_through: Option<u64>,
    held: Option<Handed>,
}

impl Decisions {
    /// Decisions after `taken`.
    #[must_use]
    pub fn new(feed: FeedEnd, log: Option<Box<dyn DecisionLog>>, taken: u64) -> Self {
        Self { feed, log, taken, hole_through: None, held: None }
    }

    /// The next decisions, waiting at most so long for them.
    pub fn next(&mut self, patience: Duration) -> Found {
        if let Some(through) = self.hole_through {
            return self.fill(through);
        }
        let handed = match self.held.take() {
            Some(handed) => handed,
            None => match self.feed.receive(patience) {
                Received::Batch(handed) => handed,
                Received::Nothing => return self.look_behind(Found::Nothing),
                Received::Closed => return self.look_behind(Found::Closed),
            },
        };
        if handed.previous > self.taken {
            let through = handed.previous;
            self.held = Some(handed);
            return self.fill(through);
        }
        let Some(last) = handed.batch.last().map(|last| last.position) else {
            return Found::Nothing;
        };
        if last <= self.taken {
            return Found::Nothing;
        }
        let taken = std::mem::replace(&mut self.taken, last);
        let is_new = |published: &Published| published.position > taken;
        if handed.batch.iter().all(is_new) {
            return Found::Decisions(handed.batch, last);
        }
        let batch = handed.batch.iter().filter(|published| is_new(published)).cloned().collect();
        Found::Decisions(Arc::new(batch), last)
    }

    /// The queue is empty: whatever was offered beyond what was taken is a hole.
    fn look_behind(&mut self, otherwise: Found) -> Found {
        let offered = self.feed.counters().offered();
        if offered > self.taken && self.feed.counters().waiting() == 0 {
            return self.fill(offered);
        }
        otherwise
    }

    fn fill(&mut self, through: u64) -> Found {
        let Some(log) = self.log.as_mut() else {
            let from = self.taken.saturating_add(1);
            self.taken = through;
            self.hole_through = None;
            return Found::Lost(from, through);
        };
        self.hole_through = Some(through);
        let mut batch = match log.read(self.taken, through) {
            Ok(batch) => batch,
            Err(error) => return Found::Unreadable(error),
        };
        batch.retain(|published| (self.taken + 1..=through).contains(&published.position));
        let reached = batch.last().map_or(through, |last| last.position);
        self.taken = reached;
        if reached == through {
            self.hole_through = None;
        }
        Found::Decisions(Arc::new(batch), reached)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::effect::{IncidentChange, IncidentStatus};
    use crate::shell::publish::feed::feed;
    use crate::shell::publish::fixtures::{incident, incident_effect};

    fn decision(position: u64) -> Published {
        let image = incident("I1", IncidentStatus::Open, IncidentChange::Updated);
        incident_effect(position, image)
    }

    /// A journal of positions 1 to 20 that gives two decisions at a time and fails once.
    struct Log {
        has_failed: bool,
    }

    impl DecisionLog for Log {
        fn read(&mut self, after: u64, up_to: u64) -> io::Result<Vec<Published>> {
            if !std::mem::replace(&mut self.has_failed, true) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            Ok((after + 1..=up_to.min(20)).take(2).map(decision).collect())
        }
    }

    #[test]
    fn holes_at_the_start_in_between_and_at_the_end_are_filled_from_the_journal() {
        let (feed, end) = feed(5, 2);
        let log = Log { has_failed: false };
        let mut decisions = Decisions::new(end, Some(Box::new(log)), 2);
        let offer = |positions: std::ops::RangeInclusive<u64>| {
            feed.offer(&Arc::new(positions.map(decision).collect()))
        };
        let (mut positions, mut failures) = (Vec::new(), 0);
        let mut drain = |decisions: &mut Decisions| loop {
            match decisions.next(Duration::ZERO) {
                Found::Decisions(batch, _) => {
                    positions.extend(batch.iter().map(|published| published.position));
                }
                Found::Unreadable(_) => failures += 1,
                Found::Nothing => break,
                other => panic!("{other:?}"),
            }
        };
        assert!(offer(6..=7));
        assert!(!offer(8..=9), "the queue is full");
        drain(&mut decisions);
        assert!(offer(10..=10));
        assert!(!offer(11..=12));
        drain(&mut decisions);
        assert_eq!(positions, (3..=12).collect::<Vec<_>>());
        assert_eq!(failures, 1);
        drop(feed);
        assert!(matches!(decisions.next(Duration::ZERO), Found::Closed));
    }

    #[test]
    fn without_a_journal_a_hole_is_reported_as_lost() {
        let (feed, end) = feed(5, 2);
        let mut decisions = Decisions::new(end, None, 2);
        assert!(feed.offer(&Arc::new(vec![decision(6)])));
        assert!(matches!(decisions.next(Duration::ZERO), Found::Lost(3, 5)));
        assert!(matches!(decisions.next(Duration::ZERO), Found::Decisions(_, 6)));
    }
}
