//! The publisher over a sink that fails as told, then over librdkafka's mock cluster.

use super::*;
use crate::engine::effect::{Effect, IncidentChange, IncidentStatus, TicketChange, TicketState};
use crate::shell::publish::Published;
use crate::shell::publish::cloud_event::{Message, Topic};
use crate::shell::publish::feed::{Feed, feed};
use crate::shell::publish::fixtures::*;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message as _};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Mutex;

const PATIENCE: Duration = Duration::from_secs(20);

fn speaker() -> Speaker {
    Speaker { source: "/vigie/test".to_owned(), journal_uuid: "j".to_owned() }
}

fn decision(position: u64) -> Published {
    let id = format!("I{}", position % 5);
    incident_effect(position, incident(&id, IncidentStatus::Open, IncidentChange::Updated))
}

fn offer(feed: &Feed, positions: std::ops::RangeInclusive<u64>) {
    for position in positions {
        assert!(feed.offer(&Arc::new(vec![decision(position)])));
    }
}

/// Waits for something that another thread does, without measuring time.
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if condition() {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    panic!("never: {what}");
}

/// What a scripted sink does with the next message that it could deliver.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Fate {
    Refuse,
    Fail,
    FailButDeliver,
}

/// Shared by the sinks that replace each other.
#[derive(Default)]
struct Script {
    delivered: Vec<(String, Topic)>,
    fates: VecDeque<Fate>,
    poison: Option<String>,
    room: usize,
}

/// A sink whose batches share one fate, as those of a broker do.
struct ScriptedSink {
    script: Arc<Mutex<Script>>,
    queue: Vec<(Tag, String)>,
}

impl Sink for ScriptedSink {
    fn send(&mut self, message: &Message, tag: Tag) -> Result<(), SendError> {
        if self.queue.len() >= self.script.lock().expect("no panic").room {
            return Err(SendError::Full);
        }
        let id = message.headers.iter().find(|(name, _)| *name == "ce_id").expect("an id");
        self.queue.push((tag, id.1.clone()));
        Ok(())
    }

    fn poll(&mut self, _patience: Duration, outcomes: &mut Vec<(Tag, Outcome)>) {
        let mut script = self.script.lock().expect("no panic");
        let batch = std::mem::take(&mut self.queue);
        let has_poison =
            batch.iter().any(|(_, id)| script.poison.as_ref().is_some_and(|poison| poison == id));
        let fate = if batch.is_empty() { None } else { script.fates.pop_front() };
        let fate = if has_poison { Some(Fate::Refuse) } else { fate };
        for (tag, id) in batch {
            if matches!(fate, None | Some(Fate::FailButDeliver)) {
                script.delivered.push((id, tag.topic));
            }
            let outcome = match fate {
                None => Outcome::Delivered,
                Some(Fate::Refuse) => Outcome::Rejected("too large".to_owned()),
                Some(Fate::Fail | Fate::FailButDeliver) => Outcome::Failed("timeout".to_owned()),
            };
            outcomes.push((tag, outcome));
        }
    }

    fn fatal(&self) -> Option<String> {
        None
    }
}

struct Scripted {
    script: Arc<Mutex<Script>>,
    feed: Feed,
    publisher: KafkaPublisher,
}

fn scripted(script: Script) -> Scripted {
    let script = Arc::new(Mutex::new(script));
    let shared = Arc::clone(&script);
    let make = move || Ok(ScriptedSink { script: Arc::clone(&shared), queue: Vec::new() });
    let (feed, end) = feed(0, 10_000);
    let start = PublisherStart { speaker: speaker(), cursor: 0, feed: end, log: None };
    let first: Result<ScriptedSink, String> = make();
    let publisher =
        KafkaPublisher::start_with(first.expect("made"), make, start).expect("a thread");
    Scripted { script, feed, publisher }
}

fn event_ids(script: &Arc<Mutex<Script>>) -> Vec<String> {
    let script = script.lock().expect("no panic");
    let events = script.delivered.iter().filter(|(_, topic)| *topic == Topic::Event);
    events.map(|(id, _)| id.clone()).collect()
}

