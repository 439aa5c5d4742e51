//! What the connections of a listener share: pipelines and read buffers. A connection borrows one
//! while it has bytes at hand, so there are about as many as there are tokio threads, and an idle
//! connection costs neither.

use crate::shell::intake::feed::Feed;
use crate::shell::intake::guard::GuardedPipeline;
use bytes::BytesMut;
use std::sync::{Mutex, PoisonError};

/// Bytes read at once.
const READ_BYTES: usize = 64 * 1024;

/// A pipeline and a read buffer.
pub(super) struct Worker {
    pub(super) pipeline: GuardedPipeline,
    pub(super) buffer: BytesMut,
}

/// Those that no connection has borrowed.
pub(super) struct Workers {
    feed: Feed,
    idle: Mutex<Vec<Worker>>,
}

impl Workers {
    pub(super) fn new(feed: Feed) -> Self {
        Self { feed, idle: Mutex::new(Vec::new()) }
    }

    pub(super) fn feed(&self) -> &Feed {
        &self.feed
    }

    /// Runs `work`, which does not wait for anything, with a worker.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Worker) -> T) -> T {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut worker = idle.unwrap_or_else(|| Worker {
            pipeline: GuardedPipeline::new(&self.feed),
            buffer: BytesMut::with_capacity(READ_BYTES),
        });
        let result = work(&mut worker);
        worker.buffer.clear();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
        result
    }
}
