//! Samples of metrics: what `decode::metrics` gives, series by series, and whoever keeps series
//! takes. Nothing here owns text: a sample is visited while the body that it came in is there.

use crate::model::index::KeyHasher;
use crate::model::time::Timestamp;

/// The label that holds the name of the metric, whatever format it came in.
pub const METRIC_NAME: &str = "__name__";
/// Prometheus says with this NaN that a series has ended; it is no value.
const STALE_BITS: u64 = 0x7ff0_0000_0000_0002;

/// What a decoder tells, in the order of the body. After [`Samples::series`] come the samples of
/// that series, until the next one is named.
pub trait Samples {
    /// Asked before labels are read: is this label block, byte for byte, that of a series which is
    /// known? Then the samples that follow are its own and [`Samples::series`] is not called. Only
    /// remote write 1.0 asks, for its blocks mean the same in every body.
    fn recall(&mut self, _block: &[u8]) -> Recall {
        Recall::Unknown
    }

    /// The samples that follow are of this series. The labels have been checked. None may follow:
    /// each of them can still be rejected.
    fn series(&mut self, labels: &Labels<'_>, kind: SeriesKind);

    /// A sample of the series.
    fn sample(&mut self, sample: Sample);

    /// Something was not taken. What else the body holds goes on.
    fn rejected(&mut self, rejection: &Rejection<'_>);
}

/// The answer to [`Samples::recall`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Recall {
    /// The series is known, and is the current one now.
    Known,
    /// The labels have to be read.
    Unknown,
}

/// One value of a series.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Sample {
    /// When it was measured; `None` when the sender does not say.
    pub at: Option<Timestamp>,
    /// Since when a total or a delta counts, when the sender says it.
    pub started_at: Option<Timestamp>,
    /// What was measured.
    pub reading: Reading,
}

/// What a sample says.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Reading {
    /// A number: possibly infinite, possibly a NaN that means nothing else.
    Number(f64),
    /// The series has ended or has nothing to say (stale marker of Prometheus, no-recorded-value
    /// flag of OpenTelemetry).
    Stale,
}

impl Reading {
    /// Tells the stale marker from numbers.
    #[inline]
    #[must_use]
    pub fn of(value: f64) -> Self {
        if value.to_bits() == STALE_BITS { Self::Stale } else { Self::Number(value) }
    }
}

/// What kind of instrument a series is of, as far as the sender says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SeriesKind {
    /// What the series is, or is a part of.
    pub family: Family,
    /// How its values follow each other: a threshold on a delta is a threshold on a rate.
    pub temporality: Temporality,
    /// Whether a total only grows, except when it starts again.
    pub is_monotonic: bool,
}

impl SeriesKind {
    /// The sender does not say.
    pub const UNTOLD: Self = Self::new(Family::Untold, Temporality::Untold);
    /// A level.
    pub const GAUGE: Self = Self::new(Family::Gauge, Temporality::Instant);

    /// A series that may go up and down.
    #[must_use]
    pub const fn new(family: Family, temporality: Temporality) -> Self {
        Self { family, temporality, is_monotonic: false }
    }

    /// A series that only grows.
    #[must_use]
    pub const fn monotonic(family: Family, temporality: Temporality) -> Self {
        Self { family, temporality, is_monotonic: true }
    }
}

/// What a series is, or is a part of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    /// The sender does not say.
    Untold,
    /// A level.
    Gauge,
    /// A counter, or a sum that may also fall.
    Sum,
    /// Count, sum or bucket of a histogram, of whatever form.
    Histogram,
    /// Count, sum or quantile of a summary.
    Summary,
}

/// How the values of a series follow each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Temporality {
    /// The sender does not say.
    Untold,
    /// Each value is the state at that moment.
    Instant,
    /// Each value is the total since the start.
    Cumulative,
    /// Each value is what was added since the value before.
    Delta,
}

/// A text of a label: as it was sent, or as the decoder had to make it (an escape resolved, a
/// number written out).
#[derive(Clone, Copy, Debug)]
pub enum Text<'a> {
    /// Lies in the body.
    Sent(&'a str),
    /// Lies in the decoder's own text, from the first place to the second.
    Made(u32, u32),
}

