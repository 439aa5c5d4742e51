//! Calls over real connections on loopback, by a client that keeps the rules or breaks them.

use super::preface::PREFACE;
use super::*;
use crate::model::time::EngineTime;
use crate::shell::api::access::Access;
use crate::shell::api::access::gate::Gate;
use crate::shell::api::connection::Patience;
use crate::shell::config::{Client, HttpAccess, Origin, Proof, Role};
use crate::shell::intake::http::{Bodies, SampleDoor};
use crate::shell::observe::counters::HttpRefusal;
use crate::shell::series::Protocol;
use crate::shell::series::testing::Bench;
use axum::body::Bytes;
use axum::http::{HeaderMap, Request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use flate2::Compression;
use flate2::write::GzEncoder;
use h2::client::SendRequest;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

const EXPORT: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
const TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// A listener with somebody in the place of the sequencer.
struct Server {
    address: SocketAddr,
    bench: Arc<Bench>,
    gate: Arc<Gate>,
    is_over: Arc<AtomicBool>,
    stop: watch::Sender<bool>,
}

/// What a client hears of a call.
#[derive(Debug)]
struct Answer {
    http: u16,
    headers: HeaderMap,
    /// The trailers, or the headers of an answer without a message.
    trailers: HeaderMap,
    message: Vec<u8>,
}

impl Answer {
    fn status(&self) -> &str {
        self.trailers.get("grpc-status").and_then(|value| value.to_str().ok()).unwrap_or("none")
    }

    fn reason(&self) -> &str {
        self.trailers.get("grpc-message").and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Whether the client is told when to try again.
    fn is_to_be_tried_again(&self) -> bool {
        let details = self.trailers.get("grpc-status-details-bin").expect("details");
        let details = STANDARD_NO_PAD.decode(details).expect("base64");
        details.windows(9).any(|window| window == b"RetryInfo")
    }
}

impl Server {
    async fn start(bodies: Bodies, patience: Patience, access: Access) -> Self {
        // A bench waits for its own first request, which a thread of the runtime may not do.
        let bench = std::thread::spawn(Bench::default).join().expect("no panic");
        let bench = Arc::new(bench);
        let door = SampleDoor { series: Arc::clone(&bench.intake), bodies: Arc::new(bodies) };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let address = listener.local_addr().expect("bound");
        let gate = Arc::new(Gate::new("otlp", [Role::Read, Role::Intake].into(), access));
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(serve(listener, (door, Arc::clone(&gate)), stopped, patience));
        Self { address, bench, gate, is_over: Arc::default(), stop }
    }

    /// Lets everything that is told become durable, or get lost.
    fn journaling(self, is_durable: bool) -> Self {
        let (journal, over) = (Arc::clone(&self.bench), Arc::clone(&self.is_over));
        std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                let _ = journal.journal(is_durable);
                std::thread::yield_now();
            }
        });
        self
    }

    async fn durable() -> Self {
        let bodies = Bodies::new(1 << 20);
        Self::start(bodies, Patience::default(), Access::open()).await.journaling(true)
    }

    async fn client(&self) -> SendRequest<Bytes> {
        let stream = TcpStream::connect(self.address).await.expect("connects");
        let (client, connection) = h2::client::handshake(stream).await.expect("speaks HTTP/2");
        tokio::spawn(connection);
        client.ready().await.expect("ready")
    }

    /// One call, with these parts of a body, on a connection of its own.
    async fn call(&self, path: &str, headers: &[(&str, &str)], parts: &[&[u8]]) -> Answer {
        let mut client = self.client().await;
        call(&mut client, request("POST", path, headers), parts).await
    }

    async fn export(&self, body: &[u8]) -> Answer {
        self.call(EXPORT, &[], &[body]).await
    }

    fn refused(&self, reason: HttpRefusal) -> u64 {
        let counters = self.gate.counters();
        counters.refused().find(|(known, _)| *known == reason).map_or(0, |(_, count)| count)
    }

    /// What the server says and does on a connection that sends these bytes, to its end.
    async fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).await.expect("connects");
        // A server that has heard enough may have closed already.
        let _ = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer))
            .await
            .expect("the server ends the connection");
        answer
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request<()> {
    let mut builder = Request::builder().method(method).uri(format!("http://vigie{path}"));
    if headers.iter().all(|(name, _)| *name != "content-type") {
        builder = builder.header("content-type", "application/grpc").header("te", "trailers");
    }
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(()).expect("a request")
}

