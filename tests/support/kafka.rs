//! A real Kafka broker in KRaft mode, one node being broker and controller, a consumer and a
//! producer.

use crate::support::components::{kafka_jars, program};
use crate::support::eventually::eventually;
use crate::support::ports::free_port;
use crate::support::process::Process;
use crate::support::scratch::Scratch;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// Who may come in where a password is asked for.
pub(crate) const USER: &str = "vigie";
/// Its password.
pub(crate) const PASSWORD: &str = "correct horse";

/// How long a broker may take to start, on two busy cores.
const START: Duration = Duration::from_secs(120);

/// A broker with its data, running or not.
#[derive(Debug)]
pub(crate) struct Broker {
    /// Plain, with a password, with TLS and a password.
    addresses: [String; 3],
    properties: PathBuf,
    scratch: Scratch,
    process: Option<Process>,
}

impl Broker {
    /// A new, empty broker that answers.
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// One that has a further listener, on which it speaks TLS, asks for a certificate and for a
    /// password by SCRAM-SHA-512.
    #[cfg(feature = "kafka-tls")]
    pub(crate) fn start_secure() -> Self {
        Self::start_with(",SASL_SSL://127.0.0.1:")
    }

    fn start_with(secure: &str) -> Self {
        let scratch = Scratch::new("kafka");
        let [port, asking, controller, hidden] = std::array::from_fn(|_| free_port());
        let secure = if secure.is_empty() { String::new() } else { format!("{secure}{hidden}") };
        let data = scratch.path().join("data");
        let tls = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls");
        let read = |name| std::fs::read_to_string(format!("{tls}/{name}")).expect("a PEM file");
        let keystore = scratch.write("server.pem", &(read("server.key") + &read("server.pem")));
        let properties = scratch.write(
            "server.properties",
            &format!(
                "process.roles=broker,controller\n\
                 node.id=1\n\
                 controller.quorum.bootstrap.servers=127.0.0.1:{controller}\n\
                 controller.listener.names=CONTROLLER\n\
                 listeners=PLAINTEXT://127.0.0.1:{port},SASL_PLAINTEXT://127.0.0.1:{asking},\
                 CONTROLLER://127.0.0.1:{controller}{secure}\n\
                 advertised.listeners=PLAINTEXT://127.0.0.1:{port},\
                 SASL_PLAINTEXT://127.0.0.1:{asking}{secure}\n\
                 listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,\
                 SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL\n\
                 listener.name.sasl_plaintext.sasl.enabled.mechanisms=PLAIN\n\
                 listener.name.sasl_plaintext.plain.sasl.jaas.config=\
                 org.apache.kafka.common.security.plain.PlainLoginModule required \
                 user_{USER}=\"{PASSWORD}\";\n\
                 listener.name.sasl_ssl.ssl.keystore.type=PEM\n\
                 listener.name.sasl_ssl.ssl.keystore.location={}\n\
                 listener.name.sasl_ssl.ssl.truststore.type=PEM\n\
                 listener.name.sasl_ssl.ssl.truststore.location={tls}/ca.pem\n\
                 listener.name.sasl_ssl.ssl.client.auth=required\n\
                 listener.name.sasl_ssl.sasl.enabled.mechanisms=SCRAM-SHA-512\n\
                 listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=\
                 org.apache.kafka.common.security.scram.ScramLoginModule required;\n\
                 log.dirs={}\n\
                 broker.session.timeout.ms=2000\n\
                 broker.heartbeat.interval.ms=500\n\
                 num.partitions=1\n\
                 offsets.topic.replication.factor=1\n\
                 offsets.topic.num.partitions=1\n\
                 share.coordinator.state.topic.replication.factor=1\n\
                 transaction.state.log.replication.factor=1\n\
                 transaction.state.log.min.isr=1\n",
                keystore.display(),
                data.display()
            ),
        );
        let addresses = [port, asking, hidden].map(|port| format!("127.0.0.1:{port}"));
        let mut broker = Self { addresses, properties, scratch, process: None };
        broker.format();
        broker.restart();
        broker
    }

    /// Host and port, for clients.
    pub(crate) fn address(&self) -> &str {
        &self.addresses[0]
    }

    /// The same for clients of whom a password is asked.
    pub(crate) fn address_with_password(&self) -> &str {
        &self.addresses[1]
    }

    /// The same for clients that speak TLS; only of a secure broker.
    #[cfg(feature = "kafka-tls")]
    pub(crate) fn address_with_tls(&self) -> &str {
        &self.addresses[2]
    }

