//! Series to metric rules. A series is resolved once, when it is seen for the first time under
//! these rules: which rules look at it, and which alarm of which resource each of them means.
//!
//! In: the labels of a series, the rules, the directory. Out: a [`Hit`] for each rule, which makes
//! the events of that series without its labels. Nothing here remembers a sample.

use super::classifier::{Classifier, Origin};
use super::clean;
use super::labels::{ReadLabel, Target, push_part};
use super::rules::{Fill, MetricReference, MetricRule, Side};
use crate::model::event::{Channel, Event, Verb};
use crate::model::fault::Faults;
use crate::model::limits::{NAME_BYTES_MAX, TEXT_BYTES_MAX};
use crate::model::severity::Severity;
use crate::model::time::Timestamp;
use jiff::tz::TimeZone;
use std::fmt::Write as _;
use std::net::IpAddr;

/// One rule that looks at a series, and the alarm that it means. Every series that a rule looks at
/// has one for as long as it is known, so that its texts are one piece of memory, and what the
/// rule can say again is not among them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hit {
    /// Place of the rule: [`Classifier::metric_rule`] gives it.
    pub rule: u32,
    /// Whether the series is measured or the divisor of a ratio. The two series of a ratio have
    /// the same rule, resource and qualifier.
    pub side: Side,
    /// Whether the inventory knows the device.
    pub is_known: bool,
    /// Where device, component, alias of the component and qualifier end in `texts`. Behind them
    /// is the line for people, with marks where numbers go, if the labels are needed to write it.
    ends: [u16; 4],
    texts: Box<str>,
}

/// What the series has to tell.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum News {
    /// It has this value; see [`Verb::Crossing`].
    Value(f64),
    /// It has this value, so many spreads from what is usual.
    Deviation {
        /// Spreads: what the bands are held against.
        spreads: f64,
        /// The value.
        value: f64,
        /// What is usual; `None` while nobody knows.
        expected: Option<f64>,
    },
    /// It sends nothing any more; see [`Verb::Silent`].
    Silent,
}

impl News {
    /// The number that the bands are held against.
    #[must_use]
    pub fn compared(self) -> Option<f64> {
        match self {
            Self::Value(compared) | Self::Deviation { spreads: compared, .. } => Some(compared),
            Self::Silent => None,
        }
    }
}

impl Classifier {
    /// The rules that look at a series, and what each means by it. `labels` gives the value of a
    /// label, `peer` is who sent the series.
    #[must_use]
    pub fn resolve_series(&self, metric: &str, labels: ReadLabel<'_>, peer: IpAddr) -> Vec<Hit> {
        let rules = &self.rules().metric;
        rules
            .of_metric(metric)
            .iter()
            .filter_map(|(place, side)| {
                let rule = rules.rules.get(*place)?;
                // The conditions are about what is measured; the other metric may lack its labels.
                let is_hit = *side == Side::Divisor || rule.is_match(labels);
                is_hit.then(|| self.hit(u32::try_from(*place).ok(), (rule, *side), labels, peer))?
            })
            .collect()
    }

    /// The rule at the place that a hit names, as long as the hit was made by this classifier.
    #[must_use]
    #[inline]
    pub fn metric_rule(&self, place: u32) -> Option<&MetricRule> {
        self.rules().metric.rules.get(usize::try_from(place).ok()?)
    }

    fn hit(
        &self,
        place: Option<u32>,
        (rule, side): (&MetricRule, Side),
        labels: ReadLabel<'_>,
        peer: IpAddr,
    ) -> Option<Hit> {
        // No text of a hit is longer; the rest of a label would only cost time, for every rule.
        let head = |name: &str| labels(name).map(|value| clean::cut_str(value, TEXT_BYTES_MAX));
        let labels: ReadLabel<'_> = &head;
        let map = self.rules().labels();
        let target = match &rule.component {
            None => {
                let named = map.target(labels, self.directory(), peer);
                let place = (self.directory(), peer);
                if rule.device_labels.is_empty() {
                    named
                } else {
                    map.target_with(labels, place, &rule.device_labels, named.component)
                }
            }
            Some(template) => {
                let mut component = String::new();
                template.write(&mut PartValues(labels), &mut component);
                let place = (self.directory(), peer);
                map.target_with(labels, place, &rule.device_labels, component)
            }
        };
        let mut qualifier = String::new();
        rule.qualifier.write(&mut TextValues { labels, component: "" }, &mut qualifier);
        clean::cut(&mut qualifier, NAME_BYTES_MAX);
        qualifier.truncate(qualifier.trim_end().len());
        let line = if names_label(rule) {
            line_of(rule, &mut TextValues { labels, component: &target.component })
        } else {
            String::new()
        };
        Hit::new((place?, side), &target, (&qualifier, &line))
    }

