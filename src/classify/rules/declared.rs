//! What rules refer to: alarm types (`[[alarm_type]]`) and the objects of varbinds (`[objects]`),
//! gathered from every file before the first rule is compiled.

use super::read::{Report, Section, Value, Written};
use super::suggest::did_you_mean;
use crate::model::alarm_type::{AlarmType, EventType, ResourceEffect};
use crate::model::event::UNCLASSIFIED;
use crate::model::severity::Severity;
use crate::model::trap::parse_oid;
use std::collections::BTreeMap;

/// A varbind object that rules know by name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Object {
    /// Its name.
    pub(crate) name: String,
    /// BER content bytes of its OID, without instance.
    pub(crate) oid: Vec<u8>,
    /// Names of its numbers, sorted by number.
    pub(crate) values: Vec<(i64, String)>,
}

impl Object {
    /// The name of a number of this object.
    pub(crate) fn value_name(&self, number: i64) -> Option<&str> {
        let place = self.values.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        self.values.get(place).map(|(_, name)| name.as_str())
    }
}

/// Everything that rules may refer to.
#[derive(Default)]
pub(super) struct Declared {
    /// Alarm types by id.
    pub(super) alarm_types: BTreeMap<String, AlarmType>,
    /// Objects in the order of their declaration.
    pub(super) objects: Vec<Object>,
    /// From a name to the place in `objects`.
    pub(super) object_places: BTreeMap<String, usize>,
}

impl Declared {
    /// Takes in the declarations of one file.
    pub(super) fn gather(&mut self, file: Section<'_>, report: &mut Report<'_>) {
        for section in file.sections("alarm_type", report) {
            self.alarm_type(section, report);
        }
        if let Some(objects) = file.section("objects", report) {
            for (name, value) in objects.entries() {
                self.object(&name, value, report);
            }
        }
    }

    /// The alarm type that a rule names; one that nobody declared is a mistake.
    pub(super) fn known_alarm_type(
        &self,
        written: &Written<&str>,
        report: &mut Report<'_>,
    ) -> Option<&AlarmType> {
        let known = self.alarm_types.get(written.value);
        if known.is_none() {
            let ids: Vec<&str> = self.alarm_types.keys().map(String::as_str).collect();
            report.mistake(
                written.offset,
                format!("unknown alarm type `{}`", written.value),
                did_you_mean(written.value, &ids),
            );
        }
        known
    }

    fn alarm_type(&mut self, section: Section<'_>, report: &mut Report<'_>) {
        section.check_keys(&ALARM_TYPE_KEYS, report);
        let id = section.needed_text("id", report);
        let title = section.needed_text("title", report);
        let event_type = word(section.needed_text("event_type", report), &EVENT_TYPES, report);
        let cause = section.needed_text("probable_cause", report);
        let severity = severity(section.needed_text("severity", report), report);
        let effect = word(section.text("effect", report), &EFFECTS, report);
        let persistence_ms = milliseconds(section, "persistence_s", report);
        let expires_after_ms = milliseconds(section, "expires_after_s", report);
        let will_clear = section.truth("will_clear", true, report);
        let (Some(id), Some(title), Some(event_type), Some(cause), Some(severity)) =
            (id, title, event_type, cause, severity)
        else {
            return;
        };
        if !is_identifier(id.value) || id.value == UNCLASSIFIED {
            report.mistake(
                id.offset,
                format!("`{}` cannot be the id of an alarm type", id.value),
                "use lower-case letters, digits and hyphens; `unclassified` is taken",
            );
        }
        if self.alarm_types.contains_key(id.value) {
            report.mistake(
                id.offset,
                format!("alarm type `{}` is declared twice", id.value),
                "keep one of the two declarations",
            );
            return;
        }
        let alarm_type = AlarmType {
            id: id.value.into(),
            title: title.value.to_owned(),
            event_type,
            probable_cause: cause.value.into(),
            severity,
            effect: effect.unwrap_or_default(),
            persistence_ms,
            will_clear,
            expires_after_ms,
        };
        self.alarm_types.insert(id.value.to_owned(), alarm_type);
    }

