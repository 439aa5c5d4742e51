//! A reader among the faults of a cluster that librdkafka plays.

use crate::decode::metrics::line_protocol::Precision;
use crate::model::event::Verb;
use crate::model::time::{EngineTime, Timestamp};
use crate::shell::clock;
use crate::shell::config::{Begin, Encoding, KafkaLink, KafkaSource};
use crate::shell::intake::kafka::{KafkaReader, ReaderParts};
use crate::shell::series::Protocol;
use crate::shell::series::testing::{Bench, Seen};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList, TopicPartitionListElem};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

const TOPIC: &str = "telegraf";
const PATIENCE_NS: u64 = 60_000_000_000;

/// A cluster with a topic, an intake, and the place of the sequencer.
struct Scene {
    cluster: MockCluster<'static, DefaultProducerContext>,
    producer: BaseProducer,
    bench: Bench,
    runtime: Runtime,
}

impl Scene {
    fn new() -> Self {
        Self::with_partitions(1)
    }

    fn with_partitions(count: i32) -> Self {
        let cluster = MockCluster::new(1).expect("a mock cluster");
        cluster.create_topic(TOPIC, count, 1).expect("a topic");
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", cluster.bootstrap_servers());
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build();
        Self {
            producer: config.create().expect("a producer"),
            cluster,
            bench: Bench::default(),
            runtime: runtime.expect("a runtime"),
        }
    }

    fn source(&self, encoding: Encoding) -> KafkaSource {
        let quick = [("reconnect.backoff.max.ms", "200"), ("session.timeout.ms", "6000")];
        let properties = quick.map(|(name, value)| (name.to_owned(), value.to_owned()));
        KafkaSource {
            name: "noc".to_owned(),
            link: KafkaLink {
                brokers: vec![self.cluster.bootstrap_servers()],
                tls: None,
                sasl: None,
                properties: properties.into(),
            },
            topics: vec![TOPIC.to_owned()],
            group: "vigie".to_owned(),
            encoding,
            precision: Precision::Nanosecond,
            begin: Begin::Earliest,
            sender_header: Some("collector".to_owned()),
        }
    }

    fn start(&self) -> KafkaReader {
        self.start_on(&self.bench)
    }

    fn start_on(&self, bench: &Bench) -> KafkaReader {
        let source = self.source(Encoding::Influx);
        let brokers = source.link.brokers.join(",");
        let parts = ReaderParts {
            source,
            access: vec![("bootstrap.servers".to_owned(), brokers)],
            series: Arc::clone(&bench.intake),
            runtime: self.runtime.handle().clone(),
            bytes_max: 100_000,
        };
        KafkaReader::start(parts).expect("a reader")
    }

    /// Produces a record; those of a test are in one partition, in their order.
    fn produce(&self, value: &[u8], headers: &[(&str, &str)]) {
        self.produce_at(value, headers, None);
    }

    fn produce_at(&self, value: &[u8], headers: &[(&str, &str)], at_ms: Option<i64>) {
        let mut all = OwnedHeaders::new();
        for (key, value) in headers {
            all = all.insert(Header { key, value: Some(*value) });
        }
        let mut record: BaseRecord<'_, (), [u8]> =
            BaseRecord::to(TOPIC).payload(value).headers(all);
        record.timestamp = at_ms;
        self.producer.send(record).map_err(|(error, _)| error).expect("room");
        self.producer.flush(Duration::from_secs(10)).expect("delivered");
    }

    /// Produces a hot device to each of four partitions.
    fn produce_round(&self, round: u32) {
        for partition in 0..4 {
            let line = format!("temp,host=pe{round}-{partition} c=95");
            let record: BaseRecord<'_, (), [u8]> =
                BaseRecord::to(TOPIC).payload(line.as_bytes()).partition(partition);
            self.producer.send(record).map_err(|(error, _)| error).expect("room");
        }
        self.producer.flush(Duration::from_secs(10)).expect("delivered");
    }

