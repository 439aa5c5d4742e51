//! What the engine decides: after-images, in the shape in which the API, SQLite and Kafka show
//! them. Upserts keyed by id; the newest position wins, so that a repeat is harmless.
//!
//! Images are made by one thread and dropped by others, thousands a second. Names of up to 23
//! octets lie in the image itself: what is allocated has to be given back across threads, and is
//! collected there while the engine waits.

use crate::model::severity::Severity;
use crate::model::silence::Silence;
use crate::model::time::Timestamp;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::sync::Arc;

/// One consequence of one step. Whoever keeps an image shares it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Effect {
    /// An alarm as it is now. Stays inside (history, API).
    Alarm(Arc<AlarmImage>),
    /// An incident as it is now. A decision: journaled, published.
    Incident(Arc<IncidentImage>),
    /// A ticket as it is now. A decision: journaled, published.
    Ticket(Arc<TicketImage>),
    /// A resource as it is now (first heard, became unknown or known, orphaned). Stays inside.
    Resource(Arc<ResourceImage>),
    /// The answer to an operator's command. A decision; goes to whoever waits for it.
    Answer(Arc<Answer>),
    /// The incident of that id has been over for so long that its final record may go where only
    /// the last record of each incident is kept. A decision; the history keeps the incident.
    Withdrawn(Arc<str>),
    /// A silence as it is now. Stays inside.
    Silence(Arc<Silence>),
}

/// An alarm, with the names of RFC 8632.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AlarmImage {
    /// `A` and the journal position of the event that created it.
    pub id: SmolStr,
    /// `device` or `device/component`.
    pub resource: SmolStr,
    /// Alarm type id.
    pub alarm_type: SmolStr,
    /// Alarm type qualifier, often empty.
    pub qualifier: SmolStr,
    /// Last severity while raised; kept when cleared.
    pub perceived_severity: Severity,
    /// Whether the condition is gone.
    pub is_cleared: bool,
    /// When the first raise of this alarm was received.
    pub time_created: Timestamp,
    /// When the last raise was received.
    pub last_raised: Timestamp,
    /// When severity or cleared last changed *at the resource* (receive time of that message).
    pub last_changed: Timestamp,
    /// What the device, the first crossing sample or an alert's `startsAt` says about when the
    /// present or last active time began; no contractual instant.
    #[serde(default)]
    pub occurred_at: Option<Timestamp>,
    /// What the clear (its sample, an alert's `endsAt`) says about when that ended.
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
    /// Until when an alert holds without being said again.
    #[serde(default)]
    pub lease_until: Option<Timestamp>,
    /// Labels and annotations of an alert: a JSON object, empty for anything else.
    #[serde(default)]
    pub labels: String,
    /// Raises received, repeats included.
    pub occurrences: u64,
    /// Incident that it belongs to, if any.
    pub incident: Option<SmolStr>,
    /// Channels that told it: `trap`, `syslog`, `metric`, `vigie`, joined by `+`.
    pub source: SmolStr,
    /// One line for people, of the last change. Shared with the alarm itself: texts are most of
    /// what a hundred thousand alarms take.
    pub text: Arc<str>,
    /// X.733 event type.
    pub event_type: SmolStr,
    /// X.733 probable cause.
    pub probable_cause: SmolStr,
    /// Whether it toggles so often that only its flapping is told.
    pub is_flapping: bool,
    /// Why no incident or ticket follows, or what explains it; empty if nothing needs saying.
    pub why: SmolStr,
    /// Names of what was wrong with the message of the last change.
    pub faults: Vec<SmolStr>,
    /// Name of the rule that decided the last change.
    pub rule: SmolStr,
}

/// Life cycle of an incident.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IncidentStatus {
    /// In its hold-off: waiting for its root.
    Forming,
    /// Open.
    Open,
    /// Every alarm cleared and stable.
    Restored,
    /// Done: restored and no ticket left open.
    Closed,
    /// Taken over by another incident, named in `merged_into`.
    Merged,
}

