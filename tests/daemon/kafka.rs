//! Incident and ticket events on a real Kafka broker, read back by a consumer.

use crate::support::daemon::{Daemon, Home, text};
use crate::support::eventually::eventually;
use crate::support::kafka::{Broker, Record, Subscription};
use crate::support::sender::link_down;
use std::collections::BTreeSet;
use std::time::Duration;

/// Topic of the incident and ticket events, and the compacted one of the present state.
const TOPICS: [&str; 2] = [EVENTS, "vigie.state"];
const EVENTS: &str = "vigie.events";

/// How long events may take over a broker that has just come back.
const DELIVERY: Duration = Duration::from_secs(90);

/// Waits until the API shows this many tickets; gives the ids of incidents and the numbers.
fn tickets(daemon: &Daemon<'_>, count: usize) -> (BTreeSet<String>, BTreeSet<String>) {
    eventually("every fault has its ticket", DELIVERY, || {
        let tickets = daemon.list("tickets")?;
        let all = |field: &str| -> BTreeSet<String> {
            tickets.iter().map(|ticket| text(ticket, field).to_owned()).collect()
        };
        let (incidents, numbers) = (all("incident"), all("number"));
        if numbers.len() == count { Ok((incidents, numbers)) } else { Err(format!("{numbers:?}")) }
    })
}

/// Reads until an opening event of each of these incidents and tickets has arrived.
fn read_all(
    events: &mut Subscription,
    (incidents, numbers): &(BTreeSet<String>, BTreeSet<String>),
) -> Vec<Record> {
    eventually("every incident and ticket is on the topic", DELIVERY, || {
        let records = events.read();
        let of_kind = |kind: &'static str| {
            records.iter().filter(move |record| record.header("ce_type").contains(kind))
        };
        let heard: BTreeSet<String> =
            of_kind("incident").map(|record| record.key.clone()).collect();
        let written: String =
            of_kind("ticket").filter_map(|record| record.value.as_deref()).collect();
        let missing: Vec<&String> = incidents
            .difference(&heard)
            .chain(numbers.iter().filter(|number| !written.contains(number.as_str())))
            .collect();
        if missing.is_empty() {
            Ok(records.to_vec())
        } else {
            Err(format!("{missing:?} missing in {records:?}"))
        }
    })
}

/// CloudEvents in binary mode, keyed by incident.
fn assert_is_cloud_event(record: &Record, incidents: &BTreeSet<String>) {
    assert_eq!(record.header("ce_specversion"), "1.0", "{record:?}");
    for attribute in ["ce_id", "ce_source", "ce_type", "ce_time"] {
        assert!(!record.header(attribute).is_empty(), "{attribute} is missing: {record:?}");
    }
    assert!(record.header("content-type").starts_with("application/json"), "{record:?}");
    assert!(incidents.contains(&record.key), "the key is an incident's id: {record:?}");
    let value = record.value.as_deref().expect("an event has a value");
    serde_json::from_str::<serde_json::Value>(value).expect("the value is JSON");
}

fn assert_ids_are_unique(records: &[Record]) {
    let ids: BTreeSet<&str> = records.iter().map(|record| record.header("ce_id")).collect();
    assert_eq!(ids.len(), records.len(), "an id came twice: {records:?}");
}

#[test]
fn a_fault_is_told_as_cloud_events_keyed_by_its_incident() {
    let broker = Broker::start();
    broker.create_topics(&TOPICS);
    let home = Home::new().with_kafka(broker.address());
    let daemon = home.start();
    link_down(home.traps, 1);
    let opened = tickets(&daemon, 1);
    let records = read_all(&mut broker.consumer(EVENTS), &opened);
    for record in &records {
        assert_is_cloud_event(record, &opened.0);
    }
    assert_ids_are_unique(&records);
}

#[test]
fn a_broker_that_dies_and_a_daemon_that_dies_lose_nothing() {
    let mut broker = Broker::start();
    broker.create_topics(&TOPICS);
    let home = Home::new().with_kafka(broker.address());
    let daemon = home.start();
    for number in 1..=5 {
        link_down(home.traps, number);
    }
    let before = tickets(&daemon, 5);
    read_all(&mut broker.consumer(EVENTS), &before);

    broker.kill();
    for number in 6..=10 {
        link_down(home.traps, number);
    }
    // Tickets do not wait for the broker.
    tickets(&daemon, 10);
    broker.restart();
    let after = tickets(&daemon, 10);
    let mut events = broker.consumer(EVENTS);
    let records = read_all(&mut events, &after);
    assert_ids_are_unique(&records);

    daemon.kill();
    let daemon = home.start();
    link_down(home.traps, 11);
    let last = tickets(&daemon, 11);
    let records = read_all(&mut events, &last);
    // What the daemon did not know to be delivered is sent again, under the same id and with the
    // same content: a consumer that knows an id can pass it over.
    for record in &records {
        assert_is_cloud_event(record, &last.0);
        let same = records.iter().find(|other| other.header("ce_id") == record.header("ce_id"));
        assert_eq!(same.and_then(|other| other.value.as_ref()), record.value.as_ref());
    }
}
