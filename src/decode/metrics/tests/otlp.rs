//! OTLP in both encodings: the example of the specification, and messages that are written twice.

use crate::decode::metrics::otlp::{binary, json};
use crate::decode::metrics::tests::messages::otlp::{
    Any, AnyValue, ArrayValue, Data, ExponentialHistogram, ExponentialPoint, Gauge, Histogram,
    HistogramPoint, KeyValue, KeyValueList, Metric, Number, Request, Resource, ResourceMetrics,
    Scope, ScopeMetrics, Sum, Summary, SummaryPoint, Value, ValueAtQuantile,
};
use crate::decode::metrics::tests::recorder::{Recorder, Series, Told};
use crate::model::sample::{Family, SampleFault, SeriesKind, Tally, Temporality};
use prost::Message;

fn decode_binary(body: &[u8]) -> (Tally, Recorder) {
    let mut recorder = Recorder::default();
    let tally = binary::decode(body, &mut recorder);
    assert_eq!(tally.seen, tally.accepted + tally.rejected);
    assert_eq!(tally.rejected, recorder.lost());
    (tally, recorder)
}

fn decode_json(body: &str) -> (Tally, Recorder) {
    let mut recorder = Recorder::default();
    let tally = json::decode(body.as_bytes(), &mut recorder);
    assert_eq!(tally.seen, tally.accepted + tally.rejected);
    assert_eq!(tally.rejected, recorder.lost());
    (tally, recorder)
}

fn attribute(key: &str, value: Any) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }) }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Any::Text(value.to_owned()))
}

fn any(value: Any) -> AnyValue {
    AnyValue { value: Some(value) }
}

/// A request of one resource (`service.name`, `host`) and one scope.
fn request(metrics: Vec<Metric>) -> Request {
    let attributes = vec![text("service.name", "probe"), text("host", "resource")];
    let scope = Scope { name: "lib".to_owned(), attributes: vec![text("scope", "x")] };
    Request {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(Resource { attributes }),
            scope_metrics: vec![ScopeMetrics { scope: Some(scope), metrics }],
            schema_url: "https://example.org".to_owned(),
        }],
    }
}

fn metric(name: &str, data: Data) -> Metric {
    Metric { name: name.to_owned(), unit: "1".to_owned(), data: Some(data) }
}

fn number(value: Value, attributes: Vec<KeyValue>) -> Number {
    Number { start_time_unix_nano: 5, time_unix_nano: 9, value: Some(value), attributes, flags: 0 }
}

fn gauge(name: &str, points: Vec<Number>) -> Metric {
    metric(name, Data::Gauge(Gauge { data_points: points }))
}

fn counted(value: f64) -> Told {
    Told { started_at: Some(5), ..Told::at(9, value) }
}

const DELTA: i32 = 1;
const CUMULATIVE: i32 = 2;

