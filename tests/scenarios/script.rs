//! The scenario script: one line per thing that happens, as an operator would tell it.
//!
//! ```text
//! set unknown_senders_open true                     (before the first `at`)
//! at 10s trap edge-1 raise interface-down GigabitEthernet0/1 major
//! at 12s syslog edge-1 clear interface-down GigabitEthernet0/1 arrived=11s listener=1
//! at 20s sample edge-1 temperature 92.5 of cpu taken=19s by=192.0.2.90
//! at 50s sample edge-1 temperature silent of cpu
//! at 60s sample poller silent by=192.0.2.90
//! at 70s alert hyp-1 raise host-unreachable - critical lease=4m occurred=60s
//! at 13s operator confirm VIG-000001
//! at 13s operator silence 1h alertname="host-unreachable" device=~"hyp-.*"
//! at 14s operator expire 5                        (the silence that input 5 made)
//! at 14s clock step -1h
//! at 15s boot after 10m                           (down for ten minutes: this clock stood)
//! at 15s inventory other.toml
//! pulse until 40s
//! ```
//! `sample DEVICE RULE VALUE [of PART]` is a sample of a series that the metric rule looks at (the
//! story's `rules.toml` has it), `taken=` its own time, `by=` the collector that sends it; without
//! rule it is the collector itself that fell silent. `-` stands for no component. `arrived=` is
//! when the kernel received it (else the time of the line), `occurred=` when the device says that
//! it happened, `uptime=` how long the device has been up (sysUpTime), `listener=` who heard it
//! (trap 0 and syslog 1 else), `qualifier=` (`_` for a blank), `alias=`, `repeat=` with `every=`,
//! `unknown` for a sender that the inventory does not know, and `in-service` for a message that
//! says that no administrator shut the resource (ifAdminStatus up).

use crate::message::Message;
use crate::run::WALL_START;
use vigie::engine::input::{Action, Command};
use vigie::model::event::{Channel, UNCLASSIFIED, Verb};
use vigie::model::matcher::Matcher;
use vigie::model::severity::Severity;
use vigie::model::silence::{SilenceRequest, silence_name};

/// A script, read.
pub(crate) struct Script {
    /// Changes to the settings, by name.
    pub(crate) set: Vec<(String, String)>,
    /// What happens, in order.
    pub(crate) steps: Vec<Step>,
}

/// One thing that happens.
#[derive(Clone)]
pub(crate) struct Step {
    /// When, ns after the start.
    pub(crate) at_ns: u64,
    /// What.
    pub(crate) act: Act,
}

