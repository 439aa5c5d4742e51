//! The API over real connections on loopback, and the view below it.

use super::*;
use crate::engine::effect::{IncidentChange, IncidentStatus, TicketChange, TicketState};
use crate::model::time::NS_PER_S;
use crate::shell::api::access::Access;
use crate::shell::api::connection::{CLIENT_CONNECTIONS_MAX, CONNECTIONS_MAX};
use crate::shell::api::rows::TicketRow;
use crate::shell::api::table::Row;
use crate::shell::api::view::{ViewBounds, ViewWriter};
use crate::shell::config::Role;
use crate::shell::observe::counters::HttpRefusal;
use crate::shell::publish::fixtures::*;
use crate::shell::publish::{Occurrences, Rank};
use serde_json::Value;
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

pub(super) struct Server {
    writer: ViewWriter,
    pub(super) address: SocketAddr,
    readiness: Arc<Readiness>,
    stop: watch::Sender<bool>,
    served: tokio::task::JoinHandle<io::Result<()>>,
}

impl Server {
    async fn start(patience: Patience) -> Self {
        let gate = Gate::new("http", Role::ALL.into(), Access::open());
        Self::start_behind(Arc::new(gate), patience).await
    }

    pub(super) async fn start_behind(gate: Arc<Gate>, patience: Patience) -> Self {
        let writer = ViewWriter::new(ViewBounds::default());
        let readiness = Arc::new(Readiness::default());
        let metrics: MetricsText = Arc::new(|| "vigie_up 1\n".to_owned());
        let state = ApiState::new(writer.shared(), Arc::clone(&readiness), metrics);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let address = listener.local_addr().expect("bound");
        let (stop, stopping) = watch::channel(false);
        let served = tokio::spawn(serve(listener, (state, gate), stopping, patience));
        Self { writer, address, readiness, stop, served }
    }

    async fn with_objects() -> Self {
        let mut server = Self::start(Patience::default()).await;
        for id in 1..=1_000 {
            server.writer.apply(&alarm_effect(id, alarm(id, id.is_multiple_of(5))));
        }
        let opened = incident("I7", IncidentStatus::Open, IncidentChange::Opened);
        server.writer.apply(&incident_effect(1_001, opened));
        let opened = ticket("NOC-000001", TicketState::Acknowledged, TicketChange::Opened);
        server.writer.apply(&ticket_effect(1_001, opened));
        server.writer.apply(&resource_effect(1_002, resource("r1", true)));
        server.writer.apply(&resource_effect(1_003, resource("r1/Gi0/1 é", true)));
        assert!(server.writer.publish());
        server
    }

    /// Status, headers and body of one request on a connection of its own.
    pub(super) async fn raw(&self, request: &str) -> (u16, String, String) {
        let stream = TcpStream::connect(self.address).await.expect("connects");
        Self::exchange(stream, request).await.expect("answers and closes")
    }

    /// [`Server::raw`] on a connection that is there.
    pub(super) async fn exchange(
        mut stream: impl AsyncRead + AsyncWrite + Unpin,
        request: &str,
    ) -> io::Result<(u16, String, String)> {
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        let answer = String::from_utf8(answer).expect("UTF-8");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Ok((status.expect("a status"), head.to_owned(), body.to_owned()))
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let request = format!("GET {path} HTTP/1.1\r\nhost: v\r\nconnection: close\r\n\r\n");
        let (status, head, body) = self.raw(&request).await;
        assert!(head.contains("application/json"), "{path}: {head}");
        (status, serde_json::from_str(&body).expect("JSON"))
    }

    async fn ids(&self, path: &str) -> Vec<String> {
        let (status, page) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {page}");
        let items = page["items"].as_array().expect("items").iter();
        items.map(|item| item["id"].as_str().expect("an id").to_owned()).collect()
    }

    pub(super) async fn stop(self) {
        self.stop.send(true).expect("it serves");
        self.served.await.expect("no panic").expect("no error");
    }
}

