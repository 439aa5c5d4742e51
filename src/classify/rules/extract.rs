//! Takes a value out of a line by the words around it: substring searches, some 20 ns each, where a
//! regular expression with a capture costs some 650 ns.

use super::read::{Report, Section, Written};
use memchr::memmem::Finder;
use std::ops::Range;

/// A compiled `{ after = …, until = … }` or `{ before = … }`.
pub(crate) struct Extractor {
    place: Place,
    /// Whether the rule still holds when nothing is found.
    pub(crate) is_optional: bool,
}

enum Place {
    /// From the end of the first of these that is found, until the end.
    After(Vec<Finder<'static>>, End),
    /// The word that ends where the first of these begins.
    Before(Vec<Finder<'static>>),
}

enum End {
    /// At the end of the word.
    Word,
    /// At the nearest of these, which has to be there.
    Until(Vec<Finder<'static>>),
    /// At the end of the line.
    Line,
}

impl Extractor {
    /// Where the value stands in the line; `None` if it does not, or is empty.
    pub(crate) fn find(&self, line: &[u8]) -> Option<Range<usize>> {
        let range = match &self.place {
            Place::After(starts, end) => {
                let start = starts.iter().find_map(|finder| {
                    let at = finder.find(line)?;
                    Some(at.saturating_add(finder.needle().len()))
                })?;
                let rest = line.get(start..)?;
                let blanks = rest.iter().position(|byte| *byte != b' ').unwrap_or(rest.len());
                let start = start.saturating_add(blanks);
                let rest = line.get(start..)?;
                start..start.saturating_add(end.length(rest)?)
            }
            Place::Before(ends) => {
                let end = ends.iter().find_map(|finder| finder.find(line))?;
                let head = line.get(..end)?;
                let start = head.iter().rposition(|byte| is_word_end(*byte));
                start.map_or(0, |at| at.saturating_add(1))..end
            }
        };
        trim(line, range)
    }

    /// Reads one extractor.
    pub(super) fn read(section: Section<'_>, report: &mut Report<'_>) -> Option<Self> {
        section.check_keys(&["after", "until", "before", "optional"], report);
        let after = section.texts("after", report);
        let before = section.texts("before", report);
        let until = section.texts("until", report);
        let is_optional = section.truth("optional", false, report);
        let place = match (after.is_empty(), before.is_empty()) {
            (false, true) => Place::After(finders(&after), End::new(&until)),
            (true, false) if until.is_empty() => Place::Before(finders(&before)),
            (true, false) => {
                report.mistake(
                    section.offset,
                    "`until` has no meaning with `before`",
                    "`before` takes the word that ends there; leave `until` out",
                );
                return None;
            }
            _ => {
                report.mistake(
                    section.offset,
                    "an extractor needs either `after` or `before`",
                    "write { after = \"words before it\" } or { before = \"words behind it\" }",
                );
                return None;
            }
        };
        Some(Self { place, is_optional })
    }
}

impl End {
    fn new(until: &[Written<&str>]) -> Self {
        match until {
            [] => Self::Word,
            [one] if one.value == "$" => Self::Line,
            many => Self::Until(finders(many)),
        }
    }

    fn length(&self, rest: &[u8]) -> Option<usize> {
        match self {
            Self::Word => {
                Some(rest.iter().position(|byte| is_word_end(*byte)).unwrap_or(rest.len()))
            }
            Self::Until(finders) => finders.iter().filter_map(|finder| finder.find(rest)).min(),
            Self::Line => Some(rest.len()),
        }
    }
}

fn finders(words: &[Written<&str>]) -> Vec<Finder<'static>> {
    words.iter().map(|word| Finder::new(word.value.as_bytes()).into_owned()).collect()
}

/// Whether a word stops before this byte.
fn is_word_end(byte: u8) -> bool {
    matches!(
        byte,
        0..=b' ' | b',' | b';' | b'(' | b')' | b'[' | b']' | b'<' | b'>' | b'"' | b'\'' | b'|'
    )
}

/// Leaves out blanks and closing punctuation; `None` when nothing is left.
fn trim(line: &[u8], range: Range<usize>) -> Option<Range<usize>> {
    let value = line.get(range.clone())?;
    let leading = value.iter().position(|byte| *byte != b' ')?;
    let kept = value.iter().rposition(|byte| !matches!(byte, b' ' | b'.' | b':' | b',' | b'!'))?;
    let start = range.start.saturating_add(leading);
    let end = range.start.saturating_add(kept).saturating_add(1);
    (start < end).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finder(word: &str) -> Vec<Finder<'static>> {
        vec![Finder::new(word.as_bytes()).into_owned()]
    }

    fn found(place: Place, line: &str) -> Option<&str> {
        let range = Extractor { place, is_optional: false }.find(line.as_bytes())?;
        line.get(range)
    }

    #[test]
    fn values_are_taken_by_the_words_around_them() {
        let line = "Interface GigabitEthernet 0/1, changed state to down.";
        let until = Place::After(finder("Interface "), End::Until(finder(",")));
        assert_eq!(found(until, line), Some("GigabitEthernet 0/1"));
        assert_eq!(found(Place::After(finder("state to "), End::Word), line), Some("down"));
        assert_eq!(found(Place::After(finder("changed"), End::Line), line), Some("state to down"));
        assert_eq!(found(Place::Before(finder(", changed")), line), Some("0/1"));
        assert_eq!(found(Place::After(finder("to down."), End::Word), line), None);
        assert_eq!(found(Place::After(finder("absent"), End::Word), line), None);
        assert_eq!(found(Place::After(finder("Interface "), End::Until(finder("#"))), line), None);
    }
}