    /// Whose hours the baseline of a hit of this classifier goes by.
    #[must_use]
    pub fn zone_of_baseline(&self, hit: &Hit) -> TimeZone {
        let baseline = self.metric_rule(hit.rule).and_then(|rule| rule.baseline.as_ref());
        let is_by_site = baseline.is_some_and(|baseline| baseline.is_by_site);
        let of_site = is_by_site.then(|| self.directory().zone_of(hit.device())).flatten();
        of_site.unwrap_or(TimeZone::UTC)
    }

    /// The event that tells news of a series. `line` is memory for its text.
    #[must_use]
    pub fn series_event<'a>(
        &'a self,
        hit: &'a Hit,
        news: News,
        (origin, occurred_at): (&Origin, Option<Timestamp>),
        line: &'a mut String,
    ) -> Option<Event<'a>> {
        let rule = self.metric_rule(hit.rule)?;
        line.clear();
        let (verb, value) = match news {
            News::Value(value) => {
                hit.push_line(rule, (value, None), line);
                (Verb::Crossing, Some(value))
            }
            News::Deviation { spreads, value, expected } => {
                hit.push_line(rule, (value, expected), line);
                (Verb::Crossing, Some(spreads))
            }
            News::Silent => {
                let _ = write!(line, "no samples for {} any more", rule.name());
                (Verb::Silent, None)
            }
        };
        Some(Event {
            verb,
            severity: Severity::Indeterminate,
            channel: Channel::Metric,
            lane: rule.lane,
            faults: Faults::NONE,
            listener: origin.listener,
            epoch: self.epoch(),
            arrived: origin.arrived,
            occurred_at,
            uptime_cs: None,
            value,
            lease_until: None,
            peer: origin.peer.to_canonical(),
            is_known: hit.is_known,
            is_in_service: false,
            device: hit.device(),
            component: hit.component(),
            component_alias: hit.text_at(2),
            alarm_type: &rule.threshold.alarm_type,
            qualifier: hit.qualifier(),
            rule: &rule.threshold.name,
            text: line,
            labels: "",
            raw: b"",
        })
    }
}

impl Hit {
    /// `None` when the texts are longer than texts are.
    fn new(
        (rule, side): (u32, Side),
        target: &Target,
        (qualifier, line): (&str, &str),
    ) -> Option<Self> {
        let names = [&*target.device, &*target.component, &*target.component_alias, qualifier];
        let mut texts = String::new();
        let mut ends = [0; 4];
        for (name, end) in names.into_iter().zip(&mut ends) {
            texts.push_str(name);
            *end = u16::try_from(texts.len()).ok()?;
        }
        texts.push_str(line);
        Some(Self { rule, side, is_known: target.is_known, ends, texts: texts.into() })
    }

    /// Whether another one means the same alarm by the same side, whatever its rule.
    #[must_use]
    pub fn is_about_the_same(&self, other: &Self) -> bool {
        let names = |hit: &Self| (hit.side, hit.ends);
        let end = usize::from(self.ends[3]);
        names(self) == names(other) && self.texts.get(..end) == other.texts.get(..end)
    }

    /// Device part of the resource.
    #[must_use]
    pub fn device(&self) -> &str {
        self.text_at(0)
    }

    /// Component part of the resource, empty for the device itself.
    #[must_use]
    pub fn component(&self) -> &str {
        self.text_at(1)
    }

