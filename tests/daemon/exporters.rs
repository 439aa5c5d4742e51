//! Real exporters, a real Prometheus between, and the rules that come with vigie; and the client of
//! the Prometheus project that writes samples by version 2.0 of remote write.

use crate::support::components::remote_write_2;
use crate::support::daemon::{Daemon, Home, is_active, is_cleared, text};
use crate::support::eventually::{PATIENCE, eventually};
use crate::support::exporters::NodeExporter;
use crate::support::prometheus::Prometheus;
use std::process::Command;

const INVENTORY: &str = r#"
[[device]]
name = "srv-1"
addresses = ["10.0.0.1"]
"#;

/// What the library says after two minutes is said at once here.
const QUICK_SCRAPE: &str = r#"
[[metric]]
name = "quick-scrape"
metric = "up"
component = ""
qualifier = "quick {job}"
alarm_type = "scrape-failed"
bands = [{ severity = "minor", is = 0 }]
text = "Prometheus cannot scrape job {job}"
"#;

const HOT: &str = r#"
[[alarm_type]]
id = "test-hot"
title = "Too hot"
event_type = "environmental"
probable_cause = "temperatureUnacceptable"
severity = "major"

[[metric]]
name = "hot"
metric = "temp_c"
alarm_type = "test-hot"
text = "it is {value} degrees"
bands = [{ severity = "major", above = 90, clear_below = 80 }]
"#;

/// Waits until the samples of the exporter are known to rules.
fn wait_for_samples(daemon: &Daemon<'_>) {
    eventually("samples are applied", PATIENCE, || {
        let applied = daemon.metrics()?.sum("vigie_samples_applied_total", &[]);
        if applied > 5.0 { Ok(()) } else { Err(applied.to_string()) }
    });
}

#[test]
fn a_disk_that_node_exporter_sees_fail_is_an_alarm_of_its_host() {
    let home = Home::new().with_inventory(INVENTORY);
    let daemon = home.start();
    let exporter = NodeExporter::start();
    let _prometheus = Prometheus::writing_of(home.http, ("srv-1", exporter.port));
    wait_for_samples(&daemon);
    assert_eq!(daemon.list("alarms").unwrap(), Vec::<serde_json::Value>::new());
    exporter.set_array(false);
    let raised = daemon.alarm("raid-degraded", "srv-1/md0", is_active);
    assert_eq!(text(&raised, "perceived_severity"), "major", "{raised}");
    assert_eq!(text(&raised, "source"), "metric", "{raised}");
    assert!(!text(&raised, "occurred_at").is_empty(), "{raised}");
    eventually("a ticket about the array", PATIENCE, || {
        let incidents = daemon.list("incidents")?;
        let of_array = |one: &&serde_json::Value| text(one, "root_resource") == "srv-1/md0";
        let incident = incidents.iter().find(of_array).ok_or("no incident yet")?;
        let tickets = daemon.list("tickets")?;
        let is_its = |one: &serde_json::Value| text(one, "incident") == text(incident, "id");
        if tickets.iter().any(is_its) { Ok(()) } else { Err(format!("{tickets:?}")) }
    });
    exporter.set_array(true);
    let cleared = daemon.alarm("raid-degraded", "srv-1/md0", is_cleared);
    assert!(!text(&cleared, "ended_at").is_empty(), "{cleared}");
}

#[test]
fn a_scrape_that_fails_says_only_that() {
    let home = Home::new().with_inventory(INVENTORY).with_rules(QUICK_SCRAPE);
    let daemon = home.start();
    let exporter = NodeExporter::start();
    let _prometheus = Prometheus::writing_of(home.http, ("srv-1", exporter.port));
    wait_for_samples(&daemon);
    exporter.set_array(false);
    daemon.alarm("raid-degraded", "srv-1/md0", is_active);
    let tickets = eventually("the ticket about the array", PATIENCE, || {
        let tickets = daemon.list("tickets")?;
        if tickets.is_empty() { Err("none".to_owned()) } else { Ok(tickets.len()) }
    });
    exporter.kill();
    let failed = daemon.alarm("scrape-failed", "srv-1", is_active);
    assert_eq!(text(&failed, "perceived_severity"), "minor", "{failed}");
    assert_eq!(text(&failed, "resource"), "srv-1", "{failed}");
    let incident = text(&failed, "incident").to_owned();
    eventually("it is an incident without a ticket", PATIENCE, || {
        let incidents = daemon.list("incidents")?;
        let found = incidents.iter().find(|one| text(one, "id") == incident).ok_or("none yet")?;
        let reason = text(found, "no_ticket_reason");
        if reason.is_empty() { Err(found.to_string()) } else { Ok(()) }
    });
    assert_eq!(daemon.list("tickets").unwrap().len(), tickets);
    // What nobody measures any more is not mended by that.
    daemon.alarm("raid-degraded", "srv-1/md0", is_active);
}

#[test]
fn the_client_of_the_prometheus_project_writes_version_2() {
    let home = Home::new().with_rules(HOT);
    let daemon = home.start();
    let write = |values: &[&str]| {
        let url = format!("http://127.0.0.1:{}", home.http);
        let mut command = Command::new(remote_write_2());
        let output = command.args([url.as_str(), "pe1"]).args(values).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    assert_eq!(write(&["70", "95.5"]), "3 0 0", "samples, histograms, exemplars");
    let raised = daemon.alarm("test-hot", "pe1", is_active);
    assert_eq!(text(&raised, "text"), "it is 95.5 degrees");
    assert_eq!(write(&["70"]), "2 0 0");
    daemon.alarm("test-hot", "pe1", is_cleared);
    let metrics = daemon.metrics().unwrap();
    let account = [
        "vigie_samples_received_total",
        "vigie_samples_applied_total",
        "vigie_samples_unmatched_total",
        "vigie_samples_rejected_total",
    ]
    .map(|name| metrics.sum(name, &[("protocol", "remote-write-2")]).to_string());
    assert_eq!(account, ["5", "3", "2", "0"]);
}
