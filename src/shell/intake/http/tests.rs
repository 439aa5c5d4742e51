//! The intake over HTTP, request by request, over real connections on loopback.

use super::*;
use crate::decode::metrics::line_protocol::{self, Precision};
use crate::shell::intake::http::exchange::take_by;
use crate::shell::series::testing::Bench;
use crate::shell::series::{Protocol, Visit};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// An intake behind a port, with somebody in the place of the sequencer.
pub(super) struct Server {
    address: SocketAddr,
    pub(super) bench: Arc<Bench>,
    is_over: Arc<AtomicBool>,
}

/// An answer.
pub(super) struct Answer {
    pub(super) status: u16,
    head: String,
    pub(super) body: String,
}

impl Server {
    async fn start(bodies: Bodies, is_durable: bool) -> Self {
        let server = Self::without_journal(bodies).await;
        let (journal, over) = (Arc::clone(&server.bench), Arc::clone(&server.is_over));
        std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                let _ = journal.journal(is_durable);
                std::thread::yield_now();
            }
        });
        server
    }

    /// One with nobody in the place of the sequencer.
    pub(super) async fn without_journal(bodies: Bodies) -> Self {
        let bench = Arc::new(fresh_bench());
        let door = SampleDoor { series: Arc::clone(&bench.intake), bodies: Arc::new(bodies) };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let address = listener.local_addr().expect("bound");
        let router: Router = intake_routes(door);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, bench, is_over: Arc::default() }
    }

    async fn durable() -> Self {
        Self::start(Bodies::new(1 << 20), true).await
    }

    async fn raw(&self, head: &str, body: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.expect("connects");
        stream.write_all(head.as_bytes()).await.expect("sends");
        // A server that has refused may have closed already.
        let _ = stream.write_all(body).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.expect("a status");
        Answer { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    pub(super) async fn post(&self, path: &str, headers: &str, body: &[u8]) -> Answer {
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: v\r\nconnection: close\r\ncontent-length: {length}\r\n\
             {headers}\r\n"
        );
        self.raw(&head, body).await
    }

    async fn remote_write(&self, proto: &str, message: &[u8]) -> Answer {
        let headers =
            format!("content-encoding: snappy\r\ncontent-type: application/x-protobuf{proto}\r\n");
        self.post("/api/v1/write", &headers, &snappy(message)).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// A bench waits for its own first request, which a thread of the runtime may not do.
fn fresh_bench() -> Bench {
    std::thread::spawn(Bench::default).join().expect("no panic")
}

fn snappy(bytes: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(bytes).expect("small enough")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).expect("seven bits") | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).expect("seven bits"));
}

fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![(number << 3) | 2];
    varint(u64::try_from(bytes.len()).expect("fits"), &mut out);
    out.extend_from_slice(bytes);
    out
}

fn sample(value: f64, at_ms: i64) -> Vec<u8> {
    let mut out = vec![(1 << 3) | 1];
    out.extend_from_slice(&value.to_le_bytes());
    out.push(2 << 3);
    varint(at_ms.cast_unsigned(), &mut out);
    out
}

fn now_ms() -> i64 {
    crate::shell::clock::wall().0 / 1_000_000
}

/// A series of remote write 1.0, in a request of its own.
fn series_1(labels: &[(&str, &str)], value: f64) -> Vec<u8> {
    let mut series = Vec::new();
    for (name, text) in labels {
        let label = [field(1, name.as_bytes()), field(2, text.as_bytes())].concat();
        series.extend(field(1, &label));
    }
    series.extend(field(2, &sample(value, now_ms())));
    field(1, &series)
}

/// A series of remote write 2.0 with these labels by number.
fn series_2(labels: &[u8], value: f64) -> Vec<u8> {
    field(5, &[field(1, labels), field(2, &sample(value, now_ms()))].concat())
}

const HOT: [(&str, &str); 3] = [("__name__", "temp_c"), ("host", "pe1"), ("sensor", "in")];

#[tokio::test]
async fn remote_write_1_is_taken_and_answered_with_no_content() {
    let server = Server::durable().await;
    for proto in
        ["", ";proto=prometheus.WriteRequest", "; charset=x; Proto=\"prometheus.WriteRequest\""]
    {
        let answer = server.remote_write(proto, &series_1(&HOT, 95.0)).await;
        assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{}", answer.head);
    }
    // Known by its block from the second time on.
    assert_eq!(server.bench.account(Protocol::RemoteWrite1), [3, 3, 0, 0]);
    assert_eq!(server.bench.intake.counters().band_changes(), 1);
    // Without any header it is still remote write 1.0.
    let answer = server.post("/api/v1/write", "", &snappy(&series_1(&HOT, 70.0))).await;
    assert_eq!(answer.status, 204);
    assert_eq!(server.bench.intake.counters().band_changes(), 2);
    let answer = server.remote_write("", b"").await;
    assert_eq!(answer.status, 204, "nothing is a message too");
}