    /// Qualifier of the alarm.
    #[must_use]
    pub fn qualifier(&self) -> &str {
        self.text_at(3)
    }

    /// The text with that number; the last is the line for people.
    fn text_at(&self, number: usize) -> &str {
        let end = |number: usize| self.ends.get(number).copied().map(usize::from);
        let start = number.checked_sub(1).and_then(end).unwrap_or(0);
        let end = end(number).unwrap_or(self.texts.len());
        self.texts.get(start..end).unwrap_or_default()
    }

    /// Appends the line for people.
    fn push_line(
        &self,
        rule: &MetricRule,
        (value, expected): (f64, Option<f64>),
        out: &mut String,
    ) {
        let made_again;
        let line = if names_label(rule) {
            self.text_at(self.ends.len())
        } else {
            let component = self.component();
            made_again = line_of(rule, &mut TextValues { labels: &|_| None, component });
            &made_again
        };
        for piece in line.split_inclusive([VALUE_MARK, EXPECTED_MARK]) {
            out.push_str(piece);
            match (out.pop(), expected) {
                (Some(VALUE_MARK), _) => push_number(value, out),
                (Some(EXPECTED_MARK), Some(expected)) => push_number(expected, out),
                (Some(EXPECTED_MARK), None) => out.push_str("unknown"),
                (last, _) => out.extend(last),
            }
        }
        clean::cut(out, TEXT_BYTES_MAX);
    }
}

/// Whether labels are needed to write the line of a rule.
fn names_label(rule: &MetricRule) -> bool {
    rule.text.places().any(|place| matches!(place, MetricReference::Label(_)))
}

/// The line for people, with marks where numbers go.
fn line_of(rule: &MetricRule, values: &mut TextValues<'_, '_>) -> String {
    let mut line = String::new();
    if rule.text.is_empty() {
        let _ = write!(line, "{} is {VALUE_MARK}", rule.name());
        if rule.baseline.is_some() {
            let _ = write!(line, ", usual is {EXPECTED_MARK}");
        }
    } else {
        rule.text.write_to_people(values, &mut line);
    }
    clean::cut(&mut line, TEXT_BYTES_MAX.saturating_sub(VALUE_BYTES));
    line
}

/// Writes a number as people write it: six digits are enough.
fn push_number(value: f64, out: &mut String) {
    let size = value.abs();
    let _ = if size >= 1e9 || (size > 0.0 && size < 1e-4) {
        write!(out, "{value:.3e}")
    } else {
        let start = out.len();
        let written = write!(out, "{value:.3}");
        if out.get(start..).is_some_and(|number| number.contains('.')) {
            out.truncate(out.trim_end_matches('0').trim_end_matches('.').len());
        }
        written
    };
}

/// Labels as they name a part.
struct PartValues<'l>(ReadLabel<'l>);

impl Fill<MetricReference> for PartValues<'_> {
    fn fill(&mut self, reference: &MetricReference, out: &mut String) {
        if let MetricReference::Label(name) = reference
            && let Some(value) = (self.0)(name)
        {
            push_part(name, value, out);
        }
    }
}

/// Labels as they are told to people; the value is left open.
struct TextValues<'l, 'c> {
    labels: ReadLabel<'l>,
    component: &'c str,
}

impl Fill<MetricReference> for TextValues<'_, '_> {
    fn fill(&mut self, reference: &MetricReference, out: &mut String) {
        match reference {
            MetricReference::Value => out.push(VALUE_MARK),
            MetricReference::Expected => out.push(EXPECTED_MARK),
            MetricReference::Component => out.push_str(self.component),
            MetricReference::Label(name) => {
                // Clean text holds no control character, so that the mark cannot be forged.
                clean::push((self.labels)(name).unwrap_or("").as_bytes(), out);
            }
        }
    }
}

/// Stands for the value in a text that is filled already.
const VALUE_MARK: char = '\u{1}';
/// Stands for the usual value in such a text.
const EXPECTED_MARK: char = '\u{2}';
/// Room for the values in a text, bytes.
const VALUE_BYTES: usize = 64;

#[cfg(test)]
#[path = "metric_tests.rs"]
mod tests;
