//! What holds for every story, not only for those told in `tests/scenarios/`: generated places,
//! generated messages, in any order.

#[path = "scenarios/message.rs"]
mod message;
#[path = "scenarios/run.rs"]
mod run;

use message::Message;
use proptest::prelude::*;
use run::{Given, Run};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use vigie::engine::effect::{Effect, IncidentImage, IncidentStatus, TicketImage, TicketState};
use vigie::engine::input::{Action, Command};
use vigie::model::alarm_type::{AlarmType, EventType, ResourceEffect};
use vigie::model::contract::Contract;
use vigie::model::event::{Channel, Verb};
use vigie::model::inventory::{Component, Dependency, Device, Inventory, Service};
use vigie::model::settings::Settings;
use vigie::model::severity::Severity;
use vigie::model::threshold::{Band, Cut, Extent, ThresholdRule};
use vigie::model::time::At;

const SECOND_NS: u64 = 1_000_000_000;
const DAY_NS: u64 = 86_400 * SECOND_NS;
/// Ports of every generated device.
const PORTS: usize = 2;
const TYPES: [(&str, Severity, ResourceEffect, u64); 4] = [
    ("down", Severity::Critical, ResourceEffect::Down, 0),
    ("slow", Severity::Major, ResourceEffect::Degraded, 0),
    ("noted", Severity::Minor, ResourceEffect::None, 0),
    ("passing", Severity::Warning, ResourceEffect::None, 600_000),
];

fn alarm_types() -> Vec<AlarmType> {
    let mut types: Vec<AlarmType> = TYPES
        .into_iter()
        .map(|(id, severity, effect, expires_after_ms)| AlarmType {
            id: id.into(),
            title: String::new(),
            event_type: EventType::Other,
            probable_cause: "".into(),
            severity,
            effect,
            persistence_ms: 0,
            will_clear: expires_after_ms == 0,
            expires_after_ms,
        })
        .collect();
    types.sort_by(|one, other| one.id.cmp(&other.id));
    types
}

/// A rule for each of the first two alarm types: bands with hysteresis that have to last, and one
/// that asks for two samples and misses its series.
fn thresholds() -> Vec<ThresholdRule> {
    let band = |severity, raise, clear, for_ms, samples| Band {
        severity,
        extent: Extent::Above {
            raise: Cut::above(raise).expect("finite"),
            clear: Cut::below(clear).expect("finite"),
        },
        for_ms,
        samples,
    };
    let rule = |kind: usize, bands, absent: &str| ThresholdRule {
        name: format!("t{kind}"),
        alarm_type: TYPES[kind].0.to_owned(),
        bands,
        absent_alarm_type: absent.to_owned(),
        absent_severity: Severity::Minor,
    };
    vec![
        rule(0, vec![band(Severity::Critical, 70.0, 40.0, 0, 2)], "noted"),
        rule(
            1,
            vec![
                band(Severity::Minor, 40.0, 30.0, 20_000, 1),
                band(Severity::Major, 70.0, 60.0, 2_000, 1),
            ],
            "",
        ),
    ]
}

/// Values of samples: one in every zone.
const VALUES: [f64; 6] = [90.0, 65.0, 50.0, 35.0, 10.0, f64::NAN];

fn name(device: usize) -> String {
    format!("d{device}")
}

