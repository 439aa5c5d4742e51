//! The seam between what is to be delivered and who delivers it. Narrow, so that the client
//! library can be replaced and its failures played in tests.

use crate::shell::publish::Rank;
use crate::shell::publish::cloud_event::{Message, Topic};
use std::time::Duration;

/// Which message an answer is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Tag {
    /// The decision.
    pub rank: Rank,
    /// Which of its messages.
    pub topic: Topic,
}

/// Why a message was not taken.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SendError {
    /// The queue of the client is full: try again later.
    #[error("the queue of the client is full")]
    Full,
    /// No broker will ever take this message.
    #[error("message can never be sent: {0}")]
    Rejected(String),
    /// The client does not work any more.
    #[error("client failed: {0}")]
    Failed(String),
}

/// What became of a message that was taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Every replica has it.
    Delivered,
    /// A broker refused it, or the batch that it was in, for what it is.
    Rejected(String),
    /// It may or may not have arrived.
    Failed(String),
}

/// Delivers messages in the order of [`Sink::send`], per key.
pub trait Sink {
    /// Takes a message over; never waits.
    ///
    /// # Errors
    /// When it was not taken.
    fn send(&mut self, message: &Message, tag: Tag) -> Result<(), SendError>;
    /// Waits at most so long, or a little longer, and appends what became of messages.
    fn poll(&mut self, patience: Duration, outcomes: &mut Vec<(Tag, Outcome)>);
    /// Why this sink must be replaced by a new one, if it must.
    fn fatal(&self) -> Option<String>;
}