/// One metric of each form, and every kind of attribute.
fn all_forms() -> Request {
    let nested = Any::Array(ArrayValue {
        values: vec![
            any(Any::Text("a\"b".to_owned())),
            any(Any::Map(KeyValueList { values: vec![attribute("k", Any::Double(0.5))] })),
            any(Any::Bytes(vec![1, 2, 3])),
            AnyValue { value: None },
        ],
    });
    let attributes = vec![
        text("host", "point"),
        attribute("up", Any::Bool(true)),
        attribute("vlan", Any::Int(-7)),
        attribute("ratio", Any::Double(1.5)),
        attribute("raw", Any::Bytes(b"fo".to_vec())),
        attribute("list", nested),
        KeyValue { key: "none".to_owned(), value: None },
    ];
    let sum = |name: &str, temporality, is_monotonic| {
        let data_points = vec![number(Value::Int(-3), Vec::new())];
        let aggregation_temporality = temporality;
        metric(name, Data::Sum(Sum { data_points, aggregation_temporality, is_monotonic }))
    };
    let histogram = HistogramPoint {
        start_time_unix_nano: 5,
        time_unix_nano: 9,
        count: 4,
        sum: Some(10.0),
        bucket_counts: vec![1, 3],
        explicit_bounds: vec![2.0],
        attributes: vec![text("if", "ge-0/0/1")],
        flags: 0,
        max: Some(7.0),
    };
    let without_sum = HistogramPoint { sum: None, ..histogram.clone() };
    let exponential = ExponentialPoint {
        attributes: vec![text("if", "ge-0/0/1")],
        start_time_unix_nano: 5,
        time_unix_nano: 9,
        count: 3,
        sum: Some(1.5),
        scale: -2,
        zero_count: 1,
        flags: 0,
    };
    let summary = SummaryPoint {
        start_time_unix_nano: 5,
        time_unix_nano: 9,
        count: 2,
        sum: 3.0,
        quantile_values: [0.5, 0.99]
            .map(|quantile| ValueAtQuantile { quantile, value: quantile * 2.0 })
            .to_vec(),
        attributes: vec![text("if", "ge-0/0/1")],
        flags: 0,
    };
    let aggregation_temporality = DELTA;
    request(vec![
        gauge("temp", vec![number(Value::Double(21.5), attributes)]),
        sum("in", CUMULATIVE, true),
        sum("out", DELTA, true),
        sum("queue", CUMULATIVE, false),
        metric(
            "rtt",
            Data::Histogram(Histogram {
                data_points: vec![histogram, without_sum],
                aggregation_temporality,
            }),
        ),
        metric(
            "exp",
            Data::ExponentialHistogram(ExponentialHistogram {
                data_points: vec![exponential],
                aggregation_temporality: CUMULATIVE,
            }),
        ),
        metric("sla", Data::Summary(Summary { data_points: vec![summary] })),
    ])
}

#[test]
fn every_form_is_given_as_series() {
    let (tally, recorder) = decode_binary(&all_forms().encode_to_vec());
    assert_eq!((tally.accepted, tally.rejected, tally.histograms), (8, 0, 3));
    let expected = [
        "temp",
        "in",
        "out",
        "queue",
        "rtt_count",
        "rtt_sum",
        "rtt_count",
        "exp_count",
        "exp_sum",
        "sla_count",
        "sla_sum",
        "sla",
        "sla",
    ];
    assert_eq!(recorder.names(), expected);
    let kinds: Vec<SeriesKind> = recorder.series.iter().map(|series| series.kind).collect();
    let (delta, cumulative) = (Temporality::Delta, Temporality::Cumulative);
    let expected = [
        SeriesKind::GAUGE,
        SeriesKind::monotonic(Family::Sum, cumulative),
        SeriesKind::monotonic(Family::Sum, delta),
        SeriesKind::new(Family::Sum, cumulative),
        SeriesKind::monotonic(Family::Histogram, delta),
        SeriesKind::new(Family::Histogram, delta),
        SeriesKind::monotonic(Family::Histogram, delta),
        SeriesKind::monotonic(Family::Histogram, cumulative),
        SeriesKind::new(Family::Histogram, cumulative),
        SeriesKind::monotonic(Family::Summary, cumulative),
        SeriesKind::new(Family::Summary, cumulative),
        SeriesKind::new(Family::Summary, Temporality::Instant),
        SeriesKind::new(Family::Summary, Temporality::Instant),
    ];
    assert_eq!(kinds, expected);
    let values: Vec<Told> = recorder.series.iter().map(|series| series.samples[0]).collect();
    let expected = [21.5, -3.0, -3.0, -3.0, 4.0, 10.0, 4.0, 3.0, 1.5, 2.0, 3.0, 1.0, 1.98];
    assert_eq!(values, expected.map(counted));
    assert_eq!(
        (recorder.series[11].get("quantile"), recorder.series[12].get("quantile")),
        ("0.5", "0.99")
    );
    assert_eq!(
        (recorder.series[10].get("quantile"), recorder.series[4].get("if")),
        ("absent", "ge-0/0/1")
    );
}

#[test]
fn labels_are_name_then_point_then_resource() {
    let (_, recorder) = decode_binary(&all_forms().encode_to_vec());
    let labels: Vec<_> = recorder.series[0]
        .labels
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let expected = [
        ("__name__", "temp"),
        ("host", "point"),
        ("up", "true"),
        ("vlan", "-7"),
        ("ratio", "1.5"),
        ("raw", "Zm8="),
        ("list", "[\"a\\\"b\",{\"k\":0.5},\"AQID\",null]"),
        ("none", ""),
        ("service.name", "probe"),
    ];
    assert_eq!(labels, expected);
    assert_eq!(recorder.series[1].get("host"), "resource");
}

