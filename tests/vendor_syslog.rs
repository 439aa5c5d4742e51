//! Scores the shipped rules against messages that others have classed: what raises and what clears
//! must agree, the two halves of one alarm must name one alarm type, and what opens nothing there
//! must open nothing above warning here.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use vigie::classify::{
    Classified, Classifier, Directory, Origin, RuleSource, Scratch, compile, library,
};
use vigie::decode::syslog::SyslogDecoder;
use vigie::model::event::Verb;
use vigie::model::inventory::Inventory;
use vigie::model::severity::Severity;
use vigie::model::time::At;

/// What vigie made of one line.
struct Reading {
    verb: Option<Verb>,
    alarm_type: String,
    component: String,
    qualifier: String,
    severity: Severity,
}

fn classifier() -> Classifier {
    let sources: Vec<RuleSource<'_>> = library::sources().collect();
    let rules = compile(&sources).expect("the shipped rules compile");
    let directory = Directory::build(&Inventory::default(), &|_| None);
    Classifier::new(Arc::new(rules), Arc::new(directory), 1)
}

fn read(classifier: &Classifier, line: &str) -> Reading {
    let mut decoder = SyslogDecoder::default();
    let mut scratch = Scratch::default();
    let frame = format!("<189>{line}");
    let message = decoder.decode(frame.as_bytes());
    let origin = Origin {
        peer: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
        listener: 0,
        arrived: At::default(),
    };
    match classifier.classify_syslog(&message, frame.as_bytes(), &origin, &mut scratch) {
        Classified::Event(event) => Reading {
            verb: Some(event.verb),
            alarm_type: event.alarm_type.to_owned(),
            component: event.component.to_owned(),
            qualifier: event.qualifier.to_owned(),
            severity: event.severity,
        },
        Classified::Ignored(_) => Reading {
            verb: None,
            alarm_type: String::new(),
            component: String::new(),
            qualifier: String::new(),
            severity: Severity::Indeterminate,
        },
    }
}

fn corpus() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpora/vendor-syslog/noc.json");
    let text = std::fs::read_to_string(path)
        .unwrap_or_else(|error| panic!("the vendor corpus has to be at {path}: {error}"));
    serde_json::from_str(&text).expect("the corpus is a JSON list")
}

/// The actions that the corpus expects, as (verb, class).
fn expected(entry: &Value) -> Vec<(Verb, String)> {
    let actions = entry["alarm"].as_array().cloned().unwrap_or_default();
    let verb = |word: &str| match word {
        "raise" => Some(Verb::Raise),
        "clear" => Some(Verb::Clear),
        _ => None,
    };
    actions
        .iter()
        .filter_map(|action| {
            let class = action[1].as_str()?.to_owned();
            Some((verb(action[0].as_str()?)?, class))
        })
        .collect()
}

#[test]
fn the_shipped_rules_agree_with_the_vendor_corpus() {
    let classifier = classifier();
    let (mut with_alarm, mut agreed, mut misses) = (0, 0, Vec::new());
    let mut types_of_class: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for entry in corpus() {
        let line = entry["message"].as_str().expect("every entry has a message");
        let reading = read(&classifier, line);
        let wanted = expected(&entry);
        if wanted.is_empty() {
            let opens = reading.verb == Some(Verb::Raise);
            assert!(
                !opens || reading.severity <= Severity::Warning,
                "opens {} and should not: {line}",
                reading.alarm_type
            );
            continue;
        }
        with_alarm += 1;
        if wanted.iter().any(|(verb, _)| Some(*verb) == reading.verb) {
            agreed += 1;
            let main = wanted.first().map(|(_, class)| class.clone()).unwrap_or_default();
            types_of_class.entry(main).or_default().insert(reading.alarm_type);
        } else {
            misses.push(line.to_owned());
        }
    }
    assert!(
        agreed >= AGREED_FLOOR,
        "{agreed} of {with_alarm} agree, at least {AGREED_FLOOR} did before; missed:\n{}",
        misses.join("\n")
    );
    for (class, types) in types_of_class {
        assert!(types.len() == 1, "{class} has become several alarm types: {types:?}");
    }
}

