//! Samples from a real Kafka broker: written as collectors write them, through the death of the
//! daemon and of the broker.

use crate::support::daemon::{Daemon, Home, is_active, is_cleared, text};
use crate::support::eventually::eventually;
use crate::support::kafka::{Broker, PASSWORD, Producer, USER};
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

/// Where the samples are.
const TOPIC: &str = "telegraf";

/// How long records may take over a broker or a daemon that has just come back.
const DELIVERY: Duration = Duration::from_secs(90);

/// Heat is an alarm.
const RULES: &str = r#"
[[alarm_type]]
id = "test-hot"
title = "Too hot"
event_type = "environmental"
probable_cause = "temperatureUnacceptable"
severity = "critical"

[[metric]]
name = "hot"
metric = "temp_c"
alarm_type = "test-hot"
text = "it is {value} degrees"
bands = [{ severity = "major", above = 90, clear_below = 80 }]
"#;

/// A home whose source reads the topic.
fn home(broker: &str) -> Home {
    Home::new()
        .with_rules(RULES)
        .with("sources.noc.kind=kafka")
        .with(&format!("sources.noc.brokers=[\"{broker}\"]"))
        .with(&format!("sources.noc.topics=[\"{TOPIC}\"]"))
        .with("sources.noc.encoding=influx")
        .with("sources.noc.properties.\"session.timeout.ms\"=6000")
        .with("sources.noc.properties.\"reconnect.backoff.max.ms\"=500")
}

/// Devices that are too hot, and how often each was raised.
fn hot(daemon: &Daemon<'_>) -> Result<Vec<(String, u64)>, String> {
    let alarms = daemon.list("alarms")?;
    let hot = alarms.iter().filter(|alarm| text(alarm, "alarm_type") == "test-hot");
    let raised = |alarm: &serde_json::Value| alarm["occurrences"].as_u64().unwrap_or(0);
    Ok(hot.map(|alarm| (text(alarm, "resource").to_owned(), raised(alarm))).collect())
}

#[test]
fn what_collectors_write_to_a_topic_raises_and_clears_alarms() {
    let broker = Broker::start();
    broker.create_topics(&[TOPIC]);
    let producer = broker.producer(TOPIC);
    let home = home(broker.address());
    let daemon = home.start();
    // Telegraf; a record that nobody can read; the OpenTelemetry collector, whose content type is
    // said by a header.
    producer.send(b"temp,host=pe1 c=95\n", &[]);
    producer.send(b"\x00\xff no lines", &[]);
    let point = r#"{"asDouble":97,"attributes":[{"key":"host","value":{"stringValue":"pe2"}}]}"#;
    let gauge = format!(r#"{{"name":"temp_c","gauge":{{"dataPoints":[{point}]}}}}"#);
    let otlp = format!(r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{gauge}]}}]}}]}}"#);
    producer.send(otlp.as_bytes(), &[("content-type", "application/json")]);
    let raised = daemon.alarm("test-hot", "pe1", is_active);
    assert_eq!(text(&raised, "text"), "it is 95 degrees");
    daemon.alarm("test-hot", "pe2", is_active);
    producer.send(b"temp,host=pe1 c=20\n", &[]);
    daemon.alarm("test-hot", "pe1", is_cleared);
    let metrics = daemon.metrics().unwrap();
    let kafka = [("protocol", "kafka")];
    let sum = |name| metrics.sum(name, &kafka);
    let received = sum("vigie_samples_received_total");
    let parts = sum("vigie_samples_applied_total")
        + sum("vigie_samples_unmatched_total")
        + sum("vigie_samples_rejected_total");
    assert!((received - 4.0).abs() < 0.5 && (received - parts).abs() < 0.5, "{received} {parts}");
    assert!((sum("vigie_samples_rejected_total") - 1.0).abs() < 0.5);
    let of_source = |name| metrics.sum(name, &[("source", "noc")]);
    assert!((of_source("vigie_source_records_total") - 4.0).abs() < 0.5);
    assert!(of_source("vigie_source_failing") < 0.5);
    assert!(daemon.terminate().success());
    // A stop commits what was read: the next daemon begins behind it.
    let daemon = home.start();
    producer.send(b"temp,host=pe3 c=96\n", &[]);
    daemon.alarm("test-hot", "pe3", is_active);
    let records = daemon.metrics().unwrap().sum("vigie_source_records_total", &[("source", "noc")]);
    assert!((records - 1.0).abs() < 0.5, "{records} records were read");
}