/// The same request as a sender of OTLP/JSON writes it: keys in another order, numbers as strings
/// and as numbers, texts with escapes, keys that nobody knows.
const ALL_FORMS: &str = r#"{"unknown": [1, {"a": null}], "resourceMetrics": [{
  "scopeMetrics": [{"metrics": [
    {"gauge": {"dataPoints": [{"asDouble": 21.5, "timeUnixNano": "9", "startTimeUnixNano": 5,
      "attributes": [
        {"value": {"stringValue": "point"}, "key": "host"},
        {"key": "up", "value": {"boolValue": true}},
        {"key": "vlan", "value": {"intValue": "-7"}},
        {"key": "ratio", "value": {"doubleValue": 1.5}},
        {"key": "raw", "value": {"bytesValue": "Zm8="}},
        {"key": "list", "value": {"arrayValue": {"values": [{"stringValue": "a\"b"},
          {"kvlistValue": {"values": [{"key": "k", "value": {"doubleValue": 0.5}}]}},
          {"bytesValue": "AQID"}, {}]}}},
        {"key": "none"}]}]}, "name": "t\u0065mp", "unit": "1"},
    {"name": "in", "sum": {"aggregationTemporality": 2, "isMonotonic": true,
      "dataPoints": [{"asInt": "-3", "timeUnixNano": 9, "startTimeUnixNano": "5"}]}},
    {"name": "out", "sum": {"isMonotonic": true, "aggregationTemporality": 1,
      "dataPoints": [{"asInt": -3, "timeUnixNano": 9, "startTimeUnixNano": "5"}]}},
    {"name": "queue", "sum": {"aggregationTemporality": 2,
      "dataPoints": [{"asInt": "-3", "timeUnixNano": 9, "startTimeUnixNano": "5"}]}},
    {"name": "rtt", "histogram": {"aggregationTemporality": 1, "dataPoints": [
      {"count": "4", "sum": 10, "timeUnixNano": "9", "startTimeUnixNano": "5", "max": 7,
       "bucketCounts": ["1", "3"], "explicitBounds": [2],
       "attributes": [{"key": "if", "value": {"stringValue": "ge-0/0/1"}}]},
      {"count": 4, "timeUnixNano": "9", "startTimeUnixNano": "5",
       "attributes": [{"key": "if", "value": {"stringValue": "ge-0\/0/1"}}]}]}},
    {"name": "exp", "exponentialHistogram": {"aggregationTemporality": 2, "dataPoints": [
      {"count": "3", "sum": 1.5, "timeUnixNano": "9", "startTimeUnixNano": "5", "scale": -2,
       "zeroCount": "1", "positive": {"offset": 1, "bucketCounts": ["2"]},
       "attributes": [{"key": "if", "value": {"stringValue": "ge-0/0/1"}}]}]}},
    {"name": "sla", "summary": {"dataPoints": [
      {"count": "2", "sum": 3, "timeUnixNano": "9", "startTimeUnixNano": "5",
       "quantileValues": [{"quantile": 0.5, "value": 1}, {"quantile": 0.99, "value": 1.98}],
       "attributes": [{"key": "if", "value": {"stringValue": "ge-0/0/1"}}]}]}}
  ], "scope": {"name": "lib", "attributes": [{"key": "scope", "value": {"stringValue": "x"}}]}}],
  "schemaUrl": "https://example.org",
  "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "probe"}},
    {"key": "host", "value": {"stringValue": "resource"}}]}}]}"#;

#[test]
fn both_encodings_give_the_same_series() {
    let (tally, binary) = decode_binary(&all_forms().encode_to_vec());
    let (json_tally, json) = decode_json(ALL_FORMS);
    assert_eq!(json.refused, []);
    assert_eq!(json.series, binary.series);
    assert_eq!(json_tally, tally);
}