/// A place of devices, each standing on earlier ones; `needs[d]` lists on which, and how many of
/// them must work. Port `p0` of a device is linked to port `p1` of the one before.
fn place(needs: &[(Vec<usize>, bool)], has_links: bool) -> Arc<Settings> {
    let mut inventory = Inventory::default();
    for (number, (below, is_redundant)) in needs.iter().enumerate() {
        let any_of: Vec<String> = below.iter().map(|device| name(*device)).collect();
        let needed = if *is_redundant { 1 } else { u32::try_from(any_of.len()).expect("few") };
        let components = (0..PORTS)
            .map(|port| Component {
                name: format!("p{port}"),
                peer: (has_links && port == 0 && number > 0)
                    .then(|| format!("{}/p1", name(number - 1))),
                ..Component::default()
            })
            .collect();
        inventory.devices.push(Device {
            name: name(number),
            depends_on: if any_of.is_empty() {
                Vec::new()
            } else {
                vec![Dependency { any_of, needed }]
            },
            components,
            ..Device::default()
        });
        inventory.services.push(Service {
            name: format!("s{number}"),
            contract: format!("C-{}", number % 3),
            depends_on: vec![Dependency { any_of: vec![name(number)], needed: 1 }],
            ..Service::default()
        });
    }
    // Some devices carry nothing of a contract.
    inventory.services.truncate(needs.len().div_ceil(2));
    Arc::new(Settings {
        alarm_types: alarm_types(),
        thresholds: thresholds(),
        inventory,
        contracts: (0..3).map(|one| Contract::new(&format!("C-{one}"), "Customer", 60)).collect(),
        ..Settings::default()
    })
}

fn needs(devices: usize) -> impl Strategy<Value = Vec<(Vec<usize>, bool)>> {
    let one = |number: usize| {
        let below = proptest::collection::btree_set(0..number.max(1), 0..=number.min(2));
        (below, any::<bool>()).prop_map(move |(below, is_redundant)| {
            let below = below.into_iter().filter(|device| *device < number).collect();
            (below, is_redundant)
        })
    };
    (0..devices).map(one).collect::<Vec<_>>()
}

fn slices() -> impl Strategy<Value = Slices> {
    let small = (1_usize..12, prop_oneof![0_usize..4, Just(usize::MAX)]);
    let small = small.prop_map(|(units, between_messages)| Slices { units, between_messages });
    prop_oneof![Just(AT_ONCE), small]
}

/// By which names a message calls a port.
#[derive(Clone, Copy, Debug, Default)]
enum Called {
    #[default]
    Name,
    Index,
    Both,
}

/// Qualifiers of what is said of a whole device.
const SESSIONS: [&str; 4] = ["", "10.0.0.1", "10.0.0.1 vrf A", "10.0.0.1 vrf B"];

/// One generated thing that happens: after how long, where, what.
#[derive(Clone, Debug, Default)]
struct Turn {
    wait_ms: u64,
    device: usize,
    port: Option<usize>,
    kind: usize,
    verb: u8,
    is_syslog: bool,
    late_ms: u64,
    called: Called,
    session: usize,
    /// Of a sample.
    value: usize,
    /// Messages of one sender say since when it is up, some later than they were sent.
    sent_ms: Option<u64>,
}

fn turn(devices: usize) -> impl Strategy<Value = Turn> {
    let wait_ms = prop_oneof![0_u64..40, 500_u64..5_000, 5_000_u64..30_000, 100_000_u64..400_000];
    let late_ms = prop_oneof![4 => Just(0_u64), 1 => 1_u64..60, 1 => 60_u64..3_000];
    // One port more than the inventory names.
    let port = prop_oneof![Just(None), (0..=PORTS).prop_map(Some)];
    let called =
        prop_oneof![4 => Just(Called::Name), 1 => Just(Called::Index), 1 => Just(Called::Both)];
    let session = prop_oneof![4 => Just(0_usize), 1 => 0..SESSIONS.len()];
    let sent_ms = prop_oneof![Just(None), (0_u64..5_000).prop_map(Some)];
    let names = (called, session, sent_ms, 0..VALUES.len());
    (wait_ms, 0..devices, port, 0..TYPES.len(), 0_u8..20, any::<bool>(), late_ms, names).prop_map(
        |(wait_ms, device, port, kind, verb, is_syslog, late_ms, names)| Turn {
            wait_ms,
            device,
            port,
            kind,
            verb,
            is_syslog,
            late_ms,
            called: names.0,
            session: names.1,
            sent_ms: names.2,
            value: names.3,
        },
    )
}

