//! Whether the daemon takes what is sent, as health checks ask.

use crate::shell::journal_room::{JournalRoom, Room};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the daemon takes what is sent: it has caught up with its journal, and that has room.
#[derive(Debug, Default)]
pub struct Readiness {
    has_caught_up: AtomicBool,
    room: Arc<JournalRoom>,
}

impl Readiness {
    /// Not ready before replay has caught up, nor while the journal has no room.
    #[must_use]
    pub fn new(room: Arc<JournalRoom>) -> Self {
        Self { has_caught_up: AtomicBool::new(false), room }
    }

    /// Replay has caught up.
    pub fn set_ready(&self) {
        self.has_caught_up.store(true, Ordering::Release);
    }

    /// Why it is not ready, if it is not.
    #[must_use]
    pub fn hindrance(&self) -> Option<&'static str> {
        if !self.has_caught_up.load(Ordering::Acquire) {
            return Some("replaying the journal");
        }
        match self.room.get() {
            Room::Enough => None,
            Room::Reserve => Some("no room on the disk of the journal"),
            Room::None => Some("no room on the disk of the journal, its reserve is used up"),
        }
    }
}