#[test]
fn the_example_of_the_specification_is_accepted() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpora/otlp/metrics.json");
    let body = std::fs::read_to_string(path).expect("the example is there");
    let (tally, recorder) = decode_json(&body);
    assert_eq!((tally.accepted, tally.rejected, tally.histograms), (4, 0, 2));
    let expected = [
        "my.counter",
        "my.gauge",
        "my.histogram_count",
        "my.histogram_sum",
        "my.exponential.histogram_count",
        "my.exponential.histogram_sum",
    ];
    assert_eq!(recorder.names(), expected);
    let at = 1_544_712_660_300_000_000;
    let [counter, gauge, ..] = &recorder.series[..] else { panic!("series") };
    assert_eq!(counter.samples, [Told { started_at: Some(at), ..Told::at(at, 5.0) }]);
    assert_eq!(counter.kind, SeriesKind::monotonic(Family::Sum, Temporality::Delta));
    assert_eq!(counter.get("my.counter.attr"), "some value");
    assert_eq!(counter.get("service.name"), "my.service");
    assert_eq!(counter.get("my.scope.attribute"), "absent");
    assert_eq!(gauge.samples, [Told::at(at, 10.0)]);
}

#[test]
fn a_point_without_a_recorded_value_is_stale() {
    let mut silent = number(Value::Double(1.0), Vec::new());
    silent.flags = 1;
    let empty = Number { value: None, ..silent.clone() };
    let missing = Number { flags: 0, ..empty.clone() };
    let marker = number(Value::Double(f64::from_bits(0x7ff0_0000_0000_0002)), Vec::new());
    let body = request(vec![gauge("g", vec![silent, empty, missing, marker])]).encode_to_vec();
    let (tally, recorder) = decode_binary(&body);
    assert_eq!((tally.accepted, tally.rejected), (3, 1));
    assert_eq!(recorder.faults(), [SampleFault::ValueMissing]);
    assert!(recorder.series.iter().all(|series| series.samples[0].bits.is_none()));
    let (_, recorder) = decode_json(
        r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"g","gauge":{"dataPoints":[
        {"flags":1},{"flags":0},{"asDouble":"NaN"},{"asDouble":"-Infinity"}]}}]}]}]}"#,
    );
    assert_eq!(recorder.faults(), [SampleFault::ValueMissing]);
    let told: Vec<Told> = recorder.series.iter().map(|series| series.samples[0]).collect();
    assert_eq!(told[0], Told { at: None, started_at: None, bits: None });
    assert!(told[1].value().is_nan() && told[2].value().is_infinite());
}

#[test]
fn a_fault_costs_one_point() {
    let value = || Value::Int(1);
    let deep =
        (0..9).fold(Any::Int(1), |inner, _| Any::Array(ArrayValue { values: vec![any(inner)] }));
    let late = Number { time_unix_nano: u64::MAX, ..number(value(), Vec::new()) };
    let points = vec![
        number(value(), vec![text("a", "1"), text("a", "2")]),
        number(value(), vec![text("", "1")]),
        number(value(), vec![text("a", &"x".repeat(70_000))]),
        number(value(), vec![attribute("a", deep)]),
        number(value(), vec![text("__name__", "other")]),
        late,
        number(value(), vec![text("a", "good")]),
    ];
    let (tally, recorder) = decode_binary(&request(vec![gauge("g", points)]).encode_to_vec());
    let expected = [
        SampleFault::DuplicateLabel,
        SampleFault::LabelNameEmpty,
        SampleFault::LabelTooLong,
        SampleFault::NestingTooDeep,
        SampleFault::DuplicateLabel,
        SampleFault::TimestampOutOfRange,
    ];
    assert_eq!(recorder.faults(), expected);
    assert_eq!((tally.accepted, recorder.series[0].get("a")), (1, "good"));
    assert!(
        recorder
            .refused
            .iter()
            .all(|(_, lost, place, name)| (*lost, *place, name.as_str()) == (1, 1, "g"))
    );
}

