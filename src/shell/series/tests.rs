//! Series, request by request: from samples to what reaches the lanes.

use super::testing::{Bench, RULES, Seen, from_now, settle};
use super::*;
use crate::model::event::Verb;
use crate::shell::batch::NO_PEER;
use crate::shell::series::table::Bounds;
use jiff::tz::TimeZone;

fn values(seen: &[Seen]) -> Vec<f64> {
    seen.iter().filter_map(|event| event.value).collect()
}

#[test]
fn a_crossing_is_told_once_with_its_resource_text_and_instant() {
    let bench = Bench::default();
    let at = from_now(-20);
    let (settled, seen) = bench.send(Some(true), &format!("temp,host=pe1,sensor=in c=95.5 {at}\n"));
    assert!(settled.is_durable && settled.complaint().is_none());
    let [event] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!((event.verb, event.device.as_str()), (Verb::Crossing, "pe1"));
    assert_eq!((event.qualifier.as_str(), event.rule.as_str()), ("in", "hot"));
    assert_eq!(event.text, "it is 95.5 degrees at in");
    assert_eq!(event.occurred_at.map(|at| at.0), Some(at));
    // Within the zone there is nothing to tell; beyond its limits there is.
    for (value, told) in [(97.0, None), (90.0, Some(90.0)), (85.0, None), (79.0, Some(79.0))] {
        let (_, seen) = bench.send(Some(true), &format!("temp,host=pe1,sensor=in c={value}"));
        assert_eq!(values(&seen), told.into_iter().collect::<Vec<_>>(), "{value}");
    }
    assert_eq!(bench.account(Protocol::Influx), [6, 5, 1, 0]);
    assert_eq!(bench.intake.counters().band_changes(), 3);
    assert_eq!(bench.intake.series_known(), 2);
}

#[test]
fn what_was_lost_is_told_again_and_counted_as_rejected() {
    let bench = Bench::default();
    let line = format!("temp,host=pe1,sensor=in c=95 {}", from_now(-5));
    let (settled, seen) = bench.send(Some(false), &line);
    assert!(!settled.is_durable);
    assert_eq!(seen.len(), 1);
    assert_eq!(bench.account(Protocol::Influx), [2, 0, 1, 1]);
    assert_eq!(bench.intake.counters().band_changes(), 1);
    // The sender tries again, with the same sample.
    let (settled, again) = bench.send(Some(true), &line);
    assert!(settled.is_durable);
    assert_eq!(again, seen);
    let (_, third) = bench.send(Some(true), &line);
    assert_eq!(third, []);
    assert_eq!(bench.intake.counters().band_changes(), 1, "it is the same change");
}

#[test]
fn samples_of_one_body_are_told_in_their_order() {
    let bench = Bench::default();
    let lines: Vec<String> = [95.0, 70.0, 96.0, 97.0, 71.0]
        .iter()
        .zip(-10_i64..)
        .map(|(value, second)| format!("temp,host=pe1 c={value} {}", from_now(second)))
        .collect();
    let (_, seen) = bench.send(Some(true), &lines.join("\n"));
    assert_eq!(values(&seen), [95.0, 70.0, 96.0, 71.0]);
}

#[test]
fn samples_out_of_their_time_move_nothing() {
    let bench = Bench::default();
    let line = |value, second| format!("temp,host=pe1 c={value} {}", from_now(second));
    let (settled, seen) = bench.send(Some(true), &line(95, -301));
    assert!(seen.is_empty() && settled.complaint().is_none(), "a backlog is no fault");
    let (settled, seen) = bench.send(Some(true), &line(95, 700));
    assert!(seen.is_empty());
    assert!(settled.complaint().is_some_and(|said| said.contains("in the future")));
    let (_, seen) = bench.send(Some(true), &line(70, -10));
    assert_eq!(values(&seen), [70.0]);
    // Older than the newest, though not too old.
    let (_, seen) = bench.send(Some(true), &line(95, -11));
    assert_eq!(values(&seen), NONE);
    assert_eq!(bench.account(Protocol::Influx), [5, 2, 1, 2]);
    let rejected = bench.shown(Protocol::Influx).rejected;
    assert!(rejected.contains(&("too-old", 1)) && rejected.contains(&("too-new", 1)));
}

