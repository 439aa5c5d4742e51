//! The shipped rules at work: devices, names, verbs, and one identity for one fault.

use super::*;
use crate::model::event::{Event, Lane, UNCLASSIFIED, Verb};
use crate::model::fault::{Fault, Faults};
use crate::model::inventory::{Component, Device, Inventory};
use crate::model::limits::{NAME_BYTES_MAX, RAW_BYTES_MAX, TEXT_BYTES_MAX};
use crate::model::syslog::{SyslogFormat, SyslogMessage, SyslogStamp};
use crate::model::time::At;
use crate::model::trap::{OidBuffer, Trap, TrapVersion, VarbindSpan, parse_oid, tag};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

fn classifier() -> Classifier {
    let sources: Vec<RuleSource<'_>> = library::sources().collect();
    let device = |name: &str, address: &str, relay| Device {
        name: name.to_owned(),
        addresses: vec![address.parse().expect("an address")],
        relay,
        components: vec![Component {
            name: "TenGigabitEthernet1/1".to_owned(),
            if_index: Some(7),
            aliases: vec!["to-core".to_owned()],
            ..Component::default()
        }],
        ..Device::default()
    };
    let inventory = Inventory {
        devices: vec![device("pe1", "10.0.0.1", false), device("relay", "10.0.0.9", true)],
        ..Inventory::default()
    };
    Classifier::new(
        Arc::new(compile(&sources).expect("the shipped rules compile")),
        Arc::new(Directory::build(&inventory, &|_| None)),
        4,
    )
}

fn origin(peer: &str) -> Origin {
    Origin { peer: peer.parse().expect("an address"), listener: 2, arrived: At::default() }
}

/// Varbinds as bytes and places, to be made into a trap.
#[derive(Default)]
struct Packet {
    datagram: Vec<u8>,
    spans: Vec<VarbindSpan>,
}

impl Packet {
    fn with(mut self, oid: &str, tag: u8, value: &[u8]) -> Self {
        let mut place = |bytes: &[u8]| {
            let start = u32::try_from(self.datagram.len()).expect("a short packet");
            self.datagram.extend_from_slice(bytes);
            (start, u32::try_from(self.datagram.len()).expect("a short packet"))
        };
        let (oid_start, oid_end) = place(&parse_oid(oid).expect("a valid OID"));
        let (value_start, value_end) = place(value);
        self.spans.push(VarbindSpan { oid_start, oid_end, value_start, value_end, tag });
        self
    }

    fn trap(&self, oid: &str) -> Trap<'_> {
        let mut trap_oid = OidBuffer::default();
        if !oid.is_empty() {
            assert!(trap_oid.extend(&parse_oid(oid).expect("a valid OID")));
        }
        Trap {
            version: TrapVersion::V2c,
            is_inform: false,
            request_id: 1,
            community: b"public",
            trap_oid,
            uptime_cs: None,
            agent_address: None,
            faults: Faults::NONE,
            datagram: &self.datagram,
            spans: &self.spans,
        }
    }
}

fn interface(index: u8, descr: &str, admin: u8) -> Packet {
    Packet::default()
        .with(&format!("1.3.6.1.2.1.2.2.1.1.{index}"), tag::INTEGER, &[index])
        .with(&format!("1.3.6.1.2.1.2.2.1.2.{index}"), tag::OCTET_STRING, descr.as_bytes())
        .with(&format!("1.3.6.1.2.1.2.2.1.7.{index}"), tag::INTEGER, &[admin])
}

fn event(classified: Classified<'_>) -> Event<'_> {
    match classified {
        Classified::Event(event) => event,
        Classified::Ignored(cause) => panic!("ignored: {cause:?}"),
    }
}

fn message<'a>(mnemonic: &'a str, host: &'a str, text: &'a str) -> SyslogMessage<'a> {
    SyslogMessage {
        format: SyslogFormat::Rfc3164,
        facility: 23,
        severity: 3,
        stamp: SyslogStamp::None,
        hostname: host,
        app_name: "",
        proc_id: "",
        msg_id: "",
        structured_data: "",
        mnemonic,
        message: text,
        faults: Faults::NONE,
    }
}

const LINK_DOWN: &str = "1.3.6.1.6.3.1.1.5.3";

#[test]
fn one_fault_told_by_trap_and_syslog_is_one_alarm() {
    let classifier = classifier();
    let (mut first, mut second) = (Scratch::default(), Scratch::default());
    let packet = interface(3, "Gi0/3\0", 1);
    let trap = packet.trap(LINK_DOWN);
    let told = event(classifier.classify_trap(&trap, &origin("::ffff:10.0.0.1"), &mut first));
    let raw = b"<187>Sep 1 10:00:00 pe1: %LINK-3-UPDOWN: Interface GigabitEthernet0/3, changed \
        state to down";
    let text = "Interface GigabitEthernet0/3, changed state to down";
    let message = message("LINK-3-UPDOWN", "pe1", text);
    let also = event(classifier.classify_syslog(&message, raw, &origin("10.0.0.1"), &mut second));
    for one in [told, also] {
        assert_eq!((one.device, one.component), ("pe1", "GigabitEthernet0/3"));
        assert_eq!((one.alarm_type, one.qualifier), ("interface-down", ""));
        assert_eq!((one.verb, one.lane, one.is_known), (Verb::Raise, Lane::Urgent, true));
        assert_eq!((one.epoch, one.listener, one.faults), (4, 2, Faults::NONE));
    }
    assert_eq!(told.component_alias, "ifIndex=3");
    assert!(told.is_in_service && !also.is_in_service, "ifAdminStatus is up");
    assert_eq!(told.peer, IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)));
}

