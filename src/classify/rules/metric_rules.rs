//! Metric rules: found by the exact name of the metric through a hash index, then by their label
//! conditions. A series is looked up once; who keeps series keeps what was found.

use super::bands::{FOR_S_MAX, read_bands, whole};
use super::baseline::{BaselineRule, read_baseline};
use super::declared::{Declared, severity, word};
use super::read::{Report, Section, Value, Written};
use super::template::{Template, TemplateMistake};
use crate::model::alarm_type::AlarmType;
use crate::model::event::Lane;
use crate::model::index::{HashIndex, KeyHasher};
use crate::model::severity::Severity;
use crate::model::threshold::{ThresholdRule, Zones};
use regex::Regex;
use std::sync::Arc;

/// What is looked at in the samples of a series.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Quantity {
    /// The value itself.
    Value,
    /// By how much a total grows in a second; what it lost by starting again counts from zero.
    Rate,
    /// By how much a total grew since the sample before.
    Delta,
}

/// How the samples of a series become the number that is compared with the bands.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Computation {
    /// What is looked at.
    pub quantity: Quantity,
    /// What that is multiplied by.
    pub scale: f64,
    /// What is looked at in the other metric, for a ratio of two.
    pub divisor: Option<Quantity>,
}

/// A condition on a label. A label that is not there counts as empty.
pub(crate) struct Matcher {
    label: String,
    is_negated: bool,
    wanted: Wanted,
}

enum Wanted {
    Text(String),
    Pattern(Regex),
}

/// One metric rule.
pub struct MetricRule {
    /// What the engine needs of it.
    pub threshold: Arc<ThresholdRule>,
    /// The zones of its bands.
    pub zones: Zones,
    /// Lane of its alarm types: one for all, so that what it tells stays in order.
    pub lane: Lane,
    /// What is compared with the bands.
    pub computation: Computation,
    /// How the usual value is learnt, if the bands are counted from there.
    pub baseline: Option<BaselineRule>,
    /// A series that sends nothing for so long is silent, ms.
    pub absent_after_ms: u64,
    meaning: u64,
    matchers: Vec<Matcher>,
    /// Labels that name the device, before those that always do.
    pub(crate) device_labels: Vec<String>,
    /// Component of the resource; absent: by the labels that name parts.
    pub(crate) component: Option<Template<MetricReference>>,
    /// Qualifier of the alarm.
    pub(crate) qualifier: Template<MetricReference>,
    /// Line for people.
    pub(crate) text: Template<MetricReference>,
}

/// What a name in a metric rule refers to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum MetricReference {
    /// The number that is compared with the bands, at that moment.
    Value,
    /// The value that is usual at that moment.
    Expected,
    /// The name of the part.
    Component,
    /// A label.
    Label(String),
}

/// Which of the two metrics of a rule a name is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// The one that the rule is about.
    Measured,
    /// The one that it is divided by.
    Divisor,
}

impl MetricRule {
    /// Name of the rule.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.threshold.name
    }

    /// Tells it from a rule that means something else by a value: what is known under the one is
    /// known under the other when they have the same.
    #[must_use]
    pub fn meaning(&self) -> u64 {
        self.meaning
    }

    /// Whether the labels are those that the rule is for.
    pub(crate) fn is_match<'l>(&self, labels: &dyn Fn(&str) -> Option<&'l str>) -> bool {
        self.matchers.iter().all(|matcher| matcher.is_match(labels))
    }
}

impl Matcher {
    /// Whether it holds for these labels.
    pub(super) fn is_match<'l>(&self, labels: &dyn Fn(&str) -> Option<&'l str>) -> bool {
        let value = labels(&self.label).unwrap_or("");
        let is_it = match &self.wanted {
            Wanted::Text(text) => text == value,
            Wanted::Pattern(pattern) => pattern.is_match(value),
        };
        is_it != self.is_negated
    }
}

/// Every metric rule, indexed.
pub(crate) struct MetricRules {
    pub(crate) rules: Vec<MetricRule>,
    hasher: KeyHasher,
    index: HashIndex,
    names: Vec<NamedRules>,
}

/// The rules that look at one metric.
struct NamedRules {
    metric: String,
    rules: Vec<(usize, Side)>,
}

