//! Settings in slices: however small the slices, whatever is said between them, what is in force
//! at the end is what the inventory says, and every state follows from it and from the alarms.

use crate::correlate::changes::Changes;
use crate::correlate::correlator::Correlator;
use crate::correlate::resource::Slot;
use crate::correlate::tests::{alarm_type, at, event};
use crate::correlate::topology::Node;
use crate::model::alarm_type::ResourceEffect;
use crate::model::event::{Event, Verb};
use crate::model::inventory::{Component, Dependency, Device, Inventory, Service};
use crate::model::settings::Settings;
use proptest::prelude::*;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

const DEVICES: usize = 6;

fn address(device: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, u8::try_from(device).expect("few")))
}

/// What one inventory says of a device.
#[derive(Clone, Debug)]
struct Said {
    is_there: bool,
    has_address: bool,
    needs: Vec<usize>,
    is_redundant: bool,
    peer: Option<usize>,
    has_port: bool,
}

fn said() -> impl Strategy<Value = Said> {
    let needs = proptest::collection::vec(0..DEVICES, 0..3);
    let peer = proptest::option::of(0..DEVICES);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (needs, peer, flags).prop_map(|(needs, peer, flags)| Said {
        is_there: flags.0,
        has_address: flags.1,
        needs,
        is_redundant: flags.2,
        peer,
        has_port: flags.3,
    })
}

fn settings(said: &[Said], effect: ResourceEffect) -> Settings {
    let name = |device: usize| format!("d{device}");
    let mut inventory = Inventory::default();
    for (number, said) in said.iter().enumerate().filter(|(_, said)| said.is_there) {
        // Downwards only: no cycles.
        let needs: Vec<String> =
            said.needs.iter().filter(|need| **need < number).map(|need| name(*need)).collect();
        let needed = if said.is_redundant { 1 } else { needs.len() };
        let needed = u32::try_from(needed).expect("few");
        let need = Dependency { any_of: needs, needed };
        let depends_on = if need.any_of.is_empty() { Vec::new() } else { vec![need] };
        inventory.services.push(Service {
            name: format!("s{number}"),
            depends_on: vec![Dependency { any_of: vec![name(number)], needed: 1 }],
            ..Service::default()
        });
        inventory.devices.push(Device {
            name: name(number),
            addresses: said.has_address.then(|| address(number)).into_iter().collect(),
            depends_on,
            components: said
                .has_port
                .then(|| Component {
                    name: "port".to_owned(),
                    if_index: Some(1),
                    peer: said.peer.map(|peer| format!("d{peer}/port")),
                    ..Component::default()
                })
                .into_iter()
                .collect(),
            ..Device::default()
        });
    }
    Settings { alarm_types: vec![alarm_type(effect)], inventory, ..Settings::default() }
}

/// A message between two slices.
#[derive(Clone, Debug)]
struct Message {
    is_raise: bool,
    device: usize,
    by_address: bool,
    component: &'static str,
    about: Option<usize>,
}

fn message() -> impl Strategy<Value = Message> {
    let component = prop::sample::select(vec!["", "port", "ifIndex=1"]);
    (any::<bool>(), 0..DEVICES, any::<bool>(), component, proptest::option::of(0..DEVICES))
        .prop_map(|(is_raise, device, by_address, component, about)| Message {
            is_raise,
            device,
            by_address,
            component,
            about,
        })
}

fn hear(correlator: &mut Correlator, position: u64, message: &Message, changes: &mut Changes) {
    let peer = address(message.device);
    let device = if message.by_address { peer.to_string() } else { format!("d{}", message.device) };
    let qualifier = message.about.map(|about| address(about).to_string()).unwrap_or_default();
    let verb = if message.is_raise { Verb::Raise } else { Verb::Clear };
    let event = Event {
        peer,
        is_known: !message.by_address,
        component: message.component,
        qualifier: &qualifier,
        ..event(verb, 100 + position, &device)
    };
    correlator.event(event.arrived, position, &event, changes);
}

/// Brings settings into force, `units` at a time; between two slices one message each.
fn renew(correlator: &mut Correlator, settings: &Settings, units: usize, messages: &[Message]) {
    let mut changes = Changes::default();
    correlator.slice_units = units;
    let mut messages = (1_000..).zip(messages);
    correlator.begin_renewal(at(100), &Arc::new(settings.clone()), &mut changes);
    while correlator.renew(at(100), &mut changes).is_none() {
        if let Some((position, message)) = messages.next() {
            hear(correlator, position, message, &mut changes);
        }
        // As after a restart from a snapshot.
        let bytes = postcard::to_stdvec(correlator).expect("it can be written");
        *correlator = postcard::from_bytes(&bytes).expect("it can be read");
        correlator.rebuild();
        correlator.slice_units = units;
    }
    for (position, message) in messages {
        hear(correlator, position, message, &mut changes);
    }
    while correlator.unsettled_since().is_some() {
        correlator.settle_states(units, &mut changes);
    }
}

