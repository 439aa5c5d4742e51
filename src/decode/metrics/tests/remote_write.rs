//! Remote write 1.0 and 2.0, message by message.

use crate::decode::metrics::tests::messages::{Count, NativeHistogram, v1, v2};
use crate::decode::metrics::tests::recorder::{Recorder, Told};
use crate::decode::metrics::{remote_write_1, remote_write_2};
use crate::model::sample::{Family, SampleFault, SeriesKind, Tally, Temporality};
use prost::Message;

const MS: i64 = 1_000_000;

fn label(name: &str, value: &str) -> v1::Label {
    v1::Label { name: name.to_owned(), value: value.to_owned() }
}

fn series(labels: &[(&str, &str)], samples: &[(i64, f64)]) -> v1::TimeSeries {
    v1::TimeSeries {
        labels: labels.iter().map(|(name, value)| label(name, value)).collect(),
        samples: samples
            .iter()
            .map(|(timestamp, value)| v1::Sample { value: *value, timestamp: *timestamp })
            .collect(),
        ..v1::TimeSeries::default()
    }
}

fn decode_1(timeseries: Vec<v1::TimeSeries>) -> (Tally, Recorder) {
    decode_1_bytes(&v1::WriteRequest { timeseries, metadata: Vec::new() }.encode_to_vec())
}

fn decode_1_bytes(body: &[u8]) -> (Tally, Recorder) {
    let mut recorder = Recorder::default();
    let tally = remote_write_1::decode(body, &mut recorder);
    (tally, recorder)
}

fn decode_2(request: &v2::Request) -> (Tally, Recorder) {
    let mut recorder = Recorder::default();
    let tally = remote_write_2::decode(&request.encode_to_vec(), &mut recorder);
    (tally, recorder)
}

#[test]
fn series_and_samples_come_in_the_senders_order() {
    let stale = f64::from_bits(0x7ff0_0000_0000_0002);
    let (tally, recorder) = decode_1(vec![
        series(&[("__name__", "up"), ("job", "node")], &[(1_000, 1.0), (2_000, stale)]),
        series(&[("instance", "é"), ("__name__", "load")], &[(-5, f64::NEG_INFINITY)]),
        series(&[("__name__", "told_elsewhere")], &[]),
    ]);
    assert_eq!(tally, Tally { seen: 3, accepted: 3, ..Tally::default() });
    assert_eq!(recorder.names(), ["up", "load"]);
    let [up, load] = &recorder.series[..] else { panic!("two series") };
    let ended = Told { at: Some(2_000 * MS), started_at: None, bits: None };
    assert_eq!(up.samples, [Told::at(1_000 * MS, 1.0), ended]);
    assert_eq!(up.kind, SeriesKind::UNTOLD);
    assert_eq!(load.samples, [Told::at(-5 * MS, f64::NEG_INFINITY)]);
    // Labels that are not sorted are accepted, and stay as they came.
    assert_eq!(load.labels[0], ("instance".to_owned(), "é".to_owned()));
}

#[test]
fn metadata_exemplars_and_unknown_fields_are_passed_over() {
    let mut one = series(&[("__name__", "up")], &[(1, 1.0)]);
    one.exemplars.push(v1::Exemplar { labels: vec![label("t", "1")], value: 3.0, timestamp: 2 });
    let metadata = v1::Metadata { kind: 2, metric_family_name: "up".to_owned() };
    let request = v1::WriteRequest { timeseries: vec![one], metadata: vec![metadata] };
    let mut body = request.encode_to_vec();
    // Fields 1000 (text) and 9 (fixed32).
    body.extend([0xc2, 0x3e, 2, b'h', b'i', 0x4d, 1, 2, 3, 4]);
    let (tally, recorder) = decode_1_bytes(&body);
    assert_eq!((tally.accepted, tally.rejected, tally.broken), (1, 0, None));
    assert_eq!(recorder.series[0].labels.len(), 1);
}