#[tokio::test]
async fn remote_write_2_says_how_much_was_written() {
    let server = Server::durable().await;
    let texts = ["", "__name__", "temp_c", "host", "pe1"].map(|text| field(4, text.as_bytes()));
    let proto = ";proto=io.prometheus.write.v2.Request";
    let body = [texts.concat(), series_2(&[1, 2, 3, 4], 95.0)].concat();
    let answer = server.remote_write(proto, &body).await;
    assert_eq!(answer.status, 204);
    assert!(answer.head.contains("x-prometheus-remote-write-samples-written: 1"));
    assert!(answer.head.contains("x-prometheus-remote-write-histograms-written: 0"));
    assert!(answer.head.contains("x-prometheus-remote-write-exemplars-written: 0"));
    // One good, one that refers to a symbol that is not there.
    let body = [body, series_2(&[1, 9], 1.0)].concat();
    let answer = server.remote_write(proto, &body).await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("symbol-unknown"), "{}", answer.body);
    assert!(answer.head.contains("x-prometheus-remote-write-samples-written: 1"));
    assert_eq!(server.bench.account(Protocol::RemoteWrite2), [3, 2, 0, 1]);
}

#[tokio::test]
async fn remote_write_takes_what_is_valid_and_names_the_rest() {
    let server = Server::durable().await;
    let twice = [("__name__", "temp_c"), ("host", "a"), ("host", "b")];
    let body = [series_1(&twice, 1.0), series_1(&HOT, 95.0)].concat();
    let answer = server.remote_write("", &body).await;
    assert_eq!(answer.status, 400);
    let said = "1 sample was not taken: 1 \"temp_c\": duplicate-label";
    assert_eq!(answer.body.trim_end(), said);
    assert_eq!(server.bench.account(Protocol::RemoteWrite1), [2, 1, 0, 1]);
    // A label of ten megabytes costs its sender the series.
    let long = "x".repeat(900_000);
    let body = series_1(&[("__name__", "temp_c"), ("host", &long)], 1.0);
    let answer = server.remote_write("", &body).await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("label-too-long"), "{}", answer.body);
    let body = series_1(&HOT, 1.0);
    let answer = server.remote_write("", body.get(..body.len() - 3).expect("longer")).await;
    assert_eq!(answer.status, 400, "a length that lies");
    assert!(answer.body.contains("truncated"), "{}", answer.body);
}

#[tokio::test]
async fn what_remote_write_does_not_speak_is_415() {
    let server = Server::durable().await;
    let body = snappy(&series_1(&HOT, 95.0));
    for headers in [
        "content-encoding: gzip\r\n",
        "content-type: application/json\r\n",
        "content-type: application/x-protobuf;proto=other.Message\r\n",
    ] {
        let answer = server.post("/api/v1/write", headers, &body).await;
        assert_eq!(answer.status, 415, "{headers}: {}", answer.body);
    }
}

#[tokio::test]
async fn bombs_and_large_bodies_are_413_and_damage_is_400() {
    let server = Server::durable().await;
    // Two gigabytes, it says.
    let answer = server.post("/api/v1/write", "", &[0x80, 0x80, 0x80, 0x80, 0x08, 0]).await;
    assert_eq!(answer.status, 413);
    let answer = server.post("/api/v1/write", "", b"no snappy at all").await;
    assert_eq!(answer.status, 400);
    let bomb = gzip(&vec![b'\n'; 4 << 20]);
    let answer = server.post("/write", "content-encoding: gzip\r\n", &bomb).await;
    assert_eq!(answer.status, 413, "{}", answer.body);
    // An announced length is refused before the body comes.
    let head = "POST /write HTTP/1.1\r\nhost: v\r\nconnection: close\r\n\
                content-length: 2000000\r\n\r\n";
    assert_eq!(server.raw(head, b"").await.status, 413);
    // One that is not announced when it is reached.
    let head = "POST /write HTTP/1.1\r\nhost: v\r\nconnection: close\r\n\
                transfer-encoding: chunked\r\n\r\n";
    let chunks = [b"200000\r\n".to_vec(), vec![b'\n'; 0x20_0000], b"\r\n0\r\n\r\n".to_vec()];
    assert_eq!(server.raw(head, &chunks.concat()).await.status, 413);
    assert_eq!(server.bench.intake.counters().bodies_refused(), 5);
}

