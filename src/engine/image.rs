//! State to after-images, in a fixed order: alarms, incidents, those withdrawn, tickets, resources.

use crate::correlate::alarm::Alarm;
use crate::correlate::changes::IncidentEvent;
use crate::correlate::correlator::Deadline;
use crate::correlate::grouping::incident_name;
use crate::correlate::incident::{Incident, Status};
use crate::correlate::resource::{Resource, ResourceKind};
use crate::engine::Engine;
use crate::engine::effect::{
    AlarmImage, Effect, IncidentChange, IncidentImage, IncidentStatus, ResourceImage, TicketChange,
    TicketImage, TicketState, TimeEntry, TrailEntry,
};
use crate::engine::unshown::Portion;
use crate::model::alarm_type::EventType;
use crate::model::event::Channel;
use crate::model::inventory::{service_name, split_resource};
use crate::model::time::{At, NS_PER_S};
use crate::ticket::event::TicketEvent;
use crate::ticket::record::{State, Ticket};
use postcard::ser_flavors::Flavor;
use smol_str::{SmolStr, SmolStrBuilder, ToSmolStr, format_smolstr};
use std::sync::Arc;

/// Alarm ids listed with an incident at most.
const LISTED_ALARMS_MAX: usize = 1_000;
/// Services listed with an incident or a ticket at most: an image has to fit into a record of the
/// journal and into a message of Kafka.
const LISTED_SERVICES_MAX: usize = 1_000;

impl Engine {
    /// Shows what the step changed.
    pub(crate) fn show(&mut self, at: At, effects: &mut Vec<Effect>) {
        let changes = std::mem::take(&mut self.changes);
        let tickets = std::mem::take(&mut self.ticket_changes);
        for (key, _) in &tickets {
            self.census.note_ticket(*key, self.desk.get(*key));
        }
        let changed = Portion { alarms: changes.alarms, resources: changes.resources, tickets };
        let shown = self.unshown.exchange(at.engine, changed);
        for slot in &shown.alarms {
            if let Some(alarm) = self.correlator.alarms.get(*slot) {
                effects.push(Effect::Alarm(Arc::new(self.alarm_image(alarm))));
            }
        }
        for (id, event) in &changes.incidents {
            self.census.note_incident(*id, self.correlator.incidents.get(id));
            self.show_incident(at, (*id, *event), effects);
        }
        for id in changes.withdrawn {
            effects.push(Effect::Withdrawn(incident_name(id).into()));
        }
        for (key, event) in shown.tickets {
            self.desk.note_shown(key, event);
            if let Some(ticket) = self.desk.get(key) {
                effects.push(Effect::Ticket(Arc::new(ticket_image(at, ticket, event))));
            }
        }
        self.show_silences(changes.silences, effects);
        for (before, slot) in changes.renamed {
            effects.push(Effect::Resource(Arc::new(self.former_image(&before, slot))));
        }
        for slot in &shown.resources {
            effects.push(Effect::Resource(Arc::new(self.resource_image(*slot))));
        }
    }

    fn show_silences(&self, ids: impl IntoIterator<Item = u64>, effects: &mut Vec<Effect>) {
        let known = ids.into_iter().filter_map(|id| self.correlator.silences.get(id));
        effects.extend(known.map(|silence| Effect::Silence(Arc::new(silence.clone()))));
    }

    /// Shows an incident; an update that would show what was shown last is left out.
    fn show_incident(
        &mut self,
        at: At,
        (id, event): (u64, IncidentEvent),
        effects: &mut Vec<Effect>,
    ) {
        let Some(incident) = self.correlator.incidents.get(&id) else { return };
        let mut image = self.incident_image(incident, IncidentEvent::Updated);
        let shown = checksum(&image);
        let is_news = event != IncidentEvent::Updated || incident.shown != shown;
        if let Some(incident) = self.correlator.incidents.get_mut(&id) {
            incident.shown = shown;
            incident.told_at = at.engine;
        }
        self.correlator.timers.cancel(Deadline::Tell(id));
        if is_news {
            if let Some(incident) = self.correlator.incidents.get_mut(&id) {
                incident.shown_as = event;
            }
            image.change = incident_change(event);
            effects.push(Effect::Incident(Arc::new(image)));
        }
    }