#[test]
fn a_fault_rejects_its_series_alone_and_tells_what_is_lost() {
    let long = "x".repeat(70_000);
    let many: Vec<String> = (0..200).map(|number| format!("l{number:03}")).collect();
    let mut many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "")).collect();
    many.push(("__name__", "many"));
    let two = [(1, 1.0), (2, 2.0)];
    let (tally, recorder) = decode_1(vec![
        series(&[("job", "a")], &two),
        series(&[("__name__", "")], &two),
        series(&[("__name__", "twins"), ("a", "1"), ("a", "2")], &two),
        series(&[("__name__", "empty"), ("", "1")], &two),
        series(&[("__name__", "long"), ("a", &long)], &two),
        series(&many, &two),
        series(&[("__name__", "late")], &[(1, 1.0), (i64::MAX, 2.0)]),
        series(&[("__name__", "good")], &two),
    ]);
    assert_eq!(recorder.names(), ["late", "good"]);
    let expected = [
        (SampleFault::NameMissing, 2, 1, String::new()),
        (SampleFault::NameMissing, 2, 2, String::new()),
        (SampleFault::DuplicateLabel, 2, 3, "twins".to_owned()),
        (SampleFault::LabelNameEmpty, 2, 4, "empty".to_owned()),
        (SampleFault::LabelTooLong, 2, 5, "long".to_owned()),
        (SampleFault::TooManyLabels, 2, 6, "many".to_owned()),
        (SampleFault::TimestampOutOfRange, 1, 7, "late".to_owned()),
    ];
    assert_eq!(recorder.refused, expected);
    assert_eq!((tally.seen, tally.accepted, tally.rejected), (16, 3, 13));
    assert_eq!(tally.broken, None);
}

#[test]
fn a_label_that_is_not_utf8_spoils_its_series_alone() {
    let request = v1::WriteRequest {
        timeseries: vec![
            series(&[("__name__", "bad"), ("a", "\u{7f}\u{7f}")], &[(1, 1.0)]),
            series(&[("__name__", "good")], &[(1, 1.0)]),
        ],
        metadata: Vec::new(),
    };
    let mut body = request.encode_to_vec();
    for octet in &mut body {
        if *octet == 0x7f {
            *octet = 0xff;
        }
    }
    let (_, recorder) = decode_1_bytes(&body);
    assert_eq!(recorder.refused, [(SampleFault::NotUtf8, 1, 1, "bad".to_owned())]);
    assert_eq!(recorder.names(), ["good"]);
}

#[test]
fn a_cut_body_gives_what_is_whole_and_counts_what_is_seen_of_the_rest() {
    let request = v1::WriteRequest {
        timeseries: vec![
            series(&[("__name__", "first")], &[(1, 1.0)]),
            series(&[("__name__", "second")], &[(1, 1.0), (2, 2.0), (3, 3.0)]),
        ],
        metadata: Vec::new(),
    };
    let whole = request.encode_to_vec();
    let (tally, recorder) = decode_1_bytes(&whole[..whole.len() - 4]);
    assert_eq!(recorder.names(), ["first"]);
    assert_eq!(recorder.refused, [(SampleFault::Truncated, 3, 2, "second".to_owned())]);
    assert_eq!((tally.seen, tally.broken), (4, Some(SampleFault::Truncated)));
}

#[test]
fn damage_inside_of_a_series_costs_that_series() {
    let good = series(&[("__name__", "good")], &[(1, 1.0)]).encode_to_vec();
    let mut bad = series(&[("__name__", "bad")], &[(1, 1.0), (2, 1.0)]).encode_to_vec();
    bad.extend([0x0b, 1]);
    let mut body = Vec::new();
    for one in [&bad, &good] {
        body.push(0x0a);
        body.push(u8::try_from(one.len()).expect("short"));
        body.extend(one);
    }
    let (tally, recorder) = decode_1_bytes(&body);
    assert_eq!(recorder.refused, [(SampleFault::BadEncoding, 2, 1, "bad".to_owned())]);
    assert_eq!(recorder.names(), ["good"]);
    assert_eq!(tally.broken, None);
}

#[test]
fn a_known_label_block_is_not_read_again() {
    let one = series(&[("__name__", "up"), ("job", "node")], &[(1, 1.0)]);
    let (_, first) = decode_1(vec![one.clone()]);
    let [Some(block)] = &first.blocks[..] else { panic!("a block") };
    let labels = v1::TimeSeries { samples: Vec::new(), ..one.clone() }.encode_to_vec();
    assert_eq!(block, &labels);

    let mut second = Recorder { known: vec![block.clone()], ..Recorder::default() };
    let body = v1::WriteRequest { timeseries: vec![one.clone(), one], metadata: Vec::new() };
    let tally = remote_write_1::decode(&body.encode_to_vec(), &mut second);
    assert_eq!((second.recalled, second.blocks.len(), tally.accepted), (2, 0, 2));
    assert_eq!(second.series[1].samples, [Told::at(MS, 1.0)]);
}

