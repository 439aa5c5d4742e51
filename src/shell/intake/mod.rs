//! Intake: from sockets to batches of events in the lanes.
//!
//! In: datagrams (traps, syslog), syslog streams, and samples of metrics ([`http`], [`grpc`],
//! [`kafka`], [`samples_udp`]), which go another way: [`crate::shell::series`]. Out: batches in
//! [`crate::shell::lanes`], and the counters of each listener, so that received = journaled +
//! ignored + shed (`journaled` is added by the sequencer). It decodes nothing itself: each message
//! goes through a [`pipeline::Pipeline`] under [`guard`], so that a panic costs one message and not
//! the daemon.
//! It keeps no state about devices but [`sources`], the cold list of who was heard.
//!
//! A datagram that finds its lane full waits in the kernel's receive buffer (urgent, normal) or is
//! shed and counted (low, but for clears, which wait); a stream that finds its lane full is simply
//! not read. Under overload `demotion` moves chatty devices to the low lane.

mod demotion;
pub mod feed;
pub mod grpc;
pub mod guard;
pub mod http;
pub mod kafka;
mod open;
pub mod pipeline;
pub mod samples_udp;
pub mod socket;
pub mod sources;
pub mod stop;
pub mod tcp;
pub mod udp;

#[cfg(test)]
mod testing;