    /// Stands in for the sequencer until that holds; gives what series told.
    fn journal_until(&self, is_durable: bool, mut holds: impl FnMut(&[Seen]) -> bool) -> Vec<Seen> {
        let mut seen = Vec::new();
        let until = clock::boot_ns() + PATIENCE_NS;
        while !holds(&seen) {
            assert!(clock::boot_ns() < until, "it never came to that: {seen:?}");
            let news = self.bench.journal(is_durable);
            seen.extend(news.into_iter().filter(|event| event.verb == Verb::Crossing));
            std::thread::park_timeout(Duration::from_millis(2));
        }
        seen
    }

    /// Where the group goes on, as the brokers know it.
    fn committed(&self) -> Option<i64> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.cluster.bootstrap_servers())
            .set("group.id", "vigie")
            .create()
            .expect("a client");
        let mut places = TopicPartitionList::new();
        places.add_partition(TOPIC, 0);
        let answer = consumer.committed_offsets(places, Duration::from_secs(10));
        let answer = answer.expect("an answer");
        let place = answer.elements().first().map(TopicPartitionListElem::offset);
        match place {
            Some(Offset::Offset(offset)) => Some(offset),
            _ => None,
        }
    }

    fn stop(&self, reader: KafkaReader) {
        self.bench.stop.request(EngineTime(1));
        reader.join(Duration::from_secs(30));
    }

    fn rejected(&self, reason: &str) -> u64 {
        let shown = self.bench.shown(Protocol::Kafka);
        let found = shown.rejected.iter().find(|(known, _)| *known == reason);
        found.map(|(_, count)| *count).expect("a reason")
    }
}

fn values(seen: &[Seen]) -> Vec<f64> {
    seen.iter().filter_map(|event| event.value).collect()
}

#[test]
fn a_broken_record_between_two_good_ones_is_counted_and_blocks_nothing() {
    let scene = Scene::new();
    scene.produce(b"temp,host=pe1 c=95", &[]);
    scene.produce(b"no lines at all", &[]);
    scene.produce(b"", &[]);
    scene.produce(b"temp,host=pe1 c=96", &[("content-type", "application/avro")]);
    scene.produce(b"temp,host=pe1 c=96", &[("Content-Encoding", "zstd")]);
    scene.produce(&vec![b'\n'; 100_001], &[]);
    scene.produce(b"temp,host=pe2 c=97", &[("content-type", "text/plain")]);
    let reader = scene.start();
    let status = reader.status();
    let seen = scene.journal_until(true, |_| status.records() == 7);
    assert_eq!(values(&seen), [95.0, 97.0]);
    assert_eq!(scene.bench.account(Protocol::Kafka), [7, 2, 0, 5]);
    for reason in [
        "field-invalid",
        "record-empty",
        "content-type-unknown",
        "encoding-unknown",
        "body-too-large",
    ] {
        assert_eq!(scene.rejected(reason), 1, "{reason}");
    }
    scene.stop(reader);
    assert_eq!(scene.committed(), Some(7), "none of them is read again");
}

#[test]
fn what_is_not_durable_is_not_committed_and_read_again() {
    let scene = Scene::new();
    for record in ["temp,host=pe1 c=20", "temp,host=pe1 c=95", "temp,host=pe2 c=96"] {
        scene.produce(record.as_bytes(), &[]);
    }
    let reader = scene.start();
    let status = reader.status();
    let lost = scene.journal_until(false, |_| status.retries() > 0);
    assert_eq!(values(&lost).first(), Some(&20.0));
    assert_eq!((scene.committed(), status.records()), (None, 0));
    let seen = scene.journal_until(true, |_| status.records() == 3);
    assert_eq!(values(&seen).last(), Some(&96.0), "{seen:?}");
    assert!(values(&seen).contains(&95.0), "the state at the end is told: {seen:?}");
    assert!(scene.rejected("not-durable") >= 1);
    scene.journal_until(true, |_| scene.committed() == Some(3));
    // The next that comes is heard, and a restart begins behind it.
    scene.produce(b"temp,host=pe1 c=30", &[]);
    let seen = scene.journal_until(true, |_| status.records() == 4);
    assert_eq!(values(&seen), [30.0]);
    scene.stop(reader);
    assert_eq!(scene.committed(), Some(4));
    scene.bench.account(Protocol::Kafka);
}

