//! Critical alarms as INFORMs, one after the other, and how long each waits for its answer: vigie
//! answers once what the INFORM tells is durable.

use crate::support::fleet::{Fleet, link_inform};
use crate::support::sender::pause;
use anyhow::{Context as _, ensure};
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;
use vigie::shell::clock::boot_ns;

/// Raises each alarm of a fleet once.
pub(crate) struct Informer {
    target: SocketAddr,
    fleet: Fleet,
    next: u32,
}

impl Informer {
    /// Towards that address.
    pub(crate) fn to(target: SocketAddr, fleet: Fleet) -> Self {
        Self { target, fleet, next: 0 }
    }

    /// Sends `count` of them at `rate` a second; gives the latencies, ns, in order of size.
    pub(crate) fn send(&mut self, (rate, count): (u64, u64)) -> anyhow::Result<Vec<u64>> {
        let started = boot_ns();
        let mut latencies = Vec::new();
        for number in 0..count {
            let due = started + number * 1_000_000_000 / rate;
            while boot_ns() < due {
                pause(Duration::from_nanos(due.saturating_sub(boot_ns())));
            }
            latencies.push(self.raise()?);
        }
        latencies.sort_unstable();
        Ok(latencies)
    }

    fn raise(&mut self) -> anyhow::Result<u64> {
        let alarm = self.next;
        ensure!(alarm < self.fleet.alarms(), "the fleet has no more alarms");
        self.next += 1;
        // Neighbours in time are not neighbours in the network.
        let device = alarm % self.fleet.devices;
        let interface = alarm / self.fleet.devices + 1;
        let socket = UdpSocket::bind((Fleet::address(device), 0)).context("a sending socket")?;
        socket.set_read_timeout(Some(Duration::from_secs(20)))?;
        let started = boot_ns();
        socket.send_to(&link_inform(interface), self.target)?;
        socket.recv(&mut [0; 2_048]).context("waiting for the answer to an INFORM")?;
        Ok(boot_ns() - started)
    }
}

/// The value below which so many of a hundred lie; of values in order of size.
pub(crate) fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().unwrap_or(0)
}
