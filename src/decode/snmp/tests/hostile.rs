//! Broken structure: what can still be read is read, and nothing panics.

use super::writer::{
    LINK_DOWN, SYS_UP_TIME_0, V1Header, element, int_varbind, integer, kind, message, octets, oid,
    pdu, sequence, uptime, v2_trap,
};
use super::{Decoded, OwnedTrap, TrapDecoder, bytes_of, trap_of};
use crate::model::fault::Fault;
use crate::model::limits::VARBINDS_MAX;
use crate::model::trap::{TrapVersion, tag};

const IF_INDEX: &str = "1.3.6.1.2.1.2.2.1.1.7";
const IF_ADMIN: &str = "1.3.6.1.2.1.2.2.1.7.7";
const IF_OPER: &str = "1.3.6.1.2.1.2.2.1.8.7";

fn three() -> [Vec<u8>; 3] {
    [int_varbind(IF_INDEX, 7), int_varbind(IF_ADMIN, 1), int_varbind(IF_OPER, 2)]
}

/// A v2c linkDown about interface 7 whose bytes `change` may spoil.
fn spoilt(change: impl FnOnce(&mut Vec<u8>)) -> OwnedTrap {
    let mut datagram = v2_trap(&three());
    change(&mut datagram);
    trap_of(&datagram)
}

fn has_all(trap: &OwnedTrap, faults: &[Fault]) -> bool {
    faults.iter().all(|fault| trap.faults.contains(fault))
}

#[test]
fn what_is_no_snmp_is_undecodable() {
    let inputs: [&[u8]; 9] = [
        b"",
        b"\x30",
        b"\x30\x00",
        b"\x30\x80",
        b"\x30\x84\xff\xff\xff\xff",
        b"\x30\x88\xff\xff\xff\xff\xff\xff\xff\xff\x02\x01",
        b"<34>1 2026-01-01T00:00:00Z host app - - - hello",
        b"GET / HTTP/1.1\r\n\r\n",
        &[0xff; 1_500],
    ];
    for input in inputs {
        let trap = trap_of(input);
        assert_eq!(trap.faults, [Fault::TrapOidUnusable, Fault::Undecodable], "{input:x?}");
        assert_eq!((trap.trap_oid.as_str(), trap.varbinds.len()), ("", 0));
    }
}

#[test]
fn truncation_keeps_the_varbinds_before_it() {
    let whole = v2_trap(&three());
    let cut = trap_of(&whole[..whole.len() - 1]);
    assert_eq!((cut.trap_oid.as_str(), cut.uptime_cs), (LINK_DOWN, Some(4_711)));
    assert_eq!(cut.names(), [IF_INDEX, IF_ADMIN]);
    assert_eq!(cut.faults, [Fault::Truncated, Fault::VarbindUnreadable]);
    let at_boundary = trap_of(&whole[..whole.len() - int_varbind(IF_OPER, 2).len()]);
    assert_eq!(at_boundary.names(), [IF_INDEX, IF_ADMIN]);
    assert_eq!(at_boundary.faults, [Fault::Truncated, Fault::VarbindUnreadable]);
    for length in 5..whole.len() {
        let trap = trap_of(&whole[..length]);
        assert!(trap.faults.contains(&Fault::Truncated), "{length}");
        assert!(!trap.faults.contains(&Fault::Undecodable), "{length}");
    }
}

#[test]
fn one_wrong_container_length_is_outvoted() {
    let sound = trap_of(&v2_trap(&three()));
    let datagram = v2_trap(&three());
    let pdu_at = 10;
    assert_eq!(datagram[pdu_at], 0xa7);
    let list_at = pdu_at + 11;
    assert_eq!(datagram[list_at], 0x30);
    for at in [1, pdu_at + 1, list_at + 1] {
        for length in [0, 1, 40, datagram[at] - 1, datagram[at] + 1, 127] {
            let trap = spoilt(|bytes| bytes[at] = length);
            let place = format!("length {length} at {at}");
            assert_eq!(trap.trap_oid, LINK_DOWN, "{place}");
            assert_eq!(trap.names(), [IF_INDEX, IF_ADMIN, IF_OPER], "{place}");
            assert_eq!(trap.varbinds, sound.varbinds, "{place}");
            assert!(trap.faults.contains(&Fault::BadEncoding), "{place}");
        }
    }
}

