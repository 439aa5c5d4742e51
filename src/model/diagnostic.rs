//! What is wrong with a configuration file, where, and how to mend it.

use std::fmt;

/// One mistake in a file that a person wrote.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// File as the reader would name it.
    pub file: String,
    /// 1-based line; 0 when the whole file is meant.
    pub line: u32,
    /// 1-based column in characters.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl Diagnostic {
    /// A mistake at a byte offset of a text.
    #[must_use]
    pub fn at(
        file: &str,
        text: &str,
        offset: usize,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.bytes().filter(|byte| *byte == b'\n').count().saturating_add(1);
        let line_start = before.rfind('\n').map_or(0, |end| end.saturating_add(1));
        let column =
            before.get(line_start..).map_or(0, |part| part.chars().count()).saturating_add(1);
        Self {
            file: file.to_owned(),
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: u32::try_from(column).unwrap_or(u32::MAX),
            message: message.into(),
            remedy: remedy.into(),
        }
    }

    /// A mistake of a whole file.
    #[must_use]
    pub fn file(file: &str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line: 0,
            column: 0,
            message: message.into(),
            remedy: remedy.into(),
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            write!(f, "{}: {}", self.file, self.message)?;
        } else {
            write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        }
        if self.remedy.is_empty() { Ok(()) } else { write!(f, "\n    remedy: {}", self.remedy) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_is_counted_in_lines_and_characters_from_one() {
        let found = Diagnostic::at("a.toml", "é = 1\nbé = x\n", 13, "not a value", "quote it");
        assert_eq!((found.line, found.column), (2, 6));
        assert_eq!(found.to_string(), "a.toml:2:6: not a value\n    remedy: quote it");
    }
}