#[test]
fn a_full_queue_is_back_pressure_and_nothing_is_lost_or_reordered() {
    let running = scripted(Script { room: 1, ..Script::default() });
    offer(&running.feed, 1..=100);
    let status = running.publisher.status();
    assert_eq!(running.publisher.stop(PATIENCE), 100);
    let expected: Vec<String> = (1..=100).map(|position| format!("j/{position}-0")).collect();
    assert_eq!(event_ids(&running.script), expected);
    assert!(status.queue_full() > 0);
    assert_eq!((status.failures(), status.delivered(), status.lag()), (0, 200, 0));
}

#[test]
fn failures_send_the_same_ids_again_until_all_arrived() {
    let fates = [Fate::Fail, Fate::FailButDeliver, Fate::Fail].into();
    let running = scripted(Script { room: 1_000, fates, ..Script::default() });
    offer(&running.feed, 1..=20);
    let status = running.publisher.status();
    assert_eq!(running.publisher.stop(PATIENCE), 20);
    assert_eq!(status.failures(), 3);
    assert!(!status.is_failing());
    let ids = event_ids(&running.script);
    let distinct: BTreeSet<&String> = ids.iter().collect();
    assert_eq!(distinct.len(), 20);
    assert_eq!(ids.last().map(String::as_str), Some("j/20-0"), "the newest is last");
}

#[test]
fn a_message_that_no_broker_takes_is_passed_over_and_its_neighbours_are_not() {
    let poison = Some("j/7-0".to_owned());
    let running = scripted(Script { room: 1_000, poison, ..Script::default() });
    offer(&running.feed, 1..=20);
    let status = running.publisher.status();
    assert_eq!(running.publisher.stop(PATIENCE), 20);
    assert_eq!(status.rejected(), 2, "on both topics");
    let delivered: BTreeSet<String> = event_ids(&running.script).into_iter().collect();
    assert_eq!(delivered.len(), 19);
    assert!(!delivered.contains("j/7-0"));
}

#[test]
fn a_stop_gives_up_in_time_and_says_how_far_it_came() {
    let running = scripted(Script { room: 0, ..Script::default() });
    offer(&running.feed, 1..=5);
    until("taken", || running.publisher.status().in_flight() == 5);
    assert_eq!(running.publisher.status().lag(), 5);
    assert_eq!(running.publisher.stop(Duration::from_millis(50)), 0);
}

type Cluster = MockCluster<'static, DefaultProducerContext>;

fn cluster() -> (Cluster, KafkaSettings) {
    let cluster = MockCluster::new(3).expect("a mock cluster");
    let mut settings = KafkaSettings::new(&cluster.bootstrap_servers(), "test");
    for topic in [&settings.event_topic, &settings.state_topic] {
        cluster.create_topic(topic, 4, 3).expect("a topic");
    }
    // One request at a time: from the success of a later request librdkafka concludes that an
    // earlier one, whose fate is unknown, arrived too. Brokers make that true by checking
    // sequence numbers; the mock does not check them.
    let quick = [
        ("reconnect.backoff.max.ms", "200"),
        ("retry.backoff.ms", "10"),
        ("max.in.flight.requests.per.connection", "1"),
    ];
    for (name, value) in quick {
        settings.properties.insert(name.to_owned(), value.to_owned());
    }
    (cluster, settings)
}

fn start(settings: &KafkaSettings, cursor: u64) -> (Feed, KafkaPublisher) {
    let (feed, end) = feed(cursor, 10_000);
    let start = PublisherStart { speaker: speaker(), cursor, feed: end, log: None };
    (feed, KafkaPublisher::start(settings.clone(), start).expect("settings are fine"))
}

/// One message as a consumer sees it: key, id, type. One without a value is of type `tombstone`.
type Seen = (String, String, String);

