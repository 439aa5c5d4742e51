//! What every listener needs to feed the lanes: one value, cloned for each of them.

use crate::model::event::Channel;
use crate::shell::clock::EngineClock;
use crate::shell::intake::pipeline::PipelineFactory;
use crate::shell::intake::stop::Stop;
use crate::shell::lanes::Lanes;
use crate::shell::observe::counters::ListenerCounters;
use std::sync::Arc;

/// Where the messages of one listener go, and by which rules.
#[derive(Clone)]
pub struct Feed {
    /// Index of the listener in the configuration.
    pub listener: u16,
    /// Kind of message that the listener takes.
    pub channel: Channel,
    /// The ledger of the listener.
    pub counters: Arc<ListenerCounters>,
    /// The way to the sequencer.
    pub lanes: Arc<Lanes>,
    /// Engine time of this run.
    pub clock: EngineClock,
    /// Makes the pipeline of each thread.
    pub pipelines: PipelineFactory,
    /// When to end.
    pub stop: Arc<Stop>,
}