#[test]
fn rates_need_two_samples_and_survive_a_restart_of_the_counter() {
    let bench = Bench::default();
    let mut told = Vec::new();
    for (second, total) in [(-60, 100.0), (-50, 109.8), (-40, 119.5), (-30, 129.4), (-20, 9.9)] {
        let line = format!("busy,host=pe1 seconds={total} {}", from_now(second));
        let (_, seen) = bench.send(Some(true), &line);
        told.push(values(&seen).first().map(|value| (value * 100.0).round()));
    }
    // The rule asks for two samples in a row, so that many are told.
    assert_eq!(told, [None, Some(98.0), Some(97.0), None, None]);
    assert_eq!(bench.account(Protocol::Influx), [6, 5, 1, 0]);
}

#[test]
fn a_rate_goes_on_over_a_reload() {
    let bench = Bench::default();
    let send = |total: f64, second: i64| {
        let line = format!("busy,host=pe1 seconds={total} {}", from_now(second));
        bench.send(Some(true), &line).1.len()
    };
    assert_eq!(send(100.0, -30), 0);
    bench.reload(RULES, 2);
    assert_eq!(send(109.8, -20), 1, "the sample before the reload counts");
}

#[test]
fn a_ratio_is_made_of_two_series_of_one_resource() {
    let bench = Bench::default();
    let at = from_now(-10);
    let lines = format!("req,host=pe1 errors=6,total=10 {at}\nreq,host=pe2 errors=1,total=10 {at}");
    let (_, seen) = bench.send(Some(true), &lines);
    assert_eq!(values(&seen), [0.6, 0.1]);
    assert_eq!(seen.iter().map(|event| event.device.as_str()).collect::<Vec<_>>(), ["pe1", "pe2"]);
    let at = from_now(-5);
    let (_, seen) = bench.send(Some(true), &format!("req,host=pe1 total=10,errors=2 {at}"));
    assert_eq!(values(&seen), [0.2]);
    let (_, seen) = bench.send(Some(true), &format!("req,host=pe1 total=0,errors=0 {}", at + 1));
    assert_eq!(values(&seen), NONE, "a ratio to zero says nothing");
}

#[test]
fn infinity_is_a_value_and_no_number_is_none() {
    let bench = Bench::default();
    let take = |value: f64, second: i64| {
        let told = bench.intake.take(Protocol::Otlp, NO_PEER, |visit| {
            use crate::model::sample::{METRIC_NAME, Reading, Sample, Samples, SeriesKind, Text};
            let pairs = [
                [Text::Sent(METRIC_NAME), Text::Sent("temp_c")],
                [Text::Sent("host"), Text::Sent("pe1")],
            ];
            visit.series(&crate::model::sample::Labels::new(&pairs, "", None), SeriesKind::GAUGE);
            let at = Some(crate::model::time::Timestamp(from_now(second)));
            visit.sample(Sample { at, started_at: None, reading: Reading::of(value) });
            Tally { seen: 1, accepted: 1, ..Tally::default() }
        });
        let seen = bench.journal(true);
        assert!(bench.settle(told).is_durable);
        values(&seen)
    };
    let stale = f64::from_bits(0x7ff0_0000_0000_0002);
    assert_eq!(take(f64::NAN, -9), NONE);
    assert_eq!(take(f64::INFINITY, -8), [f64::INFINITY]);
    assert_eq!(take(stale, -7), NONE);
    assert_eq!(take(f64::INFINITY, -6), NONE);
    assert_eq!(take(f64::NEG_INFINITY, -5), [f64::NEG_INFINITY]);
    assert_eq!(bench.account(Protocol::Otlp), [5, 5, 0, 0]);
}