/// Everything on a topic, partition by partition, until `count` distinct ids were seen.
fn consume(settings: &KafkaSettings, topic: &str, count: usize) -> Vec<Seen> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &settings.brokers)
        .set("group.id", "test")
        .create()
        .expect("a consumer");
    let mut partitions = TopicPartitionList::new();
    for partition in 0..4 {
        partitions.add_partition_offset(topic, partition, Offset::Beginning).expect("valid");
    }
    consumer.assign(&partitions).expect("assigned");
    let (mut seen, mut ids) = (Vec::new(), BTreeSet::new());
    until("every message is consumed", || {
        while let Some(message) = consumer.poll(Duration::from_millis(20)) {
            let message = message.expect("no error");
            let headers = message.headers().expect("headers");
            let header = |name: &str| {
                let found = headers.iter().find(|header| header.key == name).expect(name);
                String::from_utf8(found.value.expect("a value").to_vec()).expect("UTF-8")
            };
            assert_eq!(header("ce_specversion"), "1.0");
            let key = String::from_utf8(message.key().expect("a key").to_vec()).expect("UTF-8");
            let mut kind = header("ce_type");
            if let Some(payload) = message.payload() {
                assert_eq!(header("content-type"), "application/json");
                let body: serde_json::Value = serde_json::from_slice(payload).expect("JSON");
                assert!(body.is_object());
            } else {
                assert_eq!(kind, "io.vigie.incident.withdrawn");
                kind = "tombstone".to_owned();
            }
            ids.insert(header("ce_id"));
            seen.push((key, header("ce_id"), kind));
        }
        ids.len() >= count
    });
    assert_eq!(ids.len(), count);
    seen
}

fn position_of(id: &str) -> u64 {
    let rank = id.strip_prefix("j/").and_then(|rank| rank.split('-').next());
    rank.and_then(|position| position.parse().ok()).expect("j/position-ordinal")
}

/// Of each key, the ids in their first order are those of its positions.
fn assert_order_by_key(seen: &[Seen]) {
    let keys: BTreeSet<&String> = seen.iter().map(|(key, ..)| key).collect();
    for key in keys {
        let of_key = seen.iter().filter(|(other, ..)| other == key);
        let mut known = BTreeSet::new();
        let first: Vec<u64> = of_key
            .map(|(_, id, _)| position_of(id))
            .filter(|position| known.insert(*position))
            .collect();
        assert!(first.is_sorted(), "{key}: {first:?}");
    }
}

#[test]
fn decisions_arrive_on_both_topics_in_order_by_key() {
    let (_cluster, settings) = cluster();
    let (feed, publisher) = start(&settings, 0);
    offer(&feed, 1..=50);
    let closed = incident("I1", IncidentStatus::Closed, IncidentChange::Closed);
    let opened = ticket("NOC-000001", TicketState::Acknowledged, TicketChange::Opened);
    let last = vec![
        incident_effect(51, closed),
        ticket_effect(51, opened),
        alarm_effect(52, alarm(3, false)),
    ];
    assert!(feed.offer(&Arc::new(last)));
    assert_eq!(publisher.stop(PATIENCE), 52);
    let seen = consume(&settings, "vigie.events", 52);
    assert_eq!(seen.len(), 52, "nothing twice without a failure");
    assert_order_by_key(&seen);
    let about_ticket = ("I7".to_owned(), "j/51-1".to_owned(), "io.vigie.ticket.opened".to_owned());
    assert!(seen.contains(&about_ticket));
    let states = consume(&settings, "vigie.incidents", 51);
    let last_of_closed = states.iter().rfind(|(key, ..)| key == "I1").expect("it was told");
    assert_eq!(last_of_closed.2, "io.vigie.incident.closed", "the final record of the key");
}

#[test]
fn a_withdrawn_incident_ends_as_a_record_without_value_on_the_state_topic_alone() {
    let (_cluster, settings) = cluster();
    let (feed, publisher) = start(&settings, 0);
    let closed = incident("I1", IncidentStatus::Closed, IncidentChange::Closed);
    let withdrawn = published(9, 0, Effect::Withdrawn("I1".into()));
    assert!(feed.offer(&Arc::new(vec![incident_effect(8, closed), withdrawn])));
    assert_eq!(publisher.stop(PATIENCE), 9);
    let row = |id: &str, kind: &str| ("I1".to_owned(), id.to_owned(), kind.to_owned());
    let closed = row("j/8-0", "io.vigie.incident.closed");
    assert_eq!(consume(&settings, "vigie.events", 1), std::slice::from_ref(&closed));
    let states = consume(&settings, "vigie.incidents", 2);
    assert_eq!(states, [closed, row("j/9-0", "tombstone")]);
}