    /// What is left of a resource under the name that it had: nothing but the name it has now.
    fn former_image(&self, before: &SmolStr, slot: u32) -> ResourceImage {
        let (device, _) = split_resource(before);
        ResourceImage {
            device: device.into(),
            name: before.clone(),
            is_known: true,
            is_orphaned: false,
            addresses: Vec::new(),
            aliases: vec![self.correlator.resources.get(slot).name()],
            first_heard: None,
            admin_down: false,
            state: SmolStr::new_static("up"),
            active_alarms: 0,
        }
    }

    fn alarm_image(&self, alarm: &Alarm) -> AlarmImage {
        let kind = self.correlator.types.get(alarm.alarm_type);
        let resource = self.correlator.resources.get(alarm.resource);
        AlarmImage {
            id: alarm_name(alarm.id),
            resource: resource.name(),
            alarm_type: kind.id.clone(),
            qualifier: SmolStr::new(&alarm.qualifier),
            perceived_severity: alarm.severity,
            is_cleared: !alarm.is_active(),
            time_created: alarm.time_created,
            last_raised: alarm.last_raised,
            last_changed: alarm.last_changed,
            occurred_at: alarm.occurred_at,
            ended_at: alarm.ended_at,
            lease_until: alarm.lease_until,
            labels: alarm.labels.to_string(),
            occurrences: alarm.occurrences,
            incident: alarm.incident.map(incident_name),
            source: channels(alarm.channels),
            text: Arc::clone(&alarm.text),
            event_type: SmolStr::new_static(event_type(kind.event_type)),
            probable_cause: kind.probable_cause.clone(),
            is_flapping: alarm.flap.is_flapping(),
            why: SmolStr::new_static(why(alarm)),
            faults: alarm.faults.iter().map(|fault| SmolStr::new_static(fault.as_str())).collect(),
            rule: SmolStr::from(Arc::clone(&alarm.rule)),
        }
    }

    fn incident_image(&self, incident: &Incident, event: IncidentEvent) -> IncidentImage {
        let services = incident
            .services
            .iter()
            .take(LISTED_SERVICES_MAX)
            .map(|slot| contract_service_name(self.correlator.resources.get(*slot)));
        IncidentImage {
            id: incident_name(incident.id),
            status: status(incident.status()),
            change: incident_change(event),
            root_resource: self.correlator.resources.get(incident.root).name(),
            root_alarm: alarm_name(incident.root_alarm.1),
            alarms: incident
                .alarms
                .iter()
                .take(LISTED_ALARMS_MAX)
                .map(|(_, id)| alarm_name(*id))
                .collect(),
            alarm_count: count(incident.alarms.len()),
            severity: incident.worst_active().unwrap_or(incident.worst),
            why: incident.why.sentence(),
            trail: incident
                .trail()
                .iter()
                .map(|(at, why)| TrailEntry {
                    at: *at,
                    reason: SmolStr::new_static(why.code()),
                    text: why.sentence(),
                })
                .collect(),
            services: services.collect(),
            opened_at: incident.opened_at,
            restored_at: incident.restored_at,
            closed_at: incident.closed_at,
            merged_into: incident.merged_into.map(incident_name),
            tickets: incident.tickets.clone(),
            no_ticket_reason: incident
                .no_ticket
                .as_ref()
                .map(|why| SmolStr::new_static(why.code())),
            service_count: count(incident.services.len()),
        }
    }

    fn resource_image(&self, slot: u32) -> ResourceImage {
        let resource = self.correlator.resources.get(slot);
        let device = (resource.kind == ResourceKind::Component).then_some(resource.parent);
        ResourceImage {
            name: resource.name(),
            device: SmolStr::from(Arc::clone(&resource.device)),
            is_known: resource.is_known,
            is_orphaned: resource.was_known && !resource.is_known && !resource.active.is_empty(),
            addresses: resource.addresses.iter().map(ToSmolStr::to_smolstr).collect(),
            aliases: resource.aliases.iter().map(SmolStr::new).collect(),
            first_heard: resource.first_heard,
            admin_down: resource.admin_down_at.is_some(),
            state: self.correlator.topology.state_without(slot, device).as_str().into(),
            active_alarms: count(resource.active.len()),
        }
    }

