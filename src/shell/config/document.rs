//! A TOML text as a tree in which every key and value knows its place, and `--set` arguments laid
//! over it. Syntax only: what the keys mean is decided by whoever reads the tree.
//!
//! A tree of our own, rather than structs that serde fills, since serde stops at the first mistake
//! and an operator wants all of them; and since a value that came from a flag must say so.

use crate::shell::config::findings::{Findings, Place, in_one_line, quoted};
use std::collections::BTreeMap;
use std::sync::Arc;
use toml::de::{DeTable, DeValue};

/// A value with its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Where the value begins; for a section, its header.
    pub(super) place: Place,
    /// What was written.
    pub(super) value: Value,
}

/// What TOML can say. Dates and decimals are only ever refused, so they keep no content.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// A string.
    Text(String),
    /// An integer within 64 bits.
    Integer(i64),
    /// `true` or `false`.
    Boolean(bool),
    /// An array.
    List(Vec<Node>),
    /// A table, whichever way it was written.
    Table(Table),
    /// A decimal number, or an integer beyond 64 bits.
    Decimal,
    /// A date or time.
    Date,
}

/// The keys of a table, in name order.
pub(super) type Table = BTreeMap<String, Entry>;

/// One key of a table.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Where the key stands.
    pub(super) key_place: Place,
    /// Its value.
    pub(super) node: Node,
}

impl Value {
    /// The kind in words, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Boolean(_) => "a boolean",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Decimal => "a decimal number",
            Self::Date => "a date",
        }
    }
}

/// Parses a text. Every syntax mistake is reported, and then the tree is empty.
pub(super) fn parse(whole: Place, text: &Arc<str>, findings: &mut Findings) -> Table {
    let (tree, mistakes) = DeTable::parse_recoverable(text);
    if mistakes.is_empty() {
        return table(whole, tree.get_ref());
    }
    for mistake in mistakes {
        let place = mistake.span().map_or(whole, |span| whole.at(span.start));
        findings.error(place, format!("not TOML: {}", mistake.message()), syntax_remedy(&mistake));
    }
    Table::new()
}

fn syntax_remedy(mistake: &toml::de::Error) -> &'static str {
    let message = mistake.message();
    if message.contains("duplicate key") {
        "write each key and each [section] once; a list of sections is written [[section]]"
    } else if message.contains("string") || message.contains("quote") {
        "put text between double quotes: key = \"value\""
    } else {
        "write `key = value` lines under `[section]` headers, text between double quotes"
    }
}

fn table(whole: Place, from: &DeTable<'_>) -> Table {
    from.iter()
        .map(|(key, value)| {
            let entry = Entry {
                key_place: whole.at(key.span().start),
                node: node(whole, value.get_ref(), value.span().start),
            };
            (key.get_ref().to_string(), entry)
        })
        .collect()
}

/// The parser bounds nesting to some eighty levels, which bounds this recursion.
fn node(whole: Place, from: &DeValue<'_>, offset: usize) -> Node {
    let value = match from {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Value::Decimal, Value::Integer),
        DeValue::Float(_) => Value::Decimal,
        DeValue::Boolean(flag) => Value::Boolean(*flag),
        DeValue::Datetime(_) => Value::Date,
        DeValue::Array(items) => Value::List(
            items.iter().map(|item| node(whole, item.get_ref(), item.span().start)).collect(),
        ),
        DeValue::Table(inner) => Value::Table(table(whole, inner)),
    };
    Node { place: whole.at(offset), value }
}

/// Lays one `--set section.key=value` over the tree. The value is read as TOML, and as plain text
/// where it is none, so that `--set tickets.series=NOC` needs no quotes within quotes.
pub(super) fn lay_over(tree: &mut Table, argument: &str, findings: &mut Findings) {
    let place = findings.add_source(&format!("--set {}", in_one_line(argument)), Arc::from(""));
    let form = "write --set section.key=value, for example --set tickets.series=NOC";
    let Some((path, value)) = argument.split_once('=') else {
        findings.error(place, "no `=` in it", form);
        return;
    };
    let (key, fits) = (path.trim(), !value.contains(['\n', '\r']));
    let as_written = if fits { parsed(&format!("{key} = {value}")) } else { None };
    let laid = match as_written {
        Some(laid) => Some(at_flag(place, laid)),
        None => parsed(&format!("{key} = 0")).map(|mut laid| {
            set_leaf(&mut laid, value);
            at_flag(place, laid)
        }),
    };
    match laid {
        Some(laid) if !key.starts_with('[') && !key.contains(['\n', '\r', '#']) => {
            merge(tree, laid, findings);
        }
        Some(_) | None => {
            findings.error(place, format!("{} is no key", quoted(key)), form);
        }
    }
}

fn parsed(text: &str) -> Option<Table> {
    let whole = Findings::default().add_source("", Arc::from(""));
    DeTable::parse(text).ok().map(|tree| table(whole, tree.get_ref()))
}

/// Every place becomes that of the flag.
fn at_flag(place: Place, from: Table) -> Table {
    from.into_iter()
        .map(|(key, entry)| {
            (key, Entry { key_place: place, node: node_at_flag(place, entry.node) })
        })
        .collect()
}

