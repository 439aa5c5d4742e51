//! What a question asks: the parameters of a URL.
//!
//! Unknown parameters are passed over, as the Alertmanager does.

use crate::model::limits::SILENCE_MATCHERS_MAX;
use crate::model::matcher::{Comparison, Matcher};
use crate::shell::alertmanager::answer::Refused;
use axum::extract::Query;
use axum::http::Uri;

/// The parameters of a question.
#[derive(Debug)]
pub(super) struct Question {
    pairs: Vec<(String, String)>,
    /// `filter`, all of which must hold.
    pub(super) filter: Vec<Matcher>,
    /// `receiver`, an expression.
    receiver: Option<Matcher>,
    /// `receiver_matchers`, all of which must hold.
    receiver_matchers: Vec<Matcher>,
}

impl Question {
    /// Reads the parameters of a URL.
    ///
    /// # Errors
    /// When a matcher or expression among them is wrong.
    pub(super) fn of(uri: &Uri) -> Result<Self, Refused> {
        if uri.query().is_some_and(|query| query.len() > QUERY_BYTES_MAX) {
            return Err(Refused::Bad(format!("a query longer than {QUERY_BYTES_MAX} bytes")));
        }
        // Pairs keep repeated names; reading them cannot fail.
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri).map(|pairs| pairs.0);
        let pairs = pairs.unwrap_or_default();
        let values = |name: &'static str| {
            pairs.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
        };
        let matchers = |name: &'static str| {
            if values(name).count() > SILENCE_MATCHERS_MAX {
                let message = format!("more than {SILENCE_MATCHERS_MAX} times {name}");
                return Err(Refused::Bad(message));
            }
            let read = values(name).map(Matcher::parse).collect::<Result<Vec<_>, _>>();
            read.map_err(|error| Refused::Bad(format!("bad matcher format: {error}")))
        };
        let filter = matchers("filter")?;
        let receiver_matchers = matchers("receiver_matchers")?;
        let receiver = last(&pairs, "receiver")
            .map(|expression| Matcher::new("receiver", Comparison::Matches, expression))
            .transpose()
            .map_err(|error| Refused::Bad(format!("failed to parse receiver param: {error}")))?;
        Ok(Self { pairs, filter, receiver, receiver_matchers })
    }

    /// A truth value, true when it is not named. As in the Alertmanager these words are true and
    /// every other one is false: it never refuses one.
    pub(super) fn is_wanted(&self, name: &str) -> bool {
        let written = last(&self.pairs, name);
        written.is_none_or(|value| TRUE_WORDS.contains(&value.to_lowercase().as_str()))
    }

    /// Whether vigie's only receiver, which has no labels, is asked for.
    pub(super) fn is_receiver_wanted(&self) -> bool {
        self.receiver.as_ref().is_none_or(|receiver| receiver.is_match(RECEIVER))
            && self.receiver_matchers.iter().all(|matcher| matcher.is_match(""))
    }

    /// Whether every matcher of the filter holds. `value` gives the value of a label.
    pub(super) fn is_match<'a>(&self, value: impl Fn(&str) -> &'a str) -> bool {
        self.filter.iter().all(|matcher| matcher.is_match(value(matcher.name())))
    }
}

/// The value of a parameter that is there once: the last one counts, and none if it is empty.
fn last<'p>(pairs: &'p [(String, String)], name: &str) -> Option<&'p str> {
    let written = pairs.iter().rev().find(|(key, _)| key == name);
    written.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
}

/// The name under which vigie shows itself as a receiver.
pub(super) const RECEIVER: &str = "vigie";
/// Query of a URL, bytes.
const QUERY_BYTES_MAX: usize = 16 * 1024;
const TRUE_WORDS: [&str; 10] =
    ["true", "1", "yes", "ok", "y", "on", "selected", "checked", "t", "enabled"];

#[cfg(test)]
mod tests {
    use super::*;

    fn question(query: &str) -> Result<Question, Refused> {
        Question::of(&format!("/api/v2/alerts?{query}").parse().expect("a URL"))
    }

    #[test]
    fn parameters_are_read_as_the_alertmanager_reads_them() {
        let question = question("filter=a%3D%22b+c%22&filter=d!%3De&active=false&silenced=1&x=y")
            .expect("it is right");
        assert_eq!(question.filter.len(), 2);
        assert_eq!(question.filter[0].value(), "b c");
        assert!(!question.is_wanted("active"));
        assert!(question.is_wanted("silenced") && question.is_wanted("inhibited"));
        assert!(question.is_receiver_wanted());
    }

    #[test]
    fn truth_is_told_in_the_words_of_the_alertmanager() {
        for (query, is_wanted) in [
            ("", true),
            ("active=", true),
            ("active", true),
            ("active=TRUE", true),
            ("active=Enabled", true),
            ("active=0", false),
            ("active=maybe", false),
            ("active=true&active=false", false),
            ("active=false&active=yes", true),
            ("active=false&active=", true),
        ] {
            assert_eq!(question(query).expect(query).is_wanted("active"), is_wanted, "{query}");
        }
    }

    #[test]
    fn receivers_are_found_by_an_expression() {
        for (query, is_wanted) in [
            ("receiver=vi.*", true),
            ("receiver=vi", false),
            ("receiver=", true),
            ("receiver=vi&receiver=vigie", true),
            ("receiver_matchers=a%3Db", false),
        ] {
            let question = question(query).expect("it is right");
            assert_eq!(question.is_receiver_wanted(), is_wanted, "{query}");
        }
    }

    #[test]
    fn wrong_parameters_are_refused() {
        for query in ["filter=a", "filter=a%3D~(", "receiver=(", "receiver_matchers=x"] {
            assert!(matches!(question(query), Err(Refused::Bad(_))), "{query}");
        }
        let long = format!("filter=a%3D{}", "x".repeat(QUERY_BYTES_MAX));
        assert!(question(&long).is_err());
        for name in ["filter", "receiver_matchers"] {
            let many = format!("{name}=a%3Db&").repeat(SILENCE_MATCHERS_MAX + 1);
            assert!(matches!(question(&many), Err(Refused::Bad(_))), "{name}");
        }
    }
}
