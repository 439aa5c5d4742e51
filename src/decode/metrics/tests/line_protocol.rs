//! Line protocol against the public corpus of InfluxData, and what the corpus does not hold.

use crate::decode::metrics::line_protocol::{self, Precision};
use crate::decode::metrics::tests::recorder::{Recorder, Told};
use crate::model::sample::{SampleFault, SeriesKind, Tally};
use serde_json::Value;

fn decode(body: &[u8], precision: Precision) -> (Tally, Recorder) {
    let mut recorder = Recorder::default();
    let tally = line_protocol::decode(body, precision, &mut recorder);
    assert_eq!(tally.seen, tally.accepted + tally.rejected);
    (tally, recorder)
}

fn lines(body: &str) -> (Tally, Recorder) {
    decode(body.as_bytes(), Precision::Nanosecond)
}

fn fault(line: &str) -> Vec<SampleFault> {
    lines(line).1.faults()
}

/// One field in the words of the corpus: measurement, tags by name, key, time, bits of the value.
type Point = (String, Vec<(String, String)>, String, Option<i64>, u64);

fn corpus() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpora/influx/corpus.json");
    let text = std::fs::read_to_string(path).expect("the corpus is there");
    serde_json::from_str(&text).expect("the corpus is JSON")
}

/// A text, or bytes in base64.
fn bytes_of(text: &Value) -> Vec<u8> {
    if let Some(text) = text.as_str() {
        return text.as_bytes().to_vec();
    }
    let encoded = text["binary"].as_str().expect("a text or bytes");
    let mut bits = 0_u32;
    let mut bytes = Vec::new();
    for (place, sign) in encoded.bytes().filter(|sign| *sign != b'=').enumerate() {
        let digit = match sign {
            b'A'..=b'Z' => sign - b'A',
            b'a'..=b'z' => sign - b'a' + 26,
            b'0'..=b'9' => sign - b'0' + 52,
            b'+' => 62,
            _ => 63,
        };
        bits = bits << 6 | u32::from(digit);
        if place % 4 > 0 {
            let shift = 6 - 2 * (place % 4);
            bytes.push(u8::try_from(bits >> shift & 0xff).expect("masked"));
        }
    }
    bytes
}

/// The numbers that the corpus expects; texts are left out.
fn expected(case: &Value) -> Vec<Point> {
    let text = |value: &Value| String::from_utf8(bytes_of(value)).expect("UTF-8");
    let default_time = case["input"]["defaultTime"].as_i64();
    let mut points = Vec::new();
    for point in case["output"]["result"].as_array().expect("results") {
        let mut tags: Vec<_> = point["tags"].as_array().expect("tags").iter().collect();
        tags.sort_by_key(|tag| text(&tag["key"]));
        let tags: Vec<_> =
            tags.iter().map(|tag| (text(&tag["key"]), text(&tag["value"]))).collect();
        for field in point["fields"].as_array().expect("fields") {
            let value = &field["value"];
            let number = match (&value["float"], &value["int"], &value["uint"], &value["bool"]) {
                (Value::Number(number), ..)
                | (_, Value::Number(number), ..)
                | (_, _, Value::Number(number), _) => number.as_f64().expect("a float"),
                (.., Value::Bool(truth)) => f64::from(u8::from(*truth)),
                _ => continue,
            };
            let at = point["time"].as_i64().filter(|at| Some(*at) != default_time);
            let name = text(&point["name"]);
            points.push((name, tags.clone(), text(&field["key"]), at, number.to_bits()));
        }
    }
    points
}

/// What was visited, in the same words.
fn visited(recorder: &Recorder, measurements: &[Point]) -> Vec<Point> {
    let mut points = Vec::new();
    for (series, expected) in recorder.series.iter().zip(measurements) {
        let measurement = &expected.0;
        let key = series.name().strip_prefix(&format!("{measurement}_")).expect("measurement");
        let mut tags = series.labels[1..].to_vec();
        tags.sort();
        let [told] = &series.samples[..] else { panic!("one sample a series") };
        let bits = told.bits.expect("a number");
        points.push((measurement.clone(), tags, key.to_owned(), told.at, bits));
    }
    points
}

