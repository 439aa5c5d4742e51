//! Datagrams: one thread per socket, from `recvmmsg` to the lanes.
//!
//! In: a bound or adopted socket and a [`crate::shell::intake::feed::Feed`]. Out: batches, and the
//! counters of the listener, kernel drops included. No DNS, no disk, no lock, no allocation in the
//! steady state, no log line on that thread.

mod answer;
mod drops;
mod listener;
mod pace;
mod reader;
mod recvmmsg;

pub use answer::Answerer;
pub use listener::{KernelDrops, RECEIVE_BUFFER_BYTES, UdpListener, UdpThread, UdpWatch};
pub use recvmmsg::{Datagram, Receiver};

#[cfg(test)]
mod tests;