    /// Every object held, as images: for a view or a store that has to catch up with a snapshot.
    pub fn show_everything(&self, at: At, effects: &mut Vec<Effect>) {
        for (_, alarm) in self.correlator.alarms.iter() {
            if alarm.occurrences > 0 {
                effects.push(Effect::Alarm(Arc::new(self.alarm_image(alarm))));
            }
        }
        for incident in self.correlator.incidents.values() {
            let image = self.incident_image(incident, incident.shown_as);
            effects.push(Effect::Incident(Arc::new(image)));
        }
        for (_, ticket) in self.desk.iter() {
            let image = ticket_image(at, ticket, ticket.shown_as);
            effects.push(Effect::Ticket(Arc::new(image)));
        }
        let silences = self.correlator.silences.iter();
        effects.extend(silences.map(|silence| Effect::Silence(Arc::new(silence.clone()))));
        for slot in self.correlator.resources.slots() {
            effects.push(Effect::Resource(Arc::new(self.resource_image(slot))));
        }
    }
}

fn ticket_image(at: At, ticket: &Ticket, event: TicketEvent) -> TicketImage {
    let detected_at = ticket.time("detected_at").unwrap_or(at.wall);
    let elapsed_s = ticket.clock.elapsed_ns(at.wall).checked_div(NS_PER_S).unwrap_or(0);
    let target_s = ticket.target_s();
    let time = |name: &str| ticket.time(name);
    TicketImage {
        number: ticket.number.clone(),
        state: ticket_state(ticket.state()),
        change: ticket_change(event),
        confirmed: ticket.confirmed_by.is_some(),
        confirmed_by: ticket.confirmed_by.clone(),
        incident: incident_name(ticket.incident),
        contract: ticket.contract.as_ref().map(|contract| SmolStr::new(&contract.id)),
        customer: ticket.contract.as_ref().map(|contract| contract.customer.clone()),
        root_resource: ticket.root_resource.clone(),
        services: ticket.services.iter().take(LISTED_SERVICES_MAX).cloned().collect(),
        reason: if ticket.contract.is_some() {
            SmolStr::new_static("contract-service-affected")
        } else {
            SmolStr::new_static("major-without-contract")
        },
        nature: ticket.nature.map(|nature| SmolStr::new_static(nature.as_str())),
        severity: ticket
            .nature
            .map_or(if ticket.is_blocking { "blocking" } else { "minor" }, |nature| {
                nature.severity()
            })
            .into(),
        occurred_at: time("occurred_at"),
        detected_at,
        signalled_at: time("signalled_at"),
        incident_started_at: time("incident_started_at").unwrap_or(detected_at),
        opened_at: time("opened_at").unwrap_or(at.wall),
        gtr_started_at: ticket.clock.started_at(),
        gtr_start_reason: ticket.gtr_start_reason.clone(),
        treatment_started_at: time("treatment_started_at"),
        restored_at: time("restored_at"),
        closed_at: time("closed_at"),
        gtr_target_s: target_s,
        elapsed_s,
        remaining_s: target_s.map(|target| target.saturating_sub(elapsed_s)),
        breach_at: target_s.and_then(|target| ticket.clock.breach_at(target)),
        clock_running: ticket.clock.is_running(),
        clock_quality: ticket.clock_quality.clone(),
        observe: ticket.observe,
        times: ticket.times().iter().map(time_entry).collect(),
        service_count: count(ticket.services.len()),
    }
}