#[test]
fn beyond_the_bound_new_series_are_refused_and_known_ones_go_on() {
    let bench = Bench::bounded(Bounds { series_max: 100, series_per_sender_max: 3 });
    let (settled, seen) =
        bench.send(Some(true), "temp,host=a c=95\ntemp,host=b c=95\ntemp,host=c c=95");
    assert_eq!(seen.len(), 2, "the first series of the sender was sent before");
    assert!(settled.complaint().is_some_and(|said| said.contains("too many series")));
    let (settled, seen) = bench.send(Some(true), "temp,host=a c=70\ntemp,host=b c=70");
    assert!(settled.complaint().is_none() && seen.len() == 2);
    let other = "192.0.2.1".parse().expect("an address");
    let (settled, seen) = bench.send_from(other, Some(true), "temp,host=d c=95");
    assert!(settled.complaint().is_none());
    assert_eq!(values(&seen), [95.0], "another sender has room of its own");
    assert_eq!(bench.account(Protocol::Influx), [7, 5, 1, 1]);
    let _ = bench.intake.sweep(5);
    let alarms = bench.journal(true);
    assert_eq!(alarms.len(), 1);
    assert_eq!((alarms[0].verb, alarms[0].qualifier.as_str()), (Verb::Raise, "0.0.0.0"));
}

#[test]
fn a_series_falls_silent_alone_and_comes_back() {
    let bench = Bench::default();
    let _ = bench.send(Some(true), "temp,host=pe1 c=95\ntemp,host=pe2 c=70");
    assert!(sweep(&bench, 60, true).is_empty(), "not yet");
    // The sender goes on with one of them only.
    bench.intake.core.senders.of(NO_PEER.into()).hear(60);
    let seen = sweep(&bench, 62, false);
    assert_eq!(verbs(&seen), [(Verb::Silent, "pe1"), (Verb::Silent, "pe2")]);
    assert_eq!(sweep(&bench, 63, true), seen, "it was not durable");
    assert!(sweep(&bench, 64, true).is_empty());
    let (_, seen) = bench.send(Some(true), "temp,host=pe1 c=95");
    assert_eq!(verbs(&seen), [(Verb::Crossing, "pe1")], "it is back, whatever its zone");
}

#[test]
fn a_sender_that_falls_silent_is_one_event_and_none_about_its_series() {
    let bench = Bench::default();
    let _ = bench.send(Some(true), "temp,host=pe1 c=95\ntemp,host=pe2 c=70");
    let seen = sweep(&bench, 62, true);
    assert_eq!(verbs(&seen), [(Verb::Silent, "0.0.0.0")]);
    assert_eq!(seen[0].rule, "");
    assert!(sweep(&bench, 70, true).is_empty());
    let told = bench.told(NO_PEER, "temp,host=pe1 c=95");
    let seen = bench.journal(true);
    assert!(bench.settle(told).is_durable);
    assert_eq!(verbs(&seen), [(Verb::Clear, "0.0.0.0")], "back within the same second");
}

#[test]
fn a_sender_that_sends_more_seldom_than_one_of_its_series_is_due_is_not_silent() {
    let rules = RULES.replace("absent_after_s = 60", "absent_after_s = 2");
    let bench = Bench::with(Bounds::default(), &rules, None);
    let _ = bench.send(Some(true), "temp,host=pe1 c=95");
    assert!(sweep(&bench, 30, true).is_empty());
    assert_eq!(verbs(&sweep(&bench, 62, true)), [(Verb::Silent, "0.0.0.0")]);
}