impl<'a> Text<'a> {
    /// The text itself.
    #[inline]
    #[must_use]
    pub fn resolve(self, made: &'a str) -> &'a str {
        match self {
            Self::Sent(text) => text,
            Self::Made(start, end) => {
                let start = usize::try_from(start).unwrap_or(usize::MAX);
                let end = usize::try_from(end).unwrap_or(usize::MAX);
                made.get(start..end).unwrap_or("")
            }
        }
    }
}

/// The labels of a series, the name of the metric among them, in the sender's order.
#[derive(Clone, Copy, Debug)]
pub struct Labels<'a> {
    pairs: &'a [[Text<'a>; 2]],
    made: &'a str,
    block: Option<&'a [u8]>,
}

impl<'a> Labels<'a> {
    /// Labels whose texts were sent or lie in `made`; `block` is what [`Samples::recall`] was
    /// asked.
    #[must_use]
    pub fn new(pairs: &'a [[Text<'a>; 2]], made: &'a str, block: Option<&'a [u8]>) -> Self {
        Self { pairs, made, block }
    }

    /// Name and value of each.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'a str, &'a str)> + use<'a> {
        let made = self.made;
        self.pairs.iter().map(move |[name, value]| (name.resolve(made), value.resolve(made)))
    }

    /// Value of a label; `None` when the series has no such label.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Name of the metric; never empty in what a decoder gives.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.get(METRIC_NAME).unwrap_or("")
    }

    /// The label block as it was sent, to be recognised the next time; `None` where the format has
    /// none that stands for itself.
    #[must_use]
    pub fn block(&self) -> Option<&'a [u8]> {
        self.block
    }

    /// A hash that does not depend on the order: some senders change it from body to body. Series
    /// of the same hash may differ, so the caller compares.
    #[must_use]
    pub fn fingerprint(&self, hasher: &KeyHasher) -> u64 {
        let add = |sum: u64, (name, value)| sum.wrapping_add(hasher.hash(&[name, value]));
        self.iter().fold(0, add)
    }
}

/// What was not taken, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rejection<'a> {
    /// Why.
    pub fault: SampleFault,
    /// How many samples are lost: those that could be counted, and at least one.
    pub samples: u64,
    /// Where: the line of line protocol; in other formats the number of the series or of the
    /// metric. The first is 1; 0 is the body as a whole.
    pub place: u64,
    /// Name of the metric, or what could be read of it; else empty.
    pub name: &'a str,
}

/// What came of a body: `seen` is always `accepted` plus `rejected`. The unit is the sender's
/// sample: a data point, a native histogram, a field of line protocol. A histogram is one sample
/// and is visited as several series.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Tally {
    /// Samples found in the body.
    pub seen: u64,
    /// Samples given to the visitor.
    pub accepted: u64,
    /// Samples not taken.
    pub rejected: u64,
    /// How many of the accepted ones were histograms.
    pub histograms: u64,
    /// The body could not be read to its end, for this reason: more may be lost than was counted.
    pub broken: Option<SampleFault>,
}

/// Why samples were not taken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum SampleFault {
    /// The message ends before its own lengths say.
    Truncated,
    /// Bytes that the encoding does not allow, or a field of another type than its own.
    BadEncoding,
    /// JSON that cannot be read.
    NotJson,
    /// A name or a value is not UTF-8.
    NotUtf8,
    /// A label is there twice.
    DuplicateLabel,
    /// The metric has no name, or an empty one.
    NameMissing,
    /// A label has an empty name.
    LabelNameEmpty,
    /// A label's name, or the labels of a series together, are longer than the limit.
    LabelTooLong,
    /// The labels of the samples would be out of all proportion to the body.
    LabelsOutOfProportion,
    /// More labels than the limit.
    TooManyLabels,
    /// A label refers to a symbol that the table does not hold, or has a name and no value.
    SymbolUnknown,
    /// More symbols than the limit.
    TooManySymbols,
    /// A value is nested deeper than the limit.
    NestingTooDeep,
    /// A time outside of the years 1677 to 2262.
    TimestampOutOfRange,
    /// A sample without a value.
    ValueMissing,
    /// A value that is no number of its type.
    ValueInvalid,
    /// A number that does not fit its type.
    ValueOutOfRange,
    /// A text where numbers are taken: no fault of the sender, there is nothing to measure.
    TextValue,
    /// A line that has a measurement and no field.
    FieldMissing,
    /// A tag without name or value, or without the sign between them.
    TagInvalid,
    /// A field without name or value, or with something behind its value.
    FieldInvalid,
    /// A timestamp that is no number, or something behind it.
    TimestampInvalid,
    /// A control character where none may be.
    ControlCharacter,
}

