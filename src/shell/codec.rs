//! Inputs and decisions as journal payloads, and back.
//!
//! Events and repeats are written by hand, since they are many; the rest is postcard. Integers are
//! little-endian.
//!
//! ```text
//! event    verb severity channel lane (u8 each) faults u32 listener u16 epoch u32
//!          arrived engine u64, wall i64   occurred i64   uptime u32   peer family u8, 16 bytes
//!          flags u8 (1 known, 2 has occurred, 4 has uptime, 8 in service, 16 of metrics,
//!          32 has value, 64 has lease)
//!          ends of device, component, alias, type, qualifier, rule, text (u16 each)
//!          if of metrics: value f64, lease i64, length of labels u16
//!          those texts, the labels, then the raw message up to the end of the payload
//! repeats  entries of 16 bytes: alarm u32, listener u16, channel u8, 0, age ns u32, 0 u32
//! settings last flag u8, then a part of the postcard bytes
//! decision position u64, ordinal u32, postcard of the effect
//! ```

use crate::engine::effect::Effect;
use crate::engine::input::{Boot, ClockQuality, Command, Input, Loss, Repeat};
use crate::model::event::{Channel, Event, Lane, Verb};
use crate::model::fault::Faults;
use crate::model::settings::Settings;
use crate::model::severity::Severity;
use crate::model::time::{At, EngineTime, Timestamp};
use crate::shell::journal::Kind;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// A payload that this release cannot read.
#[derive(Debug, thiserror::Error)]
#[error("the payload of a {kind} record cannot be read")]
pub struct Unreadable {
    /// Kind of record.
    pub kind: &'static str,
}

/// Fixed part of an event payload, bytes.
pub const EVENT_HEAD_BYTES: usize = 74;
/// What follows it when the event comes from samples or alerts, bytes.
const METRIC_HEAD_BYTES: usize = 18;
/// Flags of an event payload.
const KNOWN: u8 = 1;
const OCCURRED: u8 = 2;
const UPTIME: u8 = 4;
const IN_SERVICE: u8 = 8;
const OF_METRICS: u8 = 16;
const VALUE: u8 = 32;
const LEASE: u8 = 64;
/// One repeat, bytes.
pub const REPEAT_BYTES: usize = 16;

/// The fixed part of an event's payload.
#[derive(Debug)]
pub struct EventHead {
    bytes: [u8; EVENT_HEAD_BYTES + METRIC_HEAD_BYTES],
    end: usize,
}

impl EventHead {
    fn put(&mut self, part: &[u8]) {
        let end = self.end.saturating_add(part.len());
        if let Some(place) = self.bytes.get_mut(self.end..end) {
            place.copy_from_slice(part);
        }
        self.end = end;
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.end).unwrap_or(&[])
    }
}

/// The fixed part of an event's payload; the texts follow in [`event_parts`]' order.
#[must_use]
pub fn event_head(event: &Event<'_>) -> EventHead {
    let mut writer = EventHead { bytes: [0; EVENT_HEAD_BYTES + METRIC_HEAD_BYTES], end: 0 };
    writer.put(&[verb_code(event.verb), event.severity.number(), event.channel.bit()]);
    writer.put(&[u8::try_from(event.lane.index()).unwrap_or(0)]);
    writer.put(&event.faults.0.to_le_bytes());
    writer.put(&event.listener.to_le_bytes());
    writer.put(&event.epoch.to_le_bytes());
    writer.put(&event.arrived.engine.0.to_le_bytes());
    writer.put(&event.arrived.wall.0.to_le_bytes());
    writer.put(&event.occurred_at.map_or(0, |at| at.0).to_le_bytes());
    writer.put(&event.uptime_cs.unwrap_or(0).to_le_bytes());
    match event.peer {
        IpAddr::V4(peer) => {
            writer.put(&[4]);
            writer.put(&peer.octets());
            writer.put(&[0; 12]);
        }
        IpAddr::V6(peer) => {
            writer.put(&[6]);
            writer.put(&peer.octets());
        }
    }
    let is_of_metrics =
        event.value.is_some() || event.lease_until.is_some() || !event.labels.is_empty();
    let flags = [
        (event.is_known, KNOWN),
        (event.occurred_at.is_some(), OCCURRED),
        (event.uptime_cs.is_some(), UPTIME),
        (event.is_in_service, IN_SERVICE),
        (is_of_metrics, OF_METRICS),
        (event.value.is_some(), VALUE),
        (event.lease_until.is_some(), LEASE),
    ];
    let set = flags.into_iter().filter(|(is_set, _)| *is_set);
    writer.put(&[set.fold(0, |sum, (_, flag)| sum | flag)]);
    let mut end = 0_u16;
    // Labels have their place behind, where there are any.
    let [texts @ .., _] = event.texts();
    for text in texts {
        end = end.saturating_add(u16::try_from(text.len()).unwrap_or(u16::MAX));
        writer.put(&end.to_le_bytes());
    }
    if is_of_metrics {
        writer.put(&event.value.unwrap_or(0.0).to_bits().to_le_bytes());
        writer.put(&event.lease_until.map_or(0, |at| at.0).to_le_bytes());
        writer.put(&u16::try_from(event.labels.len()).unwrap_or(u16::MAX).to_le_bytes());
    }
    writer
}

