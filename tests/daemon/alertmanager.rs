//! Alerts and silences as Prometheus and amtool send them, and what hostile senders send.

use crate::support::components::program;
use crate::support::daemon::{Daemon, Home, is_active, is_cleared, text};
use crate::support::eventually::{PATIENCE, eventually};
use crate::support::http::{self, Response};
use crate::support::prometheus::Prometheus;
use crate::support::sender::link_down;
use serde_json::{Value, json};
use std::process::Command;

const INVENTORY: &str = r#"
[[device]]
name = "edge-1"
addresses = ["10.0.0.1"]

[[device]]
name = "edge-2"
addresses = ["10.0.0.2"]
"#;

/// Runs amtool to its end; gives what it said.
fn amtool(home: &Home, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program("amtool"))
        .arg(format!("--alertmanager.url=http://127.0.0.1:{}", home.http))
        .args(arguments)
        .output()
        .map_err(|error| error.to_string())?;
    // Beside that, it complains on the other output that it is of another version.
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(said) } else { Err(said + &complained) }
}

fn post(home: &Home, path: &str, body: &str) -> Response {
    http::send(home.http, "POST", path, "application/json", body.as_bytes()).expect("an answer")
}

fn get(home: &Home, path: &str) -> Value {
    let answer = http::get(home.http, path).expect("an answer");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json().expect("JSON")
}

/// The alerts that the question gives, once they are as many.
fn alerts(home: &Home, question: &str, count: usize) -> Vec<Value> {
    eventually(&format!("{count} alerts for {question}"), PATIENCE, || {
        let path = format!("/api/v2/alerts?{question}");
        let Value::Array(alerts) = http::get(home.http, &path)?.json()? else {
            return Err("no array".to_owned());
        };
        if alerts.len() == count { Ok(alerts) } else { Err(format!("{alerts:?}")) }
    })
}

fn prometheus_alert(daemon: &Daemon<'_>, resource: &str, is_as: fn(&Value) -> bool) -> Value {
    daemon.alarm("prometheus-alert", resource, is_as)
}

#[test]
fn amtool_adds_queries_silences_and_expires() {
    let home = Home::new().with_inventory(INVENTORY);
    let daemon = home.start();
    amtool(
        &home,
        &[
            "alert",
            "add",
            "alertname=HighLoad",
            "instance=edge-1:9100",
            "severity=page",
            "--annotation=summary=load is high",
        ],
    )
    .expect("it is added");
    let alarm = prometheus_alert(&daemon, "edge-1", is_active);
    assert_eq!(text(&alarm, "perceived_severity"), "critical");
    assert_eq!(text(&alarm, "source"), "metric");
    assert_eq!(text(&alarm, "text"), "load is high");
    link_down(home.traps, 1);
    alerts(&home, "", 2);
    let said = amtool(&home, &["alert", "query"]).expect("a listing");
    assert!(
        said.contains("HighLoad") && said.contains("link-down") || said.contains("interface-down"),
        "{said}"
    );
    let said = amtool(&home, &["alert", "query", "alertname=~High.*"]).expect("a listing");
    assert!(said.contains("load is high") && !said.contains("interface"), "{said}");
    let id = amtool(
        &home,
        &[
            "silence",
            "add",
            "alertname=HighLoad",
            "instance=~edge-.*",
            "--comment=work",
            "--duration=1h",
        ],
    )
    .expect("it is silenced");
    let id = id.trim();
    let silenced = alerts(&home, "active=false", 1);
    assert_eq!(silenced[0]["status"]["silencedBy"], json!([id]), "{silenced:?}");
    assert_eq!(silenced[0]["status"]["state"], "suppressed");
    assert_eq!(alerts(&home, "silenced=false", 1).len(), 1);
    let said = amtool(&home, &["alert", "query", "--silenced"]).expect("a listing");
    assert!(said.contains("HighLoad"), "{said}");
    let said = amtool(&home, &["silence", "query", "-o", "extended"]).expect("a listing");
    assert!(said.contains(id) && said.contains("work") && said.contains("HighLoad"), "{said}");
    let said = amtool(&home, &["silence", "update", "--duration=2h", id]).expect("it is longer");
    assert!(said.contains(id), "the same silence: {said}");
    amtool(&home, &["silence", "expire", id]).expect("it is expired");
    assert!(alerts(&home, "active=false", 0).is_empty());
    let said = amtool(&home, &["silence", "query", "--expired"]).expect("a listing");
    assert!(said.contains(id), "{said}");
    for command in [&["cluster", "show"][..], &["config", "show"], &["config", "routes", "show"]] {
        amtool(&home, command).unwrap_or_else(|said| panic!("{command:?}: {said}"));
    }
    assert!(daemon.terminate().success());
    let replayed = home.run(&["replay"]);
    let said = String::from_utf8_lossy(&replayed.stdout).into_owned();
    assert!(said.contains(&home.live_digest()), "{said}");
}