/// Raise, clear, alarm type, component and qualifier of both.
type Pair = (&'static str, &'static str, &'static str, &'static str, &'static str);

/// Lines in the makers' forms that the corpus does not have.
const PAIRS: &[Pair] = &[
    (
        "Sep  2 2026 09:58:12 hw %%01IFNET/4/LINK_STATE(l)[0]:The line protocol IP on the \
         interface GigabitEthernet0/0/1 has entered the DOWN state.",
        "Sep  2 2026 09:58:19 hw %%01IFNET/4/LINK_STATE(l)[1]:The line protocol IP on the \
         interface GigabitEthernet0/0/1 has entered the UP state.",
        "interface-down",
        "GigabitEthernet0/0/1",
        "",
    ),
    (
        "Sep  2 2026 09:58:12 hw %%01IFNET/4/IF_STATE(l):CID=0x807a0402;Interface 10GE1/0/1 has \
         turned into DOWN state.",
        "Sep  2 2026 09:58:19 hw IFNET/4/IF_STATE:Interface 10GE1/0/1 has turned into UP state.",
        "interface-down",
        "10GE1/0/1",
        "",
    ),
    (
        "Sep  2 2026 09:58:12 hw %%01PHY/1/PHY(l)[11]: GigabitEthernet0/0/2: change status to down",
        "Sep  2 2026 09:58:19 hw %%01PHY/1/PHY(l)[12]: GigabitEthernet0/0/2: change status to up",
        "interface-down",
        "GigabitEthernet0/0/2",
        "",
    ),
    (
        "Sep  2 2026 09:58:12 hw %%01OSPF/3/NBR_CHG_DOWN(l)[3]:Neighbor event:neighbor state \
         changed to Down. (ProcessId=1, NeighborAddress=10.1.1.2, NeighborEvent=InactivityTimer, \
         NeighborPreviousState=Full, NeighborCurrentState=Down)",
        "Sep  2 2026 09:58:19 hw %%01OSPF/4/NBR_CHANGE_E(l)[4]:Neighbor changes event: neighbor \
         status changed. (ProcessId=1, NeighborAddress=10.1.1.2, NeighborEvent=LoadingDone, \
         NeighborPreviousState=Loading, NeighborCurrentState=Full)",
        "ospf-neighbor-down",
        "",
        "10.1.1.2",
    ),
    (
        "May 18 17:13:31 192.0.2.9 00077 ports: port 12 is now off-line",
        "May 18 17:13:35 192.0.2.9 00076 ports: port 12 is now on-line",
        "interface-down",
        "12",
        "",
    ),
    (
        "May 18 17:13:31 192.0.2.9 ports: port A3 in Trk1 is now off-line",
        "May 18 17:13:35 192.0.2.9 ports: port A3 in Trk1 is now on-line",
        "interface-down",
        "A3",
        "",
    ),
    (
        "Sep 23 10:21:40 leaf Ospf: %OSPF-4-OSPF_ADJACENCY_TEARDOWN: NGB 10.0.0.2, interface \
         10.1.1.1 adjacency dropped: inactivity timer expired",
        "Sep 23 10:21:50 leaf Ospf: %OSPF-4-OSPF_ADJACENCY_ESTABLISHED: NGB 10.0.0.2, interface \
         10.1.1.1 adjacency established",
        "ospf-neighbor-down",
        "",
        "10.0.0.2",
    ),
    (
        "Sep 23 10:21:40 leaf Bgp: %BGP-5-ADJCHANGE: peer 10.0.0.2 (VRF RED AS 65001) old state \
         Established event HoldTime new state Idle",
        "Sep 23 10:21:50 leaf Bgp: %BGP-5-ADJCHANGE: peer 10.0.0.2 (VRF RED AS 65001) old state \
         OpenConfirm event RecvKeepAlive new state Established",
        "bgp-peer-down",
        "",
        "10.0.0.2 vrf RED",
    ),
    (
        "Sep 23 10:21:40 leaf Bgp: %BGP-5-ADJCHANGE: peer 10.0.0.2 (VRF default AS 65001) old \
         state Established event HoldTime new state Idle",
        "Sep 23 10:21:50 leaf Bgp: %BGP-5-ADJCHANGE: peer 10.0.0.2 (VRF default AS 65001) old \
         state OpenConfirm event RecvKeepAlive new state Established",
        "bgp-peer-down",
        "",
        "10.0.0.2",
    ),
    (
        "interface,info ether1 link down",
        "interface,info ether1 link up (speed 1G, full duplex)",
        "interface-down",
        "ether1",
        "",
    ),
    (
        "date=2026-09-23 time=10:21:40 devname=\"fg\" logid=\"0100020099\" type=\"event\" \
         subtype=\"system\" logdesc=\"Interface status changed\" action=\"interface-stat-change\" \
         status=\"DOWN\" msg=\"Link monitor: Interface port11 was turned down\"",
        "date=2026-09-23 time=10:21:50 devname=\"fg\" logid=\"0100020099\" type=\"event\" \
         subtype=\"system\" logdesc=\"Interface status changed\" action=\"interface-stat-change\" \
         status=\"UP\" msg=\"Link monitor: Interface port11 was turned up\"",
        "interface-down",
        "port11",
        "",
    ),
    (
        "Sep 23 10:21:40 fw 1,2026/09/23 10:21:40,0123,SYSTEM,port,0,2026/09/23 10:21:40,,\
         link-change,ethernet1/1,0,0,general,informational,\"Port ethernet1/1: Down  1Gb/s\"",
        "Sep 23 10:21:50 fw 1,2026/09/23 10:21:50,0123,SYSTEM,port,0,2026/09/23 10:21:50,,\
         link-change,ethernet1/1,0,0,general,informational,\"Port ethernet1/1: Up  1Gb/s\"",
        "interface-down",
        "Ethernet1/1",
        "",
    ),
    (
        "Sep 23 10:21:40 fw 1,2026/09/23 10:21:40,0123,SYSTEM,routing,0,2026/09/23 10:21:40,,\
         routed-BGP-peer-left-established,ISP-1,0,0,routed,high,\"BGP peer session left \
         established state. peer name: ISP-1, peer IP: 192.0.2.1.\"",
        "Sep 23 10:21:50 fw 1,2026/09/23 10:21:50,0123,SYSTEM,routing,0,2026/09/23 10:21:50,,\
         routed-BGP-peer-enter-established,ISP-1,0,0,routed,informational,\"BGP peer session \
         enters established state. peer name: ISP-1, peer IP: 192.0.2.1.\"",
        "bgp-peer-down",
        "",
        "192.0.2.1",
    ),
    (
        "2026-09-23T10:21:40Z sw hpe-intfd[812]: Event|403|LOG_INFO|UKWN|1|Link status for \
         interface 1/1/2 is down",
        "2026-09-23T10:21:50Z sw hpe-intfd[812]: Event|404|LOG_INFO|UKWN|1|Link status for \
         interface 1/1/2 is up",
        "interface-down",
        "1/1/2",
        "",
    ),
    (
        "1 2026-09-23T10:21:40.616888+00:00 OS10 dn_ifm 669 - - Node.1-Unit.1:PRI [event], Dell \
         EMC (OS10) %IFM_OSTATE_DN: Interface operational state is down :ethernet1/1/12",
        "1 2026-09-23T10:21:50.591467+00:00 OS10 dn_ifm 669 - - Node.1-Unit.1:PRI [event], Dell \
         EMC (OS10) %IFM_OSTATE_UP: Interface operational state is up :ethernet1/1/12",
        "interface-down",
        "Ethernet1/1/12",
        "",
    ),
    (
        "Sep 23 10:22:00 x460 <Info:vlan.msgs.portLinkStateDown> Port 1:5 link down",
        "Sep 23 10:22:30 x460 <Info:vlan.msgs.portLinkStateUp> Port 1:5 link UP at speed 1 Gbps \
         and full-duplex",
        "interface-down",
        "1:5",
        "",
    ),
    (
        "Sep 23 10:21:40 192.0.2.7 pe1: 1021 Base SNMP-WARNING-linkDown-2004 [1/1/1]:  Interface \
         1/1/1 is not operational",
        "Sep 23 10:21:50 192.0.2.7 pe1: 1022 Base SNMP-WARNING-linkUp-2005 [1/1/1]:  Interface \
         1/1/1 is operational",
        "interface-down",
        "1/1/1",
        "",
    ),
    (
        "Sep 23 10:21:40 192.0.2.7 pe1: 1021 Base BGP-WARNING-bgpBackwardTransition-2002 [Peer 1: \
         10.0.0.2]:  VR 1: Group G: Peer 10.0.0.2: moved from higher state ESTABLISHED to lower \
         state IDLE due to event TCP SOCKET ERROR",
        "Sep 23 10:21:50 192.0.2.7 pe1: 1022 Base BGP-MINOR-bgpEstablished-2001 [Peer 1: \
         10.0.0.2]: VR 1: Group G: Peer 10.0.0.2: moved into established state",
        "bgp-peer-down",
        "",
        "10.0.0.2",
    ),
    (
        "Jan 11 18:39:00 srl sr_bgp_mgr: bgp|1894|1965|00071|W: In network-instance red, the BGP \
         session with VR red (3): Group g: Peer 10.1.2.5 moved from higher state ESTABLISHED to \
         lower state IDLE due to event TCP SOCKET ERROR",
        "Jan 11 18:39:09 srl sr_bgp_mgr: bgp|1894|1965|00073|N: In network-instance red, the BGP \
         session with VR red (3): Group g: Peer 10.1.2.5 moved into the ESTABLISHED state",
        "bgp-peer-down",
        "",
        "10.1.2.5 vrf red",
    ),
];

#[test]
fn both_halves_of_an_alarm_have_one_identity_in_the_forms_of_other_makers() {
    let classifier = classifier();
    let mut wrong = Vec::new();
    for (raise, clear, alarm_type, component, qualifier) in PAIRS {
        for (line, verb) in [(raise, Verb::Raise), (clear, Verb::Clear)] {
            let Reading { verb: told, alarm_type: kind, component: part, qualifier: of, .. } =
                read(&classifier, line);
            let found = (told, kind.as_str(), part.as_str(), of.as_str());
            if found != (Some(verb), *alarm_type, *component, *qualifier) {
                wrong.push(format!("{found:?} of {line}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Lines of the corpus with an alarm on which the rules have been seen to agree.
const AGREED_FLOOR: usize = 149;
