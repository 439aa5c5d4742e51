//! The labels of the series that is being read: texts of the body by reference, texts that had to
//! be made in one string. It is emptied and filled again, so that a series costs no allocation.

use crate::model::limits::{LABEL_BYTES_EXTRA, LABEL_NAME_BYTES_MAX, LABELS_BYTES_MAX, LABELS_MAX};
use crate::model::sample::{Labels, SampleFault, Text};
use std::fmt;

/// Labels that are being gathered.
#[derive(Default)]
pub(super) struct LabelList<'b> {
    pairs: Vec<[Text<'b>; 2]>,
    shared: Vec<[Text<'b>; 2]>,
    made: String,
    /// Of the pairs and of the shared ones, names and values.
    bytes: usize,
    shared_bytes: usize,
    /// Places of the pairs, sorted to find names that come twice.
    order: Vec<u32>,
}

/// How far a list was filled, to come back to.
#[derive(Clone, Copy, Default)]
pub(super) struct Mark {
    pairs: usize,
    made: usize,
    bytes: usize,
}

impl<'b> LabelList<'b> {
    /// How far it is filled: to come back to, for the next series.
    pub(super) fn mark(&self) -> Mark {
        Mark { pairs: self.pairs.len(), made: self.made.len(), bytes: self.bytes }
    }

    /// Forgets what came after the mark.
    #[inline]
    pub(super) fn back_to(&mut self, mark: Mark) {
        self.pairs.truncate(mark.pairs);
        self.made.truncate(mark.made);
        self.bytes = mark.bytes;
    }

    /// Forgets everything.
    #[inline]
    pub(super) fn clear(&mut self) {
        self.back_to(Mark::default());
    }

    /// Adds a label.
    #[inline]
    pub(super) fn push(&mut self, name: Text<'b>, value: Text<'b>) -> Result<(), SampleFault> {
        if self.pairs.len() >= LABELS_MAX {
            return Err(SampleFault::TooManyLabels);
        }
        let (name_text, value_text) = (self.text(name), self.text(value));
        if name_text.is_empty() {
            return Err(SampleFault::LabelNameEmpty);
        }
        let is_long = name_text.len() > LABEL_NAME_BYTES_MAX;
        let bytes = self.bytes.saturating_add(name_text.len()).saturating_add(value_text.len());
        if is_long || bytes > LABELS_BYTES_MAX {
            return Err(SampleFault::LabelTooLong);
        }
        self.bytes = bytes;
        self.pairs.push([name, value]);
        Ok(())
    }

    /// Writes a text that is not in the body.
    pub(super) fn make(
        &mut self,
        write: impl FnOnce(&mut String) -> Result<(), SampleFault>,
    ) -> Result<Text<'b>, SampleFault> {
        let start = place(self.made.len());
        write(&mut self.made)?;
        Ok(Text::Made(start, place(self.made.len())))
    }

    /// Writes a text that is not in the body.
    pub(super) fn format(&mut self, arguments: fmt::Arguments<'_>) -> Text<'b> {
        let start = place(self.made.len());
        // Writing to a string does not fail.
        let _ = fmt::Write::write_fmt(&mut self.made, arguments);
        Text::Made(start, place(self.made.len()))
    }

    /// The text itself.
    #[inline]
    pub(super) fn text<'a>(&'a self, text: Text<'b>) -> &'a str
    where
        'b: 'a,
    {
        text.resolve(&self.made)
    }

    /// Writes texts one behind the other.
    pub(super) fn join(&mut self, parts: &[Text<'b>]) -> Text<'b> {
        let start = place(self.made.len());
        for part in parts {
            match part {
                Text::Sent(text) => self.made.push_str(text),
                Text::Made(from, to) => {
                    let [from, to] = [*from, *to].map(|end| usize::try_from(end).unwrap_or(0));
                    if from <= to && self.made.get(from..to).is_some() {
                        self.made.extend_from_within(from..to);
                    }
                }
            }
        }
        Text::Made(start, place(self.made.len()))
    }

    /// Value of a label; empty when there is none.
    pub(super) fn value_of(&self, name: &str) -> Text<'b> {
        let found = self.pairs.iter().find(|[known, _]| self.text(*known) == name);
        found.map_or(Text::Sent(""), |[_, value]| *value)
    }

    /// Gives a label that is there another value.
    pub(super) fn set_value_of(&mut self, name: &str, value: Text<'b>) {
        let Self { pairs, made, .. } = self;
        if let Some([_, held]) = pairs.iter_mut().find(|[known, _]| known.resolve(made) == name) {
            *held = value;
        }
    }

    /// Sets the labels aside that all series to come share (attributes of an OTLP resource).
    pub(super) fn set_aside(&mut self) -> Result<(), SampleFault> {
        self.check_names()?;
        self.shared.clear();
        self.shared.append(&mut self.pairs);
        self.shared_bytes = std::mem::take(&mut self.bytes);
        Ok(())
    }

    /// Adds the shared labels, those excepted that the series has of its own. The result needs no
    /// further check.
    pub(super) fn push_shared(&mut self) -> Result<(), SampleFault> {
        self.bytes = self.bytes.saturating_add(self.shared_bytes);
        if self.bytes > LABELS_BYTES_MAX {
            return Err(SampleFault::LabelTooLong);
        }
        let Self { pairs, shared, made, .. } = self;
        let own = pairs.len();
        for pair in shared.iter() {
            let name = pair[0].resolve(made);
            if pairs.iter().take(own).any(|[known, _]| known.resolve(made) == name) {
                continue;
            }
            if pairs.len() >= LABELS_MAX {
                return Err(SampleFault::TooManyLabels);
            }
            pairs.push(*pair);
        }
        Ok(())
    }

    /// What it costs to look at all labels: their bytes, and something for each of them. The shared
    /// ones are included before they are added.
    #[inline]
    pub(super) fn weight_with_shared(&self) -> usize {
        let shared = self.shared.len().saturating_mul(LABEL_BYTES_EXTRA);
        self.weight().saturating_add(self.shared_bytes).saturating_add(shared)
    }

    /// What it costs to look at all labels: their bytes, and something for each of them.
    #[inline]
    pub(super) fn weight(&self) -> usize {
        self.bytes.saturating_add(self.pairs.len().saturating_mul(LABEL_BYTES_EXTRA))
    }

    /// Whether there is room for one more label of that name.
    pub(super) fn check_room(&self, name: &str) -> Result<(), SampleFault> {
        if self.pairs.len() >= LABELS_MAX {
            return Err(SampleFault::TooManyLabels);
        }
        if self.bytes.saturating_add(ROOM_BYTES) > LABELS_BYTES_MAX {
            return Err(SampleFault::LabelTooLong);
        }
        let is_taken = self.labels(None).get(name).is_some();
        if is_taken { Err(SampleFault::DuplicateLabel) } else { Ok(()) }
    }

    /// Whether the series may be believed: it has a name, and no label twice.
    #[inline]
    pub(super) fn check(&mut self) -> Result<(), SampleFault> {
        if self.name().is_empty() {
            return Err(SampleFault::NameMissing);
        }
        self.check_names()
    }

    #[inline]
    fn check_names(&mut self) -> Result<(), SampleFault> {
        let names = self.pairs.iter().map(|[name, _]| name.resolve(&self.made));
        if names.is_sorted_by(|a, b| a < b) { Ok(()) } else { self.check_unsorted() }
    }

    fn check_unsorted(&mut self) -> Result<(), SampleFault> {
        let Self { pairs, made, order, .. } = self;
        let name = |place: &u32| {
            let pair = usize::try_from(*place).ok().and_then(|place| pairs.get(place));
            pair.map_or("", |[name, _]| name.resolve(made))
        };
        order.clear();
        order.extend((0_u32..).take(pairs.len()));
        order.sort_unstable_by(|a, b| name(a).cmp(name(b)));
        let has_twins = order.windows(2).any(|two| match two {
            [a, b] => name(a) == name(b),
            _ => false,
        });
        if has_twins { Err(SampleFault::DuplicateLabel) } else { Ok(()) }
    }

    /// The view that the visitor gets.
    #[inline]
    pub(super) fn labels<'a>(&'a self, block: Option<&'a [u8]>) -> Labels<'a>
    where
        'b: 'a,
    {
        Labels::new(&self.pairs, &self.made, block)
    }

    /// Name of the metric, as far as it was read.
    pub(super) fn name(&self) -> &str {
        self.labels(None).name()
    }
}

/// What a label that the decoder adds takes at most: the longest float has some 330 digits.
const ROOM_BYTES: usize = 512;

/// A place in the made text. It holds a body's worth of text at most, far below the bound.
fn place(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(pairs: &[(&'static str, &'static str)]) -> Result<LabelList<'static>, SampleFault> {
        let mut list = LabelList::default();
        for (name, value) in pairs {
            list.push(Text::Sent(name), Text::Sent(value))?;
        }
        list.check()?;
        Ok(list)
    }

    #[test]
    fn names_that_come_twice_are_found_sorted_or_not() {
        let fault = |pairs: &[_]| list(pairs).map(|_| ()).err();
        assert_eq!(fault(&[("__name__", "m"), ("a", ""), ("b", "")]), None);
        assert_eq!(fault(&[("b", ""), ("__name__", "m"), ("a", "")]), None);
        let duplicate = Some(SampleFault::DuplicateLabel);
        assert_eq!(fault(&[("__name__", "m"), ("a", "1"), ("a", "1")]), duplicate);
        assert_eq!(fault(&[("b", ""), ("__name__", "m"), ("a", ""), ("b", "")]), duplicate);
    }

    #[test]
    fn a_series_has_a_name_and_keeps_to_the_limits() {
        let fault = |pairs: &[_]| list(pairs).map(|_| ()).err();
        assert_eq!(fault(&[]), Some(SampleFault::NameMissing));
        assert_eq!(fault(&[("__name__", "")]), Some(SampleFault::NameMissing));
        assert_eq!(fault(&[("__name__", "m"), ("", "x")]), Some(SampleFault::LabelNameEmpty));
        let long: &'static str = "x".repeat(LABELS_BYTES_MAX).leak();
        assert_eq!(fault(&[("__name__", long)]), Some(SampleFault::LabelTooLong));
        let long = long.get(..=LABEL_NAME_BYTES_MAX).expect("ASCII");
        assert_eq!(fault(&[(long, "")]), Some(SampleFault::LabelTooLong));
        assert_eq!(fault(&[("n", "v"); LABELS_MAX + 1]), Some(SampleFault::TooManyLabels));
    }

    #[test]
    fn a_series_keeps_its_own_label_and_takes_the_others_that_are_shared() {
        let mut list = LabelList::default();
        let made = list.format(format_args!("{}", 42));
        list.push(Text::Sent("a"), Text::Sent("1")).expect("a label");
        list.push(Text::Sent("b"), made).expect("a label");
        list.set_aside().expect("no twins");
        let mark = list.mark();
        for own in ["a", "b"] {
            list.back_to(mark);
            let made = list.format(format_args!("{}", 7));
            list.push(Text::Sent("__name__"), Text::Sent("m")).expect("a label");
            list.push(Text::Sent(own), made).expect("a label");
            list.push_shared().expect("room");
            let pairs: Vec<_> = list.labels(None).iter().collect();
            let shared = if own == "a" { ("b", "42") } else { ("a", "1") };
            assert_eq!(pairs, [("__name__", "m"), (own, "7"), shared]);
        }
    }

    #[test]
    fn shared_labels_are_no_twins_either() {
        let mut list = LabelList::default();
        for name in ["b", "a", "b"] {
            list.push(Text::Sent(name), Text::Sent("")).expect("a label");
        }
        assert_eq!(list.set_aside(), Err(SampleFault::DuplicateLabel));
    }
}