#[test]
fn what_is_idle_is_forgotten_and_its_place_used_again() {
    let bench = Bench::default();
    let lines: Vec<String> = (0..1_000).map(|host| format!("other,host=h{host} x=1")).collect();
    let lines = lines.join("\n");
    let _ = bench.send(Some(true), &lines);
    assert_eq!(bench.intake.series_known(), 1_001);
    let _ = bench.intake.sweep(3_600);
    assert_eq!(bench.intake.series_known(), 1_001);
    let _ = bench.intake.sweep(3_700);
    assert_eq!(bench.intake.series_known(), 0);
    let _ = bench.send(Some(true), &lines);
    assert_eq!(bench.intake.series_known(), 1_000);
    assert_eq!(bench.account(Protocol::Influx), [2_001, 0, 2_001, 0]);
}

#[test]
fn a_panic_of_a_decoder_costs_one_body() {
    let bench = Bench::default();
    let told = bench.intake.take(Protocol::Influx, NO_PEER, |_| panic!("as told"));
    let settled = bench.settle(told);
    assert!(settled.complaint().is_some_and(|said| said.contains("decoder failed")));
    assert_eq!(bench.account(Protocol::Influx), [2, 0, 1, 1]);
}

#[test]
fn requests_at_once_account_for_everything() {
    let bench = Bench::default();
    let lines = |thread: usize| -> String {
        let line = |host| format!("temp,host=h{host} c={}", 70 + 30 * (thread % 2));
        (0..500).map(line).collect::<Vec<_>>().join("\n")
    };
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (intake, lines) = (&bench.intake, lines(thread));
            scope.spawn(move || {
                for _ in 0..5 {
                    let told = intake.take(Protocol::Influx, NO_PEER, |visit| {
                        let precision = crate::decode::metrics::line_protocol::Precision::default();
                        crate::decode::metrics::line_protocol::decode(
                            lines.as_bytes(),
                            precision,
                            visit,
                        )
                    });
                    assert!(settle(intake, told).is_durable);
                }
            });
        }
        let mut settled = 0;
        while settled < 4 * 5 * 500 + 1 {
            let _ = bench.journal(true);
            settled = bench.shown(Protocol::Influx).received;
            std::thread::yield_now();
        }
    });
    assert_eq!(bench.account(Protocol::Influx), [10_001, 10_000, 1, 0]);
    let counters = &bench.ledger;
    let count = |cell: &std::sync::atomic::AtomicU64| cell.load(Ordering::Relaxed);
    assert_eq!(count(&counters.received), count(&counters.journaled));
}

#[test]
fn an_alarm_that_several_series_mean_stands_as_the_worst_of_them() {
    let bench = Bench::default();
    let send = |core: &str, value: f64| {
        let (_, seen) = bench.send(Some(true), &format!("temp,host=pe1,core={core} c={value}"));
        values(&seen)
    };
    assert_eq!(send("0", 95.0), [95.0]);
    assert_eq!(send("1", 20.0), NONE, "they do not take turns");
    assert_eq!(send("0", 96.0), NONE);
    assert_eq!(send("1", 97.0), NONE, "it is raised already");
    assert_eq!(send("0", 20.0), NONE, "the other one is still too hot");
    assert_eq!(send("1", 20.0), [20.0]);
    assert_eq!(bench.intake.counters().alarms_shared(), 1);
}

#[test]
fn of_series_that_come_at_once_all_but_the_first_share_its_alarm() {
    const HOSTS: u64 = 200;
    const CORES: u64 = 4;
    let bench = Bench::default();
    let lines = |core: u64| {
        // From either end, so that each is the first of some alarms.
        let host = |host: u64| if core.is_multiple_of(2) { host } else { HOSTS - 1 - host };
        let line = |number| format!("temp,host=h{},core={core} c=20", host(number));
        (0..HOSTS).map(line).collect::<Vec<_>>().join("\n")
    };
    let told: Vec<Told> = std::thread::scope(|scope| {
        let bench = &bench;
        let send = |core| scope.spawn(move || bench.told(NO_PEER, &lines(core)));
        let all: Vec<_> = (0..CORES).map(send).collect();
        all.into_iter().map(|one| one.join().expect("no panic")).collect()
    });
    let _ = bench.journal(true);
    assert!(told.into_iter().all(|told| bench.settle(told).is_durable));
    assert_eq!(bench.intake.counters().alarms_shared(), HOSTS * (CORES - 1));
    let hosts = usize::try_from(HOSTS).expect("few");
    assert_eq!(bench.intake.core.table.alarms_known(), [0, hosts]);
}

