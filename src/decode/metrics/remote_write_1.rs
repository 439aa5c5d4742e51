//! Remote write 1.0: a `prometheus.WriteRequest`, already inflated, to samples.
//!
//! A series is gone through twice: first to find its label block and to count its samples, then to
//! give them to the visitor. The labels are read in between, unless the visitor recalls the block:
//! a series that was seen before costs a walk over lengths and nothing else.
//!
//! The message does not say of what kind a series is (its metadata come in other requests, and are
//! passed over, as exemplars are), so the kind is untold, but for native histograms.

use crate::decode::metrics::feed::Feed;
use crate::decode::metrics::label_list::LabelList;
use crate::decode::metrics::native_histogram::NativeHistogram;
use crate::decode::metrics::number;
use crate::decode::metrics::protobuf::{self, Cursor};
use crate::model::sample::{
    METRIC_NAME, Reading, Recall, Sample, SampleFault, Samples, SeriesKind, Tally, Text,
};
use crate::model::time::Timestamp;

/// Reads a body.
pub fn decode<S: Samples + ?Sized>(body: &[u8], samples: &mut S) -> Tally {
    let mut feed = Feed::new(samples, body);
    let mut labels = LabelList::default();
    let mut cursor = Cursor::over(body);
    loop {
        let rest = cursor.rest();
        match cursor.field() {
            Ok(Some((TIMESERIES, value))) => {
                feed.next_place();
                match value.bytes() {
                    Ok(series) => read_series(series, &mut labels, &mut feed),
                    Err(fault) => feed.rejected(fault, 1, ""),
                }
            }
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(fault) => {
                reject_rest(rest, fault, &mut feed);
                break;
            }
        }
    }
    feed.finish()
}

/// The body ends in the middle of a series: its samples are counted as far as they can be seen.
#[cold]
fn reject_rest<S: Samples + ?Sized>(rest: &[u8], fault: SampleFault, feed: &mut Feed<'_, S>) {
    if let Some(series) = protobuf::cut_message(rest, TIMESERIES) {
        feed.next_place();
        let found = Found::of(series);
        feed.rejected(fault, found.total().max(1), metric_name(series));
    }
    feed.broken(fault);
}

/// What the first walk over a series finds.
struct Found<'b> {
    /// The labels, when they stand at the beginning, as senders write them, and nowhere else.
    block: Option<&'b [u8]>,
    /// What comes behind.
    tail: &'b [u8],
    samples: u64,
    histograms: u64,
    fault: Option<SampleFault>,
}

impl<'b> Found<'b> {
    #[inline]
    fn of(series: &'b [u8]) -> Self {
        let mut found = Self { block: None, tail: series, samples: 0, histograms: 0, fault: None };
        let mut cursor = Cursor::over(series);
        cursor.step_over_short(LABELS);
        let mut is_at_block = true;
        let mut has_strays = false;
        loop {
            let rest = cursor.rest();
            match cursor.field() {
                Ok(Some((LABELS, _))) => {
                    has_strays |= !is_at_block;
                    cursor.step_over_short(LABELS);
                }
                Ok(Some((field, _))) => {
                    if is_at_block {
                        found.tail = rest;
                        is_at_block = false;
                    }
                    found.samples += u64::from(field == SAMPLES);
                    found.histograms += u64::from(field == HISTOGRAMS);
                }
                Ok(None) => break,
                Err(fault) => {
                    found.samples += u64::from(protobuf::cut_message(rest, SAMPLES).is_some());
                    found.histograms +=
                        u64::from(protobuf::cut_message(rest, HISTOGRAMS).is_some());
                    found.fault = Some(fault);
                    break;
                }
            }
        }
        if !has_strays {
            found.block = series.get(..series.len() - found.tail.len());
        }
        found
    }

    fn total(&self) -> u64 {
        self.samples.saturating_add(self.histograms)
    }
}

#[inline]
fn read_series<'b, S: Samples + ?Sized>(
    series: &'b [u8],
    labels: &mut LabelList<'b>,
    feed: &mut Feed<'_, S>,
) {
    let found = Found::of(series);
    if let Some(fault) = found.fault {
        return feed.rejected(fault, found.total().max(1), metric_name(series));
    }
    if found.total() == 0 {
        return;
    }
    // The series of a histogram have other names than the block says.
    let block = found.block.filter(|_| found.histograms == 0);
    let is_known = block.is_some_and(|block| feed.recall(block) == Recall::Known);
    if !is_known {
        labels.clear();
        let read = read_labels(found.block.unwrap_or(series), labels);
        if let Err(fault) = read.and_then(|()| labels.check()) {
            return feed.rejected(fault, found.total(), metric_name(series));
        }
        if found.samples > 0 {
            feed.series(&labels.labels(block), SeriesKind::UNTOLD);
        }
    }
    read_samples(&found, series, feed);
    if found.histograms > 0 {
        read_histograms(&found, series, labels, feed);
    }
}

