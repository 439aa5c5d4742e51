//! "Did you mean": the nearest known word to a mistyped one.

/// A remedy that names the nearest of the known words, or lists them all.
pub(super) fn did_you_mean(word: &str, known: &[&str]) -> String {
    let nearest = known.iter().map(|one| (distance(word, one), *one)).min();
    match nearest {
        Some((edits, one)) if edits <= 2.max(word.len() / 3) => format!("did you mean `{one}`?"),
        Some(_) if known.len() <= 24 => format!("known are: {}", known.join(", ")),
        _ => "no such name is declared".to_owned(),
    }
}

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
    }
}
