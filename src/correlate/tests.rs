//! Grouping where a story is too coarse: what is forgotten, what is counted anew, ties.

use crate::correlate::alarm_table::AlarmSlot;
use crate::correlate::changes::Changes;
use crate::correlate::correlator::Correlator;
use crate::correlate::incident::{Incident, Status};
use crate::correlate::topology::NodeState;
use crate::model::alarm_type::{AlarmType, EventType, ResourceEffect};
use crate::model::event::{Channel, Event, Lane, Verb};
use crate::model::inventory::{Dependency, Device, Inventory, Service};
use crate::model::limits::{MORE_SENDERS, RESOURCES_MAX};
use crate::model::settings::Settings;
use crate::model::severity::Severity;
use crate::model::time::{At, EngineTime, Timestamp, seconds_ns};
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

pub(super) fn at(seconds: u64) -> At {
    let wall = Timestamp(i64::try_from(seconds_ns(seconds)).expect("a short test"));
    At { engine: EngineTime(seconds_ns(seconds)), wall }
}

pub(super) fn alarm_type(effect: ResourceEffect) -> AlarmType {
    AlarmType {
        id: "fault".into(),
        title: String::new(),
        event_type: EventType::Other,
        probable_cause: "".into(),
        severity: Severity::Major,
        effect,
        persistence_ms: 0,
        will_clear: true,
        expires_after_ms: 0,
    }
}

/// `low` stands on `left` and on `right`, each of which it needs.
fn settings(effect: ResourceEffect) -> Settings {
    let need = |name: &str| Dependency { any_of: vec![name.to_owned()], needed: 1 };
    let device =
        |name: &str, depends_on| Device { name: name.to_owned(), depends_on, ..Device::default() };
    let devices = vec![
        device("left", Vec::new()),
        device("right", Vec::new()),
        device("low", vec![need("left"), need("right")]),
    ];
    Settings {
        alarm_types: vec![alarm_type(effect)],
        inventory: Inventory { devices, ..Inventory::default() },
        ..Settings::default()
    }
}

fn correlator() -> Correlator {
    let mut correlator = Correlator::new(1);
    let settings = settings(ResourceEffect::Down);
    renew(&mut correlator, at(0), settings);
    correlator
}

/// Brings settings into force, all the way.
fn renew(correlator: &mut Correlator, at: At, settings: Settings) -> Changes {
    let mut changes = Changes::default();
    correlator.begin_renewal(at, &Arc::new(settings), &mut changes);
    while correlator.renew(at, &mut changes).is_none() {}
    changes
}

pub(super) fn event(verb: Verb, seconds: u64, device: &str) -> Event<'_> {
    Event {
        severity: Severity::Major,
        lane: Lane::Urgent,
        epoch: 1,
        peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
        is_known: true,
        device,
        alarm_type: "fault",
        rule: "r",
        ..Event::new(verb, Channel::Trap, at(seconds))
    }
}

/// Applies an event after everything that was due until then.
fn apply(correlator: &mut Correlator, position: u64, event: &Event<'_>) -> Changes {
    let mut changes = Changes::default();
    pass(correlator, event.arrived);
    correlator.event(event.arrived, position, event, &mut changes);
    changes
}

fn pass(correlator: &mut Correlator, until: At) {
    while let Some((due, deadline)) = correlator.timers.pop_due(until.engine) {
        let mut changes = Changes::default();
        let now = At { engine: due, wall: Timestamp(i64::try_from(due.0).expect("short")) };
        correlator.fire(now, due, deadline, &mut changes);
        // No ticket is open here: what is restored closes.
        for id in changes.incidents.keys() {
            if correlator.incidents.get(id).is_some_and(|one| one.status() == Status::Restored) {
                correlator.close_incident(now, *id, &mut Changes::default());
            }
        }
    }
}

/// The alarm that the event only repeats.
fn repeat_of(correlator: &Correlator, event: &Event<'_>) -> Option<AlarmSlot> {
    correlator.repeat_of(event, correlator.hash_of(event.identity()))
}

#[test]
fn of_two_causes_the_one_named_first_is_the_root_whichever_was_heard_first() {
    for order in [["left", "right"], ["right", "left"]] {
        let mut correlator = correlator();
        for (position, device) in (1..).zip(order) {
            apply(&mut correlator, position, &event(Verb::Raise, position, device));
        }
        apply(&mut correlator, 3, &event(Verb::Raise, 3, "low"));
        let left = correlator.resources.find(&correlator.hasher, "left", "").expect("known");
        let joined = correlator
            .incidents
            .values()
            .find(|incident| incident.alarms.len() == 2)
            .expect("low joined one of them");
        assert_eq!(joined.root, left, "{order:?}");
    }
}

