//! The longest that one step of the engine takes, in situations that are about everything at once:
//! what messages, deadlines and answers have to wait for.
//!
//! `cargo bench --bench longest_step`

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use clap::Parser;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::sync::Arc;
use vigie::engine::Engine;
use vigie::engine::effect::Effect;
use vigie::engine::input::Input;
use vigie::model::alarm_type::{AlarmType, EventType, ResourceEffect};
use vigie::model::contract::Contract;
use vigie::model::event::{Channel, Event, Lane, Verb};
use vigie::model::inventory::{Dependency, Device, Inventory, Service};
use vigie::model::settings::Settings;
use vigie::model::severity::Severity;
use vigie::model::time::{At, EngineTime, Timestamp};
use vigie::shell::clock::worked_ns;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How much there is of everything.
#[derive(Parser)]
struct Options {
    /// Devices, or services each with a contract of its own, below one fault
    #[arg(long, default_value_t = 100_000)]
    below: usize,
    /// Only that situation, by its place
    #[arg(long)]
    only: Option<usize>,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

const SITUATIONS: [fn(usize); 6] = [
    contracts,
    large_contracts,
    devices,
    two_faults_of_devices,
    two_faults_of_contracts,
    other_needs,
];

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if let Some(situation) = options.only.and_then(|place| SITUATIONS.get(place)) {
        situation(options.below);
        return Ok(());
    }
    println!("longest step, by its work, of {} below one fault", options.below);
    // Each in a process of its own: what the one before has freed would be collected in this one.
    for place in 0..SITUATIONS.len() {
        let (place, below) = (place.to_string(), options.below.to_string());
        let arguments = ["--only", &place, "--below", &below];
        let status = Command::new(std::env::current_exe()?).args(arguments).status()?;
        anyhow::ensure!(status.success(), "situation {place} failed");
    }
    Ok(())
}

/// One port carries the services of all contracts.
fn contracts(below: usize) {
    let mut noc = Noc::new(&["core"], 0, below);
    noc.say(Verb::Raise, "core");
    noc.phase("one fault of contracts: it begins");
    noc.pass(30);
    noc.phase("  tickets open");
    noc.step(&Input::ClockStep { step_ns: 3_600_000_000_000 });
    noc.pass(1);
    noc.phase("  the clock is set");
    noc.say(Verb::Clear, "core");
    noc.phase("  it ends");
    noc.pass(3_600);
    noc.phase("  all is restored");
    noc.pass(10_000);
    noc.phase("  all is forgotten");
}

/// The same with a thousand services in each contract.
fn large_contracts(below: usize) {
    let mut noc = Noc::of_contracts(&["core"], 0, (below, 1_000));
    noc.say(Verb::Raise, "core");
    noc.pass(30);
    noc.phase("one fault of large contracts");
    noc.say(Verb::Clear, "core");
    noc.pass(3_600);
    noc.phase("  all is restored");
}

/// Everything below alarms before the cause is heard.
fn devices(below: usize) {
    let mut noc = Noc::new(&["core"], below, 0);
    noc.say_of_all(Verb::Raise, 0..below);
    noc.phase("one fault of devices: they alarm");
    noc.say(Verb::Raise, "core");
    noc.pass(30);
    noc.phase("  the cause is heard");
    noc.say(Verb::Clear, "core");
    noc.say_of_all(Verb::Clear, 0..below);
    noc.pass(600);
    noc.phase("  all is well");
    noc.pass(10_000);
    noc.phase("  all is forgotten");
}

/// Two large incidents turn out to be one.
fn two_faults_of_devices(below: usize) {
    let mut noc = Noc::new(&["left", "right"], below, 0);
    noc.say(Verb::Raise, "left");
    noc.say(Verb::Raise, "right");
    noc.say_of_all(Verb::Raise, 0..below);
    noc.pass(30);
    noc.phase("two faults of devices: they begin");
    noc.say(Verb::Raise, "power");
    noc.pass(30);
    noc.phase("  they are one");
}

/// The same with the tickets of two.
fn two_faults_of_contracts(below: usize) {
    let mut noc = Noc::new(&["left", "right"], 0, below);
    noc.say(Verb::Raise, "left");
    noc.pass(30);
    noc.say(Verb::Raise, "right");
    noc.pass(30);
    noc.phase("two faults of contracts: they begin");
    noc.say(Verb::Raise, "power");
    noc.pass(30);
    noc.phase("  they are one");
}

/// An inventory by which everything needs something else, while the fault lasts.
fn other_needs(below: usize) {
    let mut noc = Noc::new(&["left", "right"], below / 2, below / 2);
    noc.phase("an inventory: the first");
    noc.say(Verb::Raise, "left");
    noc.pass(30);
    noc.settings(&["right", "left"], below / 2, (below / 2, 1));
    noc.pass(30);
    noc.phase("  another one during a fault");
}

/// An engine, and how long its longest step took.
struct Noc {
    engine: Engine,
    position: u64,
    now_ns: u64,
    longest_ns: u64,
    by: &'static str,
    effects: Vec<Effect>,
    tickets: usize,
    settings: Vec<Arc<Settings>>,
}

impl Noc {
    /// Ports that need the power, and devices and services with contracts that need one of them
    /// each.
    fn new(ports: &[&str], devices: usize, services: usize) -> Self {
        Self::of_contracts(ports, devices, (services, 1))
    }

