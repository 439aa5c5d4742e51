//! Properties of all decoders: nothing panics, the account is right, and where prost can read a
//! message, however damaged, both read the same.

use crate::decode::metrics::line_protocol::Precision;
use crate::decode::metrics::otlp::{binary, json};
use crate::decode::metrics::tests::messages::{Count, NativeHistogram, otlp, v1, v2};
use crate::decode::metrics::tests::recorder::{Recorder, Series, Told};
use crate::decode::metrics::{line_protocol, remote_write_1, remote_write_2};
use crate::model::sample::{
    Family, Rejection, Sample, SampleFault, Samples, SeriesKind, Tally, Temporality,
};
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;
use serde_json::json;
use std::collections::BTreeSet;

/// A blow to a message.
#[derive(Clone, Debug)]
enum Blow {
    Cut(prop::sample::Index),
    Set(prop::sample::Index, u8),
    Insert(prop::sample::Index, u8),
    Remove(prop::sample::Index),
}

fn blows() -> impl Strategy<Value = Vec<Blow>> {
    let place = any::<prop::sample::Index>;
    let octet =
        || prop_oneof![any::<u8>(), prop::sample::select(&[0, 1, 8, 0x0a, 0x7f, 0x80, 0xff][..])];
    let blow = prop_oneof![
        1 => place().prop_map(Blow::Cut),
        4 => (place(), octet()).prop_map(|(at, octet)| Blow::Set(at, octet)),
        2 => (place(), octet()).prop_map(|(at, octet)| Blow::Insert(at, octet)),
        2 => place().prop_map(Blow::Remove),
    ];
    vec(blow, 0..4)
}

fn damaged(mut bytes: Vec<u8>, blows: &[Blow]) -> Vec<u8> {
    for blow in blows {
        let length = bytes.len();
        match blow {
            _ if length == 0 => {}
            Blow::Cut(at) => bytes.truncate(at.index(length)),
            Blow::Set(at, octet) => bytes[at.index(length)] = *octet,
            Blow::Insert(at, octet) => bytes.insert(at.index(length), *octet),
            Blow::Remove(at) => drop(bytes.remove(at.index(length))),
        }
    }
    bytes
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[a-d]", 4 => Just("__name__".to_owned()), 1 => "", 1 => "[a-zé]{1,9}"]
}

fn time_ms() -> impl Strategy<Value = i64> {
    prop_oneof![8 => 0..2_000_000_000_000_i64, 1 => any::<i64>()]
}

fn value() -> impl Strategy<Value = f64> {
    let stale = f64::from_bits(0x7ff0_0000_0000_0002);
    prop_oneof![8 => any::<f64>(), 1 => Just(stale), 1 => Just(f64::NAN)]
}

prop_compose! {
    fn native()(
        count in prop::option::of(prop_oneof![
            any::<u64>().prop_map(Count::Int), any::<f64>().prop_map(Count::Float)
        ]),
        sum in value(), positive_deltas in vec(any::<i64>(), 0..3), reset_hint in 0..5,
        timestamp in time_ms(), start_timestamp in prop_oneof![Just(0), time_ms()],
    ) -> NativeHistogram {
        NativeHistogram {
            count, sum, schema: 1, positive_deltas, reset_hint, timestamp, start_timestamp,
        }
    }
}

prop_compose! {
    fn series_1()(
        labels in vec((name(), "[a-zé]{0,5}"), 0..5),
        samples in vec((value(), time_ms()), 0..4),
        histograms in vec(native(), 0..2),
    ) -> v1::TimeSeries {
        v1::TimeSeries {
            labels: labels.into_iter().map(|(name, value)| v1::Label { name, value }).collect(),
            samples: samples.into_iter()
                .map(|(value, timestamp)| v1::Sample { value, timestamp }).collect(),
            exemplars: Vec::new(),
            histograms,
        }
    }
}

prop_compose! {
    fn series_2()(
        labels_refs in vec(prop_oneof![8 => 0..9_u32, 1 => any::<u32>()], 0..7),
        samples in vec((value(), time_ms(), prop_oneof![Just(0), time_ms()]), 0..4),
        histograms in vec(native(), 0..2),
        kind in prop::option::of(0..9),
    ) -> v2::TimeSeries {
        v2::TimeSeries {
            labels_refs,
            samples: samples.into_iter().map(|(value, timestamp, start_timestamp)| {
                v2::Sample { value, timestamp, start_timestamp }
            }).collect(),
            histograms,
            metadata: kind.map(|kind| v2::Metadata { kind, help_ref: 0 }),
        }
    }
}

