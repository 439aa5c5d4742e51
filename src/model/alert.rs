//! An alert of Prometheus or of whoever speaks like it: labels that name it, annotations for
//! people, and the time for which it holds.

use crate::model::limits::ALERT_LABELS_BYTES_MAX;
use crate::model::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Names and their values, in the order of the names.
pub type LabelSet = BTreeMap<String, String>;

/// The label that names an alert.
pub const ALERT_NAME: &str = "alertname";

/// An alert as it was posted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Alert {
    /// What it is about; no value is empty.
    pub labels: LabelSet,
    /// What is said of it.
    pub annotations: LabelSet,
    /// When it began to fire.
    pub starts_at: Option<Timestamp>,
    /// When it ended, or until when it is to be believed.
    pub ends_at: Option<Timestamp>,
    /// Where it can be looked at; may be empty.
    pub generator_url: String,
}

/// What an alert says at the moment of its receipt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It fires, and is to be believed until then unless it is told again.
    Firing {
        /// Since when.
        since: Timestamp,
        /// Until when that holds.
        until: Timestamp,
    },
    /// It fires no more.
    Ended {
        /// Since when.
        at: Timestamp,
    },
}

impl Alert {
    /// A label; an empty text when there is none.
    #[must_use]
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }

    /// What it says at its receipt `at`. One that does not say how long it holds, holds for
    /// `resolve_timeout_ns`; one that began later than now began now.
    #[must_use]
    pub fn standing(&self, at: Timestamp, resolve_timeout_ns: i64) -> Standing {
        let until = self.ends_at.unwrap_or(at.plus_ns(resolve_timeout_ns));
        if until <= at {
            return Standing::Ended { at: until };
        }
        Standing::Firing { since: self.starts_at.unwrap_or(at).min(at), until }
    }

    /// Bytes that its labels alone take in [`Alert::canonical`].
    #[must_use]
    pub fn labels_bytes(&self) -> usize {
        self.kept(&LabelSet::new(), "").len()
    }

    /// Labels, annotations and address as one JSON object with sorted keys: the same alert gives
    /// the same text, at most [`ALERT_LABELS_BYTES_MAX`] when its labels fit in that. Of
    /// annotations there is as much as fits, in the order of their names.
    #[must_use]
    pub fn canonical(&self) -> String {
        let whole = self.kept(&self.annotations, &self.generator_url);
        if whole.len() <= ALERT_LABELS_BYTES_MAX {
            return whole;
        }
        let url =
            if self.kept(&LabelSet::new(), &self.generator_url).len() <= ALERT_LABELS_BYTES_MAX {
                self.generator_url.as_str()
            } else {
                ""
            };
        let room = ALERT_LABELS_BYTES_MAX.saturating_sub(self.kept(&LabelSet::new(), url).len());
        self.kept(&self.annotations_within(room), url)
    }

    fn annotations_within(&self, mut room: usize) -> LabelSet {
        let mut kept = LabelSet::new();
        for (name, value) in &self.annotations {
            // Quotes, colon and comma.
            let around = json_bytes(name).saturating_add(2);
            let Some(left) = room.checked_sub(around) else { continue };
            let value = cut_to_json(value, left);
            let bytes = json_bytes(value).saturating_add(around);
            if !value.is_empty() && bytes <= room {
                room = room.saturating_sub(bytes);
                kept.insert(name.clone(), value.to_owned());
            }
        }
        kept
    }

    fn kept(&self, annotations: &LabelSet, generator_url: &str) -> String {
        let kept = KeptAlert {
            annotations: Cow::Borrowed(annotations),
            generator_url: Cow::Borrowed(generator_url),
            labels: Cow::Borrowed(&self.labels),
        };
        // Maps of texts are what JSON is made for.
        serde_json::to_string(&kept).unwrap_or_default()
    }
}

