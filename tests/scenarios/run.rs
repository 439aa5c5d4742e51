//! Drives the engine as the sequencer does, records every input, and tells what came of it.

use crate::message::Message;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use vigie::engine::Engine;
use vigie::engine::digest::RollingDigest;
use vigie::engine::effect::{AlarmImage, Effect, IncidentImage, TicketImage};
use vigie::engine::input::{Boot, Command, Input, Repeat};
use vigie::engine::snapshot::Snapshot;
use vigie::model::event::Event;
use vigie::model::fault::Faults;
use vigie::model::settings::Settings;
use vigie::model::time::{At, EngineTime, Timestamp};

/// Engine time at the start of a scenario: not zero, as in life.
pub(crate) const ENGINE_START_NS: u64 = 1_000_000_000_000;
/// Wall time at the start, 2026-11-24T08:00:00Z.
pub(crate) const WALL_START: Timestamp = Timestamp(1_795_507_200_000_000_000);

/// An input that owns what it says.
#[derive(Clone, Debug)]
pub(crate) enum Given {
    /// A message.
    Message(Message),
    /// A repeat: alarm slot, listener, channel bit, age.
    Repeat(Repeat),
    /// An operator's command.
    Command(Command),
    /// New settings.
    Settings(Arc<Settings>),
    /// The wall clock was set.
    ClockStep(i64),
    /// The daemon started, after so many ns in which nothing ran.
    Boot(u64),
    /// Time passed.
    Pulse,
}

/// Engine, digest and everything said so far.
pub(crate) struct Run {
    /// The engine.
    pub(crate) engine: Engine,
    digest: RollingDigest,
    /// One text per input, in order.
    pub(crate) told: Vec<String>,
    /// Every input with its time.
    pub(crate) given: Vec<(At, Given)>,
    /// Every effect of the last input.
    pub(crate) effects: Vec<Effect>,
    /// What had happened to each ticket and incident when it was last told.
    told_as: BTreeMap<String, String>,
    wall_offset_ns: i64,
    settings: Settings,
    slices_of: Option<usize>,
}

impl Run {
    /// A run from nothing.
    pub(crate) fn new() -> Self {
        Self {
            told_as: BTreeMap::new(),
            engine: Engine::new(),
            digest: RollingDigest::continuing([0; 32]),
            told: Vec::new(),
            given: Vec::new(),
            effects: Vec::new(),
            wall_offset_ns: 0,
            settings: Settings::default(),
            slices_of: None,
        }
    }

    /// What takes more than so many units takes several steps.
    pub(crate) fn in_slices_of(mut self, units: usize) -> Self {
        self.slices_of = Some(units);
        self.engine.work_in_slices_of(units);
        self
    }

    /// The two clocks at a time after the start.
    pub(crate) fn at(&self, at_ns: u64) -> At {
        let wall = WALL_START
            .plus_ns(i64::try_from(at_ns).expect("a scenario is short"))
            .plus_ns(self.wall_offset_ns);
        At { engine: EngineTime(ENGINE_START_NS + at_ns), wall }
    }

    /// A pulse for what is due then, or was before.
    pub(crate) fn pulse(&mut self, due_ns: u64) {
        let last =
            self.given.last().map_or(0, |(at, _)| at.engine.0.saturating_sub(ENGINE_START_NS));
        self.give(self.at(due_ns.max(last)), Given::Pulse);
    }