#[test]
fn labels_that_stand_apart_have_no_block_and_are_read_all_the_same() {
    let labels = series(&[("__name__", "up")], &[]).encode_to_vec();
    let sample = series(&[], &[(1, 7.0)]).encode_to_vec();
    let more = series(&[("job", "node")], &[]).encode_to_vec();
    let one = [labels, sample, more].concat();
    let body = [&[0x0a, u8::try_from(one.len()).expect("short")], &one[..]].concat();
    let (tally, recorder) = decode_1_bytes(&body);
    assert_eq!((tally.accepted, &recorder.blocks[..]), (1, &[None][..]));
    assert_eq!(recorder.series[0].get("job"), "node");
    assert_eq!(recorder.series[0].samples, [Told::at(MS, 7.0)]);
}

fn histogram(count: Count, sum: f64) -> NativeHistogram {
    NativeHistogram {
        count: Some(count),
        sum,
        schema: 3,
        positive_deltas: vec![1, -2, 3],
        timestamp: 9,
        ..NativeHistogram::default()
    }
}

#[test]
fn native_histograms_become_count_and_sum() {
    let stale = f64::from_bits(0x7ff0_0000_0000_0002);
    let mut one = series(&[("__name__", "rtt"), ("job", "icmp")], &[(1, 5.0)]);
    one.histograms = vec![
        histogram(Count::Int(1 << 40), 12.5),
        histogram(Count::Int(0), stale),
        NativeHistogram { reset_hint: 3, ..histogram(Count::Float(1.5), 2.0) },
        NativeHistogram { timestamp: i64::MIN, ..histogram(Count::Int(1), 1.0) },
    ];
    let (tally, recorder) = decode_1(vec![one]);
    assert_eq!((tally.seen, tally.accepted, tally.histograms), (5, 4, 3));
    assert_eq!(recorder.refused[0].0, SampleFault::TimestampOutOfRange);
    let pair = ["rtt_count", "rtt_sum"];
    assert_eq!(recorder.names(), [&["rtt"][..], &pair, &pair, &pair].concat());
    let value = |place: usize| recorder.series[place].samples[0];
    assert!((value(1).value() - 1_099_511_627_776.0).abs() < f64::EPSILON);
    assert_eq!(value(2), Told::at(9 * MS, 12.5));
    assert_eq!((value(3).bits, value(4).bits), (None, None));
    assert_eq!(value(5), Told::at(9 * MS, 1.5));
    let cumulative = Temporality::Cumulative;
    assert_eq!(recorder.series[1].kind, SeriesKind::monotonic(Family::Histogram, cumulative));
    assert_eq!(recorder.series[2].kind, SeriesKind::new(Family::Histogram, cumulative));
    let level = SeriesKind::new(Family::Histogram, Temporality::Instant);
    assert_eq!(recorder.series[5].kind, level);
    assert!(recorder.series.iter().all(|series| series.get("job") == "icmp"));
    // A block that names the histogram must not be taken for one of its series.
    assert!(recorder.blocks.iter().all(Option::is_none));
}

/// A request of version 2 whose symbols are these.
fn request_2(symbols: &[&str], timeseries: Vec<v2::TimeSeries>) -> v2::Request {
    v2::Request { symbols: symbols.iter().map(|text| (*text).to_owned()).collect(), timeseries }
}

fn series_2(labels_refs: &[u32], kind: i32) -> v2::TimeSeries {
    v2::TimeSeries {
        labels_refs: labels_refs.to_vec(),
        samples: vec![v2::Sample { value: 2.5, timestamp: 1, start_timestamp: 0 }],
        metadata: Some(v2::Metadata { kind, help_ref: 1 }),
        ..v2::TimeSeries::default()
    }
}

const SYMBOLS: [&str; 5] = ["", "__name__", "up", "job", "node"];