#[tokio::test]
async fn objects_have_the_documented_fields() {
    let server = Server::with_objects().await;
    let (status, shown) = server.get("/api/v1/alarms/A6").await;
    assert_eq!(status, 200);
    assert_eq!(shown["resource"], "r6/GigabitEthernet0/6");
    assert_eq!(shown["perceived_severity"], "major");
    assert_eq!(shown["is_cleared"], false);
    assert_eq!(shown["incident"], "I7");
    assert_eq!(shown["time_created"], "2026-11-24T06:00:00.000000000Z");
    for field in ["alarm_type", "qualifier", "last_raised", "last_changed", "occurrences", "source"]
    {
        assert!(!shown[field].is_null(), "{field}");
    }
    let (_, shown) = server.get("/api/v1/incidents/I7").await;
    assert_eq!((&shown["status"], &shown["change"]), (&"open".into(), &"opened".into()));
    assert_eq!(shown["alarms"].as_array().map(Vec::len), Some(2));
    let (_, shown) = server.get("/api/v1/tickets/NOC-000001").await;
    assert_eq!((&shown["state"], &shown["contract"]), (&"acknowledged".into(), &"bank-vpn".into()));
    assert!(shown["restored_at"].is_null() && shown["times"].is_array());
    for path in ["r1%2FGi0%2F1%20%C3%A9", "r1/Gi0/1%20%C3%A9"] {
        let (status, shown) = server.get(&format!("/api/v1/resources/{path}")).await;
        assert_eq!((status, &shown["name"]), (200, &"r1/Gi0/1 é".into()));
    }
    server.stop().await;
}

#[tokio::test]
async fn filters_select_and_name_themselves_when_unknown() {
    let server = Server::with_objects().await;
    let page = "/api/v1/alarms?limit=1000";
    assert_eq!(server.ids(page).await.len(), 1_000);
    for (filter, count) in [
        ("is_cleared=true", 200),
        ("perceived_severity=major", 500),
        ("perceived_severity=critical,minor,major", 1_000),
        ("device=r1", 100),
        ("device=r", 0),
        ("resource=r1%2FGigabitEthernet0%2F1", 1),
        ("incident=I7", 333),
        ("incident=", 667),
        ("source=syslog&is_cleared=false&device=r2", 100),
        ("alarm_type=interface-down&qualifier=", 1_000),
        ("source=metric", 0),
    ] {
        assert_eq!(server.ids(&format!("{page}&{filter}")).await.len(), count, "{filter}");
    }
    for (path, known) in [
        ("/api/v1/alarms?colour=red", "device"),
        ("/api/v1/alarms?is_cleared=1", "is_cleared"),
        ("/api/v1/alarms?perceived_severity=cleared", "perceived_severity"),
        ("/api/v1/alarms?limit=0", "alarm_type"),
        ("/api/v1/incidents?status=open,gone", "status"),
        ("/api/v1/tickets?state=open", "state"),
        ("/api/v1/tickets?severity=critical", "customer"),
        ("/api/v1/resources?state=left", "is_known"),
        ("/api/v1/resources?device=a&device=b", "device"),
    ] {
        let (status, body) = server.get(path).await;
        assert_eq!(status, 400, "{path}");
        assert!(body["error"].is_string());
        let known_filters = body["known_filters"].as_array().expect("a list");
        assert!(known_filters.contains(&known.into()), "{path}: {body}");
    }
    server.stop().await;
}

