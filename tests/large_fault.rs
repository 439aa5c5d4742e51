//! One fault below which thousands of devices alarm: one incident, one root, and no step of the
//! engine that does all the work at once.

#[path = "support/counting.rs"]
mod counting;

use counting::Counting;
use smol_str::SmolStr;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use vigie::engine::effect::{Effect, IncidentImage, IncidentStatus, TicketImage, TicketState};
use vigie::engine::input::{Action, Command, Input};
use vigie::engine::snapshot::Snapshot;
use vigie::engine::{ENGINE_VERSION, Engine};
use vigie::model::alarm_type::{AlarmType, EventType, ResourceEffect};
use vigie::model::contract::Contract;
use vigie::model::event::{Channel, Event, Lane, Verb};
use vigie::model::inventory::{Dependency, Device, Inventory, Service};
use vigie::model::settings::Settings;
use vigie::model::severity::Severity;
use vigie::model::time::{At, EngineTime, Timestamp};

#[global_allocator]
static ALLOCATOR: Counting = Counting(|_, _| {
    CALLS.set(CALLS.get() + 1);
});

thread_local! {
    /// Calls of the allocator by this test.
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

/// Devices below `core`; together with it more than one search looks at in one step.
const BELOW: u64 = 3_000;
/// Things that one step may tell (256 resources, 64 tickets, a few more): what it costs grows with
/// that.
const TOLD_MAX: usize = 340;
/// Contracts whose services need the core.
const CONTRACTS: usize = 1_000;
const MS: u64 = 1_000_000;
/// Without a relapse for that long, service is restored.
const STABLE_NS: u64 = 3 * 60 * 1_000 * MS;

/// An engine, and the last that it told of each incident and ticket.
struct Noc {
    engine: Engine,
    position: u64,
    incidents: BTreeMap<SmolStr, Arc<IncidentImage>>,
    tickets: BTreeMap<SmolStr, Arc<TicketImage>>,
    most_told: usize,
    /// Calls of the allocator by one step: work on many things takes and gives back many pieces of
    /// memory, and unlike time they can be counted.
    most_calls: u64,
}

impl Noc {
    fn new() -> Self {
        let need = Dependency { any_of: vec!["core".to_owned()], needed: 1 };
        let below = (0..BELOW).map(|number| Device {
            name: format!("d{number}"),
            depends_on: vec![need.clone()],
            ..Device::default()
        });
        let inventory =
            Inventory { devices: below.chain([core()]).collect(), ..Inventory::default() };
        Self::of(inventory, Vec::new())
    }

    fn of(inventory: Inventory, contracts: Vec<Contract>) -> Self {
        let down = AlarmType {
            id: "down".into(),
            title: String::new(),
            event_type: EventType::Other,
            probable_cause: "".into(),
            severity: Severity::Major,
            effect: ResourceEffect::Down,
            persistence_ms: 0,
            will_clear: true,
            expires_after_ms: 0,
        };
        let alarm_types = vec![down];
        let settings =
            Settings { alarm_types, inventory, contracts: contracts.into(), ..Settings::default() };
        let mut noc = Self {
            engine: Engine::new(),
            position: 0,
            incidents: BTreeMap::new(),
            tickets: BTreeMap::new(),
            most_told: 0,
            most_calls: 0,
        };
        let settings = Arc::new(settings);
        noc.step(0, &Input::Settings(Arc::clone(&settings)));
        noc.pass_until(0);
        (noc.most_told, noc.most_calls) = (0, 0);
        noc
    }

    /// These devices, and services of a thousand contracts that need the core.
    fn with_contracts(devices: Vec<Device>) -> Self {
        Self::with_services(devices, &Dependency { any_of: vec!["core".to_owned()], needed: 1 })
    }

    fn with_services(devices: Vec<Device>, need: &Dependency) -> Self {
        Self::with_many_services(CONTRACTS, devices, need)
    }

    fn with_many_services(count: usize, devices: Vec<Device>, need: &Dependency) -> Self {
        let names: Vec<String> = (0..count).map(|number| format!("c{number}")).collect();
        let service = |name: &String| Service {
            name: name.clone(),
            contract: name.clone(),
            depends_on: vec![need.clone()],
            ..Service::default()
        };
        let services = names.iter().map(service).collect();
        let inventory = Inventory { devices, services, ..Inventory::default() };
        let contracts = names.iter().map(|name| Contract::new(name, "a customer", 240)).collect();
        Self::of(inventory, contracts)
    }

    fn step(&mut self, at_ns: u64, input: &Input<'_>) {
        self.position += 1;
        let mut effects = Vec::new();
        let before = CALLS.get();
        self.engine.step(at(at_ns), self.position, input, &mut effects);
        self.most_calls = self.most_calls.max(CALLS.get() - before);
        self.most_told = self.most_told.max(effects.len());
        for effect in effects {
            match effect {
                Effect::Incident(image) => {
                    self.incidents.insert(image.id.clone(), image);
                }
                Effect::Ticket(image) => {
                    self.tickets.insert(image.number.clone(), image);
                }
                _ => {}
            }
        }
    }

    /// Goes on with what a snapshot holds.
    fn restart(&mut self) {
        let engine = std::mem::take(&mut self.engine);
        let digest = [0; 32];
        let position = self.position;
        let snapshot = Snapshot { engine_version: ENGINE_VERSION, position, digest, engine };
        let mut bytes = Vec::new();
        let mut take = |piece: &[u8]| {
            bytes.extend_from_slice(piece);
            true
        };
        snapshot.write(&mut take).expect("it can be written");
        self.engine = Snapshot::from_bytes(&bytes).expect("it can be read").engine;
    }

    /// Lets time pass: every deadline in its time.
    fn pass_until(&mut self, until_ns: u64) {
        while let Some(due) = self.engine.next_deadline().filter(|due| due.0 <= until_ns) {
            self.step(due.0, &Input::Pulse);
        }
    }

    /// Lets time pass until the first ticket opens: when that was.
    fn pass_until_a_ticket_opens(&mut self) -> u64 {
        loop {
            let due = self.engine.next_deadline().expect("the hold-off is to end");
            self.step(due.0, &Input::Pulse);
            if !self.tickets.is_empty() {
                return due.0;
            }
        }
    }

    /// A message, after what was due before it; of what a large fault left over only one piece.
    fn say(&mut self, at_ns: u64, verb: Verb, device: &str) {
        if self.engine.next_deadline().is_some_and(|due| due.0 <= at_ns) {
            self.step(at_ns, &Input::Pulse);
        }
        let event = Event {
            severity: Severity::Major,
            lane: Lane::Urgent,
            epoch: 1,
            peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
            is_known: true,
            device,
            alarm_type: "down",
            rule: "r",
            ..Event::new(verb, Channel::Trap, at(at_ns))
        };
        self.step(at_ns, &Input::Event(event));
    }

    fn open_incidents(&self) -> Vec<&IncidentImage> {
        let is_open = |image: &&Arc<IncidentImage>| {
            matches!(image.status, IncidentStatus::Forming | IncidentStatus::Open)
        };
        self.incidents.values().filter(is_open).map(|image| &**image).collect()
    }

    fn open_tickets(&self) -> Vec<&TicketImage> {
        let is_over = |state| matches!(state, TicketState::Closed | TicketState::Cancelled);
        self.tickets.values().filter(|image| !is_over(image.state)).map(|image| &**image).collect()
    }

    /// Every contract has one open ticket, no number was left out, and no step was long.
    #[track_caller]
    fn assert_one_ticket_each(&self) {
        let open = self.open_tickets();
        assert_eq!((open.len(), of_contracts(&open).len()), (CONTRACTS, CONTRACTS));
        assert_eq!(self.tickets.len(), CONTRACTS);
        assert!(self.tickets.contains_key("VIG-001000"), "no number is left out");
        assert_eq!(self.open_incidents().len(), 1);
        self.assert_small_steps();
    }

    #[track_caller]
    fn assert_all_restored_at(&self, ns: u64) {
        let at = Some(at(ns).wall);
        let is_over = |ticket: &Arc<TicketImage>| {
            ticket.state == TicketState::Resolved && ticket.restored_at == at
        };
        let over = self.tickets.values().filter(|ticket| is_over(ticket)).count();
        assert_eq!(over, CONTRACTS);
        self.assert_small_steps();
    }

    #[track_caller]
    fn assert_small_steps(&self) {
        assert_eq!(self.engine.check(), []);
        assert!(self.most_told <= TOLD_MAX, "one step told {} things", self.most_told);
    }

    #[track_caller]
    fn assert_one_incident_of_all(&self) {
        let open = self.open_incidents();
        let [incident] = open[..] else { panic!("{} incidents are open", open.len()) };
        assert_eq!(incident.root_resource, "core");
        assert_eq!(incident.alarm_count, BELOW + 1);
        assert_eq!(self.open_tickets().len(), 1);
        assert_eq!(self.engine.gauges().incidents_open, 1);
        self.assert_small_steps();
    }
}

fn of_contracts<'a>(tickets: &[&'a TicketImage]) -> BTreeSet<&'a str> {
    tickets.iter().filter_map(|ticket| ticket.contract.as_deref()).collect()
}

