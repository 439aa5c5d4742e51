//! Held against snmp-parser: what it accepts, this decoder reads alike; what this decoder accepts
//! without a fault, snmp-parser accepts too, but for the rules that it is known to overdo.

use super::properties::{SentTrap, sent_traps};
use super::writer::{
    LINK_DOWN, V1Header, element, integer, kind, message, octets, pdu, uptime, v2_list, v2_trap,
    varbind,
};
use super::{Decoded, OwnedTrap, OwnedVarbind, TrapDecoder, dotted, trap_of};
use crate::model::fault::Fault;
use crate::model::trap::{TrapVersion, tag};
use proptest::prelude::*;
use snmp_parser::asn1_rs::FromBer;
use snmp_parser::{
    NetworkAddress, ObjectSyntax, PduType, SnmpMessage, SnmpPdu, SnmpVariable, VarBindValue,
};
use std::net::Ipv4Addr;

const SYS_UP_TIME_0: &str = "1.3.6.1.2.1.1.3.0";
const SNMP_TRAP_OID_0: &str = "1.3.6.1.6.3.1.1.4.1.0";

/// A value as the oracle understands it, made comparable.
#[derive(PartialEq, Debug)]
enum Meaning {
    Signed(i64),
    Unsigned(u64),
    Octets(Vec<u8>),
    Oid(String),
    Address(Ipv4Addr),
    Nothing,
    Other,
}

fn meaning_of_oracle(value: &VarBindValue<'_>) -> Meaning {
    let VarBindValue::Value(value) = value else { return Meaning::Nothing };
    match value {
        ObjectSyntax::Number(number) => Meaning::Signed(i64::from(*number)),
        ObjectSyntax::String(octets) | ObjectSyntax::Opaque(octets) => {
            Meaning::Octets(octets.to_vec())
        }
        ObjectSyntax::Object(oid) => Meaning::Oid(dotted(oid.as_bytes())),
        ObjectSyntax::IpAddress(NetworkAddress::IPv4(address)) => Meaning::Address(*address),
        ObjectSyntax::Counter32(number)
        | ObjectSyntax::Gauge32(number)
        | ObjectSyntax::TimeTicks(number) => Meaning::Unsigned(u64::from(*number)),
        ObjectSyntax::Counter64(number) => Meaning::Unsigned(*number),
        ObjectSyntax::Empty => Meaning::Nothing,
        _ => Meaning::Other,
    }
}

fn meaning_of_ours(varbind: &OwnedVarbind) -> Meaning {
    let read = crate::model::trap::Varbind { oid: &[], tag: varbind.tag, value: &varbind.value };
    match varbind.tag {
        tag::NULL | 0x80..=0x82 => Meaning::Nothing,
        universal if universal < 0x40 && varbind.value.is_empty() => Meaning::Nothing,
        tag::INTEGER => read.as_i64().map_or(Meaning::Other, Meaning::Signed),
        tag::COUNTER32 | tag::GAUGE32 | tag::TIME_TICKS | tag::COUNTER64 => {
            Meaning::Unsigned(super::super::ber::unsigned(&varbind.value).expect("a number"))
        }
        tag::OCTET_STRING | tag::OPAQUE => Meaning::Octets(varbind.value.clone()),
        tag::OID => Meaning::Oid(dotted(&varbind.value)),
        tag::IP_ADDRESS => read.as_ipv4().map_or(Meaning::Other, Meaning::Address),
        _ => Meaning::Other,
    }
}

/// What a trap has to be according to the oracle.
struct Verdict {
    version: TrapVersion,
    is_inform: bool,
    request_id: i64,
    community: Vec<u8>,
    trap_oid: String,
    uptime_cs: Option<u32>,
    varbinds: Vec<(String, Meaning)>,
}

/// Accepts exactly the notifications that snmp-parser accepts whole.
fn verdict(datagram: &[u8]) -> Option<Verdict> {
    let (_, message) = SnmpMessage::from_ber(datagram).ok()?;
    let version = if message.version == 0 { TrapVersion::V1 } else { TrapVersion::V2c };
    let community = message.community.into_bytes();
    let meant = |variable: &SnmpVariable<'_>| {
        (dotted(variable.oid.as_bytes()), meaning_of_oracle(&variable.val))
    };
    match message.pdu {
        SnmpPdu::TrapV1(trap) => {
            let enterprise = dotted(trap.enterprise.as_bytes());
            let trap_oid = match trap.generic_trap.0 {
                generic @ 0..=5 => format!("1.3.6.1.6.3.1.1.5.{}", generic + 1),
                _ => format!("{enterprise}.0.{}", trap.specific_trap),
            };
            Some(Verdict {
                version,
                is_inform: false,
                request_id: 0,
                community,
                trap_oid,
                uptime_cs: Some(trap.timestamp),
                varbinds: trap.var.iter().map(meant).collect(),
            })
        }
        SnmpPdu::Generic(pdu)
            if pdu.pdu_type == PduType::TrapV2 || pdu.pdu_type == PduType::InformRequest =>
        {
            let mut verdict = Verdict {
                version,
                is_inform: pdu.pdu_type == PduType::InformRequest,
                request_id: i64::from(pdu.req_id),
                community,
                trap_oid: String::new(),
                uptime_cs: None,
                varbinds: Vec::new(),
            };
            for (name, meaning) in pdu.var.iter().map(meant) {
                match (name.as_str(), meaning) {
                    (SYS_UP_TIME_0, Meaning::Unsigned(ticks)) => {
                        verdict.uptime_cs = u32::try_from(ticks).ok();
                    }
                    (SNMP_TRAP_OID_0, Meaning::Oid(oid)) => verdict.trap_oid = oid,
                    (_, meaning) => verdict.varbinds.push((name, meaning)),
                }
            }
            Some(verdict)
        }
        SnmpPdu::Generic(_) | SnmpPdu::Bulk(_) => None,
    }
}