#[tokio::test]
async fn pages_of_one_listing_show_one_version_in_order() {
    let mut server = Server::with_objects().await;
    let (mut cursor, mut ids) = (String::new(), Vec::new());
    let first = "/api/v1/alarms?is_cleared=false&limit=90";
    loop {
        let (status, page) = server.get(&format!("{first}{cursor}")).await;
        assert_eq!(status, 200, "{page}");
        let items = page["items"].as_array().expect("items").iter();
        ids.extend(items.map(|item| item["id"].as_str().expect("an id").to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
        // Everything clears while the client reads.
        for id in 1..=1_000 {
            server.writer.apply(&alarm_effect(2_000 + id, alarm(id, true)));
        }
        server.writer.publish();
    }
    let open = (1..=1_000_u64).filter(|id| !id.is_multiple_of(5));
    assert_eq!(ids, open.map(|id| format!("A{id}")).collect::<Vec<_>>());
    assert!(server.ids("/api/v1/alarms?is_cleared=false").await.is_empty());
    let (status, _) = server.get(&format!("/api/v1/alarms?is_cleared=true{cursor}")).await;
    assert_eq!(status, 400, "a cursor keeps its filters");
    let (status, _) = server.get(&format!("/api/v1/incidents?limit=9{cursor}")).await;
    assert_eq!(status, 400, "and its kind");
    let (run, rest) = cursor.split_once('-').expect("a cursor");
    let (_, rest) = rest.split_once('-').expect("a version");
    let (status, body) = server.get(&format!("{first}{run}-fffff-{rest}")).await;
    assert_eq!((status, body["error"].is_string()), (410, true), "a version long gone");
    server.stop().await;
}

#[tokio::test]
async fn odd_requests_get_answers_not_panics() {
    let server = Server::with_objects().await;
    for (path, expected) in [
        ("/api/v1/alarms/A0", 404),
        ("/api/v1/alarms/%ff%fe", 400),
        ("/api/v1/resources/%ff", 400),
        ("/api/v1/resources/", 404),
        ("/api/v1/nothing", 404),
        ("/api/v1/alarms?%ff=%fe&=&&;", 400),
        ("/api/v1/alarms?%", 400),
        ("/api/v1/alarms?resource=%zz", 400),
        ("/api/v1/alarms?source=email", 400),
        ("/api/v1/alarms?source=trap%2Bsyslog", 200),
        ("/api/v1/alarms?limit=18446744073709551616", 400),
        ("/api/v1/alarms?cursor=%00", 400),
        ("/api/v1/alarms?", 200),
        ("/api/v1/alarms?&&", 200),
    ] {
        assert_eq!(server.get(path).await.0, expected, "{path}");
    }
    let close = "HTTP/1.1\r\nhost: v\r\nconnection: close\r\n";
    let (status, head, body) =
        server.raw(&format!("POST /api/v1/alarms {close}content-length: 2\r\n\r\n{{}}")).await;
    assert_eq!(status, 405);
    assert!(head.to_ascii_lowercase().contains("allow: get,head"), "{head}");
    assert!(body.contains("see Allow"));
    let (status, head, body) = server.raw(&format!("HEAD /api/v1/alarms {close}\r\n")).await;
    assert_eq!((status, body.as_str()), (200, ""));
    assert!(head.contains("content-length: "));
    let long = "x".repeat(900_000);
    let (status, ..) = server.raw(&format!("GET /{long} {close}\r\n")).await;
    assert!(status == 414 || status == 431, "{status}");
    server.stop().await;
}

#[tokio::test]
async fn health_readiness_and_metrics() {
    let server = Server::start(Patience::default()).await;
    let get = |path| format!("GET {path} HTTP/1.1\r\nhost: v\r\nconnection: close\r\n\r\n");
    assert_eq!(server.raw(&get("/healthz")).await.0, 200);
    assert_eq!(server.raw(&get("/readyz")).await.0, 503);
    server.readiness.set_ready();
    assert_eq!(server.raw(&get("/readyz")).await.0, 200);
    let (_, head, body) = server.raw(&get("/metrics")).await;
    assert!(head.contains("text/plain; version=0.0.4"), "{head}");
    assert_eq!(body, "vigie_up 1\n");
    let (_, _, body) = server.raw(&get("/")).await;
    assert!(body.contains("/api/v1/incidents"));
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_dribbles_its_request_is_cut() {
    let request = Duration::from_millis(120);
    let patience = Patience { request, ..Patience::default() };
    let server = Server::start(patience).await;
    let mut stream = TcpStream::connect(server.address).await.expect("connects");
    let mut beat = tokio::time::interval(Duration::from_millis(10));
    let mut sent = 0_u32;
    // One header byte now and then keeps the connection busy for ever, if it is let.
    while sent < 1_000 {
        beat.tick().await;
        if stream.write_all(b"x").await.is_err() {
            break;
        }
        sent += 1;
    }
    assert!(sent < 1_000, "the connection was never cut");
    server.stop().await;
}

/// A connection from that loopback address.
async fn connect_from(server: &Server, last: u8) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, last], 0).into()).expect("a loopback address");
    socket.connect(server.address).await.expect("the kernel takes it")
}

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nhost: v\r\n\r\n";

