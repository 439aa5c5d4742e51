//! OpenTelemetry metrics: a program with the real SDK exports to the daemon, over HTTP and over
//! gRPC, and curl sends what no SDK would.

use crate::support::components::program;
use crate::support::daemon::{Daemon, Home, is_active, is_cleared, text};
use crate::support::eventually::{PATIENCE, eventually};
use crate::support::opentelemetry::Sdk;
use crate::support::ports::free_port;
use crate::support::scratch::Scratch;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

/// What the SDK measures: a gauge, a counter and a histogram.
const RULES: &str = r#"
[[alarm_type]]
id = "test-hot"
title = "Too hot"
event_type = "environmental"
probable_cause = "temperatureUnacceptable"
severity = "critical"

[[metric]]
name = "hot"
metric = "room.temperature"
alarm_type = "test-hot"
qualifier = "{sensor}"
text = "it is {value} degrees in the room of {service.name}"
bands = [{ severity = "major", above = 90, clear_below = 80 }]

[[alarm_type]]
id = "test-failures"
title = "Jobs fail"
event_type = "processing-error"
probable_cause = "softwareError"
severity = "minor"

[[metric]]
name = "failures"
metric = "jobs.failed"
value = "delta"
alarm_type = "test-failures"
bands = [{ severity = "minor", above = 100 }]

[[alarm_type]]
id = "test-slow"
title = "Requests are slow"
event_type = "quality-of-service"
probable_cause = "responseTimeExcessive"
severity = "minor"

[[metric]]
name = "slow"
metric = "request.duration_sum"
value = "delta"
alarm_type = "test-slow"
bands = [{ severity = "minor", above = 30 }]
"#;

/// Every way to export: compression and temporality.
const WAYS: [(&str, &str); 4] =
    [("none", "cumulative"), ("gzip", "cumulative"), ("none", "delta"), ("gzip", "delta")];

/// A daemon's home with a listener for gRPC.
struct Otlp {
    port: u16,
    home: Home,
}

impl Otlp {
    fn new() -> Self {
        let port = free_port();
        let devices = WAYS.map(|(compression, temporality)| {
            format!("[[device]]\nname = \"host-{compression}-{temporality}\"\n")
        });
        let home = Home::new()
            .with_inventory(&devices.concat())
            .with_rules(RULES)
            .with("listeners.otlp.kind=otlp-grpc")
            .with(&format!("listeners.otlp.addresses=[\"127.0.0.1:{port}\"]"));
        Self { port, home }
    }

    /// What curl gets, headers and trailers among it, for a call with this body.
    fn curl(&self, arguments: &[&str], path: &str, body: &[u8]) -> String {
        let folder = Scratch::new("grpc");
        let file = folder.path().join("body");
        std::fs::write(&file, body).expect("a file");
        let output = Command::new(program("curl"))
            .args(["--silent", "--show-error", "--include", "--max-time", "10"])
            .args(["--http2-prior-knowledge", "--header", "te: trailers"])
            .args(arguments)
            .arg("--data-binary")
            .arg(format!("@{}", file.display()))
            .arg(format!("http://127.0.0.1:{}{path}", self.port))
            .output()
            .expect("curl runs");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }
}

/// Everything that a program measures becomes alarms of its host, and clears.
fn export_and_clear(daemon: &Daemon<'_>, protocol: &str, endpoint: &str) {
    for (compression, temporality) in WAYS {
        let host = format!("host-{compression}-{temporality}");
        let resource = format!("host.name={host}.example.org,service.name=billing");
        let mut variables = vec![
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
            ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", temporality),
            ("OTEL_RESOURCE_ATTRIBUTES", &resource),
        ];
        // The SDK's exporter for gRPC knows no word for none.
        if compression != "none" {
            variables.push(("OTEL_EXPORTER_OTLP_COMPRESSION", compression));
        }
        let mut sdk = Sdk::exporting(protocol, &variables);
        // Of a running total the first export gives no growth.
        for measured in [[95, 1_000, 50], [96, 1_000, 50]] {
            assert_eq!(sdk.export(measured), "SUCCESS", "{protocol} {host}");
        }
        let hot = daemon.alarm("test-hot", &host, is_active);
        assert_eq!(text(&hot, "text"), "it is 95 degrees in the room of billing");
        assert_eq!(text(&hot, "qualifier"), "inlet");
        daemon.alarm("test-failures", &host, is_active);
        daemon.alarm("test-slow", &host, is_active);
        assert_eq!(sdk.export([20, 1, 1]), "SUCCESS", "{protocol} {host}");
        for alarm_type in ["test-hot", "test-failures", "test-slow"] {
            daemon.alarm(alarm_type, &host, is_cleared);
        }
    }
}