#[test]
fn one_wrong_varbind_costs_one_varbind() {
    let [first, second, third] = three();
    let build = |middle: &[u8]| trap_of(&v2_trap(&[first.clone(), middle.to_vec(), third.clone()]));
    let bad_name = sequence(&[octets(b"ifIndex"), integer(1)]);
    let no_value = sequence(&[oid(IF_ADMIN)]);
    let empty = sequence(&[]);
    let mut value_past_its_varbind = second.clone();
    let length_at = second.len() - 2;
    value_past_its_varbind[length_at] = 5;
    for middle in [bad_name, no_value, empty, value_past_its_varbind] {
        let trap = build(&middle);
        assert_eq!(trap.names(), [IF_INDEX, IF_OPER], "{middle:x?}");
        assert!(has_all(&trap, &[Fault::VarbindUnreadable]), "{:?}", trap.faults);
    }
    let surplus = sequence(&[oid(IF_ADMIN), integer(1), integer(2)]);
    let mut too_short = second.clone();
    too_short[1] -= 2;
    let mut too_long = second.clone();
    too_long[1] += 60;
    let mut other_tag = second;
    other_tag[0] = 0x31;
    for middle in [surplus, too_short, too_long, other_tag] {
        let trap = build(&middle);
        assert_eq!(trap.names(), [IF_INDEX, IF_ADMIN, IF_OPER], "{middle:x?}");
        assert_eq!(trap.faults, [Fault::BadEncoding], "{middle:x?}");
    }
}

#[test]
fn a_length_past_the_end_in_the_last_varbind() {
    let trap = spoilt(|bytes| {
        let at = bytes.len() - 2;
        bytes[at] = 0x7f;
    });
    assert_eq!((trap.trap_oid.as_str(), trap.names()), (LINK_DOWN, vec![IF_INDEX, IF_ADMIN]));
    assert_eq!(trap.faults, [Fault::Truncated, Fault::VarbindUnreadable]);
}

#[test]
fn absurd_lengths_inside_are_survived() {
    for octets_count in [4_u8, 8, 9] {
        let mut huge = vec![tag::OCTET_STRING, 0x80 | octets_count];
        huge.extend(std::iter::repeat_n(0xff, usize::from(octets_count)));
        let trap = trap_of(&v2_trap(&[int_varbind(IF_INDEX, 7), sequence(&[oid(IF_OPER), huge])]));
        assert_eq!((trap.trap_oid.as_str(), trap.names()), (LINK_DOWN, vec![IF_INDEX]));
        assert_eq!(trap.faults, [Fault::Truncated, Fault::VarbindUnreadable]);
    }
}

#[test]
fn indefinite_lengths_are_refused_and_the_kind_is_salvaged() {
    let varbinds = [vec![uptime(1), kind(LINK_DOWN)], three().to_vec()].concat();
    let list = [vec![0x30, 0x80], varbinds.concat(), vec![0, 0]].concat();
    let fields = [integer(1), integer(0), integer(0), list].concat();
    let in_list = message(1, &element(0xa7, &fields));
    let in_pdu = message(1, &[vec![0xa7, 0x80], fields, vec![0, 0]].concat());
    let mut in_message = v2_trap(&three());
    in_message[1] = 0x80;
    for datagram in [in_list, in_pdu, in_message] {
        let trap = trap_of(&datagram);
        assert_eq!(trap.trap_oid, LINK_DOWN);
        assert_eq!(trap.names(), [IF_INDEX, IF_ADMIN, IF_OPER]);
        assert!(trap.faults.contains(&Fault::BadEncoding));
    }
}

#[test]
fn a_broken_head_does_not_hide_the_kind() {
    for at in 0..14 {
        let trap = spoilt(|bytes| {
            if bytes[at] != 0xa7 {
                bytes[at] ^= 0xff;
            }
        });
        assert_eq!(trap.trap_oid, LINK_DOWN, "at {at}");
        assert_eq!(trap.names(), [IF_INDEX, IF_ADMIN, IF_OPER], "at {at}");
    }
}

#[test]
fn salvage_passes_over_an_unusable_oid_and_keeps_the_order() {
    let broken_name = kind(LINK_DOWN);
    let list = [int_varbind(IF_INDEX, 7), uptime(3), broken_name, int_varbind(IF_OPER, 2)];
    let mut datagram = super::writer::v2_list(&list);
    let needle = kind(LINK_DOWN);
    let at = datagram.windows(needle.len()).position(|window| window == needle).expect("there");
    datagram[at] = 0x1f;
    let trap = trap_of(&datagram);
    assert_eq!((trap.trap_oid.as_str(), trap.uptime_cs), (LINK_DOWN, Some(3)));
    assert_eq!(trap.names(), [IF_INDEX, IF_OPER]);
    assert!(has_all(&trap, &[Fault::BadEncoding, Fault::VarbindUnreadable]));
}