fn assert_agreement(verdict: &Verdict, trap: &OwnedTrap) {
    assert_eq!(trap.version, verdict.version);
    assert_eq!(trap.is_inform, verdict.is_inform);
    assert_eq!(trap.request_id, verdict.request_id);
    assert_eq!(trap.community, verdict.community);
    assert_eq!(trap.trap_oid, verdict.trap_oid);
    assert_eq!(trap.uptime_cs, verdict.uptime_cs);
    let ours: Vec<(String, Meaning)> = trap
        .varbinds
        .iter()
        .map(|varbind| (varbind.oid.clone(), meaning_of_ours(varbind)))
        .collect();
    assert_eq!(ours.len(), verdict.varbinds.len());
    for (ours, theirs) in ours.iter().zip(&verdict.varbinds) {
        // The oracle does not look at the class of a tag: what is of another class and has the
        // number of NULL is nothing to it, and something unknown here.
        let is_class_apart = ours.1 == Meaning::Other && theirs.1 == Meaning::Nothing;
        assert!(ours == theirs || (is_class_apart && ours.0 == theirs.0), "{ours:?} {theirs:?}");
    }
}

proptest! {
    #[test]
    fn sound_traps_are_read_alike(sent in sent_traps()) {
        let datagram = sent.datagram();
        let trap = trap_of(&datagram);
        match verdict(&datagram) {
            Some(verdict) => assert_agreement(&verdict, &trap),
            None => prop_assert!(sent.request_id() < 0, "refused by the oracle: {datagram:x?}"),
        }
    }

    #[test]
    fn what_both_accept_of_spoilt_traps_is_read_alike(
        sent in sent_traps(),
        place in any::<prop::sample::Index>(),
        octet in any::<u8>(),
    ) {
        let mut datagram = sent.datagram();
        let at = place.index(datagram.len());
        datagram[at] = octet;
        let mut decoder = TrapDecoder::default();
        let decoded = decoder.decode(&datagram);
        match (verdict(&datagram), decoded) {
            (Some(verdict), Decoded::Trap(trap)) if trap.faults.is_empty() => {
                assert_agreement(&verdict, &OwnedTrap::of(&trap));
            }
            (Some(verdict), Decoded::Trap(trap)) => {
                prop_assert!(!trap.faults.has(Fault::Undecodable));
                // The oracle does not look at the class of a tag: a community of another class is
                // none here, and the kind is salvaged without it.
                let is_alike = trap.community == verdict.community.as_slice();
                prop_assert!(is_alike || trap.community.is_empty());
            }
            (Some(_), Decoded::NotANotification { .. }) => {
                prop_assert!(false, "the oracle reads a notification: {:x?}", datagram);
            }
            (None, _) => {}
        }
    }
}

#[test]
fn a_sound_trap_is_accepted_by_both() {
    let sent = SentTrap::simple();
    let datagram = sent.datagram();
    let verdict = verdict(&datagram).expect("accepted by the oracle");
    assert_agreement(&verdict, &trap_of(&datagram));
}

#[test]
fn what_the_oracle_refuses_is_read_here() {
    let no_zero = element(tag::COUNTER32, &[0xff; 4]);
    let head = [uptime(1), kind(LINK_DOWN)];
    let integer_stamp = V1Header { stamp: integer(900), ..V1Header::sound("1.3.6.1.4.1.9", 2, 0) };
    let wide_address = V1Header {
        agent: element(tag::IP_ADDRESS, &[0; 16]),
        ..V1Header::sound("1.3.6.1.4.1.9", 2, 0)
    };
    let not_utf8 = [integer(1), octets(b"\xff"), pdu(0xa7, &integer(1), &head)].concat();
    let broken_last = element(0x30, &element(tag::OCTET_STRING, b"?"));
    let refused = [
        message(1, &pdu(0xa7, &integer(-5), &head)),
        message(1, &pdu(0xa7, &element(tag::INTEGER, &[0xff, 0xff, 0, 0, 1]), &head)),
        v2_trap(&[varbind("1.3.6.1.2.1.2.2.1.10.7", &no_zero)]),
        element(0x30, &not_utf8),
        v2_trap(&[broken_last]),
        integer_stamp.message(&[]),
        wide_address.message(&[]),
    ];
    for datagram in refused {
        assert!(verdict(&datagram).is_none(), "the oracle became more tolerant: {datagram:x?}");
        assert_eq!(trap_of(&datagram).trap_oid, LINK_DOWN);
    }
}

#[test]
fn what_the_oracle_passes_over_is_named_here() {
    let cut = v2_trap(&[]);
    let mut wrong_length = cut.clone();
    wrong_length[11] = 1;
    let folded = V1Header::sound("1.3.6.1.4.1.9", 262, 3).message(&[]);
    let foreign = message(1, &V1Header::sound("1.3.6.1.4.1.9", 2, 0).pdu(&[]));
    let unfinished = v2_list(&[uptime(1), varbind(SNMP_TRAP_OID_0, &[6, 2, 0x2b, 0x86])]);
    let cases = [
        (wrong_length, Fault::BadEncoding),
        (folded, Fault::IntegerRange),
        (foreign, Fault::BadEncoding),
        (unfinished, Fault::TrapOidUnusable),
    ];
    for (datagram, fault) in cases {
        assert!(SnmpMessage::from_ber(&datagram).is_ok(), "{datagram:x?}");
        assert!(trap_of(&datagram).faults.contains(&fault), "{fault:?}");
    }
}