/// What happens.
#[derive(Clone)]
pub(crate) enum Act {
    /// A message is applied.
    Message(Message),
    /// An operator says something.
    Operator(Command),
    /// The wall clock is set, ns.
    ClockStep(i64),
    /// The daemon starts again after so many ns in which nothing ran.
    Boot(u64),
    /// The inventory is read again from another file.
    Inventory(String),
    /// Time passes.
    Pulse,
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// The line that is not understood.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut script = Self { set: Vec::new(), steps: Vec::new() };
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.split('#').next().unwrap_or_default();
            let words: Vec<&str> = line.split_whitespace().collect();
            script
                .line(&words)
                .ok_or_else(|| format!("line {number} is not understood: {line}"))?;
        }
        script.steps.sort_by_key(|step| step.at_ns);
        Ok(script)
    }

    fn line(&mut self, words: &[&str]) -> Option<()> {
        match words {
            [] => Some(()),
            ["set", name, value] => {
                self.set.push(((*name).to_owned(), (*value).to_owned()));
                Some(())
            }
            ["pulse", "until", until] => {
                self.steps.push(Step { at_ns: duration_ns(until)?, act: Act::Pulse });
                Some(())
            }
            ["at", at, rest @ ..] => self.act(duration_ns(at)?, rest),
            _ => None,
        }
    }

    fn act(&mut self, at_ns: u64, words: &[&str]) -> Option<()> {
        let act = match words {
            ["operator", action, number, rest @ ..] => {
                let id = self.steps.len();
                let command = match *action {
                    "silence" => silence(id, at_ns, number, rest)?,
                    _ => operator(id, action, number, &rest.join(" "))?,
                };
                Act::Operator(command)
            }
            ["clock", "step", step] => {
                let size = i64::try_from(duration_ns(step.trim_start_matches(['-', '+']))?).ok()?;
                Act::ClockStep(if step.starts_with('-') { -size } else { size })
            }
            ["boot", "after", downtime] => Act::Boot(duration_ns(downtime)?),
            ["inventory", file] => Act::Inventory((*file).to_owned()),
            ["sample", rest @ ..] => return self.sample(at_ns, rest),
            [channel, rest @ ..] => return self.messages(at_ns, channel, rest),
            [] => return None,
        };
        self.steps.push(Step { at_ns, act });
        Some(())
    }

    fn sample(&mut self, at_ns: u64, words: &[&str]) -> Option<()> {
        let (message, repeat, every_ns) = sample(at_ns, words)?;
        for turn in 0..repeat {
            let mut one = message.clone();
            let later_ns = turn * every_ns;
            one.arrived_ns += later_ns;
            one.occurred_ns = one.occurred_ns.map(|ns| ns + later_ns);
            self.steps.push(Step { at_ns: at_ns + later_ns, act: Act::Message(one) });
        }
        Some(())
    }

    fn messages(&mut self, at_ns: u64, channel: &str, words: &[&str]) -> Option<()> {
        let (channel, listener) = match channel {
            "trap" => (Channel::Trap, 0),
            "syslog" => (Channel::Syslog, 1),
            "alert" => (Channel::Metric, 2),
            _ => return None,
        };
        let [device, verb, rest @ ..] = words else { return None };
        let verb = match *verb {
            "raise" => Verb::Raise,
            "clear" => Verb::Clear,
            "event" => Verb::Event,
            "admin-down" => Verb::AdminDown,
            _ => return None,
        };
        let mut message = Message {
            verb,
            severity: Severity::Indeterminate,
            channel,
            listener,
            arrived_ns: at_ns,
            occurred_ns: None,
            uptime_cs: None,
            value: None,
            lease_ns: None,
            rule: "scenario".to_owned(),
            peer: None,
            is_known: true,
            is_in_service: false,
            device: (*device).to_owned(),
            component: String::new(),
            alias: String::new(),
            alarm_type: UNCLASSIFIED.to_owned(),
            qualifier: String::new(),
        };
        let (mut repeat, mut every_ns, mut place) = (1_u64, 0_u64, 0);
        for word in rest {
            match word.split_once('=') {
                Some(("arrived", value)) => message.arrived_ns = duration_ns(value)?,
                Some(("occurred", value)) => message.occurred_ns = Some(duration_ns(value)?),
                Some(("uptime", value)) => message.uptime_cs = Some(uptime_cs(value)?),
                Some(("lease", value)) => message.lease_ns = Some(duration_ns(value)?),
                Some(("listener", value)) => message.listener = value.parse().ok()?,
                Some(("qualifier", value)) => message.qualifier = value.replace('_', " "),
                Some(("alias", value)) => value.clone_into(&mut message.alias),
                Some(("repeat", value)) => repeat = value.parse().ok()?,
                Some(("every", value)) => every_ns = duration_ns(value)?,
                Some(_) if !word.starts_with("ifIndex=") => return None,
                None if *word == "unknown" => message.is_known = false,
                None if *word == "in-service" => message.is_in_service = true,
                _ => {
                    place += 1;
                    match (place, *word) {
                        (1, id) => id.clone_into(&mut message.alarm_type),
                        (2, "-") => {}
                        (2, component) => component.clone_into(&mut message.component),
                        (3, severity) => message.severity = severity.parse().ok()?,
                        _ => return None,
                    }
                }
            }
        }
        for turn in 0..repeat {
            let mut one = message.clone();
            one.arrived_ns += turn * every_ns;
            self.steps.push(Step { at_ns: at_ns + turn * every_ns, act: Act::Message(one) });
        }
        Some(())
    }
}

