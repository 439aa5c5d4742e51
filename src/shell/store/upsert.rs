//! One statement per kind of object: the row becomes the image, unless it is newer already.

use crate::engine::effect::{AlarmImage, Effect, IncidentImage, ResourceImage, TicketImage};
use crate::model::time::Timestamp;
use crate::shell::publish::Published;
use crate::shell::store::StoreError;
use rusqlite::{Transaction, params};
use serde::Serialize;

const ALARM: &str = "
INSERT INTO alarms VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
ON CONFLICT (id) DO UPDATE SET
    position = excluded.position, ordinal = excluded.ordinal,
    perceived_severity = excluded.perceived_severity, is_cleared = excluded.is_cleared,
    last_raised_ns = excluded.last_raised_ns, last_changed_ns = excluded.last_changed_ns,
    occurrences = excluded.occurrences, incident = excluded.incident, image = excluded.image
WHERE (excluded.position, excluded.ordinal) > (alarms.position, alarms.ordinal)";

/// A resource seldom gets another name. Apart, since a statement that may change what is indexed
/// writes the index in any case.
const ALARM_RESOURCE: &str = "
UPDATE alarms SET resource = ?2 WHERE id = ?1 AND position = ?3 AND resource <> ?2";

const INCIDENT: &str = "
INSERT INTO incidents VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
ON CONFLICT (id) DO UPDATE SET
    position = excluded.position, ordinal = excluded.ordinal, status = excluded.status,
    severity = excluded.severity, root_resource = excluded.root_resource,
    opened_at_ns = excluded.opened_at_ns, restored_at_ns = excluded.restored_at_ns,
    closed_at_ns = excluded.closed_at_ns, image = excluded.image
WHERE (excluded.position, excluded.ordinal) > (incidents.position, incidents.ordinal)";

const TICKET: &str = "
INSERT INTO tickets VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
ON CONFLICT (number) DO UPDATE SET
    position = excluded.position, ordinal = excluded.ordinal, state = excluded.state,
    confirmed = excluded.confirmed, incident = excluded.incident, contract = excluded.contract,
    customer = excluded.customer, severity = excluded.severity,
    opened_at_ns = excluded.opened_at_ns, restored_at_ns = excluded.restored_at_ns,
    closed_at_ns = excluded.closed_at_ns, elapsed_s = excluded.elapsed_s,
    gtr_target_s = excluded.gtr_target_s, image = excluded.image
WHERE (excluded.position, excluded.ordinal) > (tickets.position, tickets.ordinal)";

/// Entries are only ever added to a ticket's times: what is there stays as it is.
const TICKET_TIME: &str = "
INSERT INTO ticket_times VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT (number, place) DO NOTHING";

const RESOURCE: &str = "
INSERT INTO resources VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT (name) DO UPDATE SET
    position = excluded.position, ordinal = excluded.ordinal, device = excluded.device,
    is_known = excluded.is_known, state = excluded.state,
    first_heard_ns = excluded.first_heard_ns, image = excluded.image
WHERE (excluded.position, excluded.ordinal) > (resources.position, resources.ordinal)";

/// Takes one effect into the open transaction. Silences and answers to commands leave no trace
/// here, and neither does that a final record was withdrawn elsewhere.
pub(super) fn upsert(
    transaction: &Transaction<'_>,
    published: &Published,
) -> Result<(), StoreError> {
    let rank = (integer(published.position), i64::from(published.ordinal));
    match &published.effect {
        Effect::Alarm(image) => alarm(transaction, rank, image),
        Effect::Incident(image) => incident(transaction, rank, image),
        Effect::Ticket(image) => ticket(transaction, rank, image),
        Effect::Resource(image) => resource(transaction, rank, image),
        Effect::Silence(_) | Effect::Answer(_) | Effect::Withdrawn(_) => Ok(()),
    }
}

fn alarm(
    transaction: &Transaction<'_>,
    (position, ordinal): (i64, i64),
    image: &AlarmImage,
) -> Result<(), StoreError> {
    transaction.prepare_cached(ALARM)?.execute(params![
        image.id.as_str(),
        position,
        ordinal,
        image.resource.as_str(),
        image.alarm_type.as_str(),
        image.qualifier.as_str(),
        image.perceived_severity.as_str(),
        image.is_cleared,
        image.time_created.0,
        image.last_raised.0,
        image.last_changed.0,
        integer(image.occurrences),
        image.incident.as_deref(),
        serde_json::to_string(image)?,
    ])?;
    let renamed = params![image.id.as_str(), image.resource.as_str(), position];
    transaction.prepare_cached(ALARM_RESOURCE)?.execute(renamed)?;
    Ok(())
}

fn incident(
    transaction: &Transaction<'_>,
    (position, ordinal): (i64, i64),
    image: &IncidentImage,
) -> Result<(), StoreError> {
    transaction.prepare_cached(INCIDENT)?.execute(params![
        image.id.as_str(),
        position,
        ordinal,
        word(&image.status)?,
        image.severity.as_str(),
        image.root_resource.as_str(),
        image.opened_at.0,
        nanoseconds(image.restored_at),
        nanoseconds(image.closed_at),
        serde_json::to_string(image)?,
    ])?;
    Ok(())
}

fn ticket(
    transaction: &Transaction<'_>,
    (position, ordinal): (i64, i64),
    image: &TicketImage,
) -> Result<(), StoreError> {
    transaction.prepare_cached(TICKET)?.execute(params![
        image.number.as_str(),
        position,
        ordinal,
        word(&image.state)?,
        image.confirmed,
        image.incident.as_str(),
        image.contract.as_deref(),
        image.customer,
        image.severity.as_str(),
        image.opened_at.0,
        nanoseconds(image.restored_at),
        nanoseconds(image.closed_at),
        image.elapsed_s,
        image.gtr_target_s,
        serde_json::to_string(image)?,
    ])?;
    let mut statement = transaction.prepare_cached(TICKET_TIME)?;
    for (place, entry) in (0_i64..).zip(&image.times) {
        statement.execute(params![
            image.number.as_str(),
            place,
            entry.name.as_str(),
            nanoseconds(entry.value),
            entry.author.as_str(),
            entry.reason,
            entry.entered_at.0,
        ])?;
    }
    Ok(())
}

fn resource(
    transaction: &Transaction<'_>,
    (position, ordinal): (i64, i64),
    image: &ResourceImage,
) -> Result<(), StoreError> {
    transaction.prepare_cached(RESOURCE)?.execute(params![
        image.name.as_str(),
        position,
        ordinal,
        image.device.as_str(),
        image.is_known,
        image.state.as_str(),
        nanoseconds(image.first_heard),
        serde_json::to_string(image)?,
    ])?;
    Ok(())
}

/// The word of a closed list, as JSON shows it.
fn word(value: &impl Serialize) -> Result<String, StoreError> {
    match serde_json::to_value(value)? {
        serde_json::Value::String(word) => Ok(word),
        other => Ok(other.to_string()),
    }
}

fn nanoseconds(instant: Option<Timestamp>) -> Option<i64> {
    instant.map(|instant| instant.0)
}

/// SQL has no unsigned numbers; nothing of ours reaches 2^63.
pub(super) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
