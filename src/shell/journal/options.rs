//! Where a journal is and how it behaves.

use crate::shell::journal::error::Failure;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Who makes commits durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SyncMode {
    /// A thread named `journal-sync`; a commit returns before it is durable.
    Thread,
    /// Nobody: what the kernel has counts as durable. The thread syncs at the end of each interval
    /// and when a segment ends, so that a power cut costs about an interval.
    Kernel,
    /// The committing thread itself; a commit returns when it is durable. For tools and tests.
    Inline,
}

/// Called once when a write or a sync fails.
pub type OnFailure = Arc<dyn Fn(&Failure) + Send + Sync>;

/// Where a journal is and how it behaves. None of it changes what is already on disk.
#[derive(Clone)]
pub struct Options {
    /// Folder of the segments; created when absent.
    pub dir: PathBuf,
    /// A segment that has reached this size is sealed; it is larger by one commit at most.
    pub segment_bytes: u64,
    /// Who makes commits durable.
    pub sync: SyncMode,
    /// Shortest time between the beginnings of two syncs under load while somebody waits for the
    /// second, [`crate::shell::journal::Journal::hurry`], ms.
    pub sync_interval_ms: u64,
    /// The same while nobody does, ms.
    pub sync_unhurried_ms: u64,
    /// Bytes written since the last sync that end the interval early.
    pub sync_bytes: u64,
    /// Room kept for what must get in when the disk is full; 0 keeps none.
    pub reserve_bytes: u64,
    /// Bytes of segments that [`crate::shell::journal::Retirement`] leaves, needed or not.
    pub retain_bytes: u64,
    /// Recovery reads the records from this position on; of older segments, only their heads.
    /// The newest segment is always read.
    pub check_from: u64,
    /// Called once when a write or a sync fails, on the thread that saw it.
    pub on_failure: OnFailure,
}

impl Options {
    /// The defaults, in a folder. A failure is logged and aborts the process: the restart reads
    /// what really is on the disk.
    #[must_use]
    pub fn in_folder(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            segment_bytes: 64 * 1024 * 1024,
            sync: SyncMode::Thread,
            sync_interval_ms: 4,
            sync_unhurried_ms: 16,
            sync_bytes: 256 * 1024,
            reserve_bytes: 8 * 1024 * 1024,
            retain_bytes: 0,
            check_from: 0,
            on_failure: Arc::new(abort),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("dir", &self.dir)
            .field("segment_bytes", &self.segment_bytes)
            .field("sync", &self.sync)
            .field("sync_interval_ms", &self.sync_interval_ms)
            .field("sync_unhurried_ms", &self.sync_unhurried_ms)
            .field("sync_bytes", &self.sync_bytes)
            .field("reserve_bytes", &self.reserve_bytes)
            .field("retain_bytes", &self.retain_bytes)
            .field("check_from", &self.check_from)
            .finish_non_exhaustive()
    }
}

impl Options {
    /// With the kernel's word taken for the disk's, which is told every second.
    #[must_use]
    pub fn trusting_the_kernel(self) -> Self {
        Self {
            sync: SyncMode::Kernel,
            sync_interval_ms: 1_000,
            sync_unhurried_ms: 1_000,
            sync_bytes: u64::MAX,
            ..self
        }
    }
}

fn abort(failure: &Failure) {
    tracing::error!(path = %failure.path.display(), error = %failure.source, "{failure}");
    std::process::abort();
}
