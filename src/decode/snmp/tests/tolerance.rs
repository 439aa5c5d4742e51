//! What equipment gets wrong without harm: taken, with the fault named.

use super::writer::{
    LINK_DOWN, SNMP_TRAP_OID_0, SYS_UP_TIME_0, V1Header, element, int_varbind, integer, kind,
    long_element, message, octets, oid, oid_content, pdu, sequence, unsigned, uptime, v2_list,
    v2_trap, varbind,
};
use super::{OwnedTrap, OwnedVarbind, other_of, trap_of};
use crate::model::fault::Fault;
use crate::model::limits::VARBINDS_MAX;
use crate::model::trap::{TrapVersion, tag};
use std::net::Ipv4Addr;

/// A header, the address, the uptime and the faults that it has to give.
type V1Case<'a> = (V1Header, Option<Ipv4Addr>, Option<u32>, &'a [Fault]);

const IF_INDEX: &str = "1.3.6.1.2.1.2.2.1.1.7";

#[test]
fn request_ids_of_every_shape() {
    let cases: [(&[u8], i64, &[Fault]); 6] = [
        (&[0x80, 0, 0, 0], -2_147_483_648, &[]),
        (&[0xff, 0xff, 0xff, 0xff, 0xfe], -2, &[]),
        (&[0, 0, 0, 0, 0, 0, 0, 0, 0, 9], 9, &[]),
        (&[0, 0xff, 0xff, 0xff, 0xff], 4_294_967_295, &[Fault::IntegerRange]),
        (&[1, 0, 0, 0, 0, 0, 0, 0, 0], 0, &[Fault::IntegerRange]),
        (&[], 0, &[Fault::BadEncoding]),
    ];
    for (content, expected, faults) in cases {
        let varbinds = [uptime(1), kind(LINK_DOWN), int_varbind(IF_INDEX, 7)];
        let trap = trap_of(&message(1, &pdu(0xa7, &element(tag::INTEGER, content), &varbinds)));
        assert_eq!((trap.request_id, trap.faults.as_slice()), (expected, faults), "{content:x?}");
        assert_eq!((trap.trap_oid.as_str(), trap.names()), (LINK_DOWN, vec![IF_INDEX]));
    }
}

#[test]
fn values_are_kept_whatever_is_wrong_with_them() {
    let values: [(u8, &[u8], &[Fault]); 14] = [
        (tag::COUNTER32, &[0xff, 0xff, 0xff, 0xff], &[Fault::UnsignedWithoutZero]),
        (tag::COUNTER64, &[0x80, 0, 0, 0, 0, 0, 0, 0], &[Fault::UnsignedWithoutZero]),
        (tag::TIME_TICKS, &[0, 0xf0, 0, 0, 0], &[]),
        (tag::TIME_TICKS, &[0, 0, 0, 0, 7], &[]),
        (tag::INTEGER, &[0, 0, 0, 0, 7], &[]),
        (tag::INTEGER, &[], &[Fault::BadEncoding]),
        (tag::INTEGER, &[1, 0, 0, 0, 0], &[Fault::IntegerRange]),
        (tag::OCTET_STRING, &[], &[]),
        (tag::NULL, &[], &[]),
        (tag::OPAQUE, &[0x9f, 0x79, 8, 0x40, 9, 0x21, 0xfb, 0x54, 0x44, 0x2d, 0x18], &[]),
        (tag::IP_ADDRESS, &[0xfe; 16], &[Fault::BadEncoding]),
        (tag::OID, &[0], &[]),
        (0x80, &[], &[]),
        (0x45, &[1, 2, 3], &[]),
    ];
    for (tag, content, faults) in values {
        let trap = trap_of(&v2_trap(&[varbind(IF_INDEX, &element(tag, content))]));
        let kept = OwnedVarbind { oid: IF_INDEX.to_owned(), tag, value: content.to_vec() };
        assert_eq!(trap.varbinds, [kept]);
        assert_eq!(trap.faults, faults, "{tag:#x} {content:x?}");
    }
}

#[test]
fn lengths_in_long_form_are_lengths() {
    for octets_count in [1, 2, 3, 4, 8, 9, 20] {
        let long = |tag: u8, content: &[u8]| long_element(tag, octets_count, content);
        let pair = |name: &str, value: Vec<u8>| {
            long(0x30, &[long(tag::OID, &oid_content(name)), value].concat())
        };
        let varbinds = [
            pair(SYS_UP_TIME_0, long(tag::TIME_TICKS, &[1])),
            pair(SNMP_TRAP_OID_0, long(tag::OID, &oid_content(LINK_DOWN))),
            pair(IF_INDEX, long(tag::INTEGER, &[7])),
        ];
        let number = long(tag::INTEGER, &[1]);
        let fields = [number.clone(), number.clone(), number.clone()].concat();
        let list = long(0x30, &varbinds.concat());
        let community = long(tag::OCTET_STRING, b"noc");
        let parts = [number, community, long(0xa7, &[fields, list].concat())].concat();
        let trap = trap_of(&long(0x30, &parts));
        assert_eq!((trap.trap_oid.as_str(), trap.names()), (LINK_DOWN, vec![IF_INDEX]));
        assert_eq!((trap.uptime_cs, trap.community.as_slice()), (Some(1), &b"noc"[..]));
        assert_eq!(trap.faults, []);
    }
}

