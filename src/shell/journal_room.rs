//! Whether the disk of the journal has room, for all who go by it: the history stands back, health
//! checks say so, operators are told at once.

use std::sync::atomic::{AtomicU8, Ordering};

/// What the journal takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Room {
    /// Everything.
    Enough,
    /// There is no room but the reserve: clears, commands and vigie's own alarms.
    Reserve,
    /// The reserve is used up too: nothing becomes durable.
    None,
}

impl Room {
    /// As a figure: 0 enough, 1 the reserve, 2 none.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Enough => 0,
            Self::Reserve => 1,
            Self::None => 2,
        }
    }
}

/// The state of the journal, told by the sequencer.
#[derive(Debug, Default)]
pub struct JournalRoom(AtomicU8);

impl JournalRoom {
    /// Tells it.
    pub fn set(&self, room: Room) {
        self.0.store(room.code(), Ordering::Relaxed);
    }

    /// The state as told last; [`Room::Enough`] before.
    #[must_use]
    pub fn get(&self) -> Room {
        match self.0.load(Ordering::Relaxed) {
            0 => Room::Enough,
            1 => Room::Reserve,
            _ => Room::None,
        }
    }
}