/// What came by a protocol is complete and accounted for: five numbers in each of three exports.
fn assert_account(daemon: &Daemon<'_>, protocol: &str) {
    let metrics = daemon.metrics().expect("metrics");
    let sum = |name| metrics.sum(name, &[("protocol", protocol)]);
    let received = sum("vigie_samples_received_total");
    let applied = sum("vigie_samples_applied_total");
    let unmatched = sum("vigie_samples_unmatched_total");
    let rejected = sum("vigie_samples_rejected_total");
    assert!((received - applied - unmatched - rejected).abs() < 0.5, "{protocol}: {received}");
    assert!((received - 4.0 * 3.0 * 5.0).abs() < 0.5, "{protocol}: {received}");
    assert!(rejected < 0.5, "an SDK sends nothing that is wrong: {rejected}");
}

#[test]
fn what_an_sdk_exports_over_grpc_raises_and_clears_alarms() {
    let otlp = Otlp::new();
    let daemon = otlp.home.start();
    export_and_clear(&daemon, "grpc", &format!("http://127.0.0.1:{}", otlp.port));
    assert_account(&daemon, "otlp-grpc");
    eventually("the ledger is complete", PATIENCE, || daemon.metrics()?.ledger());
    assert!(daemon.terminate().success());
}

#[test]
fn what_an_sdk_exports_over_http_raises_and_clears_alarms() {
    let otlp = Otlp::new();
    let daemon = otlp.home.start();
    export_and_clear(&daemon, "http", &format!("http://127.0.0.1:{}", otlp.home.http));
    assert_account(&daemon, "otlp");
}

#[test]
fn what_was_acknowledged_over_grpc_survives_a_kill_and_the_program_goes_on() {
    let otlp = Otlp::new();
    let endpoint = format!("http://127.0.0.1:{}", otlp.port);
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_RESOURCE_ATTRIBUTES", "host.name=host-gzip-delta"),
    ];
    let mut sdk = Sdk::exporting("grpc", &variables);
    let daemon = otlp.home.start();
    assert_eq!(sdk.export([95, 0, 0]), "SUCCESS");
    daemon.kill();
    let daemon = otlp.home.start();
    daemon.alarm("test-hot", "host-gzip-delta", is_active);
    assert_eq!(sdk.export([20, 0, 0]), "SUCCESS", "it connects again");
    daemon.alarm("test-hot", "host-gzip-delta", is_cleared);
}