#[tokio::test]
async fn whatever_is_refused_before_its_samples_are_counted_is_counted_itself() {
    let server = Server::durable().await;
    let refused = || server.bench.intake.counters().bodies_refused();
    let cases = [
        ("/api/v1/write", "content-encoding: zstd\r\n", 415),
        ("/api/v1/write", "content-type: text/plain\r\n", 415),
        ("/v1/metrics", "content-type: text/plain\r\n", 415),
        ("/v1/metrics", "content-type: application/json\r\ncontent-encoding: snappy\r\n", 415),
        ("/write?precision=d", "", 400),
        ("/api/v2/write", "content-encoding: snappy\r\n", 415),
    ];
    for ((path, headers, status), times) in cases.into_iter().zip(1..) {
        assert_eq!(server.post(path, headers, b"x").await.status, status, "{path} {headers}");
        assert_eq!(refused(), times, "{path} {headers}");
    }
    for (path, times) in
        ["/api/v1/write", "/v1/metrics", "/write", "/api/v2/write"].into_iter().zip(7..)
    {
        let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let answer = server.raw(&head, b"").await;
        assert_eq!((answer.status, refused()), (405, times), "{path}");
        assert!(answer.head.to_ascii_lowercase().contains("allow: post"), "{path}");
    }
    // No series to count anything of, and nothing that can be read.
    let answer = server.remote_write("", &[0; 16]).await;
    let said = "the body could not be read to its end: bad-encoding";
    assert_eq!((answer.status, answer.body.trim_end()), (400, said));
    assert_eq!(refused(), 11);
    assert_eq!(server.bench.account(Protocol::RemoteWrite1), [0; 4]);
}

#[tokio::test]
async fn bodies_beyond_the_room_are_told_to_come_again() {
    let server = Server::start(Bodies::with_room(1 << 20, 4), true).await;
    let lines = "temp,host=pe1 c=95\n".repeat(1_000);
    let answer = server.post("/write", "", lines.as_bytes()).await;
    assert_eq!(answer.status, 429);
    assert!(answer.head.contains("retry-after: 1"));
    let answer = server.post("/write", "", b"temp,host=pe1 c=95").await;
    assert_eq!(answer.status, 204, "the room was given back");
}

#[tokio::test]
async fn line_protocol_is_answered_in_the_forms_of_its_versions() {
    let server = Server::durable().await;
    let at_s = now_ms() / 1_000;
    let line = format!("temp,host=pe1,sensor=in c=95 {at_s}");
    let answer = server.post("/write?db=x&precision=s", "", line.as_bytes()).await;
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    let path = "/api/v2/write?org=o&bucket=b&precision=s";
    let answer = server.post(path, "content-encoding: gzip\r\n", &gzip(line.as_bytes())).await;
    assert_eq!(answer.status, 204);
    assert_eq!(server.bench.account(Protocol::Influx), [3, 2, 1, 0]);
    let bad = format!("temp,host=pe1 c=\n{line}\nnote text=\"said\" {at_s}\n");
    let answer = server.post("/write?precision=s", "", bad.as_bytes()).await;
    assert_eq!(answer.status, 400);
    let said: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
    let said = said["error"].as_str().expect("an error");
    assert!(said.starts_with("partial write: 1 sample was not taken: 1 \"temp\""), "{said}");
    let answer = server.post("/api/v2/write?precision=fortnight", "", line.as_bytes()).await;
    let said: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!((answer.status, said["code"].as_str()), (400, Some("invalid")));
    // A text is no number, and no fault of the sender.
    let answer = server.post("/write", "", b"note text=\"said\"").await;
    assert_eq!(answer.status, 204);
    assert_eq!(server.bench.account(Protocol::Influx), [7, 3, 1, 3]);
}

#[tokio::test]
async fn clients_find_somebody_before_they_write() {
    let server = Server::durable().await;
    for (path, status) in [("/ping", 204), ("/health", 200)] {
        let head = format!("GET {path} HTTP/1.1\r\nhost: v\r\nconnection: close\r\n\r\n");
        let answer = server.raw(&head, b"").await;
        assert_eq!(answer.status, status, "{path}");
    }
}

