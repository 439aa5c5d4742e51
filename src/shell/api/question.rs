//! What a client asks of a listing: filters, page size, cursor.
//!
//! In: the decoded pairs of a query string, any bytes at all. Out: a [`Question`], or an
//! [`AskError`] that says what to write instead. Nothing is guessed: an unknown or repeated name
//! is an error, since a filter that is silently ignored shows a client what it did not ask for.

use crate::model::index::KeyHasher;
use crate::model::limits::PAGE_ITEMS_MAX;
use std::collections::BTreeMap;

/// Items per page when the client does not say.
pub const PAGE_ITEMS_DEFAULT: usize = 100;

/// Why a listing cannot be answered.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AskError {
    /// A name that is no filter of this listing.
    #[error("unknown filter {0:?}")]
    UnknownFilter(String),
    /// A name that stands there twice.
    #[error("{0:?} is given more than once; lists are written with commas")]
    Repeated(String),
    /// A value that the filter cannot have.
    #[error("{value:?} is no value of {name:?}: use {expected}")]
    BadValue {
        /// The filter.
        name: &'static str,
        /// What was given, shortened.
        value: String,
        /// What can be given.
        expected: String,
    },
    /// A `%` that begins no escape, or escapes that make no text.
    #[error("the query is no escaped text: write % as %25, + as %2B, other bytes as UTF-8")]
    BadEscape,
    /// `limit` out of bounds.
    #[error("limit must be a number from 1 to {PAGE_ITEMS_MAX}")]
    BadLimit,
    /// A cursor that this program never wrote.
    #[error("this is no cursor; use the \"next\" of a page as it is")]
    BadCursor,
    /// A cursor of another listing.
    #[error("the cursor belongs to a listing with other filters; repeat those of its first page")]
    CursorOfOtherFilters,
    /// A cursor whose version is gone.
    #[error("the cursor has expired (about a minute after its last use); begin again without it")]
    CursorExpired,
}

/// Whether a query string is what a browser writes. Reading its pairs would pass over what is not.
///
/// # Errors
/// When an escape is none, or when what is escaped is no text.
pub fn check_escapes(query: &str) -> Result<(), AskError> {
    let mut bytes = Vec::with_capacity(query.len());
    let mut rest = query.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        if *first != b'%' {
            bytes.push(*first);
            rest = behind;
            continue;
        }
        let (escape, behind) = behind.split_at_checked(2).ok_or(AskError::BadEscape)?;
        let escape = std::str::from_utf8(escape).map_err(|_| AskError::BadEscape)?;
        if !escape.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(AskError::BadEscape);
        }
        bytes.push(u8::from_str_radix(escape, 16).map_err(|_| AskError::BadEscape)?);
        rest = behind;
    }
    std::str::from_utf8(&bytes).map(|_| ()).map_err(|_| AskError::BadEscape)
}

/// Where a listing goes on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cursor {
    /// Which run of the program gave it out.
    pub run: u64,
    /// Version of the view.
    pub version: u64,
    /// Hash of kind and filters.
    pub filters: u64,
    /// Key of the last item shown.
    pub after: String,
}

impl Cursor {
    /// The text given to clients; made of characters that need no escaping in a URL.
    #[must_use]
    pub fn text(&self) -> String {
        use std::fmt::Write as _;
        let mut text = format!("{:x}-{:x}-{:x}-", self.run, self.version, self.filters);
        for byte in self.after.bytes() {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }

    /// Reads what [`Cursor::text`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, '-');
        let mut number = || u64::from_str_radix(parts.next()?, 16).ok();
        let (run, version, filters) = (number()?, number()?, number()?);
        let after = text_of_hex(parts.next()?)?;
        Some(Self { run, version, filters, after })
    }
}

fn text_of_hex(hex: &str) -> Option<String> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = Vec::with_capacity(hex.len() / 2);
    for pair in hex.as_bytes().chunks(2) {
        let [high, low] = pair else { return None };
        bytes.push((digit(*high)? << 4) | digit(*low)?);
    }
    String::from_utf8(bytes).ok()
}

/// A listing as asked for.
#[derive(Debug)]
pub struct Question {
    /// Filters by name.
    pub filters: Filters,
    /// Items per page.
    pub limit: usize,
    /// Where to go on; none for the first page.
    pub cursor: Option<Cursor>,
}