/// The words of a sample: device, then rule and value or `silent`.
fn sample(at_ns: u64, words: &[&str]) -> Option<(Message, u64, u64)> {
    let mut message = Message {
        verb: Verb::Crossing,
        severity: Severity::Minor,
        channel: Channel::Metric,
        listener: 2,
        arrived_ns: at_ns,
        occurred_ns: Some(at_ns),
        uptime_cs: None,
        value: None,
        lease_ns: None,
        rule: String::new(),
        peer: None,
        is_known: true,
        is_in_service: false,
        device: String::new(),
        component: String::new(),
        alias: String::new(),
        alarm_type: "collector-silent".to_owned(),
        qualifier: String::new(),
    };
    let (mut repeat, mut every_ns) = (1_u64, 0_u64);
    let mut plain = Vec::new();
    for word in words {
        match word.split_once('=') {
            Some(("taken", value)) => message.occurred_ns = Some(duration_ns(value)?),
            Some(("by", value)) => message.peer = Some(value.parse().ok()?),
            Some(("qualifier", value)) => message.qualifier = value.replace('_', " "),
            Some(("repeat", value)) => repeat = value.parse().ok()?,
            Some(("every", value)) => every_ns = duration_ns(value)?,
            Some(_) => return None,
            None if *word == "unknown" => message.is_known = false,
            None => plain.push(*word),
        }
    }
    match plain.as_slice() {
        [sender, "silent"] => (*sender).clone_into(&mut message.device),
        [device, rule, value, part @ ..] => {
            (*device).clone_into(&mut message.device);
            (*rule).clone_into(&mut message.rule);
            match part {
                [] => {}
                ["of", part] => (*part).clone_into(&mut message.component),
                _ => return None,
            }
            message.value = if *value == "silent" { None } else { Some(value.parse().ok()?) };
        }
        _ => return None,
    }
    if message.value.is_none() {
        message.verb = Verb::Silent;
        message.occurred_ns = None;
    }
    Some((message, repeat, every_ns))
}

fn operator(id: usize, action: &str, number: &str, reason: &str) -> Option<Command> {
    let (number, reason) = (number.to_owned(), reason.to_owned());
    let action = match action {
        "confirm" => Action::ConfirmTicket { number },
        "refute" => Action::RefuteTicket { number, reason },
        "take" => Action::TakeTicket { number },
        "restore" => Action::RestoreTicket { number, restored_at: None, reason },
        "close" => Action::CloseTicket { number, reason },
        "expire" => Action::ExpireSilence { silence: silence_name(number.parse().ok()?) },
        _ => return None,
    };
    Some(Command { id: u64::try_from(id).ok()?, author: "ann".to_owned(), action })
}

fn silence(id: usize, at_ns: u64, lasting: &str, matchers: &[&str]) -> Option<Command> {
    let starts_at = WALL_START.plus_ns(i64::try_from(at_ns).ok()?);
    let matchers: Result<Vec<Matcher>, _> =
        matchers.iter().map(|matcher| Matcher::parse(matcher)).collect();
    let request = SilenceRequest {
        matchers: matchers.ok()?,
        starts_at,
        ends_at: starts_at.plus_ns(i64::try_from(duration_ns(lasting)?).ok()?),
        created_by: "ann".to_owned(),
        comment: "work".to_owned(),
    };
    let action = Action::SetSilence { replaces: String::new(), request: Box::new(request) };
    Some(Command { id: u64::try_from(id).ok()?, author: "ann".to_owned(), action })
}

/// sysUpTime, which begins again at 2^32 hundredths of a second.
fn uptime_cs(text: &str) -> Option<u32> {
    u32::try_from(duration_ns(text)? / 10_000_000 % (1 << 32)).ok()
}

/// Nanoseconds of `1h2m3.5s`, `200ms`, `1d`.
fn duration_ns(text: &str) -> Option<u64> {
    let mut sum = 0_u64;
    let mut rest = text;
    while !rest.is_empty() {
        let number = rest.find(|c: char| c.is_ascii_alphabetic())?;
        let (digits, tail) = rest.split_at(number);
        let end = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, next) = tail.split_at(end);
        let unit_ns = match unit {
            "d" => 86_400_000_000_000,
            "h" => 3_600_000_000_000,
            "m" => 60_000_000_000,
            "s" => 1_000_000_000,
            "ms" => 1_000_000,
            _ => return None,
        };
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        sum += whole.parse::<u64>().ok()? * unit_ns;
        if !part.is_empty() {
            let scale = 10_u64.pow(u32::try_from(part.len()).ok()?);
            sum += part.parse::<u64>().ok()? * unit_ns / scale;
        }
        rest = next;
    }
    Some(sum)
}