impl Default for MetricRules {
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            hasher: KeyHasher::new(INDEX_SEED),
            index: HashIndex::default(),
            names: Vec::new(),
        }
    }
}

impl MetricRules {
    /// Compiles the `[[metric]]` tables of one file behind those of the files before it. Gives the
    /// names of the rules and where they stand.
    pub(super) fn compile(
        &mut self,
        file: Section<'_>,
        declared: &Declared,
        report: &mut Report<'_>,
    ) -> Vec<Written<String>> {
        file.named_sections("metric", report, |section, report| {
            self.rule(section, declared, report);
        })
    }

    /// The rules that look at a metric, by place in `rules`, in the order of their declaration.
    pub(crate) fn of_metric(&self, metric: &str) -> &[(usize, Side)] {
        self.place_of(metric)
            .and_then(|place| self.names.get(place))
            .map_or(&[], |named| &named.rules)
    }

    fn place_of(&self, metric: &str) -> Option<usize> {
        let named = |slot: u32| self.names.get(usize::try_from(slot).ok()?);
        let slot = self.index.find(self.hasher.hash(&[metric]), |slot| {
            named(slot).is_some_and(|named| named.metric == metric)
        })?;
        usize::try_from(slot).ok()
    }

    fn add(&mut self, metric: &str, rule: usize, side: Side) {
        if let Some(named) = self.place_of(metric).and_then(|place| self.names.get_mut(place)) {
            named.rules.push((rule, side));
            return;
        }
        let slot = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.index.insert(self.hasher.hash(&[metric]), slot);
        self.names.push(NamedRules { metric: metric.to_owned(), rules: vec![(rule, side)] });
    }

    fn rule(&mut self, section: Section<'_>, declared: &Declared, report: &mut Report<'_>) {
        section.check_keys(&METRIC_KEYS, report);
        let name = section.needed_text("name", report);
        let metrics = metric_names(section, report);
        let divisors = section.texts("ratio_to", report);
        check_named("ratio_to", &divisors, section, report);
        let computation = computation(section, &divisors, report);
        let matchers = matchers(section, report);
        let kind = alarm_type(section, "alarm_type", declared, report);
        let subject = subject(&metrics, &divisors, computation);
        let baseline = read_baseline(section, subject, report);
        let bands = read_bands(section, kind, baseline.is_some(), report);
        let absence = absence(section, declared, report);
        let component = section
            .has("component")
            .then(|| template(section, "component", Allowed::Labels, report));
        let qualifier = template(section, "qualifier", Allowed::Labels, report);
        let in_text = if baseline.is_some() { Allowed::AllAndExpected } else { Allowed::All };
        let text = template(section, "text", in_text, report);
        let device_labels = section.texts("device", report);
        let (Some(name), Some(kind), Some(absence)) = (name, kind, absence) else { return };
        let absent_lane = absence.alarm_type.map_or(Lane::Low, AlarmType::lane);
        let threshold = ThresholdRule {
            name: name.value.to_owned(),
            alarm_type: kind.id.to_string(),
            bands,
            absent_alarm_type: absence
                .alarm_type
                .map_or_else(String::new, |one| one.id.to_string()),
            absent_severity: absence.severity,
        };
        let meaning = format!("{threshold:?} {computation:?} {baseline:?}");
        let rule = MetricRule {
            meaning: KeyHasher::new(0).hash(&[&meaning]),
            zones: threshold.zones(),
            threshold: Arc::new(threshold),
            lane: kind.lane().min(absent_lane),
            computation,
            baseline,
            absent_after_ms: absence.after_ms,
            matchers,
            device_labels: device_labels.iter().map(|one| one.value.to_owned()).collect(),
            component,
            qualifier,
            text,
        };
        let place = self.rules.len();
        for metric in metrics {
            self.add(metric.value, place, Side::Measured);
        }
        for metric in divisors {
            self.add(metric.value, place, Side::Divisor);
        }
        self.rules.push(rule);
    }
}

fn metric_names<'t>(section: Section<'t>, report: &mut Report<'_>) -> Vec<Written<&'t str>> {
    let metrics = section.texts("metric", report);
    if !section.has("metric") {
        report.mistake(
            section.offset,
            "`metric` is missing",
            "add metric = \"name of the metric\", or a list of names",
        );
    }
    check_named("metric", &metrics, section, report);
    metrics
}