#[test]
fn the_corpus_is_accepted_and_refused_as_others_do() {
    let corpus = corpus();
    let cases = corpus["decode"].as_object().expect("cases");
    let mut wrong = Vec::new();
    let (mut accepted, mut refused) = (0, 0);
    for (key, case) in cases {
        let precision = case["input"]["precision"].as_str().expect("a precision");
        let precision = Precision::parse(precision.trim_start_matches('1')).expect("known");
        let body = bytes_of(&case["input"]["text"]);
        let (tally, recorder) = decode(&body, precision);
        let has_fault = recorder.faults().iter().any(|fault| fault.is_senders());
        if case["output"]["error"].is_string() {
            refused += 1;
            if !has_fault {
                wrong.push(format!(
                    "{key}: accepted {tally:?}: {:?}",
                    String::from_utf8_lossy(&body)
                ));
            }
            continue;
        }
        accepted += 1;
        let expected = expected(case);
        if has_fault || recorder.series.len() != expected.len() {
            wrong.push(format!(
                "{key}: {:?} of {:?}",
                recorder.refused,
                String::from_utf8_lossy(&body)
            ));
        } else {
            assert_eq!(visited(&recorder, &expected), expected, "{key}");
        }
    }
    assert!(accepted > 30 && refused > 600, "{accepted} and {refused}");
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_the_corpus_encodes_is_read_back() {
    let corpus = corpus();
    let mut read = 0;
    for case in corpus["encode"].as_object().expect("cases").values() {
        let Some(text) = case["output"].get("result").filter(|text| !text.is_null()) else {
            continue;
        };
        let (_, recorder) = decode(&bytes_of(text), Precision::Nanosecond);
        let faults = recorder.faults();
        assert!(faults.iter().all(|fault| !fault.is_senders()), "{faults:?} of {text}");
        read += 1;
    }
    assert!(read > 0, "the corpus encodes nothing");
}

#[test]
fn every_type_of_field_is_read() {
    let (tally, recorder) = lines(
        "cpu,host=pe1 a=1,b=-2.5e3,c=7i,d=-7i,e=18446744073709551615u,f=t,g=FALSE,h=\"x\" 42",
    );
    assert_eq!((tally.seen, tally.accepted, tally.rejected), (8, 7, 1));
    let expected = [1.0, -2_500.0, 7.0, -7.0, 18_446_744_073_709_551_615.0, 1.0, 0.0];
    let names = ["cpu_a", "cpu_b", "cpu_c", "cpu_d", "cpu_e", "cpu_f", "cpu_g"];
    assert_eq!(recorder.names(), names);
    for (series, value) in recorder.series.iter().zip(expected) {
        assert_eq!(series.samples, [Told::at(42, value)], "{}", series.name());
        assert_eq!((series.get("host"), series.kind), ("pe1", SeriesKind::UNTOLD));
    }
    assert_eq!(recorder.refused, [(SampleFault::TextValue, 1, 1, "cpu".to_owned())]);
    assert!(!SampleFault::TextValue.is_senders());
}

#[test]
fn timestamps_count_in_the_units_of_the_request() {
    for (name, expected) in [
        ("", 3),
        ("ns", 3),
        ("us", 3_000),
        ("u", 3_000),
        ("ms", 3_000_000),
        ("s", 3_000_000_000),
        ("m", 180_000_000_000),
        ("h", 10_800_000_000_000),
    ] {
        let precision = Precision::parse(name).expect("known");
        let (_, recorder) = decode(b"m v=1 3", precision);
        assert_eq!(recorder.series[0].samples[0].at, Some(expected), "{name}");
    }
    assert_eq!(Precision::parse("d"), None);
    let (_, recorder) = decode(b"m v=1 9999999999999", Precision::Second);
    assert_eq!(recorder.faults(), [SampleFault::TimestampOutOfRange]);
    let (_, recorder) = lines("m v=1");
    assert_eq!(recorder.series[0].samples[0].at, None);
}

#[test]
fn escapes_of_names_and_tags_are_resolved() {
    let (_, recorder) = lines("my\\ cpu\\,1=x,a\\=b=c\\ d\\,e,back\\slash=\\\\x us\\ er=1");
    let [series] = &recorder.series[..] else { panic!("one series") };
    let expected = [("__name__", "my cpu,1=x_us er"), ("a=b", "c d,e"), ("back\\slash", "\\\\x")];
    let labels: Vec<_> =
        series.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(labels, expected);
}

#[test]
fn a_bad_line_costs_no_other_and_is_told_by_its_number() {
    let (tally, recorder) = lines(
        "# a comment, with = signs\r\n\r\na v=1 1\r\nb v=x,w=2 2\nc v=3 3\n  \nd,t= v=4\ne v=5",
    );
    assert_eq!(recorder.names(), ["a_v", "c_v", "e_v"]);
    let expected = [
        (SampleFault::ValueInvalid, 2, 4, "b".to_owned()),
        (SampleFault::TagInvalid, 1, 7, "d".to_owned()),
    ];
    assert_eq!(recorder.refused, expected);
    assert_eq!((tally.accepted, tally.rejected, tally.broken), (3, 3, None));
}

#[test]
fn a_quote_that_nobody_closes_costs_its_line_alone() {
    let (_, recorder) = lines("a v=\"open\nb v=1 1\nc v=2");
    assert_eq!(recorder.refused, [(SampleFault::ValueInvalid, 1, 1, "a".to_owned())]);
    assert_eq!(recorder.names(), ["b_v", "c_v"]);
    // The quote of the second line closes that of the first.
    let (_, recorder) = lines("a v=\"open\nb v=\"x\" 1\nc v=2");
    assert_eq!(recorder.faults(), [SampleFault::FieldInvalid, SampleFault::TextValue]);
    assert_eq!(recorder.names(), ["c_v"]);
    // A newline inside of a text is part of it, and lines are counted behind it.
    let (_, recorder) = lines("a v=\"two\nlines\",w=1 5\nb v=x");
    assert_eq!(recorder.names(), ["a_w"]);
    assert_eq!(recorder.refused[1], (SampleFault::ValueInvalid, 1, 3, "b".to_owned()));
}

#[test]
fn every_fault_of_a_line_has_its_name() {
    for (line, expected) in [
        (",t=1 v=1", SampleFault::NameMissing),
        ("\u{1}m v=1", SampleFault::ControlCharacter),
        ("m", SampleFault::FieldMissing),
        ("m,t=1", SampleFault::FieldMissing),
        ("m ", SampleFault::FieldMissing),
        ("m,t v=1", SampleFault::TagInvalid),
        ("m, v=1", SampleFault::TagInvalid),
        ("m,=x v=1", SampleFault::TagInvalid),
        ("m,t=\t v=1", SampleFault::ControlCharacter),
        ("m v", SampleFault::FieldInvalid),
        ("m v=1\"x\"", SampleFault::ValueInvalid),
        ("m v=\"x\"y", SampleFault::FieldInvalid),
        ("m v=", SampleFault::ValueMissing),
        ("m v=,w=1", SampleFault::ValueMissing),
        ("m v=NaN", SampleFault::ValueInvalid),
        ("m v=inf", SampleFault::ValueInvalid),
        ("m v=+1", SampleFault::ValueInvalid),
        ("m v=-1u", SampleFault::ValueInvalid),
        ("m v=0x1p4", SampleFault::ValueInvalid),
        ("m v=9223372036854775808i", SampleFault::ValueOutOfRange),
        ("m v=18446744073709551616u", SampleFault::ValueOutOfRange),
        ("m v=1e999", SampleFault::ValueOutOfRange),
        ("m v=1 12x", SampleFault::TimestampInvalid),
        ("m v=1 1-2", SampleFault::TimestampInvalid),
        ("m v=1 1 2", SampleFault::TimestampInvalid),
        ("m v=1 99999999999999999999", SampleFault::TimestampOutOfRange),
        ("m,a=1,a=2 v=1", SampleFault::DuplicateLabel),
        ("m,__name__=x v=1", SampleFault::DuplicateLabel),
    ] {
        assert_eq!(fault(line), [expected], "{line:?}");
    }
    let long = format!("m {}=1", "k".repeat(2_000));
    assert_eq!(fault(&long), [SampleFault::LabelTooLong]);
    let (_, recorder) = decode(b"m,t=\xff v=1\nm v=\"\xff\"\nm v=\xff", Precision::Nanosecond);
    let not_utf8 = SampleFault::NotUtf8;
    assert_eq!(recorder.faults(), [not_utf8, not_utf8, SampleFault::ValueInvalid]);
}

#[test]
fn every_field_of_a_line_that_is_rejected_is_counted() {
    for (line, fields) in [
        ("m a=x,b=2,c=3,d=4", 4),
        ("m a=1,b=2,c=x,d=4", 4),
        ("m a=1,b=2,c=3 oops", 3),
        ("m a=1,b=\"x,y z\",c= 7", 3),
        ("m a=x,b=\"a \\\" , b\",c=3", 3),
        ("m,t= a=1,b=2", 2),
        ("m\\ n,t=a\\,b\\ c,t=1,a=1   a=1,b=2 5", 2),
        ("m,a=1,a=2 v=1,w=2,x=\"text\" 5", 3),
        ("m a=1,b\\,c=2,d=1e999 1", 3),
        (",t=1 a=1,b=2", 2),
        ("m", 1),
        ("m a=1 1 x,y", 1),
    ] {
        let (tally, recorder) = lines(line);
        assert_eq!((tally.seen, tally.rejected), (fields, fields), "{line}");
        assert_eq!((recorder.refused.len(), recorder.lost()), (1, fields), "{line}");
    }
    let (tally, _) = lines("m a=x,b=2\nm c=1,d=\"text\"\nm e=1,f=2,g=");
    assert_eq!((tally.seen, tally.accepted, tally.rejected), (7, 1, 6));
}

#[test]
fn metrics_that_come_from_prometheus_keep_their_name() {
    assert_eq!(lines("prometheus,job=node up=1").1.names(), ["up"]);
}
