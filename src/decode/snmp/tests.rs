//! What the decoder does with what equipment, proxies, pollers and enemies send.

mod captures;
mod hostile;
mod informs;
mod oracle;
mod properties;
mod tolerance;
mod writer;

use super::{Decoded, TrapDecoder};
use crate::model::fault::{Fault, Faults};
use crate::model::trap::{Trap, TrapVersion, tag, write_oid};
use std::net::Ipv4Addr;

/// A varbind that owns its content, as the tests compare it.
#[derive(Clone, PartialEq, Eq, Debug)]
struct OwnedVarbind {
    oid: String,
    tag: u8,
    value: Vec<u8>,
}

/// A decoded trap that owns its content, as the tests compare it.
#[derive(Clone, PartialEq, Eq, Debug)]
struct OwnedTrap {
    version: TrapVersion,
    is_inform: bool,
    request_id: i64,
    community: Vec<u8>,
    trap_oid: String,
    uptime_cs: Option<u32>,
    agent_address: Option<Ipv4Addr>,
    faults: Vec<Fault>,
    varbinds: Vec<OwnedVarbind>,
}

impl OwnedTrap {
    fn of(trap: &Trap<'_>) -> Self {
        let varbinds = trap.varbinds().map(|varbind| OwnedVarbind {
            oid: dotted(varbind.oid),
            tag: varbind.tag,
            value: varbind.value.to_vec(),
        });
        Self {
            version: trap.version,
            is_inform: trap.is_inform,
            request_id: trap.request_id,
            community: trap.community.to_vec(),
            trap_oid: dotted(trap.trap_oid.as_bytes()),
            uptime_cs: trap.uptime_cs,
            agent_address: trap.agent_address,
            faults: trap.faults.iter().collect(),
            varbinds: varbinds.collect(),
        }
    }

    /// The dotted names of the varbinds.
    fn names(&self) -> Vec<&str> {
        self.varbinds.iter().map(|varbind| varbind.oid.as_str()).collect()
    }
}

fn dotted(content: &[u8]) -> String {
    let mut text = String::new();
    write_oid(content, &mut text);
    text
}

/// Decodes what has to be a trap.
fn trap_of(datagram: &[u8]) -> OwnedTrap {
    match TrapDecoder::default().decode(datagram) {
        Decoded::Trap(trap) => OwnedTrap::of(&trap),
        Decoded::NotANotification { faults } => {
            panic!("not a notification: {:?}", faults.iter().collect::<Vec<_>>())
        }
    }
}

/// Decodes what has to be another SNMP message.
fn other_of(datagram: &[u8]) -> Faults {
    match TrapDecoder::default().decode(datagram) {
        Decoded::Trap(trap) => panic!("a trap: {trap:?}"),
        Decoded::NotANotification { faults } => faults,
    }
}

/// Bytes of a hexadecimal text; blanks do not count.
fn bytes_of(hex: &str) -> Vec<u8> {
    let digits: Vec<char> = hex.chars().filter(|digit| !digit.is_whitespace()).collect();
    let octet = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16);
    digits.chunks(2).map(|pair| octet(pair).expect("hexadecimal digits")).collect()
}

#[test]
fn one_decoder_decodes_one_datagram_after_the_other() {
    let mut decoder = TrapDecoder::default();
    let long = writer::v2_trap(&[writer::int_varbind("1.3.6.1.2.1.2.2.1.1.7", 7)]);
    let short = writer::v2_trap(&[]);
    for (datagram, expected) in [(&long, 1), (&short, 0), (&long, 1)] {
        let Decoded::Trap(trap) = decoder.decode(datagram) else { panic!("a trap") };
        assert_eq!(trap.spans.len(), expected);
        assert_eq!(trap.datagram, datagram.as_slice());
    }
    assert_eq!(decoder.spans.capacity(), crate::model::limits::VARBINDS_MAX);
}

#[test]
fn varbinds_are_found_by_prefix() {
    let datagram = writer::v2_trap(&[
        writer::int_varbind("1.3.6.1.2.1.2.2.1.7.12", 1),
        writer::varbind("1.3.6.1.2.1.2.2.1.2.12", &writer::octets(b"ae0")),
    ]);
    let mut decoder = TrapDecoder::default();
    let Decoded::Trap(trap) = decoder.decode(&datagram) else { panic!("a trap") };
    let prefix = writer::oid_content("1.3.6.1.2.1.2.2.1.2");
    let found = trap.varbind_under(&prefix).expect("ifDescr");
    assert_eq!(found.as_octets(), Some(&b"ae0"[..]));
    assert_eq!(found.tag, tag::OCTET_STRING);
}