/// What is kept of an alert beside its alarm: [`Alert::canonical`], read.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct KeptAlert<'a> {
    /// Annotations.
    pub annotations: Cow<'a, LabelSet>,
    /// Where it can be looked at; may be empty.
    #[serde(rename = "generatorURL")]
    pub generator_url: Cow<'a, str>,
    /// Labels.
    pub labels: Cow<'a, LabelSet>,
}

impl KeptAlert<'static> {
    /// Reads it back; `None` when the text is none.
    #[must_use]
    pub fn read(canonical: &str) -> Option<Self> {
        serde_json::from_str(canonical).ok()
    }
}

/// The beginning of a text, at most so many bytes, cut at a character.
#[must_use]
pub fn head(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default()
}

fn json_bytes(text: &str) -> usize {
    serde_json::to_string(text).map_or(usize::MAX, |json| json.len())
}

/// The beginning of a text that takes at most so many bytes as JSON; about half of what would fit
/// where it is full of escapes.
fn cut_to_json(text: &str, bytes: usize) -> &str {
    let mut end = text.len().min(bytes);
    loop {
        let cut = head(text, end);
        if cut.is_empty() || json_bytes(cut) <= bytes {
            return cut;
        }
        end = end.saturating_sub(end.div_ceil(8).max(2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pairs: &[(&str, &str)]) -> LabelSet {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_is_kept_comes_back() {
        let alert = Alert {
            labels: set(&[("alertname", "Down"), ("b", "\"\\\u{1}é")]),
            annotations: set(&[("summary", "it is down")]),
            generator_url: "http://p:9090/".to_owned(),
            ..Alert::default()
        };
        let kept = KeptAlert::read(&alert.canonical()).expect("it comes back");
        assert_eq!(*kept.labels, alert.labels);
        assert_eq!(*kept.annotations, alert.annotations);
        assert_eq!(kept.generator_url, alert.generator_url);
        assert_eq!(KeptAlert::read("{"), None);
    }

    #[test]
    fn what_is_kept_never_takes_more_than_its_room() {
        for value in ["x".repeat(10_000), "é\"\u{1}".repeat(3_000), "\u{1}".repeat(5_000)] {
            for url in [0, 100, 5_000] {
                let alert = Alert {
                    labels: set(&[("alertname", "Down")]),
                    annotations: set(&[("a", &value), ("b", &value), ("c", "d")]),
                    generator_url: "u".repeat(url),
                    ..Alert::default()
                };
                let canonical = alert.canonical();
                assert!(canonical.len() <= ALERT_LABELS_BYTES_MAX, "{}", canonical.len());
                let kept = KeptAlert::read(&canonical).expect("it comes back");
                assert_eq!(*kept.labels, alert.labels);
                assert!(kept.annotations.contains_key("a"), "as much as fits");
            }
        }
    }

    #[test]
    fn an_alert_holds_until_its_end_or_for_a_while() {
        let at = Timestamp(1_000);
        let standing = |starts_at: Option<i64>, ends_at: Option<i64>| {
            let (starts_at, ends_at) = (starts_at.map(Timestamp), ends_at.map(Timestamp));
            Alert { starts_at, ends_at, ..Alert::default() }.standing(at, 300)
        };
        let firing =
            |since, until| Standing::Firing { since: Timestamp(since), until: Timestamp(until) };
        assert_eq!(standing(None, None), firing(1_000, 1_300));
        assert_eq!(standing(Some(500), None), firing(500, 1_300));
        assert_eq!(standing(Some(500), Some(1_001)), firing(500, 1_001));
        assert_eq!(standing(Some(5_000), Some(9_000)), firing(1_000, 9_000), "not in the future");
        assert_eq!(standing(Some(500), Some(1_000)), Standing::Ended { at: Timestamp(1_000) });
        assert_eq!(standing(None, Some(700)), Standing::Ended { at: Timestamp(700) });
        let last = i64::MAX;
        assert_eq!(standing(None, Some(last)), firing(1_000, last));
    }
}