/// What happened to an incident to make this image.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IncidentChange {
    /// First seen.
    Opened,
    /// Alarms joined or left, or the root changed.
    Updated,
    /// Service is back and stable.
    Restored,
    /// A relapse: open again.
    Reopened,
    /// Closed.
    Closed,
    /// Taken over by another.
    Merged,
}

/// Alarms that one fault explains.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct IncidentImage {
    /// `I` and the journal position of the event that founded it.
    pub id: SmolStr,
    /// Where it is in its life.
    pub status: IncidentStatus,
    /// What made this image.
    pub change: IncidentChange,
    /// Resource held to be the root cause.
    pub root_resource: SmolStr,
    /// Alarm held to be the root cause.
    pub root_alarm: SmolStr,
    /// Ids of its alarms, oldest first, at most 1,000.
    pub alarms: Vec<SmolStr>,
    /// Number of its alarms, beyond the list too.
    pub alarm_count: u64,
    /// Worst severity among its active alarms; of all its alarms once none is active.
    pub severity: Severity,
    /// Why this root, in one sentence.
    pub why: String,
    /// Every decision with its reason, oldest first, bounded.
    pub trail: Vec<TrailEntry>,
    /// Services that it affects, at most 1,000.
    pub services: Vec<SmolStr>,
    /// Receive time of its earliest alarm.
    pub opened_at: Timestamp,
    /// When it was restored.
    pub restored_at: Option<Timestamp>,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// Incident that took it over.
    pub merged_into: Option<SmolStr>,
    /// Ticket numbers.
    pub tickets: Vec<SmolStr>,
    /// Why there is no ticket, when there is none.
    pub no_ticket_reason: Option<SmolStr>,
    /// Number of services that it affects, beyond the list too.
    #[serde(default)]
    pub service_count: u64,
}

/// One decision and its reason.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TrailEntry {
    /// When it was decided.
    pub at: Timestamp,
    /// Closed list of reasons, kebab-case.
    pub reason: SmolStr,
    /// The reason as a sentence with names filled in.
    pub text: String,
}

/// TMF621 states that tickets pass through here.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TicketState {
    /// Opened, nobody works on it yet.
    Acknowledged,
    /// A named technician took it.
    InProgress,
    /// Service is restored, closure not yet pronounced.
    Resolved,
    /// Closure pronounced.
    Closed,
    /// Refuted or merged; the number stays taken.
    Cancelled,
}

/// What happened to a ticket to make this image.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TicketChange {
    /// Opened.
    Opened,
    /// Confirmed, by an operator or by the delay.
    Confirmed,
    /// Cancelled: refuted by an operator.
    Refuted,
    /// Nature or severity changed.
    Updated,
    /// Service restored.
    Restored,
    /// A relapse before closure: the clock runs again.
    Reopened,
    /// `breach_at` passed.
    Breached,
    /// Closed.
    Closed,
    /// Cancelled: another ticket of the same fault goes on.
    Merged,
}