async fn call(client: &mut SendRequest<Bytes>, request: Request<()>, parts: &[&[u8]]) -> Answer {
    let (response, mut stream) = client.send_request(request, false).expect("sent");
    for part in parts {
        // A server that has refused has closed the stream.
        let _ = stream.send_data(Bytes::copy_from_slice(part), false);
    }
    let _ = stream.send_data(Bytes::new(), true);
    let response = tokio::time::timeout(PATIENCE, response).await.expect("in time");
    let (head, mut body) = response.expect("an answer").into_parts();
    let mut message = Vec::new();
    while let Some(chunk) = body.data().await {
        message.extend(chunk.expect("the answer comes whole"));
    }
    let trailers = body.trailers().await.expect("the answer ends");
    Answer {
        http: head.status.as_u16(),
        trailers: trailers.unwrap_or_else(|| head.headers.clone()),
        headers: head.headers,
        message,
    }
}

fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("short");
    [&[flag][..], &length.to_be_bytes(), message].concat()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).expect("short");
    assert!(length < 0x80, "one byte of length");
    [&[(number << 3) | 2, length], bytes].concat()
}

/// An export of one gauge, whose resource is a host.
fn gauge(name: &str, value: f64) -> Vec<u8> {
    let text = |text: &str| field(1, text.as_bytes());
    let attribute = |key, value| [field(1, key), field(2, &text(value))].concat();
    let resource = field(1, &attribute(b"host.name", "pe1"));
    let point = [&[(4 << 3) | 1][..], &value.to_le_bytes()].concat();
    let metric = [field(1, name.as_bytes()), field(5, &field(1, &point))].concat();
    let scope = field(2, &field(2, &metric));
    field(1, &[field(1, &resource), scope].concat())
}

#[tokio::test]
async fn an_export_is_answered_when_it_is_durable() {
    let server = Server::durable().await;
    let plain = framed(0, &gauge("temp_c", 95.0));
    let answer = server.export(&plain).await;
    assert_eq!((answer.http, answer.status()), (200, "0"), "{answer:?}");
    assert_eq!(answer.message, [0; 5], "nothing is rejected");
    assert_eq!(answer.headers["content-type"], "application/grpc");
    assert_eq!(answer.headers["grpc-accept-encoding"], "identity, gzip");
    let zipped = framed(1, &gzip(&gauge("temp_c", 70.0)));
    let answer = server.call(EXPORT, &[("grpc-encoding", "gzip")], &[&zipped]).await;
    assert_eq!(answer.status(), "0", "{answer:?}");
    // Where a compression is named, a message may be plain all the same; and bytes come as they do.
    let bytes: Vec<&[u8]> = plain.chunks(1).collect();
    let headers = [("content-type", "application/grpc+proto"), ("grpc-encoding", "gzip")];
    let answer = server.call(EXPORT, &headers, &bytes).await;
    assert_eq!(answer.status(), "0", "{answer:?}");
    assert_eq!(server.export(&framed(0, b"")).await.status(), "0", "nothing is a message too");
    assert_eq!(server.bench.account(Protocol::OtlpGrpc), [3, 3, 0, 0]);
    assert_eq!(server.bench.intake.counters().band_changes(), 3);
}

#[tokio::test]
async fn calls_share_a_connection() {
    let server = Server::durable().await;
    let mut client = server.client().await;
    let body = framed(0, &gauge("temp_c", 95.0));
    for _ in 0..200 {
        let answer = call(&mut client, request("POST", EXPORT, &[]), &[&body]).await;
        assert_eq!(answer.status(), "0", "{answer:?}");
    }
    assert_eq!(server.bench.account(Protocol::OtlpGrpc), [200, 200, 0, 0]);
}

#[tokio::test]
async fn what_is_rejected_is_told_in_the_answer() {
    let server = Server::durable().await;
    let body = framed(0, &[gauge("", 1.0), gauge("temp_c", 95.0)].concat());
    let answer = server.export(&body).await;
    assert_eq!(answer.status(), "0");
    let said = String::from_utf8_lossy(&answer.message);
    assert!(said.contains("name-missing"), "{said}");
    // partial_success, and in it rejected_data_points.
    assert_eq!((answer.message[5], answer.message[7..9].to_vec()), (0x0a, vec![0x08, 1]));
    assert_eq!(server.bench.account(Protocol::OtlpGrpc), [2, 1, 0, 1]);
}

