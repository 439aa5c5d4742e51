//! OTLP in protobuf. The levels of the message (resource, scope, metric, points) are walked in
//! place; at each, what stands beside the list is read first, for fields come in any order.

use crate::decode::metrics::feed::Feed;
use crate::decode::metrics::label_list::{LabelList, Mark};
use crate::decode::metrics::number;
use crate::decode::metrics::otlp::attribute::{Room, base64, quote};
use crate::decode::metrics::otlp::point::{self, Form, Metric, Point};
use crate::decode::metrics::protobuf::{self, Cursor, Value};
use crate::model::sample::{METRIC_NAME, SampleFault, Samples, Tally, Temporality, Text};
use std::fmt::Write;

/// Reads a body.
pub fn decode<S: Samples + ?Sized>(body: &[u8], samples: &mut S) -> Tally {
    let mut reader = Reader {
        feed: Feed::new(samples, body),
        labels: LabelList::default(),
        shared: Mark::default(),
        point: Point::default(),
    };
    let end = each(body, PATH[0], |_, message| reader.read_resource_metrics(message));
    if let Err(cut) = end {
        reader.reject(cut, &PATH, "");
        reader.feed.broken(cut.fault);
    }
    reader.feed.finish()
}

/// A message that could not be read to its end: why, and what is left of it.
#[derive(Clone, Copy)]
struct Cut<'b> {
    fault: SampleFault,
    rest: &'b [u8],
}

struct Reader<'b, 's, S: Samples + ?Sized> {
    feed: Feed<'s, S>,
    labels: LabelList<'b>,
    /// Behind the texts of the resource.
    shared: Mark,
    point: Point,
}

impl<'b, S: Samples + ?Sized> Reader<'b, '_, S> {
    /// Rejects what can be counted in a message that the walk gives up, below that path.
    #[cold]
    fn reject(&mut self, cut: Cut<'_>, path: &[&[u32]], name: &str) {
        self.feed.rejected(cut.fault, points(cut.rest, path).max(1), name);
    }

    fn read_resource_metrics(&mut self, message: &'b [u8]) {
        self.labels.clear();
        self.shared = self.labels.mark();
        if let Err(fault) = self.read_resource(message) {
            let lost = points(message, &PATH[1..]);
            if lost > 0 {
                self.feed.next_place();
                self.feed.rejected(fault, lost, "");
            }
            return;
        }
        let end = each(message, PATH[1], |_, scope| {
            let end = each(scope, PATH[2], |_, metric| self.read_metric(metric));
            if let Err(cut) = end {
                self.reject(cut, &PATH[2..], "");
            }
        });
        if let Err(cut) = end {
            self.reject(cut, &PATH[1..], "");
        }
    }

    /// Sets the attributes of the resource aside. What is broken behind them is met again.
    fn read_resource(&mut self, message: &'b [u8]) -> Result<(), SampleFault> {
        let mut cursor = Cursor::over(message);
        while let Ok(Some((field, value))) = cursor.field() {
            if field != RESOURCE {
                continue;
            }
            let mut resource = Cursor::over(value.bytes()?);
            while let Some((field, value)) = resource.field()? {
                if field == RESOURCE_ATTRIBUTES {
                    push_attribute(value.bytes()?, &mut self.labels)?;
                }
            }
        }
        self.labels.set_aside()?;
        self.shared = self.labels.mark();
        Ok(())
    }

    fn read_metric(&mut self, message: &'b [u8]) {
        self.feed.next_place();
        let name = match metric_name(message) {
            Ok(name) => name,
            Err(fault) => {
                let lost = points(message, &PATH[3..]);
                if lost > 0 {
                    self.feed.rejected(fault, lost, "");
                }
                return;
            }
        };
        let end = each(message, PATH[3], |field, data| {
            let form = FORMS.iter().find(|(known, _)| *known == field);
            if let Some((_, form)) = form {
                self.read_data(data, name, *form);
            }
        });
        if let Err(cut) = end {
            self.reject(cut, &PATH[3..], name);
        }
    }

    fn read_data(&mut self, data: &'b [u8], name: &'b str, form: Form) {
        let mut metric = Metric {
            name: Text::Sent(name),
            form,
            temporality: Temporality::Untold,
            is_monotonic: false,
        };
        let mut cursor = Cursor::over(data);
        while let Ok(Some((field, value))) = cursor.field() {
            match (field, value) {
                (TEMPORALITY, Value::Varint(number)) => {
                    metric.temporality = point::temporality(number & 0xffff_ffff);
                }
                (IS_MONOTONIC, Value::Varint(number)) => metric.is_monotonic = number != 0,
                _ => {}
            }
        }
        let end = each(data, PATH[4], |_, message| {
            if let Err(fault) = self.read_point(message, &metric) {
                self.feed.rejected(fault, 1, name);
            }
        });
        if let Err(cut) = end {
            self.reject(cut, &PATH[4..], name);
        }
    }

    fn read_point(&mut self, message: &'b [u8], metric: &Metric<'b>) -> Result<(), SampleFault> {
        let Self { feed, labels, point, .. } = self;
        labels.back_to(self.shared);
        point.clear();
        labels.push(Text::Sent(METRIC_NAME), metric.name)?;
        let (attributes, flags) = match metric.form {
            Form::Gauge | Form::Sum | Form::Summary => (7, 8),
            Form::Histogram => (9, 10),
            Form::ExponentialHistogram => (1, 10),
        };
        let is_number = matches!(metric.form, Form::Gauge | Form::Sum);
        let mut cursor = Cursor::over(message);
        while let Some((field, value)) = cursor.field()? {
            match field {
                _ if field == attributes => push_attribute(value.bytes()?, labels)?,
                _ if field == flags => point.flags = value.varint()?,
                START_TIME => point.started_at_ns = value.fixed64()?,
                TIME => point.at_ns = value.fixed64()?,
                AS_DOUBLE if is_number => point.value = Some(value.double()?),
                AS_INT if is_number => {
                    point.value = Some(number::of_i64(value.fixed64()?.cast_signed()));
                }
                COUNT if !is_number => point.count = number::of_u64(value.fixed64()?),
                SUM if !is_number => point.sum = Some(value.double()?),
                QUANTILE_VALUES if metric.form == Form::Summary => {
                    point.quantiles.push(read_quantile(value.bytes()?)?);
                }
                _ => {}
            }
        }
        point.visit(metric, labels, feed)
    }
}