#[test]
fn a_record_names_its_sender_and_dates_what_has_no_time() {
    let scene = Scene::new();
    let at_ms = clock::wall().0 / 1_000_000 - 20_000;
    let header = [("Collector", "collector-7")];
    scene.produce_at(b"temp,sensor=a c=95", &header, Some(at_ms));
    scene.produce_at(b"temp,sensor=b c=95", &[], Some(at_ms - 1));
    scene.produce_at(b"temp,sensor=c c=95", &header, Some(at_ms - 600_000));
    let reader = scene.start();
    let status = reader.status();
    let seen = scene.journal_until(true, |_| status.records() == 3);
    let told: Vec<_> = seen.iter().map(|event| (&*event.device, event.occurred_at)).collect();
    let at = |ms: i64| Some(Timestamp(ms * 1_000_000));
    assert_eq!(told, [("collector-7", at(at_ms)), ("telegraf@noc", at(at_ms - 1))]);
    assert_eq!(scene.rejected("too-old"), 1);
    scene.stop(reader);
}

#[test]
fn brokers_that_go_and_come_back_cost_nothing() {
    let scene = Scene::new();
    scene.produce(b"temp,host=pe1 c=95", &[]);
    let reader = scene.start();
    let status = reader.status();
    let seen = scene.journal_until(true, |seen| !seen.is_empty());
    assert_eq!(values(&seen), [95.0]);
    scene.cluster.broker_down(1).expect("down");
    scene.journal_until(true, |_| status.words() != "no broker answers");
    scene.cluster.broker_up(1).expect("up");
    scene.produce(b"temp,host=pe1 c=20", &[]);
    let seen = scene.journal_until(true, |seen| !seen.is_empty());
    assert_eq!(values(&seen), [20.0]);
    assert!(!status.is_failing());
    scene.stop(reader);
}

/// Devices that were told, each as often as it was.
fn devices(seen: &[Seen]) -> Vec<&str> {
    let mut devices: Vec<_> = seen.iter().map(|event| &*event.device).collect();
    devices.sort_unstable();
    devices
}

#[test]
fn partitions_that_go_to_another_reader_and_come_back_are_read_on() {
    let scene = Scene::with_partitions(4);
    let other = Bench::default();
    let first = scene.start();
    scene.produce_round(1);
    let seen = scene.journal_until(true, |seen| seen.len() == 4);
    assert_eq!(devices(&seen), ["pe1-0", "pe1-1", "pe1-2", "pe1-3"]);
    // The other takes some of the partitions over, and reads what comes then. What the first had
    // not committed by then may be read again.
    let second = scene.start_on(&other);
    let (mut round, mut taken) = (1, Vec::new());
    let expected = |round: u32| -> BTreeSet<String> {
        (2..=round).flat_map(|one| (0..4).map(move |part| format!("pe{one}-{part}"))).collect()
    };
    let seen = scene.journal_until(true, |seen| {
        taken.extend(other.journal(true).into_iter().filter(|event| event.verb == Verb::Crossing));
        let told = seen.iter().chain(&taken).map(|event| event.device.clone()).collect();
        let is_all = expected(round).is_subset(&told);
        if is_all && taken.is_empty() {
            round += 1;
            scene.produce_round(round);
        }
        is_all && !taken.is_empty()
    });
    assert!(!seen.is_empty(), "the first keeps some of them");
    // It ends, and what it had comes back.
    other.stop.request(EngineTime(1));
    second.join(Duration::from_secs(30));
    scene.produce_round(99);
    let seen = scene.journal_until(true, |seen| seen.len() == 4);
    assert_eq!(devices(&seen), ["pe99-0", "pe99-1", "pe99-2", "pe99-3"]);
    scene.stop(first);
}
