//! OTLP in JSON. The levels are taken apart as slices of the text, for keys come in any order; a
//! text without escapes is borrowed from the body. Unknown keys are passed over, and 64-bit numbers
//! come as numbers or as strings. A body that is not JSON to its end gives nothing.

use crate::decode::metrics::feed::Feed;
use crate::decode::metrics::label_list::{LabelList, Mark};
use crate::decode::metrics::number;
use crate::decode::metrics::otlp::attribute::{Room, quote};
use crate::decode::metrics::otlp::point::{self, Form, Metric, Point};
use crate::model::sample::{METRIC_NAME, SampleFault, Samples, Tally, Temporality, Text};
use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// Reads a body.
pub fn decode<S: Samples + ?Sized>(body: &[u8], samples: &mut S) -> Tally {
    let mut reader = Reader {
        feed: Feed::new(samples, body),
        labels: LabelList::default(),
        shared: Mark::default(),
        point: Point::default(),
        doom: None,
    };
    let text = std::str::from_utf8(body).map_err(|_| SampleFault::NotUtf8);
    let json = text
        .and_then(|text| serde_json::from_str::<&RawValue>(text).map_err(|_| SampleFault::NotJson));
    match json.and_then(read::<Request<'_>>) {
        Ok(request) => reader.each(request.resource_metrics, Reader::read_resource_metrics),
        Err(fault) => {
            reader.feed.rejected(fault, 1, "");
            reader.feed.broken(fault);
        }
    }
    reader.feed.finish()
}

type Raw<'b> = Option<&'b RawValue>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'b> {
    #[serde(borrow)]
    resource_metrics: Raw<'b>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceMetrics<'b> {
    #[serde(borrow)]
    resource: Raw<'b>,
    #[serde(borrow)]
    scope_metrics: Raw<'b>,
}

#[derive(Deserialize)]
struct Resource<'b> {
    #[serde(borrow)]
    attributes: Raw<'b>,
}

#[derive(Deserialize)]
struct ScopeMetrics<'b> {
    #[serde(borrow)]
    metrics: Raw<'b>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonMetric<'b> {
    #[serde(borrow)]
    name: Raw<'b>,
    #[serde(borrow)]
    gauge: Raw<'b>,
    #[serde(borrow)]
    sum: Raw<'b>,
    #[serde(borrow)]
    histogram: Raw<'b>,
    #[serde(borrow)]
    exponential_histogram: Raw<'b>,
    #[serde(borrow)]
    summary: Raw<'b>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data<'b> {
    #[serde(borrow)]
    data_points: Raw<'b>,
    #[serde(borrow)]
    aggregation_temporality: Raw<'b>,
    #[serde(borrow)]
    is_monotonic: Raw<'b>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonPoint<'b> {
    #[serde(borrow)]
    attributes: Raw<'b>,
    #[serde(borrow)]
    start_time_unix_nano: Raw<'b>,
    #[serde(borrow)]
    time_unix_nano: Raw<'b>,
    #[serde(borrow)]
    flags: Raw<'b>,
    #[serde(borrow)]
    as_double: Raw<'b>,
    #[serde(borrow)]
    as_int: Raw<'b>,
    #[serde(borrow)]
    count: Raw<'b>,
    #[serde(borrow)]
    sum: Raw<'b>,
    #[serde(borrow)]
    quantile_values: Raw<'b>,
}

#[derive(Deserialize)]
struct ValueAtQuantile<'b> {
    #[serde(borrow)]
    quantile: Raw<'b>,
    #[serde(borrow)]
    value: Raw<'b>,
}

#[derive(Deserialize)]
struct KeyValue<'b> {
    #[serde(borrow)]
    key: Raw<'b>,
    #[serde(borrow)]
    value: Raw<'b>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnyValue<'b> {
    #[serde(borrow)]
    string_value: Raw<'b>,
    #[serde(borrow)]
    bool_value: Raw<'b>,
    #[serde(borrow)]
    int_value: Raw<'b>,
    #[serde(borrow)]
    double_value: Raw<'b>,
    #[serde(borrow)]
    array_value: Raw<'b>,
    #[serde(borrow)]
    kvlist_value: Raw<'b>,
    #[serde(borrow)]
    bytes_value: Raw<'b>,
}

#[derive(Deserialize)]
struct List<'b> {
    #[serde(borrow)]
    values: Raw<'b>,
}