/// The parts of an event's payload.
#[must_use]
pub fn event_parts<'a>(head: &'a EventHead, event: &Event<'a>) -> [&'a [u8]; 10] {
    let [device, component, alias, alarm_type, qualifier, rule, text, labels] = event.texts();
    [
        head.as_bytes(),
        device.as_bytes(),
        component.as_bytes(),
        alias.as_bytes(),
        alarm_type.as_bytes(),
        qualifier.as_bytes(),
        rule.as_bytes(),
        text.as_bytes(),
        labels.as_bytes(),
        event.raw,
    ]
}

struct HeadReader<'a> {
    bytes: &'a [u8],
}

impl<'a> HeadReader<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.bytes.split_first_chunk::<N>()?;
        self.bytes = rest;
        Some(*head)
    }

    fn slice(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.bytes.split_at_checked(len)?;
        self.bytes = rest;
        Some(head)
    }
}

/// Reads an event's payload.
#[must_use]
pub fn read_event(payload: &[u8]) -> Option<Event<'_>> {
    let mut reader = HeadReader { bytes: payload };
    let [verb, severity, channel, lane] = reader.take::<4>()?;
    let faults = Faults(u32::from_le_bytes(reader.take()?));
    let listener = u16::from_le_bytes(reader.take()?);
    let epoch = u32::from_le_bytes(reader.take()?);
    let engine = EngineTime(u64::from_le_bytes(reader.take()?));
    let wall = Timestamp(i64::from_le_bytes(reader.take()?));
    let occurred = Timestamp(i64::from_le_bytes(reader.take()?));
    let uptime = u32::from_le_bytes(reader.take()?);
    let [family] = reader.take::<1>()?;
    let address = reader.take::<16>()?;
    let [flags] = reader.take::<1>()?;
    let mut ends = [0_u16; 7];
    for end in &mut ends {
        *end = u16::from_le_bytes(reader.take()?);
    }
    let (value, lease_until, labels_len) = if flags & OF_METRICS == 0 {
        (None, None, 0)
    } else {
        let value = f64::from_bits(u64::from_le_bytes(reader.take()?));
        let lease = Timestamp(i64::from_le_bytes(reader.take()?));
        let len = u16::from_le_bytes(reader.take()?);
        ((flags & VALUE != 0).then_some(value), (flags & LEASE != 0).then_some(lease), len)
    };
    let mut texts = [""; 7];
    let mut start = 0_u16;
    for (text, end) in texts.iter_mut().zip(ends) {
        let bytes = reader.slice(usize::from(end.checked_sub(start)?))?;
        *text = std::str::from_utf8(bytes).ok()?;
        start = end;
    }
    let [device, component, component_alias, alarm_type, qualifier, rule, text] = texts;
    let labels = std::str::from_utf8(reader.slice(usize::from(labels_len))?).ok()?;
    let [a, b, c, d, ..] = address;
    Some(Event {
        verb: verb_of(verb)?,
        severity: Severity::from_number(severity)?,
        channel: channel_of(channel)?,
        lane: Lane::ALL.get(usize::from(lane)).copied()?,
        faults,
        listener,
        epoch,
        arrived: At { engine, wall },
        occurred_at: (flags & OCCURRED != 0).then_some(occurred),
        uptime_cs: (flags & UPTIME != 0).then_some(uptime),
        value,
        lease_until,
        peer: if family == 4 {
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        } else {
            IpAddr::V6(Ipv6Addr::from(address))
        },
        is_known: flags & KNOWN != 0,
        is_in_service: flags & IN_SERVICE != 0,
        device,
        component,
        component_alias,
        alarm_type,
        qualifier,
        rule,
        text,
        labels,
        raw: reader.bytes,
    })
}

/// Appends one repeat to a payload.
pub fn push_repeat(repeat: &Repeat, payload: &mut Vec<u8>) {
    payload.extend_from_slice(&repeat.alarm.to_le_bytes());
    payload.extend_from_slice(&repeat.listener.to_le_bytes());
    payload.extend_from_slice(&[repeat.channel, 0]);
    payload.extend_from_slice(&repeat.age_ns.to_le_bytes());
    payload.extend_from_slice(&[0; 4]);
}