#[test]
fn what_an_administrator_shut_down_is_no_fault() {
    let classifier = classifier();
    let mut scratch = Scratch::default();
    let packet = interface(3, "Gi0/3", 2);
    let trap = packet.trap(LINK_DOWN);
    let told = event(classifier.classify_trap(&trap, &origin("10.0.0.1"), &mut scratch));
    assert_eq!((told.verb, told.lane), (Verb::AdminDown, Lane::Urgent));
    let raw = b"<189>%LINK-5-CHANGED: Interface Gi0/3, changed state to administratively down";
    let message = message("LINK-5-CHANGED", "", "");
    let told = event(classifier.classify_syslog(&message, raw, &origin("10.0.0.1"), &mut scratch));
    assert_eq!((told.verb, told.component), (Verb::AdminDown, "GigabitEthernet0/3"));
}

#[test]
fn an_index_alone_names_the_interface_that_the_inventory_has_there() {
    let classifier = classifier();
    let mut scratch = Scratch::default();
    let packet = Packet::default().with("1.3.6.1.2.1.2.2.1.8.7", tag::INTEGER, &[2]);
    let trap = packet.trap(LINK_DOWN);
    let told = event(classifier.classify_trap(&trap, &origin("10.0.0.1"), &mut scratch));
    assert_eq!(told.component, "TenGigabitEthernet1/1");
    let told = event(classifier.classify_trap(&trap, &origin("192.0.2.77"), &mut scratch));
    assert_eq!(
        (told.device, told.component, told.component_alias),
        ("192.0.2.77", "ifIndex=7", "")
    );
    let packet = interface(7, "to-core", 1);
    let trap = packet.trap(LINK_DOWN);
    let told = event(classifier.classify_trap(&trap, &origin("10.0.0.1"), &mut scratch));
    assert_eq!(told.component, "TenGigabitEthernet1/1");
}

#[test]
fn states_told_by_value_raise_and_clear_one_alarm() {
    let classifier = classifier();
    let mut scratch = Scratch::default();
    let bgp = Packet::default().with("1.3.6.1.2.1.15.3.1.2.10.1.2.200", tag::INTEGER, &[1]);
    for oid in ["1.3.6.1.2.1.15.0.2", "1.3.6.1.2.1.15.7.2", "1.3.6.1.2.1.15.7.0.2"] {
        let trap = bgp.trap(oid);
        let told = event(classifier.classify_trap(&trap, &origin("10.0.0.1"), &mut scratch));
        assert_eq!((told.verb, told.qualifier), (Verb::Raise, "10.1.2.200"));
        assert_eq!(told.text, "BGP session with 10.1.2.200 is lost, now idle");
    }
    let raw = b"<189>%BGP-5-ADJCHANGE: neighbor 10.1.2.200 Up ";
    let up = message("BGP-5-ADJCHANGE", "", "neighbor 10.1.2.200 Up ");
    let told = event(classifier.classify_syslog(&up, raw, &origin("10.0.0.1"), &mut scratch));
    assert_eq!(
        (told.verb, told.qualifier, told.alarm_type),
        (Verb::Clear, "10.1.2.200", "bgp-peer-down")
    );
    for (state, verb) in [(8, Verb::Clear), (1, Verb::Raise)] {
        let packet = Packet::default()
            .with("1.3.6.1.2.1.14.10.1.3.10.0.0.2.0", tag::IP_ADDRESS, &[10, 10, 20, 30])
            .with("1.3.6.1.2.1.14.10.1.6.10.0.0.2.0", tag::INTEGER, &[state]);
        let trap = packet.trap("1.3.6.1.2.1.14.16.2.2");
        let told = event(classifier.classify_trap(&trap, &origin("10.0.0.1"), &mut scratch));
        assert_eq!((told.verb, told.qualifier), (verb, "10.10.20.30"));
    }
    let low_battery = parse_oid("1.3.6.1.2.1.33.1.6.3.3").expect("a valid OID");
    let packet = Packet::default().with("1.3.6.1.2.1.33.1.6.2.1.1.4", tag::INTEGER, &[4]).with(
        "1.3.6.1.2.1.33.1.6.2.1.2.4",
        tag::OID,
        &low_battery,
    );
    for (oid, verb) in [("1.3.6.1.2.1.33.2.3", Verb::Raise), ("1.3.6.1.2.1.33.2.4", Verb::Clear)] {
        let trap = packet.trap(oid);
        let told = event(classifier.classify_trap(&trap, &origin("10.0.0.1"), &mut scratch));
        assert_eq!((told.verb, told.alarm_type), (verb, "ups-battery-low"));
    }
}

