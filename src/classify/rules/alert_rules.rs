//! Alert rules: found by the name of the alert, then by their label conditions; the first that was
//! declared decides. An alert that no rule knows has a meaning all the same.

use super::declared::{Declared, severity, word};
use super::metric_rules::{Matcher, matchers};
use super::read::{Report, Section, Written};
use super::template::{Template, TemplateMistake};
use crate::model::alarm_type::AlarmType;
use crate::model::event::Lane;
use crate::model::severity::Severity;
use std::collections::BTreeMap;

/// The alarm type of alerts that no rule knows.
pub(crate) const DEFAULT_ALARM_TYPE: &str = "prometheus-alert";

/// What a rule does with an alert.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AlertDecision {
    /// It is an alarm: raised while it fires, cleared when it ends.
    Alarm,
    /// It is something that happened.
    Event,
    /// It does not matter.
    Ignore,
}

/// What a name in an alert rule refers to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum AlertReference {
    /// The name of the part.
    Component,
    /// An annotation.
    Annotation(String),
    /// A label.
    Label(String),
}

/// One alert rule.
pub(crate) struct AlertRule {
    /// Name of the rule.
    pub(crate) name: String,
    /// What it does.
    pub(crate) decision: AlertDecision,
    /// Alarm type id.
    pub(crate) alarm_type: String,
    /// Lane of the alarm type.
    pub(crate) lane: Lane,
    /// Severity whatever the labels say.
    pub(crate) severity: Option<Severity>,
    /// Severity of the alarm type: there is none worse.
    pub(crate) worst: Severity,
    matchers: Vec<Matcher>,
    /// Labels that name the device, before those that always do.
    pub(crate) device_labels: Vec<String>,
    /// Component of the resource; absent: by the labels that name parts.
    pub(crate) component: Option<Template<AlertReference>>,
    /// Qualifier of the alarm; absent: whatever tells the alert from others.
    pub(crate) qualifier: Option<Template<AlertReference>>,
    /// Line for people; empty: by the usual annotations.
    pub(crate) text: Template<AlertReference>,
}

/// Every alert rule.
pub(crate) struct AlertRules {
    rules: Vec<AlertRule>,
    /// Rules by the name of the alert, and those for every name.
    by_name: BTreeMap<String, Vec<usize>>,
    for_all: Vec<usize>,
    /// Lane of [`DEFAULT_ALARM_TYPE`].
    pub(crate) default_lane: Lane,
}

impl Default for AlertRules {
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            by_name: BTreeMap::new(),
            for_all: Vec::new(),
            default_lane: Lane::Urgent,
        }
    }
}

impl AlertRules {
    /// Compiles the `[[alert]]` tables of one file behind those of the files before it. Gives the
    /// names of the rules and where they stand.
    pub(super) fn compile(
        &mut self,
        file: Section<'_>,
        declared: &Declared,
        report: &mut Report<'_>,
    ) -> Vec<Written<String>> {
        if let Some(known) = declared.alarm_types.get(DEFAULT_ALARM_TYPE) {
            self.default_lane = known.lane();
        }
        file.named_sections("alert", report, |section, report| {
            self.rule(section, declared, report);
        })
    }