#[inline]
fn read_samples<S: Samples + ?Sized>(found: &Found<'_>, series: &[u8], feed: &mut Feed<'_, S>) {
    let mut name = LateName::of(series);
    let mut cursor = Cursor::over(found.tail);
    while let Ok(Some((field, value))) = cursor.field() {
        if field != SAMPLES {
            continue;
        }
        match value.bytes().and_then(read_sample) {
            Ok(sample) => {
                feed.value(sample);
                feed.accepted();
            }
            Err(fault) => feed.rejected(fault, 1, name.get()),
        }
    }
}

fn read_histograms<'b, S: Samples + ?Sized>(
    found: &Found<'b>,
    series: &[u8],
    labels: &mut LabelList<'b>,
    feed: &mut Feed<'_, S>,
) {
    let mut name = LateName::of(series);
    let mut cursor = Cursor::over(found.tail);
    while let Ok(Some((field, value))) = cursor.field() {
        if field != HISTOGRAMS {
            continue;
        }
        let read = value.bytes().and_then(NativeHistogram::read);
        if let Err(fault) = read.and_then(|histogram| histogram.visit(labels, feed)) {
            feed.rejected(fault, 1, name.get());
        }
    }
}

#[inline]
fn read_sample(message: &[u8]) -> Result<Sample, SampleFault> {
    let mut at = Timestamp(0);
    let mut value = 0.0;
    let mut cursor = Cursor::over(message);
    while let Some((field, content)) = cursor.field()? {
        match field {
            VALUE => value = content.double()?,
            TIMESTAMP => at = number::at_ms(content.varint()?.cast_signed())?,
            _ => {}
        }
    }
    Ok(Sample { at: Some(at), started_at: None, reading: Reading::of(value) })
}

fn read_labels<'b>(block: &'b [u8], labels: &mut LabelList<'b>) -> Result<(), SampleFault> {
    let mut cursor = Cursor::over(block);
    while let Some((field, value)) = cursor.field()? {
        if field == LABELS {
            let [name, value] = read_label(value.bytes()?)?;
            labels.push(Text::Sent(name), Text::Sent(value))?;
        }
    }
    Ok(())
}

#[inline]
fn read_label(message: &[u8]) -> Result<[&str; 2], SampleFault> {
    let mut cursor = Cursor::over(message);
    let mut label = ["", ""];
    while let Some((field, value)) = cursor.field()? {
        match field {
            LABEL_NAME => label[0] = value.text()?,
            LABEL_VALUE => label[1] = value.text()?,
            _ => {}
        }
    }
    Ok(label)
}

/// The name of a series whose samples are rejected one by one. It is looked for once, for it may
/// stand behind all of them.
struct LateName<'b> {
    series: &'b [u8],
    name: Option<&'b str>,
}

impl<'b> LateName<'b> {
    fn of(series: &'b [u8]) -> Self {
        Self { series, name: None }
    }

    fn get(&mut self) -> &'b str {
        self.name.get_or_insert_with(|| metric_name(self.series))
    }
}

/// Name of the metric of a series that is rejected, if it can be read.
#[cold]
fn metric_name(series: &[u8]) -> &str {
    let mut cursor = Cursor::over(series);
    while let Ok(Some((field, value))) = cursor.field() {
        if field == LABELS
            && let Ok([METRIC_NAME, name]) = value.bytes().and_then(read_label)
        {
            return name;
        }
    }
    ""
}

// prometheus.WriteRequest
const TIMESERIES: u32 = 1;
// prometheus.TimeSeries
const LABELS: u32 = 1;
const SAMPLES: u32 = 2;
const HISTOGRAMS: u32 = 4;
// prometheus.Label
const LABEL_NAME: u32 = 1;
const LABEL_VALUE: u32 = 2;
// prometheus.Sample
const VALUE: u32 = 1;
const TIMESTAMP: u32 = 2;