#[test]
fn what_is_wrong_with_a_resource_or_a_metric_costs_its_points() {
    let points = |count| (0..count).map(|_| number(Value::Int(1), Vec::new())).collect();
    let mut both = request(vec![gauge("", points(3)), gauge("good", points(1))]);
    let mut twins = both.clone().resource_metrics.remove(0);
    twins.resource = Some(Resource { attributes: vec![text("a", "1"), text("a", "2")] });
    both.resource_metrics.insert(0, twins);
    let (tally, recorder) = decode_binary(&both.encode_to_vec());
    let lost: Vec<_> = recorder.refused.iter().map(|(fault, lost, ..)| (*fault, *lost)).collect();
    assert_eq!(lost, [(SampleFault::DuplicateLabel, 4), (SampleFault::NameMissing, 3)]);
    assert_eq!((tally.seen, recorder.names()), (8, vec!["good"]));

    let (tally, recorder) = decode_json(
        r#"{"resourceMetrics":[
        {"resource":{"attributes":[{"key":"a"},{"key":"a"}]},
         "scopeMetrics":[{"metrics":[{"name":"lost","gauge":{"dataPoints":[{"asInt":1}]}}]}]},
        {"scopeMetrics":[{"metrics":[{"gauge":{"dataPoints":[{"asInt":1},{"asInt":2}]}},
          {"name":7,"gauge":{"dataPoints":[{"asInt":1}]}},
          {"name":"g","gauge":{"dataPoints":[{"asInt":"x"},{"asInt":1.5},{"asDouble":1e999},3,
            {"asInt":1,"attributes":{}},{"asInt":1,"attributes":[{"key":"\ud800"}]},
            {"asInt":1,"asInt":2},{"asInt":4}]}}]}]}]}"#,
    );
    let invalid = SampleFault::ValueInvalid;
    let form = SampleFault::BadEncoding;
    let missing = SampleFault::NameMissing;
    let expected = [
        SampleFault::DuplicateLabel,
        missing,
        missing,
        form,
        invalid,
        invalid,
        SampleFault::ValueOutOfRange,
        form,
        form,
        SampleFault::NotUtf8,
        form,
    ];
    assert_eq!(recorder.faults(), expected);
    assert_eq!((tally.seen, tally.accepted, recorder.names()), (12, 1, vec!["g"]));
    assert_eq!(recorder.refused[0].3, "lost");
}

#[test]
fn what_a_cut_message_lost_is_counted() {
    let points = (0..5).map(|_| number(Value::Int(1), Vec::new())).collect();
    let body = request(vec![
        gauge("first", vec![number(Value::Int(1), Vec::new())]),
        gauge("second", points),
    ])
    .encode_to_vec();
    let (tally, recorder) = decode_binary(&body[..body.len() - 30]);
    // The length of the outermost message is wrong, so that nothing inside can be believed.
    assert_eq!((tally.seen, tally.rejected), (6, 6));
    assert_eq!(tally.broken, Some(SampleFault::Truncated));
    assert_eq!(recorder.faults(), [SampleFault::Truncated]);

    let (tally, recorder) = decode_json(&ALL_FORMS[..ALL_FORMS.len() - 2]);
    assert_eq!((tally.seen, tally.broken), (1, Some(SampleFault::NotJson)));
    assert_eq!(recorder.series, Vec::<Series>::new());
    let mut recorder = Recorder::default();
    let tally = json::decode(b"{\"a\": \"\xff\"}", &mut recorder);
    assert_eq!(tally.broken, Some(SampleFault::NotUtf8));
}

#[test]
fn a_body_without_points_is_no_fault() {
    for body in ["{}", "{\"resourceMetrics\":[]}", "{\"resourceMetrics\":null}"] {
        assert_eq!(decode_json(body).0, Tally::default(), "{body}");
    }
    assert_eq!(decode_binary(&[]).0, Tally::default());
    let empty = Metric { name: "m".to_owned(), unit: String::new(), data: None };
    assert_eq!(decode_binary(&request(vec![empty]).encode_to_vec()).0, Tally::default());
}

#[test]
fn deep_nesting_is_no_recursion() {
    let body = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    assert_eq!(decode_json(&body).0.broken, Some(SampleFault::BadEncoding));
    let body = format!("{{\"x\":{body},\"resourceMetrics\":{body}}}");
    let (tally, _) = decode_json(&body);
    assert_eq!((tally.accepted, tally.rejected), (0, 1));
}

