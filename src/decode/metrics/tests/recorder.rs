//! A visitor that writes down what it is told.

use crate::model::sample::{
    Labels, Reading, Recall, Rejection, Sample, SampleFault, Samples, SeriesKind,
};

/// What a visit said, in a form that can be compared.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Series {
    pub(super) labels: Vec<(String, String)>,
    pub(super) kind: SeriesKind,
    pub(super) samples: Vec<Told>,
}

/// A sample: when, since when, and the bits of its value.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Told {
    pub(super) at: Option<i64>,
    pub(super) started_at: Option<i64>,
    /// `None` when it is stale.
    pub(super) bits: Option<u64>,
}

impl Told {
    pub(super) fn at(at: i64, value: f64) -> Self {
        Self { at: Some(at), started_at: None, bits: Some(value.to_bits()) }
    }

    pub(super) fn value(self) -> f64 {
        f64::from_bits(self.bits.expect("not stale"))
    }
}

/// What was refused: why, how many samples, where, of which metric.
pub(super) type Refused = (SampleFault, u64, u64, String);

#[derive(Default)]
pub(super) struct Recorder {
    pub(super) series: Vec<Series>,
    pub(super) refused: Vec<Refused>,
    /// Label blocks to be recalled.
    pub(super) known: Vec<Vec<u8>>,
    pub(super) recalled: usize,
    /// Label blocks that series came with.
    pub(super) blocks: Vec<Option<Vec<u8>>>,
}

impl Recorder {
    /// Names of the series, one for each.
    pub(super) fn names(&self) -> Vec<&str> {
        self.series.iter().map(Series::name).collect()
    }

    pub(super) fn faults(&self) -> Vec<SampleFault> {
        self.refused.iter().map(|(fault, ..)| *fault).collect()
    }

    pub(super) fn lost(&self) -> u64 {
        self.refused.iter().map(|(_, samples, ..)| samples).sum()
    }
}

impl Series {
    pub(super) fn name(&self) -> &str {
        self.get("__name__")
    }

    pub(super) fn get(&self, name: &str) -> &str {
        let found = self.labels.iter().find(|(known, _)| known == name);
        found.map_or("absent", |(_, value)| value)
    }
}

impl Samples for Recorder {
    fn recall(&mut self, block: &[u8]) -> Recall {
        if self.known.iter().any(|known| known == block) {
            self.recalled += 1;
            let labels = vec![("recalled".to_owned(), String::new())];
            self.series.push(Series { labels, kind: SeriesKind::UNTOLD, samples: Vec::new() });
            Recall::Known
        } else {
            Recall::Unknown
        }
    }

    fn series(&mut self, labels: &Labels<'_>, kind: SeriesKind) {
        let labels_owned: Vec<_> =
            labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        assert!(!labels.name().is_empty(), "{labels_owned:?}");
        self.blocks.push(labels.block().map(<[u8]>::to_vec));
        self.series.push(Series { labels: labels_owned, kind, samples: Vec::new() });
    }

    fn sample(&mut self, sample: Sample) {
        let bits = match sample.reading {
            Reading::Number(value) => Some(value.to_bits()),
            Reading::Stale => None,
        };
        let [at, started_at] = [sample.at, sample.started_at].map(|at| at.map(|at| at.0));
        let series = self.series.last_mut().expect("a series is named before its samples");
        series.samples.push(Told { at, started_at, bits });
    }

    fn rejected(&mut self, rejection: &Rejection<'_>) {
        assert!(rejection.samples > 0, "{rejection:?}");
        let Rejection { fault, samples, place, name } = *rejection;
        self.refused.push((fault, samples, place, name.to_owned()));
    }
}