fn read_repeats(payload: &[u8], repeats: &mut Vec<Repeat>) -> Option<()> {
    repeats.clear();
    let (entries, rest) = payload.as_chunks::<REPEAT_BYTES>();
    for entry in entries {
        let mut reader = HeadReader { bytes: entry };
        let alarm = u32::from_le_bytes(reader.take()?);
        let listener = u16::from_le_bytes(reader.take()?);
        let [channel, _] = reader.take::<2>()?;
        let age_ns = u32::from_le_bytes(reader.take()?);
        repeats.push(Repeat { alarm, listener, channel, age_ns });
    }
    rest.is_empty().then_some(())
}

/// Reads input records one after the other; keeps the memory that reading takes.
#[derive(Debug, Default)]
pub struct InputReader {
    repeats: Vec<Repeat>,
    settings: Vec<u8>,
}

/// What a record means for the engine.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one at a time, on the stack: a box would allocate")]
pub enum Meaning<'a> {
    /// An input.
    Input(Input<'a>),
    /// A part of an input that is not complete yet.
    Part,
    /// No input: a decision, a mark or a panic.
    Note,
}

impl InputReader {
    /// The meaning of a record.
    ///
    /// # Errors
    /// When the payload is not of its kind.
    pub fn read<'a>(
        &'a mut self,
        kind: Kind,
        payload: &'a [u8],
    ) -> Result<Meaning<'a>, Unreadable> {
        let unreadable = || Unreadable { kind: kind.as_str() };
        let input = match kind {
            Kind::Event => Input::Event(read_event(payload).ok_or_else(unreadable)?),
            Kind::Repeats => {
                read_repeats(payload, &mut self.repeats).ok_or_else(unreadable)?;
                Input::Repeats(&self.repeats)
            }
            Kind::Settings => return self.settings_part(payload).ok_or_else(unreadable),
            Kind::Command => Input::Command(decode::<Command>(payload).ok_or_else(unreadable)?),
            Kind::Boot => {
                // Settings of which the process before wrote only a part never were.
                self.settings.clear();
                Input::Boot(decode::<Boot>(payload).ok_or_else(unreadable)?)
            }
            Kind::ClockQuality => {
                Input::ClockQuality(decode::<ClockQuality>(payload).ok_or_else(unreadable)?)
            }
            Kind::ClockStep => {
                Input::ClockStep { step_ns: decode(payload).ok_or_else(unreadable)? }
            }
            Kind::Loss => Input::Loss(decode::<Loss>(payload).ok_or_else(unreadable)?),
            Kind::Pulse => Input::Pulse,
            Kind::Skip => Input::Skip { position: decode(payload).ok_or_else(unreadable)? },
            Kind::Decision | Kind::Mark | Kind::Panic => return Ok(Meaning::Note),
        };
        Ok(Meaning::Input(input))
    }

    fn settings_part(&mut self, payload: &[u8]) -> Option<Meaning<'static>> {
        let (is_last, part) = payload.split_first()?;
        self.settings.extend_from_slice(part);
        if *is_last == 0 {
            return Some(Meaning::Part);
        }
        let settings = decode::<Settings>(&self.settings);
        self.settings.clear();
        Some(Meaning::Input(Input::Settings(Arc::new(settings?))))
    }
}

/// The position that the payload of a skip or a panic names.
#[must_use]
pub fn read_position(payload: &[u8]) -> Option<u64> {
    decode(payload)
}

fn decode<'a, T: Deserialize<'a>>(payload: &'a [u8]) -> Option<T> {
    postcard::from_bytes(payload).ok()
}

/// A payload in postcard.
#[must_use]
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).unwrap_or_default()
}

/// What marks hold: where the digest and the cursors stand. Written every few seconds and at stop.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Mark {
    /// Engine version that made it.
    pub engine_version: u32,
    /// Position of the last input applied.
    pub position: u64,
    /// Rolling digest after that input.
    pub digest: [u8; 32],
    /// Highest position of which Kafka has everything.
    pub kafka_cursor: u64,
}

impl Mark {
    /// Reads a mark's payload.
    #[must_use]
    pub fn read(payload: &[u8]) -> Option<Self> {
        decode(payload)
    }
}

/// A decision as it is journaled.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Decision {
    /// Position of the input that caused it.
    pub position: u64,
    /// Its place among the effects of that input.
    pub ordinal: u32,
    /// What was decided.
    pub effect: Effect,
}

impl Decision {
    /// Reads a decision's payload. Those of engine version 4 and before end before the last field,
    /// `service_count`: they list every service.
    #[must_use]
    pub fn read(payload: &[u8]) -> Option<Self> {
        if let Some(decision) = decode(payload) {
            return Some(decision);
        }
        let mut decision: Self = decode(&[payload, &[0]].concat())?;
        let count = |listed: &[_]| u64::try_from(listed.len()).unwrap_or(u64::MAX);
        match &mut decision.effect {
            Effect::Incident(image) => {
                Arc::make_mut(image).service_count = count(&image.services);
            }
            Effect::Ticket(image) => Arc::make_mut(image).service_count = count(&image.services),
            _ => return None,
        }
        Some(decision)
    }
}

