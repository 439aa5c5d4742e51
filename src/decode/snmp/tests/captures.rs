//! Whole datagrams as equipment of several makers writes them, byte by byte.

use super::{OwnedTrap, OwnedVarbind, bytes_of, other_of, trap_of};
use crate::model::fault::Fault;
use crate::model::trap::{TrapVersion, tag};
use std::net::Ipv4Addr;

const NET_SNMP_LINK_DOWN: &str = "\
    30819402010104066e6f632d726fa7818602046b8b45670201000201003078301006082b0601020101030043 \
    0400805bad3017060a2b06010603010104010006092b0601060301010503300f060a2b060102010202010103 \
    020103300f060a2b060102010202010703020101300f060a2b0601020102020108030201023018060a2b0601 \
    06030101040300060a2b06010401bf0803020a";

const CISCO_V1_LINK_DOWN: &str = "\
    3081980201000409636173612d636f7265a4818706092b0601040109018d5140040a14000702010202010043 \
    0336eefb30693011060b2b0601020102020101ce77020227773023060b2b0601020102020102ce7704144769 \
    676162697445746865726e6574312f302f333010060b2b0601020102020103ce77020106301d060d2b060104 \
    01090202010114ce77040c4c6f73742043617272696572";

const CISCO_V1_BGP: &str = "\
    30819d0201000409636173612d636f7265a4818c06092b060104010909813b40040a14000102010602010743 \
    0203df306f3014060e2b060102010f03010e0a817f0009040204003013060e2b060102010f0301020a817f00 \
    09020101302806132b060104010909813b01020101070a817f00090411686f6c642074696d65206578706972 \
    6564301806132b060104010909813b01020101080a817f0009020106";

const JUNIPER_INFORM: &str = "\
    3081c302010104057261626174a681b60203012cd40201000201003081a8301006082b060102010103004304 \
    031975003018060a2b060106030101040100060a2b06010401944c040101301506102b06010401944c030108 \
    010102010000020102301506102b06010401944c030108010202010000020101301906102b06010401944c03 \
    0108010602010000040550454d2030301506102b06010401944c03010d010802010000020106301a060a2b06 \
    0106030101040300060c2b06010401944c010101021d";

const ACCESS_NODE_NEGATIVE: &str = "\
    3081a202010104096f70e9726174657572a781910205ffff9c4011020100020100308181300d06082b060102 \
    0101030043017b301c060a2b060106030101040100060e2b060104018f5b0519815b020501301b06132b0601 \
    04018f5b05191f0101010105a08080034204f00000013018060f2b060102012f0101010107a080800304054c \
    50552033301b06102b060104018f5b05191f01010101630144079f7804422a0000";

const UPS_V1_INTEGER_STAMP: &str = "\
    307602010004067075626c6963a46906072b06010401823e4004000000000201060201050203011170304d30 \
    4b060b2b06010401823e02030300043c5550533a206f6e206261747465727920706f77657220696e20726573 \
    706f6e736520746f20616e20696e70757420706f7765722070726f626c656d2e";

const PROXIED: &str = "\
    307d020101040570726f7879a7710201050201000201003066300d06082b0601020101030043010a3019060a \
    2b060106030101040100060b2b0601040109092b0200013013060e2b0601040109092b010106010329020101 \
    301106092b06010603120103004004c000022c301206092b06010603120104000405696e6e6572";

const POLLER_GET: &str = "\
    302602010104067075626c6963a019020109020100020100300e300c06082b060102010101000500";

fn varbind(oid: &str, tag: u8, value: &[u8]) -> OwnedVarbind {
    OwnedVarbind { oid: oid.to_owned(), tag, value: value.to_vec() }
}

#[test]
fn a_link_down_of_net_snmp() {
    let expected = OwnedTrap {
        version: TrapVersion::V2c,
        is_inform: false,
        request_id: 1_804_289_383,
        community: b"noc-ro".to_vec(),
        trap_oid: "1.3.6.1.6.3.1.1.5.3".to_owned(),
        uptime_cs: Some(8_412_077),
        agent_address: None,
        faults: Vec::new(),
        varbinds: vec![
            varbind("1.3.6.1.2.1.2.2.1.1.3", tag::INTEGER, &[3]),
            varbind("1.3.6.1.2.1.2.2.1.7.3", tag::INTEGER, &[1]),
            varbind("1.3.6.1.2.1.2.2.1.8.3", tag::INTEGER, &[2]),
            varbind("1.3.6.1.6.3.1.1.4.3.0", tag::OID, &[0x2b, 6, 1, 4, 1, 0xbf, 0x08, 3, 2, 10]),
        ],
    };
    assert_eq!(trap_of(&bytes_of(NET_SNMP_LINK_DOWN)), expected);
}