/// What should come of a request, computed from the structures of prost.
#[derive(Default)]
struct Expected {
    series: Vec<Series>,
    seen: u64,
    rejected: u64,
}

fn at_ms(milliseconds: i64) -> Option<i64> {
    milliseconds.checked_mul(1_000_000)
}

/// Values are compared by their bits; the stale marker has none.
fn bits(value: f64) -> Option<u64> {
    Some(value.to_bits()).filter(|bits| *bits != 0x7ff0_0000_0000_0002)
}

impl Expected {
    fn add(
        &mut self,
        labels: Option<Vec<(String, String)>>,
        kind: SeriesKind,
        samples: Vec<Option<Told>>,
        histograms: &[NativeHistogram],
    ) {
        let total = u64::try_from(samples.len() + histograms.len()).expect("few");
        self.seen += total;
        let is_right = |labels: &Vec<(String, String)>| {
            let names: BTreeSet<_> = labels.iter().map(|(name, _)| name.as_str()).collect();
            let metric = labels.iter().find(|(name, _)| name == "__name__");
            names.len() == labels.len()
                && !names.contains("")
                && metric.is_some_and(|(_, value)| !value.is_empty())
        };
        let Some(labels) = labels.filter(is_right) else {
            self.rejected += total;
            return;
        };
        if !samples.is_empty() {
            let bad = samples.iter().filter(|sample| sample.is_none()).count();
            self.rejected += u64::try_from(bad).expect("few");
            let samples = samples.into_iter().flatten().collect();
            self.series.push(Series { labels: labels.clone(), kind, samples });
        }
        for histogram in histograms {
            self.add_histogram(&labels, histogram);
        }
    }

    fn add_histogram(&mut self, labels: &[(String, String)], histogram: &NativeHistogram) {
        let started_at = match histogram.start_timestamp {
            0 => Some(None),
            set => at_ms(set).map(Some),
        };
        let (Some(at), Some(started_at)) = (at_ms(histogram.timestamp), started_at) else {
            self.rejected += 1;
            return;
        };
        let count = match histogram.count {
            None => 0.0,
            Some(Count::Int(count)) => count.to_string().parse().expect("a number"),
            Some(Count::Float(count)) => count,
        };
        let is_gauge = histogram.reset_hint == 3;
        let temporality = if is_gauge { Temporality::Instant } else { Temporality::Cumulative };
        let sum = bits(histogram.sum);
        let count = sum.and(Some(count.to_bits()));
        for (suffix, bits) in [("_count", count), ("_sum", sum)] {
            let labels = labels.iter().cloned().map(|(name, mut value)| {
                if name == "__name__" {
                    value.push_str(suffix);
                }
                (name, value)
            });
            let mut kind = SeriesKind::new(Family::Histogram, temporality);
            kind.is_monotonic = suffix == "_count" && !is_gauge;
            let samples = vec![Told { at: Some(at), started_at, bits }];
            self.series.push(Series { labels: labels.collect(), kind, samples });
        }
    }

    fn of_1(request: &v1::WriteRequest) -> Self {
        let mut expected = Self::default();
        for series in &request.timeseries {
            let labels = series.labels.iter();
            let labels = labels.map(|label| (label.name.clone(), label.value.clone())).collect();
            let samples = series.samples.iter().map(|sample| {
                let at = Some(at_ms(sample.timestamp)?);
                Some(Told { at, started_at: None, bits: bits(sample.value) })
            });
            let samples = samples.collect();
            expected.add(Some(labels), SeriesKind::UNTOLD, samples, &series.histograms);
        }
        expected
    }

    fn of_2(request: &v2::Request) -> Self {
        let mut expected = Self::default();
        for series in &request.timeseries {
            let symbol = |reference: &u32| {
                request.symbols.get(usize::try_from(*reference).expect("64 bits")).cloned()
            };
            let labels = series.labels_refs.chunks(2).map(|pair| match pair {
                [name, value] => Some((symbol(name)?, symbol(value)?)),
                _ => None,
            });
            let samples = series.samples.iter().map(|sample| {
                let started_at = match sample.start_timestamp {
                    0 => None,
                    set => Some(at_ms(set)?),
                };
                let at = Some(at_ms(sample.timestamp)?);
                Some(Told { at, started_at, bits: bits(sample.value) })
            });
            let cumulative = Temporality::Cumulative;
            let kind = match series.metadata.as_ref().map_or(0, |metadata| metadata.kind) {
                1 => SeriesKind::monotonic(Family::Sum, cumulative),
                2 | 6 | 7 => SeriesKind::GAUGE,
                3 => SeriesKind::new(Family::Histogram, cumulative),
                4 => SeriesKind::new(Family::Histogram, Temporality::Instant),
                5 => SeriesKind::new(Family::Summary, Temporality::Untold),
                _ => SeriesKind::UNTOLD,
            };
            let samples = samples.collect();
            expected.add(labels.collect(), kind, samples, &series.histograms);
        }
        expected
    }

