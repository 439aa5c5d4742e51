//! Images for the tests of views, history and Kafka.

use crate::engine::effect::{AlarmImage, Effect, IncidentChange, IncidentImage, IncidentStatus};
use crate::engine::effect::{ResourceImage, TicketChange, TicketImage, TicketState, TimeEntry};
use crate::model::severity::Severity;
use crate::model::time::{At, EngineTime, Timestamp};
use crate::shell::publish::Published;
use std::sync::Arc;

/// 2026-11-24T06:00:00Z.
pub(crate) const NOON: Timestamp = Timestamp(1_795_500_000_000_000_000);

pub(crate) fn published(position: u64, ordinal: u32, effect: Effect) -> Published {
    let later = i64::try_from(position).expect("small");
    let at = At { engine: EngineTime(position), wall: NOON.plus_ns(later) };
    Published { position, ordinal, at, effect }
}

pub(crate) fn alarm(id: u64, is_cleared: bool) -> AlarmImage {
    AlarmImage {
        id: format!("A{id}").into(),
        resource: format!("r{}/GigabitEthernet0/{id}", id % 10).into(),
        alarm_type: "interface-down".into(),
        qualifier: "".into(),
        perceived_severity: if id.is_multiple_of(2) { Severity::Major } else { Severity::Minor },
        is_cleared,
        time_created: NOON,
        last_raised: NOON,
        last_changed: NOON,
        occurred_at: Some(NOON),
        ended_at: None,
        lease_until: None,
        labels: if id.is_multiple_of(5) { "{}".to_owned() } else { String::new() },
        occurrences: 1,
        incident: id.is_multiple_of(3).then(|| "I7".into()),
        source: "trap+syslog".into(),
        text: "Interface GigabitEthernet0/1, changed state to down".into(),
        event_type: "communications".into(),
        probable_cause: "lossOfSignal".into(),
        is_flapping: false,
        why: "root of I7".into(),
        faults: vec!["trailing-bytes".into()],
        rule: "if-mib-link-down".into(),
    }
}

pub(crate) fn incident(id: &str, status: IncidentStatus, change: IncidentChange) -> IncidentImage {
    IncidentImage {
        id: id.into(),
        status,
        change,
        root_resource: "r1".into(),
        root_alarm: "A5".into(),
        alarms: vec!["A5".into(), "A6".into()],
        alarm_count: 2,
        severity: Severity::Critical,
        why: "r1 does not answer and everything behind it is silent".to_owned(),
        trail: Vec::new(),
        services: vec!["vpn-12".into()],
        opened_at: NOON,
        restored_at: None,
        closed_at: None,
        merged_into: None,
        tickets: vec!["NOC-000001".into()],
        no_ticket_reason: None,
        service_count: 1,
    }
}

pub(crate) fn ticket(number: &str, state: TicketState, change: TicketChange) -> TicketImage {
    let entry = |name: &str| TimeEntry {
        name: name.into(),
        value: Some(NOON),
        author: "vigie".into(),
        reason: "first alarm".to_owned(),
        entered_at: NOON,
    };
    TicketImage {
        number: number.into(),
        state,
        change,
        confirmed: false,
        confirmed_by: None,
        incident: "I7".into(),
        contract: Some("bank-vpn".into()),
        customer: Some("Bank".to_owned()),
        root_resource: "r1".into(),
        services: vec!["vpn-12".into()],
        reason: "service-down".into(),
        nature: Some("total-outage".into()),
        severity: "blocking".into(),
        occurred_at: None,
        detected_at: NOON,
        signalled_at: None,
        incident_started_at: NOON,
        opened_at: NOON,
        gtr_started_at: NOON,
        gtr_start_reason: "opened-detected".into(),
        treatment_started_at: None,
        restored_at: None,
        closed_at: None,
        gtr_target_s: Some(14_400),
        elapsed_s: 0,
        remaining_s: Some(14_400),
        breach_at: Some(NOON.plus_ns(14_400_000_000_000)),
        clock_running: true,
        clock_quality: "chrony, synchronised, error 12 us".to_owned(),
        observe: false,
        times: vec![entry("detected_at"), entry("opened_at")],
        service_count: 1,
    }
}

pub(crate) fn resource(name: &str, is_known: bool) -> ResourceImage {
    ResourceImage {
        name: name.into(),
        device: name.split('/').next().unwrap_or(name).into(),
        is_known,
        is_orphaned: false,
        addresses: vec!["192.0.2.1".into()],
        aliases: vec!["ifIndex=3".into()],
        first_heard: Some(NOON),
        admin_down: false,
        state: "up".into(),
        active_alarms: 0,
    }
}

pub(crate) fn alarm_effect(position: u64, image: AlarmImage) -> Published {
    published(position, 0, Effect::Alarm(Arc::new(image)))
}

pub(crate) fn incident_effect(position: u64, image: IncidentImage) -> Published {
    published(position, 0, Effect::Incident(Arc::new(image)))
}

pub(crate) fn ticket_effect(position: u64, image: TicketImage) -> Published {
    published(position, 1, Effect::Ticket(Arc::new(image)))
}

pub(crate) fn resource_effect(position: u64, image: ResourceImage) -> Published {
    published(position, 0, Effect::Resource(Arc::new(image)))
}