fn time_entry(entry: &crate::ticket::record::Entry) -> TimeEntry {
    TimeEntry {
        name: entry.name.clone(),
        value: entry.value,
        author: entry.author.clone(),
        reason: entry.reason.clone(),
        entered_at: entry.entered_at,
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Tells two images of an incident apart.
fn checksum(image: &IncidentImage) -> u32 {
    // An image holds nothing that postcard cannot write; were it so, it would be shown once too
    // often.
    postcard::serialize_with_flavor(image, Checksum(0)).unwrap_or(0)
}

/// Sums an encoding up without keeping it: that of thousands of services is long.
struct Checksum(u32);

impl Flavor for Checksum {
    type Output = u32;

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0 = crc32c::crc32c_append(self.0, bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<u32> {
        Ok(self.0)
    }
}

/// An alarm's id as it is shown.
#[must_use]
pub fn alarm_name(id: u64) -> SmolStr {
    format_smolstr!("A{id}")
}

/// A service's name as the inventory gives it.
pub(crate) fn contract_service_name(resource: &Resource) -> SmolStr {
    service_name(&resource.device).unwrap_or(&resource.device).into()
}

fn channels(bits: u8) -> SmolStr {
    let mut text = SmolStrBuilder::new();
    let mut has_one = false;
    for channel in [Channel::Trap, Channel::Syslog, Channel::Metric, Channel::Internal] {
        if bits & channel.bit() != 0 {
            if has_one {
                text.push('+');
            }
            text.push_str(channel.as_str());
            has_one = true;
        }
    }
    text.finish()
}

/// Why the alarm shows no more than it does.
fn why(alarm: &Alarm) -> &'static str {
    if alarm.flap.is_flapping() {
        "flapping"
    } else if alarm.is_source_silent && alarm.is_active() {
        "source-silent"
    } else {
        ""
    }
}

fn event_type(kind: EventType) -> &'static str {
    match kind {
        EventType::Other => "other",
        EventType::Communications => "communications",
        EventType::QualityOfService => "quality-of-service",
        EventType::ProcessingError => "processing-error",
        EventType::Equipment => "equipment",
        EventType::Environmental => "environmental",
        EventType::IntegrityViolation => "integrity-violation",
        EventType::OperationalViolation => "operational-violation",
        EventType::PhysicalViolation => "physical-violation",
        EventType::SecurityServiceOrMechanismViolation => "security-service-or-mechanism-violation",
        EventType::TimeDomainViolation => "time-domain-violation",
    }
}

fn status(status: Status) -> IncidentStatus {
    match status {
        Status::Forming => IncidentStatus::Forming,
        Status::Open => IncidentStatus::Open,
        Status::Restored => IncidentStatus::Restored,
        Status::Closed => IncidentStatus::Closed,
        Status::Merged => IncidentStatus::Merged,
    }
}

fn incident_change(event: IncidentEvent) -> IncidentChange {
    match event {
        IncidentEvent::Updated => IncidentChange::Updated,
        IncidentEvent::Opened => IncidentChange::Opened,
        IncidentEvent::Restored => IncidentChange::Restored,
        IncidentEvent::Reopened => IncidentChange::Reopened,
        IncidentEvent::Closed => IncidentChange::Closed,
        IncidentEvent::Merged => IncidentChange::Merged,
    }
}

fn ticket_state(state: State) -> TicketState {
    match state {
        State::Acknowledged => TicketState::Acknowledged,
        State::InProgress => TicketState::InProgress,
        State::Resolved => TicketState::Resolved,
        State::Closed => TicketState::Closed,
        State::Cancelled => TicketState::Cancelled,
    }
}

fn ticket_change(event: TicketEvent) -> TicketChange {
    match event {
        TicketEvent::Updated => TicketChange::Updated,
        TicketEvent::Opened => TicketChange::Opened,
        TicketEvent::Confirmed => TicketChange::Confirmed,
        TicketEvent::Breached => TicketChange::Breached,
        TicketEvent::Restored => TicketChange::Restored,
        TicketEvent::Reopened => TicketChange::Reopened,
        TicketEvent::Refuted => TicketChange::Refuted,
        TicketEvent::Merged => TicketChange::Merged,
        TicketEvent::Closed => TicketChange::Closed,
    }
}