fn core() -> Device {
    Device { name: "core".to_owned(), ..Device::default() }
}

fn at(ns: u64) -> At {
    let wall = Timestamp(i64::try_from(ns).expect("a short test"));
    At { engine: EngineTime(ns), wall }
}

/// Everything below alarms in the second before the core does.
#[test]
fn what_alarmed_before_its_cause_was_heard_comes_into_one_incident_in_small_steps() {
    let mut noc = Noc::new();
    for number in 0..BELOW {
        noc.say(MS + number * 300_000, Verb::Raise, &format!("d{number}"));
    }
    noc.say(1_000 * MS, Verb::Raise, "core");
    assert!(noc.open_incidents().len() > 1, "not all of it is done at once");
    // Some come back and fail again while the rest is still being looked for.
    for number in (0..BELOW).step_by(7) {
        let device = format!("d{number}");
        noc.say(1_000 * MS + number, Verb::Clear, &device);
        noc.say(1_000 * MS + number, Verb::Raise, &device);
    }
    noc.pass_until(30_000 * MS);
    noc.assert_one_incident_of_all();
}

/// The same with the device that the inventory names last heard first: the incident that takes the
/// others over meets an older one each time.
#[test]
fn the_order_in_which_they_alarmed_does_not_matter() {
    let mut noc = Noc::new();
    for number in 0..BELOW {
        noc.say(MS + number * 300_000, Verb::Raise, &format!("d{}", BELOW - 1 - number));
    }
    noc.say(1_000 * MS, Verb::Raise, "core");
    noc.pass_until(30_000 * MS);
    noc.assert_one_incident_of_all();
}