struct Reader<'b, 's, S: Samples + ?Sized> {
    feed: Feed<'s, S>,
    labels: LabelList<'b>,
    /// Behind the texts of the resource.
    shared: Mark,
    point: Point,
    /// Why every point of this resource or metric is rejected.
    doom: Option<SampleFault>,
}

impl<'b, S: Samples + ?Sized> Reader<'b, '_, S> {
    /// Takes every element of a list, or rejects the list.
    fn each(
        &mut self,
        list: Raw<'b>,
        mut take: impl FnMut(&mut Self, &'b RawValue) -> Result<(), SampleFault>,
    ) {
        let whole = each(list, &mut |element| {
            if let Err(fault) = take(self, element) {
                self.reject(fault);
            }
            Ok(())
        });
        if let Err(fault) = whole {
            self.reject(fault);
        }
    }

    #[cold]
    fn reject(&mut self, fault: SampleFault) {
        self.feed.rejected(fault, 1, self.labels.name());
    }

    fn read_resource_metrics(&mut self, raw: &'b RawValue) -> Result<(), SampleFault> {
        let message: ResourceMetrics<'b> = read(raw)?;
        self.labels.clear();
        let outcome = self.read_resource(message.resource);
        self.shared = self.labels.mark();
        self.doom = outcome.err();
        self.each(message.scope_metrics, |reader, scope| {
            reader.labels.back_to(reader.shared);
            let scope: ScopeMetrics<'b> = read(scope)?;
            reader.each(scope.metrics, Self::read_metric);
            Ok(())
        });
        self.doom = None;
        Ok(())
    }

    fn read_resource(&mut self, resource: Raw<'b>) -> Result<(), SampleFault> {
        if let Some(resource) = resource {
            let resource: Resource<'b> = read(resource)?;
            push_attributes(resource.attributes, &mut self.labels)?;
        }
        self.labels.set_aside()
    }

    fn read_metric(&mut self, raw: &'b RawValue) -> Result<(), SampleFault> {
        self.feed.next_place();
        self.labels.back_to(self.shared);
        let message: JsonMetric<'b> = read(raw)?;
        let above = (self.shared, self.doom);
        let name = text(message.name, &mut self.labels);
        self.shared = self.labels.mark();
        let name = name.unwrap_or_else(|fault| {
            self.doom = self.doom.or(Some(fault));
            Text::Sent("")
        });
        if self.labels.text(name).is_empty() {
            self.doom = self.doom.or(Some(SampleFault::NameMissing));
        }
        // So that what is rejected above the points is told with its name.
        let named = self.labels.push(Text::Sent(METRIC_NAME), name);
        self.doom = self.doom.or(named.err());
        for (form, data) in [
            (Form::Gauge, message.gauge),
            (Form::Sum, message.sum),
            (Form::Histogram, message.histogram),
            (Form::ExponentialHistogram, message.exponential_histogram),
            (Form::Summary, message.summary),
        ] {
            let outcome = data.map_or(Ok(()), |data| self.read_data(data, name, form));
            if let Err(fault) = outcome {
                self.reject(fault);
            }
        }
        (self.shared, self.doom) = above;
        Ok(())
    }

    fn read_data(
        &mut self,
        raw: &'b RawValue,
        name: Text<'b>,
        form: Form,
    ) -> Result<(), SampleFault> {
        let data: Data<'b> = read(raw)?;
        let metric = Metric {
            name,
            form,
            temporality: temporality(data.aggregation_temporality),
            is_monotonic: data.is_monotonic.is_some_and(|raw| raw.get() == "true"),
        };
        self.each(data.data_points, |reader, point| reader.read_point(point, &metric));
        Ok(())
    }

    fn read_point(&mut self, raw: &'b RawValue, metric: &Metric<'b>) -> Result<(), SampleFault> {
        let Self { feed, labels, point, .. } = self;
        labels.back_to(self.shared);
        point.clear();
        labels.push(Text::Sent(METRIC_NAME), metric.name)?;
        if let Some(doom) = self.doom {
            return Err(doom);
        }
        let message: JsonPoint<'b> = read(raw)?;
        push_attributes(message.attributes, labels)?;
        point.started_at_ns = unsigned(message.start_time_unix_nano)?.unwrap_or(0);
        point.at_ns = unsigned(message.time_unix_nano)?.unwrap_or(0);
        point.flags = unsigned(message.flags)?.unwrap_or(0);
        point.value = match signed(message.as_int)? {
            Some(integer) => Some(number::of_i64(integer)),
            None => double(message.as_double)?,
        };
        point.count = unsigned(message.count)?.map_or(0.0, number::of_u64);
        point.sum = double(message.sum)?;
        each(message.quantile_values, &mut |raw| {
            let pair: ValueAtQuantile<'_> = read(raw)?;
            let [quantile, value] = [double(pair.quantile)?, double(pair.value)?];
            point.quantiles.push([quantile.unwrap_or(0.0), value.unwrap_or(0.0)]);
            Ok(())
        })?;
        point.visit(metric, labels, feed)
    }
}

