//! Reads values out of a parsed TOML table; every mistake becomes a diagnostic with its place and
//! the reading goes on, so that one run reports all of them. Knows nothing of rules.

use super::RuleSource;
use super::suggest::did_you_mean;
use crate::model::diagnostic::Diagnostic;
use std::fmt::Display;
use toml::de::{DeTable, DeValue};

/// The mistakes found so far in one file.
pub(super) struct Report<'a> {
    source: &'a RuleSource<'a>,
    found: Vec<Diagnostic>,
}

impl<'a> Report<'a> {
    /// An empty report about that file.
    pub(super) fn new(source: &'a RuleSource<'a>) -> Self {
        Self { source, found: Vec::new() }
    }

    /// Notes a mistake at a byte offset.
    pub(super) fn mistake(
        &mut self,
        offset: usize,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let Self { source, found } = self;
        found.push(Diagnostic::at(source.file, source.text, offset, message, remedy));
    }

    /// The mistakes in the order of their places.
    pub(super) fn into_diagnostics(mut self) -> Vec<Diagnostic> {
        self.found.sort_by_key(|one| (one.line, one.column));
        self.found
    }

    /// Offset of the first character inside the quotes of a string that starts at `offset`.
    pub(super) fn inside_quotes(&self, offset: usize) -> usize {
        let text = self.source.text.get(offset..).unwrap_or("");
        let width = if text.starts_with("'''") || text.starts_with("\"\"\"") { 3 } else { 1 };
        offset.saturating_add(width)
    }
}

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(super) struct Written<T> {
    /// The value.
    pub(super) value: T,
    /// Byte offset of its first character.
    pub(super) offset: usize,
}

/// A number or a word, as conditions compare with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Scalar {
    /// A number.
    Number(i64),
    /// A word.
    Text(String),
}

/// One table of the file.
#[derive(Clone, Copy)]
pub(super) struct Section<'t> {
    table: &'t DeTable<'t>,
    /// Byte offset at which the table starts.
    pub(super) offset: usize,
}

impl<'t> Section<'t> {
    /// The table that starts at that offset.
    pub(super) fn new(table: &'t DeTable<'t>, offset: usize) -> Self {
        Self { table, offset }
    }

    /// Reports every key that is not in `keys`.
    pub(super) fn check_keys(&self, keys: &[&str], report: &mut Report<'_>) {
        for key in self.table.keys() {
            let name = key.get_ref().as_ref();
            if !keys.contains(&name) {
                report.mistake(
                    key.span().start,
                    format!("unknown key `{name}`"),
                    did_you_mean(name, keys),
                );
            }
        }
    }

    /// Whether the key is there at all.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Every key with its value, in the order of the keys.
    pub(super) fn entries(&self) -> impl Iterator<Item = (Written<&'t str>, Value<'t>)> {
        self.table.iter().map(|(key, value)| {
            let name = Written { value: key.get_ref().as_ref(), offset: key.span().start };
            (name, Value { value: value.get_ref(), offset: value.span().start })
        })
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<Value<'t>> {
        let value = self.table.get(key)?;
        Some(Value { value: value.get_ref(), offset: value.span().start })
    }

    /// A text that may be absent.
    pub(super) fn text(&self, key: &str, report: &mut Report<'_>) -> Option<Written<&'t str>> {
        self.get(key)?.text(key, report)
    }

    /// A text that has to be there.
    pub(super) fn needed_text(
        &self,
        key: &str,
        report: &mut Report<'_>,
    ) -> Option<Written<&'t str>> {
        if !self.has(key) {
            report.mistake(self.offset, format!("`{key}` is missing"), format!("add `{key} = …`"));
        }
        self.text(key, report)
    }

    /// A text or a list of texts; empty when absent.
    pub(super) fn texts(&self, key: &str, report: &mut Report<'_>) -> Vec<Written<&'t str>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        value.one_or_many().into_iter().filter_map(|one| one.text(key, report)).collect()
    }

    /// A whole number that may be absent.
    pub(super) fn number(&self, key: &str, report: &mut Report<'_>) -> Option<Written<i64>> {
        let value = self.get(key)?;
        let number = value.number();
        if number.is_none() {
            value.wrong_kind(key, "a whole number", report);
        }
        number.map(|number| Written { value: number, offset: value.offset })
    }

    /// A finite number, with or without a fraction, that may be absent.
    pub(super) fn decimal(&self, key: &str, report: &mut Report<'_>) -> Option<Written<f64>> {
        self.get(key)?.finite(key, report)
    }

    /// A finite number or a list of them; empty when absent.
    pub(super) fn decimals(&self, key: &str, report: &mut Report<'_>) -> Vec<Written<f64>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        value.one_or_many().into_iter().filter_map(|one| one.finite(key, report)).collect()
    }