#[test]
fn unknown_and_damaged_traps_stay_visible() {
    let classifier = classifier();
    let mut scratch = Scratch::default();
    let packet = Packet::default()
        .with("1.3.6.1.2.1.1.5.0", tag::OCTET_STRING, b"pe1\x1b[2J\xff")
        .with("1.3.6.1.4.1.99999.1.0", tag::GAUGE32, &[0x81, 0]);
    let trap = packet.trap("1.3.6.1.4.1.99999.0.1");
    let told = event(classifier.classify_trap(&trap, &origin("10.0.0.1"), &mut scratch));
    assert_eq!((told.verb, told.alarm_type, told.lane), (Verb::Event, UNCLASSIFIED, Lane::Low));
    assert_eq!(
        told.text,
        "1.3.6.1.4.1.99999.0.1 sysName=pe1\\x1b[2J\\xff 1.3.6.1.4.1.99999.1.0=33024"
    );
    let mut damaged = packet.trap("");
    damaged.faults = Faults::NONE.with(Fault::TrapOidUnusable);
    let told = event(classifier.classify_trap(&damaged, &origin("10.0.0.1"), &mut scratch));
    assert_eq!(told.alarm_type, UNCLASSIFIED);
    assert!(told.faults.has(Fault::TrapOidUnusable));
    assert!(told.text.starts_with("trap without usable OID sysName="));
}

#[test]
fn a_relay_speaks_for_others_and_nobody_else_does() {
    let classifier = classifier();
    let mut scratch = Scratch::default();
    let raw = b"<187>%LINK-3-UPDOWN: Interface Gi0/3, changed state to down";
    let mut look = |host: &str, peer: &str| {
        let message = message("LINK-3-UPDOWN", host, "");
        let told = event(classifier.classify_syslog(&message, raw, &origin(peer), &mut scratch));
        (told.device.to_owned(), told.is_known, told.faults.has(Fault::OriginDisagrees))
    };
    assert_eq!(look("PE1.example.net", "10.0.0.9"), ("pe1".to_owned(), true, false));
    assert_eq!(look("cpe/77", "10.0.0.9"), ("cpe_77".to_owned(), false, false));
    assert_eq!(look("", "10.0.0.9"), ("relay".to_owned(), true, false));
    assert_eq!(look("pe1", "192.0.2.4"), ("192.0.2.4".to_owned(), false, true));
    assert_eq!(look("relay", "10.0.0.1"), ("pe1".to_owned(), true, true));
    assert_eq!(look("whoever", "10.0.0.1"), ("pe1".to_owned(), true, false));
    let packet = interface(3, "Gi0/3", 1);
    let mut trap = packet.trap(LINK_DOWN);
    trap.agent_address = Some(Ipv4Addr::new(10, 0, 0, 1));
    let told = event(classifier.classify_trap(&trap, &origin("10.0.0.9"), &mut scratch));
    assert_eq!((told.device, told.faults), ("pe1", Faults::NONE));
    trap.agent_address = Some(Ipv4Addr::new(172, 17, 0, 1));
    let told = event(classifier.classify_trap(&trap, &origin("10.0.0.1"), &mut scratch));
    assert_eq!((told.device, told.faults), ("pe1", Faults::NONE));
}

#[test]
fn lines_that_no_rule_knows_are_ignored_by_name() {
    let classifier = classifier();
    let mut scratch = Scratch::default();
    for raw in [&b"<13>hello"[..], b"", b"<", b"<999>", b"\xff\xfe\0", b"<189>%LINK-3-UPDOWN: "] {
        let message = message("", "", "hello");
        assert_eq!(
            classifier.classify_syslog(&message, raw, &origin("10.0.0.1"), &mut scratch),
            Classified::Ignored(IgnoreCause::NoRule)
        );
    }
}

#[test]
fn hostile_lengths_are_cut() {
    let classifier = classifier();
    let mut scratch = Scratch::default();
    let name = "é".repeat(40_000);
    let raw = format!("<189>%LINK-3-UPDOWN: Interface {name}, changed state to down");
    let message = message("LINK-3-UPDOWN", &name, &name);
    let peer = origin("10.0.0.9");
    let told = event(classifier.classify_syslog(&message, raw.as_bytes(), &peer, &mut scratch));
    assert!(told.device.len() <= NAME_BYTES_MAX && told.component.len() <= NAME_BYTES_MAX);
    assert!(told.text.len() <= TEXT_BYTES_MAX && told.raw.len() == RAW_BYTES_MAX);
    let mut packet = Packet::default();
    for _ in 0..64 {
        packet = packet.with("1.3.6.1.2.1.2.2.1.2.1", tag::OCTET_STRING, name.as_bytes());
    }
    for oid in [LINK_DOWN, "1.3.6.1.4.1.99999.0.1"] {
        let trap = packet.trap(oid);
        let told = event(classifier.classify_trap(&trap, &peer, &mut scratch));
        assert!(told.component.len() <= NAME_BYTES_MAX && told.text.len() <= TEXT_BYTES_MAX);
    }
}