#[test]
fn a_broken_head_does_not_hide_a_trap_of_version_1() {
    let sound = V1Header::sound("1.3.6.1.4.1.2636", 6, 9).message(&three());
    for at in [0, 1, 2, 3, 5, 6, 10, 11] {
        let mut datagram = sound.clone();
        datagram[at] = 0xbf;
        let trap = trap_of(&datagram);
        assert_eq!(trap.trap_oid, "1.3.6.1.4.1.2636.0.9", "at {at}");
        assert_eq!((trap.version, trap.uptime_cs), (TrapVersion::V1, Some(900)), "at {at}");
        assert_eq!(trap.names(), [IF_INDEX, IF_ADMIN, IF_OPER], "at {at}");
    }
}

#[test]
fn a_missing_list_and_a_list_of_another_type() {
    let fields = [integer(1), integer(0), integer(0)].concat();
    let trap = trap_of(&message(1, &element(0xa7, &fields)));
    assert!(has_all(&trap, &[Fault::BadEncoding, Fault::TrapOidUnusable]));
    let list = element(0x31, &[uptime(1), kind(LINK_DOWN)].concat());
    let trap = trap_of(&message(1, &element(0xa7, &[fields.clone(), list].concat())));
    assert_eq!((trap.trap_oid.as_str(), trap.uptime_cs), (LINK_DOWN, Some(1)));
    assert_eq!(trap.faults, [Fault::BadEncoding]);
    let header = V1Header::sound("1.3.6.1.4.1.9", 2, 0);
    let parts = [header.enterprise, header.agent, header.generic, header.specific, header.stamp];
    let trap = trap_of(&message(0, &element(0xa4, &parts.concat())));
    assert_eq!((trap.trap_oid.as_str(), trap.uptime_cs), (LINK_DOWN, Some(900)));
    assert_eq!(trap.faults, [Fault::BadEncoding]);
}

#[test]
fn an_unknown_pdu_is_a_damaged_trap() {
    for tag in [0x27, 0x30, 0xa9, 0xbe] {
        let trap = trap_of(&message(1, &pdu(tag, &integer(1), &[uptime(1), kind(LINK_DOWN)])));
        assert_eq!(trap.trap_oid, LINK_DOWN);
        assert!(has_all(&trap, &[Fault::BadEncoding]));
        let trap = trap_of(&message(1, &pdu(tag, &integer(1), &[])));
        assert!(has_all(&trap, &[Fault::BadEncoding, Fault::TrapOidUnusable]));
        assert_eq!(trap.community, b"noc");
    }
}

#[test]
fn version_3_is_named_and_not_believed() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpora/snmp/v3-traps.json");
    let text = std::fs::read_to_string(path).expect("the v3 traps are there");
    let data: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let packets = data["packets"].as_array().expect("packets");
    assert!(packets.len() >= 3);
    for packet in packets {
        let datagram = bytes_of(packet["hex"].as_str().expect("hex"));
        let trap = trap_of(&datagram);
        assert_eq!(trap.faults, [Fault::TrapOidUnusable, Fault::VersionUnsupported]);
        assert_eq!((trap.trap_oid.as_str(), trap.varbinds.len()), ("", 0));
        for length in 0..datagram.len() {
            let trap = trap_of(&datagram[..length]);
            assert_eq!((trap.trap_oid.as_str(), trap.varbinds.len()), ("", 0), "{length}");
        }
    }
    let header = sequence(&[octets(b"no header")]);
    let parts = [integer(3), header, octets(b""), kind(LINK_DOWN)];
    let trap = trap_of(&sequence(&parts));
    assert!(has_all(&trap, &[Fault::BadEncoding, Fault::VersionUnsupported]));
    assert_eq!(trap.trap_oid, "");
}

#[test]
fn the_largest_datagrams_take_bounded_work() {
    let names = [oid(SYS_UP_TIME_0), oid("1.3.6.1.6.3.1.1.4.1.0")];
    let mut decoder = TrapDecoder::default();
    for pattern in [&names[0], &names[1], &vec![tag::OID], &vec![0x30, 0x84], &sequence(&[])] {
        for head in [vec![], vec![0x30, 0x84, 0, 0, 0xff, 0xf0, 2, 1, 1, 4, 0, 0xa7, 0x80]] {
            let body = pattern.iter().copied().cycle().take(65_000).collect::<Vec<_>>();
            let datagram = [head, body].concat();
            let Decoded::Trap(trap) = decoder.decode(&datagram) else { panic!("a trap") };
            assert!(trap.varbinds().count() <= VARBINDS_MAX && !trap.faults.is_empty());
        }
    }
}