    /// The rule that knows an alert.
    pub(crate) fn find<'l>(
        &self,
        name: &str,
        labels: &dyn Fn(&str) -> Option<&'l str>,
    ) -> Option<&AlertRule> {
        let named = self.by_name.get(name).map_or(&[][..], Vec::as_slice);
        let is_match = |place: &&usize| {
            let rule = self.rules.get(**place);
            rule.is_some_and(|rule| rule.matchers.iter().all(|matcher| matcher.is_match(labels)))
        };
        // Both lists are in order of declaration.
        let first = |places: &[usize]| places.iter().find(is_match).copied();
        let place = match (first(named), first(&self.for_all)) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        self.rules.get(place?)
    }

    fn rule(&mut self, section: Section<'_>, declared: &Declared, report: &mut Report<'_>) {
        section.check_keys(&ALERT_KEYS, report);
        let name = section.needed_text("name", report);
        let alerts = section.texts("alertname", report);
        let matchers = matchers(section, report);
        if !section.has("alertname") && matchers.is_empty() {
            report.mistake(
                section.offset,
                "the rule says of no alert that it knows it",
                "add alertname = \"…\", or match = { label = \"value\" }",
            );
        }
        let decision = word(section.text("verb", report), &VERBS, report);
        let decision = decision.unwrap_or(AlertDecision::Alarm);
        let fixed = severity(section.text("severity", report), report);
        let kind = if decision == AlertDecision::Ignore && !section.has("alarm_type") {
            None
        } else {
            alarm_type(section, fixed, declared, report)
        };
        let component = template(section, "component", report);
        let qualifier = template(section, "qualifier", report);
        let text = template(section, "text", report).unwrap_or_default();
        let device_labels = section.texts("device", report);
        let Some(name) = name else { return };
        let rule = AlertRule {
            name: name.value.to_owned(),
            decision,
            alarm_type: kind.map_or(DEFAULT_ALARM_TYPE, |kind| kind.id.as_str()).to_owned(),
            lane: kind.map_or(self.default_lane, AlarmType::lane),
            severity: fixed,
            worst: kind.map_or(Severity::Critical, |kind| kind.severity),
            matchers,
            device_labels: device_labels.iter().map(|one| one.value.to_owned()).collect(),
            component,
            qualifier,
            text,
        };
        let place = self.rules.len();
        self.rules.push(rule);
        if alerts.is_empty() {
            self.for_all.push(place);
        }
        for alert in alerts {
            self.by_name.entry(alert.value.to_owned()).or_default().push(place);
        }
    }
}

/// The alarm type of a rule; the usual one when it names none.
fn alarm_type<'d>(
    section: Section<'_>,
    fixed: Option<Severity>,
    declared: &'d Declared,
    report: &mut Report<'_>,
) -> Option<&'d AlarmType> {
    let Some(written) = section.text("alarm_type", report) else {
        return declared.alarm_types.get(DEFAULT_ALARM_TYPE);
    };
    let known = declared.known_alarm_type(&written, report)?;
    if let Some(severity) = fixed.filter(|severity| *severity > known.severity) {
        report.mistake(
            written.offset,
            format!(
                "severity {severity} is worse than `{}`, which is {}",
                known.id, known.severity
            ),
            "raise the severity of the alarm type: it decides how urgently its events travel",
        );
    }
    Some(known)
}

fn template(
    section: Section<'_>,
    key: &str,
    report: &mut Report<'_>,
) -> Option<Template<AlertReference>> {
    let written = section.text(key, report)?;
    let mistakes = match Template::compile(written.value, reference) {
        Ok(template) => return Some(template),
        Err(mistakes) => mistakes,
    };
    let start = report.inside_quotes(written.offset);
    for (offset, mistake) in mistakes {
        let message = match mistake {
            TemplateMistake::Unknown(_) => format!("a place of `{key}` has no name"),
            TemplateMistake::Unclosed => format!("a brace in `{key}` is not closed"),
        };
        report.mistake(
            start.saturating_add(offset),
            message,
            "write {label}, {annotations.name} or {component}, or {{ for a brace",
        );
    }
    None
}

fn reference(name: &str) -> Option<AlertReference> {
    if name.is_empty() {
        return None;
    }
    if name == "component" {
        return Some(AlertReference::Component);
    }
    let annotation = name.strip_prefix("annotations.");
    Some(annotation.map_or_else(
        || AlertReference::Label(name.to_owned()),
        |annotation| AlertReference::Annotation(annotation.to_owned()),
    ))
}

const ALERT_KEYS: [&str; 10] = [
    "name",
    "alertname",
    "match",
    "verb",
    "alarm_type",
    "severity",
    "device",
    "component",
    "qualifier",
    "text",
];

const VERBS: [(&str, AlertDecision); 3] = [
    ("raise", AlertDecision::Alarm),
    ("event", AlertDecision::Event),
    ("ignore", AlertDecision::Ignore),
];
