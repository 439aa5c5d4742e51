//! Regular expressions of rules: the last resort, for values that no words surround.

use super::read::{Report, Written};
use regex::bytes::{CaptureLocations, Regex, RegexBuilder};
use std::ops::Range;

/// A compiled expression and its named groups.
pub(crate) struct Expression {
    regex: Regex,
    groups: Vec<usize>,
    /// Which expression of the rule set it is: its place in [`Groups`].
    pub(super) number: usize,
}

/// Memory for the groups of every expression, filled at the first use of each and then kept.
#[derive(Default)]
pub(crate) struct Groups(Vec<Option<CaptureLocations>>);

impl Expression {
    /// Whether the expression occurs in the line; its named groups are then in `places`.
    pub(crate) fn find(
        &self,
        line: &[u8],
        places: &mut [Option<Range<usize>>],
        memory: &mut Groups,
    ) -> bool {
        if self.groups.is_empty() {
            return self.regex.is_match(line);
        }
        if memory.0.len() <= self.number {
            memory.0.resize(self.number.saturating_add(1), None);
        }
        let Some(slot) = memory.0.get_mut(self.number) else { return false };
        let found = slot.get_or_insert_with(|| self.regex.capture_locations());
        if self.regex.captures_read(found, line).is_none() {
            return false;
        }
        for (group, place) in self.groups.iter().zip(places) {
            *place = found.get(*group).filter(|(start, end)| start < end).map(|(s, e)| s..e);
        }
        true
    }
}

/// Compiles an expression and appends the names of its groups.
pub(super) fn read_expression(
    written: &Written<&str>,
    names: &mut Vec<String>,
    report: &mut Report<'_>,
) -> Option<Expression> {
    if written.value.starts_with('^') {
        report.mistake(
            written.offset,
            "`^` means the start of the line, where headers stand",
            "leave `^` out; the words of the expression say where it begins",
        );
    }
    let regex = match RegexBuilder::new(written.value).size_limit(COMPILED_BYTES_MAX).build() {
        Ok(regex) => regex,
        Err(error) => {
            let (at, what) = explain(&error);
            report.mistake(
                report.inside_quotes(written.offset).saturating_add(at),
                format!("the regular expression is not valid: {what}"),
                "mend it; in quotes '…' backslashes stand for themselves",
            );
            return None;
        }
    };
    let mut groups = Vec::new();
    for (group, name) in regex.capture_names().enumerate() {
        if let Some(name) = name {
            groups.push(group);
            names.push(name.to_owned());
        }
    }
    Some(Expression { regex, groups, number: 0 })
}

/// Place and last line of an error, which the library draws as text with a caret below the place.
fn explain(error: &regex::Error) -> (usize, String) {
    let text = error.to_string();
    let caret = text.lines().find(|line| line.trim_start().starts_with('^'));
    let column = caret.and_then(|line| line.find('^')).unwrap_or(DRAWN_INDENT);
    let last = text.lines().last().unwrap_or("").trim_start_matches("error: ").to_owned();
    (column.saturating_sub(DRAWN_INDENT), last)
}

/// Columns by which the library indents the expression that it draws.
const DRAWN_INDENT: usize = 4;
/// Memory of one compiled expression at most, bytes.
const COMPILED_BYTES_MAX: usize = 1024 * 1024;