#[test]
fn points_of_two_octets_do_not_repeat_long_labels_without_end() {
    let points = vec![Number { value: Some(Value::Int(1)), ..Number::default() }; 2_000];
    let mut body = request(vec![gauge("g", points)]);
    let attributes = vec![text("long", &"x".repeat(60_000))];
    body.resource_metrics[0].resource = Some(Resource { attributes });
    let (tally, recorder) = decode_binary(&body.encode_to_vec());
    assert_eq!(tally.seen, 2_000);
    assert!((100..500).contains(&tally.accepted), "{tally:?}");
    let fault = SampleFault::LabelsOutOfProportion;
    assert!(recorder.faults().iter().all(|found| *found == fault));
}

#[test]
fn a_summary_whose_labels_leave_no_room_for_its_quantiles_is_rejected_whole() {
    let quantile_values = vec![ValueAtQuantile { quantile: 0.5, value: 1.0 }];
    let point = |attributes| SummaryPoint {
        quantile_values: quantile_values.clone(),
        attributes,
        ..SummaryPoint::default()
    };
    let many = (0..200).map(|number| text(&format!("l{number}"), "")).take(125).collect();
    let data_points = vec![
        point(vec![text("quantile", "0.5")]),
        point(many),
        point(vec![text("a", &"x".repeat(65_400))]),
    ];
    let metric = metric("sla", Data::Summary(Summary { data_points }));
    let (tally, recorder) = decode_binary(&request(vec![metric]).encode_to_vec());
    let expected =
        [SampleFault::DuplicateLabel, SampleFault::TooManyLabels, SampleFault::LabelTooLong];
    assert_eq!((tally.accepted, recorder.faults()), (0, expected.to_vec()));
    assert_eq!(recorder.series, Vec::<Series>::new());
}

#[test]
fn a_list_of_short_numbers_that_are_long_texts_takes_little_memory() {
    let smallest = f64::from_bits(1);
    let values = vec![any(Any::Double(smallest)); 100_000];
    let list = attribute("list", Any::Array(ArrayValue { values }));
    let body = request(vec![gauge("g", vec![number(Value::Int(1), vec![list])])]);
    let (_, recorder) = decode_binary(&body.encode_to_vec());
    assert_eq!(recorder.faults(), [SampleFault::LabelTooLong]);
    let element = r#"{"doubleValue":5e-324}"#;
    let (_, recorder) = decode_json(&format!(
        "{{\"resourceMetrics\":[{{\"scopeMetrics\":[{{\"metrics\":[{{\"name\":\"g\",\"gauge\":\
         {{\"dataPoints\":[{{\"asInt\":1,\"attributes\":[{{\"key\":\"list\",\"value\":{{\
         \"arrayValue\":{{\"values\":[{element}{}]}}}}}}]}}]}}}}]}}]}}]}}",
        format!(",{element}").repeat(1_000)
    ));
    assert_eq!(recorder.faults(), [SampleFault::LabelTooLong]);
}

#[test]
fn a_field_of_another_type_than_its_own_is_told() {
    // A metric whose sum is a number; a sum whose points are a number; a request of a number.
    let wrap = |field: u8, content: &[u8]| {
        [&[field << 3 | 2, u8::try_from(content.len()).expect("short")], content].concat()
    };
    let in_metric = wrap(1, &wrap(2, &wrap(2, &[0x0a, 1, b'm', 0x38, 5])));
    let in_sum = wrap(1, &wrap(2, &wrap(2, &[0x0a, 1, b'm', 0x3a, 2, 0x08, 5])));
    for (body, name) in [(in_metric, "m"), (in_sum, "m"), (vec![0x08, 5], "")] {
        let (tally, recorder) = decode_binary(&body);
        let told = &recorder.refused[..];
        assert!(
            matches!(told, [(SampleFault::BadEncoding, 1, _, found)] if found == name),
            "{told:?} of {body:02x?}"
        );
        assert_eq!((tally.seen, tally.accepted), (1, 0));
    }
}
