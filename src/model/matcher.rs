//! Label matchers: `name="value"`, `!=`, `=~` and `!~`, with the meaning that Prometheus and its
//! Alertmanager give them. A label that is not there is one with an empty value; an expression has
//! to match the whole value.

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How a value is compared.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Comparison {
    /// `=`: it is that text.
    Equal,
    /// `!=`: it is another text.
    NotEqual,
    /// `=~`: the expression matches it.
    Matches,
    /// `!~`: the expression does not match it.
    DoesNotMatch,
}

impl Comparison {
    /// The operator as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Matches => "=~",
            Self::DoesNotMatch => "!~",
        }
    }

    /// Whether the value is an expression.
    #[must_use]
    pub const fn is_regex(self) -> bool {
        matches!(self, Self::Matches | Self::DoesNotMatch)
    }

    /// Whether it holds when the values are the same.
    #[must_use]
    pub const fn is_equal(self) -> bool {
        matches!(self, Self::Equal | Self::Matches)
    }

    /// The comparison of these two properties.
    #[must_use]
    pub const fn of(is_regex: bool, is_equal: bool) -> Self {
        match (is_regex, is_equal) {
            (false, true) => Self::Equal,
            (false, false) => Self::NotEqual,
            (true, true) => Self::Matches,
            (true, false) => Self::DoesNotMatch,
        }
    }
}

/// Why a matcher cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MatcherError {
    /// It has no name.
    #[error("a matcher needs the name of a label: {0:?}")]
    NoName(String),
    /// It has no operator.
    #[error("no =, !=, =~ or !~ behind the name of the label: {0:?}")]
    NoOperator(String),
    /// Its quotes do not fit.
    #[error("the quotes of the value do not fit: {0:?}")]
    BadQuotes(String),
    /// Its expression cannot be compiled, or is too large.
    #[error("the expression {0:?} cannot be used: {1}")]
    BadRegex(String, String),
    /// Name or value is too long.
    #[error("a name or value longer than {VALUE_BYTES_MAX} bytes")]
    TooLong,
}

/// One matcher, ready to be used. Kept and sent as its three parts.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Parts", into = "Parts")]
pub struct Matcher {
    name: String,
    comparison: Comparison,
    value: String,
    regex: Option<Regex>,
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.comparison, &self.value) == (&other.name, other.comparison, &other.value)
    }
}

impl Eq for Matcher {}

impl Matcher {
    /// Makes a matcher of its parts.
    ///
    /// # Errors
    /// When the name is empty, a part too long, or the expression of no use.
    pub fn new(name: &str, comparison: Comparison, value: &str) -> Result<Self, MatcherError> {
        if name.is_empty() {
            return Err(MatcherError::NoName(value.to_owned()));
        }
        if name.len() > VALUE_BYTES_MAX || value.len() > VALUE_BYTES_MAX {
            return Err(MatcherError::TooLong);
        }
        let regex = if comparison.is_regex() {
            let compiled = RegexBuilder::new(&format!("^(?s:{value})$"))
                .size_limit(REGEX_BYTES_MAX)
                .dfa_size_limit(REGEX_BYTES_MAX)
                .build();
            Some(
                compiled
                    .map_err(|error| MatcherError::BadRegex(value.to_owned(), error.to_string()))?,
            )
        } else {
            None
        };
        Ok(Self { name: name.to_owned(), comparison, value: value.to_owned(), regex })
    }

    /// Reads `name="value"`; quotes may be left out, and a name may be in quotes too.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, MatcherError> {
        let written = text.trim();
        let (name, rest) = if written.starts_with('"') {
            let end =
                end_of_quoted(written).ok_or_else(|| MatcherError::BadQuotes(text.to_owned()))?;
            let (name, rest) = written.split_at(end);
            (unquoted(name).ok_or_else(|| MatcherError::BadQuotes(text.to_owned()))?, rest)
        } else {
            let end = written
                .find(['=', '!'])
                .ok_or_else(|| MatcherError::NoOperator(text.to_owned()))?;
            let (name, rest) = written.split_at(end);
            (name.trim_end().to_owned(), rest)
        };
        let rest = rest.trim_start();
        let operators = [
            ("=~", Comparison::Matches),
            ("!~", Comparison::DoesNotMatch),
            ("!=", Comparison::NotEqual),
            ("=", Comparison::Equal),
        ];
        let found = operators
            .into_iter()
            .find_map(|(word, comparison)| Some((comparison, rest.strip_prefix(word)?)));
        let (comparison, value) = found.ok_or_else(|| MatcherError::NoOperator(text.to_owned()))?;
        let value = value.trim_start();
        let value = if value.starts_with('"') {
            unquoted(value).ok_or_else(|| MatcherError::BadQuotes(text.to_owned()))?
        } else if value.contains('"') {
            return Err(MatcherError::BadQuotes(text.to_owned()));
        } else {
            value.to_owned()
        };
        Self::new(&name, comparison, &value)
    }

    /// Name of the label.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How its value is compared.
    #[must_use]
    pub fn comparison(&self) -> Comparison {
        self.comparison
    }

    /// With what its value is compared.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether it holds for that value of its label; an empty one when there is no such label.
    #[must_use]
    pub fn is_match(&self, value: &str) -> bool {
        let is_same = match &self.regex {
            Some(regex) => regex.is_match(value),
            None => self.value == value,
        };
        is_same == self.comparison.is_equal()
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{:?}", self.name, self.comparison.as_str(), self.value)
    }
}

