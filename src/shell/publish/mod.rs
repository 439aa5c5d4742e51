//! What leaves the process: effects of durable journal positions, on their way to views, history
//! and Kafka.
//!
//! In: [`Published`] effects in batches, whole positions, in order, only after they are durable.
//! Out: messages on Kafka; the same batches feed `shell::api` and `shell::store`. Nothing here
//! decides anything, and nothing here may make the sequencer wait: see [`feed`].

pub mod cloud_event;
pub mod decisions;
pub mod feed;
pub mod kafka;
pub mod publisher;
pub mod settings;
pub mod sink;
pub mod window;

use crate::engine::effect::Effect;
use crate::model::time::{At, Timestamp};
use std::fmt;
use std::sync::Arc;

/// Place of an effect in the total order: journal position, then place within that position.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Rank {
    /// Journal position of the input that caused it.
    pub position: u64,
    /// Place among the effects of that position, from 0.
    pub ordinal: u32,
}

/// `position-ordinal`: the identity of an effect, the same whenever it is told again.
impl fmt::Display for Rank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.position, self.ordinal)
    }
}

/// One effect of a durable position.
#[derive(Clone, PartialEq, Debug)]
pub struct Published {
    /// Journal position of the input that caused it.
    pub position: u64,
    /// Place among the effects of that position, from 0.
    pub ordinal: u32,
    /// Both clocks of that journal record.
    pub at: At,
    /// What was decided.
    pub effect: Effect,
}

impl Published {
    /// Its place in the total order.
    #[must_use]
    pub const fn rank(&self) -> Rank {
        Rank { position: self.position, ordinal: self.ordinal }
    }
}

/// Effects of one or more whole positions, in order. Shared, so that every sink reads the same one.
pub type Batch = Arc<Vec<Published>>;

/// The counts of an alarm that was only repeated. No effect, since repeats are none: told about
/// once a second for the alarms that were heard again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Occurrences {
    /// Number of the alarm, behind the `A` of its id.
    pub alarm: u64,
    /// Raises received, repeats included.
    pub occurrences: u64,
    /// When the last raise was received.
    pub last_raised: Timestamp,
}

#[cfg(test)]
pub(crate) mod fixtures;