fn part(turn: &Turn) -> (String, String) {
    match (turn.port, turn.called) {
        (None, _) => (String::new(), String::new()),
        (Some(port), Called::Name) => (format!("p{port}"), String::new()),
        (Some(port), Called::Index) => (format!("ifIndex={port}"), String::new()),
        (Some(port), Called::Both) => (format!("p{port}"), format!("ifIndex={port}")),
    }
}

/// A sample, or that none come any more.
fn sampled(at_ns: u64, turn: &Turn) -> Message {
    let (component, alias) = part(turn);
    let kind = turn.kind % 2;
    let is_sender = turn.verb == 19;
    let is_silent = turn.verb >= 18;
    Message {
        verb: if is_silent { Verb::Silent } else { Verb::Crossing },
        severity: Severity::Minor,
        channel: Channel::Metric,
        listener: 2,
        arrived_ns: at_ns.saturating_sub(turn.late_ms * 1_000_000),
        occurred_ns: (!is_silent).then_some(at_ns.saturating_sub(turn.late_ms * 3_000_000)),
        value: (!is_silent).then_some(VALUES[turn.value]),
        lease_ns: None,
        rule: if is_sender { String::new() } else { format!("t{kind}") },
        peer: Some("192.0.2.90".parse().expect("an address")),
        uptime_cs: None,
        is_known: true,
        is_in_service: false,
        device: name(turn.device),
        component: if is_sender { String::new() } else { component },
        alias: if is_sender { String::new() } else { alias },
        alarm_type: "noted".to_owned(),
        qualifier: String::new(),
    }
}

fn said(at_ns: u64, turn: &Turn) -> Message {
    if turn.verb >= 12 {
        return sampled(at_ns, turn);
    }
    let (alarm_type, severity, _, _) = TYPES[turn.kind];
    let (component, alias) = part(turn);
    let uptime_ms = turn.sent_ms.map(|ms| 100_000_000_u64 + at_ns / 1_000_000 - ms);
    Message {
        verb: match turn.verb {
            0..6 => Verb::Raise,
            6..10 => Verb::Clear,
            10 => Verb::Event,
            _ => Verb::AdminDown,
        },
        severity: if turn.verb == 5 { Severity::Major } else { severity },
        channel: if turn.is_syslog { Channel::Syslog } else { Channel::Trap },
        listener: u16::from(turn.is_syslog),
        arrived_ns: at_ns.saturating_sub(turn.late_ms * 1_000_000),
        occurred_ns: None,
        value: None,
        lease_ns: None,
        rule: "scenario".to_owned(),
        peer: None,
        uptime_cs: uptime_ms.and_then(|ms| u32::try_from(ms / 10).ok()),
        is_known: true,
        is_in_service: turn.sent_ms.is_some_and(|ms| ms % 2 == 0),
        device: name(turn.device),
        component,
        alias,
        alarm_type: alarm_type.to_owned(),
        qualifier: SESSIONS[if turn.port.is_none() { turn.session } else { 0 }].to_owned(),
    }
}

/// How long work goes on.
#[derive(Clone, Copy, Debug)]
struct Slices {
    /// What one may cost.
    units: usize,
    /// How many at most are due before a message comes.
    between_messages: usize,
}

/// More than any story needs.
const PULSES_MAX: usize = 100_000;
const AT_ONCE: Slices = Slices { units: usize::MAX, between_messages: usize::MAX };

fn begin(settings: Arc<Settings>, slices: Slices) -> Run {
    let mut run = Run::new().in_slices_of(slices.units);
    run.give(run.at(0), Given::Boot(0));
    run.give(run.at(0), Given::Settings(settings));
    run
}

/// Everything that was ever shown of the tickets, in order, and the last of each incident.
#[derive(Default)]
struct Shown {
    tickets: Vec<TicketImage>,
    incidents: BTreeMap<SmolStr, IncidentImage>,
    withdrawn: BTreeSet<SmolStr>,
}