    fn check(self, tally: Tally, recorder: &Recorder) {
        let refused: Vec<_> = recorder.refused.iter().map(|(fault, ..)| fault).collect();
        assert_eq!(recorder.series, self.series, "{refused:?}");
        assert_eq!((tally.seen, tally.rejected), (self.seen, self.rejected), "{refused:?}");
        assert_eq!(tally.broken, None);
    }
}

/// What holds whatever the body is.
fn check_account(tally: Tally, recorder: &Recorder) {
    assert_eq!(tally.seen, tally.accepted + tally.rejected, "{tally:?}");
    assert_eq!(tally.rejected, recorder.lost(), "{tally:?}");
    assert!(tally.histograms <= tally.accepted, "{tally:?}");
}

/// Whether our reader met something that it refuses and prost may not: groups.
fn has_foreign_wire_type(recorder: &Recorder, tally: Tally) -> bool {
    let bad = SampleFault::BadEncoding;
    tally.broken == Some(bad) || recorder.faults().contains(&bad)
}

prop_compose! {
    fn otlp_point()(
        value in prop::option::of(prop_oneof![
            value().prop_map(otlp::Value::Double), any::<i64>().prop_map(otlp::Value::Int)
        ]),
        attributes in vec((name(), "[a-zé]{0,5}"), 0..4),
        flags in 0..3_u32, time_unix_nano in prop_oneof![4 => 0..1_u64 << 62, 1 => any::<u64>()],
    ) -> otlp::Number {
        let attributes = attributes.into_iter().map(|(key, value)| {
            let value = Some(otlp::AnyValue { value: Some(otlp::Any::Text(value)) });
            otlp::KeyValue { key, value }
        }).collect();
        otlp::Number { start_time_unix_nano: 0, time_unix_nano, value, attributes, flags }
    }
}

/// Requests of gauges and sums, and the number of their points.
fn otlp_request() -> impl Strategy<Value = (otlp::Request, u64)> {
    let metric =
        (name(), vec(otlp_point(), 0..4), any::<bool>()).prop_map(|(name, data_points, is_sum)| {
            let data = if is_sum {
                let sum = otlp::Sum { data_points, aggregation_temporality: 1, is_monotonic: true };
                otlp::Data::Sum(sum)
            } else {
                otlp::Data::Gauge(otlp::Gauge { data_points })
            };
            otlp::Metric { name, unit: String::new(), data: Some(data) }
        });
    let scope = vec(metric, 0..4).prop_map(|metrics| otlp::ScopeMetrics { scope: None, metrics });
    vec(vec(scope, 0..3), 0..3).prop_map(|resources| {
        let points = |metric: &otlp::Metric| match &metric.data {
            Some(otlp::Data::Gauge(gauge)) => gauge.data_points.len(),
            Some(otlp::Data::Sum(sum)) => sum.data_points.len(),
            _ => 0,
        };
        let scopes = resources.iter().flatten();
        let all: usize = scopes.flat_map(|scope| scope.metrics.iter().map(points)).sum();
        let resource_metrics = resources
            .into_iter()
            .map(|scope_metrics| otlp::ResourceMetrics {
                resource: None,
                scope_metrics,
                schema_url: String::new(),
            })
            .collect();
        (otlp::Request { resource_metrics }, u64::try_from(all).expect("few"))
    })
}

