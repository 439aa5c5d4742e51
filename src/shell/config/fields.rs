//! Reads the keys of one table: each by name, with its type and range. Wrong types, values out of
//! range and keys that nobody asked for become findings; the reader goes on with what is left.

use crate::shell::config::document::{Entry, Node, Table, Value};
use crate::shell::config::findings::{Findings, Located, Place, quoted};
use crate::shell::config::suggest::nearest;
use std::ops::RangeInclusive;

/// The keys of one table that have not been read yet.
pub(super) struct Fields<'f> {
    /// Where mistakes go.
    pub(super) findings: &'f mut Findings,
    what: String,
    place: Place,
    entries: Table,
    known: Vec<&'static str>,
    /// Where the keys stand that were read.
    read: Vec<(&'static str, Place)>,
}

impl<'f> Fields<'f> {
    /// Begins to read a table that messages call `what` (`[journal]`).
    pub(super) fn new(
        what: &str,
        place: Place,
        entries: Table,
        findings: &'f mut Findings,
    ) -> Self {
        Self {
            findings,
            what: what.to_owned(),
            place,
            entries,
            known: Vec::new(),
            read: Vec::new(),
        }
    }

    /// What messages call the table.
    pub(super) fn what(&self) -> &str {
        &self.what
    }

    /// Where the table stands.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// Where to look for what is wrong between the values of these keys: at the flag that gave one
    /// of them, else where the table stands.
    pub(super) fn place_of(&self, keys: &[&str]) -> Place {
        let given = self.read.iter().filter(|(key, _)| keys.contains(key));
        given
            .map(|(_, place)| *place)
            .find(|place| !place.is_beside(self.place))
            .unwrap_or(self.place)
    }

    /// Whether a key is there and was not read yet.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Whether a key was there and was read.
    pub(super) fn was_read(&self, key: &str) -> bool {
        self.read.iter().any(|(known, _)| *known == key)
    }

    /// A string if the key holds one; left for others to read if it holds something else.
    pub(super) fn text_if_any(&mut self, key: &'static str) -> Option<Located<String>> {
        let is_text = matches!(self.entries.get(key)?.node.value, Value::Text(_));
        if is_text { self.text(key) } else { None }
    }

    /// A string.
    pub(super) fn text(&mut self, key: &'static str) -> Option<Located<String>> {
        let entry = self.take(key)?;
        match entry.node.value {
            Value::Text(value) => Some(Located { value, place: entry.node.place }),
            other => {
                self.wrong_kind(key, entry.node.place, "a string", other.kind());
                None
            }
        }
    }

    /// A string that must be there and say something.
    pub(super) fn required_text(&mut self, key: &'static str) -> Option<Located<String>> {
        if !self.has(key) {
            self.known.push(key);
            self.missing(key);
            return None;
        }
        let found = self.text(key)?;
        if found.value.trim().is_empty() {
            let remedy = format!("give {} a value", quoted(key));
            self.findings.error(found.place, format!("{} is empty", quoted(key)), remedy);
            return None;
        }
        Some(found)
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, key: &'static str) -> Option<bool> {
        let entry = self.take(key)?;
        match entry.node.value {
            Value::Boolean(value) => Some(value),
            other => {
                self.wrong_kind(key, entry.node.place, "true or false", other.kind());
                None
            }
        }
    }

    /// An integer within a range.
    pub(super) fn integer<N>(&mut self, key: &'static str, range: RangeInclusive<N>) -> Option<N>
    where
        N: TryFrom<i64> + PartialOrd + std::fmt::Display,
    {
        let entry = self.take(key)?;
        let Value::Integer(written) = entry.node.value else {
            self.wrong_kind(key, entry.node.place, "an integer", entry.node.value.kind());
            return None;
        };
        match N::try_from(written) {
            Ok(value) if range.contains(&value) => Some(value),
            _ => {
                let message = format!("{} is {written}, out of its range", quoted(key));
                let remedy = format!("give a number from {} to {}", range.start(), range.end());
                self.findings.error(entry.node.place, message, remedy);
                None
            }
        }
    }

    /// One word of a closed list; gives what the word stands for.
    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        choices: &[(&str, T)],
    ) -> Option<T> {
        let written = self.text(key)?;
        let found = choices.iter().find(|(word, _)| *word == written.value);
        if found.is_none() {
            let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
            let message = format!("{} is no value of {}", quoted(&written.value), quoted(key));
            let remedy = one_of(&written.value, &words, "values");
            self.findings.error(written.place, message, remedy);
        }
        found.map(|(_, value)| *value)
    }