/// Gives every message of these fields, up to where the container cannot be read any more.
fn each<'b>(
    message: &'b [u8],
    wanted: &[u32],
    mut take: impl FnMut(u32, &'b [u8]),
) -> Result<(), Cut<'b>> {
    let mut cursor = Cursor::over(message);
    loop {
        let rest = cursor.rest();
        match cursor.field().map_err(|fault| Cut { fault, rest })? {
            Some((field, Value::Bytes(content))) if wanted.contains(&field) => take(field, content),
            Some((field, _)) if wanted.contains(&field) => {
                return Err(Cut { fault: SampleFault::BadEncoding, rest });
            }
            Some(_) => {}
            None => return Ok(()),
        }
    }
}

/// Number of points below a message, a cut one at its end included: each step of the path names
/// the fields that lead on.
fn points(message: &[u8], path: &[&[u32]]) -> u64 {
    let [step, below @ ..] = path else { return 1 };
    let mut found = 0_u64;
    let mut cursor = Cursor::over(message);
    loop {
        let rest = cursor.rest();
        match cursor.field() {
            Ok(Some((field, Value::Bytes(content)))) if step.contains(&field) => {
                found = found.saturating_add(points(content, below));
            }
            Ok(Some(_)) => {}
            Ok(None) => return found,
            Err(_) => {
                let cut = step.iter().find_map(|field| protobuf::cut_message(rest, *field));
                return found.saturating_add(cut.map_or(0, |cut| points(cut, below)));
            }
        }
    }
}

fn metric_name(message: &[u8]) -> Result<&str, SampleFault> {
    let mut name = "";
    let mut cursor = Cursor::over(message);
    while let Ok(Some((field, value))) = cursor.field() {
        if field == METRIC_NAME_FIELD {
            name = value.text()?;
        }
    }
    if name.is_empty() { Err(SampleFault::NameMissing) } else { Ok(name) }
}

fn read_quantile(message: &[u8]) -> Result<[f64; 2], SampleFault> {
    let mut read = [0.0, 0.0];
    let mut cursor = Cursor::over(message);
    while let Some((field, value)) = cursor.field()? {
        match field {
            QUANTILE => read[0] = value.double()?,
            QUANTILE_VALUE => read[1] = value.double()?,
            _ => {}
        }
    }
    Ok(read)
}

/// Adds a `KeyValue` as a label.
fn push_attribute<'b>(message: &'b [u8], labels: &mut LabelList<'b>) -> Result<(), SampleFault> {
    let (key, any) = key_and_value(message)?;
    let value = match last_field(any)? {
        Some((STRING_VALUE, value)) => Text::Sent(value.text()?),
        Some((BOOL_VALUE, value)) => Text::Sent(truth(value)?),
        Some(_) => labels.make(|out| write_any(any, out, Room::behind(out)))?,
        None => Text::Sent(""),
    };
    labels.push(Text::Sent(key), value)
}