    /// A truth value, `default` when absent.
    pub(super) fn truth(&self, key: &str, default: bool, report: &mut Report<'_>) -> bool {
        let Some(value) = self.get(key) else { return default };
        if let DeValue::Boolean(truth) = value.value {
            return *truth;
        }
        value.wrong_kind(key, "true or false", report);
        default
    }

    /// A table that may be absent.
    pub(super) fn section(&self, key: &str, report: &mut Report<'_>) -> Option<Section<'t>> {
        self.get(key)?.section(key, report)
    }

    /// Has every table of a list read by `read`, and gives their names and where they stand.
    pub(super) fn named_sections(
        &self,
        key: &str,
        report: &mut Report<'_>,
        mut read: impl FnMut(Section<'t>, &mut Report<'_>),
    ) -> Vec<Written<String>> {
        let mut names = Vec::new();
        for section in self.sections(key, report) {
            names.extend(
                section
                    .get("name")
                    .and_then(|name| name.text("name", report))
                    .map(|name| Written { value: name.value.to_owned(), offset: name.offset }),
            );
            read(section, report);
        }
        names
    }

    /// The tables of `[[key]]`, in their order.
    pub(super) fn sections(&self, key: &str, report: &mut Report<'_>) -> Vec<Section<'t>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        if let DeValue::Array(items) = value.value {
            return items
                .iter()
                .map(|item| Value { value: item.get_ref(), offset: item.span().start })
                .filter_map(|item| item.section(key, report))
                .collect();
        }
        report.mistake(value.offset, format!("`{key}` is not a list"), format!("write [[{key}]]"));
        Vec::new()
    }
}

/// A value of any kind.
#[derive(Clone, Copy)]
pub(super) struct Value<'t> {
    value: &'t DeValue<'t>,
    /// Byte offset of its first character.
    pub(super) offset: usize,
}

impl<'t> Value<'t> {
    /// As a text.
    pub(super) fn text(&self, key: &str, report: &mut Report<'_>) -> Option<Written<&'t str>> {
        let text = self.value.as_str();
        if text.is_none() {
            self.wrong_kind(key, "a text in quotes", report);
        }
        text.map(|value| Written { value, offset: self.offset })
    }

    /// As a table.
    pub(super) fn section(&self, key: &str, report: &mut Report<'_>) -> Option<Section<'t>> {
        let table = self.value.as_table();
        if table.is_none() {
            self.wrong_kind(key, "a table", report);
        }
        table.map(|table| Section::new(table, self.offset))
    }

    /// As a table, or nothing when it is of another kind.
    pub(super) fn as_section(&self) -> Option<Section<'t>> {
        self.value.as_table().map(|table| Section::new(table, self.offset))
    }

    /// As a number or a word.
    pub(super) fn scalar(&self, key: &str, report: &mut Report<'_>) -> Option<Written<Scalar>> {
        let scalar = match self.value {
            DeValue::String(text) => Some(Scalar::Text(text.to_string())),
            _ => self.number().map(Scalar::Number),
        };
        if scalar.is_none() {
            self.wrong_kind(key, "a number or a text", report);
        }
        scalar.map(|value| Written { value, offset: self.offset })
    }

    /// Whether it is a list without anything in it.
    pub(super) fn is_empty_list(&self) -> bool {
        matches!(self.value, DeValue::Array(items) if items.is_empty())
    }

    /// The value itself, or the values of the list that it is.
    pub(super) fn one_or_many(self) -> Vec<Self> {
        match self.value {
            DeValue::Array(items) => items
                .iter()
                .map(|item| Self { value: item.get_ref(), offset: item.span().start })
                .collect(),
            _ => vec![self],
        }
    }

    fn number(&self) -> Option<i64> {
        let integer = self.value.as_integer()?;
        i64::from_str_radix(integer.as_str(), integer.radix()).ok()
    }

    fn finite(&self, key: &str, report: &mut Report<'_>) -> Option<Written<f64>> {
        let number = self.decimal();
        if number.is_none() {
            self.wrong_kind(key, "a number", report);
        }
        if number.is_some_and(|number| !number.is_finite()) {
            let remedy = "write a number, or leave it out";
            report.mistake(self.offset, format!("`{key}` is infinite or no number"), remedy);
        }
        let number = number.filter(|number| number.is_finite());
        number.map(|number| Written { value: number, offset: self.offset })
    }

    fn decimal(&self) -> Option<f64> {
        if let DeValue::Float(float) = self.value {
            return float.as_str().parse().ok();
        }
        let integer = self.value.as_integer()?;
        if integer.radix() == 10 { integer.as_str().parse().ok() } else { None }
    }

    fn wrong_kind(&self, key: &str, expected: impl Display, report: &mut Report<'_>) {
        let kind = self.value.type_str();
        report.mistake(
            self.offset,
            format!("`{key}` is a value of kind {kind}"),
            format!("`{key}` takes {expected}"),
        );
    }
}