    /// So many services, and so many in each contract.
    fn of_contracts(ports: &[&str], devices: usize, services: (usize, usize)) -> Self {
        let mut noc = Self {
            engine: Engine::new(),
            position: 0,
            now_ns: 1_000_000_000,
            longest_ns: 0,
            by: "",
            effects: Vec::new(),
            tickets: 0,
            settings: Vec::new(),
        };
        noc.settings(ports, devices, services);
        noc
    }

    fn settings(&mut self, ports: &[&str], devices: usize, services: (usize, usize)) {
        let (services, each) = services;
        let power = Device { name: "power".to_owned(), ..Device::default() };
        let port = |name: &&str| Device {
            name: (*name).to_owned(),
            depends_on: vec![need("power")],
            ..Device::default()
        };
        let port_of = |number: usize, of: usize| ports[number * ports.len() / of.max(1)];
        let device = |number| Device {
            name: format!("device-{number:06}"),
            depends_on: vec![need(port_of(number, devices))],
            ..Device::default()
        };
        let service = |number| Service {
            name: format!("service-{number:06}"),
            contract: format!("contract-{:06}", number / each),
            depends_on: vec![need(port_of(number, services))],
            ..Service::default()
        };
        let all = std::iter::once(power).chain(ports.iter().map(port));
        let inventory = Inventory {
            devices: all.chain((0..devices).map(device)).collect(),
            services: (0..services).map(service).collect(),
            ..Inventory::default()
        };
        let contract = |number| Contract::new(&format!("contract-{number:06}"), "a customer", 240);
        let contracts: Vec<Contract> = (0..services.div_ceil(each)).map(contract).collect();
        let alarm_types = vec![down()];
        let contracts = contracts.into();
        let settings = Settings { alarm_types, inventory, contracts, ..Settings::default() };
        // The daemon frees the last ones elsewhere, too.
        let settings = Arc::new(settings);
        self.settings.push(Arc::clone(&settings));
        self.step(&Input::Settings(settings));
        while self.engine.is_renewing() {
            self.step(&Input::Pulse);
        }
    }

    fn step(&mut self, input: &Input<'_>) {
        self.position += 1;
        self.effects.clear();
        let wall = Timestamp(i64::try_from(self.now_ns).expect("a short run"));
        let at = At { engine: EngineTime(self.now_ns), wall };
        let before = worked_ns();
        self.engine.step(at, self.position, input, &mut self.effects);
        let took = worked_ns() - before;
        if took > self.longest_ns {
            self.longest_ns = took;
            self.by = if matches!(input, Input::Pulse) { "a pulse" } else { "a message" };
        }
        let tickets = self.effects.iter().filter(|effect| matches!(effect, Effect::Ticket(_)));
        self.tickets += tickets.count();
    }

    /// Lets so many seconds pass: every deadline in its time.
    fn pass(&mut self, seconds: u64) {
        let until = self.now_ns + seconds * 1_000_000_000;
        while let Some(due) = self.engine.next_deadline().filter(|due| due.0 <= until) {
            self.now_ns = self.now_ns.max(due.0);
            self.step(&Input::Pulse);
        }
        self.now_ns = until;
    }

    /// Within a second.
    fn say_of_all(&mut self, verb: Verb, devices: std::ops::Range<usize>) {
        let gap_ns = 1_000_000_000 / u64::try_from(devices.len()).expect("few").max(1);
        for number in devices {
            self.say(verb, &format!("device-{number:06}"));
            self.now_ns += gap_ns;
        }
    }

    /// A message, after one slice of what was due before it.
    fn say(&mut self, verb: Verb, device: &str) {
        if self.engine.next_deadline().is_some_and(|due| due.0 <= self.now_ns) {
            self.step(&Input::Pulse);
        }
        let wall = Timestamp(i64::try_from(self.now_ns).expect("a short run"));
        let event = Event {
            severity: Severity::Major,
            lane: Lane::Urgent,
            epoch: 1,
            peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
            is_known: true,
            device,
            alarm_type: "down",
            rule: "r",
            ..Event::new(verb, Channel::Trap, At { engine: EngineTime(self.now_ns), wall })
        };
        self.step(&Input::Event(event));
    }

    /// Says how long the longest step took since the phase before.
    fn phase(&mut self, name: &str) {
        let us = self.longest_ns / 1_000;
        let gauges = self.engine.gauges();
        let alarms: u64 = gauges.active.iter().map(|(_, count)| count).sum();
        println!(
            "{name:<40} {:>3}.{:03} ms by {:<9} {alarms:>7} alarms, {:>6} incidents, {:>6} \
             tickets open, {} told",
            us / 1_000,
            us % 1_000,
            self.by,
            gauges.incidents_open,
            gauges.tickets_open,
            self.tickets,
        );
        self.longest_ns = 0;
        self.tickets = 0;
    }
}

fn need(name: &str) -> Dependency {
    Dependency { any_of: vec![name.to_owned()], needed: 1 }
}

fn down() -> AlarmType {
    AlarmType {
        id: "down".into(),
        title: String::new(),
        event_type: EventType::Other,
        probable_cause: "".into(),
        severity: Severity::Major,
        effect: ResourceEffect::Down,
        persistence_ms: 0,
        will_clear: true,
        expires_after_ms: 0,
    }
}