#[test]
fn the_trap_oid_is_found_anywhere_and_without_its_instance() {
    let lists = [
        vec![kind(LINK_DOWN), uptime(5), int_varbind(IF_INDEX, 7)],
        vec![int_varbind(IF_INDEX, 7), uptime(5), kind(LINK_DOWN)],
        vec![
            varbind("1.3.6.1.2.1.1.3", &unsigned(tag::TIME_TICKS, 5)),
            varbind("1.3.6.1.6.3.1.1.4.1", &oid(LINK_DOWN)),
            int_varbind(IF_INDEX, 7),
        ],
    ];
    for list in lists {
        let trap = trap_of(&v2_list(&list));
        assert_eq!((trap.trap_oid.as_str(), trap.uptime_cs), (LINK_DOWN, Some(5)));
        assert_eq!((trap.names(), trap.faults.as_slice()), (vec![IF_INDEX], &[][..]));
    }
}

#[test]
fn the_first_usable_trap_oid_counts() {
    let trap = trap_of(&v2_list(&[
        uptime(5),
        varbind(SNMP_TRAP_OID_0, &octets(b"linkDown")),
        kind(LINK_DOWN),
        kind("1.3.6.1.6.3.1.1.5.4"),
    ]));
    assert_eq!((trap.trap_oid.as_str(), trap.faults.as_slice()), (LINK_DOWN, &[][..]));
}

