//! What every kind of rule has in common: under which conditions it decides, and what it then
//! says. Generic over what its names refer to (a place in a trap, or in a syslog line).

use super::declared::{Declared, severity, word};
use super::read::{Report, Scalar, Section, Value, Written};
use super::suggest::did_you_mean;
use super::template::{Fill, Template, TemplateMistake};
use crate::model::alarm_type::AlarmType;
use crate::model::event::{Lane, UNCLASSIFIED, Verb};
use crate::model::severity::Severity;
use crate::model::trap::parse_oid;

/// What a rule does with a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Decision {
    /// It becomes an event.
    Tell(Verb),
    /// It does not matter.
    Ignore,
}

/// What a value is compared with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Key {
    /// Any value that is there and not empty.
    Present,
    /// A number.
    Number(i64),
    /// A text, whatever its case.
    Text(String),
    /// An OID, as content bytes.
    Oid(Vec<u8>),
}

/// What conditions and templates read.
pub(crate) trait Values<R>: Fill<R> {
    /// Whether the value equals the key.
    fn is(&mut self, reference: &R, key: &Key) -> bool;
}

/// The names that a rule may use.
pub(super) trait Names<R> {
    /// What the name refers to.
    fn reference(&self, name: &str) -> Option<R>;
    /// The number behind a word of that name's enumeration.
    fn number(&self, name: &str, word: &str) -> Option<i64>;
    /// Every name, for proposals.
    fn known(&self) -> Vec<&str>;
}

/// A fixed choice, or one by a value of the message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Choice<R, T> {
    by: Option<(R, Vec<(Key, T)>)>,
    otherwise: Option<T>,
}

impl<R, T: Copy> Choice<R, T> {
    /// The choice for a message; `None` when its value is not among those of the map.
    pub(crate) fn choose(&self, values: &mut impl Values<R>) -> Option<T> {
        let Some((reference, map)) = &self.by else { return self.otherwise };
        let found = map.iter().find(|(key, _)| values.is(reference, key));
        found.map(|(_, choice)| *choice).or(self.otherwise)
    }

    fn every(&self) -> impl Iterator<Item = T> {
        let mapped = self.by.iter().flat_map(|(_, map)| map.iter().map(|(_, choice)| *choice));
        mapped.chain(self.otherwise)
    }
}

/// The common part of a rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Action<R> {
    /// Name of the rule.
    pub(crate) rule: String,
    /// Alarm type id.
    pub(crate) alarm_type: String,
    /// Lane of the alarm type.
    pub(crate) lane: Lane,
    /// Conditions: all must hold; each holds if one of its keys does.
    when: Vec<(R, Vec<Key>)>,
    verb: Choice<R, Decision>,
    severity: Choice<R, Severity>,
    worst: Severity,
    /// Component of the resource.
    pub(crate) component: Template<R>,
    /// Qualifier of the alarm.
    pub(crate) qualifier: Template<R>,
    /// Line for people; empty: the default of the kind of message.
    pub(crate) text: Template<R>,
}

impl<R> Action<R> {
    /// What the rule does with a message; `None` when it does not know it.
    pub(crate) fn decide(&self, values: &mut impl Values<R>) -> Option<(Decision, Severity)> {
        for (reference, keys) in &self.when {
            if !keys.iter().any(|key| values.is(reference, key)) {
                return None;
            }
        }
        let decision = self.verb.choose(values)?;
        Some((decision, self.severity.choose(values).unwrap_or(self.worst)))
    }
}

/// Keys of every kind of rule.
pub(super) const ACTION_KEYS: [&str; 10] = [
    "name",
    "when",
    "verb",
    "verb_by",
    "alarm_type",
    "severity",
    "severity_by",
    "component",
    "qualifier",
    "text",
];

/// Reads the common part of a rule. Mistakes are reported; `None` when the rule cannot be used.
pub(super) fn read_action<R>(
    section: Section<'_>,
    names: &impl Names<R>,
    declared: &Declared,
    report: &mut Report<'_>,
) -> Option<Action<R>> {
    let name = section.needed_text("name", report);
    let when = section.section("when", report).map(|when| conditions(when, names, report));
    let verb = choice(section, "verb", names, report, &mut |written, report| {
        word(Some(written), &VERBS, report)
    });
    if !section.has("verb") && !section.has("verb_by") {
        report.mistake(
            section.offset,
            "`verb` is missing",
            "add verb = \"raise\", \"clear\", \"event\", \"admin-down\" or \"ignore\"",
        );
    }
    let chosen = choice(section, "severity", names, report, &mut |written, report| {
        severity(Some(written), report)
    });
    let component = template(section, "component", names, report);
    let qualifier = template(section, "qualifier", names, report);
    let text = template(section, "text", names, report);
    let ignores = verb.every().all(|decision| decision == Decision::Ignore);
    let alarm_type = if ignores && !section.has("alarm_type") {
        None
    } else {
        Some(alarm_type(section, &verb, &chosen, declared, report)?)
    };
    let name = name?;
    Some(Action {
        rule: name.value.to_owned(),
        alarm_type: alarm_type.map_or(UNCLASSIFIED, |known| known.id.as_str()).to_owned(),
        lane: alarm_type.map_or(Lane::Low, AlarmType::lane),
        when: when.unwrap_or_default(),
        verb,
        severity: chosen,
        worst: alarm_type.map_or(Severity::Indeterminate, |known| known.severity),
        component,
        qualifier,
        text,
    })
}