#[tokio::test]
async fn otlp_is_answered_in_its_encoding_with_what_was_rejected() {
    let server = Server::durable().await;
    let json = "content-type: application/json\r\n";
    let point = |name: &str, value: &str| {
        format!(
            "{{\"name\":\"{name}\",\"gauge\":{{\"dataPoints\":[{{\"asDouble\":{value},\
             \"attributes\":[{{\"key\":\"host\",\"value\":{{\"stringValue\":\"pe1\"}}}}]}}]}}}}"
        )
    };
    let body = |metrics: &[String]| {
        format!(
            "{{\"resourceMetrics\":[{{\"scopeMetrics\":[{{\"metrics\":[{}]}}]}}]}}",
            metrics.join(",")
        )
    };
    let good = body(&[point("temp_c", "95")]);
    let answer = server.post("/v1/metrics", json, good.as_bytes()).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "{}"));
    assert!(answer.head.contains("content-type: application/json"));
    let headers = format!("{json}content-encoding: gzip\r\n");
    let answer = server.post("/v1/metrics", &headers, &gzip(good.as_bytes())).await;
    assert_eq!(answer.status, 200);
    let partial = body(&[point("", "95"), point("temp_c", "70")]);
    let answer = server.post("/v1/metrics", json, partial.as_bytes()).await;
    let said: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!(answer.status, 200);
    assert_eq!(said["partialSuccess"]["rejectedDataPoints"], "1", "{said}");
    let why = said["partialSuccess"]["errorMessage"].as_str().expect("a reason");
    assert!(why.contains("name-missing"), "{why}");
    let answer = server.post("/v1/metrics", json, b"{").await;
    let said: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!((answer.status, &said["code"]), (400, &serde_json::json!(3)));
    let protobuf = "content-type: application/x-protobuf\r\n";
    let answer = server.post("/v1/metrics", protobuf, b"").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    assert!(answer.head.contains("content-type: application/x-protobuf") || answer.body.is_empty());
    let answer = server.post("/v1/metrics", protobuf, b"\x0a\x05\x01").await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("truncated"), "{:?}", answer.body);
    let answer = server.post("/v1/metrics", "content-type: text/plain\r\n", b"").await;
    assert_eq!(answer.status, 415);
    let shown = server.bench.account(Protocol::Otlp);
    assert_eq!(shown[1], 3, "{shown:?}");
}

#[tokio::test]
async fn nothing_is_acknowledged_that_is_not_durable() {
    let server = Server::start(Bodies::new(1 << 20), false).await;
    let body = series_1(&HOT, 95.0);
    let answer = server.remote_write("", &body).await;
    assert_eq!(answer.status, 503);
    assert!(answer.head.contains("retry-after: 5"), "{}", answer.head);
    let answer = server.post("/write", "", b"temp,host=pe2 c=95").await;
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("could not be made durable"), "{}", answer.body);
    // What tells nothing needs no disk; the sender's first request told that it is there.
    let answer = server.remote_write("", &body).await;
    assert_eq!(answer.status, 503, "it is told again");
    assert_eq!(server.bench.account(Protocol::RemoteWrite1), [2, 0, 0, 2]);
}

#[tokio::test]
async fn a_request_waits_for_the_disk() {
    let bench = fresh_bench();
    let told = bench.told(crate::shell::batch::NO_PEER, "temp,host=pe1 c=95");
    let mut settle = Box::pin(told.settle(&bench.intake));
    let patience = std::time::Duration::from_millis(100);
    assert!(tokio::time::timeout(patience, &mut settle).await.is_err(), "nothing is durable yet");
    assert_eq!(bench.journal(true).len(), 1);
    assert!(settle.await.is_durable);
}

#[tokio::test]
async fn a_daemon_that_stops_takes_nothing_more() {
    let server = Server::durable().await;
    server.bench.stop.request(crate::model::time::EngineTime(1));
    let answer = server.post("/write", "", b"temp,host=pe1 c=95").await;
    assert_eq!(answer.status, 503);
    assert!(answer.head.contains("retry-after"), "{}", answer.head);
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_told_when_to_come_again_and_still_counts() {
    let bench = Arc::new(fresh_bench());
    let bodies = Arc::new(Bodies::new(1 << 20));
    let door = SampleDoor { series: Arc::clone(&bench.intake), bodies };
    // Stands still as before a disk or lanes that do, until the test lets it go on.
    let (go_on, waits) = std::sync::mpsc::channel::<()>();
    let decode = move |bytes: &[u8], visit: &mut Visit<'_>| {
        let _ = waits.recv();
        line_protocol::decode(bytes, Precision::Nanosecond, visit)
    };
    let body = axum::body::Body::from("nobody,host=pe1 asks=1");
    let request = axum::extract::Request::new(body);
    let terms = (Protocol::Influx, String::new());
    // The time for its answer is over once its body is there.
    let outcome = take_by(tokio::time::Instant::now(), &door, (terms, request), decode).await;
    let Err(refused) = outcome else { panic!("it is not durable") };
    assert_eq!((refused.status.as_u16(), refused.retry_after_s), (503, Some(5)));
    let before = bench.account(Protocol::Influx);
    drop(go_on);
    while bench.account(Protocol::Influx) == before {
        tokio::task::yield_now().await;
    }
    let [received, applied, unmatched, rejected] = bench.account(Protocol::Influx);
    let [was_received, was_applied, was_unmatched, was_rejected] = before;
    assert_eq!(received - was_received, 1, "what it told is not lost");
    assert_eq!((applied, rejected), (was_applied, was_rejected));
    assert_eq!(unmatched - was_unmatched, 1);
}