/// The contractual record of one incident for one contract.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TicketImage {
    /// `SERIES-NNNNNN`, without holes within a series.
    pub number: SmolStr,
    /// TMF621 state.
    pub state: TicketState,
    /// What made this image.
    pub change: TicketChange,
    /// Whether an operator or the delay confirmed it.
    pub confirmed: bool,
    /// Who confirmed it.
    pub confirmed_by: Option<SmolStr>,
    /// Incident id.
    pub incident: SmolStr,
    /// Contract id; none for an internal ticket.
    pub contract: Option<SmolStr>,
    /// Customer; none for an internal ticket.
    pub customer: Option<String>,
    /// Resource held to be the root cause.
    pub root_resource: SmolStr,
    /// Services of the contract that are affected, at most 1,000.
    pub services: Vec<SmolStr>,
    /// Why it was opened (closed list, kebab-case).
    pub reason: SmolStr,
    /// `total-outage`, `degraded`, `backup-active`; none for an internal ticket.
    pub nature: Option<SmolStr>,
    /// `blocking` or `minor`.
    pub severity: SmolStr,
    /// When the device says that it happened.
    pub occurred_at: Option<Timestamp>,
    /// Kernel receive time of the earliest message that shows the service affected.
    pub detected_at: Timestamp,
    /// When the customer signalled.
    pub signalled_at: Option<Timestamp>,
    /// `signalled_at`, else `detected_at`.
    pub incident_started_at: Timestamp,
    /// Time of the journal record that opened it.
    pub opened_at: Timestamp,
    /// When the GTR clock started.
    pub gtr_started_at: Timestamp,
    /// Why the clock started there (closed list, kebab-case).
    pub gtr_start_reason: SmolStr,
    /// When a named technician took it.
    pub treatment_started_at: Option<Timestamp>,
    /// When service was back, dated back to the clear.
    pub restored_at: Option<Timestamp>,
    /// When closure was pronounced.
    pub closed_at: Option<Timestamp>,
    /// Contractual target in seconds; none for an internal ticket.
    pub gtr_target_s: Option<i64>,
    /// Seconds of contractual time used when this image was made.
    pub elapsed_s: i64,
    /// Seconds left at the image's instant (negative after a breach); none without a target.
    pub remaining_s: Option<i64>,
    /// When the target will be or was passed; none without a target or while the clock stands.
    pub breach_at: Option<Timestamp>,
    /// Whether the clock was running when this image was made.
    pub clock_running: bool,
    /// Quality of the wall clock when the ticket opened: source, synchronised or not, error.
    pub clock_quality: String,
    /// Whether it belongs to a rehearsal (marche à blanc).
    pub observe: bool,
    /// Every value that each of the times has had, oldest first: the last holds.
    pub times: Vec<TimeEntry>,
    /// Number of services of the contract that are affected, beyond the list too.
    #[serde(default)]
    pub service_count: u64,
}

/// One entry of one of a ticket's times. None is ever overwritten.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TimeEntry {
    /// Which time: `detected_at`, `restored_at`, …
    pub name: SmolStr,
    /// Its value; none withdraws the one before.
    pub value: Option<Timestamp>,
    /// Who says so (`vigie` or an operator).
    pub author: SmolStr,
    /// Why.
    pub reason: String,
    /// When it was entered.
    pub entered_at: Timestamp,
}

/// A sender or a named part of one.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ResourceImage {
    /// `device` or `device/component`.
    pub name: SmolStr,
    /// Device part.
    pub device: SmolStr,
    /// Whether the inventory knows it.
    pub is_known: bool,
    /// Whether the inventory once knew it and alarms remain.
    pub is_orphaned: bool,
    /// Addresses heard.
    pub addresses: Vec<SmolStr>,
    /// Other names by which it calls itself, as far as heard.
    pub aliases: Vec<SmolStr>,
    /// First message.
    pub first_heard: Option<Timestamp>,
    /// Whether an administrator took it out of service.
    pub admin_down: bool,
    /// `up`, `backup`, `degraded` or `down`, by its alarms and by what it depends on; for a part of
    /// a device, by what it depends on beside that device.
    pub state: SmolStr,
    /// Active alarms on it.
    pub active_alarms: u64,
}

/// The answer to an operator's command.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Answer {
    /// Identity of the command as given by whoever sent it.
    pub command: u64,
    /// Whether it was carried out.
    pub accepted: bool,
    /// What was done, beginning with the number or id of what it was done to; or why it was
    /// refused and what to do.
    pub message: String,
}

impl Answer {
    /// Number or id of what the command was about; empty when it was refused.
    #[must_use]
    pub fn subject(&self) -> &str {
        let first = self.message.split(' ').next();
        first.filter(|_| self.accepted).unwrap_or_default()
    }
}

impl Effect {
    /// Whether it leaves the process and is therefore journaled beside its cause.
    #[must_use]
    pub fn is_decision(&self) -> bool {
        match self {
            Self::Ticket(_) | Self::Answer(_) | Self::Withdrawn(_) => true,
            // Nobody outside is told of what came and went within the hold-off.
            Self::Incident(incident) => {
                incident.status != IncidentStatus::Forming
                    && !incident
                        .no_ticket_reason
                        .as_ref()
                        .is_some_and(|reason| reason.ends_with("within-hold-off"))
            }
            Self::Alarm(_) | Self::Resource(_) | Self::Silence(_) => false,
        }
    }
}