/// The cause is heard when everything below has an incident and a ticket of its own.
#[test]
fn tickets_of_what_was_open_before_become_one() {
    let mut noc = Noc::new();
    for number in 0..BELOW {
        noc.say(MS + number * 300_000, Verb::Raise, &format!("d{number}"));
    }
    noc.pass_until(60_000 * MS);
    assert_eq!(noc.open_tickets().len(), usize::try_from(BELOW).expect("few"));
    noc.say(60_000 * MS, Verb::Raise, "core");
    noc.pass_until(120_000 * MS);
    noc.assert_one_incident_of_all();
    // All is well again, the core first.
    noc.say(130_000 * MS, Verb::Clear, "core");
    for number in 0..BELOW {
        noc.say(130_000 * MS + number * 300_000, Verb::Clear, &format!("d{number}"));
    }
    noc.pass_until(2_000_000 * MS);
    assert_eq!(noc.open_incidents().len(), 0);
    assert_eq!(noc.engine.check(), []);
}

/// The core carries the services of a thousand contracts: each gets one ticket, and all of them end
/// with the fault.
#[test]
fn each_of_a_thousand_contracts_has_one_ticket() {
    let mut noc = Noc::with_contracts(vec![core()]);
    noc.say(1_000 * MS, Verb::Raise, "core");
    noc.pass_until(30_000 * MS);
    // A relapse before anything was restored opens nothing anew.
    noc.say(40_000 * MS, Verb::Clear, "core");
    noc.say(50_000 * MS, Verb::Raise, "core");
    noc.pass_until(90_000 * MS);
    noc.assert_one_ticket_each();
    let [incident] = noc.open_incidents()[..] else { panic!("one incident") };
    assert_eq!(incident.tickets.len(), 100, "as many as are listed, not those of the first step");
    noc.say(100_000 * MS, Verb::Clear, "core");
    noc.pass_until(2_000_000 * MS);
    noc.assert_all_restored_at(100_000 * MS);
}