    /// Applies one input and holds the invariants against the state.
    pub(crate) fn give(&mut self, at: At, given: Given) {
        if let Given::ClockStep(step_ns) = given {
            self.wall_offset_ns += step_ns;
        }
        if let Given::Boot(downtime_ns) = given {
            // The wall clock went on, and the engine's time stood.
            self.wall_offset_ns += i64::try_from(downtime_ns).expect("a scenario is short");
        }
        if let Given::Settings(settings) = &given {
            self.settings = (**settings).clone();
        }
        let position = u64::try_from(self.given.len()).expect("few inputs") + 1;
        let mut effects = Vec::new();
        with_input(&given, at, &self.settings, |input| {
            self.engine.step(at, position, input, &mut effects);
        });
        self.digest.input(position, 0, format!("{at:?} {given:?}").as_bytes());
        self.digest.effects(&effects);
        let mut text = String::new();
        for effect in &effects {
            tell(effect, at.engine.0 - ENGINE_START_NS, &mut text);
        }
        let broken = self.engine.check();
        assert!(
            broken.is_empty(),
            "after input {position} ({given:?}): {broken:?}\n{}{text}",
            self.told.concat()
        );
        self.told_as.extend(effects.iter().filter_map(told_as));
        self.told.push(text);
        self.given.push((at, given));
        self.effects = effects;
    }

    /// Tickets and incidents that a restart now would show otherwise than they were told last.
    pub(crate) fn told_otherwise_after_a_restart(&self) -> Vec<(String, String)> {
        let mut effects = Vec::new();
        self.engine.show_everything(At::default(), &mut effects);
        let shown = effects.iter().filter_map(told_as);
        shown.filter(|(name, change)| self.told_as.get(name) != Some(change)).collect()
    }

    /// A message, as a compact repeat where the engine says that it is one.
    pub(crate) fn message(&mut self, at_ns: u64, message: Message, may_be_compact: bool) {
        let at = self.at(at_ns);
        let mut slot = None;
        let mut is_idle = false;
        if may_be_compact {
            let given = Given::Message(message.clone());
            with_input(&given, at, &self.settings, |input| {
                if let Input::Event(event) = input {
                    is_idle = self.engine.is_idle_news(event);
                    slot = self.engine.repeat_of(event, self.engine.hash_of(event.identity()));
                }
            });
        }
        if is_idle {
            return;
        }
        let given = match slot {
            Some(alarm) => Given::Repeat(Repeat {
                alarm,
                listener: message.listener,
                channel: message.channel.bit(),
                age_ns: u32::try_from(at_ns.saturating_sub(message.arrived_ns)).expect("recent"),
            }),
            None => Given::Message(message),
        };
        self.give(at, given);
    }

    /// The digest of all so far.
    pub(crate) fn digest(&self) -> [u8; 32] {
        self.digest.value()
    }

    /// The same inputs again, with the state taken through a snapshot before the input `cut`.
    pub(crate) fn again(&self, cut: Option<usize>) -> Self {
        let mut run = Self { slices_of: self.slices_of, ..Self::new() };
        if let Some(units) = self.slices_of {
            run = run.in_slices_of(units);
        }
        for (place, (at, given)) in self.given.iter().enumerate() {
            if cut == Some(place) {
                run.engine = through_bytes(run.engine, run.digest.value());
                if let Some(units) = self.slices_of {
                    run.engine.work_in_slices_of(units);
                }
            }
            run.give(*at, given.clone());
        }
        run
    }
}

fn told_as(effect: &Effect) -> Option<(String, String)> {
    match effect {
        Effect::Incident(image) => Some((image.id.to_string(), format!("{:?}", image.change))),
        Effect::Ticket(image) => Some((image.number.to_string(), format!("{:?}", image.change))),
        _ => None,
    }
}

fn through_bytes(engine: Engine, digest: [u8; 32]) -> Engine {
    let snapshot = Snapshot {
        engine_version: vigie::engine::ENGINE_VERSION,
        position: engine.position(),
        digest,
        engine,
    };
    let mut bytes = Vec::new();
    let mut take = |piece: &[u8]| {
        bytes.extend_from_slice(piece);
        true
    };
    snapshot.write(&mut take).expect("the state can be written");
    Snapshot::from_bytes(&bytes).expect("what was written can be read").engine
}