/// The same request in JSON; what JSON cannot say, the bits of a NaN, is left out of it.
fn in_json(request: &otlp::Request) -> serde_json::Value {
    let point = |point: &otlp::Number| {
        let attributes = point.attributes.iter().map(|pair| {
            let value = match pair.value.as_ref().and_then(|any| any.value.as_ref()) {
                Some(otlp::Any::Text(text)) => json!({ "stringValue": text }),
                _ => json!({}),
            };
            json!({ "key": pair.key, "value": value })
        });
        let mut written = json!({
            "timeUnixNano": point.time_unix_nano.to_string(),
            "flags": point.flags,
            "attributes": attributes.collect::<Vec<_>>(),
        });
        match point.value {
            Some(otlp::Value::Int(value)) => written["asInt"] = json!(value.to_string()),
            Some(otlp::Value::Double(value)) if value.is_finite() => {
                written["asDouble"] = json!(value);
            }
            Some(otlp::Value::Double(value)) => {
                let words = if value < 0.0 { "-Infinity" } else { "Infinity" };
                written["asDouble"] = json!(words);
            }
            None => {}
        }
        written
    };
    let metric = |metric: &otlp::Metric| match &metric.data {
        Some(otlp::Data::Sum(sum)) => json!({ "name": metric.name, "sum": {
            "dataPoints": sum.data_points.iter().map(point).collect::<Vec<_>>(),
            "aggregationTemporality": sum.aggregation_temporality,
            "isMonotonic": sum.is_monotonic,
        } }),
        Some(otlp::Data::Gauge(gauge)) => json!({ "name": metric.name, "gauge": {
            "dataPoints": gauge.data_points.iter().map(point).collect::<Vec<_>>(),
        } }),
        _ => json!({ "name": metric.name }),
    };
    let resources = request.resource_metrics.iter().map(|resource| {
        let scopes = resource.scope_metrics.iter().map(
            |scope| json!({ "metrics": scope.metrics.iter().map(metric).collect::<Vec<_>>() }),
        );
        json!({ "scopeMetrics": scopes.collect::<Vec<_>>() })
    });
    json!({ "resourceMetrics": resources.collect::<Vec<_>>() })
}

/// Makes every NaN a number, for the comparison with JSON.
fn without_nan(request: &mut otlp::Request) {
    let scopes = request.resource_metrics.iter_mut().flat_map(|one| &mut one.scope_metrics);
    for metric in scopes.flat_map(|scope| &mut scope.metrics) {
        let points = match &mut metric.data {
            Some(otlp::Data::Sum(sum)) => &mut sum.data_points,
            Some(otlp::Data::Gauge(gauge)) => &mut gauge.data_points,
            _ => continue,
        };
        for point in points {
            if matches!(point.value, Some(otlp::Value::Double(value)) if value.is_nan()) {
                point.value = Some(otlp::Value::Double(0.5));
            }
        }
    }
}