#[tokio::test]
async fn what_is_no_call_for_metrics_is_told_so() {
    let server = Server::durable().await;
    let body = framed(0, &gauge("temp_c", 95.0));
    for kind in ["application/x-protobuf", "application/grpc+json", "application/grpc-web", ""] {
        let answer = server.call(EXPORT, &[("content-type", kind)], &[&body]).await;
        assert_eq!((answer.http, answer.status()), (415, "none"), "{kind:?}");
    }
    let mut client = server.client().await;
    assert_eq!(call(&mut client, request("GET", EXPORT, &[]), &[]).await.http, 405);
    assert_eq!(server.bench.intake.counters().bodies_refused(), 5, "they are counted");
    for path in [TRACES, "/opentelemetry.proto.collector.logs.v1.LogsService/Export", "/"] {
        let answer = call(&mut client, request("POST", path, &[]), &[&body]).await;
        assert_eq!((answer.http, answer.status()), (200, "12"), "{path}");
        assert!(answer.reason().contains("metrics are taken here"), "{answer:?}");
    }
    let answer = server.call(EXPORT, &[("grpc-encoding", "zstd")], &[&body]).await;
    assert_eq!(answer.status(), "12", "{answer:?}");
    assert_eq!(answer.headers["grpc-accept-encoding"], "identity, gzip");
    assert_eq!(server.bench.account(Protocol::OtlpGrpc), [0; 4]);
}

#[tokio::test]
async fn damage_is_an_invalid_argument() {
    let server = Server::durable().await;
    let message = gauge("temp_c", 95.0);
    let whole = framed(0, &message);
    let longer = [&[0, 0, 0, 0xff, 0xff][..], &message].concat();
    let cases: [(&str, &str, Vec<u8>); 9] = [
        ("nothing", "", Vec::new()),
        ("half a prefix", "", vec![0, 0]),
        ("cut", "", whole[..whole.len() - 1].to_vec()),
        ("a length that lies: more", "", longer),
        ("a length that lies: less", "", [&[0, 0, 0, 0, 1][..], &message].concat()),
        ("two messages", "", [&whole[..], &whole].concat()),
        ("a flag that is none", "", framed(2, &message)),
        ("compressed, and nobody says how", "", framed(1, &gzip(&message))),
        ("no gzip", "gzip", framed(1, &message)),
    ];
    for (what, encoding, body) in cases {
        let answer = server.call(EXPORT, &[("grpc-encoding", encoding)], &[&body]).await;
        assert_eq!((answer.http, answer.status()), (200, "3"), "{what}: {answer:?}");
        assert!(!answer.is_to_be_tried_again(), "{what}");
    }
    assert_eq!(server.bench.intake.counters().bodies_refused(), 9);
    let answer = server.export(&framed(0, b"\x0a\x05\x01")).await;
    assert_eq!(answer.status(), "3", "no protobuf: {answer:?}");
    assert!(answer.reason().contains("truncated"), "{answer:?}");
}

#[tokio::test]
async fn what_is_too_large_is_not_to_be_tried_again() {
    let server = Server::durable().await;
    let bomb = framed(1, &gzip(&vec![0; 8 << 20]));
    let large = framed(0, &vec![0; (1 << 20) + 1]);
    for (what, body) in [("announced", &[0, 0xff, 0xff, 0xff, 0xff][..]), ("sent", &large)] {
        let answer = server.export(body).await;
        assert_eq!(answer.status(), "8", "{what}: {answer:?}");
        assert!(answer.reason().contains("metrics.body_bytes_max"), "{answer:?}");
        assert!(!answer.is_to_be_tried_again());
    }
    let answer = server.call(EXPORT, &[("grpc-encoding", "gzip")], &[&bomb]).await;
    assert_eq!(answer.status(), "8", "a bomb: {answer:?}");
}

#[tokio::test]
async fn without_room_or_disk_the_client_is_told_to_come_again() {
    let body = framed(0, &gauge("temp_c", 95.0));
    let patience = Patience::default();
    let crowded = Server::start(Bodies::with_room(1 << 20, 1), patience, Access::open()).await;
    let large = framed(0, &vec![0; 4_000]);
    let lossy = Server::start(Bodies::new(1 << 20), patience, Access::open()).await;
    let lossy = lossy.journaling(false);
    let stopping = Server::durable().await;
    stopping.bench.stop.request(EngineTime(1));
    for (what, server, body) in
        [("room", &crowded, &large), ("disk", &lossy, &body), ("stop", &stopping, &body)]
    {
        let answer = server.export(body).await;
        assert_eq!(answer.status(), "14", "{what}: {answer:?}");
        assert!(answer.is_to_be_tried_again(), "{what}");
    }
    assert_eq!(lossy.bench.account(Protocol::OtlpGrpc), [1, 0, 0, 1]);
}

