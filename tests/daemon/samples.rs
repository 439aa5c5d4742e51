//! Samples of metrics: a real Prometheus writes to the daemon, and others write what they like.

use crate::support::daemon::{Home, is_active, is_cleared, text};
use crate::support::eventually::{PATIENCE, eventually};
use crate::support::http::post;
use crate::support::metrics::Metrics;
use crate::support::prometheus::Prometheus;
use crate::support::rules::HOT;
use crate::support::sender::{link_down, link_up};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

/// Many alarms of one severity are an alarm.
const MANY: &str = r#"
[[alarm_type]]
id = "test-many"
title = "Many alarms"
event_type = "quality-of-service"
probable_cause = "thresholdCrossed"
severity = "warning"

[[metric]]
name = "many"
metric = "vigie_alarms_active"
match = { severity = "major" }
alarm_type = "test-many"
qualifier = "{severity}"
text = "{value} alarms are active"
bands = [{ severity = "warning", above = 2, clear_below = 1 }]
"#;

/// What is usual is learnt.
const USUAL: &str = r#"
[[metric]]
name = "unusual"
metric = "load_calls"
alarm_type = "test-hot"
baseline = { spread_min = 2 }
bands = [{ severity = "major", above = 4 }]
"#;

/// Heat is an alarm once it lasts.
const LASTING: &str = r#"
[[metric]]
name = "lasting"
metric = "vent_c"
alarm_type = "test-hot"
bands = [{ severity = "major", above = 90, for_s = 1 }]
"#;

/// Received is applied, unmatched and rejected, for every protocol.
fn assert_account(metrics: &Metrics) {
    for protocol in
        ["remote-write-1", "remote-write-2", "otlp", "otlp-grpc", "influx", "influx-udp"]
    {
        let sum = |name| metrics.sum(name, &[("protocol", protocol)]);
        let parts = sum("vigie_samples_applied_total")
            + sum("vigie_samples_unmatched_total")
            + sum("vigie_samples_rejected_total");
        let received = sum("vigie_samples_received_total");
        assert!((received - parts).abs() < 0.5, "{protocol}: {received} is not {parts}");
    }
}

#[test]
fn what_prometheus_writes_raises_and_clears_alarms() {
    let home = Home::new().with_rules(MANY);
    let daemon = home.start();
    let _prometheus = Prometheus::writing(home.http);
    for number in 1..=4 {
        link_down(home.traps, number);
    }
    let raised = daemon.alarm("test-many", "127.0.0.1", is_active);
    assert_eq!(text(&raised, "text"), "4 alarms are active");
    assert_eq!(text(&raised, "perceived_severity"), "warning");
    for number in 1..=4 {
        link_up(home.traps, number);
    }
    daemon.alarm("test-many", "127.0.0.1", is_cleared);
    let metrics = daemon.metrics().unwrap();
    assert_account(&metrics);
    let written = [("protocol", "remote-write-1")];
    assert!(metrics.sum("vigie_samples_received_total", &written) > 500.0, "Prometheus has much");
    let rejected = metrics.sum("vigie_samples_rejected_total", &written);
    assert!(rejected < 0.5, "Prometheus writes nothing that is wrong: {rejected}");
    assert!(metrics.sum("vigie_series_known", &[]) > 100.0);
    assert!(metrics.sum("vigie_band_changes_total", &[]) > 1.5);
    eventually("the ledger is complete", PATIENCE, || daemon.metrics()?.ledger());
}

#[test]
fn an_alarm_of_samples_outlives_the_daemon_and_clears_after_it() {
    let home = Home::new().with_rules(HOT);
    let daemon = home.start();
    let answer = post(home.http, "/write", "", b"temp,host=pe1 c=95").unwrap();
    assert_eq!(answer.status, 204, "{answer:?}");
    // What was acknowledged is durable: it survives a kill right after.
    daemon.kill();
    let daemon = home.start();
    daemon.alarm("test-hot", "pe1", is_active);
    // The series is cold now, and its first sample tells.
    let answer = post(home.http, "/write", "", b"temp,host=pe1 c=20").unwrap();
    assert_eq!(answer.status, 204, "{answer:?}");
    daemon.alarm("test-hot", "pe1", is_cleared);
    assert_account(&daemon.metrics().unwrap());
}

