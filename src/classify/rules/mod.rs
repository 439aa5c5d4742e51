//! The rule language: TOML texts in, a compiled [`RuleSet`] or every mistake out.
//!
//! Reading order: [`read`] and [`suggest`] (TOML values with their places), [`declared`] (alarm
//! types and objects), [`template`], [`action`] (what rules for messages share), [`trap_rules`] and
//! [`syslog_rules`]; [`metric_rules`], [`bands`] and [`baseline`] (for
//! series), [`alert_rules`].
//! The language is described for operators in `docs/rules.md`.

mod action;
mod alert_rules;
mod bands;
mod baseline;
mod declared;
mod extract;
mod literals;
mod metric_rules;
mod mnemonic;
mod read;
mod regex_source;
mod suggest;
mod syslog_rules;
mod template;
#[cfg(test)]
mod tests;
mod trap_rules;

use super::labels::LabelMap;
use crate::model::alarm_type::AlarmType;
use crate::model::diagnostic::Diagnostic;
use crate::model::threshold::ThresholdRule;
pub(super) use action::{Action, Decision, Key, Values};
pub(super) use alert_rules::{
    AlertDecision, AlertReference, AlertRule, AlertRules, DEFAULT_ALARM_TYPE,
};
pub use baseline::BaselineRule;
use declared::Declared;
pub(super) use declared::Object;
pub use metric_rules::{Computation, MetricRule, Quantity, Side};
pub(super) use metric_rules::{MetricReference, MetricRules};
pub(super) use mnemonic::find as find_mnemonic;
use read::{Report, Section};
use std::collections::BTreeMap;
pub(super) use syslog_rules::{Found, Line, Places, SyslogReference, SyslogRules};
pub(super) use template::Fill;
use toml::de::DeTable;
pub(super) use trap_rules::{TrapReference, TrapRules};

/// A rule file: its name as the reader knows it, and its text.
#[derive(Clone, Copy, Debug)]
pub struct RuleSource<'a> {
    /// Name for diagnostics.
    pub file: &'a str,
    /// TOML.
    pub text: &'a str,
}

/// Compiled rules, immutable, shared by every thread.
pub struct RuleSet {
    alarm_types: Vec<AlarmType>,
    pub(super) objects: Vec<Object>,
    /// Places in `objects`, sorted by OID.
    objects_by_oid: Vec<usize>,
    pub(super) trap: TrapRules,
    pub(super) syslog: SyslogRules,
    pub(super) metric: MetricRules,
    pub(super) alert: AlertRules,
    labels: LabelMap,
    rule_count: usize,
}

impl RuleSet {
    /// The alarm types, sorted by id.
    pub fn alarm_types(&self) -> &[AlarmType] {
        &self.alarm_types
    }

    /// What the engine needs of the metric rules, sorted by name.
    #[must_use]
    pub fn thresholds(&self) -> Vec<ThresholdRule> {
        let rules = self.metric.rules.iter();
        let mut thresholds: Vec<ThresholdRule> =
            rules.map(|rule| ThresholdRule::clone(&rule.threshold)).collect();
        thresholds.sort_by(|one, other| one.name.cmp(&other.name));
        thresholds
    }

    /// Which labels name what.
    #[must_use]
    pub fn labels(&self) -> &LabelMap {
        &self.labels
    }

    /// Number of rules.
    pub fn rule_count(&self) -> usize {
        self.rule_count
    }

    /// The object that a varbind belongs to, and its instance.
    pub(super) fn object_of<'o>(&self, oid: &'o [u8]) -> Option<(&Object, &'o [u8])> {
        let at = |place: &usize| self.objects.get(*place);
        let end = self
            .objects_by_oid
            .partition_point(|place| at(place).is_some_and(|one| one.oid.as_slice() <= oid));
        let object = at(self.objects_by_oid.get(end.checked_sub(1)?)?)?;
        Some((object, oid.strip_prefix(object.oid.as_slice())?))
    }
}

impl std::fmt::Debug for RuleSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RuleSet").field("rule_count", &self.rule_count).finish_non_exhaustive()
    }
}

/// Compiles rule files. Among rules that know a message, the first that was declared decides;
/// files count in the order in which they are given.
///
/// # Errors
/// Every mistake of every file, each with its place and a remedy.
pub fn compile(sources: &[RuleSource<'_>]) -> Result<RuleSet, Vec<Diagnostic>> {
    let mut reports: Vec<Report<'_>> = sources.iter().map(Report::new).collect();
    let mut tables = Vec::new();
    for (source, report) in sources.iter().zip(&mut reports) {
        let (table, errors) = DeTable::parse_recoverable(source.text);
        for error in errors {
            let offset = error.span().map_or(0, |span| span.start);
            report.mistake(offset, error.message(), "mend the TOML syntax here");
        }
        tables.push(table);
    }
    let mut declared = Declared::default();
    let mut labels = LabelMap::default();
    for (table, report) in tables.iter().zip(&mut reports) {
        let file = Section::new(table.get_ref(), 0);
        file.check_keys(
            &["alarm_type", "objects", "labels", "trap", "syslog", "metric", "alert"],
            report,
        );
        declared.gather(file, report);
        read_labels(file, &mut labels, report);
    }
    let mut trap = TrapRules::default();
    let mut syslog = SyslogRules::default();
    let mut metric = MetricRules::default();
    let mut alert = AlertRules::default();
    let mut first_seen = BTreeMap::new();
    for ((table, report), source) in tables.iter().zip(&mut reports).zip(sources) {
        let file = Section::new(table.get_ref(), 0);
        let mut names = trap.compile(file, &declared, report);
        names.extend(syslog.compile(file, &declared, report));
        names.extend(metric.compile(file, &declared, report));
        names.extend(alert.compile(file, &declared, report));
        for name in names {
            if let Some(elsewhere) = first_seen.get(&name.value) {
                report.mistake(
                    name.offset,
                    format!("a rule `{}` was declared before, in {elsewhere}", name.value),
                    "give every rule a name of its own: events and counters show it",
                );
            } else {
                first_seen.insert(name.value, source.file.to_owned());
            }
        }
    }
    let found: Vec<Diagnostic> = reports.into_iter().flat_map(Report::into_diagnostics).collect();
    if !found.is_empty() {
        return Err(found);
    }
    trap.finish();
    syslog.finish();
    let Declared { alarm_types, objects, .. } = declared;
    let mut objects_by_oid: Vec<usize> = (0..objects.len()).collect();
    objects_by_oid.sort_by_key(|place| objects.get(*place).map(|object| object.oid.clone()));
    Ok(RuleSet {
        alarm_types: alarm_types.into_values().collect(),
        objects,
        objects_by_oid,
        trap,
        syslog,
        metric,
        alert,
        labels,
        rule_count: first_seen.len(),
    })
}

/// Reads `[labels]`: labels of this installation that name devices and parts. Those of a later file
/// come before those of an earlier one.
fn read_labels(file: Section<'_>, labels: &mut LabelMap, report: &mut Report<'_>) {
    let Some(section) = file.section("labels", report) else { return };
    section.check_keys(&["device", "component"], report);
    let mut names = |key| {
        let written = section.texts(key, report);
        written.iter().map(|one| one.value.to_owned()).collect()
    };
    labels.prefer(names("device"), names("component"));
}