/// Lines of which most are right.
fn lines() -> impl Strategy<Value = String> {
    let part = prop::sample::select(
        &[
            "m",
            "cpu,host=pe1",
            "a\\ b,t=\\,",
            " ",
            " ",
            "v=1",
            "v=1,w=2i",
            "x=t",
            "s=\"a\nb\"",
            "s=\"",
            ",",
            "=",
            "\n",
            "\n",
            "\r\n",
            " 1700000000000000000",
            " -1",
            "#",
            "\\",
            "é",
            "\t",
        ][..],
    );
    vec(part, 0..24).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn remote_write_1_reads_what_prost_reads(
        timeseries in vec(series_1(), 0..4), blows in blows(),
    ) {
        let whole = v1::WriteRequest { timeseries, metadata: Vec::new() }.encode_to_vec();
        let body = damaged(whole, &blows);
        let mut recorder = Recorder::default();
        let tally = remote_write_1::decode(&body, &mut recorder);
        check_account(tally, &recorder);
        if let Ok(request) = v1::WriteRequest::decode(body.as_slice())
            && !has_foreign_wire_type(&recorder, tally)
        {
            Expected::of_1(&request).check(tally, &recorder);
        }
    }

    #[test]
    fn remote_write_2_reads_what_prost_reads(
        timeseries in vec(series_2(), 0..4), blows in blows(),
    ) {
        let symbols = ["", "__name__", "up", "job", "a", "b", "é", "c", ""];
        let symbols = symbols.map(str::to_owned).to_vec();
        let body = damaged(v2::Request { symbols, timeseries }.encode_to_vec(), &blows);
        let mut recorder = Recorder::default();
        let tally = remote_write_2::decode(&body, &mut recorder);
        check_account(tally, &recorder);
        if let Ok(request) = v2::Request::decode(body.as_slice())
            && !has_foreign_wire_type(&recorder, tally)
        {
            Expected::of_2(&request).check(tally, &recorder);
        }
    }

    #[test]
    fn both_encodings_of_otlp_give_the_same((mut request, _) in otlp_request()) {
        without_nan(&mut request);
        let (mut from_binary, mut from_json) = (Recorder::default(), Recorder::default());
        let tally = binary::decode(&request.encode_to_vec(), &mut from_binary);
        let text = in_json(&request).to_string();
        assert_eq!(json::decode(text.as_bytes(), &mut from_json), tally, "{text}");
        assert_eq!(from_json.series, from_binary.series);
    }

    #[test]
    fn otlp_counts_every_point((request, points) in otlp_request(), blows in blows()) {
        let whole = request.encode_to_vec();
        let mut recorder = Recorder::default();
        let tally = binary::decode(&whole, &mut recorder);
        check_account(tally, &recorder);
        assert_eq!((tally.seen, tally.broken), (points, None));
        assert_eq!(u64::try_from(recorder.series.len()).expect("few"), tally.accepted);

        let mut recorder = Recorder::default();
        let tally = binary::decode(&damaged(whole, &blows), &mut recorder);
        check_account(tally, &recorder);
    }

    #[test]
    fn line_protocol_counts_every_field(text in lines(), blows in blows()) {
        for body in [text.clone().into_bytes(), damaged(text.into_bytes(), &blows)] {
            let mut recorder = Recorder::default();
            let tally = line_protocol::decode(&body, Precision::Second, &mut recorder);
            check_account(tally, &recorder);
            assert_eq!(u64::try_from(recorder.series.len()).expect("few"), tally.accepted);
            let lines = body.split(|byte| *byte == b'\n').count();
            let places = recorder.refused.iter().map(|(_, _, place, _)| *place);
            assert!(places.is_sorted() && recorder.refused.iter().all(|refused| {
                (1..=u64::try_from(lines).expect("few")).contains(&refused.2)
            }));
        }
    }

    #[test]
    fn a_line_is_read_the_same_alone_and_among_others(bad in lines()) {
        // What has no quote cannot reach into the lines around it.
        let bad = bad.replace('"', "");
        let body = format!("first v=1 1\n{bad}\nlast v=2 2\n");
        let mut recorder = Recorder::default();
        line_protocol::decode(body.as_bytes(), Precision::Second, &mut recorder);
        assert_eq!(recorder.names().first(), Some(&"first_v"));
        assert_eq!(recorder.names().last(), Some(&"last_v"));
    }

    #[test]
    fn noise_gives_a_tally(body in vec(any::<u8>(), 0..200)) {
        let decoders: [fn(&[u8], &mut Recorder) -> Tally; 5] = [
            |body, to| remote_write_1::decode(body, to),
            |body, to| remote_write_2::decode(body, to),
            |body, to| binary::decode(body, to),
            |body, to| json::decode(body, to),
            |body, to| line_protocol::decode(body, Precision::Hour, to),
        ];
        for decode in decoders {
            let mut recorder = Recorder::default();
            check_account(decode(&body, &mut recorder), &recorder);
        }
    }
}

/// A visitor that only counts.
#[derive(Default)]
struct Counter(u64);

impl Samples for Counter {
    fn series(&mut self, _labels: &crate::model::sample::Labels<'_>, _kind: SeriesKind) {}
    fn sample(&mut self, _sample: Sample) {
        self.0 += 1;
    }
    fn rejected(&mut self, _rejection: &Rejection<'_>) {}
}

#[test]
fn damage_at_every_place_of_a_message_is_survived() {
    let text = |value: &str| otlp::AnyValue { value: Some(otlp::Any::Text(value.to_owned())) };
    let list = otlp::ArrayValue { values: vec![text("a"), text("b")] };
    let value = Some(otlp::AnyValue { value: Some(otlp::Any::Array(list)) });
    let attributes = vec![otlp::KeyValue { key: "k".to_owned(), value }];
    let point = otlp::SummaryPoint {
        quantile_values: vec![otlp::ValueAtQuantile { quantile: 0.5, value: 1.0 }],
        attributes,
        ..otlp::SummaryPoint::default()
    };
    let data = otlp::Data::Summary(otlp::Summary { data_points: vec![point] });
    let metric = otlp::Metric { name: "m".to_owned(), data: Some(data), ..Default::default() };
    let scope = otlp::ScopeMetrics { scope: None, metrics: vec![metric] };
    let resource = otlp::ResourceMetrics { scope_metrics: vec![scope], ..Default::default() };
    let body = otlp::Request { resource_metrics: vec![resource] }.encode_to_vec();
    for place in 0..body.len() {
        for octet in 0..=u8::MAX {
            let mut body = body.clone();
            body[place] = octet;
            let tally = binary::decode(&body, &mut Counter::default());
            assert_eq!(tally.seen, tally.accepted + tally.rejected);
        }
    }
}