#[test]
fn silences_outlive_a_restart() {
    let home = Home::new();
    let daemon = home.start();
    let id = amtool(&home, &["silence", "add", "a=b", "--comment=c"]).expect("it is silenced");
    daemon.kill();
    let daemon = home.start();
    let silences = get(&home, "/api/v2/silences");
    assert_eq!(silences[0]["id"], id.trim(), "{silences}");
    assert_eq!(silences[0]["status"]["state"], "active");
    assert!(daemon.terminate().success());
    let daemon = home.start();
    assert_eq!(get(&home, &format!("/api/v2/silence/{}", id.trim()))["comment"], "c");
    drop(daemon);
}

#[test]
fn prometheus_fires_to_vigie_and_resolves() {
    let home = Home::new().with_inventory(INVENTORY);
    let daemon = home.start();
    let prometheus = Prometheus::alerting(home.http);
    let alarm = prometheus_alert(&daemon, "edge-2", is_active);
    assert!(text(&alarm, "qualifier").starts_with("Always"), "{alarm}");
    assert_eq!(text(&alarm, "text"), "edge-2 has fired");
    assert!(!text(&alarm, "lease_until").is_empty(), "{alarm}");
    let shown = alerts(&home, "filter=alertname%3DAlways", 1);
    let there = prometheus.alerts().expect("its own alerts");
    assert_eq!(shown[0]["labels"], there[0]["labels"], "{shown:?} {there:?}");
    prometheus.resolve();
    let alarm = prometheus_alert(&daemon, "edge-2", is_cleared);
    assert!(!text(&alarm, "ended_at").is_empty(), "{alarm}");
    alerts(&home, "", 0);
    daemon.metrics().expect("metrics").ledger().expect("every alert is accounted for");
}

#[test]
fn valid_alerts_are_stored_beside_invalid_ones_which_are_named() {
    let home = Home::new();
    let daemon = home.start();
    let body = json!([
        { "labels": { "alertname": "A", "instance": "one" } },
        { "labels": {} },
        { "labels": { "alertname": "B" }, "startsAt": "tomorrow" },
        { "labels": { "alertname": "C", "instance": "two" }, "endsAt": "2020-01-01T00:00:00Z",
          "startsAt": "2021-01-01T00:00:00Z" },
        { "labels": { "alertname": "D", "instance": "three" }, "annotations": null },
    ]);
    let answer = post(&home, "/api/v2/alerts", &body.to_string());
    assert_eq!(answer.status, 400, "{answer:?}");
    for named in ["alert 1: at least one label", "alert 2: startsAt", "alert 3: start time must"] {
        assert!(answer.body.contains(named), "{answer:?}");
    }
    let stored = alerts(&home, "", 2);
    assert!(stored.iter().all(|alert| text(alert, "fingerprint").len() == 16), "{stored:?}");
    let metrics = daemon.metrics().expect("metrics");
    metrics.ledger().expect("every item is accounted for");
    assert!((metrics.sum("vigie_ignored_total", &[("reason", "invalid")]) - 3.0).abs() < 0.1);
}