/// All is well again when the first of their tickets are open: the others are opened all the same,
/// and every one says when service was back.
#[test]
fn a_fault_that_ends_while_its_tickets_are_being_opened_leaves_out_no_contract() {
    let mut noc = Noc::with_contracts(vec![core()]);
    noc.say(1_000 * MS, Verb::Raise, "core");
    let opened_at = noc.pass_until_a_ticket_opens();
    assert!(noc.tickets.len() < CONTRACTS, "not all of it is done at once");
    noc.restart();
    noc.say(opened_at, Verb::Clear, "core");
    assert!(noc.tickets.len() < CONTRACTS);
    noc.pass_until(2_000_000 * MS);
    assert_eq!(noc.tickets.len(), CONTRACTS);
    noc.assert_all_restored_at(opened_at);
}

/// What the core depends on turns out to have failed, when the first tickets are open.
#[test]
fn a_cause_heard_while_tickets_are_being_opened_leaves_one_for_each_contract() {
    let needs = |upstream: &str| vec![Dependency { any_of: vec![upstream.to_owned()], needed: 1 }];
    let core = Device { depends_on: needs("power"), ..core() };
    let power = Device { name: "power".to_owned(), ..Device::default() };
    let mut noc = Noc::with_contracts(vec![core, power]);
    noc.say(1_000 * MS, Verb::Raise, "core");
    let opened_at = noc.pass_until_a_ticket_opens();
    noc.say(opened_at, Verb::Raise, "power");
    assert!(noc.tickets.len() < CONTRACTS);
    noc.pass_until(90_000 * MS);
    let [incident] = noc.open_incidents()[..] else { panic!("one incident") };
    assert_eq!(incident.root_resource, "power");
    noc.assert_one_ticket_each();
    noc.say(100_000 * MS, Verb::Clear, "power");
    noc.say(110_000 * MS, Verb::Clear, "core");
    noc.pass_until(2_000_000 * MS);
    noc.assert_all_restored_at(110_000 * MS);
}

/// What carried the services until now fails as well, when only the first tickets are open.
#[test]
fn what_gets_worse_while_tickets_are_being_opened_is_on_all_of_them() {
    let spare = Device { name: "spare".to_owned(), ..Device::default() };
    let need = Dependency { any_of: vec!["core".to_owned(), "spare".to_owned()], needed: 1 };
    let mut noc = Noc::with_services(vec![core(), spare], &need);
    noc.say(1_000 * MS, Verb::Raise, "core");
    let opened_at = noc.pass_until_a_ticket_opens();
    let of_nature = |noc: &Noc, nature: &str| {
        noc.tickets.values().filter(|ticket| ticket.nature.as_deref() == Some(nature)).count()
    };
    assert_eq!(of_nature(&noc, "backup-active"), noc.tickets.len());
    noc.say(opened_at, Verb::Raise, "spare");
    assert!(noc.tickets.len() < CONTRACTS);
    noc.pass_until(90_000 * MS);
    assert_eq!(of_nature(&noc, "total-outage"), CONTRACTS);
    assert!(noc.tickets.values().all(|ticket| ticket.clock_running));
    assert_eq!(noc.open_tickets().len(), CONTRACTS);
    noc.assert_small_steps();
}

/// A ticket is restored; its service fails again, and before the ticket is told an operator closes
/// it. The failure came first.
#[test]
fn what_an_operator_says_comes_after_what_was_received_before() {
    let mut noc = Noc::with_contracts(vec![core()]);
    noc.say(1_000 * MS, Verb::Raise, "core");
    noc.pass_until(30_000 * MS);
    noc.say(40_000 * MS, Verb::Clear, "core");
    noc.pass_until(1_000_000 * MS);
    noc.assert_all_restored_at(40_000 * MS);
    noc.say(1_000_001 * MS, Verb::Raise, "core");
    let last = &noc.tickets["VIG-001000"];
    assert_eq!(last.state, TicketState::Resolved, "it is not told yet");
    let number = last.number.to_string();
    let action = Action::CloseTicket { number, reason: "all is well".to_owned() };
    let command = Command { id: 7, author: "noc".to_owned(), action };
    noc.step(1_000_001 * MS, &Input::Command(command));
    assert_ne!(noc.tickets["VIG-001000"].state, TicketState::Resolved, "it is told before");
    noc.pass_until(1_100_000 * MS);
    noc.assert_one_ticket_each();
}