    /// A list of strings; absent is none.
    pub(super) fn texts(&mut self, key: &'static str) -> Option<Vec<Located<String>>> {
        let entry = self.take(key)?;
        let Value::List(items) = entry.node.value else {
            self.wrong_kind(key, entry.node.place, "a list of strings", entry.node.value.kind());
            return None;
        };
        let mut list = Vec::with_capacity(items.len());
        for item in items {
            match item.value {
                Value::Text(value) => list.push(Located { value, place: item.place }),
                other => self.wrong_kind(key, item.place, "a list of strings", other.kind()),
            }
        }
        Some(list)
    }

    /// A list of any values; absent is empty.
    pub(super) fn list(&mut self, key: &'static str) -> Vec<Node> {
        let Some(entry) = self.take(key) else { return Vec::new() };
        match entry.node.value {
            Value::List(items) => items,
            other => {
                self.wrong_kind(key, entry.node.place, "a list", other.kind());
                Vec::new()
            }
        }
    }

    /// A table.
    pub(super) fn table(&mut self, key: &'static str) -> Option<Located<Table>> {
        let entry = self.take(key)?;
        match entry.node.value {
            Value::Table(value) => Some(Located { value, place: entry.key_place }),
            other => {
                self.wrong_kind(key, entry.node.place, "a section", other.kind());
                None
            }
        }
    }

    /// The tables of `[[key]]`; absent is none.
    pub(super) fn tables(&mut self, key: &'static str) -> Vec<Located<Table>> {
        let Some(entry) = self.take(key) else { return Vec::new() };
        let what = format!("a list of sections: [[{key}]]");
        let items = match entry.node.value {
            Value::List(items) => items,
            other => {
                self.wrong_kind(key, entry.key_place, &what, other.kind());
                return Vec::new();
            }
        };
        let mut list = Vec::with_capacity(items.len());
        for item in items {
            match item.value {
                Value::Table(value) => list.push(Located { value, place: item.place }),
                other => self.wrong_kind(key, item.place, &what, other.kind()),
            }
        }
        list
    }

    /// A key that is known elsewhere and has no meaning here; says why.
    pub(super) fn refuse(&mut self, key: &'static str, why: &str) {
        if let Some(entry) = self.entries.remove(key) {
            let message = format!("{} has no meaning in {}", quoted(key), self.what);
            self.findings.error(entry.key_place, message, why);
        }
    }

    /// Reports every key that was not asked for.
    pub(super) fn finish(self) {
        for (key, entry) in &self.entries {
            let message = format!("unknown key {} in {}", quoted(key), self.what);
            self.findings.error(entry.key_place, message, one_of(key, &self.known, "keys"));
        }
    }

    /// Reports that a key must be there.
    pub(super) fn missing(&mut self, key: &str) {
        let message = format!("{} is missing in {}", quoted(key), self.what);
        self.findings.error(self.place, message, format!("add {key} = …"));
    }

    /// Whatever a key holds.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Entry> {
        self.known.push(key);
        let entry = self.entries.remove(key)?;
        self.read.push((key, entry.key_place));
        Some(entry)
    }

    fn wrong_kind(&mut self, key: &str, place: Place, wanted: &str, found: &str) {
        let message = format!("{} is {found}, not {wanted}", quoted(key));
        let remedy = match wanted {
            "a string" => format!("put it between double quotes: {key} = \"…\""),
            "a list of strings" => format!("write {key} = [\"…\", \"…\"]"),
            "an integer" => format!("write {key} = 1, without quotes or unit"),
            "true or false" => format!("write {key} = true or {key} = false"),
            other => format!("write {} as {other}", quoted(key)),
        };
        self.findings.error(place, message, remedy);
    }
}

/// "did you mean …", or the whole list when nothing is near.
pub(super) fn one_of(written: &str, known: &[&str], word: &str) -> String {
    match nearest(written, known.iter().copied()) {
        Some(meant) => format!("did you mean {}?", quoted(meant)),
        None => format!("known {word}: {}", known.join(", ")),
    }
}