    fn object(&mut self, name: &Written<&str>, value: Value<'_>, report: &mut Report<'_>) {
        let (oid, values) = match value.as_section() {
            Some(section) => {
                section.check_keys(&["oid", "values"], report);
                let values = section.section("values", report);
                (section.needed_text("oid", report), values)
            }
            None => (value.text(name.value, report), None),
        };
        let mut names = Vec::new();
        for (number, word) in values.iter().flat_map(Section::entries) {
            match number.value.parse::<i64>() {
                Ok(number) => {
                    let word = word.text("values", report);
                    names.extend(word.map(|word| (number, word.value.to_owned())));
                }
                Err(_) => report.mistake(
                    number.offset,
                    format!("`{}` is not a number", number.value),
                    "write number = \"name\"",
                ),
            }
        }
        names.sort();
        let Some(bytes) = oid.and_then(|oid| oid_bytes(&oid, report)) else { return };
        if self.object_places.contains_key(name.value) {
            report.mistake(
                name.offset,
                format!("object `{}` is declared twice", name.value),
                "keep one of the two declarations",
            );
            return;
        }
        self.object_places.insert(name.value.to_owned(), self.objects.len());
        let name = name.value.to_owned();
        self.objects.push(Object { name, oid: bytes, values: names });
    }
}

/// BER content bytes of a dotted OID, or a mistake.
pub(super) fn oid_bytes(oid: &Written<&str>, report: &mut Report<'_>) -> Option<Vec<u8>> {
    let bytes = parse_oid(oid.value).filter(|_| oid.value.contains('.'));
    if bytes.is_none() {
        report.mistake(
            oid.offset,
            format!("`{}` is not an OID", oid.value),
            "write numbers with points between them, such as 1.3.6.1.6.3.1.1.5.3",
        );
    }
    bytes
}

/// One of the words of a list, or a mistake.
pub(super) fn word<T: Copy>(
    written: Option<Written<&str>>,
    known: &[(&str, T)],
    report: &mut Report<'_>,
) -> Option<T> {
    let written = written?;
    let found = known.iter().find(|(name, _)| *name == written.value).map(|(_, value)| *value);
    if found.is_none() {
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        report.mistake(
            written.offset,
            format!("unknown word `{}`", written.value),
            did_you_mean(written.value, &names),
        );
    }
    found
}

/// A severity, or a mistake.
pub(super) fn severity(
    written: Option<Written<&str>>,
    report: &mut Report<'_>,
) -> Option<Severity> {
    let names = Severity::ALL.map(|severity| (severity.as_str(), severity));
    word(written, &names, report)
}

fn milliseconds(section: Section<'_>, key: &str, report: &mut Report<'_>) -> u64 {
    let Some(seconds) = section.number(key, report) else { return 0 };
    if let Ok(value) = u64::try_from(seconds.value) {
        return value.saturating_mul(1_000);
    }
    report.mistake(seconds.offset, format!("`{key}` is negative"), "use 0 or more");
    0
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

const ALARM_TYPE_KEYS: [&str; 9] = [
    "id",
    "title",
    "event_type",
    "probable_cause",
    "severity",
    "effect",
    "persistence_s",
    "will_clear",
    "expires_after_s",
];

const EFFECTS: [(&str, ResourceEffect); 3] = [
    ("down", ResourceEffect::Down),
    ("degraded", ResourceEffect::Degraded),
    ("none", ResourceEffect::None),
];

const EVENT_TYPES: [(&str, EventType); 11] = [
    ("other", EventType::Other),
    ("communications", EventType::Communications),
    ("quality-of-service", EventType::QualityOfService),
    ("processing-error", EventType::ProcessingError),
    ("equipment", EventType::Equipment),
    ("environmental", EventType::Environmental),
    ("integrity-violation", EventType::IntegrityViolation),
    ("operational-violation", EventType::OperationalViolation),
    ("physical-violation", EventType::PhysicalViolation),
    ("security-service-or-mechanism-violation", EventType::SecurityServiceOrMechanismViolation),
    ("time-domain-violation", EventType::TimeDomainViolation),
];
