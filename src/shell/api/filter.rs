//! Which rows a listing shows: one filter per kind, and what the API needs to know of each kind.
//!
//! A filter on something that an object may lack (incident, contract, customer) takes the empty
//! value for *none*.

use crate::engine::effect::{AlarmImage, IncidentImage, IncidentStatus, ResourceImage};
use crate::engine::effect::{TicketImage, TicketState};
use crate::model::event::Channel;
use crate::model::severity::Severity;
use crate::model::time::Timestamp;
use crate::shell::api::question::{AskError, Filters};
use crate::shell::api::rows::{AlarmRow, IncidentRow, ResourceRow, TicketRow};
use crate::shell::api::table::{Row, Table};
use crate::shell::api::view::View;
use serde::Serialize;

/// A kind of object that the API lists.
pub trait Listed: Row + Sized + Send + Sync + 'static {
    /// Name of the kind in the plural, as in its URL.
    const KIND: &'static str;
    /// Names of its filters.
    const FILTERS: &'static [&'static str];
    /// What it is shown as.
    type Image: Serialize;
    /// A question about it.
    type Filter: Send + 'static;

    /// Reads the values of its filters.
    ///
    /// # Errors
    /// Says which value is wrong and what it can be.
    fn filter(filters: &Filters) -> Result<Self::Filter, AskError>;
    /// Whether the filter lets it through.
    fn is_shown(&self, filter: &Self::Filter) -> bool;
    /// Its image at a moment.
    fn image_at(&self, at: Timestamp) -> Self::Image;
    /// Its table.
    fn table(view: &View) -> &Table<Self>;
}

/// What an alarm must match; `None` lets everything through.
#[derive(Debug)]
pub struct AlarmFilter {
    resource: Option<String>,
    device: Option<String>,
    alarm_type: Option<String>,
    qualifier: Option<String>,
    perceived_severity: Option<Vec<Severity>>,
    is_cleared: Option<bool>,
    incident: Option<String>,
    source: Option<Vec<Channel>>,
}

impl Listed for AlarmRow {
    const KIND: &'static str = "alarms";
    const FILTERS: &'static [&'static str] = &[
        "resource",
        "alarm_type",
        "perceived_severity",
        "is_cleared",
        "incident",
        "source",
        "qualifier",
        "device",
    ];
    type Image = AlarmImage;
    type Filter = AlarmFilter;

    fn filter(filters: &Filters) -> Result<AlarmFilter, AskError> {
        let severities = Severity::ALL.map(|severity| (severity.as_str(), severity));
        Ok(AlarmFilter {
            resource: filters.text("resource"),
            device: filters.text("device"),
            alarm_type: filters.text("alarm_type"),
            qualifier: filters.text("qualifier"),
            perceived_severity: filters.any_of("perceived_severity", &severities)?,
            is_cleared: filters.flag("is_cleared")?,
            incident: filters.text("incident"),
            source: filters.combination("source", &CHANNELS)?,
        })
    }

    fn is_shown(&self, filter: &AlarmFilter) -> bool {
        let row = &*self.fixed;
        is_one_of(filter.perceived_severity.as_deref(), &row.perceived_severity)
            && filter.is_cleared.is_none_or(|wanted| wanted == row.is_cleared)
            && is_text(filter.resource.as_deref(), &row.resource)
            && is_text(filter.alarm_type.as_deref(), &row.shape.alarm_type)
            && is_text(filter.qualifier.as_deref(), &row.qualifier)
            && is_text(filter.incident.as_deref(), row.incident.as_deref().unwrap_or(""))
            && filter.device.as_deref().is_none_or(|device| is_of_device(&row.resource, device))
            && filter.source.as_deref().is_none_or(|wanted| is_told_by(&row.shape.source, wanted))
    }

    fn image_at(&self, _at: Timestamp) -> AlarmImage {
        self.image()
    }

    fn table(view: &View) -> &Table<Self> {
        &view.alarms
    }
}

/// What an incident must match.
#[derive(Debug)]
pub struct IncidentFilter {
    status: Option<Vec<IncidentStatus>>,
    root_resource: Option<String>,
}

impl Listed for IncidentRow {
    const KIND: &'static str = "incidents";
    const FILTERS: &'static [&'static str] = &["status", "root_resource"];
    type Image = IncidentImage;
    type Filter = IncidentFilter;

    fn filter(filters: &Filters) -> Result<IncidentFilter, AskError> {
        const STATUSES: [(&str, IncidentStatus); 5] = [
            ("forming", IncidentStatus::Forming),
            ("open", IncidentStatus::Open),
            ("restored", IncidentStatus::Restored),
            ("closed", IncidentStatus::Closed),
            ("merged", IncidentStatus::Merged),
        ];
        Ok(IncidentFilter {
            status: filters.any_of("status", &STATUSES)?,
            root_resource: filters.text("root_resource"),
        })
    }

    fn is_shown(&self, filter: &IncidentFilter) -> bool {
        let image = &self.image;
        is_one_of(filter.status.as_deref(), &image.status)
            && is_text(filter.root_resource.as_deref(), &image.root_resource)
    }

    fn image_at(&self, _at: Timestamp) -> IncidentImage {
        IncidentImage::clone(&self.image)
    }

    fn table(view: &View) -> &Table<Self> {
        &view.incidents
    }
}

