//! Incident and ticket events on a real Kafka broker, read back by a consumer.

use crate::support::daemon::{Daemon, Home, text};
use crate::support::eventually::eventually;
use crate::support::kafka::{Broker, Record, Subscription};
use crate::support::sender::link_down;
use std::collections::BTreeSet;
use std::time::Duration;

/// Topic of the incident and ticket events, and the compacted topic of incident states.
const EVENTS: &str = "vigie.events";
const STATES: &str = "vigie.incidents";

/// How long events may take over a broker that has just come back.
const DELIVERY: Duration = Duration::from_secs(90);

/// What the API shows to have been opened.
struct Opened {
    incidents: BTreeSet<String>,
    numbers: BTreeSet<String>,
}

/// Waits until the API shows this many tickets.
fn opened(daemon: &Daemon<'_>, count: usize) -> Opened {
    eventually("every fault has its ticket", DELIVERY, || {
        let tickets = daemon.list("tickets")?;
        let all =
            |field: &'static str| tickets.iter().map(move |ticket| text(ticket, field).to_owned());
        let opened =
            Opened { incidents: all("incident").collect(), numbers: all("number").collect() };
        let numbers = &opened.numbers;
        if numbers.len() == count { Ok(opened) } else { Err(format!("{numbers:?}")) }
    })
}

/// What was read of the events so far.
struct Topics {
    events: Subscription,
}

impl Topics {
    /// The events from their beginning.
    fn of(broker: &Broker) -> Self {
        Self { events: broker.consumer(EVENTS) }
    }

    /// Reads until each of these incidents and tickets was told; gives all events so far.
    fn read_all(&mut self, opened: &Opened) -> Vec<Record> {
        eventually("every incident and ticket is on its topic", DELIVERY, || {
            let events = self.events.read();
            let heard: BTreeSet<&str> = events.iter().map(|record| &*record.key).collect();
            let told: String = events.iter().filter_map(|record| record.value.clone()).collect();
            let is_missing = |number: &&String| !told.contains(number.as_str());
            let missing: Vec<&String> = opened
                .incidents
                .iter()
                .filter(|incident| !heard.contains(incident.as_str()))
                .chain(opened.numbers.iter().filter(is_missing))
                .collect();
            if missing.is_empty() {
                Ok(events.to_vec())
            } else {
                Err(format!("{missing:?} missing in {events:?}"))
            }
        })
    }
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
    broker.create_topics(&[EVENTS, STATES]);
    let home = Home::new().with_kafka(broker.address());
    let daemon = home.start();
    link_down(home.traps, 1);
    let opened = opened(&daemon, 1);
    let records = Topics::of(&broker).read_all(&opened);
    for record in &records {
        assert_is_cloud_event(record, &opened.incidents);
    }
    assert_ids_are_unique(&records);
}

#[test]
fn a_broker_that_dies_and_a_daemon_that_dies_lose_nothing() {
    let mut broker = Broker::start();
    broker.create_topics(&[EVENTS, STATES]);
    let home = Home::new().with_kafka(broker.address());
    let daemon = home.start();
    for number in 1..=5 {
        link_down(home.traps, number);
    }
    let before = opened(&daemon, 5);
    Topics::of(&broker).read_all(&before);

    broker.kill();
    for number in 6..=10 {
        link_down(home.traps, number);
    }
    // Tickets do not wait for the broker.
    let after = opened(&daemon, 10);
    broker.restart();
    let mut topics = Topics::of(&broker);
    let records = topics.read_all(&after);
    assert_ids_are_unique(&records);

    daemon.kill();
    let daemon = home.start();
    link_down(home.traps, 11);
    let last = opened(&daemon, 11);
    let records = topics.read_all(&last);
    // What the daemon did not know to be delivered is sent again, under the same id and with the
    // same content: a consumer that knows an id can pass it over.
    for record in &records {
        assert_is_cloud_event(record, &last.incidents);
        let same = records.iter().find(|other| other.header("ce_id") == record.header("ce_id"));
        assert_eq!(same.and_then(|other| other.value.as_ref()), record.value.as_ref());
    }
}