/// The alarm type of a rule, checked against what the rule does with it.
fn alarm_type<'d, R>(
    section: Section<'_>,
    verb: &Choice<R, Decision>,
    chosen: &Choice<R, Severity>,
    declared: &'d Declared,
    report: &mut Report<'_>,
) -> Option<&'d AlarmType> {
    let written = section.needed_text("alarm_type", report)?;
    let known = declared.known_alarm_type(&written, report)?;
    if !known.will_clear && verb.every().any(|one| one == Decision::Tell(Verb::Clear)) {
        report.mistake(
            written.offset,
            format!("the rule clears `{}`, which is declared to be never cleared", known.id),
            "set will_clear = true in the alarm type, or choose another one",
        );
    }
    if let Some(worst) = chosen.every().max().filter(|worst| *worst > known.severity) {
        report.mistake(
            written.offset,
            format!("severity {worst} is worse than `{}`, which is {}", known.id, known.severity),
            "raise the severity of the alarm type: it decides how urgently its events travel",
        );
    }
    Some(known)
}

/// Reads `when = { name = value, … }`, a value or a list of values each.
fn conditions<R>(
    when: Section<'_>,
    names: &impl Names<R>,
    report: &mut Report<'_>,
) -> Vec<(R, Vec<Key>)> {
    let mut conditions = Vec::new();
    for (name, value) in when.entries() {
        let keys = value
            .one_or_many()
            .into_iter()
            .filter_map(|one| one.scalar(name.value, report))
            .map(|scalar| key(name.value, scalar.value, names))
            .collect();
        conditions.extend(reference(&name, names, report).map(|found| (found, keys)));
    }
    conditions
}

/// Reads `verb` and `verb_by = { value = "name", map = { … } }`, or the same of `severity`.
fn choice<R, T: Copy>(
    section: Section<'_>,
    key_name: &str,
    names: &impl Names<R>,
    report: &mut Report<'_>,
    read: &mut dyn FnMut(Written<&str>, &mut Report<'_>) -> Option<T>,
) -> Choice<R, T> {
    let fixed = section.text(key_name, report).and_then(|written| read(written, report));
    let mut choice = Choice { by: None, otherwise: fixed };
    let by_key = format!("{key_name}_by");
    let Some(by) = section.section(&by_key, report) else { return choice };
    by.check_keys(&["value", "map"], report);
    let value = by.needed_text("value", report);
    if !by.has("map") {
        report.mistake(by.offset, "`map` is missing", "add map = { value = result, … }");
    }
    let Some(name) = value else { return choice };
    let Some(found) = reference(&name, names, report) else { return choice };
    let mut map = Vec::new();
    for (from, to) in by.section("map", report).iter().flat_map(Section::entries) {
        let Some(to) = to.text(&by_key, report).and_then(|to| read(to, report)) else { continue };
        if from.value == "*" {
            choice.otherwise = Some(to);
        } else {
            map.push((key(name.value, Scalar::Text(from.value.to_owned()), names), to));
        }
    }
    choice.by = Some((found, map));
    choice
}

/// What a written scalar means for a value of that name.
fn key<R>(name: &str, scalar: Scalar, names: &impl Names<R>) -> Key {
    match scalar {
        Scalar::Number(number) => Key::Number(number),
        Scalar::Text(text) if text == "*" => Key::Present,
        Scalar::Text(text) => match names.number(name, &text).or_else(|| text.parse().ok()) {
            Some(number) => Key::Number(number),
            None if text.split('.').count() > ADDRESS_PARTS => {
                parse_oid(&text).map_or(Key::Text(text), Key::Oid)
            }
            None => Key::Text(text),
        },
    }
}

fn reference<R>(name: &Written<&str>, names: &impl Names<R>, report: &mut Report<'_>) -> Option<R> {
    let found = names.reference(name.value);
    if found.is_none() {
        unknown_name(name.offset, name.value, names, report);
    }
    found
}

fn unknown_name<R>(offset: usize, name: &str, names: &impl Names<R>, report: &mut Report<'_>) {
    report.mistake(
        offset,
        format!("`{name}` names no value of this rule"),
        did_you_mean(name, &names.known()),
    );
}

/// Reads a template; the empty one when absent.
fn template<R>(
    section: Section<'_>,
    key: &str,
    names: &impl Names<R>,
    report: &mut Report<'_>,
) -> Template<R> {
    let Some(written) = section.text(key, report) else { return Template::default() };
    let mistakes = match Template::compile(written.value, |name| names.reference(name)) {
        Ok(template) => return template,
        Err(mistakes) => mistakes,
    };
    let start = report.inside_quotes(written.offset);
    for (offset, mistake) in mistakes {
        let offset = start.saturating_add(offset);
        match mistake {
            TemplateMistake::Unknown(name) => unknown_name(offset, &name, names, report),
            TemplateMistake::Unclosed => report.mistake(
                offset,
                format!("a brace in `{key}` is not closed"),
                "write {name}, or {{ for a brace",
            ),
        }
    }
    Template::default()
}

/// A list of words given as one value or many, for the conditions of a kind of rule.
pub(super) fn words<T: Copy>(
    value: Option<Value<'_>>,
    key: &str,
    known: &[(&str, T)],
    report: &mut Report<'_>,
) -> Vec<T> {
    let Some(value) = value else { return Vec::new() };
    value
        .one_or_many()
        .into_iter()
        .filter_map(|one| {
            let written = one.text(key, report);
            word(written, known, report)
        })
        .collect()
}

/// A dotted text with more parts than an address is an OID.
const ADDRESS_PARTS: usize = 4;

const VERBS: [(&str, Decision); 5] = [
    ("raise", Decision::Tell(Verb::Raise)),
    ("clear", Decision::Tell(Verb::Clear)),
    ("event", Decision::Tell(Verb::Event)),
    ("admin-down", Decision::Tell(Verb::AdminDown)),
    ("ignore", Decision::Ignore),
];
