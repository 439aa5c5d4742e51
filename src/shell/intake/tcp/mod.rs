//! Syslog streams: connections on tokio, frames in order, back-pressure instead of loss.
//!
//! In: a bound or adopted socket, a [`crate::shell::intake::feed::Feed`] and a splitter of frames.
//! Out: batches. A connection whose lane is full is not read until there is room, so that the
//! sender keeps what it cannot deliver; only what has no room at the end of a stop is shed.

mod connection;
mod listener;
mod splitter;
mod workers;

pub use listener::{StreamOptions, TcpListener};

use crate::model::fault::Faults;
use std::sync::Arc;

/// One message of a stream.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Its bytes, without count or trailer. An empty one is counted as ignored.
    pub bytes: &'a [u8],
    /// What was wrong with the framing.
    pub faults: Faults,
}

/// Splits a stream into frames; one per connection. It bounds what it keeps of an unfinished
/// frame. A panic in it is caught, counted, and ends the connection.
pub trait FrameSource: Send {
    /// More bytes of the stream.
    fn push(&mut self, bytes: &[u8]);

    /// The next complete frame, in order.
    fn next_frame(&mut self) -> Option<Frame<'_>>;

    /// The stream has ended: what is left becomes a frame.
    fn finish(&mut self);
}

/// Makes the splitter of a connection.
pub type FrameSourceFactory = Arc<dyn Fn() -> Box<dyn FrameSource> + Send + Sync>;

#[cfg(test)]
mod tests;
