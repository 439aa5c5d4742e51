//! A native histogram of Prometheus, of which count, sum and time are read. The field numbers are
//! the same in remote write 1.0 (`prometheus.Histogram`) and 2.0
//! (`io.prometheus.write.v2.Histogram`). Its buckets are passed over.

use crate::decode::metrics::feed::Feed;
use crate::decode::metrics::label_list::LabelList;
use crate::decode::metrics::number;
use crate::decode::metrics::protobuf::Cursor;
use crate::model::sample::{
    Family, METRIC_NAME, Reading, Sample, SampleFault, Samples, SeriesKind, Temporality, Text,
};
use crate::model::time::Timestamp;

/// What is read of a histogram.
#[derive(Debug, PartialEq)]
pub(super) struct NativeHistogram {
    at: Timestamp,
    started_at: Option<Timestamp>,
    count: f64,
    sum: f64,
    is_gauge: bool,
}

impl NativeHistogram {
    /// Reads a message.
    pub(super) fn read(message: &[u8]) -> Result<Self, SampleFault> {
        let mut histogram =
            Self { at: Timestamp(0), started_at: None, count: 0.0, sum: 0.0, is_gauge: false };
        let mut cursor = Cursor::over(message);
        while let Some((field, value)) = cursor.field()? {
            match field {
                COUNT_INT => histogram.count = number::of_u64(value.varint()?),
                COUNT_FLOAT => histogram.count = value.double()?,
                SUM => histogram.sum = value.double()?,
                RESET_HINT => histogram.is_gauge = value.varint32()? == RESET_HINT_GAUGE,
                TIMESTAMP => histogram.at = number::at_ms(value.varint()?.cast_signed())?,
                START_TIMESTAMP => histogram.started_at = started_at(value.varint()?)?,
                _ => {}
            }
        }
        Ok(histogram)
    }

    /// Visits it as two series, `<name>_count` and `<name>_sum`. The labels are left as they were.
    /// On a fault nothing has been visited.
    pub(super) fn visit<S: Samples + ?Sized>(
        &self,
        labels: &mut LabelList<'_>,
        feed: &mut Feed<'_, S>,
    ) -> Result<(), SampleFault> {
        feed.afford(labels.weight().saturating_mul(2))?;
        // A histogram that ends says so with its sum alone.
        let sum = Reading::of(self.sum);
        let count = if sum == Reading::Stale { sum } else { Reading::Number(self.count) };
        let temporality =
            if self.is_gauge { Temporality::Instant } else { Temporality::Cumulative };
        let mut kind = SeriesKind::new(Family::Histogram, temporality);
        let name = labels.value_of(METRIC_NAME);
        for (suffix, reading) in [("_count", count), ("_sum", sum)] {
            kind.is_monotonic = suffix == "_count" && !self.is_gauge;
            let mark = labels.mark();
            let whole = labels.join(&[name, Text::Sent(suffix)]);
            labels.set_value_of(METRIC_NAME, whole);
            feed.series(&labels.labels(None), kind);
            feed.value(Sample { at: Some(self.at), started_at: self.started_at, reading });
            labels.set_value_of(METRIC_NAME, name);
            labels.back_to(mark);
        }
        feed.accepted_histogram();
        Ok(())
    }
}

/// A start time in milliseconds, where 0 means that it is not set.
pub(super) fn started_at(milliseconds: u64) -> Result<Option<Timestamp>, SampleFault> {
    match milliseconds {
        0 => Ok(None),
        set => number::at_ms(set.cast_signed()).map(Some),
    }
}

const COUNT_INT: u32 = 1;
const COUNT_FLOAT: u32 = 2;
const SUM: u32 = 3;
const RESET_HINT: u32 = 14;
const TIMESTAMP: u32 = 15;
/// Remote write 2.0 only.
const START_TIMESTAMP: u32 = 17;
/// Of the enum `ResetHint`: a histogram of levels, whose counts may fall.
const RESET_HINT_GAUGE: u64 = 3;
