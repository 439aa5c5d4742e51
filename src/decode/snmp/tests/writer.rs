//! A small BER writer, for messages that are right and for messages that are wrong on purpose.

use crate::model::trap::{parse_oid, tag};

pub(super) const LINK_DOWN: &str = "1.3.6.1.6.3.1.1.5.3";
pub(super) const SYS_UP_TIME_0: &str = "1.3.6.1.2.1.1.3.0";
pub(super) const SNMP_TRAP_OID_0: &str = "1.3.6.1.6.3.1.1.4.1.0";

/// An element, its length in the shortest form.
pub(super) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut length = content.len().to_be_bytes().to_vec();
    length.drain(..length.iter().take_while(|octet| **octet == 0).count());
    let head = match (content.len(), length.len()) {
        (0..=127, _) => vec![tag, u8::try_from(content.len()).expect("below 128")],
        (_, octets) => vec![tag, 0x80 | u8::try_from(octets).expect("at most 8")],
    };
    let form = if content.len() < 128 { Vec::new() } else { length };
    [head, form, content.to_vec()].concat()
}

/// An element whose length takes `octets` octets behind the first.
pub(super) fn long_element(tag: u8, octets: usize, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let mut padded = vec![0; octets.saturating_sub(length.len())];
    padded.extend(&length[length.len().saturating_sub(octets)..]);
    let form = 0x80 | u8::try_from(octets).expect("at most 126");
    [vec![tag, form], padded, content.to_vec()].concat()
}

pub(super) fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    element(0x30, &parts.concat())
}

/// The shortest two's complement form.
pub(super) fn integer(value: i64) -> Vec<u8> {
    element(tag::INTEGER, super::super::ber::significant(&value.to_be_bytes()))
}

/// The shortest form with a leading zero where it has to have one.
pub(super) fn unsigned(tag: u8, value: u64) -> Vec<u8> {
    let padded = [&[0][..], &value.to_be_bytes()].concat();
    element(tag, super::super::ber::significant(&padded))
}

pub(super) fn octets(content: &[u8]) -> Vec<u8> {
    element(tag::OCTET_STRING, content)
}

pub(super) fn oid_content(dotted: &str) -> Vec<u8> {
    parse_oid(dotted).expect("a dotted OID")
}

pub(super) fn oid(dotted: &str) -> Vec<u8> {
    element(tag::OID, &oid_content(dotted))
}

pub(super) fn varbind(name: &str, value: &[u8]) -> Vec<u8> {
    sequence(&[oid(name), value.to_vec()])
}

pub(super) fn int_varbind(name: &str, value: i64) -> Vec<u8> {
    varbind(name, &integer(value))
}

pub(super) fn uptime(value_cs: u32) -> Vec<u8> {
    varbind(SYS_UP_TIME_0, &unsigned(tag::TIME_TICKS, u64::from(value_cs)))
}

pub(super) fn kind(dotted: &str) -> Vec<u8> {
    varbind(SNMP_TRAP_OID_0, &oid(dotted))
}

/// A message around a PDU.
pub(super) fn message(version: i64, pdu: &[u8]) -> Vec<u8> {
    sequence(&[integer(version), octets(b"noc"), pdu.to_vec()])
}

/// A PDU of any kind but the SNMPv1 trap.
pub(super) fn pdu(tag: u8, request_id: &[u8], varbinds: &[Vec<u8>]) -> Vec<u8> {
    let parts = [request_id.to_vec(), integer(0), integer(0), sequence(varbinds)];
    element(tag, &parts.concat())
}

/// A v2c trap with these varbinds and nothing before them.
pub(super) fn v2_list(varbinds: &[Vec<u8>]) -> Vec<u8> {
    message(1, &pdu(0xa7, &integer(7), varbinds))
}

/// A sound v2c linkDown with these varbinds.
pub(super) fn v2_trap(varbinds: &[Vec<u8>]) -> Vec<u8> {
    v2_list(&[vec![uptime(4_711), kind(LINK_DOWN)], varbinds.to_vec()].concat())
}

/// The header of an SNMPv1 trap, each field as an element.
#[derive(Clone)]
pub(super) struct V1Header {
    pub(super) enterprise: Vec<u8>,
    pub(super) agent: Vec<u8>,
    pub(super) generic: Vec<u8>,
    pub(super) specific: Vec<u8>,
    pub(super) stamp: Vec<u8>,
}

impl V1Header {
    /// A sound one.
    pub(super) fn sound(enterprise: &str, generic: i64, specific: i64) -> Self {
        Self {
            enterprise: oid(enterprise),
            agent: element(tag::IP_ADDRESS, &[192, 0, 2, 7]),
            generic: integer(generic),
            specific: integer(specific),
            stamp: unsigned(tag::TIME_TICKS, 900),
        }
    }

    /// The PDU with these varbinds.
    pub(super) fn pdu(&self, varbinds: &[Vec<u8>]) -> Vec<u8> {
        let parts: [&[u8]; 6] = [
            &self.enterprise,
            &self.agent,
            &self.generic,
            &self.specific,
            &self.stamp,
            &sequence(varbinds),
        ];
        element(0xa4, &parts.concat())
    }

    /// The message with these varbinds.
    pub(super) fn message(&self, varbinds: &[Vec<u8>]) -> Vec<u8> {
        message(0, &self.pdu(varbinds))
    }
}
