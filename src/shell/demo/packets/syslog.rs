//! Syslog lines: RFC 3164 as network equipment writes it, RFC 5424 as servers do.

use crate::model::time::Timestamp;
use std::net::Ipv4Addr;

/// local7.notice, what Cisco equipment uses.
const EQUIPMENT: u8 = 189;
/// auth.info
const AUTHORISATION: u8 = 38;
/// daemon.info
const DAEMON: u8 = 30;
/// local4.warning, what ESXi uses for its kernel.
const VMKERNEL: u8 = 164;

/// Who writes, and when.
#[derive(Clone, Copy)]
pub(super) struct Head<'a> {
    pub(super) host: &'a str,
    pub(super) at: Timestamp,
}

impl Head<'_> {
    pub(super) fn link(self, port: &str, is_up: bool) -> Vec<u8> {
        let state = state(is_up);
        self.rfc3164(&format!("%LINK-3-UPDOWN: Interface {port}, changed state to {state}"))
    }

    pub(super) fn protocol(self, port: &str, is_up: bool) -> Vec<u8> {
        let state = state(is_up);
        self.rfc3164(&format!(
            "%LINEPROTO-5-UPDOWN: Line protocol on Interface {port}, changed state to {state}"
        ))
    }

    pub(super) fn shut(self, port: &str) -> Vec<u8> {
        self.rfc3164(&format!(
            "%LINK-5-CHANGED: Interface {port}, changed state to administratively down"
        ))
    }

    pub(super) fn bgp(self, peer: Ipv4Addr, is_up: bool) -> Vec<u8> {
        let state = if is_up { "Up" } else { "Down Hold time expired" };
        self.rfc3164(&format!("%BGP-5-ADJCHANGE: neighbor {peer} {state}"))
    }

    pub(super) fn ospf(self, peer: Ipv4Addr, is_up: bool) -> Vec<u8> {
        let change = if is_up {
            "from LOADING to FULL, Loading Done"
        } else {
            "from FULL to DOWN, Neighbor Down: Dead timer expired"
        };
        self.rfc3164(&format!("%OSPF-5-ADJCHG: Process 1, Nbr {peer} on Vlan10 {change}"))
    }

    /// A network card of an ESXi host.
    pub(super) fn uplink(self, card: &str, is_up: bool) -> Vec<u8> {
        let state = state(is_up);
        self.rfc5424(
            VMKERNEL,
            "vmkernel",
            &format!("netschedHClk: NetSchedHClkNotify: vmnic uplink {card} is {state}"),
        )
    }

    pub(super) fn wrong_password(self, user: &str) -> Vec<u8> {
        self.rfc5424(
            AUTHORISATION,
            "sshd",
            &format!("Failed password for {user} from 198.51.100.23 port 52114 ssh2"),
        )
    }

    /// A line that means nothing to anybody.
    pub(super) fn chatter(self) -> Vec<u8> {
        self.rfc5424(DAEMON, "backupd", "run 4711 took 12 s, 0 files changed")
    }

    fn rfc3164(self, message: &str) -> Vec<u8> {
        let stamp = moment(self.at).strftime("%b %e %H:%M:%S").to_string();
        format!("<{EQUIPMENT}>{stamp} {} {message}", self.host).into_bytes()
    }

    fn rfc5424(self, priority: u8, program: &str, message: &str) -> Vec<u8> {
        let stamp = moment(self.at).strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string();
        format!("<{priority}>1 {stamp} {} {program} 2101 - - {message}", self.host).into_bytes()
    }
}

fn state(is_up: bool) -> &'static str {
    if is_up { "up" } else { "down" }
}

fn moment(at: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_nanosecond(i128::from(at.0)).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}