/// No series has an empty name, or one with blanks at its ends: the rule would look at nothing.
fn check_named(key: &str, names: &[Written<&str>], section: Section<'_>, report: &mut Report<'_>) {
    for name in names.iter().filter(|name| name.value.is_empty() || name.value.trim() != name.value)
    {
        report.mistake(
            name.offset,
            format!("`{}` is the name of no metric", name.value),
            "write it as the sender does, for example `ifOperStatus`",
        );
    }
    if let Some(list) = section.get(key).filter(Value::is_empty_list) {
        report.mistake(list.offset, format!("`{key}` names nothing"), "name a metric at least");
    }
}

fn computation(
    section: Section<'_>,
    divisors: &[Written<&str>],
    report: &mut Report<'_>,
) -> Computation {
    let quantity = word(section.text("value", report), &QUANTITIES, report);
    let divisor = word(section.text("ratio_value", report), &QUANTITIES, report);
    if let Some(place) = section.get("ratio_value").filter(|_| divisors.is_empty()) {
        report.mistake(
            place.offset,
            "`ratio_value` has no meaning without `ratio_to`",
            "add ratio_to = \"name of the metric to divide by\"",
        );
    }
    let scale = section.decimal("scale", report);
    if let Some(scale) = scale.as_ref().filter(|scale| scale.value == 0.0) {
        report.mistake(scale.offset, "`scale` is zero", "write what the value is multiplied by");
    }
    Computation {
        quantity: quantity.unwrap_or(Quantity::Value),
        scale: scale.map_or(1.0, |scale| scale.value),
        divisor: (!divisors.is_empty()).then_some(divisor.unwrap_or(Quantity::Value)),
    }
}

/// What the usual value is learnt of, in words that stay the same.
fn subject(
    metrics: &[Written<&str>],
    divisors: &[Written<&str>],
    computation: Computation,
) -> String {
    let names = |list: &[Written<&str>]| {
        let mut names: Vec<&str> = list.iter().map(|one| one.value).collect();
        names.sort_unstable();
        names.join(" ")
    };
    let word = |quantity| {
        let known = QUANTITIES.iter().find(|(_, known)| *known == quantity);
        known.map_or("", |(word, _)| *word)
    };
    let of_divisor = computation.divisor.map_or("", word);
    let (quantity, scale) = (word(computation.quantity), computation.scale);
    format!("{quantity} of {} / {of_divisor} of {} * {scale}", names(metrics), names(divisors))
}

/// Reads `match = { label = "value" }`, with `!` for another value and `~` for an expression.
pub(super) fn matchers(section: Section<'_>, report: &mut Report<'_>) -> Vec<Matcher> {
    let mut matchers = Vec::new();
    for (label, value) in section.section("match", report).iter().flat_map(Section::entries) {
        let Some(written) = value.text(label.value, report) else { continue };
        let (is_negated, rest) = match written.value.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, written.value),
        };
        let Some(expression) = rest.strip_prefix('~') else {
            let wanted = Wanted::Text(rest.to_owned());
            matchers.push(Matcher { label: label.value.to_owned(), is_negated, wanted });
            continue;
        };
        match Regex::new(&format!("^(?:{expression})$")) {
            Ok(pattern) => {
                let wanted = Wanted::Pattern(pattern);
                matchers.push(Matcher { label: label.value.to_owned(), is_negated, wanted });
            }
            Err(error) => {
                let told = error.to_string();
                let last = told.lines().last().unwrap_or("").trim_start_matches("error: ");
                report.mistake(
                    written.offset,
                    format!("the regular expression is not valid: {last}"),
                    "mend it; it has to match the whole value of the label",
                );
            }
        }
    }
    matchers
}

/// An alarm type that samples can raise and clear.
fn alarm_type<'d>(
    section: Section<'_>,
    key: &str,
    declared: &'d Declared,
    report: &mut Report<'_>,
) -> Option<&'d AlarmType> {
    let written = if key == "alarm_type" {
        section.needed_text(key, report)?
    } else {
        section.text(key, report)?
    };
    let known = declared.known_alarm_type(&written, report)?;
    if !known.will_clear || known.expires_after_ms > 0 {
        let what = if known.will_clear { "expires by itself" } else { "is never cleared" };
        report.mistake(
            written.offset,
            format!("`{}` {what}, but samples say how long it lasts", known.id),
            "choose an alarm type with will_clear = true and without expires_after_s",
        );
    }
    Some(known)
}