#[test]
fn symbols_are_resolved_and_metadata_say_the_kind() {
    let cumulative = Temporality::Cumulative;
    let kinds = [
        (0, SeriesKind::UNTOLD),
        (1, SeriesKind::monotonic(Family::Sum, cumulative)),
        (2, SeriesKind::GAUGE),
        (3, SeriesKind::new(Family::Histogram, cumulative)),
        (4, SeriesKind::new(Family::Histogram, Temporality::Instant)),
        (5, SeriesKind::new(Family::Summary, Temporality::Untold)),
        (6, SeriesKind::GAUGE),
        (7, SeriesKind::GAUGE),
        (99, SeriesKind::UNTOLD),
    ];
    let all = kinds.iter().map(|(kind, _)| series_2(&[1, 2, 3, 4], *kind)).collect();
    let (tally, recorder) = decode_2(&request_2(&SYMBOLS, all));
    assert_eq!((tally.accepted, tally.rejected), (9, 0));
    for (series, (number, kind)) in recorder.series.iter().zip(kinds) {
        assert_eq!(series.kind, kind, "type {number}");
        assert_eq!((series.name(), series.get("job")), ("up", "node"));
        assert_eq!(series.samples, [Told::at(MS, 2.5)]);
    }
}

#[test]
fn references_that_lead_nowhere_spoil_their_series_alone() {
    let all = [&[1, 2, 3, 5][..], &[1, 2, 3], &[1, u32::MAX], &[], &[1, 2, 0, 4], &[1, 2]];
    let all = all.iter().map(|refs| series_2(refs, 1)).collect();
    let (tally, recorder) = decode_2(&request_2(&SYMBOLS, all));
    let unknown = SampleFault::SymbolUnknown;
    let expected =
        [unknown, unknown, unknown, SampleFault::NameMissing, SampleFault::LabelNameEmpty];
    assert_eq!(recorder.faults(), expected);
    assert_eq!((recorder.names(), tally.rejected), (vec!["up"], 5));
}

#[test]
fn symbols_behind_the_series_and_unpacked_references_are_read() {
    let mut body = vec![0x2a, 15];
    // labels_refs one by one: 1 and 2; a sample with a start.
    body.extend([0x08, 1, 0x08, 2, 0x12, 9, 0x09]);
    body.extend(4.0_f64.to_le_bytes());
    for symbol in ["", "__name__", "up"] {
        body.push(0x22);
        body.push(u8::try_from(symbol.len()).expect("short"));
        body.extend(symbol.as_bytes());
    }
    let mut recorder = Recorder::default();
    let tally = remote_write_2::decode(&body, &mut recorder);
    assert_eq!((tally.accepted, tally.broken), (1, None));
    assert_eq!(recorder.series[0].samples, [Told::at(0, 4.0)]);
}

#[test]
fn histograms_and_start_times_of_version_2_are_read() {
    let mut one = series_2(&[1, 2], 3);
    one.samples[0].start_timestamp = 7;
    one.histograms = vec![NativeHistogram { start_timestamp: 8, ..histogram(Count::Int(3), 1.0) }];
    let (tally, recorder) = decode_2(&request_2(&SYMBOLS, vec![one]));
    assert_eq!((tally.accepted, tally.histograms), (2, 1));
    assert_eq!(recorder.names(), ["up", "up_count", "up_sum"]);
    let starts: Vec<_> =
        recorder.series.iter().map(|series| series.samples[0].started_at).collect();
    assert_eq!(starts, [Some(7 * MS), Some(8 * MS), Some(8 * MS)]);
}

#[test]
fn each_version_finds_nothing_in_the_other() {
    let (tally, _) =
        decode_1_bytes(&request_2(&SYMBOLS, vec![series_2(&[1, 2], 1)]).encode_to_vec());
    assert_eq!(tally, Tally::default());
    let one = vec![series(&[("__name__", "up")], &[(1, 1.0)])];
    let body = v1::WriteRequest { timeseries: one, metadata: Vec::new() }.encode_to_vec();
    let mut recorder = Recorder::default();
    assert_eq!(remote_write_2::decode(&body, &mut recorder), Tally::default());
}

#[test]
fn a_table_with_too_many_symbols_is_refused_whole() {
    let mut body = [0x22, 0].repeat(1_000_001);
    body.extend([0x2a, 4, 0x12, 0, 0x12, 0]);
    let mut recorder = Recorder::default();
    let tally = remote_write_2::decode(&body, &mut recorder);
    assert_eq!(recorder.refused, [(SampleFault::TooManySymbols, 2, 0, String::new())]);
    assert_eq!((tally.seen, tally.broken), (2, Some(SampleFault::TooManySymbols)));
}