#[test]
fn an_alert_that_is_not_refreshed_stays_and_its_source_is_silent() {
    let home = Home::new().with("alerts.resolve_timeout_s=1");
    let daemon = home.start();
    let body = json!([{ "labels": { "alertname": "A", "instance": "one" } }]).to_string();
    assert_eq!(post(&home, "/api/v2/alerts", &body).status, 200);
    let alarm = prometheus_alert(&daemon, "one", |alarm| text(alarm, "why") == "source-silent");
    assert!(is_active(&alarm));
    let shown = alerts(&home, "", 1);
    assert_eq!(shown[0]["annotations"]["vigie-why"], "source-silent", "{shown:?}");
    assert_eq!(post(&home, "/api/v2/alerts", &body).status, 200);
    prometheus_alert(&daemon, "one", |alarm| text(alarm, "why").is_empty());
    let ended = json!([{ "labels": { "alertname": "A", "instance": "one" },
        "endsAt": "2026-01-01T00:00:00Z" }]);
    assert_eq!(post(&home, "/api/v2/alerts", &ended.to_string()).status, 200);
    prometheus_alert(&daemon, "one", is_cleared);
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let home = Home::new();
    let daemon = home.start();
    let deep = "[".repeat(1_000_000);
    let labels: Vec<String> = (0..5_000).map(|place| format!("\"l{place}\":\"x\"")).collect();
    let many_labels = format!("[{{\"labels\":{{{}}}}}]", labels.join(","));
    let many = format!("[{}{{}}]", "{},".repeat(20_000));
    for body in [
        "",
        "{",
        "null",
        "{}",
        "[1]",
        "[{\"labels\":[]}]",
        "[{\"labels\":{\"a\":1}}]",
        "[{\"labels\":{\"a\":\"\\ud800\"}}]",
        "[{\"labels\":{\"\":\"x\"}}]",
        &deep,
        &many_labels,
        &many,
    ] {
        let answer = post(&home, "/api/v2/alerts", body);
        assert_eq!(answer.status, 400, "{body:.80}: {answer:?}");
    }
    let send = |method: &str, path: &str, kind: &str, body: &[u8]| {
        http::send(home.http, method, path, kind, body).expect("an answer").status
    };
    assert_eq!(send("POST", "/api/v2/alerts", "text/plain", b"[]"), 415);
    assert_eq!(send("POST", "/api/v2/alerts", "application/json", b"[\"\xff\"]"), 400);
    assert_eq!(send("POST", "/api/v2/alerts", "application/json; charset=utf-8", b"[]"), 200);
    assert_eq!(send("PUT", "/api/v2/alerts", "application/json", b"[]"), 405);
    let large = vec![b' '; 9 * 1024 * 1024];
    let sent = http::send(home.http, "POST", "/api/v2/alerts", "application/json", &large);
    assert!(sent.is_err() || sent.as_ref().is_ok_and(|answer| answer.status == 413), "{sent:?}");
    let silence = |matchers: Value| {
        json!({ "matchers": matchers, "startsAt": "2026-01-01T00:00:00Z",
            "endsAt": "2099-01-01T00:00:00Z", "createdBy": "x", "comment": "y" })
        .to_string()
    };
    let matcher = |name: &str, value: &str, is_regex: bool| {
        let (name, value) = (name.to_owned(), value.to_owned());
        json!({ "name": name, "value": value, "isRegex": is_regex })
    };
    for matchers in [
        json!([]),
        json!([matcher("a", "", false)]),
        json!([matcher("a", "(", true)]),
        json!([matcher("", "b", false)]),
        json!([matcher("a", "((((x{100}){100}){100}){100})", true)]),
        Value::Array(vec![matcher("a", "b", false); 1_000]),
    ] {
        let answer = post(&home, "/api/v2/silences", &silence(matchers));
        assert_eq!(answer.status, 400, "{answer:?}");
    }
    let unknown = "00000000-0000-8000-8000-0000000000ff";
    assert_eq!(send("DELETE", &format!("/api/v2/silence/{unknown}"), "", b""), 404);
    assert_eq!(http::get(home.http, "/api/v2/silence/x").expect("an answer").status, 404);
    for question in ["filter=x", "receiver=(", "filter=a%3D~("] {
        let path = format!("/api/v2/alerts?{question}");
        assert_eq!(http::get(home.http, &path).expect("an answer").status, 400, "{question}");
    }
    assert_eq!(get(&home, "/api/v2/silences"), json!([]));
    assert_eq!(get(&home, "/api/v2/alerts"), json!([]));
    assert_eq!(http::get(home.http, "/-/ready").expect("an answer").status, 200);
    daemon.metrics().expect("metrics").ledger().expect("every item is accounted for");
}

#[test]
fn groups_are_incidents() {
    let home = Home::new();
    let _daemon = home.start();
    link_down(home.traps, 1);
    alerts(&home, "", 1);
    let groups = get(&home, "/api/v2/alerts/groups");
    assert_eq!(groups[0]["receiver"]["name"], "vigie", "{groups}");
    assert!(groups[0]["labels"]["incident"].as_str().is_some_and(|id| id.starts_with('I')));
    assert_eq!(groups[0]["alerts"][0]["labels"]["source"], "trap", "{groups}");
    assert_eq!(get(&home, "/api/v2/receivers"), json!([{ "name": "vigie" }]));
}
