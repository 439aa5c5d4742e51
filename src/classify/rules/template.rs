//! Texts with places to fill: `Interface {interface} is down`. `{{` and `}}` stand for braces.
//!
//! What a place refers to depends on the kind of message, so a template is generic over it.

/// A compiled template.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Template<R> {
    pieces: Vec<Piece<R>>,
}

/// A part of a template.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Piece<R> {
    /// Written as it stands.
    Literal(String),
    /// Filled from the message.
    Place(R),
}

/// What fills the places of a template.
pub(crate) trait Fill<R> {
    /// Appends the value, made fit to be shown.
    fn fill(&mut self, reference: &R, out: &mut String);
}

impl<R> Default for Template<R> {
    fn default() -> Self {
        Self { pieces: Vec::new() }
    }
}

impl<R> Template<R> {
    /// Compiles a text. `resolve` says what a name refers to. A name that it does not know, or a
    /// brace without its pair, is given back with its byte offset in the text.
    pub(crate) fn compile(
        text: &str,
        mut resolve: impl FnMut(&str) -> Option<R>,
    ) -> Result<Self, Vec<(usize, TemplateMistake)>> {
        let mut pieces = Vec::new();
        let mut mistakes = Vec::new();
        let mut literal = String::new();
        let mut at = 0_usize;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            if rest.starts_with("{{") || rest.starts_with("}}") {
                literal.push_str(rest.get(..1).unwrap_or(""));
                at = at.saturating_add(2);
            } else if let Some(inside) = rest.strip_prefix('{') {
                let Some(end) = inside.find('}') else {
                    mistakes.push((at, TemplateMistake::Unclosed));
                    break;
                };
                let name = inside.get(..end).unwrap_or("");
                match resolve(name) {
                    Some(reference) => {
                        if !literal.is_empty() {
                            pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                        }
                        pieces.push(Piece::Place(reference));
                    }
                    None => mistakes.push((at, TemplateMistake::Unknown(name.to_owned()))),
                }
                at = at.saturating_add(end).saturating_add(2);
            } else {
                let plain = rest.find(['{', '}']).unwrap_or(rest.len()).max(1);
                literal.push_str(rest.get(..plain).unwrap_or(""));
                at = at.saturating_add(plain);
            }
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        if mistakes.is_empty() { Ok(Self { pieces }) } else { Err(mistakes) }
    }

    /// Whether it always gives the empty text.
    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// What fills its places.
    pub(crate) fn places(&self) -> impl Iterator<Item = &R> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Literal(_) => None,
            Piece::Place(reference) => Some(reference),
        })
    }

    /// Appends the filled text as people read it: a place that nothing fills is shown as such, so
    /// that no sentence ends in the air.
    pub(crate) fn write_to_people(&self, values: &mut impl Fill<R>, out: &mut String) {
        for piece in &self.pieces {
            let before = out.len();
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Place(reference) => values.fill(reference, out),
            }
            if out.len() == before {
                out.push(UNFILLED);
            }
        }
    }

    /// Appends the filled text.
    pub(crate) fn write(&self, values: &mut impl Fill<R>, out: &mut String) {
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Place(reference) => values.fill(reference, out),
            }
        }
    }
}

/// Stands for what the message does not say.
const UNFILLED: char = '?';

/// What is wrong with a template.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum TemplateMistake {
    /// A brace opens and does not close.
    Unclosed,
    /// The name refers to nothing.
    Unknown(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Upper;
    impl Fill<String> for Upper {
        fn fill(&mut self, reference: &String, out: &mut String) {
            out.push_str(&reference.to_uppercase());
        }
    }

    fn known(name: &str) -> Option<String> {
        (name != "nobody").then(|| name.to_owned())
    }

    #[test]
    fn places_are_filled_and_doubled_braces_are_braces() {
        let template = Template::compile("a {b} {{c}} é{d}", known).expect("a valid template");
        let mut out = String::new();
        template.write(&mut Upper, &mut out);
        assert_eq!(out, "a B {c} éD");
        assert!(Template::compile("", known).expect("empty is valid").is_empty());
    }

    #[test]
    fn every_mistake_is_reported_with_its_place() {
        assert_eq!(
            Template::compile("{nobody} {x", known),
            Err(vec![
                (0, TemplateMistake::Unknown("nobody".to_owned())),
                (9, TemplateMistake::Unclosed)
            ])
        );
    }
}