/// A matcher as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Parts {
    name: String,
    comparison: Comparison,
    value: String,
}

impl From<Matcher> for Parts {
    fn from(matcher: Matcher) -> Self {
        Self { name: matcher.name, comparison: matcher.comparison, value: matcher.value }
    }
}

impl TryFrom<Parts> for Matcher {
    type Error = MatcherError;

    fn try_from(parts: Parts) -> Result<Self, MatcherError> {
        Self::new(&parts.name, parts.comparison, &parts.value)
    }
}

/// Where a text ends that begins with a quote; behind its second quote.
fn end_of_quoted(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (place, letter) in text.char_indices().skip(1) {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return Some(place.saturating_add(1)),
            _ => {}
        }
    }
    None
}

/// What stands between two quotes, escapes resolved; `None` when the second one is not at the end.
/// An unknown escape stands for itself, as expressions are full of them.
fn unquoted(text: &str) -> Option<String> {
    if end_of_quoted(text)? != text.len() {
        return None;
    }
    let inside = text.get(1..text.len().checked_sub(1)?)?;
    let mut out = String::with_capacity(inside.len());
    let mut letters = inside.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next()? {
                'n' => out.push('\n'),
                escaped @ ('"' | '\\') => out.push(escaped),
                other => out.extend(['\\', other]),
            },
            other => out.push(other),
        }
    }
    Some(out)
}

/// Name or value of a matcher, bytes.
pub const VALUE_BYTES_MAX: usize = 4_096;
/// Memory that one expression may take, bytes: an API that anybody may call compiles them.
const REGEX_BYTES_MAX: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (String, &'static str, String) {
        let matcher = Matcher::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        (matcher.name.clone(), matcher.comparison.as_str(), matcher.value.clone())
    }

    fn is_match(text: &str, value: &str) -> bool {
        Matcher::parse(text).expect("a matcher").is_match(value)
    }

    #[test]
    fn matchers_are_read_as_people_write_them() {
        let is = |name: &str, operator: &'static str, value: &str| {
            (name.to_owned(), operator, value.to_owned())
        };
        assert_eq!(parsed("alertname=Down"), is("alertname", "=", "Down"));
        assert_eq!(parsed(" job != \"a b\" "), is("job", "!=", "a b"));
        assert_eq!(parsed("job=~\"a|b\\\\d\""), is("job", "=~", "a|b\\d"));
        assert_eq!(parsed("path!~\"c:\\d \\\"x\\\"\""), is("path", "!~", "c:\\d \"x\""));
        assert_eq!(parsed("\"a.b c\"=\"\""), is("a.b c", "=", ""));
        assert_eq!(parsed("job="), is("job", "=", ""));
        assert_eq!(parsed("a==b"), is("a", "=", "=b"));
    }

    #[test]
    fn what_is_no_matcher_is_told() {
        for text in
            ["", "job", "=x", "{job=\"x\"", "job=\"x", "job=\"x\"y", "job=x\"", "job=~(", "\"a"]
        {
            let read = Matcher::parse(text);
            assert!(read.is_err() || text.starts_with('{'), "{text}: {read:?}");
        }
        let huge = format!("job=~\"({}){{1000}}\"", "[a-z]{1000}");
        assert!(matches!(Matcher::parse(&huge), Err(MatcherError::BadRegex(..))));
        let long = format!("job={}", "x".repeat(VALUE_BYTES_MAX + 1));
        assert_eq!(Matcher::parse(&long), Err(MatcherError::TooLong));
    }

    #[test]
    fn expressions_match_whole_values_and_absence_is_emptiness() {
        assert!(is_match("job=~\"a.*\"", "abc"));
        assert!(!is_match("job=~\"b\"", "abc"));
        assert!(is_match("job=~\"a|abc\"", "abc"));
        assert!(is_match("job=~\"a.c\"", "a\nc"));
        assert!(is_match("job!~\"b\"", "abc"));
        assert!(is_match("job!=\"x\"", ""));
        assert!(is_match("job=\"\"", ""));
    }

    #[test]
    fn what_is_kept_comes_back_ready_to_be_used() {
        let matcher = Matcher::parse("job=~\"a+\"").expect("a matcher");
        let bytes = postcard::to_stdvec(&matcher).expect("it can be kept");
        let again: Matcher = postcard::from_bytes(&bytes).expect("it comes back");
        assert_eq!(again, matcher);
        assert!(again.is_match("aa") && !again.is_match("b"));
        assert_eq!(again.to_string(), "job=~\"a+\"");
    }
}