#[test]
fn under_other_rules_series_meet_again_and_nothing_is_left_of_before() {
    let bench = Bench::default();
    let lines = ["temp,host=pe1,core=0 c=95", "temp,host=pe1,core=1 c=20", "temp,host=pe2 c=20"];
    let send = |line: &str| values(&bench.send(Some(true), line).1);
    assert_eq!(send(&lines.join("\n")), [95.0, 20.0]);
    assert_eq!(bench.intake.core.table.alarms_known(), [1, 1]);
    bench.reload(RULES, 2);
    assert_eq!(send(lines[1]), NONE, "rules that mean the same change nothing");
    assert_eq!(send(&lines.join("\n")), NONE);
    let old = format!("temp,host=pe2 c=95 {}", from_now(-10));
    assert_eq!(send(&old), NONE, "an older sample is one still");
    let changes = bench.intake.counters().band_changes();
    bench.reload(&RULES.replace("above = 90", "above = 91"), 3);
    assert_eq!(send(&lines.join("\n")), [95.0, 20.0]);
    assert_eq!(bench.intake.counters().band_changes(), changes + 1);
    assert_eq!(send(lines[1]), NONE, "the other stands worse");
    let _ = bench.intake.sweep(60);
    assert_eq!(bench.intake.core.table.alarms_known(), [1, 1]);
    let _ = bench.intake.sweep(100_020);
    assert_eq!(bench.intake.core.table.alarms_known(), [0, 0]);
    assert_eq!(bench.intake.series_known(), 0);
    assert_eq!(send(&lines.join("\n")), [95.0, 20.0]);
}

#[test]
fn rules_beyond_what_a_series_can_have_are_counted() {
    let rule = |number: u32| {
        format!(
            "\n[[metric]]\nname = \"r{number}\"\nmetric = \"many_x\"\n\
             alarm_type = \"test-hot\"\nqualifier = \"{number}\"\n\
             bands = [{{ severity = \"major\", above = 1 }}]\n"
        )
    };
    let rules: Vec<String> = (0..260).map(rule).collect();
    let rules = format!("{RULES}{}", rules.concat());
    let bench = Bench::with(Bounds::default(), &rules, None);
    let (_, seen) = bench.send(Some(true), "many,host=pe1 x=2");
    assert_eq!((seen.len(), bench.intake.counters().rules_cut()), (255, 5));
    let (_, seen) = bench.send(Some(true), "many,host=pe2 x=2");
    assert_eq!((seen.len(), bench.intake.counters().rules_cut()), (255, 10));
}