#[test]
fn a_link_down_of_cisco_in_version_1() {
    let expected = OwnedTrap {
        version: TrapVersion::V1,
        is_inform: false,
        request_id: 0,
        community: b"casa-core".to_vec(),
        trap_oid: "1.3.6.1.6.3.1.1.5.3".to_owned(),
        uptime_cs: Some(3_600_123),
        agent_address: Some(Ipv4Addr::new(10, 20, 0, 7)),
        faults: Vec::new(),
        varbinds: vec![
            varbind("1.3.6.1.2.1.2.2.1.1.10103", tag::INTEGER, &[0x27, 0x77]),
            varbind("1.3.6.1.2.1.2.2.1.2.10103", tag::OCTET_STRING, b"GigabitEthernet1/0/3"),
            varbind("1.3.6.1.2.1.2.2.1.3.10103", tag::INTEGER, &[6]),
            varbind("1.3.6.1.4.1.9.2.2.1.1.20.10103", tag::OCTET_STRING, b"Lost Carrier"),
        ],
    };
    assert_eq!(trap_of(&bytes_of(CISCO_V1_LINK_DOWN)), expected);
}

#[test]
fn an_enterprise_trap_of_cisco_in_version_1() {
    let trap = trap_of(&bytes_of(CISCO_V1_BGP));
    assert_eq!(trap.trap_oid, "1.3.6.1.4.1.9.9.187.0.7");
    assert_eq!(trap.faults, []);
    let neighbour = varbind("1.3.6.1.2.1.15.3.1.14.10.255.0.9", tag::OCTET_STRING, &[4, 0]);
    assert_eq!(trap.varbinds.first(), Some(&neighbour));
    assert_eq!(trap.varbinds.len(), 4);
}

#[test]
fn an_inform_of_juniper() {
    let trap = trap_of(&bytes_of(JUNIPER_INFORM));
    assert!(trap.is_inform);
    assert_eq!(trap.request_id, 77_012);
    assert_eq!(trap.trap_oid, "1.3.6.1.4.1.2636.4.1.1");
    assert_eq!(trap.uptime_cs, Some(52_000_000));
    assert_eq!(trap.faults, []);
    assert_eq!(trap.varbinds.len(), 5);
}

#[test]
fn an_access_node_that_breaks_three_rules_at_once() {
    let trap = trap_of(&bytes_of(ACCESS_NODE_NEGATIVE));
    assert_eq!(trap.faults, [Fault::UnsignedWithoutZero, Fault::CommunityNotUtf8]);
    assert_eq!(trap.community, b"op\xe9rateur");
    assert_eq!(trap.request_id, -6_537_199);
    assert_eq!(trap.trap_oid, "1.3.6.1.4.1.2011.5.25.219.2.5.1");
    let float = [0x9f, 0x78, 4, 0x42, 0x2a, 0, 0];
    assert_eq!(
        trap.varbinds,
        [
            varbind("1.3.6.1.4.1.2011.5.25.31.1.1.1.1.5.67108867", tag::GAUGE32, &[0xf0, 0, 0, 1],),
            varbind("1.3.6.1.2.1.47.1.1.1.1.7.67108867", tag::OCTET_STRING, b"LPU 3"),
            varbind("1.3.6.1.4.1.2011.5.25.31.1.1.1.1.99.1", tag::OPAQUE, &float),
        ]
    );
}

#[test]
fn a_power_supply_that_stamps_with_an_integer_and_no_address() {
    let trap = trap_of(&bytes_of(UPS_V1_INTEGER_STAMP));
    assert_eq!(trap.trap_oid, "1.3.6.1.4.1.318.0.5");
    assert_eq!(trap.uptime_cs, Some(70_000));
    assert_eq!(trap.agent_address, None);
    assert_eq!(trap.faults, [Fault::BadEncoding]);
    assert_eq!(trap.names(), ["1.3.6.1.4.1.318.2.3.3.0"]);
}

#[test]
fn a_trap_that_a_proxy_passes_on_names_its_sender() {
    let trap = trap_of(&bytes_of(PROXIED));
    assert_eq!(trap.agent_address, Some(Ipv4Addr::new(192, 0, 2, 44)));
    assert_eq!(trap.faults, []);
    assert_eq!(trap.varbinds.len(), 3);
}

#[test]
fn a_poller_is_told_apart() {
    let faults = other_of(&bytes_of(POLLER_GET));
    assert_eq!(faults.iter().collect::<Vec<_>>(), [Fault::NotANotification]);
}