/// The same, with a request answered on it.
async fn resting_from(server: &Server, last: u8) -> TcpStream {
    let mut stream = connect_from(server, last).await;
    stream.write_all(HEALTH.as_bytes()).await.expect("sent");
    let mut begin = [0; 12];
    stream.read_exact(&mut begin).await.expect("answered");
    assert_eq!(&begin, b"HTTP/1.1 200");
    stream
}

#[tokio::test]
async fn one_client_that_holds_its_share_keeps_nobody_out() {
    let gate = Arc::new(Gate::new("http", Role::ALL.into(), Access::open()));
    let server = Server::start_behind(Arc::clone(&gate), Patience::default()).await;
    let refused = || {
        let counters = gate.counters();
        let mut counts = counters.refused();
        counts.find(|(known, _)| *known == HttpRefusal::Connections).map_or(0, |(_, count)| count)
    };
    let mut silent = Vec::new();
    for _ in 0..CLIENT_CONNECTIONS_MAX {
        silent.push(connect_from(&server, 2).await);
    }
    // Beyond its share it is refused, and the others are not.
    let mut beyond = connect_from(&server, 2).await;
    assert!(matches!(beyond.read(&mut [0]).await, Ok(0) | Err(_)), "closed at once");
    assert_eq!(refused(), 1);
    drop(resting_from(&server, 3).await);
    drop(silent);
    server.stop().await;
}

#[tokio::test]
async fn connections_that_rest_make_room_the_oldest_first() {
    let gate = Arc::new(Gate::new("http", Role::ALL.into(), Access::open()));
    let server = Server::start_behind(Arc::clone(&gate), Patience::default()).await;
    let mut resting = Vec::new();
    for number in 0..CONNECTIONS_MAX {
        let client = if number < CLIENT_CONNECTIONS_MAX { 2 } else { 3 };
        resting.push(resting_from(&server, client).await);
    }
    // All are taken: somebody else takes the place of the first; a client at its share, that of
    // its own first.
    let other = resting_from(&server, 4).await;
    let more = resting_from(&server, 3).await;
    for (number, mut stream) in resting.into_iter().enumerate() {
        let is_over = number == 0 || number == CLIENT_CONNECTIONS_MAX;
        let sent = stream.write_all(HEALTH.as_bytes()).await;
        let mut rest = vec![0; 4_096];
        // What is left of the first answer, then the second one or the end.
        let mut count = 0;
        while sent.is_ok() && count < 2 {
            let Ok(length) = stream.read(&mut rest).await else { break };
            if length == 0 {
                break;
            }
            count += rest
                .get(..length)
                .map_or(0, |part| String::from_utf8_lossy(part).matches("ok\n").count());
        }
        assert_eq!(count < 2, is_over, "connection {number}");
    }
    drop((other, more));
    server.stop().await;
}

