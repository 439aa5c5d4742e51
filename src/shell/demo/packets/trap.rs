//! SNMP notifications: v2c as network equipment sends them, v1 where old agents still do.

use super::super::plan::Port;
use super::ber::{element, integer, octets, oid, sequence, unsigned, varbind};
use crate::model::time::Timestamp;
use crate::model::trap::tag;
use std::net::Ipv4Addr;

/// SNMPv1 generic-trap of a start from nothing.
pub(super) const COLD_START: u32 = 0;
/// SNMPv1 generic-trap of a request with a wrong community.
pub(super) const AUTHENTICATION_FAILURE: u32 = 4;

const COMMUNITY: &[u8] = b"public";
const V1: u32 = 0;
const V2C: u32 = 1;
const TRAP_V1_PDU: u8 = 0xa4;
const TRAP_V2_PDU: u8 = 0xa7;
const IF_UP: u32 = 1;
const IF_DOWN: u32 = 2;

/// Who sends, and when.
#[derive(Clone, Copy)]
pub(super) struct Head {
    pub(super) agent: Ipv4Addr,
    pub(super) at: Timestamp,
}

impl Head {
    /// linkDown or linkUp of an interface that is meant to work.
    pub(super) fn link(self, port: &Port, is_up: bool) -> Vec<u8> {
        let (kind, state) = if is_up { (4, IF_UP) } else { (3, IF_DOWN) };
        self.link_state(kind, port, (IF_UP, state))
    }

    /// linkDown of an interface that an administrator shut.
    pub(super) fn link_shut(self, port: &Port) -> Vec<u8> {
        self.link_state(3, port, (IF_DOWN, IF_DOWN))
    }

    fn link_state(self, kind: u32, port: &Port, (admin, oper): (u32, u32)) -> Vec<u8> {
        let index = port.if_index;
        let column = |number: u32| format!("1.3.6.1.2.1.2.2.1.{number}.{index}");
        self.v2c(
            &format!("1.3.6.1.6.3.1.1.5.{kind}"),
            &[
                varbind(&column(1), integer(index)),
                varbind(&column(7), integer(admin)),
                varbind(&column(8), integer(oper)),
                varbind(&column(2), octets(port.name.as_bytes())),
            ],
        )
    }

    /// bgpBackwardTransition or bgpEstablished (RFC 4273).
    pub(super) fn bgp(self, peer: Ipv4Addr, is_up: bool) -> Vec<u8> {
        let (kind, state) = if is_up { (1, 6) } else { (2, 1) };
        self.v2c(
            &format!("1.3.6.1.2.1.15.0.{kind}"),
            &[
                varbind(&format!("1.3.6.1.2.1.15.3.1.7.{peer}"), address(peer)),
                varbind(&format!("1.3.6.1.2.1.15.3.1.14.{peer}"), octets(&[4, 0])),
                varbind(&format!("1.3.6.1.2.1.15.3.1.2.{peer}"), integer(state)),
            ],
        )
    }

    /// ospfNbrStateChange (RFC 4750).
    pub(super) fn ospf(self, peer: Ipv4Addr, is_up: bool) -> Vec<u8> {
        let state = if is_up { 8 } else { 1 };
        let neighbour = format!("{peer}.0");
        self.v2c(
            "1.3.6.1.2.1.14.16.2.2",
            &[
                varbind("1.3.6.1.2.1.14.1.1.0", address(self.agent)),
                varbind(&format!("1.3.6.1.2.1.14.10.1.1.{neighbour}"), address(peer)),
                varbind(&format!("1.3.6.1.2.1.14.10.1.2.{neighbour}"), integer(0)),
                varbind(&format!("1.3.6.1.2.1.14.10.1.3.{neighbour}"), address(peer)),
                varbind(&format!("1.3.6.1.2.1.14.10.1.6.{neighbour}"), integer(state)),
            ],
        )
    }

    /// upsTrapOnBattery (RFC 1628).
    pub(super) fn on_battery(self) -> Vec<u8> {
        self.v2c(
            "1.3.6.1.2.1.33.2.1",
            &[
                varbind("1.3.6.1.2.1.33.1.2.3.0", integer(2)),
                varbind("1.3.6.1.2.1.33.1.2.2.0", integer(1)),
                varbind("1.3.6.1.2.1.33.1.9.7.0", integer(2)),
            ],
        )
    }

    /// upsTrapAlarmEntryAdded or upsTrapAlarmEntryRemoved with a well-known alarm.
    pub(super) fn ups_alarm(self, alarm: u32, is_there: bool) -> Vec<u8> {
        let kind = if is_there { 3 } else { 4 };
        self.v2c(
            &format!("1.3.6.1.2.1.33.2.{kind}"),
            &[
                varbind(&format!("1.3.6.1.2.1.33.1.6.2.1.1.{alarm}"), integer(alarm)),
                varbind(
                    &format!("1.3.6.1.2.1.33.1.6.2.1.2.{alarm}"),
                    oid(&format!("1.3.6.1.2.1.33.1.6.3.{alarm}")),
                ),
            ],
        )
    }

    /// cefcModuleStatusChange of Cisco: 7 failed, 2 works.
    pub(super) fn module(self, number: u32, is_up: bool) -> Vec<u8> {
        let state = if is_up { 2 } else { 7 };
        self.v2c(
            "1.3.6.1.4.1.9.9.117.2.0.1",
            &[
                varbind(&format!("1.3.6.1.4.1.9.9.117.1.2.1.1.2.{number}"), integer(state)),
                varbind(&format!("1.3.6.1.4.1.9.9.117.1.2.1.1.8.{number}"), self.ticks()),
            ],
        )
    }

    /// A notification of a maker whose MIB nobody has (an example number of RFC 5612).
    pub(super) fn unheard(self) -> Vec<u8> {
        self.v2c(
            "1.3.6.1.4.1.32473.1.0.7",
            &[varbind("1.3.6.1.4.1.32473.1.1.1.0", octets(b"outlet group 2 rescanned"))],
        )
    }

    /// An SNMPv1 trap of the generic kinds.
    pub(super) fn generic_v1(self, kind: u32) -> Vec<u8> {
        let pdu = [
            oid("1.3.6.1.4.1.32473.1"),
            address(self.agent),
            integer(kind),
            integer(0),
            self.ticks(),
            sequence(&[]),
        ];
        sequence(&[integer(V1), octets(COMMUNITY), element(TRAP_V1_PDU, &pdu.concat())])
    }

    fn v2c(self, kind: &str, varbinds: &[Vec<u8>]) -> Vec<u8> {
        let first = [
            varbind("1.3.6.1.2.1.1.3.0", self.ticks()),
            varbind("1.3.6.1.6.3.1.1.4.1.0", oid(kind)),
        ];
        let list = sequence(&[&first, varbinds].concat());
        let pdu = [integer(self.request_id()), integer(0), integer(0), list];
        sequence(&[integer(V2C), octets(COMMUNITY), element(TRAP_V2_PDU, &pdu.concat())])
    }

    fn request_id(self) -> u32 {
        u32::try_from(self.at.0.rem_euclid(0x7fff_ffff)).unwrap_or(0)
    }

    /// sysUpTime: hundredths of a second, of a counter that goes round.
    fn ticks(self) -> Vec<u8> {
        let hundredths = self.at.0.div_euclid(10_000_000).rem_euclid(0x1_0000_0000);
        unsigned(tag::TIME_TICKS, u32::try_from(hundredths).unwrap_or(0))
    }
}

fn address(address: Ipv4Addr) -> Vec<u8> {
    element(tag::IP_ADDRESS, &address.octets())
}
