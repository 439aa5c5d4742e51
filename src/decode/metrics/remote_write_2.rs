//! Remote write 2.0: an `io.prometheus.write.v2.Request`, already inflated, to samples.
//!
//! Texts stand once per body in a table of symbols, and labels are numbers of symbols. The table is
//! gathered first, wherever it stands in the body. A symbol that is not UTF-8 spoils the series
//! that use it, and no others. Exemplars and the help and unit of metadata are passed over; the
//! type says of what kind a series is.

use crate::decode::metrics::feed::Feed;
use crate::decode::metrics::label_list::LabelList;
use crate::decode::metrics::native_histogram::{NativeHistogram, started_at};
use crate::decode::metrics::number;
use crate::decode::metrics::protobuf::{self, Cursor, Value};
use crate::model::limits::SYMBOLS_MAX;
use crate::model::sample::{
    Family, Reading, Sample, SampleFault, Samples, SeriesKind, Tally, Temporality, Text,
};
use crate::model::time::Timestamp;

/// Reads a body.
pub fn decode<S: Samples + ?Sized>(body: &[u8], samples: &mut S) -> Tally {
    let mut feed = Feed::new(samples, body);
    let symbols = match Symbols::gather(body) {
        Ok(symbols) => symbols,
        Err(fault) => {
            let lost = lost_samples(body);
            feed.rejected(fault, lost.max(1), "");
            feed.broken(fault);
            return feed.finish();
        }
    };
    let mut labels = LabelList::default();
    let mut cursor = Cursor::over(body);
    loop {
        let rest = cursor.rest();
        match cursor.field() {
            Ok(Some((TIMESERIES, value))) => {
                feed.next_place();
                match value.bytes() {
                    Ok(series) => read_series(series, &symbols, &mut labels, &mut feed),
                    Err(fault) => feed.rejected(fault, 1, ""),
                }
            }
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(fault) => {
                if let Some(series) = protobuf::cut_message(rest, TIMESERIES) {
                    feed.next_place();
                    let lost = Found::of(series).total().max(1);
                    feed.rejected(fault, lost, "");
                }
                feed.broken(fault);
                break;
            }
        }
    }
    feed.finish()
}

/// The table of texts; `None` where one is not UTF-8.
struct Symbols<'b>(Vec<Option<&'b str>>);

impl<'b> Symbols<'b> {
    /// Gathers them, as far as the body can be read.
    fn gather(body: &'b [u8]) -> Result<Self, SampleFault> {
        let mut symbols = Vec::new();
        let mut cursor = Cursor::over(body);
        while let Ok(Some((field, value))) = cursor.field() {
            if field == SYMBOLS {
                if symbols.len() >= SYMBOLS_MAX {
                    return Err(SampleFault::TooManySymbols);
                }
                symbols.push(std::str::from_utf8(value.bytes()?).ok());
            }
        }
        Ok(Self(symbols))
    }

    #[inline]
    fn get(&self, reference: u64) -> Result<&'b str, SampleFault> {
        let symbol = usize::try_from(reference).ok().and_then(|place| self.0.get(place));
        symbol.ok_or(SampleFault::SymbolUnknown)?.ok_or(SampleFault::NotUtf8)
    }
}

/// Samples of a body whose symbols cannot be used.
#[cold]
fn lost_samples(body: &[u8]) -> u64 {
    let mut lost = 0_u64;
    let mut cursor = Cursor::over(body);
    while let Ok(Some((field, value))) = cursor.field() {
        if let (TIMESERIES, Value::Bytes(series)) = (field, value) {
            lost = lost.saturating_add(Found::of(series).total());
        }
    }
    lost
}

/// What the first walk over a series finds.
struct Found {
    kind: SeriesKind,
    samples: u64,
    histograms: u64,
    fault: Option<SampleFault>,
}

impl Found {
    #[inline]
    fn of(series: &[u8]) -> Self {
        let mut found = Self { kind: SeriesKind::UNTOLD, samples: 0, histograms: 0, fault: None };
        let mut cursor = Cursor::over(series);
        loop {
            let rest = cursor.rest();
            let read = cursor.field().and_then(|field| match field {
                Some((METADATA, value)) => {
                    found.kind = read_kind(value.bytes()?, found.kind)?;
                    Ok(true)
                }
                Some((field, _)) => {
                    found.samples += u64::from(field == SAMPLES);
                    found.histograms += u64::from(field == HISTOGRAMS);
                    Ok(true)
                }
                None => Ok(false),
            });
            match read {
                Ok(true) => {}
                Ok(false) => return found,
                Err(fault) => {
                    found.samples += u64::from(protobuf::cut_message(rest, SAMPLES).is_some());
                    found.histograms +=
                        u64::from(protobuf::cut_message(rest, HISTOGRAMS).is_some());
                    found.fault = Some(fault);
                    return found;
                }
            }
        }
    }

    fn total(&self) -> u64 {
        self.samples.saturating_add(self.histograms)
    }
}