fn with_input(given: &Given, at: At, settings: &Settings, then: impl FnOnce(&Input<'_>)) {
    match given {
        Given::Message(message) => then(&Input::Event(event(message, at, settings))),
        Given::Repeat(repeat) => then(&Input::Repeats(&[*repeat])),
        Given::Command(command) => then(&Input::Command(command.clone())),
        Given::Settings(settings) => then(&Input::Settings(settings.clone())),
        Given::ClockStep(step_ns) => then(&Input::ClockStep { step_ns: *step_ns }),
        Given::Boot(downtime_ns) => then(&Input::Boot(Boot {
            version: "test".to_owned(),
            engine_version: vigie::engine::ENGINE_VERSION,
            hash_seed: 7,
            downtime_ns: *downtime_ns,
        })),
        Given::Pulse => then(&Input::Pulse),
    }
}

fn event<'a>(message: &'a Message, at: At, settings: &'a Settings) -> Event<'a> {
    let threshold = settings.thresholds.iter().find(|rule| rule.name == message.rule);
    let engine = EngineTime(ENGINE_START_NS + message.arrived_ns);
    let age_ns = i64::try_from(at.engine.ns_since(engine)).expect("recent");
    let early_ns = i64::try_from(engine.ns_since(at.engine)).expect("recent");
    Event {
        verb: message.verb,
        severity: message.severity,
        channel: message.channel,
        lane: message.lane(settings),
        faults: Faults::NONE,
        listener: message.listener,
        epoch: 1,
        arrived: At { engine, wall: at.wall.plus_ns(early_ns - age_ns) },
        occurred_at: message.occurred_ns.map(after_start),
        uptime_cs: message.uptime_cs,
        value: message.value,
        lease_until: message.lease_ns.map(after_start),
        peer: message
            .peer
            .or(message.device.parse().ok())
            .unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        is_known: message.is_known,
        is_in_service: message.is_in_service,
        device: &message.device,
        component: &message.component,
        component_alias: &message.alias,
        alarm_type: threshold.map_or(&*message.alarm_type, |rule| &rule.alarm_type),
        qualifier: &message.qualifier,
        rule: &message.rule,
        text: "",
        labels: "",
        raw: b"",
    }
}

fn after_start(ns: u64) -> Timestamp {
    WALL_START.plus_ns(i64::try_from(ns).expect("a scenario is short"))
}

fn tell(effect: &Effect, at_ns: u64, out: &mut String) {
    let mut line = String::new();
    match effect {
        Effect::Alarm(alarm) => tell_alarm(alarm, &mut line),
        Effect::Incident(incident) => tell_incident(incident, &mut line),
        Effect::Ticket(ticket) => tell_ticket(ticket, &mut line),
        Effect::Resource(resource) => {
            let is_service = resource.name.starts_with("service:");
            if !(is_service || resource.is_orphaned || resource.admin_down) {
                return;
            }
            let _ = write!(line, "resource {} {}", resource.name, resource.state);
            for (is_so, word) in
                [(resource.is_orphaned, " orphaned"), (resource.admin_down, " admin-down")]
            {
                line.push_str(if is_so { word } else { "" });
            }
        }
        Effect::Withdrawn(id) => {
            let _ = write!(line, "incident {id} withdrawn");
        }
        Effect::Silence(silence) => {
            let _ = write!(
                line,
                "silence {} {} {} until {}",
                silence.id,
                silence.state.as_str(),
                silence.matchers_text(),
                wall(silence.request.ends_at)
            );
        }
        Effect::Answer(answer) => {
            let word = if answer.accepted { "accepted" } else { "refused" };
            let _ = write!(line, "answer {word}: {}", answer.message);
        }
    }
    let _ = writeln!(out, "{:>9}  {line}", since_start(i64::try_from(at_ns).unwrap_or(i64::MAX)));
}

fn tell_alarm(alarm: &AlarmImage, line: &mut String) {
    let _ = write!(line, "alarm {} {} {}", alarm.id, alarm.resource, alarm.alarm_type);
    if !alarm.qualifier.is_empty() {
        let _ = write!(line, " {}", alarm.qualifier);
    }
    let state = if alarm.is_cleared { "cleared" } else { "active" };
    let _ = write!(line, " {} {state}", alarm.perceived_severity);
    if alarm.is_flapping {
        line.push_str(" flapping");
    }
    let _ = write!(line, " x{} by {}", alarm.occurrences, alarm.source);
    if let Some(incident) = &alarm.incident {
        let _ = write!(line, " in {incident}");
    }
    if alarm.source.contains("metric") {
        let times = [("occurred", alarm.occurred_at), ("ended", alarm.ended_at)];
        for (name, at) in times.into_iter().chain([("leased until", alarm.lease_until)]) {
            if let Some(at) = at {
                let _ = write!(line, ", {name} {}", wall(at));
            }
        }
    }
    if alarm.why == "source-silent" {
        line.push_str(", source-silent");
    }
}

fn tell_incident(incident: &IncidentImage, line: &mut String) {
    let (id, change) = (&incident.id, format!("{:?}", incident.change).to_lowercase());
    let status = format!("{:?}", incident.status).to_lowercase();
    let _ = write!(line, "incident {id} {change}: {status} {}", incident.severity);
    let _ = write!(line, ", root {}, {} alarms", incident.root_resource, incident.alarm_count);
    if !incident.services.is_empty() {
        let _ = write!(line, ", services {}", incident.services.join(" "));
    }
    if !incident.tickets.is_empty() {
        let _ = write!(line, ", tickets {}", incident.tickets.join(" "));
    }
    if let Some(reason) = &incident.no_ticket_reason {
        let _ = write!(line, ", no ticket: {reason}");
    }
    if let Some(into) = &incident.merged_into {
        let _ = write!(line, ", into {into}");
    }
    if let Some(restored) = incident.restored_at {
        let _ = write!(line, ", restored {}", wall(restored));
    }
    let _ = write!(line, "; {}", incident.why);
}

fn tell_ticket(ticket: &TicketImage, line: &mut String) {
    let change = format!("{:?}", ticket.change).to_lowercase();
    let state = format!("{:?}", ticket.state).to_lowercase();
    let _ = write!(line, "ticket {} {change}: {state}", ticket.number);
    match &ticket.confirmed_by {
        Some(who) => {
            let _ = write!(line, ", confirmed by {who}");
        }
        None => line.push_str(", unconfirmed"),
    }
    let contract = ticket.contract.as_deref().unwrap_or("internal");
    let _ = write!(line, ", {} {contract} {}", ticket.incident, ticket.severity);
    if let Some(nature) = &ticket.nature {
        let _ = write!(line, " {nature} of {}", ticket.services.join(" "));
    }
    let _ = write!(line, ", root {}", ticket.root_resource);
    if let Some(occurred) = ticket.occurred_at {
        let _ = write!(line, ", occurred {}", wall(occurred));
    }
    let _ = write!(line, ", detected {}", wall(ticket.detected_at));
    let _ = write!(line, ", clock since {}", wall(ticket.gtr_started_at));
    if let Some(restored) = ticket.restored_at {
        let _ = write!(line, ", restored {}", wall(restored));
    }
    let runs = if ticket.clock_running { "runs" } else { "stands" };
    let _ = write!(line, ", {runs} at {}", since_start(ticket.elapsed_s * 1_000_000_000));
    if let Some(breach) = ticket.breach_at {
        let _ = write!(line, ", breach {}", wall(breach));
    }
}

fn wall(at: Timestamp) -> String {
    since_start(at.ns_since(WALL_START))
}

/// `1h02m03.5s`.
fn since_start(ns: i64) -> String {
    let sign = if ns < 0 { "-" } else { "" };
    let ms = ns.unsigned_abs() / 1_000_000;
    let (hours, minutes, seconds, ms) =
        (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60, ms % 1_000);
    let mut text = sign.to_owned();
    if hours > 0 {
        let _ = write!(text, "{hours}h");
    }
    if hours > 0 || minutes > 0 {
        let _ = write!(text, "{minutes:02}m");
    }
    let _ = write!(text, "{seconds:02}");
    if ms > 0 {
        let _ = write!(text, ".{ms:03}");
    }
    text.push('s');
    text
}