#[test]
fn a_daemon_that_dies_in_the_middle_of_a_stream_loses_nothing_and_repeats_nothing() {
    const DEVICES: usize = 3_000;
    let broker = Broker::start();
    broker.create_topics(&[TOPIC]);
    let producer = broker.producer(TOPIC);
    let home = home(broker.address());
    let mut daemon = home.start();
    // Each device becomes hot, and every third cools down again.
    let stream = |producer: &Producer<'_>, from: usize, to: usize| {
        let now = jiff::Timestamp::now().as_nanosecond();
        for number in from..to {
            producer.queue(format!("temp,host=pe{number} c=95 {now}").as_bytes());
            if number % 3 == 0 {
                let after = now + 1;
                producer.queue(format!("temp,host=pe{number} c=20 {after}").as_bytes());
            }
        }
        producer.flush();
    };
    let records = |daemon: &Daemon<'_>| {
        let metrics = daemon.metrics()?;
        Ok::<f64, String>(metrics.sum("vigie_source_records_total", &[("source", "noc")]))
    };
    for part in 0..3 {
        stream(&producer, part * DEVICES / 3, (part + 1) * DEVICES / 3);
        eventually("some of them are read", DELIVERY, || {
            let read = records(&daemon)?;
            if read > 0.5 { Ok(()) } else { Err(format!("{read} records")) }
        });
        daemon.kill();
        daemon = home.start();
    }
    let expected: BTreeSet<String> = (0..DEVICES).map(|number| format!("pe{number}")).collect();
    let alarms = eventually("every device has its alarm", DELIVERY, || {
        let alarms = hot(&daemon)?;
        let found: BTreeSet<String> = alarms.iter().map(|(name, _)| name.clone()).collect();
        if found == expected { Ok(alarms) } else { Err(format!("{} devices", found.len())) }
    });
    assert_eq!(alarms.len(), DEVICES, "one alarm each");
    assert!(records(&daemon).unwrap() > 0.5, "the last kill left something to read again");
    let again: Vec<_> = alarms.iter().filter(|(_, raised)| *raised > 1).collect();
    assert!(again.is_empty(), "raised again: {again:?}");
    eventually("what cooled down is cleared, and nothing else", DELIVERY, || {
        let all = daemon.list("alarms")?;
        let of_type = all.iter().filter(|alarm| text(alarm, "alarm_type") == "test-hot");
        let cleared = of_type.filter(|alarm| is_cleared(alarm)).count();
        if cleared == DEVICES / 3 { Ok(()) } else { Err(format!("{cleared} cleared")) }
    });
}

#[test]
fn a_broker_that_dies_delays_samples_and_nothing_else() {
    let mut broker = Broker::start();
    broker.create_topics(&[TOPIC]);
    let home = home(broker.address());
    let daemon = home.start();
    broker.producer(TOPIC).send(b"temp,host=pe1 c=95", &[]);
    daemon.alarm("test-hot", "pe1", is_active);
    broker.kill();
    broker.restart();
    broker.producer(TOPIC).send(b"temp,host=pe2 c=95", &[]);
    broker.producer(TOPIC).send(b"temp,host=pe1 c=20", &[]);
    eventually("the samples came", DELIVERY, || {
        let hot = hot(&daemon)?;
        if hot.len() == 2 { Ok(()) } else { Err(format!("{hot:?}")) }
    });
    daemon.alarm("test-hot", "pe1", is_cleared);
    assert!(daemon.terminate().success());
}