/// What a ticket must match.
#[derive(Debug)]
pub struct TicketFilter {
    state: Option<Vec<TicketState>>,
    confirmed: Option<bool>,
    contract: Option<String>,
    incident: Option<String>,
    severity: Option<Vec<&'static str>>,
    customer: Option<String>,
}

impl Listed for TicketRow {
    const KIND: &'static str = "tickets";
    const FILTERS: &'static [&'static str] =
        &["state", "confirmed", "contract", "incident", "severity", "customer"];
    type Image = TicketImage;
    type Filter = TicketFilter;

    fn filter(filters: &Filters) -> Result<TicketFilter, AskError> {
        const STATES: [(&str, TicketState); 5] = [
            ("acknowledged", TicketState::Acknowledged),
            ("in-progress", TicketState::InProgress),
            ("resolved", TicketState::Resolved),
            ("closed", TicketState::Closed),
            ("cancelled", TicketState::Cancelled),
        ];
        const SEVERITIES: [(&str, &str); 2] = [("blocking", "blocking"), ("minor", "minor")];
        Ok(TicketFilter {
            state: filters.any_of("state", &STATES)?,
            confirmed: filters.flag("confirmed")?,
            contract: filters.text("contract"),
            incident: filters.text("incident"),
            severity: filters.any_of("severity", &SEVERITIES)?,
            customer: filters.text("customer"),
        })
    }

    fn is_shown(&self, filter: &TicketFilter) -> bool {
        let image = &self.fixed;
        is_one_of(filter.state.as_deref(), &image.state)
            && filter.confirmed.is_none_or(|wanted| wanted == image.confirmed)
            && is_text(filter.contract.as_deref(), image.contract.as_deref().unwrap_or(""))
            && is_text(filter.incident.as_deref(), &image.incident)
            && is_one_of(filter.severity.as_deref(), &image.severity.as_str())
            && is_text(filter.customer.as_deref(), image.customer.as_deref().unwrap_or(""))
    }

    fn image_at(&self, at: Timestamp) -> TicketImage {
        self.image(at)
    }

    fn table(view: &View) -> &Table<Self> {
        &view.tickets
    }
}

/// What a resource must match.
#[derive(Debug)]
pub struct ResourceFilter {
    device: Option<String>,
    is_known: Option<bool>,
    state: Option<Vec<&'static str>>,
}

impl Listed for ResourceRow {
    const KIND: &'static str = "resources";
    const FILTERS: &'static [&'static str] = &["device", "is_known", "state"];
    type Image = ResourceImage;
    type Filter = ResourceFilter;

    fn filter(filters: &Filters) -> Result<ResourceFilter, AskError> {
        const STATES: [(&str, &str); 4] =
            [("up", "up"), ("backup", "backup"), ("degraded", "degraded"), ("down", "down")];
        Ok(ResourceFilter {
            device: filters.text("device"),
            is_known: filters.flag("is_known")?,
            state: filters.any_of("state", &STATES)?,
        })
    }

    fn is_shown(&self, filter: &ResourceFilter) -> bool {
        let row = &*self.fixed;
        is_text(filter.device.as_deref(), &row.device)
            && filter.is_known.is_none_or(|wanted| wanted == row.is_known)
            && is_one_of(filter.state.as_deref(), &&*row.state)
    }

    fn image_at(&self, _at: Timestamp) -> ResourceImage {
        self.image()
    }

    fn table(view: &View) -> &Table<Self> {
        &view.resources
    }
}

fn is_text(wanted: Option<&str>, text: &str) -> bool {
    wanted.is_none_or(|wanted| wanted == text)
}

fn is_one_of<T: PartialEq>(wanted: Option<&[T]>, value: &T) -> bool {
    wanted.is_none_or(|wanted| wanted.contains(value))
}

/// `r1` is the device of `r1` and of `r1/Gi0/1`, not of `r10`.
fn is_of_device(resource: &str, device: &str) -> bool {
    resource
        .strip_prefix(device)
        .is_some_and(|component| component.is_empty() || component.starts_with('/'))
}

/// `trap` finds what was told by traps alone and by traps among others; `trap+syslog` what was told
/// by both.
fn is_told_by(source: &str, wanted: &[Channel]) -> bool {
    wanted.iter().all(|channel| source.split('+').any(|told| told == channel.as_str()))
}

/// What may have told an alarm, by the words of `source`.
const CHANNELS: [(&str, Channel); 4] = [
    (Channel::Trap.as_str(), Channel::Trap),
    (Channel::Syslog.as_str(), Channel::Syslog),
    (Channel::Metric.as_str(), Channel::Metric),
    (Channel::Internal.as_str(), Channel::Internal),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_and_source_match_by_part() {
        assert!(is_of_device("r1", "r1") && is_of_device("r1/Gi0/1", "r1"));
        assert!(!is_of_device("r10", "r1") && !is_of_device("r1", "r1/Gi0/1"));
        let (trap, both) = ([Channel::Trap], [Channel::Syslog, Channel::Trap]);
        assert!(is_told_by("trap+syslog", &trap) && is_told_by("trap+syslog", &both));
        assert!(!is_told_by("trap", &both) && !is_told_by("syslog", &trap));
    }
}