    /// Ends the broker as a power cut would; its data stay.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it on its data and waits until it answers.
    pub(crate) fn restart(&mut self) {
        let mut command = java();
        command.arg("kafka.Kafka").arg(&self.properties);
        let mut process = Process::start(&mut command, &self.scratch.path().join("kafka.log"));
        let consumer: BaseConsumer = self.client().create().expect("a client");
        eventually("the Kafka broker answers", START, || {
            if let Some(status) = process.exit_status() {
                panic!("the Kafka broker ended: {status}");
            }
            let answer = consumer.fetch_metadata(None, Duration::from_secs(1));
            match answer.map(|metadata| metadata.brokers().len()) {
                Ok(1) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
        self.process = Some(process);
    }

    /// Creates topics with one partition each.
    pub(crate) fn create_topics(&self, names: &[&str]) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("a client");
        let topics: Vec<_> =
            names.iter().map(|name| NewTopic::new(name, 1, TopicReplication::Fixed(1))).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let created = runtime.block_on(admin.create_topics(&topics, &AdminOptions::new()));
        for topic in created.expect("the broker creates topics") {
            topic.expect("the topic is new");
        }
    }

    /// A consumer that reads a topic from its beginning.
    pub(crate) fn consumer(&self, topic: &str) -> Subscription {
        let consumer: BaseConsumer = self.client().create().expect("a client");
        let mut partitions = TopicPartitionList::new();
        partitions
            .add_partition_offset(topic, 0, Offset::Beginning)
            .expect("the beginning is an offset");
        consumer.assign(&partitions).expect("a partition can be assigned");
        Subscription { consumer, records: Vec::new() }
    }

    /// A producer to a topic.
    pub(crate) fn producer<'t>(&self, topic: &'t str) -> Producer<'t> {
        Producer { producer: self.client().create().expect("a client"), topic }
    }

    fn format(&self) {
        let mut command = java();
        command
            .args(["kafka.tools.StorageTool", "format", "--standalone"])
            .args(["--cluster-id", "dmlnaWUtdGVzdHMtMDAwMQ", "--config"])
            .arg(&self.properties)
            .args(["--add-scram", &format!("SCRAM-SHA-512=[name={USER},password={PASSWORD}]")]);
        let status =
            Process::start(&mut command, &self.scratch.path().join("format.log")).wait(START);
        assert!(status.success(), "the Kafka storage cannot be formatted: {status}");
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", self.address())
            .set("group.id", "vigie-tests")
            .set("enable.auto.commit", "false")
            .set("reconnect.backoff.max.ms", "500")
            .set("log_level", "2");
        config
    }
}

/// Writes to a topic with one partition, in order.
pub(crate) struct Producer<'t> {
    producer: BaseProducer,
    topic: &'t str,
}

impl Producer<'_> {
    /// Writes a record with headers, and waits until the broker has it.
    pub(crate) fn send(&self, value: &[u8], headers: &[(&str, &str)]) {
        let mut all = OwnedHeaders::new();
        for (key, value) in headers {
            all = all.insert(Header { key, value: Some(*value) });
        }
        let record: BaseRecord<'_, (), [u8]> =
            BaseRecord::to(self.topic).payload(value).headers(all);
        self.producer.send(record).map_err(|(error, _)| error).expect("there is room");
        self.flush();
    }

    /// Writes a record when there is time.
    pub(crate) fn queue(&self, value: &[u8]) {
        let record: BaseRecord<'_, (), [u8]> = BaseRecord::to(self.topic).payload(value);
        self.producer.send(record).map_err(|(error, _)| error).expect("there is room");
    }

    /// Waits until the broker has everything.
    pub(crate) fn flush(&self) {
        self.producer.flush(Duration::from_secs(30)).expect("the broker takes it");
    }
}

/// One record as read back.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    /// The key as text.
    pub(crate) key: String,
    /// Headers by name.
    pub(crate) headers: BTreeMap<String, String>,
    /// The value as text; nothing for a tombstone.
    pub(crate) value: Option<String>,
}

impl Record {
    /// A header; empty if it is absent.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// What was read of a topic so far.
pub(crate) struct Subscription {
    consumer: BaseConsumer,
    records: Vec<Record>,
}

impl Subscription {
    /// Reads on while something arrives, and gives all records since the beginning.
    pub(crate) fn read(&mut self) -> &[Record] {
        while let Some(answer) = self.consumer.poll(Duration::from_millis(200)) {
            // An error here is a broker that is away: the consumer reconnects by itself.
            if let Ok(message) = answer {
                self.records.push(record(&message));
            }
        }
        &self.records
    }
}

fn record(message: &BorrowedMessage<'_>) -> Record {
    let words = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers = message.headers().into_iter().flat_map(Headers::iter);
    Record {
        key: message.key().map(words).unwrap_or_default(),
        headers: headers
            .map(|header| (header.key.to_owned(), header.value.map(words).unwrap_or_default()))
            .collect(),
        value: message.payload().map(words),
    }
}

/// A Java machine with the broker's classes and little memory.
fn java() -> Command {
    let mut command = Command::new(program("java"));
    let classes = kafka_jars().join("*");
    command.args(["-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
    command.arg("-cp").arg(classes);
    command
}