#[test]
fn an_unusable_trap_oid_leaves_the_varbinds() {
    let long = oid_content("1.3.6.1.4.1.9.4294967295.4294967295.1").repeat(12);
    let wide = [0x2b, 6, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    let cases: [(Vec<u8>, &[Fault]); 7] = [
        (element(tag::OID, &[]), &[Fault::BadEncoding]),
        (element(tag::OID, &[0x2b]), &[]),
        (element(tag::OID, &[0x2b, 0x86]), &[Fault::BadEncoding]),
        (element(tag::OID, &wide), &[]),
        (element(tag::OID, &long), &[Fault::LimitReached]),
        (octets(&oid_content(LINK_DOWN)), &[]),
        (integer(3), &[]),
    ];
    for (value, faults) in cases {
        let list = [uptime(5), varbind(SNMP_TRAP_OID_0, &value), int_varbind(IF_INDEX, 7)];
        let trap = trap_of(&v2_list(&list));
        assert_eq!((trap.trap_oid.as_str(), trap.names()), ("", vec![IF_INDEX]));
        assert!(trap.faults.contains(&Fault::TrapOidUnusable));
        let others: Vec<_> =
            trap.faults.iter().filter(|fault| **fault != Fault::TrapOidUnusable).collect();
        assert_eq!(others, faults.iter().collect::<Vec<_>>(), "{value:x?}");
    }
}

#[test]
fn absent_fields_are_named() {
    let trap = trap_of(&v2_list(&[int_varbind(IF_INDEX, 7)]));
    assert_eq!(trap.faults, [Fault::TrapOidUnusable, Fault::UptimeUnusable]);
    assert_eq!(trap.names(), [IF_INDEX]);
    let trap = trap_of(&v2_list(&[]));
    assert_eq!(trap.faults, [Fault::TrapOidUnusable, Fault::UptimeUnusable]);
    let trap = trap_of(&v2_list(&[varbind(SYS_UP_TIME_0, &octets(b"9")), kind(LINK_DOWN)]));
    assert_eq!(trap.faults, [Fault::UptimeUnusable]);
    let trap = trap_of(&v2_list(&[int_varbind(SYS_UP_TIME_0, 9), kind(LINK_DOWN)]));
    assert_eq!((trap.uptime_cs, trap.faults.as_slice()), (Some(9), &[Fault::BadEncoding][..]));
}

#[test]
fn a_value_that_looks_like_a_trap_oid_names_nothing_in_a_sound_message() {
    let inner = v2_trap(&[]);
    let trap = trap_of(&v2_list(&[uptime(5), varbind("1.3.6.1.4.1.9.1", &octets(&inner))]));
    assert_eq!(
        (trap.trap_oid.as_str(), trap.faults.as_slice()),
        ("", &[Fault::TrapOidUnusable][..])
    );
}

#[test]
fn the_fields_of_version_1_are_each_forgiven() {
    let sound = V1Header::sound("1.3.6.1.4.1.9", 6, 3);
    let address = Some(Ipv4Addr::new(192, 0, 2, 7));
    let cases: [V1Case<'_>; 7] = [
        (sound.clone(), address, Some(900), &[]),
        (
            V1Header { stamp: integer(12), ..sound.clone() },
            address,
            Some(12),
            &[Fault::BadEncoding],
        ),
        (
            V1Header { stamp: element(tag::TIME_TICKS, &[0xff; 4]), ..sound.clone() },
            address,
            Some(u32::MAX),
            &[Fault::UnsignedWithoutZero],
        ),
        (
            V1Header { stamp: octets(b"12"), ..sound.clone() },
            address,
            None,
            &[Fault::UptimeUnusable],
        ),
        (
            V1Header { agent: element(tag::IP_ADDRESS, &[0xfe; 16]), ..sound.clone() },
            None,
            Some(900),
            &[Fault::AgentAddressUnusable],
        ),
        (
            V1Header { agent: element(tag::IP_ADDRESS, &[]), ..sound.clone() },
            None,
            Some(900),
            &[Fault::AgentAddressUnusable],
        ),
        (V1Header { agent: element(tag::IP_ADDRESS, &[0; 4]), ..sound }, None, Some(900), &[]),
    ];
    for (header, agent_address, uptime_cs, faults) in cases {
        let trap = trap_of(&header.message(&[int_varbind(IF_INDEX, 7)]));
        assert_eq!(trap.version, TrapVersion::V1);
        assert_eq!((trap.agent_address, trap.uptime_cs), (agent_address, uptime_cs));
        assert_eq!(trap.faults, faults);
        assert_eq!((trap.trap_oid.as_str(), trap.names()), ("1.3.6.1.4.1.9.0.3", vec![IF_INDEX]));
    }
}

#[test]
fn a_generic_trap_out_of_range_is_not_folded_into_one_in_range() {
    for generic in [-1, 7, 262, i64::MAX] {
        let trap = trap_of(&V1Header::sound("1.3.6.1.4.1.9", generic, 3).message(&[]));
        assert_eq!(trap.trap_oid, "");
        assert_eq!(trap.faults, [Fault::IntegerRange, Fault::TrapOidUnusable]);
    }
}

#[test]
fn the_enterprise_does_not_matter_to_the_standard_traps() {
    let unreadable = octets(b"nowhere");
    let header = V1Header { enterprise: unreadable, ..V1Header::sound("1.3.6.1.4.1.9", 3, 0) };
    let trap = trap_of(&header.message(&[]));
    assert_eq!(trap.trap_oid, "1.3.6.1.6.3.1.1.5.4");
    assert_eq!(trap.faults, [Fault::BadEncoding]);
    let header = V1Header { generic: integer(6), ..header };
    let faults = trap_of(&header.message(&[])).faults;
    assert_eq!(faults, [Fault::BadEncoding, Fault::TrapOidUnusable]);
}

#[test]
fn names_of_version_2_are_plain_varbinds_in_version_1() {
    let varbinds = [uptime(1), kind(LINK_DOWN)];
    let trap = trap_of(&V1Header::sound("1.3.6.1.4.1.9", 6, 3).message(&varbinds));
    assert_eq!((trap.trap_oid.as_str(), trap.uptime_cs), ("1.3.6.1.4.1.9.0.3", Some(900)));
    assert_eq!(trap.names(), [SYS_UP_TIME_0, SNMP_TRAP_OID_0]);
}

#[test]
fn a_pdu_of_the_other_version_is_read_and_flagged() {
    let varbinds = [uptime(1), kind(LINK_DOWN), int_varbind(IF_INDEX, 7)];
    for tag in [0xa7, 0xa6] {
        let trap = trap_of(&message(0, &pdu(tag, &integer(1), &varbinds)));
        assert_eq!((trap.version, trap.is_inform), (TrapVersion::V1, false));
        assert_eq!((trap.trap_oid.as_str(), trap.names()), (LINK_DOWN, vec![IF_INDEX]));
        assert_eq!(trap.faults, [Fault::BadEncoding]);
    }
    let trap = trap_of(&message(1, &V1Header::sound("1.3.6.1.4.1.9", 2, 0).pdu(&[])));
    assert_eq!((trap.version, trap.trap_oid.as_str()), (TrapVersion::V2c, LINK_DOWN));
    assert_eq!(trap.faults, [Fault::BadEncoding]);
}

#[test]
fn unknown_versions_are_read_as_what_their_pdu_is() {
    for version in [2, 3, 4, -1, 255] {
        let varbinds = [uptime(1), kind(LINK_DOWN)];
        let trap = trap_of(&message(version, &pdu(0xa7, &integer(1), &varbinds)));
        assert_eq!((trap.version, trap.trap_oid.as_str()), (TrapVersion::V2c, LINK_DOWN));
        assert!(trap.faults.contains(&Fault::VersionUnsupported));
        let pdu = V1Header::sound("1.3.6.1.4.1.9", 2, 0).pdu(&[]);
        let trap = trap_of(&message(version, &pdu));
        assert_eq!((trap.version, trap.trap_oid.as_str()), (TrapVersion::V1, LINK_DOWN));
        assert!(trap.faults.contains(&Fault::VersionUnsupported));
    }
}

#[test]
fn addresses_of_proxied_traps_are_checked() {
    const ADDRESS: &str = "1.3.6.1.6.3.18.1.3.0";
    let with = |value: Vec<u8>| trap_of(&v2_trap(&[varbind(ADDRESS, &value)]));
    let trap = with(element(tag::IP_ADDRESS, &[198, 51, 100, 3]));
    assert_eq!((trap.agent_address, trap.names()), (Some([198, 51, 100, 3].into()), vec![ADDRESS]));
    let trap = with(element(tag::IP_ADDRESS, &[0; 4]));
    assert_eq!((trap.agent_address, trap.faults.as_slice()), (None, &[][..]));
    let trap = with(octets(b"198.51.100.3"));
    assert_eq!(trap.agent_address, None);
    assert_eq!(trap.faults, [Fault::AgentAddressUnusable]);
    let both = V1Header::sound("1.3.6.1.4.1.9", 2, 0)
        .message(&[varbind(ADDRESS, &element(tag::IP_ADDRESS, &[198, 51, 100, 3]))]);
    assert_eq!(trap_of(&both).agent_address, Some([192, 0, 2, 7].into()));
}

#[test]
fn varbinds_beyond_the_limit_are_left() {
    let many = |count: usize| vec![int_varbind(IF_INDEX, 7); count];
    let at_limit = trap_of(&v2_trap(&many(VARBINDS_MAX)));
    assert_eq!((at_limit.varbinds.len(), at_limit.faults.as_slice()), (VARBINDS_MAX, &[][..]));
    let beyond = trap_of(&v2_trap(&many(VARBINDS_MAX + 1)));
    assert_eq!(beyond.varbinds.len(), VARBINDS_MAX);
    assert_eq!(beyond.faults, [Fault::LimitReached]);
    let late = [many(VARBINDS_MAX + 9), vec![uptime(3), kind(LINK_DOWN)]].concat();
    let late = trap_of(&v2_list(&late));
    assert_eq!((late.trap_oid.as_str(), late.varbinds.len()), (LINK_DOWN, VARBINDS_MAX));
    assert_eq!((late.uptime_cs, late.faults.as_slice()), (Some(3), &[Fault::LimitReached][..]));
    let in_v1 = V1Header::sound("1.3.6.1.4.1.9", 2, 0).message(&many(5_000));
    assert_eq!(trap_of(&in_v1).faults, [Fault::LimitReached]);
}

#[test]
fn every_request_response_and_report_is_told_apart() {
    for tag in [0xa0, 0xa1, 0xa2, 0xa3, 0xa5, 0xa8] {
        for version in [0, 1] {
            let varbinds = [varbind("1.3.6.1.2.1.1.1.0", &element(tag::NULL, &[]))];
            let datagram = message(version, &pdu(tag, &integer(9), &varbinds));
            assert_eq!(other_of(&datagram).iter().collect::<Vec<_>>(), [Fault::NotANotification]);
            let cut = other_of(&datagram[..datagram.len() - 3]);
            assert!(cut.has(Fault::Truncated) && cut.has(Fault::NotANotification));
        }
    }
}

#[test]
fn bytes_behind_the_message_are_flagged_and_not_read() {
    let sound = v2_trap(&[int_varbind(IF_INDEX, 7)]);
    let expected = OwnedTrap { faults: vec![Fault::TrailingBytes], ..trap_of(&sound) };
    for tail in [vec![0; 18], int_varbind(IF_INDEX, 8), sound.clone()] {
        assert_eq!(trap_of(&[sound.clone(), tail].concat()), expected);
    }
}

#[test]
fn a_nested_sequence_is_a_value_and_is_not_entered() {
    let nested = (0..5_000).fold(Vec::new(), |inner, _| element(0x30, &inner));
    let trap =
        trap_of(&v2_trap(&[sequence(&[oid(IF_INDEX), nested.clone()]), int_varbind(IF_INDEX, 7)]));
    assert_eq!(trap.varbinds.len(), 2);
    assert_eq!(trap.faults, [Fault::BadEncoding]);
    assert_eq!(trap_of(&nested).faults, [Fault::TrapOidUnusable, Fault::Undecodable]);
}
