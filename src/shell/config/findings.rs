//! What reading has found so far: the texts that were read, and the mistakes and doubts in them,
//! each with its place. Goes in: places and sentences. Comes out: [`Diagnostic`]s in reading order.
//!
//! A place is two numbers while reading goes on; line and column are counted only for those that
//! are shown, so that a file with a hundred thousand mistakes costs no more than one with a few.

use crate::model::diagnostic::Diagnostic;
use crate::shell::config::secret::Origin;
use std::sync::Arc;

/// Diagnostics shown per level. Further ones are counted in a last line: nobody mends more at once.
pub const FINDINGS_MAX: usize = 100;

/// Mistakes after which no "did you mean" is looked for: a search through a large inventory is
/// worth its time for a typing error, not for a file of the wrong sort.
const SUGGESTIONS_MAX: usize = 20;

/// Where something stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Place {
    source: u32,
    offset: u32,
}

impl Place {
    /// The same source, at another byte offset.
    pub(super) fn at(self, offset: usize) -> Self {
        Self { offset: u32::try_from(offset).unwrap_or(u32::MAX - 1), ..self }
    }

    /// Whether both are in one source.
    pub(super) fn is_beside(self, other: Self) -> bool {
        self.source == other.source
    }
}

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(super) struct Located<T> {
    /// What.
    pub(super) value: T,
    /// Where.
    pub(super) place: Place,
}

/// Mistakes and doubts so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    sources: Vec<Source>,
    errors: Level,
    warnings: Level,
}

#[derive(Debug)]
struct Source {
    name: String,
    text: Arc<str>,
}

#[derive(Debug, Default)]
struct Level {
    shown: Vec<Finding>,
    further: usize,
}

#[derive(Debug)]
struct Finding {
    place: Place,
    message: String,
    remedy: String,
}

impl Findings {
    /// Registers a text; the place stands for the whole of it.
    pub(super) fn add_source(&mut self, name: &str, text: Arc<str>) -> Place {
        let source = u32::try_from(self.sources.len()).unwrap_or(u32::MAX);
        self.sources.push(Source { name: name.to_owned(), text });
        Place { source, offset: u32::MAX }
    }

    /// A mistake: nothing is loaded.
    pub(super) fn error(
        &mut self,
        place: Place,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.errors.add(place, message.into(), remedy.into());
    }

    /// A doubt: it loads, and the operator is told.
    pub(super) fn warning(
        &mut self,
        place: Place,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.warnings.add(place, message.into(), remedy.into());
    }

    /// Whether there is any mistake.
    pub(super) fn has_errors(&self) -> bool {
        !self.errors.shown.is_empty()
    }

    /// Whether a search for a similar name is still worth its time.
    pub(super) fn is_worth_suggesting(&self) -> bool {
        self.errors.shown.len() < SUGGESTIONS_MAX
    }

    /// `file:line:column`, for a message that points at a second place.
    pub(super) fn show(&self, place: Place) -> String {
        let shown =
            self.diagnostic(&Finding { place, message: String::new(), remedy: String::new() });
        match shown.line {
            0 => shown.file,
            line => format!("{}:{line}:{}", shown.file, shown.column),
        }
    }

    /// A place that can still be shown when the texts are gone.
    pub(super) fn origin(&self, place: Place) -> Origin {
        let Diagnostic { file, line, column, .. } =
            self.diagnostic(&Finding { place, message: String::new(), remedy: String::new() });
        Origin { file, line, column }
    }

    /// Warnings and errors, each in reading order.
    pub(super) fn into_diagnostics(mut self) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
        let warnings = std::mem::take(&mut self.warnings);
        let errors = std::mem::take(&mut self.errors);
        (self.listed(warnings, "warnings"), self.listed(errors, "mistakes"))
    }

    fn listed(&self, mut level: Level, word: &str) -> Vec<Diagnostic> {
        level.shown.sort_by_key(|finding| finding.place);
        let mut list: Vec<_> = level.shown.iter().map(|each| self.diagnostic(each)).collect();
        if level.further > 0 {
            let file = list.last().map_or_else(String::new, |last| last.file.clone());
            let message = format!("and {} further {word}, not shown", level.further);
            list.push(Diagnostic::file(&file, message, "mend these first, then check again"));
        }
        list
    }

    fn diagnostic(&self, finding: &Finding) -> Diagnostic {
        let source =
            usize::try_from(finding.place.source).ok().and_then(|place| self.sources.get(place));
        let (name, text) = source.map_or(("", ""), |found| (found.name.as_str(), &*found.text));
        if finding.place.offset == u32::MAX {
            return Diagnostic::file(name, &finding.message, &finding.remedy);
        }
        let offset = usize::try_from(finding.place.offset).unwrap_or(usize::MAX).min(text.len());
        Diagnostic::at(name, text, offset, &finding.message, &finding.remedy)
    }
}

impl Level {
    fn add(&mut self, place: Place, message: String, remedy: String) {
        if self.shown.len() < FINDINGS_MAX {
            self.shown.push(Finding { place, message, remedy });
        } else {
            self.further += 1;
        }
    }
}

/// A name as it is shown in a message: between backticks, control characters escaped, cut at a
/// length that keeps the message readable.
pub(super) fn quoted(text: &str) -> String {
    const SHOWN_CHARS: usize = 80;
    let cut = text.char_indices().nth(SHOWN_CHARS).map(|(end, _)| end);
    let shown = in_one_line(text.get(..cut.unwrap_or(text.len())).unwrap_or_default());
    let end = if cut.is_some() { "…" } else { "" };
    format!("`{shown}{end}`")
}

/// A text as it was written, but for what would leave the line or not be seen.
pub(super) fn in_one_line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '"' | '\'' | '\\' => shown.push(letter),
            other => shown.extend(other.escape_debug()),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_come_out_in_reading_order_and_are_bounded() {
        let mut findings = Findings::default();
        let whole = findings.add_source("a.toml", "x\ny\n".into());
        for _ in 0..FINDINGS_MAX {
            findings.error(whole.at(2), "second", "");
        }
        findings.error(whole.at(0), "first", "");
        findings.warning(whole, "doubt", "look");
        let (warnings, errors) = findings.into_diagnostics();
        assert_eq!(
            warnings.first().map(ToString::to_string).as_deref(),
            Some("a.toml: doubt\n    remedy: look")
        );
        assert_eq!(errors.len(), FINDINGS_MAX + 1);
        assert_eq!(errors.first().map(|each| (each.line, each.column)), Some((2, 1)));
        let last = errors.last().map(|each| each.message.clone());
        assert_eq!(last.as_deref(), Some("and 1 further mistakes, not shown"));
    }

    #[test]
    fn names_are_shown_without_control_characters() {
        assert_eq!(quoted("a\u{1b}[31mb"), "`a\\u{1b}[31mb`");
        assert_eq!(quoted("l'agence"), "`l'agence`");
        assert!(quoted(&"é".repeat(200)).ends_with("é…`"));
    }
}