/// Needs of a resource, each with how many of its members must work; and the end of its link.
type Place = (Vec<(Vec<SmolStr>, u32)>, Option<SmolStr>);

/// The graph by names.
fn graph(correlator: &Correlator) -> BTreeMap<SmolStr, Place> {
    let name = |slot: Slot| correlator.resources.get(slot).name();
    let of_node = |node: &Node| {
        let group = |members: &[Slot]| members.iter().map(|slot| name(*slot)).collect();
        let needs = node.needs.iter().map(|need| (group(&need.members), need.needed)).collect();
        (needs, node.peer.map(name))
    };
    let known = correlator.resources.slots().filter(|slot| {
        let resource = correlator.resources.get(*slot);
        resource.is_known && resource.is_now.is_none()
    });
    known.filter_map(|slot| Some((name(slot), of_node(correlator.topology.get(slot)?)))).collect()
}

/// Everything that must follow from alarms and inventory follows from them.
fn holds(correlator: &Correlator) {
    let mut told: BTreeMap<Slot, BTreeSet<u32>> = BTreeMap::new();
    let mut down: BTreeMap<Slot, u32> = BTreeMap::new();
    for (slot, alarm) in correlator.alarms.iter().filter(|(_, alarm)| alarm.is_active()) {
        if let Some(device) = correlator.neighbour_of(alarm) {
            told.entry(device).or_default().insert(slot);
        }
        if correlator.types.get(alarm.alarm_type).effect == ResourceEffect::Down {
            *down.entry(alarm.resource).or_default() += 1;
        }
    }
    let known: BTreeMap<Slot, BTreeSet<u32>> =
        correlator.by_neighbour.clone().into_iter().filter(|(_, told)| !told.is_empty()).collect();
    assert_eq!(known, told);
    for slot in correlator.resources.slots() {
        let resource = correlator.resources.get(slot);
        // What is another resource now, nothing finds.
        let node = correlator.topology.get(slot).filter(|_| resource.is_now.is_none());
        let (name, Some(node)) = (resource.name(), node) else { continue };
        assert_eq!(node.down_alarms, down.get(&slot).copied().unwrap_or(0), "{name}");
        assert_eq!(node.state, correlator.topology.state_without(slot, None), "{name}");
        assert!(node.dependents.is_sorted_by(|one, other| one < other), "{name}");
        for dependent in &node.dependents {
            let needs = &correlator.topology.get(*dependent).expect("it has needs").needs;
            assert!(needs.iter().any(|need| need.members.contains(&slot)), "{name}");
        }
        for member in node.needs.iter().flat_map(|need| &need.members) {
            let member = correlator.topology.get(*member).expect("it is needed");
            assert!(member.dependents.contains(&slot), "{name}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 128,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_size_of_the_slices_does_not_matter_nor_what_is_said_between_them(
        before in proptest::collection::vec(said(), DEVICES),
        after in proptest::collection::vec(said(), DEVICES),
        is_harmless in any::<bool>(),
        first in proptest::collection::vec(message(), 0..12),
        meanwhile in proptest::collection::vec(message(), 0..12),
        units in 1_usize..6,
        is_overtaken in any::<bool>(),
    ) {
        let effect = if is_harmless { ResourceEffect::None } else { ResourceEffect::Down };
        let (old, new) = (settings(&before, ResourceEffect::Down), settings(&after, effect));
        let mut correlator = Correlator::new(1);
        renew(&mut correlator, &old, usize::MAX, &first);
        holds(&correlator);
        if is_overtaken {
            // Settings that are not through when others come.
            correlator.slice_units = units * 3;
            let other = settings(&before, ResourceEffect::None);
            correlator.begin_renewal(at(99), &Arc::new(other), &mut Changes::default());
            for _ in 0..units {
                correlator.renew(at(99), &mut Changes::default());
            }
        }
        renew(&mut correlator, &new, units, &meanwhile);
        holds(&correlator);
        let mut fresh = Correlator::new(1);
        renew(&mut fresh, &new, usize::MAX, &[]);
        prop_assert_eq!(graph(&correlator), graph(&fresh));
    }
}

#[test]
fn what_is_heard_while_settings_come_counts_from_when_it_was_heard() {
    let there = Said {
        is_there: true,
        has_address: true,
        needs: Vec::new(),
        is_redundant: false,
        peer: None,
        has_port: false,
    };
    let inventory: Vec<Said> = vec![there; DEVICES];
    let mut correlator = Correlator::new(1);
    let settings = settings(&inventory, ResourceEffect::Down);
    renew(&mut correlator, &settings, usize::MAX, &[]);
    let fault =
        Message { is_raise: true, device: 3, by_address: false, component: "", about: None };
    renew(&mut correlator, &settings, 1, &[fault]);
    let service = correlator.service_slot("s3").expect("it is known");
    let since = correlator.service_since.get(&service).expect("it went down");
    assert_eq!(since.left_up_at.map(|left| left.wall), Some(at(100 + 1_000).wall));
}
