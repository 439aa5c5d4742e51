//! A data point as both encodings give it, and the visit of its series.

use crate::decode::metrics::feed::Feed;
use crate::decode::metrics::label_list::LabelList;
use crate::decode::metrics::number;
use crate::model::sample::{
    Family, METRIC_NAME, Reading, Sample, SampleFault, Samples, SeriesKind, Temporality, Text,
};
use crate::model::time::Timestamp;

/// Which of the five forms a metric has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    Gauge,
    Sum,
    Histogram,
    ExponentialHistogram,
    Summary,
}

/// What holds for all points of a metric.
#[derive(Clone, Copy, Debug)]
pub(super) struct Metric<'b> {
    pub(super) name: Text<'b>,
    pub(super) form: Form,
    pub(super) temporality: Temporality,
    pub(super) is_monotonic: bool,
}

/// One data point, without its attributes.
#[derive(Default, Debug)]
pub(super) struct Point {
    /// Nanoseconds since 1970; 0 when it is not known.
    pub(super) started_at_ns: u64,
    /// Nanoseconds since 1970; 0 when it is not known.
    pub(super) at_ns: u64,
    pub(super) flags: u64,
    /// Of a gauge or sum.
    pub(super) value: Option<f64>,
    /// Of the other forms.
    pub(super) count: f64,
    /// Of the other forms.
    pub(super) sum: Option<f64>,
    /// Quantile and value, of a summary.
    pub(super) quantiles: Vec<[f64; 2]>,
}

impl Point {
    /// Empties it and keeps its memory.
    pub(super) fn clear(&mut self) {
        let mut quantiles = std::mem::take(&mut self.quantiles);
        quantiles.clear();
        *self = Self { quantiles, ..Self::default() };
    }

    /// Completes the labels, whose name and own attributes are there, and visits the series. On a
    /// fault nothing has been visited.
    pub(super) fn visit<'b, S: Samples + ?Sized>(
        &self,
        metric: &Metric<'b>,
        labels: &mut LabelList<'b>,
        feed: &mut Feed<'_, S>,
    ) -> Result<(), SampleFault> {
        let series = match metric.form {
            Form::Gauge | Form::Sum => 1,
            _ => self.quantiles.len().saturating_add(2),
        };
        feed.afford(labels.weight_with_shared().saturating_mul(series))?;
        labels.check()?;
        labels.push_shared()?;
        let stamp = self.stamp()?;
        match metric.form {
            Form::Gauge | Form::Sum => self.visit_number(metric, &stamp, labels, feed),
            Form::Histogram | Form::ExponentialHistogram => {
                self.visit_histogram(metric, &stamp, labels, feed);
                Ok(())
            }
            Form::Summary => self.visit_summary(metric, &stamp, labels, feed),
        }
    }

    fn stamp(&self) -> Result<Stamp, SampleFault> {
        Ok(Stamp {
            at: number::known_ns(self.at_ns)?,
            started_at: number::known_ns(self.started_at_ns)?,
            is_stale: self.flags & NO_RECORDED_VALUE != 0,
        })
    }

    fn visit_number<S: Samples + ?Sized>(
        &self,
        metric: &Metric<'_>,
        stamp: &Stamp,
        labels: &LabelList<'_>,
        feed: &mut Feed<'_, S>,
    ) -> Result<(), SampleFault> {
        let value = match self.value {
            Some(value) => value,
            None if stamp.is_stale => 0.0,
            None => return Err(SampleFault::ValueMissing),
        };
        let Metric { form, temporality, is_monotonic, .. } = *metric;
        let kind = if form == Form::Sum {
            SeriesKind { family: Family::Sum, temporality, is_monotonic }
        } else {
            SeriesKind::GAUGE
        };
        feed.series(&labels.labels(None), kind);
        feed.value(stamp.sample(value));
        feed.accepted();
        Ok(())
    }

    fn visit_histogram<'b, S: Samples + ?Sized>(
        &self,
        metric: &Metric<'b>,
        stamp: &Stamp,
        labels: &mut LabelList<'b>,
        feed: &mut Feed<'_, S>,
    ) {
        let count = SeriesKind::monotonic(Family::Histogram, metric.temporality);
        visit_part([metric.name, COUNT], count, stamp.sample(self.count), labels, feed);
        if let Some(sum) = self.sum {
            let kind = SeriesKind::new(Family::Histogram, metric.temporality);
            visit_part([metric.name, SUM], kind, stamp.sample(sum), labels, feed);
        }
        feed.accepted_histogram();
    }

    fn visit_summary<'b, S: Samples + ?Sized>(
        &self,
        metric: &Metric<'b>,
        stamp: &Stamp,
        labels: &mut LabelList<'b>,
        feed: &mut Feed<'_, S>,
    ) -> Result<(), SampleFault> {
        if !self.quantiles.is_empty() {
            labels.check_room(QUANTILE)?;
        }
        let count = SeriesKind::monotonic(Family::Summary, Temporality::Cumulative);
        visit_part([metric.name, COUNT], count, stamp.sample(self.count), labels, feed);
        let sum = SeriesKind::new(Family::Summary, Temporality::Cumulative);
        let value = stamp.sample(self.sum.unwrap_or(0.0));
        visit_part([metric.name, SUM], sum, value, labels, feed);
        for [quantile, value] in &self.quantiles {
            let mark = labels.mark();
            let text = labels.format(format_args!("{quantile}"));
            labels.push(Text::Sent(QUANTILE), text)?;
            let kind = SeriesKind::new(Family::Summary, Temporality::Instant);
            feed.series(&labels.labels(None), kind);
            feed.value(stamp.sample(*value));
            labels.back_to(mark);
        }
        feed.accepted();
        Ok(())
    }
}

/// What the samples of a point have in common.
struct Stamp {
    at: Option<Timestamp>,
    started_at: Option<Timestamp>,
    is_stale: bool,
}

impl Stamp {
    fn sample(&self, value: f64) -> Sample {
        let reading = if self.is_stale { Reading::Stale } else { Reading::of(value) };
        Sample { at: self.at, started_at: self.started_at, reading }
    }
}

/// Visits the series whose name has these two parts. The labels are left as they were.
fn visit_part<'b, S: Samples + ?Sized>(
    name: [Text<'b>; 2],
    kind: SeriesKind,
    sample: Sample,
    labels: &mut LabelList<'b>,
    feed: &mut Feed<'_, S>,
) {
    let mark = labels.mark();
    let whole = labels.join(&name);
    labels.set_value_of(METRIC_NAME, whole);
    feed.series(&labels.labels(None), kind);
    feed.value(sample);
    labels.set_value_of(METRIC_NAME, name[0]);
    labels.back_to(mark);
}

/// Of the enum `AggregationTemporality`.
pub(super) fn temporality(number: u64) -> Temporality {
    match number {
        1 => Temporality::Delta,
        2 => Temporality::Cumulative,
        _ => Temporality::Untold,
    }
}

const COUNT: Text<'static> = Text::Sent("_count");
const SUM: Text<'static> = Text::Sent("_sum");
const QUANTILE: &str = "quantile";
/// Of the enum `DataPointFlags`.
const NO_RECORDED_VALUE: u64 = 1;