impl Shown {
    fn take(&mut self, run: &Run) {
        for effect in &run.effects {
            match effect {
                Effect::Ticket(ticket) => self.tickets.push((**ticket).clone()),
                Effect::Incident(incident) => {
                    self.incidents.insert(incident.id.clone(), (**incident).clone());
                }
                Effect::Withdrawn(id) => {
                    let incident = self.incidents.get(&**id).expect("it was told before");
                    assert!(incident.closed_at.is_some(), "{incident:?}");
                    assert!(self.withdrawn.insert(SmolStr::new(id)), "{id} twice");
                }
                Effect::Alarm(_) | Effect::Resource(_) | Effect::Silence(_) | Effect::Answer(_) => {
                }
            }
        }
    }

    fn last_tickets(&self) -> BTreeMap<&str, &TicketImage> {
        self.tickets.iter().map(|ticket| (ticket.number.as_str(), ticket)).collect()
    }

    fn open_roots(&self) -> Vec<&str> {
        self.incidents
            .values()
            .filter(|incident| incident.status == IncidentStatus::Open)
            .map(|incident| incident.root_resource.as_str())
            .collect()
    }
}

fn pass(run: &mut Run, shown: &mut Shown, until_ns: u64) {
    pass_some(run, shown, until_ns, PULSES_MAX);
    let due_ns = run.engine.next_deadline().map(|due| due.0.saturating_sub(run::ENGINE_START_NS));
    assert!(due_ns.is_none_or(|due_ns| due_ns > until_ns), "time does not pass");
}

/// So many pulses at most.
fn pass_some(run: &mut Run, shown: &mut Shown, until_ns: u64, most: usize) {
    for _ in 0..most {
        let Some(due) = run.engine.next_deadline() else { return };
        let due_ns = due.0.saturating_sub(run::ENGINE_START_NS);
        if due_ns > until_ns {
            return;
        }
        run.pulse(due_ns);
        shown.take(run);
    }
}

/// A clear of everything that a turn can raise.
fn clears(devices: usize) -> Vec<Turn> {
    let mut clears = Vec::new();
    for device in 0..devices {
        for (kind, port) in (0..2).flat_map(|kind| (0..=PORTS).map(move |port| (kind, Some(port))))
        {
            let value = VALUES.len() - 2;
            let sample = Turn { device, kind, verb: 12, value, port, ..Turn::default() };
            let called = [Called::Index, Called::Name];
            clears.extend(called.map(|called| Turn { called, ..sample.clone() }));
            clears.push(Turn { port: None, ..sample });
        }
        for kind in 0..TYPES.len() {
            let clear = Turn { device, kind, verb: 6, is_syslog: true, ..Turn::default() };
            clears.extend((0..SESSIONS.len()).map(|session| Turn { session, ..clear.clone() }));
            for port in (0..=PORTS).map(Some) {
                let called = [Called::Index, Called::Name];
                clears.extend(called.map(|called| Turn { port, called, ..clear.clone() }));
            }
        }
    }
    clears
}