/// Service fails again before every ticket was told that it was back; none of them may find itself
/// restored.
#[test]
fn a_relapse_while_tickets_are_being_told_restores_none() {
    let mut noc = Noc::with_contracts(vec![core()]);
    noc.say(1_000 * MS, Verb::Raise, "core");
    noc.pass_until(30_000 * MS);
    let (back, again) = (40_000 * MS, 40_000 * MS + 1);
    noc.say(back, Verb::Clear, "core");
    noc.say(again, Verb::Raise, "core");
    noc.pass_until(2_000_000 * MS);
    noc.assert_one_ticket_each();
    let is_told = |ticket: &Arc<TicketImage>| ticket.restored_at.is_some();
    assert!(!noc.tickets.values().any(is_told));
    // The other way round: it fails just when the time of stability is over.
    noc.say(3_000_000 * MS, Verb::Clear, "core");
    noc.pass_until(3_000_000 * MS);
    let stable_at = 3_000_000 * MS + STABLE_NS;
    noc.say(stable_at - 1, Verb::Raise, "core");
    noc.pass_until(4_000_000 * MS);
    assert!(!noc.tickets.values().any(is_told));
    noc.assert_one_ticket_each();
}

/// Two faults below each of which there is half of very many contracts, their common cause, and
/// service restored: gives the most calls of the allocator that one step took. The engine is
/// restarted now and then.
fn life_of_contracts(count: usize) -> u64 {
    let needs = |upstream: &str| vec![Dependency { any_of: vec![upstream.to_owned()], needed: 1 }];
    let power = Device { name: "power".to_owned(), ..Device::default() };
    let core = Device { depends_on: needs("power"), ..core() };
    let spare = Device { name: "spare".to_owned(), ..core.clone() };
    let need = Dependency { any_of: vec!["core".to_owned(), "spare".to_owned()], needed: 1 };
    let mut noc = Noc::with_many_services(count, vec![power, core, spare], &need);
    noc.say(1_000 * MS, Verb::Raise, "core");
    noc.restart();
    noc.pass_until(30_000 * MS);
    assert_eq!(noc.tickets.len(), count);
    let [incident] = noc.open_incidents()[..] else { panic!("one incident") };
    let listed = (incident.services.len(), incident.service_count);
    assert_eq!(listed, (1_000, u64::try_from(count).expect("few")), "it fits into a record");
    noc.say(40_000 * MS, Verb::Raise, "spare");
    noc.step(40_000 * MS, &Input::Pulse);
    noc.restart();
    noc.pass_until(60_000 * MS);
    let is_out = |ticket: &Arc<TicketImage>| ticket.nature.as_deref() == Some("total-outage");
    assert!(noc.tickets.values().all(is_out), "all are told");
    noc.say(70_000 * MS, Verb::Raise, "power");
    noc.pass_until(100_000 * MS);
    noc.step(100_000 * MS, &Input::ClockStep { step_ns: 1 });
    noc.pass_until(110_000 * MS);
    for device in ["power", "core", "spare"] {
        noc.say(120_000 * MS, Verb::Clear, device);
        noc.restart();
    }
    noc.pass_until(20_000_000 * MS);
    let restored =
        noc.tickets.values().filter(|ticket| ticket.restored_at == Some(at(120_000 * MS).wall));
    assert_eq!((restored.count(), noc.tickets.len()), (count, count));
    noc.assert_small_steps();
    noc.most_calls
}

/// What one step costs does not grow with what is below a fault.
#[test]
fn ten_times_as_many_contracts_take_more_steps_and_no_larger_ones() {
    let (some, many) = (life_of_contracts(4_000), life_of_contracts(40_000));
    assert!(many < some * 3 / 2, "{many} calls of the allocator in one step, {some} before");
}