#[test]
fn a_publisher_that_resumes_repeats_the_same_ids() {
    let (_cluster, settings) = cluster();
    let (feed, publisher) = start(&settings, 0);
    offer(&feed, 1..=30);
    assert_eq!(publisher.stop(PATIENCE), 30);
    // As after a crash before the mark record with the newest cursor was durable.
    let (feed, publisher) = start(&settings, 20);
    offer(&feed, 21..=40);
    assert_eq!(publisher.stop(PATIENCE), 40);
    let seen = consume(&settings, "vigie.events", 40);
    assert_eq!(seen.len(), 50, "21 to 30 twice");
    assert_order_by_key(&seen);
}

#[test]
fn broker_errors_pass_and_the_cursor_becomes_whole() {
    let (cluster, settings) = cluster();
    let (feed, publisher) = start(&settings, 0);
    offer(&feed, 1..=10);
    until("the first ten", || publisher.status().cursor() == 10);
    let errors = [
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR__TRANSPORT,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
    ];
    cluster.request_errors(RDKafkaApiKey::Produce, &errors);
    offer(&feed, 11..=60);
    assert_eq!(publisher.stop(PATIENCE), 60);
    assert_order_by_key(&consume(&settings, "vigie.events", 60));
}

#[test]
fn a_cluster_that_is_away_for_a_while_delays_and_loses_nothing() {
    let (cluster, settings) = cluster();
    let (feed, publisher) = start(&settings, 0);
    offer(&feed, 1..=10);
    until("the first ten", || publisher.status().cursor() == 10);
    cluster.broker_down(-1).expect("down");
    offer(&feed, 11..=40);
    until("the rest is taken", || publisher.status().in_flight() == 30);
    assert_eq!((publisher.status().cursor(), publisher.status().lag()), (10, 30));
    cluster.broker_up(-1).expect("up");
    assert_eq!(publisher.stop(PATIENCE), 40);
    assert_order_by_key(&consume(&settings, "vigie.events", 40));
}

#[test]
fn a_fatal_producer_is_replaced_and_everything_behind_the_cursor_goes_again() {
    let (cluster, settings) = cluster();
    let (feed, publisher) = start(&settings, 0);
    offer(&feed, 1..=10);
    until("the first ten", || publisher.status().cursor() == 10);
    let fatal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    cluster.request_errors(RDKafkaApiKey::Produce, &[fatal; 3]);
    offer(&feed, 11..=40);
    until("a producer died", || publisher.status().failures() > 0);
    cluster.clear_request_errors(RDKafkaApiKey::Produce);
    let status = publisher.status();
    assert_eq!(publisher.stop(PATIENCE), 40);
    assert!(!status.is_failing());
    assert_order_by_key(&consume(&settings, "vigie.events", 40));
}

#[test]
fn the_queue_of_librdkafka_may_be_small() {
    let (_cluster, mut settings) = cluster();
    settings.properties.insert("queue.buffering.max.messages".to_owned(), "2".to_owned());
    let (feed, publisher) = start(&settings, 0);
    offer(&feed, 1..=60);
    let status = publisher.status();
    assert_eq!(publisher.stop(PATIENCE), 60);
    assert!(status.queue_full() > 0);
    assert_order_by_key(&consume(&settings, "vigie.events", 60));
}

#[test]
fn settings_that_librdkafka_does_not_know_are_refused_at_the_start() {
    let mut settings = KafkaSettings::new("127.0.0.1:9", "test");
    settings.properties.insert("linger.minutes".to_owned(), "5".to_owned());
    let (_feed, end) = feed(0, 10);
    let start = PublisherStart { speaker: speaker(), cursor: 0, feed: end, log: None };
    let refused = KafkaPublisher::start(settings, start).expect_err("refused");
    assert!(refused.to_string().contains("linger.minutes"), "{refused}");
}