impl SampleFault {
    /// Every fault, in declaration order.
    pub const ALL: [Self; 23] = [
        Self::Truncated,
        Self::BadEncoding,
        Self::NotJson,
        Self::NotUtf8,
        Self::DuplicateLabel,
        Self::NameMissing,
        Self::LabelNameEmpty,
        Self::LabelTooLong,
        Self::LabelsOutOfProportion,
        Self::TooManyLabels,
        Self::SymbolUnknown,
        Self::TooManySymbols,
        Self::NestingTooDeep,
        Self::TimestampOutOfRange,
        Self::ValueMissing,
        Self::ValueInvalid,
        Self::ValueOutOfRange,
        Self::TextValue,
        Self::FieldMissing,
        Self::TagInvalid,
        Self::FieldInvalid,
        Self::TimestampInvalid,
        Self::ControlCharacter,
    ];

    /// Stable kebab-case name, for the API, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::BadEncoding => "bad-encoding",
            Self::NotJson => "not-json",
            Self::NotUtf8 => "not-utf8",
            Self::DuplicateLabel => "duplicate-label",
            Self::NameMissing => "name-missing",
            Self::LabelNameEmpty => "label-name-empty",
            Self::LabelTooLong => "label-too-long",
            Self::LabelsOutOfProportion => "labels-out-of-proportion",
            Self::TooManyLabels => "too-many-labels",
            Self::SymbolUnknown => "symbol-unknown",
            Self::TooManySymbols => "too-many-symbols",
            Self::NestingTooDeep => "nesting-too-deep",
            Self::TimestampOutOfRange => "timestamp-out-of-range",
            Self::ValueMissing => "value-missing",
            Self::ValueInvalid => "value-invalid",
            Self::ValueOutOfRange => "value-out-of-range",
            Self::TextValue => "text-value",
            Self::FieldMissing => "field-missing",
            Self::TagInvalid => "tag-invalid",
            Self::FieldInvalid => "field-invalid",
            Self::TimestampInvalid => "timestamp-invalid",
            Self::ControlCharacter => "control-character",
        }
    }

    /// Whether the sender did something wrong and should be told.
    #[must_use]
    pub const fn is_senders(self) -> bool {
        !matches!(self, Self::TextValue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stale_marker_is_no_other_nan() {
        assert_eq!(Reading::of(f64::from_bits(0x7ff0_0000_0000_0002)), Reading::Stale);
        for bits in [0x7ff8_0000_0000_0001, 0x7ff0_0000_0000_0001, 0xfff0_0000_0000_0002_u64] {
            let Reading::Number(value) = Reading::of(f64::from_bits(bits)) else { panic!("stale") };
            assert!(value.is_nan());
        }
    }

    #[test]
    fn labels_are_read_from_body_and_made_text_alike() {
        let pairs = [
            [Text::Sent(METRIC_NAME), Text::Made(0, 8)],
            [Text::Sent("host"), Text::Sent("pe1")],
            [Text::Sent("lost"), Text::Made(5, 99)],
        ];
        let labels = Labels::new(&pairs, "cpu_user", None);
        let expected = [(METRIC_NAME, "cpu_user"), ("host", "pe1"), ("lost", "")];
        assert_eq!(labels.iter().collect::<Vec<_>>(), expected);
        assert_eq!((labels.name(), labels.get("host")), ("cpu_user", Some("pe1")));
        assert_eq!(labels.get("absent"), None);
    }

    #[test]
    fn the_fingerprint_knows_no_order_but_tells_pairs_apart() {
        let hasher = KeyHasher::new(3);
        let pair = |name, value| [Text::Sent(name), Text::Sent(value)];
        let hash = |pairs: &[_]| Labels::new(pairs, "", None).fingerprint(&hasher);
        let first = hash(&[pair("a", "b"), pair("c", "d")]);
        assert_eq!(first, hash(&[pair("c", "d"), pair("a", "b")]));
        assert_ne!(first, hash(&[pair("a", "d"), pair("c", "b")]));
        assert_ne!(first, hash(&[pair("ab", ""), pair("c", "d")]));
    }

    #[test]
    fn every_fault_has_its_own_name() {
        let names: std::collections::BTreeSet<_> =
            SampleFault::ALL.iter().map(|fault| fault.as_str()).collect();
        assert_eq!(names.len(), SampleFault::ALL.len());
        assert!(
            names
                .iter()
                .all(|name| name.bytes().all(|b| b == b'-' || b.is_ascii_lowercase() || b == b'8'))
        );
    }
}
