//! "Did you mean": the nearest known word to a mistyped one.

use std::cmp::Reverse;

/// A remedy that names the nearest of the known words, or lists them all; of very many, those that
/// have a part in common with it or are spelt most like it.
pub(super) fn did_you_mean(word: &str, known: &[&str]) -> String {
    let nearest = known.iter().map(|one| (distance(word, one), *one)).min();
    match nearest {
        Some((edits, one)) if edits <= 2.max(word.len() / 3) => format!("did you mean `{one}`?"),
        Some(_) if known.len() <= 24 => format!("known are: {}", known.join(", ")),
        Some(_) => format!("near ones are: {}", near(word, known).join(", ")),
        None => "no such name is declared".to_owned(),
    }
}

/// The known words most like another one, best first.
fn near<'k>(word: &str, known: &[&'k str]) -> Vec<&'k str> {
    let parts = |word: &str| -> Vec<String> {
        word.split(['-', '_', ' ']).filter(|part| part.len() > 2).map(str::to_lowercase).collect()
    };
    let wanted = parts(word);
    let rank = |one: &str| {
        let common = parts(one).iter().filter(|part| wanted.contains(part)).count();
        (Reverse(common), distance(word, one))
    };
    let mut ranked: Vec<_> = known.iter().map(|one| (rank(one), *one)).collect();
    ranked.sort_unstable();
    ranked.into_iter().take(NEAR_MAX).map(|(_, one)| one).collect()
}

/// Words that are named where there are too many to name them all.
const NEAR_MAX: usize = 4;

/// Number of insertions, deletions and substitutions between two words.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, a) in left.chars().enumerate() {
        let mut next = Vec::with_capacity(row.len());
        next.push(line.saturating_add(1));
        for ((b, pair), column) in right.iter().zip(row.windows(2)).zip(0_usize..) {
            let (diagonal, above) = match pair {
                [diagonal, above] => (*diagonal, *above),
                _ => (0, 0),
            };
            let before = next.get(column).copied().unwrap_or(0);
            let substituted = diagonal.saturating_add(usize::from(a != *b));
            next.push(substituted.min(above.saturating_add(1)).min(before.saturating_add(1)));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_proposed_and_a_far_one_is_not() {
        assert_eq!(distance("severty", "severity"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(did_you_mean("severty", &["severity", "text"]), "did you mean `severity`?");
        assert_eq!(did_you_mean("qqqqqq", &["severity"]), "known are: severity");
        assert_eq!(did_you_mean("x", &[]), "no such name is declared");
    }

    #[test]
    fn of_very_many_words_those_that_are_near_are_named() {
        let mut known: Vec<String> = (0..30).map(|number| format!("other-{number}")).collect();
        known.extend(["disk-full", "disk-failing", "raid-degraded", "memory-high"].map(Into::into));
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let said = did_you_mean("Disk-space-low-on-server", &known);
        assert!(said.starts_with("near ones are: disk-fa"), "{said}");
        assert!(said.contains("disk-full"), "{said}");
        assert_eq!(said.split(", ").count(), NEAR_MAX, "{said}");
    }
}
