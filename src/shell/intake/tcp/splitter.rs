//! A splitter of which no panic escapes. After a panic its place in the stream is unknown, so it
//! gives no more frames and the connection ends; the sender comes back with a fresh one.

use crate::shell::intake::guard::guarded;
use crate::shell::intake::tcp::{Frame, FrameSource};
use crate::shell::observe::counters::ListenerCounters;
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub(super) struct Splitter {
    frames: Box<dyn FrameSource>,
    counters: Arc<ListenerCounters>,
    is_broken: bool,
}

impl Splitter {
    pub(super) fn new(frames: Box<dyn FrameSource>, counters: Arc<ListenerCounters>) -> Self {
        Self { frames, counters, is_broken: false }
    }

    /// Whether it panicked.
    pub(super) fn is_broken(&self) -> bool {
        self.is_broken
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        if !self.is_broken && guarded(|| self.frames.push(bytes)).is_none() {
            self.after_panic();
        }
    }

    pub(super) fn finish(&mut self) {
        if !self.is_broken && guarded(|| self.frames.finish()).is_none() {
            self.after_panic();
        }
    }

    pub(super) fn next_frame(&mut self) -> Option<Frame<'_>> {
        if self.is_broken {
            return None;
        }
        let frame = guarded(|| self.frames.next_frame());
        if frame.is_none() {
            self.is_broken = true;
            self.counters.decoder_panics.fetch_add(1, Ordering::Relaxed);
        }
        frame.flatten()
    }

    fn after_panic(&mut self) {
        self.is_broken = true;
        self.counters.decoder_panics.fetch_add(1, Ordering::Relaxed);
    }
}
