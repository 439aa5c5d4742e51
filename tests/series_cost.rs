//! What series cost: memory for each that is known, and nothing for each sample of them.

#[path = "support/counting.rs"]
mod counting;

use arc_swap::ArcSwap;
use counting::Counting;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use vigie::classify::{Classifier, Directory, RuleSource, compile};
use vigie::decode::metrics::remote_write_1;
use vigie::model::event::Lane;
use vigie::model::inventory::Inventory;
use vigie::model::time::EngineTime;
use vigie::shell::clock::{self, EngineClock};
use vigie::shell::lanes::Lanes;
use vigie::shell::self_alarm::SelfAlarms;
use vigie::shell::series::{Protocol, SeriesIntake, SeriesParts};
use vigie::shell::submission::Way;

static CALLS: AtomicU64 = AtomicU64::new(0);
static LIVE: AtomicU64 = AtomicU64::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting(count);

fn count(taken: usize, given_back: usize) {
    if taken > 0 {
        CALLS.fetch_add(1, Ordering::Relaxed);
    }
    LIVE.fetch_add(octets(taken), Ordering::Relaxed);
    LIVE.fetch_sub(octets(given_back), Ordering::Relaxed);
}

fn octets(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(0)
}

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
bands = [{ severity = "major", above = 90, clear_below = 80 }]
"#;

fn intake(lanes: &Arc<Lanes>) -> SeriesIntake {
    let rules = compile(&[RuleSource { file: "test.toml", text: RULES }]).expect("they compile");
    let directory = Directory::build(&Inventory::default(), &|_| None);
    let classifier = Classifier::new(Arc::new(rules), Arc::new(directory), 1);
    let lanes = Arc::clone(lanes);
    let clock = EngineClock::starting_at(EngineTime(1));
    let own =
        SelfAlarms { lanes: Arc::clone(&lanes), clock, counters: Arc::default(), listener: 0 };
    SeriesIntake::new(SeriesParts {
        way: Way { lanes, counters: Arc::default(), clock },
        listener: 1,
        classifier: Arc::new(ArcSwap::from_pointee(classifier)),
        stop: Arc::default(),
        own,
        backfill_after: Duration::from_secs(300),
        baselines: None,
    })
}

fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![(number << 3) | 2];
    let mut rest = bytes.len();
    while rest >= 0x80 {
        out.push(u8::try_from(rest & 0x7f).expect("seven bits") | 0x80);
        rest >>= 7;
    }
    out.push(u8::try_from(rest).expect("seven bits"));
    out.extend_from_slice(bytes);
    out
}

/// A body of series with ten labels each, of some 200 octets.
fn body(metric: &str, numbers: std::ops::Range<u32>) -> Vec<u8> {
    let mut body = Vec::new();
    let mut at_ms = Vec::new();
    let mut rest = u64::try_from(clock::wall().0 / 1_000_000).expect("after 1970");
    while rest >= 0x80 {
        at_ms.push(u8::try_from(rest & 0x7f).expect("seven bits") | 0x80);
        rest >>= 7;
    }
    at_ms.push(u8::try_from(rest).expect("seven bits"));
    for number in numbers {
        let host = format!("router-{}.example.net", number / 100);
        let port = format!("GigabitEthernet0/{}", number % 100);
        let mut labels = vec![("__name__", metric), ("instance", &host), ("interface", &port)];
        let more = ["cluster", "environment", "job", "replica", "site", "tenant", "zone"];
        labels.extend(more.map(|name| (name, "a-value-of-it")));
        let mut series = Vec::new();
        for (name, value) in labels {
            series.extend(field(
                1,
                &[field(1, name.as_bytes()), field(2, value.as_bytes())].concat(),
            ));
        }
        let sample = [&[0x09], &42_f64.to_le_bytes()[..], &[0x10], &at_ms].concat();
        series.extend(field(2, &sample));
        body.extend(field(1, &series));
    }
    body
}

/// Sends a body; gives how often memory was asked for. What is told counts as durable.
fn send(intake: &SeriesIntake, lanes: &Lanes, body: &[u8]) -> u64 {
    let peer = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let before = CALLS.load(Ordering::Relaxed);
    let told =
        intake.take(Protocol::RemoteWrite1, peer, |visit| remote_write_1::decode(body, visit));
    let calls = CALLS.load(Ordering::Relaxed) - before;
    for lane in Lane::ALL {
        while let Some(mut batch) = lanes.receive(lane) {
            if let Some(receipt) = batch.take_receipt() {
                receipt.settle();
            }
            lanes.give_back(batch);
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let settled = runtime.expect("a runtime").block_on(told.settle(intake));
    assert!(settled.is_durable, "nobody loses it");
    calls
}

#[test]
fn a_million_series_take_less_than_600_megabytes_and_a_sample_nothing() {
    const SERIES: u32 = 60_000;
    let lanes = Arc::new(Lanes::default());
    let intake = intake(&lanes);
    // What waits and comes back is not kept for series.
    let _ = send(&intake, &lanes, &body("temp_c", 1_000_000..1_010_000));
    for (metric, bytes_max) in [("ifHCInOctets", 90), ("temp_c", 280)] {
        let before = LIVE.load(Ordering::Relaxed);
        for start in (0..SERIES).step_by(10_000) {
            let _ = send(&intake, &lanes, &body(metric, start..start + 10_000));
        }
        let each = (LIVE.load(Ordering::Relaxed) - before) / u64::from(SERIES);
        println!("{metric}: {each} octets a series");
        assert!(each < bytes_max, "{metric}: {each} octets a series");
    }
    assert_eq!(intake.series_known(), 2 * SERIES + 10_000);
    for metric in ["ifHCInOctets", "temp_c"] {
        let calls = send(&intake, &lanes, &body(metric, 0..10_000));
        assert!(calls < 20, "{metric}: {calls} allocations for 10,000 steady samples");
    }
}
