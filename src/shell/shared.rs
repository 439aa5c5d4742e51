//! What the sequencer shares with the other threads: the ways in, and what is seen of it.

use crate::engine::Gauges;
use crate::engine::input::{ClockQuality, Command, Loss};
use crate::shell::journal_room::JournalRoom;
use crate::shell::lanes::Lanes;
use crate::shell::new_settings::NewSettings;
use crate::shell::observe::rounds::RoundFigure;
use crossbeam::queue::ArrayQueue;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

/// An input that does not come through the lanes.
#[derive(Debug)]
pub enum Control {
    /// What an operator said.
    Command(Command),
    /// New settings, journaled whole before they count.
    Settings(NewSettings),
    /// Messages known to be lost.
    Loss(Loss),
    /// The clock's quality changed.
    ClockQuality(ClockQuality),
}

/// What the sequencer shares with the other threads.
pub struct Shared {
    /// Lanes from intake.
    pub lanes: Arc<Lanes>,
    /// Inputs that do not come through the lanes.
    pub controls: ArrayQueue<Control>,
    /// Set when intake has ended: take what is left, mark, and stop.
    pub is_stopping: AtomicBool,
    /// Rounds made, for the watchdog.
    pub rounds: AtomicU64,
    /// Position of the last input applied.
    pub applied: AtomicU64,
    /// Records that repeats were written in, and their entries, for the bytes-per-repeat figure.
    pub repeats: AtomicU64,
    /// How long the rounds were that took something, renewed with the gauges.
    pub rounds_taken: arc_swap::ArcSwap<Vec<RoundFigure>>,
    /// The engine's gauges, renewed about once a second.
    pub gauges: arc_swap::ArcSwap<Option<Gauges>>,
    /// Whether the journal has room.
    pub room: Arc<JournalRoom>,
    /// Highest position that Kafka has; kept in marks.
    pub kafka_cursor: AtomicU64,
}

impl Shared {
    /// Around these lanes.
    #[must_use]
    pub fn new(lanes: Arc<Lanes>) -> Self {
        Self {
            lanes,
            controls: ArrayQueue::new(CONTROLS_MAX),
            is_stopping: AtomicBool::new(false),
            rounds: AtomicU64::new(0),
            applied: AtomicU64::new(0),
            repeats: AtomicU64::new(0),
            rounds_taken: arc_swap::ArcSwap::default(),
            gauges: arc_swap::ArcSwap::from_pointee(None),
            room: Arc::default(),
            kafka_cursor: AtomicU64::new(0),
        }
    }

    /// Hands over an input that does not come through the lanes.
    ///
    /// # Errors
    /// Gives it back when too many wait.
    pub fn control(&self, control: Control) -> Result<(), Control> {
        self.controls.push(control)?;
        self.lanes.wake();
        Ok(())
    }
}

const CONTROLS_MAX: usize = 1_024;