#[test]
fn an_incident_that_is_over_and_forgotten_takes_no_alarm_along() {
    let mut correlator = correlator();
    apply(&mut correlator, 1, &event(Verb::Raise, 1, "left"));
    apply(&mut correlator, 2, &event(Verb::Clear, 60, "left"));
    // Before the alarm is forgotten, after the incident was closed: another incident.
    let changes = apply(&mut correlator, 3, &event(Verb::Raise, 1_000, "left"));
    assert_eq!(changes.incidents.keys().copied().collect::<Vec<_>>(), [3]);
    assert_eq!(correlator.incidents.get(&1).map(Incident::status), Some(Status::Closed));
    // The first is forgotten, the alarm stays with the second.
    pass(&mut correlator, at(20_000));
    assert!(!correlator.incidents.contains_key(&1));
    assert_eq!(correlator.incidents.get(&3).map(Incident::active_count), Some(1));
    let (_, alarm) = correlator.alarms.iter().next().expect("it is active");
    assert_eq!(alarm.incident, Some(3));
}

#[test]
fn everything_that_is_clear_is_forgotten_with_its_deadlines() {
    let mut correlator = correlator();
    for (position, device) in (1..).zip(["low", "left", "right"]) {
        apply(&mut correlator, position, &event(Verb::Raise, position, device));
    }
    assert_eq!(correlator.incidents.values().filter(|one| one.is_live()).count(), 2);
    for (position, device) in (10..).zip(["low", "left", "right"]) {
        apply(&mut correlator, position, &event(Verb::Clear, 100 + position, device));
    }
    pass(&mut correlator, at(100_000));
    assert!(correlator.alarms.is_empty());
    assert!(correlator.incidents.is_empty());
    assert!(correlator.timers.is_empty());
}

#[test]
fn what_active_alarms_mean_is_counted_anew_when_their_type_changes() {
    let mut correlator = correlator();
    apply(&mut correlator, 1, &event(Verb::Raise, 1, "left"));
    let low = correlator.resources.find(&correlator.hasher, "low", "").expect("known");
    assert_eq!(correlator.topology.state(low), NodeState::Down);
    let harmless = settings(ResourceEffect::None);
    renew(&mut correlator, at(2), harmless);
    assert_eq!(correlator.topology.state(low), NodeState::Up);
    apply(&mut correlator, 2, &event(Verb::Clear, 3, "left"));
    let again = settings(ResourceEffect::Down);
    renew(&mut correlator, at(4), again);
    assert_eq!(correlator.topology.state(low), NodeState::Up);
}

#[test]
fn a_device_that_is_heard_only_through_repeats_is_not_silent() {
    let mut correlator = correlator();
    apply(&mut correlator, 1, &event(Verb::Raise, 1, "left"));
    let slot = repeat_of(&correlator, &event(Verb::Raise, 5, "left")).expect("a repeat");
    correlator.repeat(slot, at(5), 0, &mut Changes::default());
    let left = correlator.resources.find(&correlator.hasher, "left", "").expect("known");
    assert_eq!(correlator.resources.last_heard(left), at(5).engine);
}

#[test]
fn nothing_is_a_repeat_while_an_administrator_holds_the_resource_down() {
    let mut correlator = correlator();
    apply(&mut correlator, 1, &event(Verb::Clear, 1, "left"));
    assert!(repeat_of(&correlator, &event(Verb::Clear, 2, "left")).is_some());
    apply(&mut correlator, 2, &event(Verb::AdminDown, 3, "left"));
    assert!(repeat_of(&correlator, &event(Verb::Clear, 4, "left")).is_none());
    apply(&mut correlator, 3, &event(Verb::Clear, 4, "left"));
    apply(&mut correlator, 4, &event(Verb::Raise, 5, "left"));
    assert_eq!(correlator.incidents.len(), 1, "back in service, then a fault");
}

#[test]
fn invented_names_beyond_the_bound_share_one_resource() {
    let mut correlator = correlator();
    for number in correlator.resources.len()..RESOURCES_MAX {
        correlator.resources.find_or_add(&correlator.hasher, &format!("d{number}"), "");
    }
    apply(&mut correlator, 1, &event(Verb::Raise, 1, "invented-1"));
    apply(&mut correlator, 2, &event(Verb::Raise, 2, "invented-2"));
    assert_eq!(correlator.resources.len(), RESOURCES_MAX + 1);
    let shared = correlator.resources.find(&correlator.hasher, MORE_SENDERS, "").expect("made");
    assert_eq!(correlator.resources.get(shared).active.len(), 1, "one alarm, raised twice");
}

