//! In which order one sender sent two messages, by its sysUpTime: what was sent earlier and arrived
//! later (another path, an INFORM sent again) is late. By arrival where that cannot be known.

use crate::model::event::Event;
use crate::model::time::EngineTime;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::net::IpAddr;

/// What a message said of its sending, and when it arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Sent {
    peer: IpAddr,
    uptime_cs: u32,
    /// When it arrived.
    pub arrived: EngineTime,
}

impl Sent {
    /// What the event says, if it says it.
    #[must_use]
    pub fn of(event: &Event<'_>) -> Option<Self> {
        let uptime_cs = event.uptime_cs?;
        Some(Self { peer: event.peer, uptime_cs, arrived: event.arrived.engine })
    }

    /// Whether this was sent before or after another message of the same sender and boot; `None`
    /// when their uptimes do not tell.
    #[must_use]
    pub fn order(&self, other: &Self) -> Option<Ordering> {
        // The counter begins again after 2^32 hundredths of a second: the shorter way round counts.
        let ahead_cs = self.uptime_cs.wrapping_sub(other.uptime_cs);
        let behind_cs = other.uptime_cs.wrapping_sub(self.uptime_cs);
        let apart_cs = ahead_cs.min(behind_cs);
        let gap_ns = self.arrived.ns_since(other.arrived).max(other.arrived.ns_since(self.arrived));
        let gap_cs = gap_ns.div_ceil(NS_PER_CS);
        // A sender that started between the two messages cannot have been up for the time between.
        let later_up_cs =
            if self.arrived < other.arrived { other.uptime_cs } else { self.uptime_cs };
        let is_same_boot = u64::from(later_up_cs) > gap_cs.saturating_add(MARGIN_CS);
        let is_close = u64::from(apart_cs) <= CLOSE_CS && gap_cs <= CLOSE_CS;
        if self.peer != other.peer || apart_cs == 0 || !is_close || !is_same_boot {
            return None;
        }
        Some(if ahead_cs < behind_cs { Ordering::Greater } else { Ordering::Less })
    }
}

const NS_PER_CS: u64 = 10_000_000;
/// Messages further apart than this, by either clock, are ordered by arrival, 1/100 s.
const CLOSE_CS: u64 = 60_000;
/// How long a message may take to arrive without being taken for one of an earlier boot, 1/100 s.
const MARGIN_CS: u64 = 500;

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn sent(uptime_s: u64, arrived_s: u64) -> Sent {
        Sent {
            peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
            uptime_cs: u32::try_from(uptime_s * 100 % (1 << 32)).expect("below 2^32"),
            arrived: EngineTime(arrived_s * 1_000_000_000),
        }
    }

    #[test]
    fn uptime_orders_messages_of_one_boot_and_nothing_else() {
        let order = |one: (u64, u64), other: (u64, u64)| {
            let order = sent(one.0, one.1).order(&sent(other.0, other.1));
            assert_eq!(
                sent(other.0, other.1).order(&sent(one.0, one.1)),
                order.map(Ordering::reverse)
            );
            order
        };
        assert_eq!(order((5_000, 100), (5_030, 90)), Some(Ordering::Less), "sent earlier");
        assert_eq!(order((5_030, 100), (5_000, 90)), Some(Ordering::Greater), "as it arrived");
        let wrap_s = (1_u64 << 32) / 100;
        assert_eq!(order((wrap_s - 10, 100), (wrap_s + 20, 95)), Some(Ordering::Less), "around it");
        assert_eq!(order((40, 1_000), (300, 800)), None, "it started in between");
        assert_eq!(order((300, 100), (4_000, 90)), None, "too far apart");
        assert_eq!(order((5_000, 1_000), (5_030, 100)), None, "arrived too far apart");
        assert_eq!(order((5_000, 100), (5_000, 90)), None, "the same hundredth");
    }

    #[test]
    fn another_sender_has_another_clock() {
        let other = Sent { peer: IpAddr::V4(Ipv4Addr::BROADCAST), ..sent(5_030, 90) };
        assert_eq!(sent(5_000, 100).order(&other), None);
    }
}