/// Reads the keys of an object; the text is JSON, so only its form can be wrong. A list, which
/// serde would take for an object without keys, is wrong.
fn read<'b, T: Deserialize<'b>>(raw: &'b RawValue) -> Result<T, SampleFault> {
    if !raw.get().starts_with('{') {
        return Err(SampleFault::BadEncoding);
    }
    serde_json::from_str(raw.get()).map_err(|_| SampleFault::BadEncoding)
}

/// Gives every element of a list; none when there is no list.
fn each<'b>(
    list: Raw<'b>,
    take: &mut dyn FnMut(&'b RawValue) -> Result<(), SampleFault>,
) -> Result<(), SampleFault> {
    struct Elements<'t, 'b> {
        take: &'t mut dyn FnMut(&'b RawValue) -> Result<(), SampleFault>,
        outcome: Result<(), SampleFault>,
    }
    impl<'b> Visitor<'b> for &mut Elements<'_, 'b> {
        type Value = ();
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }
        fn visit_seq<A: SeqAccess<'b>>(self, mut list: A) -> Result<(), A::Error> {
            while let Some(element) = list.next_element::<&'b RawValue>()? {
                if self.outcome.is_ok() {
                    self.outcome = (self.take)(element);
                }
            }
            Ok(())
        }
    }
    let Some(list) = list else { return Ok(()) };
    let mut elements = Elements { take, outcome: Ok(()) };
    let mut deserializer = serde_json::Deserializer::from_str(list.get());
    deserializer.deserialize_seq(&mut elements).map_err(|_| SampleFault::BadEncoding)?;
    elements.outcome
}

fn push_attributes<'b>(list: Raw<'b>, labels: &mut LabelList<'b>) -> Result<(), SampleFault> {
    each(list, &mut |raw| {
        let pair: KeyValue<'b> = read(raw)?;
        let key = text(pair.key, labels)?;
        let value = any_text(pair.value, labels)?;
        labels.push(key, value)
    })
}

fn any_text<'b>(raw: Raw<'b>, labels: &mut LabelList<'b>) -> Result<Text<'b>, SampleFault> {
    let Some(raw) = raw else { return Ok(Text::Sent("")) };
    let any: AnyValue<'b> = read(raw)?;
    match any {
        AnyValue { string_value: Some(string), .. } => text(Some(string), labels),
        AnyValue { bool_value: Some(truth), .. } => Ok(Text::Sent(truth_text(truth)?)),
        AnyValue { bytes_value: Some(bytes), .. } => text(Some(bytes), labels),
        AnyValue {
            int_value: None,
            double_value: None,
            array_value: None,
            kvlist_value: None,
            ..
        } => Ok(Text::Sent("")),
        _ => labels.make(|out| write_any(&any, out, Room::behind(out))),
    }
}

fn truth_text(raw: &RawValue) -> Result<&str, SampleFault> {
    match raw.get() {
        text @ ("true" | "false") => Ok(text),
        _ => Err(SampleFault::BadEncoding),
    }
}