#[tokio::test]
async fn a_client_says_who_it_is() {
    let client = |name: &str, token: &str, role| Client {
        name: name.to_owned(),
        proof: Proof::TokenDigest(<sha2::Sha256 as sha2::Digest>::digest(token).into()),
        roles: [role].into(),
        origin: Origin { file: "vigie.toml".to_owned(), line: 1, column: 1 },
    };
    let wanted = HttpAccess {
        roles: [Role::Read, Role::Intake].into(),
        tls: None,
        clients: vec![
            client("collector", "the collector's token", Role::Intake),
            client("viewer", "the viewer's token", Role::Read),
        ],
    };
    let access = Access::load(&wanted).expect("nothing to read");
    let server = Server::start(Bodies::new(1 << 20), Patience::default(), access).await;
    let server = server.journaling(true);
    let body = framed(0, &gauge("temp_c", 95.0));
    for (headers, status) in [
        (vec![], "16"),
        (vec![("authorization", "Bearer a guess")], "16"),
        (vec![("authorization", "Bearer the viewer's token")], "7"),
        (vec![("authorization", "Bearer the collector's token")], "0"),
        (
            vec![
                ("authorization", "Bearer the collector's token"),
                ("origin", "https://example.org"),
            ],
            "7",
        ),
    ] {
        let answer = server.call(EXPORT, &headers, &[&body]).await;
        assert_eq!(answer.status(), status, "{headers:?}: {answer:?}");
    }
    let reasons = [HttpRefusal::NoCredentials, HttpRefusal::BadCredentials, HttpRefusal::Role];
    assert_eq!(reasons.map(|reason| server.refused(reason)), [1, 1, 1]);
    assert_eq!(server.bench.account(Protocol::OtlpGrpc), [1, 1, 0, 0]);
}

fn short(request_ms: u64, idle_ms: u64) -> Patience {
    Patience {
        request: Duration::from_millis(request_ms),
        idle: Duration::from_millis(idle_ms),
        ..Patience::default()
    }
}

#[tokio::test]
async fn a_slow_message_costs_its_sender_the_call_only() {
    let server = Server::start(Bodies::new(1 << 20), short(300, 30_000), Access::open()).await;
    let server = server.journaling(true);
    let mut client = server.client().await;
    let sent = client.send_request(request("POST", EXPORT, &[]), false);
    let (response, mut stream) = sent.expect("sent");
    stream.send_data(Bytes::from_static(&[0, 0]), false).expect("sent");
    let answer = tokio::time::timeout(PATIENCE, response).await.expect("in time").expect("one");
    assert_eq!(answer.headers()["grpc-status"], "4");
    let body = framed(0, &gauge("temp_c", 95.0));
    let answer = call(&mut client, request("POST", EXPORT, &[]), &[&body]).await;
    assert_eq!(answer.status(), "0", "the connection goes on: {answer:?}");
}