#[test]
fn a_source_without_brokers_is_an_alarm_that_clears_by_itself() {
    let mut broker = Broker::start();
    broker.create_topics(&[TOPIC]);
    broker.producer(TOPIC).send(b"temp,host=pe1 c=95", &[]);
    broker.kill();
    let home = home(broker.address());
    let daemon = home.start();
    let failing = |is_as: fn(&serde_json::Value) -> bool| {
        eventually("the alarm of the source", DELIVERY, || {
            let alarms = daemon.list("alarms")?;
            let mut failing =
                alarms.iter().filter(|alarm| text(alarm, "alarm_type") == "vigie-source-failing");
            failing.find(|alarm| is_as(alarm)).cloned().ok_or_else(|| format!("{alarms:?}"))
        })
    };
    let raised = failing(is_active);
    assert_eq!((text(&raised, "resource"), text(&raised, "qualifier")), ("vigie", "noc"));
    assert!(text(&raised, "text").starts_with("noc cannot be read"), "{raised}");
    broker.restart();
    daemon.alarm("test-hot", "pe1", is_active);
    failing(is_cleared);
    // A group whose broker is away does not hold up a stop.
    broker.kill();
    assert!(daemon.terminate().success());
}

/// A password file that only its owner reads.
fn password_file(home: &Home, password: &str) -> std::path::PathBuf {
    let file = home.folder().join("password");
    std::fs::write(&file, format!("{password}\n")).expect("the folder can be written");
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&file, mode).expect("the file is ours");
    file
}

/// How user and password are given, for a section.
fn sasl(section: &str, mechanism: &str, file: &std::path::Path) -> String {
    let password = format!("password = {{ file = \"{}\" }}", file.display());
    format!("{section}.sasl={{ mechanism = \"{mechanism}\", username = \"{USER}\", {password} }}")
}

#[test]
fn a_broker_that_asks_for_a_password_gets_it_from_a_file() {
    let broker = Broker::start();
    broker.create_topics(&[TOPIC]);
    broker.producer(TOPIC).send(b"temp,host=pe1 c=95", &[]);
    let home = home(broker.address_with_password());
    let file = password_file(&home, PASSWORD);
    let home = home.with(&sasl("sources.noc", "PLAIN", &file));
    let daemon = home.start();
    daemon.alarm("test-hot", "pe1", is_active);
    assert!(daemon.terminate().success());
}

#[cfg(feature = "kafka-tls")]
#[test]
fn tls_with_a_certificate_and_a_scram_password_serve_reading_and_publishing() {
    use crate::support::sender::link_down;
    const TLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls");
    let broker = Broker::start_secure();
    broker.create_topics(&[TOPIC, "vigie.events", "vigie.incidents"]);
    broker.producer(TOPIC).send(b"temp,host=pe1 c=95", &[]);
    let mut home = home(broker.address_with_tls()).with_kafka(broker.address_with_tls());
    let file = password_file(&home, PASSWORD);
    let key = home.folder().join("client.key");
    std::fs::copy(format!("{TLS}/client.key"), &key).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let certificate = format!("certificate = \"{TLS}/client.pem\", key = \"{}\"", key.display());
    for section in ["sources.noc", "kafka"] {
        home = home
            .with(&sasl(section, "SCRAM-SHA-512", &file))
            .with(&format!("{section}.tls={{ ca = \"{TLS}/ca.pem\", {certificate} }}"));
    }
    let daemon = home.start();
    daemon.alarm("test-hot", "pe1", is_active);
    link_down(home.traps, 1);
    let mut events = broker.consumer("vigie.events");
    eventually("an event is published", DELIVERY, || {
        if events.read().is_empty() { Err("none".to_owned()) } else { Ok(()) }
    });
    assert!(daemon.terminate().success());
}
