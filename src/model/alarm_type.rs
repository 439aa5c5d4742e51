//! Alarm types: what kind of state an alarm is, and how it is treated. Written in the rule files,
//! journaled with the settings.

use crate::model::event::Lane;
use crate::model::severity::Severity;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// X.733 event type (8.1.1), in the spelling of `ietf-alarms-x733`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventType {
    /// None of the others.
    Other,
    /// Conveying information from one point to another.
    Communications,
    /// A degradation of the quality of a service.
    QualityOfService,
    /// A software or processing fault.
    ProcessingError,
    /// A fault of equipment.
    Equipment,
    /// A condition of the enclosure: power, temperature, fans.
    Environmental,
    /// X.736: information may have been changed.
    IntegrityViolation,
    /// X.736: a service could not be provided because of misuse or unavailability.
    OperationalViolation,
    /// X.736: a physical resource was violated.
    PhysicalViolation,
    /// X.736: a security service detected an attack.
    SecurityServiceOrMechanismViolation,
    /// X.736: something happened outside its allowed time.
    TimeDomainViolation,
}

/// What the alarm means for the resource that it is raised on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResourceEffect {
    /// The resource does not do its work.
    Down,
    /// It works, below what is expected.
    Degraded,
    /// It works.
    #[default]
    None,
}

/// How alarms of one type are treated.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AlarmType {
    /// Identifier, kebab-case (`interface-down`).
    pub id: SmolStr,
    /// What it means, one sentence.
    pub title: String,
    /// X.733 event type.
    pub event_type: EventType,
    /// X.733 probable cause, e.g. `lossOfSignal`.
    pub probable_cause: SmolStr,
    /// Worst severity that a rule gives it; decides the lane.
    pub severity: Severity,
    /// What it means for its resource.
    pub effect: ResourceEffect,
    /// How long the state must last before it may open a ticket, ms (in addition to nothing: the
    /// longer of this and the hold-off counts).
    pub persistence_ms: u64,
    /// Whether a clear will ever come (RFC 8632 `will-clear`).
    pub will_clear: bool,
    /// For types that no message clears: cleared this long after the last raise, ms; 0 = never.
    pub expires_after_ms: u64,
}

impl AlarmType {
    /// The lane of every event of this type.
    #[must_use]
    pub fn lane(&self) -> Lane {
        if self.severity >= Severity::Major { Lane::Urgent } else { Lane::Normal }
    }
}