#[test]
fn what_is_not_usual_is_told_with_what_is() {
    let dir = std::env::temp_dir().join(format!("vigie-usual-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a folder");
    let path = dir.join(BASELINES);
    learn(&path);
    let bench = Bench::with(Bounds::default(), RULES, Some(path));
    let send = |value: f64| {
        let (_, seen) = bench.send(Some(true), &format!("load,host=pe1 calls={value}"));
        let told = seen.into_iter().map(|seen| (seen.value.unwrap_or(f64::NAN), seen.text));
        told.collect::<Vec<(f64, String)>>()
    };
    assert_eq!(send(101.0), [(0.5, "101 calls, usual are 100".to_owned())], "it is new");
    assert_eq!(send(107.0), [(3.5, "107 calls, usual are 100".to_owned())], "it may be held");
    assert_eq!(send(120.0), [(10.0, "120 calls, usual are 100".to_owned())]);
    assert_eq!(send(130.0), []);
    assert_eq!(send(20.0), [(-40.0, "20 calls, usual are 100".to_owned())]);
    let (_, seen) = bench.send(Some(true), "load,host=pe2 calls=1e9");
    let [seen] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!(seen.value, Some(0.0), "nothing is known of another device");
    assert!(seen.text.ends_with("usual are unknown"), "{}", seen.text);
    assert_eq!(bench.intake.baselines(), [2, 0, 0]);
    bench.intake.save_baselines();
    std::fs::remove_dir_all(&dir).expect("it can be removed");
}

#[test]
fn what_one_brought_alone_is_told_with_what_was_usual_when_another_gets_better() {
    let dir = std::env::temp_dir().join(format!("vigie-usual-peers-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a folder");
    let path = dir.join(BASELINES);
    learn(&path);
    let bench = Bench::with(Bounds::default(), RULES, Some(path));
    let send = |core: &str, value: f64| {
        let (_, seen) = bench.send(Some(true), &format!("load,host=pe1{core} calls={value}"));
        seen.into_iter().map(|seen| (seen.value, seen.text)).collect::<Vec<_>>()
    };
    assert_eq!(send("", 107.0), [(Some(3.5), "107 calls, usual are 100".to_owned())]);
    assert_eq!(send(",core=1", 120.0), [(Some(10.0), "120 calls, usual are 100".to_owned())]);
    assert_eq!(send(",core=1", 101.0), [(Some(3.5), "107 calls, usual are 100".to_owned())]);
    std::fs::remove_dir_all(&dir).expect("it can be removed");
}

/// Three weeks of a hundred calls, up to now.
fn learn(path: &std::path::Path) {
    let all = Baselines::load(Some(path.to_owned()), 10);
    let bench = Bench::default();
    let classifier = bench.intake.core.classifier.load_full();
    let labels = |name: &str| (name == "host").then_some("pe1");
    let hits = classifier.resolve_series("load_calls", &labels, NO_PEER);
    let rule = classifier.metric_rule(hits[0].rule).and_then(|rule| rule.baseline.clone());
    let rule = rule.expect("it has a baseline");
    let texts = ["unusual", "pe1", "", "", &rule.subject, "UTC"];
    let baseline = all.of(&texts).expect("room");
    for hour in -500..0 {
        let at = crate::model::time::Timestamp(from_now(hour * 3_600));
        for _ in 0..4 {
            baseline.lock().expect("not poisoned").look(100.0, (at, &TimeZone::UTC), &rule);
        }
    }
    all.save(crate::model::time::Timestamp(from_now(0)));
}

#[test]
fn after_a_stall_nobody_is_silent() {
    let bench = Bench::default();
    let _ = bench.send(Some(true), "temp,host=pe1 c=95");
    bench.intake.core.excuse_after_stall(2, 900);
    assert!(sweep(&bench, 900, true).is_empty());
    assert!(sweep(&bench, 959, true).is_empty());
    assert_eq!(verbs(&sweep(&bench, 961, true)), [(Verb::Silent, "0.0.0.0")], "the sender");
}

const NONE: [f64; 0] = [];

fn verbs(seen: &[Seen]) -> Vec<(Verb, &str)> {
    let mut verbs: Vec<_> = seen.iter().map(|event| (event.verb, event.device.as_str())).collect();
    verbs.sort_by_key(|(_, device)| *device);
    verbs
}

/// Sweeps at that second; what it tells is journaled, or lost.
fn sweep(bench: &Bench, now_s: u32, is_durable: bool) -> Vec<Seen> {
    let swept = bench.intake.sweep(now_s);
    let mut seen = bench.journal(is_durable);
    seen.sort_by(|one, other| one.device.cmp(&other.device));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime").block_on(swept.settle(&bench.intake.core));
    seen
}