#[test]
fn an_sdk_shows_who_it_is_through_tls() {
    const TOKEN: &str = "0123456789abcdef0123456789abcdef";
    let given = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name);
    let shown = |name: &str| given(name).display().to_string();
    let otlp = Otlp::new();
    let port = free_port();
    let folder = Scratch::new("otlps");
    let key = folder.path().join("server.key");
    std::fs::copy(given("server.key"), &key).expect("a key of the tests");
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&key, mode).expect("its mode");
    let tls = format!(
        "{{ certificate = \"{}\", key = \"{}\", client_ca = \"{}\" }}",
        shown("server.pem"),
        key.display(),
        shown("ca.pem")
    );
    // Of the token above.
    let digest = "3eb1bd439947eb762998e566ccc2e099c791118b2f40579cc4f7da2b5061b7f9";
    let clients = format!(
        "[{{ name = \"billing\", token = {{ sha256 = \"{digest}\" }} }}, \
         {{ name = \"agent\", certificate = \"metrics.example.org\" }}]"
    );
    let home = otlp
        .home
        .with("listeners.otlps.kind=otlp-grpc")
        .with(&format!("listeners.otlps.addresses=[\"0.0.0.0:{port}\"]"))
        .with(&format!("listeners.otlps.tls={tls}"))
        .with(&format!("listeners.otlps.clients={clients}"));
    let daemon = home.start();
    let endpoint = format!("https://127.0.0.1:{port}");
    let (authority, key, certificate) = (shown("ca.pem"), shown("client.key"), shown("client.pem"));
    let token = format!("authorization=Bearer%20{TOKEN}");
    let common = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", authority.as_str()),
        // The same series, whichever process measures it.
        ("OTEL_RESOURCE_ATTRIBUTES", "host.name=host-none-delta,service.instance.id=one"),
    ];
    let with_token = [("OTEL_EXPORTER_OTLP_HEADERS", token.as_str())];
    let with_certificate = [
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", key.as_str()),
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", certificate.as_str()),
    ];
    let export = |more: &[(&str, &str)], degrees| {
        Sdk::exporting("grpc", &[&common, more].concat()).export([degrees, 0, 0])
    };
    assert_eq!(export(&[], 95), "FAILURE");
    assert_eq!(export(&with_token, 95), "SUCCESS");
    daemon.alarm("test-hot", "host-none-delta", is_active);
    assert_eq!(export(&with_certificate, 20), "SUCCESS");
    daemon.alarm("test-hot", "host-none-delta", is_cleared);
    let labels = [("listener", "otlps"), ("reason", "no_credentials")];
    let refused = daemon.metrics().expect("metrics").sum("vigie_http_refused_total", &labels);
    assert!((refused - 1.0).abs() < 0.5, "it is not tried again: {refused}");
}

#[test]
fn what_no_sdk_sends_is_told_what_is_wrong() {
    let otlp = Otlp::new();
    let daemon = otlp.home.start();
    let export = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
    let traces = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
    let grpc = "content-type: application/grpc";
    for (headers, path, body, said) in [
        (vec![grpc], export, &[0_u8, 0, 0, 0, 0][..], "grpc-status: 0"),
        (vec![grpc], export, b"", "grpc-status: 3"),
        (vec![grpc], export, b"\0\0\0\0\x09\x0a", "grpc-status: 3"),
        (vec![grpc], export, b"\0\xff\xff\xff\xff", "grpc-status: 8"),
        (vec![grpc], traces, b"\0\0\0\0\0", "grpc-status: 12"),
        (vec![grpc, "grpc-encoding: snappy"], export, b"\x01\0\0\0\0", "grpc-status: 12"),
        (vec![grpc, "grpc-encoding: gzip"], export, b"\x01\0\0\0\x01\0", "grpc-status: 3"),
        (vec!["content-type: application/json"], export, b"{}", "HTTP/2 415"),
    ] {
        let arguments: Vec<&str> = headers.iter().flat_map(|header| ["--header", header]).collect();
        // An answer may come before all is sent, which is no answer to curl then.
        eventually(said, PATIENCE, || {
            let answer = otlp.curl(&arguments, path, body);
            if answer.contains(said) { Ok(()) } else { Err(format!("{headers:?}: {answer}")) }
        });
    }
    // HTTP/1.1 is not spoken here, nor HTTP/2 where the API is.
    let answer = otlp.curl(&["--http1.1"], "/v1/metrics", b"x");
    assert!(answer.contains("HTTP/1.1 505") && answer.contains("over gRPC only"), "{answer}");
    eventually("it is counted", PATIENCE, || {
        let labels = [("listener", "otlp"), ("reason", "protocol")];
        let refused = daemon.metrics()?.sum("vigie_http_refused_total", &labels);
        if (refused - 1.0).abs() < 0.5 { Ok(()) } else { Err(refused.to_string()) }
    });
    let output = Command::new(program("curl"))
        .args(["--silent", "--max-time", "10", "--http2-prior-knowledge"])
        .arg(format!("http://127.0.0.1:{}/healthz", otlp.home.http))
        .output()
        .expect("curl runs");
    assert!(!output.status.success(), "{output:?}");
    assert!(daemon.terminate().success());
}