/// Writes a value as it stands in a list or map.
fn write_any(any: &AnyValue<'_>, out: &mut String, room: Room) -> Result<(), SampleFault> {
    if let Some(string) = any.string_value.or(any.bytes_value) {
        quote(&unescaped(string)?, out);
    } else if let Some(truth) = any.bool_value {
        out.push_str(truth_text(truth)?);
    } else if let Some(integer) = signed(any.int_value)? {
        out.push_str(&integer.to_string());
    } else if let Some(float) = double(any.double_value)? {
        out.push_str(&float.to_string());
    } else if let Some(list) = any.array_value {
        write_list(&read(list)?, false, out, room.deeper()?)?;
    } else if let Some(map) = any.kvlist_value {
        write_list(&read(map)?, true, out, room.deeper()?)?;
    } else {
        out.push_str("null");
    }
    Ok(())
}

fn write_list(
    list: &List<'_>,
    is_map: bool,
    out: &mut String,
    room: Room,
) -> Result<(), SampleFault> {
    out.push(if is_map { '{' } else { '[' });
    let mut is_first = true;
    each(list.values, &mut |raw| {
        room.check(out)?;
        if !is_first {
            out.push(',');
        }
        is_first = false;
        if !is_map {
            return write_any(&read(raw)?, out, room);
        }
        let pair: KeyValue<'_> = read(raw)?;
        quote(&pair.key.map_or(Ok(String::new()), unescaped)?, out);
        out.push(':');
        if let Some(value) = pair.value {
            return write_any(&read(value)?, out, room);
        }
        out.push_str("null");
        Ok(())
    })?;
    out.push(if is_map { '}' } else { ']' });
    Ok(())
}

/// A string: borrowed from the body where it has no escape.
fn text<'b>(raw: Raw<'b>, labels: &mut LabelList<'b>) -> Result<Text<'b>, SampleFault> {
    let Some(raw) = raw else { return Ok(Text::Sent("")) };
    let inner = raw.get().strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let inner = inner.ok_or(SampleFault::BadEncoding)?;
    if !inner.contains('\\') {
        return Ok(Text::Sent(inner));
    }
    let whole = unescaped(raw)?;
    labels.make(|out| {
        out.push_str(&whole);
        Ok(())
    })
}

fn unescaped(raw: &RawValue) -> Result<String, SampleFault> {
    // What is JSON and no string that can be read is half of a surrogate pair, or no string.
    let fault =
        if raw.get().starts_with('"') { SampleFault::NotUtf8 } else { SampleFault::BadEncoding };
    serde_json::from_str(raw.get()).map_err(|_| fault)
}

/// The digits of a number that may be written as a string.
fn digits(raw: &RawValue) -> &str {
    let text = raw.get();
    text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text)
}

fn unsigned(raw: Raw<'_>) -> Result<Option<u64>, SampleFault> {
    raw.map(|raw| digits(raw).parse().map_err(|_| SampleFault::ValueInvalid)).transpose()
}

fn signed(raw: Raw<'_>) -> Result<Option<i64>, SampleFault> {
    raw.map(|raw| digits(raw).parse().map_err(|_| SampleFault::ValueInvalid)).transpose()
}

fn double(raw: Raw<'_>) -> Result<Option<f64>, SampleFault> {
    let Some(raw) = raw else { return Ok(None) };
    let text = digits(raw);
    let value: f64 = text.parse().map_err(|_| SampleFault::ValueInvalid)?;
    let is_written_out = text.bytes().any(|byte| byte.is_ascii_digit());
    if value.is_infinite() && is_written_out {
        return Err(SampleFault::ValueOutOfRange);
    }
    Ok(Some(value))
}

/// A number; its name, which the specification forbids, is understood as well.
fn temporality(raw: Raw<'_>) -> Temporality {
    match raw.map_or("", digits) {
        "AGGREGATION_TEMPORALITY_DELTA" => Temporality::Delta,
        "AGGREGATION_TEMPORALITY_CUMULATIVE" => Temporality::Cumulative,
        number => point::temporality(number.parse().unwrap_or(0)),
    }
}