#[test]
fn older_positions_never_overwrite_newer_ones_and_counts_only_grow() {
    let mut writer = ViewWriter::new(ViewBounds::default());
    writer.apply(&alarm_effect(5, alarm(1, true)));
    writer.apply(&alarm_effect(4, alarm(1, false)));
    let later = NOON.plus_ns(9);
    writer.count(&Occurrences { alarm: 1, occurrences: 40, last_raised: later });
    writer.count(&Occurrences { alarm: 9, occurrences: 40, last_raised: later });
    assert!(writer.publish());
    assert!(!writer.publish(), "nothing changed since");
    let shared = writer.shared();
    let view = shared.load_full();
    let row = view.alarms.find("A1").expect("it is there");
    assert!(row.fixed.is_cleared);
    assert_eq!((row.occurrences(), row.last_raised()), (40, later));
    writer.apply(&alarm_effect(6, alarm(1, false)));
    writer.publish();
    let image = shared.load().alarms.find("A1").expect("it is there").image();
    let expected = crate::engine::effect::AlarmImage {
        occurrences: 40,
        last_raised: later,
        ..alarm(1, false)
    };
    assert_eq!(image, expected, "packed and unpacked");
    assert_eq!(view.alarms.find("A1").map(Row::is_ended), Some(true), "older version unchanged");
}

#[test]
fn what_ended_first_goes_first_and_what_lives_stays() {
    let bounds =
        ViewBounds { cleared_alarms_max: 3, unknown_resources_max: 2, ..Default::default() };
    let mut writer = ViewWriter::new(bounds);
    for id in 1..=10 {
        writer.apply(&alarm_effect(id, alarm(id, false)));
    }
    for (position, id) in [(21, 9), (22, 2), (23, 5), (24, 7), (25, 1)] {
        writer.apply(&alarm_effect(position, alarm(id, true)));
    }
    writer.apply(&alarm_effect(26, alarm(5, false)));
    writer.apply(&alarm_effect(27, alarm(3, true)));
    for number in 0..5_u64 {
        writer.apply(&resource_effect(30 + number, resource(&format!("u{number}"), false)));
        writer.apply(&resource_effect(40 + number, resource(&format!("k{number}"), true)));
    }
    writer.publish();
    let view = writer.shared().load_full();
    let ids: Vec<&str> = view.alarms.iter().map(Row::key).collect();
    assert_eq!(ids, ["A1", "A3", "A4", "A5", "A6", "A7", "A8", "A10"]);
    let names: Vec<&str> = view.resources.iter().map(Row::key).collect();
    assert_eq!(names, ["k0", "k1", "k2", "k3", "k4", "u3", "u4"]);
}

#[test]
fn a_running_clock_is_read_at_the_time_of_asking() {
    let at = NOON.plus_ns(15_000 * NS_PER_S + 1);
    let mut image = ticket("NOC-000001", TicketState::Acknowledged, TicketChange::Opened);
    let shown = |image: &crate::engine::effect::TicketImage| {
        TicketRow::new(Rank::default(), &Arc::new(image.clone())).image(at)
    };
    assert_eq!(shown(&image).remaining_s, Some(-601), "601st second after the breach has begun");
    assert_eq!(shown(&image).elapsed_s, 15_001);
    image.clock_running = false;
    assert_eq!(shown(&image).remaining_s, Some(14_400), "a standing clock is as it was");
    image.clock_running = true;
    (image.gtr_target_s, image.breach_at, image.remaining_s) = (None, None, None);
    assert_eq!(shown(&image).remaining_s, None, "internal tickets have no target");
    assert_eq!(shown(&image).elapsed_s, 15_000, "and a clock all the same");
    let entry = |value, entered_s: i64| crate::engine::effect::TimeEntry {
        name: "restored_at".into(),
        value,
        author: "vigie".into(),
        reason: String::new(),
        entered_at: NOON.plus_ns(entered_s * NS_PER_S),
    };
    let restored_at = NOON.plus_ns(1_000 * NS_PER_S);
    image.times = vec![entry(Some(restored_at), 1_180), entry(None, 5_000)];
    assert_eq!(shown(&image).elapsed_s, 11_000, "the time between is not counted");
}

#[test]
fn tickets_are_listed_by_series_and_number() {
    let mut numbers = ["NOC-1000000", "NOC-999999", "MB-000002", "NOC-000001", "A-B-7"];
    numbers.sort_by_key(|number| TicketRow::place_of(number));
    assert_eq!(numbers, ["A-B-7", "MB-000002", "NOC-000001", "NOC-999999", "NOC-1000000"]);
}
