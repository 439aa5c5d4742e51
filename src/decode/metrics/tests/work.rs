//! What a body of hostile form can cost: the work that its visitor is given is counted, not timed.

use crate::decode::metrics::feed::affordable;
use crate::decode::metrics::line_protocol::{self, Precision};
use crate::decode::metrics::otlp::{binary, json};
use crate::decode::metrics::tests::messages::{NativeHistogram, otlp, v1, v2};
use crate::decode::metrics::{remote_write_1, remote_write_2};
use crate::model::limits::{
    LABEL_BYTES_EXTRA, LABELS_BYTES_FREE, LABELS_BYTES_OF_BODY_MAX, METRICS_BODY_BYTES_MAX,
};
use crate::model::sample::{Labels, Rejection, Sample, SampleFault, Samples, SeriesKind, Tally};
use prost::Message;
use serde_json::json;
use std::collections::BTreeSet;

/// A visitor that weighs what it has to look at.
#[derive(Default)]
struct Scales {
    label_bytes: usize,
    labels: usize,
    faults: BTreeSet<SampleFault>,
}

impl Samples for Scales {
    fn series(&mut self, labels: &Labels<'_>, _kind: SeriesKind) {
        self.labels += labels.iter().len();
        self.label_bytes +=
            labels.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
    }

    fn sample(&mut self, _sample: Sample) {}

    fn rejected(&mut self, rejection: &Rejection<'_>) {
        self.faults.insert(rejection.fault);
    }
}

/// Decodes a body that tells its labels over and over: what is given keeps to the limit, the rest
/// is rejected by name, and every sample is counted.
fn check(what: &str, body: &[u8], samples: u64, decode: impl Fn(&[u8], &mut Scales) -> Tally) {
    let mut scales = Scales::default();
    let tally = decode(body, &mut scales);
    let given = scales.label_bytes + scales.labels * LABEL_BYTES_EXTRA;
    // Suffixes of histograms are not weighed.
    let most = affordable(body.len()) + affordable(body.len()) / 100;
    assert!(given <= most, "{what}: {given} of {most}");
    assert!(given > LABELS_BYTES_FREE, "{what}: the limit is not reached with {given}");
    assert_eq!(tally.seen, samples, "{what}");
    assert_eq!(tally.seen, tally.accepted + tally.rejected, "{what}");
    let expected = BTreeSet::from([SampleFault::LabelsOutOfProportion]);
    assert_eq!(scales.faults, expected, "{what}: {tally:?}");
}

#[test]
fn no_body_makes_more_labels_than_the_limit() {
    assert_eq!(affordable(0), LABELS_BYTES_FREE);
    assert_eq!(affordable(METRICS_BODY_BYTES_MAX), LABELS_BYTES_OF_BODY_MAX);
    assert_eq!(affordable(usize::MAX), LABELS_BYTES_OF_BODY_MAX);
}

#[test]
fn a_long_symbol_in_many_series_is_bounded() {
    let symbols = ["__name__", "m", "a", &"x".repeat(60_000)].map(str::to_owned).to_vec();
    let one = v2::TimeSeries {
        labels_refs: vec![0, 1, 2, 3],
        samples: vec![v2::Sample { value: 1.0, timestamp: 1, start_timestamp: 0 }],
        ..v2::TimeSeries::default()
    };
    let body = v2::Request { symbols, timeseries: vec![one; 10_000] }.encode_to_vec();
    check("one long symbol", &body, 10_000, remote_write_2::decode);
}

#[test]
fn many_short_symbols_in_many_series_are_bounded() {
    let mut symbols: Vec<String> = (0..120).map(|number| format!("{number:03}")).collect();
    symbols.push("__name__".to_owned());
    let mut labels_refs: Vec<u32> = (0..120).flat_map(|symbol| [symbol, 0]).collect();
    labels_refs.extend([120, 0]);
    // A field of its own for each reference would be longer; packed, each is one octet.
    let one = v2::TimeSeries {
        labels_refs,
        samples: vec![v2::Sample { value: 1.0, timestamp: 1, start_timestamp: 0 }],
        ..v2::TimeSeries::default()
    };
    let body = v2::Request { symbols, timeseries: vec![one; 2_000] }.encode_to_vec();
    let mut scales = Scales::default();
    let tally = remote_write_2::decode(&body, &mut scales);
    assert_eq!((tally.seen, tally.rejected), (2_000, 0), "as long as it is in proportion");
    let given = scales.label_bytes + scales.labels * LABEL_BYTES_EXTRA;
    assert!(given > 4 * body.len() && given <= affordable(body.len()), "{given}");
}