#[test]
fn alarms_beyond_the_bound_are_counted_and_those_held_go_on() {
    let mut correlator = correlator();
    correlator.alarms_max = 2;
    for (position, device) in (1..).zip(["left", "right", "low"]) {
        apply(&mut correlator, position, &event(Verb::Raise, position, device));
    }
    assert_eq!((correlator.alarms.len(), correlator.alarms_refused), (2, 1));
    apply(&mut correlator, 4, &event(Verb::Clear, 4, "left"));
    assert_eq!(correlator.alarms.active_count(Severity::Major), 1, "what is held is cleared");
    let own = Event { channel: Channel::Internal, ..event(Verb::Raise, 5, "vigie") };
    apply(&mut correlator, 5, &own);
    assert_eq!((correlator.alarms.len(), correlator.alarms_refused), (3, 1));
    pass(&mut correlator, at(10_000));
    apply(&mut correlator, 6, &event(Verb::Raise, 10_001, "low"));
    assert_eq!(correlator.alarms_refused, 2, "two are still active");
    apply(&mut correlator, 7, &event(Verb::Clear, 10_002, "right"));
    pass(&mut correlator, at(20_000));
    apply(&mut correlator, 8, &event(Verb::Raise, 20_001, "low"));
    assert_eq!((correlator.alarms.len(), correlator.alarms_refused), (2, 2), "there is room");
}

#[test]
fn what_is_said_of_an_index_is_told_of_the_interface() {
    let mut correlator = correlator();
    let named =
        Event { component: "Gi0/7", component_alias: "ifIndex=7", ..event(Verb::Raise, 1, "left") };
    apply(&mut correlator, 1, &Event { verb: Verb::Raise, text: "Gi0/7 is down", ..named });
    let by_index = Event { component: "ifIndex=7", component_alias: "", ..named };
    let text = "Interface ifIndex=7 is up, not ifIndex=77";
    let cleared = Event { verb: Verb::Clear, text, arrived: at(9), ..by_index };
    apply(&mut correlator, 2, &cleared);
    let texts: Vec<&str> = correlator.alarms.iter().map(|(_, alarm)| &*alarm.text).collect();
    assert_eq!(texts, ["Interface Gi0/7 is up, not ifIndex=77"]);
}

#[test]
fn what_is_down_without_an_alarm_costs_a_search_too() {
    let need = Dependency { any_of: vec!["core".to_owned()], needed: 1 };
    let below = (0..2_000).map(|number| Device {
        name: format!("d{number}"),
        depends_on: vec![need.clone()],
        ..Device::default()
    });
    let core = Device { name: "core".to_owned(), ..Device::default() };
    let mut correlator = Correlator::new(1);
    let settings = Settings {
        alarm_types: vec![alarm_type(ResourceEffect::Down)],
        inventory: Inventory { devices: below.chain([core]).collect(), ..Inventory::default() },
        ..Settings::default()
    };
    renew(&mut correlator, at(0), settings);
    apply(&mut correlator, 1, &event(Verb::Raise, 1, "core"));
    let mut pieces = 1;
    while correlator.spread.waits_since() == Some(at(1).engine) {
        correlator.spread_further(at(1), &mut Changes::default());
        pieces += 1;
    }
    assert!((4..8).contains(&pieces), "{pieces} pieces");
    assert_eq!(correlator.spread.waits_since(), None);
}

proptest! {
    /// While states stand still messages wait their turn, and each counts from when it was
    /// received: services have the times that they would have had at once.
    #[test]
    fn what_waits_is_told_with_its_own_time(
        said in proptest::collection::vec((0..2_usize, 0..2_usize, any::<bool>()), 1..12),
        held_from in 0..12_usize,
        units in 1..9_usize,
    ) {
        let need = |names: &[&str]| Dependency {
            any_of: names.iter().map(|name| (*name).to_owned()).collect(),
            needed: 1,
        };
        let service = |name: &str, depends_on| Service {
            name: name.to_owned(),
            depends_on: vec![depends_on],
            ..Service::default()
        };
        let mut settings = settings(ResourceEffect::Down);
        let either = service("either", need(&["left", "right"]));
        settings.inventory.services = vec![either, service("one", need(&["left"]))];
        let times = |is_held: bool| {
            let mut correlator = Correlator::new(1);
            renew(&mut correlator, at(0), settings.clone());
            let mut changes = Changes::default();
            for (number, (device, qualifier, is_raise)) in said.iter().enumerate() {
                let second = 100 + u64::try_from(number).expect("few");
                correlator.now = at(second).engine;
                if is_held && number == held_from {
                    correlator.hold_states();
                    correlator.slice_units = units;
                }
                let verb = if *is_raise { Verb::Raise } else { Verb::Clear };
                let device = ["left", "right"][*device];
                let event =
                    Event { qualifier: ["a", "b"][*qualifier], ..event(verb, second, device) };
                correlator.event(event.arrived, second, &event, &mut changes);
            }
            correlator.now = at(1_000).engine;
            while correlator.unsettled_since().is_some() {
                correlator.settle_states(usize::MAX, &mut changes);
            }
            ["either", "one"].map(|name| {
                let slot = correlator.service_slot(name).expect("the inventory names it");
                let since = correlator.service_since.get(&slot).copied();
                (correlator.topology.state(slot), format!("{since:?}"))
            })
        };
        prop_assert_eq!(times(true), times(false));
    }
}