/// Lives through the turns, then clears everything, closes every ticket and waits.
/// `steps` are settings of the wall clock, each before the turn of that number.
fn live(
    settings: Arc<Settings>,
    turns: &[Turn],
    steps: &BTreeMap<usize, i64>,
    slices: Slices,
) -> (Run, Shown, u64) {
    let devices = settings.inventory.devices.len();
    let (mut run, mut shown) = (begin(settings, slices), Shown::default());
    let mut now_ns = SECOND_NS * 10;
    for (number, turn) in turns.iter().enumerate() {
        now_ns += turn.wait_ms * 1_000_000;
        pass_some(&mut run, &mut shown, now_ns, slices.between_messages);
        if let Some(step_s) = steps.get(&number) {
            let (at, step_ns) = (run.at(now_ns), step_s * 1_000_000_000);
            run.give(At { wall: at.wall.plus_ns(step_ns), ..at }, Given::ClockStep(step_ns));
            shown.take(&run);
        }
        run.message(now_ns, said(now_ns, turn), true);
        shown.take(&run);
    }
    now_ns += SECOND_NS * 10;
    for clear in clears(devices) {
        now_ns += SECOND_NS;
        pass(&mut run, &mut shown, now_ns);
        run.message(now_ns, said(now_ns, &clear), true);
        shown.take(&run);
    }
    now_ns += SECOND_NS * 3_600;
    pass(&mut run, &mut shown, now_ns);
    let resolved: Vec<SmolStr> = shown
        .last_tickets()
        .values()
        .filter(|ticket| ticket.state == TicketState::Resolved)
        .map(|ticket| ticket.number.clone())
        .collect();
    for (id, number) in (0..).zip(resolved) {
        let action = Action::CloseTicket { number: number.into(), reason: "agreed".to_owned() };
        let command = Command { id, author: "ann".to_owned(), action };
        run.give(run.at(now_ns), Given::Command(command));
        shown.take(&run);
    }
    (run, shown, now_ns)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 96,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Invariants hold after every input (the run checks them); replay gives the same digest;
    /// a snapshot anywhere changes nothing.
    #[test]
    fn replay_and_snapshots_change_nothing(
        needs in needs(6),
        has_links in any::<bool>(),
        turns in proptest::collection::vec(turn(6), 1..60),
        steps in proptest::collection::btree_map(0_usize..60, -100_000_i64..100_000, 0..3),
        cut in 0.0_f64..1.0,
        slices in slices(),
    ) {
        let (run, shown, _) = live(place(&needs, has_links), &turns, &steps, slices);
        prop_assert!(shown.tickets.iter().all(|ticket| ticket.elapsed_s >= 0));
        prop_assert_eq!(run.again(None).digest(), run.digest());
        prop_assert_eq!(run.told_otherwise_after_a_restart(), []);
        let inputs = u32::try_from(run.given.len()).expect("few");
        let cut = (0..run.given.len())
            .zip(0_u32..)
            .find(|(_, number)| f64::from(*number) >= cut * f64::from(inputs - 1))
            .map(|(place, _)| place);
        let again = run.again(cut);
        prop_assert_eq!(&again.told, &run.told);
        prop_assert_eq!(again.digest(), run.digest());
    }

    /// Numbers follow each other without a hole, no clock runs backwards, and when everything is
    /// clear and closed nothing is left, not even a deadline.
    #[test]
    fn everything_ends_and_every_number_is_used_once(
        needs in needs(6),
        has_links in any::<bool>(),
        turns in proptest::collection::vec(turn(6), 1..60),
        slices in slices(),
    ) {
        let place = place(&needs, has_links);
        let (mut run, mut shown, now_ns) = live(place, &turns, &BTreeMap::new(), slices);
        let mut elapsed: BTreeMap<SmolStr, i64> = BTreeMap::new();
        let mut opened = 0;
        for ticket in &shown.tickets {
            let before = elapsed.get(&ticket.number).copied();
            prop_assert!(ticket.elapsed_s >= before.unwrap_or(0), "{ticket:?}");
            // While it runs, the last stretch may turn out to have been over: a restoration is
            // dated back to the clear.
            if !ticket.clock_running || before.is_none() {
                elapsed.insert(ticket.number.clone(), ticket.elapsed_s);
            }
            if before.is_none() {
                opened += 1;
                prop_assert_eq!(&ticket.number, &format!("VIG-{opened:06}"));
            }
            let restored_at = ticket.restored_at.unwrap_or(ticket.gtr_started_at);
            prop_assert!(ticket.gtr_started_at <= restored_at || ticket.elapsed_s == 0);
        }
        for incident in shown.incidents.values() {
            prop_assert!(
                matches!(incident.status, IncidentStatus::Closed | IncidentStatus::Merged),
                "{incident:?}\n{}", run.told.concat()
            );
        }
        let gauges = run.engine.gauges();
        prop_assert_eq!((gauges.incidents_open, gauges.tickets_open), (0, 0));
        pass(&mut run, &mut shown, now_ns + 10 * DAY_NS);
        prop_assert_eq!(run.engine.next_deadline(), None);
        for incident in shown.incidents.values() {
            let was_told = Effect::Incident(Arc::new(incident.clone())).is_decision();
            prop_assert_eq!(shown.withdrawn.contains(&incident.id), was_told, "{:?}", incident);
        }
        prop_assert_eq!(run.engine.gauges().alarms_held, 0);
    }

    /// A device fails and takes all that stands on it along: whatever is heard first, one incident
    /// opens, and the device is its root.
    #[test]
    fn one_fault_has_one_root_in_any_order(
        parents in proptest::collection::vec(any::<prop::sample::Index>(), 1..7),
        order in any::<u64>(),
        has_links in any::<bool>(),
    ) {
        let mut needs: Vec<(Vec<usize>, bool)> = vec![(Vec::new(), false)];
        for parent in &parents {
            let below = parent.index(needs.len());
            needs.push((vec![below], false));
        }
        let mut heard: Vec<usize> = (0..needs.len()).collect();
        let mut seed = order;
        for last in (1..heard.len()).rev() {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let other = usize::try_from(seed >> 33).expect("31 bits") % (last + 1);
            heard.swap(last, other);
        }
        let (mut run, mut shown) = (begin(place(&needs, has_links), AT_ONCE), Shown::default());
        let mut now_ns = SECOND_NS * 100;
        for device in heard {
            now_ns += SECOND_NS;
            pass(&mut run, &mut shown, now_ns);
            let raise = Turn { device, port: None, ..Turn::default() };
            run.message(now_ns, said(now_ns, &raise), true);
            shown.take(&run);
        }
        pass(&mut run, &mut shown, now_ns + SECOND_NS * 60);
        prop_assert_eq!(shown.open_roots(), ["d0"], "{}", run.told.concat());
        prop_assert_eq!(run.engine.gauges().incidents_open, 1);
    }

    /// Links of one device fail, told by either or both ends in any order: the incidents have the
    /// same roots.
    #[test]
    fn links_of_one_device_have_the_same_roots_in_any_order(
        told in proptest::collection::btree_set(0_usize..4, 1..5),
        hub in 1_usize..4,
        orders in [any::<u64>(), any::<u64>()],
    ) {
        let needs: Vec<(Vec<usize>, bool)> = (0..5).map(|_| (Vec::new(), false)).collect();
        let links = [(hub, 0), (hub - 1, 1), (hub, 1), (hub + 1, 0)];
        let ends: Vec<(usize, usize)> = told.into_iter().map(|end| links[end]).collect();
        let mut outcomes = Vec::new();
        for order in orders {
            let mut heard = ends.clone();
            let mut seed = order;
            for last in (1..heard.len()).rev() {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                heard.swap(last, usize::try_from(seed >> 33).expect("31 bits") % (last + 1));
            }
            let (mut run, mut shown) = (begin(place(&needs, true), AT_ONCE), Shown::default());
            let mut now_ns = SECOND_NS * 100;
            for (device, port) in heard {
                now_ns += SECOND_NS / 10;
                pass(&mut run, &mut shown, now_ns);
                let raise = Turn { device, port: Some(port), ..Turn::default() };
                run.message(now_ns, said(now_ns, &raise), true);
                shown.take(&run);
            }
            pass(&mut run, &mut shown, now_ns + SECOND_NS * 60);
            let mut roots: Vec<SmolStr> =
                shown.open_roots().into_iter().map(SmolStr::from).collect();
            roots.sort();
            outcomes.push((roots, run.told.concat()));
        }
        let [(one, told), (other, told_other)] = &outcomes[..] else { unreachable!() };
        prop_assert_eq!(one, other, "{}\n---\n{}", told, told_other);
    }
}
