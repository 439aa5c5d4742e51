//! The only impure folder: clocks, sockets, files, threads.

pub mod api;
pub mod batch;
pub mod cli;
pub mod clock;
pub mod clock_quality;
pub mod codec;
pub mod config;
pub mod control;
pub mod daemon;
pub mod demo;
pub mod intake;
pub mod journal;
pub mod lanes;
pub mod listeners;
pub mod observe;
pub mod outbox;
pub mod pipeline;
pub mod poison;
pub mod publish;
pub mod recover;
pub mod self_alarm;
pub mod sequencer;
pub mod sinks;
pub mod store;
pub mod supervise;
pub mod upkeep;