fn node_at_flag(place: Place, node: Node) -> Node {
    let value = match node.value {
        Value::Table(inner) => Value::Table(at_flag(place, inner)),
        Value::List(items) => {
            Value::List(items.into_iter().map(|item| node_at_flag(place, item)).collect())
        }
        other @ (Value::Text(_)
        | Value::Integer(_)
        | Value::Boolean(_)
        | Value::Decimal
        | Value::Date) => other,
    };
    Node { place, value }
}

fn set_leaf(tree: &mut Table, text: &str) {
    for entry in tree.values_mut() {
        match &mut entry.node.value {
            Value::Table(inner) => set_leaf(inner, text),
            leaf => *leaf = Value::Text(text.to_owned()),
        }
    }
}

/// Tables are merged key by key; anything else is replaced.
fn merge(onto: &mut Table, from: Table, findings: &mut Findings) {
    for (key, entry) in from {
        match onto.get_mut(&key) {
            None => {
                onto.insert(key, entry);
            }
            Some(there) => match (&mut there.node.value, entry.node.value) {
                (Value::Table(onto_inner), Value::Table(inner)) => {
                    merge(onto_inner, inner, findings);
                }
                (Value::Table(_), _) => findings.error(
                    entry.key_place,
                    format!("{} is a section, not a key", quoted(&key)),
                    "name a key of it: --set section.key=value",
                ),
                (_, Value::Table(_)) => findings.error(
                    entry.key_place,
                    format!("{} is a key, not a section", quoted(&key)),
                    "give it a value: --set section.key=value",
                ),
                (_, value) => {
                    *there = Entry {
                        key_place: entry.key_place,
                        node: Node { place: entry.node.place, value },
                    };
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, overrides: &[&str]) -> (Table, Vec<String>) {
        let mut findings = Findings::default();
        let text: Arc<str> = Arc::from(text);
        let whole = findings.add_source("a.toml", Arc::clone(&text));
        let mut tree = parse(whole, &text, &mut findings);
        for argument in overrides {
            lay_over(&mut tree, argument, &mut findings);
        }
        let (_, errors) = findings.into_diagnostics();
        (tree, errors.iter().map(ToString::to_string).collect())
    }

    fn at<'a>(tree: &'a Table, path: &[&str]) -> Option<&'a Value> {
        let (first, rest) = path.split_first()?;
        let value = &tree.get(*first)?.node.value;
        match (value, rest.is_empty()) {
            (_, true) => Some(value),
            (Value::Table(inner), false) => at(inner, rest),
            _ => None,
        }
    }

    #[test]
    fn every_syntax_mistake_is_reported() {
        let (_, errors) = read("a = \nb = 1\nc = nope\n[d\n", &[]);
        assert!(errors.len() >= 3, "{errors:#?}");
        assert!(errors.iter().any(|each| each.starts_with("a.toml:3:5: not TOML")), "{errors:#?}");
    }

    #[test]
    fn overrides_are_toml_or_else_text() {
        let (tree, errors) = read(
            "[tickets]\nseries = \"VIG\"\n",
            &[
                "tickets.series=NOC",
                "tickets.observe = true",
                "listeners.\"a.b\".addresses=[\"127.0.0.1:0\"]",
                "state.dir=",
                "log.level=a\nb = 1",
            ],
        );
        assert_eq!(errors, Vec::<String>::new());
        assert!(matches!(at(&tree, &["tickets", "series"]), Some(Value::Text(t)) if t == "NOC"));
        assert!(matches!(at(&tree, &["tickets", "observe"]), Some(Value::Boolean(true))));
        assert!(matches!(at(&tree, &["listeners", "a.b", "addresses"]), Some(Value::List(_))));
        assert!(matches!(at(&tree, &["state", "dir"]), Some(Value::Text(t)) if t.is_empty()));
        assert!(matches!(at(&tree, &["log", "level"]), Some(Value::Text(t)) if t == "a\nb = 1"));
    }

    #[test]
    fn overrides_that_fit_nowhere_name_the_flag() {
        let (_, errors) = read(
            "[tickets]\nseries = \"VIG\"\n",
            &["tickets", "tickets=1", "tickets.series.x=1", "=1", "[a]\nb=1"],
        );
        assert_eq!(errors.len(), 5, "{errors:#?}");
        for (error, flag) in errors.iter().zip(["tickets:", "tickets=1:", "tickets.series.x=1:"]) {
            assert!(error.starts_with(&format!("--set {flag}")), "{error}");
        }
    }

    #[test]
    fn overrides_are_shown_as_they_were_written() {
        let said = |flag: &str| read("[tickets]\nseries = \"VIG\"\n", &[flag]).1.join("\n");
        for flag in ["tickets=\"NOC\"", "tickets='it is'", "tickets=C:\\x", "tickets=é"] {
            let error = said(flag);
            assert!(error.starts_with(&format!("--set {flag}: ")), "{error}");
        }
        let error = said("tickets=a\nb\u{1b}[2J");
        assert!(error.starts_with("--set tickets=a\\nb\\u{1b}[2J: "), "{error}");
    }

    #[test]
    fn deep_nesting_is_a_mistake_and_no_overflow() {
        for text in [
            format!("a = {}", "[".repeat(100_000)),
            format!("{}a = 1", "a.".repeat(100_000)),
            format!("[{}a]", "a.".repeat(100_000)),
            format!("a = {}", "{a=".repeat(100_000)),
        ] {
            let (_, errors) = read(&text, &[&text]);
            assert!(!errors.is_empty());
        }
    }
}