/// The kind that metadata say; `kind` when they do not.
fn read_kind(metadata: &[u8], mut kind: SeriesKind) -> Result<SeriesKind, SampleFault> {
    let mut cursor = Cursor::over(metadata);
    while let Some((field, value)) = cursor.field()? {
        if field == METADATA_TYPE {
            let cumulative = Temporality::Cumulative;
            kind = match value.varint32()? {
                TYPE_COUNTER => SeriesKind::monotonic(Family::Sum, cumulative),
                TYPE_GAUGE | TYPE_INFO | TYPE_STATESET => SeriesKind::GAUGE,
                TYPE_HISTOGRAM => SeriesKind::new(Family::Histogram, cumulative),
                TYPE_GAUGEHISTOGRAM => SeriesKind::new(Family::Histogram, Temporality::Instant),
                // Count and sum of a summary are totals, its quantiles are levels.
                TYPE_SUMMARY => SeriesKind::new(Family::Summary, Temporality::Untold),
                _ => SeriesKind::UNTOLD,
            };
        }
    }
    Ok(kind)
}

#[inline]
fn read_series<'b, S: Samples + ?Sized>(
    series: &'b [u8],
    symbols: &Symbols<'b>,
    labels: &mut LabelList<'b>,
    feed: &mut Feed<'_, S>,
) {
    let found = Found::of(series);
    if found.fault.is_none() && found.total() == 0 {
        return;
    }
    labels.clear();
    let read = read_labels(series, symbols, labels);
    let read = read.and_then(|()| feed.afford(labels.weight())).and_then(|()| labels.check());
    if let Some(fault) = found.fault.or(read.err()) {
        return feed.rejected(fault, found.total().max(1), labels.name());
    }
    if found.samples > 0 {
        feed.series(&labels.labels(None), found.kind);
    }
    visit(series, SAMPLES, labels, feed, |sample, _, feed| {
        feed.value(read_sample(sample)?);
        feed.accepted();
        Ok(())
    });
    if found.histograms > 0 {
        visit(series, HISTOGRAMS, labels, feed, |histogram, labels, feed| {
            NativeHistogram::read(histogram)?.visit(labels, feed)
        });
    }
}

/// Takes every message of one field, or rejects it.
#[inline]
fn visit<'b, S: Samples + ?Sized>(
    series: &'b [u8],
    wanted: u32,
    labels: &mut LabelList<'b>,
    feed: &mut Feed<'_, S>,
    take: impl Fn(&[u8], &mut LabelList<'b>, &mut Feed<'_, S>) -> Result<(), SampleFault>,
) {
    let mut cursor = Cursor::over(series);
    while let Ok(Some((field, value))) = cursor.field() {
        if field == wanted
            && let Err(fault) = value.bytes().and_then(|message| take(message, labels, feed))
        {
            feed.rejected(fault, 1, labels.name());
        }
    }
}

/// References come in a packed list, or one a field.
fn read_labels<'b>(
    series: &[u8],
    symbols: &Symbols<'b>,
    labels: &mut LabelList<'b>,
) -> Result<(), SampleFault> {
    let mut waiting = None;
    let mut take = |reference: u64| {
        // uint32: of a wider number the low 32 bits count.
        let reference = reference & 0xffff_ffff;
        let symbol = symbols.get(reference)?;
        match waiting.take() {
            None => waiting = Some(symbol),
            Some(name) => labels.push(Text::Sent(name), Text::Sent(symbol))?,
        }
        Ok(())
    };
    let mut cursor = Cursor::over(series);
    while let Some((field, value)) = cursor.field()? {
        match (field, value) {
            (LABELS_REFS, Value::Bytes(packed)) => {
                let mut packed = Cursor::over(packed);
                while !packed.rest().is_empty() {
                    take(packed.varint()?)?;
                }
            }
            (LABELS_REFS, value) => take(value.varint()?)?,
            _ => {}
        }
    }
    if waiting.is_some() { Err(SampleFault::SymbolUnknown) } else { Ok(()) }
}

#[inline]
fn read_sample(message: &[u8]) -> Result<Sample, SampleFault> {
    let mut at = Timestamp(0);
    let mut started = None;
    let mut value = 0.0;
    let mut cursor = Cursor::over(message);
    while let Some((field, content)) = cursor.field()? {
        match field {
            VALUE => value = content.double()?,
            TIMESTAMP => at = number::at_ms(content.varint()?.cast_signed())?,
            START_TIMESTAMP => started = started_at(content.varint()?)?,
            _ => {}
        }
    }
    Ok(Sample { at: Some(at), started_at: started, reading: Reading::of(value) })
}

// io.prometheus.write.v2.Request
const SYMBOLS: u32 = 4;
const TIMESERIES: u32 = 5;
// io.prometheus.write.v2.TimeSeries
const LABELS_REFS: u32 = 1;
const SAMPLES: u32 = 2;
const HISTOGRAMS: u32 = 3;
const METADATA: u32 = 5;
// io.prometheus.write.v2.Sample
const VALUE: u32 = 1;
const TIMESTAMP: u32 = 2;
const START_TIMESTAMP: u32 = 3;
// io.prometheus.write.v2.Metadata
const METADATA_TYPE: u32 = 1;
const TYPE_COUNTER: u64 = 1;
const TYPE_GAUGE: u64 = 2;
const TYPE_HISTOGRAM: u64 = 3;
const TYPE_GAUGEHISTOGRAM: u64 = 4;
const TYPE_SUMMARY: u64 = 5;
const TYPE_INFO: u64 = 6;
const TYPE_STATESET: u64 = 7;