#[test]
fn histograms_of_two_octets_in_a_series_of_long_labels_are_bounded() {
    let histogram = NativeHistogram { sum: 1.0, ..NativeHistogram::default() };
    let long = "x".repeat(60_000);
    let label =
        |name: &str, value: &str| v1::Label { name: name.to_owned(), value: value.to_owned() };
    let series = v1::TimeSeries {
        labels: vec![label("__name__", "m"), label("a", &long)],
        histograms: vec![histogram; 5_000],
        ..v1::TimeSeries::default()
    };
    let body = v1::WriteRequest { timeseries: vec![series], metadata: Vec::new() }.encode_to_vec();
    check("histograms", &body, 5_000, remote_write_1::decode);
}

#[test]
fn attributes_of_a_resource_in_many_points_are_bounded() {
    let text = |key: &str, value: &str| otlp::KeyValue {
        key: key.to_owned(),
        value: Some(otlp::AnyValue { value: Some(otlp::Any::Text(value.to_owned())) }),
    };
    let point = otlp::Number { value: Some(otlp::Value::Int(1)), ..otlp::Number::default() };
    let data = otlp::Data::Gauge(otlp::Gauge { data_points: vec![point; 10_000] });
    let metric = otlp::Metric { name: "m".to_owned(), unit: String::new(), data: Some(data) };
    let scope = otlp::ScopeMetrics { scope: None, metrics: vec![metric] };
    let attributes = vec![text("long", &"x".repeat(60_000))];
    let resource = otlp::ResourceMetrics {
        resource: Some(otlp::Resource { attributes }),
        scope_metrics: vec![scope],
        schema_url: String::new(),
    };
    let body = otlp::Request { resource_metrics: vec![resource] }.encode_to_vec();
    check("OTLP", &body, 10_000, binary::decode);

    let attributes = json!([{ "key": "long", "value": { "stringValue": "x".repeat(60_000) } }]);
    let points = vec![json!({ "asInt": 1 }); 10_000];
    let metrics = json!([{ "name": "m", "gauge": { "dataPoints": points } }]);
    let body = json!({ "resourceMetrics": [
        { "resource": { "attributes": attributes }, "scopeMetrics": [{ "metrics": metrics }] }
    ] });
    check("OTLP in JSON", body.to_string().as_bytes(), 10_000, json::decode);
}

#[test]
fn tags_of_a_line_in_many_fields_are_bounded() {
    let decode = |body: &[u8], scales: &mut Scales| {
        line_protocol::decode(body, Precision::Nanosecond, scales)
    };
    let line = format!("m,t={} {}\n", "x".repeat(60_000), vec!["f=1"; 50].join(","));
    let long = format!("m,t={} {}\n", "x".repeat(60_000), vec!["f=1"; 5_000].join(","));
    check("fields", format!("{line}{line}{long}").as_bytes(), 5_100, decode);
    let tags: Vec<String> = (0..120).map(|number| format!("{number}=1")).collect();
    let tags = tags.join(",");
    let short = format!("m,{tags} {}\n", vec!["f=1"; 10_000].join(","));
    let long = format!("m,{tags} {}\n", vec!["f=1"; 2_000].join(","));
    check("tags", format!("{long}{short}").as_bytes(), 12_000, decode);
}

#[test]
fn a_name_behind_its_samples_is_looked_for_once() {
    // A sample that cannot be read, three octets long, so often that to look for the name for each
    // of them would take this test hours.
    let mut series = [0x12, 1, 0x08].repeat(400_000);
    let label = v1::Label { name: "__name__".to_owned(), value: "m".to_owned() };
    let behind = v1::TimeSeries { labels: vec![label], ..v1::TimeSeries::default() };
    series.extend(behind.encode_to_vec());
    let mut body = vec![0x0a];
    prost::encoding::encode_varint(u64::try_from(series.len()).expect("short"), &mut body);
    body.extend(series);
    let mut scales = Scales::default();
    let tally = remote_write_1::decode(&body, &mut scales);
    assert_eq!((tally.seen, tally.rejected), (400_000, 400_000));
    assert_eq!(scales.faults, BTreeSet::from([SampleFault::Truncated]));
}