fn verb_code(verb: Verb) -> u8 {
    match verb {
        Verb::Raise => 1,
        Verb::Clear => 2,
        Verb::Event => 3,
        Verb::AdminDown => 4,
        Verb::Crossing => 5,
        Verb::Silent => 6,
    }
}

fn verb_of(code: u8) -> Option<Verb> {
    match code {
        1 => Some(Verb::Raise),
        2 => Some(Verb::Clear),
        3 => Some(Verb::Event),
        4 => Some(Verb::AdminDown),
        5 => Some(Verb::Crossing),
        6 => Some(Verb::Silent),
        _ => None,
    }
}

fn channel_of(bit: u8) -> Option<Channel> {
    [Channel::Trap, Channel::Syslog, Channel::Metric, Channel::Internal]
        .into_iter()
        .find(|channel| channel.bit() == bit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event<'a>(text: &'a str, raw: &'a [u8]) -> Event<'a> {
        Event {
            verb: Verb::Clear,
            severity: Severity::Minor,
            channel: Channel::Syslog,
            lane: Lane::Normal,
            faults: Faults(5),
            listener: 3,
            epoch: 9,
            arrived: At { engine: EngineTime(77), wall: Timestamp(-5) },
            occurred_at: Some(Timestamp(12)),
            uptime_cs: Some(0x8000_0001),
            value: None,
            lease_until: None,
            peer: "2001:db8::1".parse().expect("an address"),
            is_known: true,
            is_in_service: true,
            device: "edge-1",
            component: "Gi0/1",
            component_alias: "ifIndex=3",
            alarm_type: "interface-down",
            qualifier: "",
            rule: "r",
            text,
            labels: "",
            raw,
        }
    }

    #[test]
    fn events_come_back_as_they_were() {
        for peer in ["2001:db8::1", "192.0.2.7"] {
            let peer = peer.parse().expect("an address");
            let sent = Event { peer, ..event("é down", b"\x30\x00raw") };
            let head = event_head(&sent);
            let payload = event_parts(&head, &sent).concat();
            assert_eq!(read_event(&payload), Some(sent));
        }
    }

    #[test]
    fn what_metrics_tell_comes_back_too() {
        let crossing = Event { verb: Verb::Crossing, value: Some(-0.5), ..event("hot", b"") };
        let lease_until = Some(Timestamp(99));
        let alert = Event { lease_until, labels: r#"{"alertname":"é"}"#, ..event("", b"raw") };
        for sent in [crossing, alert, Event { value: Some(f64::INFINITY), ..alert }] {
            let head = event_head(&sent);
            let payload = event_parts(&head, &sent).concat();
            assert_eq!(read_event(&payload), Some(sent));
        }
    }

    #[test]
    fn a_cut_payload_is_unreadable_and_never_panics() {
        let sent = Event { value: Some(3.0), labels: "{}", ..event("down", b"") };
        let head = event_head(&sent);
        let payload = event_parts(&head, &sent).concat();
        for end in 0..payload.len() {
            assert_eq!(read_event(payload.get(..end).unwrap_or(&[])), None);
        }
    }

    #[test]
    fn repeats_take_sixteen_bytes_each() {
        let repeat = Repeat { alarm: 70_000, listener: 2, channel: 1, age_ns: 1_500 };
        let mut payload = Vec::new();
        push_repeat(&repeat, &mut payload);
        push_repeat(&repeat, &mut payload);
        assert_eq!(payload.len(), 2 * REPEAT_BYTES);
        let mut reader = InputReader::default();
        let Ok(Meaning::Input(Input::Repeats(read))) = reader.read(Kind::Repeats, &payload) else {
            panic!("repeats were written");
        };
        assert_eq!(read, [repeat, repeat]);
    }

    /// Decisions of engine version 4 have all but the count of services, which comes last.
    #[test]
    fn decisions_that_count_no_services_are_read() {
        use crate::engine::effect::{IncidentChange, IncidentStatus};
        use crate::shell::publish::fixtures::incident;
        let image = incident("I7", IncidentStatus::Open, IncidentChange::Opened);
        assert_eq!((image.services.len(), image.service_count), (1, 1));
        let decision =
            Decision { position: 7, ordinal: 0, effect: Effect::Incident(Arc::new(image)) };
        let new = encode(&decision);
        let (count, old) = new.split_last().expect("it is not empty");
        assert_eq!(*count, 1);
        assert_eq!(Decision::read(&new).as_ref(), Some(&decision));
        assert_eq!(Decision::read(old).as_ref(), Some(&decision));
        assert_eq!(Decision::read(&old[..old.len() - 1]), None);
    }
}