#[tokio::test]
async fn connections_that_ask_nothing_are_ended() {
    let server = Server::start(Bodies::new(1 << 20), short(200, 200), Access::open()).await;
    let server = server.journaling(true);
    assert!(server.raw(b"").await.is_empty(), "nothing at all");
    assert!(server.raw(&PREFACE[..20]).await.is_empty(), "half a preface");
    // A preface and settings, and no call; or a head that never ends.
    let silent = [PREFACE, &frame(4, 0, 0, &[])].concat();
    let endless = [&silent[..], &[0, 0, 9, 1, 0, 0]].concat();
    for bytes in [silent, endless] {
        let mut stream = TcpStream::connect(server.address).await.expect("connects");
        stream.write_all(&bytes).await.expect("sent");
        let heard = hear_until(&mut stream, GOAWAY).await;
        assert!(heard.is_some_and(|code| code == NO_ERROR), "it is told to end");
    }
    // After a call too.
    let mut client = server.client().await;
    let body = framed(0, &gauge("temp_c", 95.0));
    let answer = call(&mut client, request("POST", EXPORT, &[]), &[&body]).await;
    assert_eq!(answer.status(), "0", "{answer:?}");
    let gone = async {
        while client.clone().ready().await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("it is ended");
}

#[tokio::test]
async fn a_stop_ends_connections_and_the_listener() {
    let server = Server::durable().await;
    let client = server.client().await;
    server.stop.send_replace(true);
    let gone = async {
        while client.clone().ready().await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("it is ended");
    let refused = async {
        while TcpStream::connect(server.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.expect("nobody listens");
}

const GOAWAY: u8 = 7;
const NO_ERROR: u8 = 0;
const ENHANCE_YOUR_CALM: u8 = 11;

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    let head = [length[1], length[2], length[3], kind, flags];
    [&head[..], &stream.to_be_bytes(), payload].concat()
}

/// Reads frames up to one of that kind; gives its last byte of the error code.
async fn hear_until(stream: &mut TcpStream, kind: u8) -> Option<u8> {
    let hear = async {
        loop {
            let mut head = [0; 9];
            stream.read_exact(&mut head).await.ok()?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; usize::try_from(length).expect("fits")];
            stream.read_exact(&mut payload).await.ok()?;
            if head[3] == kind {
                return payload.get(7).copied();
            }
        }
    };
    tokio::time::timeout(PATIENCE, hear).await.ok().flatten()
}

#[tokio::test]
async fn calls_that_are_taken_back_at_once_end_the_connection() {
    let server = Server::durable().await;
    let mut bytes = [PREFACE, &frame(4, 0, 0, &[])].concat();
    for number in 0..1_000 {
        let stream = 2 * number + 1;
        // POST, http and `/` of the static table; then RST_STREAM with CANCEL.
        bytes.extend(frame(1, 4, stream, &[0x83, 0x86, 0x84]));
        bytes.extend(frame(3, 0, stream, &[0, 0, 0, 8]));
    }
    let mut stream = TcpStream::connect(server.address).await.expect("connects");
    let _ = stream.write_all(&bytes).await;
    let code = hear_until(&mut stream, GOAWAY).await;
    // The answer may be lost when the connection is cut with bytes that nobody read.
    assert!(code.is_none_or(|code| code == ENHANCE_YOUR_CALM), "{code:?}");
    wait_for(|| server.refused(HttpRefusal::Protocol) == 1).await;
}

#[tokio::test]
async fn what_does_not_speak_http_2_is_counted() {
    let server = Server::durable().await;
    let head = b"POST /v1/metrics HTTP/1.1\r\nhost: v\r\ncontent-length: 30000\r\n\r\n";
    let heard = server.raw(&[&head[..], &vec![b'x'; 30_000]].concat()).await;
    let heard = String::from_utf8_lossy(&heard).into_owned();
    assert!(heard.starts_with("HTTP/1.1 505 ") && heard.contains("/v1/metrics of"), "{heard}");
    assert_eq!(server.refused(HttpRefusal::Protocol), 1);
    // Headers without end.
    let head = frame(1, 0, 1, &[0x83]);
    let more = frame(9, 0, 1, &[0x40, 1, b'a', 1, b'b'].repeat(800));
    let bytes = [PREFACE, &frame(4, 0, 0, &[]), &head, &more.repeat(64)].concat();
    server.raw(&bytes).await;
    wait_for(|| server.refused(HttpRefusal::Protocol) == 2).await;
    // Others are served.
    let answer = server.export(&framed(0, &gauge("temp_c", 95.0))).await;
    assert_eq!(answer.status(), "0", "{answer:?}");
}

#[tokio::test]
async fn a_sender_that_goes_away_leaves_an_account_that_adds_up() {
    let access = Access::open();
    let server = Server::start(Bodies::new(1 << 20), Patience::default(), access).await;
    let mut client = server.client().await;
    let sent = client.send_request(request("POST", EXPORT, &[]), false);
    let (response, mut stream) = sent.expect("sent");
    let body = framed(0, &gauge("temp_c", 95.0));
    stream.send_data(body.into(), true).expect("sent");
    wait_for(|| !server.bench.lanes.is_empty()).await;
    drop((response, stream, client));
    assert_eq!(server.bench.account(Protocol::OtlpGrpc), [0; 4], "it is not over");
    let server = server.journaling(true);
    wait_for(|| server.bench.account(Protocol::OtlpGrpc) == [1, 1, 0, 0]).await;
}

async fn wait_for(mut is_so: impl FnMut() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("it comes to be so");
}