/// What a rule says of series that fall silent.
struct Absence<'d> {
    after_ms: u64,
    alarm_type: Option<&'d AlarmType>,
    severity: Severity,
}

fn absence<'d>(
    section: Section<'_>,
    declared: &'d Declared,
    report: &mut Report<'_>,
) -> Option<Absence<'d>> {
    let after_s = whole(section, "absent_after_s", (1, FOR_S_MAX), report);
    let alarm_type = alarm_type(section, "absent_alarm_type", declared, report);
    let written = section.text("absent_severity", report);
    let place = written.as_ref().map_or(section.offset, |written| written.offset);
    let chosen = severity(written, report);
    let severity = chosen.or(alarm_type.map(|kind| kind.severity));
    if let Some(kind) = alarm_type.filter(|kind| severity > Some(kind.severity)) {
        report.mistake(
            place,
            format!("`absent_severity` is worse than `{}`, which is {}", kind.id, kind.severity),
            "raise the severity of the alarm type, or choose a milder one",
        );
    }
    if alarm_type.is_none() && section.has("absent_alarm_type") {
        return None;
    }
    if chosen.is_some() && alarm_type.is_none() {
        report.mistake(
            place,
            "`absent_severity` has no meaning without `absent_alarm_type`",
            "add absent_alarm_type = \"metrics-absent\"",
        );
    }
    Some(Absence {
        after_ms: after_s.unwrap_or(ABSENT_AFTER_S).saturating_mul(1_000),
        alarm_type,
        severity: severity.unwrap_or(Severity::Indeterminate),
    })
}

/// What the places of a template may refer to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Allowed {
    Labels,
    All,
    AllAndExpected,
}

/// Reads a template. Any name that is not `value`, `expected` or `component` is that of a label.
fn template(
    section: Section<'_>,
    key: &str,
    allowed: Allowed,
    report: &mut Report<'_>,
) -> Template<MetricReference> {
    let Some(written) = section.text(key, report) else { return Template::default() };
    let compiled = Template::compile(written.value, |name| match (name, allowed) {
        ("value" | "component", Allowed::Labels) | ("expected", Allowed::All) | ("", _) => None,
        ("value", _) => Some(MetricReference::Value),
        ("expected", Allowed::AllAndExpected) => Some(MetricReference::Expected),
        ("component", _) => Some(MetricReference::Component),
        (label, _) => Some(MetricReference::Label(label.to_owned())),
    });
    let mistakes = match compiled {
        Ok(template) => return template,
        Err(mistakes) => mistakes,
    };
    let start = report.inside_quotes(written.offset);
    for (offset, mistake) in mistakes {
        let offset = start.saturating_add(offset);
        match mistake {
            TemplateMistake::Unknown(name) => report.mistake(
                offset,
                format!("`{{{name}}}` cannot stand in `{key}`"),
                if allowed == Allowed::Labels {
                    "an identity is made of labels: {name of a label}"
                } else {
                    "only a rule with `baseline` expects a value"
                },
            ),
            TemplateMistake::Unclosed => report.mistake(
                offset,
                format!("a brace in `{key}` is not closed"),
                "write {name}, or {{ for a brace",
            ),
        }
    }
    Template::default()
}

/// A series is silent after that long without a sample, if its rule does not say.
const ABSENT_AFTER_S: u64 = 900;
/// Nothing depends on the order of this index, so its seed is fixed.
const INDEX_SEED: u64 = 0x7619_0004;

const QUANTITIES: [(&str, Quantity); 3] =
    [("value", Quantity::Value), ("rate", Quantity::Rate), ("delta", Quantity::Delta)];

const METRIC_KEYS: [&str; 17] = [
    "name",
    "metric",
    "match",
    "value",
    "scale",
    "ratio_to",
    "ratio_value",
    "device",
    "component",
    "qualifier",
    "alarm_type",
    "baseline",
    "bands",
    "absent_after_s",
    "absent_alarm_type",
    "absent_severity",
    "text",
];
