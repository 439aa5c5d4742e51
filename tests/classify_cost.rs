//! What classifying costs: no allocation once the scratch has grown, and some hundred nanoseconds.

#[path = "support/counting.rs"]
mod counting;

use counting::Counting;
use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use vigie::classify::{
    Classified, Classifier, Directory, Origin, RuleSource, Scratch, compile, library,
};
use vigie::model::fault::Faults;
use vigie::model::inventory::{Device, Inventory};
use vigie::model::syslog::{SyslogFormat, SyslogMessage, SyslogStamp};
use vigie::model::time::At;
use vigie::model::trap::{OidBuffer, Trap, TrapVersion, VarbindSpan, parse_oid, tag};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting(count);

/// Counts the allocations of each thread.
fn count(taken: usize, _: usize) {
    if taken > 0 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
    }
}

const LINES: [(&str, &str); 5] = [
    (
        "LINK-3-UPDOWN",
        "<187>45: Sep  1 10:00:00.123: %LINK-3-UPDOWN: Interface Gi0/1, changed state to down",
    ),
    ("BGP-5-ADJCHANGE", "<189>46: Sep  1 10:00:00: %BGP-5-ADJCHANGE: neighbor 10.0.0.2 Down Peer"),
    ("", "<30>Sep  1 10:00:00 host systemd[1]: Started nginx.service - A web server."),
    ("", "<6>Sep  1 10:00:00 host kernel: e1000e: eth0 NIC Link is Down"),
    ("", "<86>Sep  1 10:00:00 host sshd[812]: Accepted publickey for admin from 10.1.1.1 port 22"),
];

fn classifier() -> Classifier {
    let sources: Vec<RuleSource<'_>> = library::sources().collect();
    let device = Device {
        name: "pe1".to_owned(),
        addresses: vec![IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1))],
        ..Device::default()
    };
    let inventory = Inventory { devices: vec![device], ..Inventory::default() };
    let rules = compile(&sources).expect("the shipped rules compile");
    Classifier::new(Arc::new(rules), Arc::new(Directory::build(&inventory, &|_| None)), 1)
}

fn message<'a>(mnemonic: &'a str, line: &'a str) -> SyslogMessage<'a> {
    SyslogMessage {
        format: SyslogFormat::Rfc3164,
        facility: 3,
        severity: 5,
        stamp: SyslogStamp::None,
        hostname: "pe1",
        app_name: if line.contains("systemd") { "systemd" } else { "" },
        proc_id: "",
        msg_id: "",
        structured_data: "",
        mnemonic,
        message: line.rsplit_once(": ").map_or(line, |(_, text)| text),
        faults: Faults::NONE,
    }
}

/// A linkDown with ifIndex, ifDescr and ifAdminStatus.
fn link_down() -> (Vec<u8>, Vec<VarbindSpan>) {
    let varbinds: [(&str, u8, &[u8]); 3] = [
        ("1.3.6.1.2.1.2.2.1.1.3", tag::INTEGER, &[3]),
        ("1.3.6.1.2.1.2.2.1.2.3", tag::OCTET_STRING, b"GigabitEthernet0/3"),
        ("1.3.6.1.2.1.2.2.1.7.3", tag::INTEGER, &[1]),
    ];
    let mut datagram = Vec::new();
    let mut spans = Vec::new();
    for (oid, tag, value) in varbinds {
        let mut place = |bytes: &[u8]| {
            let start = u32::try_from(datagram.len()).expect("a short datagram");
            datagram.extend_from_slice(bytes);
            (start, u32::try_from(datagram.len()).expect("a short datagram"))
        };
        let (oid_start, oid_end) = place(&parse_oid(oid).expect("a valid OID"));
        let (value_start, value_end) = place(value);
        spans.push(VarbindSpan { oid_start, oid_end, value_start, value_end, tag });
    }
    (datagram, spans)
}

fn trap<'a>(datagram: &'a [u8], spans: &'a [VarbindSpan]) -> Trap<'a> {
    let mut trap_oid = OidBuffer::default();
    assert!(trap_oid.extend(&parse_oid("1.3.6.1.6.3.1.1.5.3").expect("a valid OID")));
    Trap {
        version: TrapVersion::V2c,
        is_inform: false,
        request_id: 1,
        community: b"public",
        trap_oid,
        uptime_cs: None,
        agent_address: None,
        faults: Faults::NONE,
        datagram,
        spans,
    }
}

fn is_event(classified: &Classified<'_>) -> bool {
    matches!(classified, Classified::Event(_))
}

#[test]
fn nothing_is_allocated_once_the_scratch_has_grown() {
    let classifier = classifier();
    let mut scratch = Scratch::default();
    let (datagram, spans) = link_down();
    let trap = trap(&datagram, &spans);
    let peers = [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(192, 0, 2, 1)];
    let mut pass = || {
        let mut events = 0;
        for peer in peers {
            let origin = Origin { peer: IpAddr::V4(peer), listener: 0, arrived: At::default() };
            events += u32::from(is_event(&classifier.classify_trap(&trap, &origin, &mut scratch)));
            for (mnemonic, line) in LINES {
                let message = message(mnemonic, line);
                let bytes = line.as_bytes();
                let read = classifier.classify_syslog(&message, bytes, &origin, &mut scratch);
                events += u32::from(is_event(&read));
            }
        }
        events
    };
    assert_eq!(pass(), 10, "a trap and four of the five lines, from two senders");
    let before = ALLOCATIONS.get();
    for _ in 0..100 {
        pass();
    }
    assert_eq!(ALLOCATIONS.get() - before, 0);
}