#[test]
fn it_takes_a_sample_to_show_that_a_value_lasts() {
    let home = Home::new().with_rules(&format!("{HOT}{LASTING}"));
    let daemon = home.start();
    let send = |line: &str| {
        let answer = post(home.http, "/write", "", line.as_bytes()).unwrap();
        assert_eq!(answer.status, 204, "{answer:?}");
    };
    send("vent,host=pe1 c=95");
    let alarms = eventually("the one that goes on is raised", PATIENCE, || {
        send("vent,host=pe2 c=95");
        let alarms = daemon.list("alarms")?;
        if alarms.is_empty() { Err("no alarm yet".to_owned()) } else { Ok(alarms) }
    });
    // As long ago as the time of the other one began, and longer.
    let [alarm] = alarms.as_slice() else { panic!("{alarms:?}") };
    assert_eq!(text(alarm, "resource"), "pe2", "{alarm}");
    send("vent,host=pe1 c=96");
    daemon.alarm("test-hot", "pe1", is_active);
}

#[test]
fn hostile_bodies_are_answered_and_cost_nobody_else_anything() {
    let home = Home::new().with_rules(HOT).with("metrics.body_bytes_max=100000");
    let daemon = home.start();
    let long = format!("temp,host={} c=95", "x".repeat(90_000));
    let bombs: [(&str, &str, &[u8], u16); 6] = [
        ("/api/v1/write", "", &[0xff, 0xff, 0xff, 0xff, 0x0f, 0], 413),
        ("/api/v1/write", "", b"\x05\x10\x0a\xff\xff\xff\xff", 400),
        ("/api/v1/write", "Content-Encoding: zstd\r\n", b"", 415),
        ("/write", "Content-Encoding: gzip\r\n", b"\x1f\x8b\x08\0\0\0\0\0\0\0", 400),
        ("/write", "", long.as_bytes(), 400),
        ("/v1/metrics", "Content-Type: application/json\r\n", b"[[[[[[[[", 400),
    ];
    for (path, headers, body, status) in bombs {
        let answer = post(home.http, path, headers, body).unwrap();
        assert_eq!(answer.status, status, "{path} {headers}: {answer:?}");
    }
    let large = vec![b'\n'; 100_001];
    assert_eq!(post(home.http, "/write", "", &large).unwrap().status, 413);
    // One that comes slower than anybody's patience is cut; others are served meanwhile.
    let mut slow = TcpStream::connect((Ipv4Addr::LOCALHOST, home.http)).unwrap();
    slow.write_all(b"POST /write HTTP/1.1\r\nHost: v\r\nContent-Length: 90000\r\n\r\ntemp")
        .unwrap();
    let answer = post(home.http, "/write", "", b"temp,host=pe1 c=95").unwrap();
    assert_eq!(answer.status, 204, "{answer:?}");
    daemon.alarm("test-hot", "pe1", is_active);
    slow.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut said = Vec::new();
    // Cut with an answer or without one, but cut.
    match slow.read_to_end(&mut said) {
        Ok(_) => assert!(!said.starts_with(b"HTTP/1.1 2"), "{said:?}"),
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}"),
    }
    assert_account(&daemon.metrics().unwrap());
    assert!(daemon.terminate().success());
}

#[test]
fn what_is_usual_is_kept_over_restarts_and_a_damaged_file_stops_nothing() {
    let home = Home::new().with_rules(&[HOT, USUAL].concat());
    let daemon = home.start();
    let answer = post(home.http, "/write", "", b"load,host=pe1 calls=9").unwrap();
    assert_eq!(answer.status, 204, "{answer:?}");
    let count = |metrics: &Metrics, name| format!("{:.0}", metrics.sum(name, &[]));
    let known = |metrics: &Metrics| {
        ["vigie_baselines_known", "vigie_baseline_file_errors_total"]
            .map(|name| count(metrics, name))
    };
    assert_eq!(known(&daemon.metrics().unwrap()), ["1", "0"]);
    assert!(daemon.terminate().success());
    let daemon = home.start();
    assert_eq!(known(&daemon.metrics().unwrap()), ["1", "0"]);
    assert!(daemon.terminate().success());
    let file = home.state_dir().join("baselines");
    std::fs::write(&file, b"vigie baselines\n what is this").unwrap();
    let daemon = home.start();
    assert_eq!(known(&daemon.metrics().unwrap()), ["0", "1"]);
    assert!(file.with_extension("damaged").exists());
    let answer = post(home.http, "/write", "", b"load,host=pe1 calls=9").unwrap();
    assert_eq!(answer.status, 204, "{answer:?}");
    assert!(daemon.terminate().success());
    assert!(file.exists());
}
