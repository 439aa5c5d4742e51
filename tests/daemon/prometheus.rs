//! A real Prometheus scrapes the daemon; `promtool` judges what it says.

use crate::support::components::program;
use crate::support::daemon::Home;
use crate::support::eventually::{PATIENCE, eventually};
use crate::support::prometheus::Prometheus;
use crate::support::sender::{link_down, link_up};
use std::io::Write;
use std::process::{Command, Stdio};

/// The metrics that others rely on; those of losses have series before anything is lost.
const PROMISED: [&str; 10] = [
    "vigie_received_total",
    "vigie_kernel_dropped_total",
    "vigie_ignored_total",
    "vigie_shed_total",
    "vigie_http_refused_total",
    "vigie_journaled_total",
    "vigie_alarms_active",
    "vigie_incidents_open",
    "vigie_tickets_open",
    "vigie_detection_to_ticket_seconds_count",
];

#[test]
fn promtool_finds_nothing_to_complain_about() {
    let home = Home::new();
    let daemon = home.start();
    link_down(home.traps, 1);
    let metrics = daemon.quiet_after(1.0);
    for name in PROMISED {
        assert!(metrics.has(name), "{name} is not exposed");
    }
    let text = daemon.metrics_text().unwrap();
    let mut promtool = Command::new(program("promtool"))
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let verdict = promtool.wait_with_output().unwrap();
    let said = [verdict.stdout, verdict.stderr].concat();
    assert!(
        verdict.status.success() && said.is_empty(),
        "{}\n{}\n{text}",
        verdict.status,
        String::from_utf8_lossy(&said)
    );
}

#[test]
fn prometheus_sees_what_was_received_and_the_ledger_adds_up() {
    let home = Home::new();
    let daemon = home.start();
    let prometheus = Prometheus::scraping(home.http);
    for number in 1..=20 {
        link_down(home.traps, number);
    }
    for number in 1..=5 {
        link_up(home.traps, number);
    }
    daemon.quiet_after(25.0);
    let ledger = "sum(vigie_received_total) - sum(vigie_journaled_total) \
                  - sum(vigie_ignored_total) - sum(vigie_shed_total)";
    for (expression, expected) in [
        ("up{job=\"vigie\"}", 1.0),
        ("sum(vigie_received_total)", 25.0),
        (ledger, 0.0),
        ("sum(vigie_alarms_active)", 15.0),
        ("sum(vigie_kernel_dropped_total)", 0.0),
        // The five that cleared within the hold-off opened none.
        ("vigie_detection_to_ticket_seconds_count", 15.0),
    ] {
        eventually(expression, PATIENCE, || {
            let value = prometheus.query(expression)?;
            if (value - expected).abs() < 0.5 { Ok(()) } else { Err(value.to_string()) }
        });
    }
}
