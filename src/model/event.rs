//! The event: what happened once, as intake hands it to the journal and the journal to the engine.
//!
//! It borrows all of its text, so that nothing is allocated between the socket and the journal.

use crate::model::fault::Faults;
use crate::model::severity::Severity;
use crate::model::time::{At, Timestamp};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr};

/// What an event does to the alarm that it names.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// The alarm is (still) there, with the event's severity.
    Raise,
    /// The alarm is gone.
    Clear,
    /// Something without a state happened (coldStart, authenticationFailure): recorded, counted,
    /// never active.
    Event,
    /// An administrator took the resource out of service: what it then reports as down is no fault.
    AdminDown,
    /// A series about the alarm's resource has the event's value, by the threshold rule that the
    /// event names: it came into another zone, or is one of the first samples there, or the first
    /// after it had been silent or forgotten. What follows is the engine's to decide.
    Crossing,
    /// That series sends nothing any more. With an empty rule: a sender of metrics sends nothing
    /// any more, and nothing is known of what it used to tell.
    Silent,
}

/// By which kind of message the event was told. One fault told by two channels is one alarm.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Channel {
    /// An SNMP notification.
    Trap,
    /// A syslog message.
    Syslog,
    /// A sample or an alert of a metric system.
    Metric,
    /// vigie about itself.
    Internal,
}

impl Channel {
    /// The word shown by the API (`source`).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trap => "trap",
            Self::Syslog => "syslog",
            Self::Metric => "metric",
            Self::Internal => "vigie",
        }
    }

    /// A bit of its own, for the set of channels that told an alarm.
    #[must_use]
    pub const fn bit(self) -> u8 {
        match self {
            Self::Trap => 1,
            Self::Syslog => 2,
            Self::Metric => 4,
            Self::Internal => 8,
        }
    }
}

/// How urgent an event is for vigie; a property of its alarm type, never of the single event, so
/// that a raise and its clear share a lane and cannot overtake each other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
#[repr(u8)]
pub enum Lane {
    /// Alarm types whose worst severity is critical or major, and vigie's own alarms.
    Urgent = 0,
    /// Other alarm types.
    Normal = 1,
    /// Events without a state, unclassified ones, and chatty sources.
    Low = 2,
}

impl Lane {
    /// Every lane, most urgent first; the index is the discriminant.
    pub const ALL: [Self; 3] = [Self::Urgent, Self::Normal, Self::Low];

    /// The label value on metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Urgent => "urgent",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }

    /// 0, 1 or 2.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Urgent => 0,
            Self::Normal => 1,
            Self::Low => 2,
        }
    }
}

/// The alarm type of what no rule knows.
pub const UNCLASSIFIED: &str = "unclassified";

/// One classified event. Text fields are UTF-8 without control characters; `raw` is the message as
/// received, bounded.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Event<'a> {
    /// What it does to the alarm.
    pub verb: Verb,
    /// Severity of a raise; ignored for the other verbs.
    pub severity: Severity,
    /// By which kind of message.
    pub channel: Channel,
    /// Lane of the alarm type.
    pub lane: Lane,
    /// What was wrong with the message.
    pub faults: Faults,
    /// Index of the listener in the configuration.
    pub listener: u16,
    /// Configuration epoch under which it was classified.
    pub epoch: u32,
    /// When the kernel received it (wall), and the same instant on the engine's clock.
    pub arrived: At,
    /// When the device says that it happened, if it says so.
    pub occurred_at: Option<Timestamp>,
    /// How long the sender has been up (sysUpTime), 1/100 s, if it says so: it puts messages of one
    /// boot in order that arrived in another.
    pub uptime_cs: Option<u32>,
    /// The value that the series has, for [`Verb::Crossing`].
    pub value: Option<f64>,
    /// Until when a raise holds without being said again (an alert's `endsAt` that is to come).
    pub lease_until: Option<Timestamp>,
    /// Who sent the datagram.
    pub peer: IpAddr,
    /// Whether the inventory knows the device.
    pub is_known: bool,
    /// Whether the message says that no administrator has shut the resource (`ifAdminStatus` up).
    pub is_in_service: bool,
    /// Device part of the resource: inventory name, or the textual address of an unknown sender.
    pub device: &'a str,
    /// Component part of the resource (`GigabitEthernet0/1`), empty for the device itself.
    pub component: &'a str,
    /// Another name by which the device calls that component (`ifIndex=3`), empty if none. The
    /// engine learns it, so that a later message that knows only this name means the same resource.
    pub component_alias: &'a str,
    /// Alarm type id (`interface-down`).
    pub alarm_type: &'a str,
    /// Qualifier within the alarm type (a BGP neighbour), often empty.
    pub qualifier: &'a str,
    /// Name of the rule that decided.
    pub rule: &'a str,
    /// One line for people.
    pub text: &'a str,
    /// What an alert says of itself: a JSON object of its labels and annotations with sorted keys,
    /// at most [`crate::model::limits::ALERT_LABELS_BYTES_MAX`]; empty for everything else.
    pub labels: &'a str,
    /// The message as received, cut at [`crate::model::limits::RAW_BYTES_MAX`].
    pub raw: &'a [u8],
}

impl<'a> Event<'a> {
    /// Its texts, in the order in which they are kept: names, alarm type, qualifier, rule, text
    /// and, last, labels.
    #[must_use]
    pub fn texts(&self) -> [&'a str; 8] {
        [
            self.device,
            self.component,
            self.component_alias,
            self.alarm_type,
            self.qualifier,
            self.rule,
            self.text,
            self.labels,
        ]
    }
}

impl Event<'_> {
    /// What tells its alarm from others: device, component, alarm type, qualifier.
    #[must_use]
    pub fn identity(&self) -> [&str; 4] {
        [self.device, self.component, self.alarm_type, self.qualifier]
    }

    /// An event that says nothing yet but these: of nobody known, in the normal lane, without
    /// texts. What vigie says itself begins with it; classifiers set every field themselves.
    #[must_use]
    pub fn new(verb: Verb, channel: Channel, arrived: At) -> Self {
        Self {
            verb,
            severity: Severity::Indeterminate,
            channel,
            lane: Lane::Normal,
            faults: Faults::NONE,
            listener: 0,
            epoch: 0,
            arrived,
            occurred_at: None,
            uptime_cs: None,
            value: None,
            lease_until: None,
            peer: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            is_known: false,
            is_in_service: false,
            device: "",
            component: "",
            component_alias: "",
            alarm_type: "",
            qualifier: "",
            rule: "",
            text: "",
            labels: "",
            raw: b"",
        }
    }
}
