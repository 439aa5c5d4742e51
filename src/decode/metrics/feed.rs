//! The one door to the visitor: every sample goes through it, taken or not, and is counted.

use crate::model::limits::{LABELS_BYTES_FREE, LABELS_BYTES_OF_BODY_MAX, LABELS_BYTES_RATIO_MAX};
use crate::model::sample::{
    Labels, Recall, Rejection, Sample, SampleFault, Samples, SeriesKind, Tally,
};

/// The visitor and the account of what it was given.
pub(super) struct Feed<'s, S: Samples + ?Sized> {
    samples: &'s mut S,
    tally: Tally,
    place: u64,
    /// Bytes of labels that may still be given to the visitor, who has to look at all of them.
    affordable: usize,
}

impl<'s, S: Samples + ?Sized> Feed<'s, S> {
    /// An account that is still empty.
    pub(super) fn new(samples: &'s mut S, body: &[u8]) -> Self {
        Self { samples, tally: Tally::default(), place: 0, affordable: affordable(body.len()) }
    }

    /// The account, once the body is read.
    pub(super) fn finish(self) -> Tally {
        self.tally
    }

    /// The next series, metric or line begins.
    #[inline]
    pub(super) fn next_place(&mut self) {
        self.place = self.place.saturating_add(1);
    }

    /// This line begins.
    #[inline]
    pub(super) fn set_place(&mut self, place: u64) {
        self.place = place;
    }

    /// Pays for labels before they are checked and given. Without this a body could say long labels
    /// once, and then samples by the million that repeat them in two octets each. The price is
    /// [`super::label_list::LabelList::weight`], as often as the labels are given.
    #[inline]
    pub(super) fn afford(&mut self, label_bytes: usize) -> Result<(), SampleFault> {
        let rest = self.affordable.checked_sub(label_bytes);
        self.affordable = rest.ok_or(SampleFault::LabelsOutOfProportion)?;
        Ok(())
    }

    #[inline]
    pub(super) fn recall(&mut self, block: &[u8]) -> Recall {
        self.samples.recall(block)
    }

    #[inline]
    pub(super) fn series(&mut self, labels: &Labels<'_>, kind: SeriesKind) {
        self.samples.series(labels, kind);
    }

    /// One value of the series; a sample may have several, and is counted apart.
    #[inline]
    pub(super) fn value(&mut self, sample: Sample) {
        self.samples.sample(sample);
    }

    /// A sample was visited.
    #[inline]
    pub(super) fn accepted(&mut self) {
        self.tally.seen = self.tally.seen.saturating_add(1);
        self.tally.accepted = self.tally.accepted.saturating_add(1);
    }

    /// A histogram was visited.
    #[inline]
    pub(super) fn accepted_histogram(&mut self) {
        self.accepted();
        self.tally.histograms = self.tally.histograms.saturating_add(1);
    }

    /// So many samples are lost.
    #[cold]
    pub(super) fn rejected(&mut self, fault: SampleFault, samples: u64, name: &str) {
        self.tally.seen = self.tally.seen.saturating_add(samples);
        self.tally.rejected = self.tally.rejected.saturating_add(samples);
        self.samples.rejected(&Rejection { fault, samples, place: self.place, name });
    }

    /// The body cannot be read any further.
    #[cold]
    pub(super) fn broken(&mut self, fault: SampleFault) {
        self.tally.broken = self.tally.broken.or(Some(fault));
    }
}

/// Bytes of labels that a body of so many bytes may make.
pub(super) fn affordable(body_bytes: usize) -> usize {
    let in_proportion = body_bytes.saturating_mul(LABELS_BYTES_RATIO_MAX);
    in_proportion.saturating_add(LABELS_BYTES_FREE).min(LABELS_BYTES_OF_BODY_MAX)
}