impl Question {
    /// Reads the pairs of a query string. `kind` makes cursors of different listings differ.
    ///
    /// # Errors
    /// Says what is wrong with the pairs, values of filters excepted.
    pub fn parse(
        kind: &str,
        known: &'static [&'static str],
        pairs: Vec<(String, String)>,
    ) -> Result<Self, AskError> {
        let mut given = BTreeMap::new();
        let (mut limit, mut cursor) = (None, None);
        for (name, value) in pairs {
            let is_repeated = match name.as_str() {
                "limit" => limit.replace(value).is_some(),
                "cursor" => cursor.replace(value).is_some(),
                _ => match known.iter().find(|known| **known == name) {
                    Some(known) => given.insert(*known, value).is_some(),
                    None => return Err(AskError::UnknownFilter(shortened(&name))),
                },
            };
            if is_repeated {
                return Err(AskError::Repeated(shortened(&name)));
            }
        }
        let limit = limit.map_or(Some(PAGE_ITEMS_DEFAULT), |text| text.parse().ok());
        let limit =
            limit.filter(|limit| (1..=PAGE_ITEMS_MAX).contains(limit)).ok_or(AskError::BadLimit)?;
        let filters = Filters { kind: kind.to_owned(), given };
        let cursor =
            cursor.map(|text| Cursor::parse(&text).ok_or(AskError::BadCursor)).transpose()?;
        if cursor.as_ref().is_some_and(|cursor| cursor.filters != filters.hash()) {
            return Err(AskError::CursorOfOtherFilters);
        }
        Ok(Self { filters, limit, cursor })
    }
}

/// Filters as given, names known to be right, values not yet looked at.
#[derive(Debug)]
pub struct Filters {
    kind: String,
    given: BTreeMap<&'static str, String>,
}

impl Filters {
    /// Hash of kind, names and values.
    #[must_use]
    pub fn hash(&self) -> u64 {
        let pairs = self.given.iter().flat_map(|(name, value)| [*name, value.as_str()]);
        let parts: Vec<&str> = std::iter::once(self.kind.as_str()).chain(pairs).collect();
        KeyHasher::new(0).hash(&parts)
    }

    /// A filter on a text, compared as a whole.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        self.given.get(name).cloned()
    }

    /// A filter on a flag.
    ///
    /// # Errors
    /// When the value is neither `true` nor `false`.
    pub fn flag(&self, name: &'static str) -> Result<Option<bool>, AskError> {
        let one = self.any_of(name, &[("true", true), ("false", false)])?;
        match one.as_deref() {
            None => Ok(None),
            Some([flag]) => Ok(Some(*flag)),
            Some(_) => Err(self.bad_value(name, "true or false".to_owned())),
        }
    }

    /// A filter on a closed list of words, several separated by commas.
    ///
    /// # Errors
    /// When a word is not in the list.
    pub fn any_of<T: Copy>(
        &self,
        name: &'static str,
        known: &[(&str, T)],
    ) -> Result<Option<Vec<T>>, AskError> {
        let Some(value) = self.given.get(name) else { return Ok(None) };
        let found = value.split(',').map(|word| {
            known.iter().find(|(known, _)| *known == word.trim()).map(|(_, meaning)| *meaning)
        });
        let found: Option<Vec<T>> = found.collect();
        found.map(Some).ok_or_else(|| {
            let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
            self.bad_value(name, words.join(", "))
        })
    }

    /// A filter on one word of a closed list, or on several at once, joined by `+`.
    ///
    /// # Errors
    /// When a word is not in the list.
    pub fn combination<T: Copy>(
        &self,
        name: &'static str,
        known: &[(&str, T)],
    ) -> Result<Option<Vec<T>>, AskError> {
        let Some(value) = self.given.get(name) else { return Ok(None) };
        // A `+` that was not escaped has become a blank.
        let found = value.split(['+', ' ']).map(|word| {
            known.iter().find(|(known, _)| *known == word).map(|(_, meaning)| *meaning)
        });
        let found: Option<Vec<T>> = found.collect();
        found.map(Some).ok_or_else(|| {
            let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
            self.bad_value(name, format!("{}, or several joined by +", words.join(", ")))
        })
    }

    fn bad_value(&self, name: &'static str, expected: String) -> AskError {
        let value = self.given.get(name).map_or_else(String::new, |value| shortened(value));
        AskError::BadValue { name, value, expected }
    }
}