fn key_and_value(message: &[u8]) -> Result<(&str, &[u8]), SampleFault> {
    let (mut key, mut any) = ("", &[][..]);
    let mut cursor = Cursor::over(message);
    while let Some((field, value)) = cursor.field()? {
        match field {
            KEY => key = value.text()?,
            VALUE => any = value.bytes()?,
            _ => {}
        }
    }
    Ok((key, any))
}

/// Of a choice the last field counts.
fn last_field(any: &[u8]) -> Result<Option<(u32, Value<'_>)>, SampleFault> {
    let mut last = None;
    let mut cursor = Cursor::over(any);
    while let Some(field) = cursor.field()? {
        if (STRING_VALUE..=BYTES_VALUE).contains(&field.0) {
            last = Some(field);
        }
    }
    Ok(last)
}

fn truth(value: Value<'_>) -> Result<&'static str, SampleFault> {
    Ok(if value.varint()? == 0 { "false" } else { "true" })
}

/// Writes an `AnyValue`: texts and bytes are quoted inside of lists and maps only.
fn write_any(any: &[u8], out: &mut String, room: Room) -> Result<(), SampleFault> {
    let Some((field, value)) = last_field(any)? else {
        out.push_str("null");
        return Ok(());
    };
    match field {
        STRING_VALUE => quote(value.text()?, out),
        BOOL_VALUE => out.push_str(truth(value)?),
        // Writing to a string does not fail.
        INT_VALUE => drop(write!(out, "{}", value.varint()?.cast_signed())),
        DOUBLE_VALUE => drop(write!(out, "{}", value.double()?)),
        BYTES_VALUE => {
            let mark = if room.is_inside() { "\"" } else { "" };
            out.push_str(mark);
            base64(value.bytes()?, out);
            out.push_str(mark);
        }
        _ => write_list(value.bytes()?, field == KVLIST_VALUE, out, room.deeper()?)?,
    }
    Ok(())
}

/// Writes an `ArrayValue` or a `KeyValueList`.
fn write_list(list: &[u8], is_map: bool, out: &mut String, room: Room) -> Result<(), SampleFault> {
    out.push(if is_map { '{' } else { '[' });
    let mut is_first = true;
    let mut cursor = Cursor::over(list);
    while let Some((field, value)) = cursor.field()? {
        if field != VALUES {
            continue;
        }
        room.check(out)?;
        if !is_first {
            out.push(',');
        }
        is_first = false;
        let mut any = value.bytes()?;
        if is_map {
            let (key, value) = key_and_value(any)?;
            quote(key, out);
            out.push(':');
            any = value;
        }
        write_any(any, out, room)?;
    }
    out.push(if is_map { '}' } else { ']' });
    Ok(())
}

// ExportMetricsServiceRequest, ResourceMetrics, Resource, ScopeMetrics
const RESOURCE_METRICS: u32 = 1;
const RESOURCE: u32 = 1;
const SCOPE_METRICS: u32 = 2;
const RESOURCE_ATTRIBUTES: u32 = 1;
const METRICS: u32 = 2;
// Metric
const METRIC_NAME_FIELD: u32 = 1;
const FORMS: [(u32, Form); 5] = [
    (5, Form::Gauge),
    (7, Form::Sum),
    (9, Form::Histogram),
    (10, Form::ExponentialHistogram),
    (11, Form::Summary),
];
// Gauge, Sum, Histogram, ExponentialHistogram, Summary
const DATA_POINTS: u32 = 1;
const TEMPORALITY: u32 = 2;
const IS_MONOTONIC: u32 = 3;
/// From the request down to the points.
const PATH: [&[u32]; 5] =
    [&[RESOURCE_METRICS], &[SCOPE_METRICS], &[METRICS], &[5, 7, 9, 10, 11], &[DATA_POINTS]];
// All data points; where attributes and flags are depends on the form.
const START_TIME: u32 = 2;
const TIME: u32 = 3;
// NumberDataPoint
const AS_DOUBLE: u32 = 4;
const AS_INT: u32 = 6;
// HistogramDataPoint, ExponentialHistogramDataPoint, SummaryDataPoint
const COUNT: u32 = 4;
const SUM: u32 = 5;
const QUANTILE_VALUES: u32 = 6;
// SummaryDataPoint.ValueAtQuantile
const QUANTILE: u32 = 1;
const QUANTILE_VALUE: u32 = 2;
// KeyValue, ArrayValue, KeyValueList
const KEY: u32 = 1;
const VALUE: u32 = 2;
const VALUES: u32 = 1;
// AnyValue
const STRING_VALUE: u32 = 1;
const BOOL_VALUE: u32 = 2;
const INT_VALUE: u32 = 3;
const DOUBLE_VALUE: u32 = 4;
const KVLIST_VALUE: u32 = 6;
const BYTES_VALUE: u32 = 7;