/// Enough of a client's text to recognise it in an answer.
fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["resource", "is_cleared"];

    fn parse(pairs: &[(&str, &str)]) -> Result<Question, AskError> {
        let owned = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Question::parse("alarms", KNOWN, owned.collect())
    }

    #[test]
    fn odd_questions_are_refused_with_what_to_write_instead() {
        let refused = |pairs: &[(&str, &str)]| parse(pairs).expect_err("refused");
        assert_eq!(refused(&[("color", "red")]), AskError::UnknownFilter("color".to_owned()));
        assert_eq!(refused(&[("", "")]), AskError::UnknownFilter(String::new()));
        let twice = [("resource", "a"), ("resource", "b")];
        assert_eq!(refused(&twice), AskError::Repeated("resource".to_owned()));
        for limit in ["0", "1001", "-1", "99999999999999999999999", "1e3", "", "١"] {
            assert_eq!(refused(&[("limit", limit)]), AskError::BadLimit, "{limit}");
        }
        for cursor in ["", "x", "1-2-3", "1-2-3-zz", "1-2-3-ff", "1-2-3-6", "--", "1-2-3-é"] {
            assert_eq!(refused(&[("cursor", cursor)]), AskError::BadCursor, "{cursor}");
        }
        let long = "x".repeat(100_000);
        let AskError::UnknownFilter(shown) = refused(&[(&long, "")]) else { panic!("unknown") };
        assert_eq!(shown.len(), 80);
    }

    #[test]
    fn escapes_that_are_none_are_refused() {
        for query in ["", "a=b", "a=%2B&b=%c3%A9", "a=+", "source=trap+syslog"] {
            assert_eq!(check_escapes(query), Ok(()), "{query}");
        }
        for query in ["a=%zz", "%", "a=%2", "a=%é", "a=%+1", "a=%ff", "a=%C3"] {
            assert_eq!(check_escapes(query), Err(AskError::BadEscape), "{query}");
        }
    }

    #[test]
    fn combinations_are_made_of_known_words() {
        let asked = |value| parse(&[("resource", value)]).expect("the name is known").filters;
        let words = [("trap", 1), ("syslog", 2)];
        let read = |value| asked(value).combination("resource", &words);
        assert_eq!(read("trap"), Ok(Some(vec![1])));
        assert_eq!(read("trap+syslog"), Ok(Some(vec![1, 2])));
        assert_eq!(read("trap syslog"), Ok(Some(vec![1, 2])));
        let error = read("email").expect_err("unknown").to_string();
        assert!(error.ends_with("use trap, syslog, or several joined by +"), "{error}");
        assert!(read("trap+").is_err() && read("").is_err());
    }

    #[test]
    fn values_of_closed_lists_are_checked() {
        let asked = parse(&[("is_cleared", "maybe")]).expect("the name is known");
        let error = asked.filters.flag("is_cleared").expect_err("no flag");
        assert_eq!(error.to_string(), "\"maybe\" is no value of \"is_cleared\": use true, false");
        let asked = parse(&[("is_cleared", "true,false")]).expect("the name is known");
        assert!(asked.filters.flag("is_cleared").is_err());
    }

    #[test]
    fn a_cursor_belongs_to_its_filters_and_survives_its_text() {
        let asked = parse(&[("resource", "r1/Gi0/1")]).expect("fine");
        let filters = asked.filters.hash();
        let cursor = Cursor { run: 7, version: 9, filters, after: "r1/é".to_owned() };
        let text = cursor.text();
        assert_eq!(Cursor::parse(&text).as_ref(), Some(&cursor));
        let again = parse(&[("cursor", &text), ("resource", "r1/Gi0/1")]).expect("same filters");
        assert_eq!(again.cursor, Some(cursor));
        let other = parse(&[("cursor", &text), ("resource", "r2")]);
        assert_eq!(other.expect_err("other filters"), AskError::CursorOfOtherFilters);
    }
}
