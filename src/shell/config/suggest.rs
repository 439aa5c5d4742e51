//! "Did you mean …": the known word nearest to a mistyped one. Pure text, no configuration in it.

/// Longest word that is compared, in bytes; longer ones have no neighbours.
const WORD_BYTES_MAX: usize = 64;

/// The known word that a mistyped one most probably stands for: at most a third of its characters
/// wrong, and never more than three. Ties go to the first.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.is_empty() || word.len() > WORD_BYTES_MAX {
        return None;
    }
    let written: Vec<char> = word.chars().flat_map(char::to_lowercase).collect();
    let mut best = None;
    let mut bound = (written.len() / 3).min(3);
    for candidate in known {
        if candidate.len().abs_diff(word.len()) > 2 * bound || candidate.len() > WORD_BYTES_MAX {
            continue;
        }
        let meant: Vec<char> = candidate.chars().flat_map(char::to_lowercase).collect();
        let found = distance(&written, &meant);
        if found < bound || (found == bound && best.is_none()) {
            best = Some(candidate);
            bound = found;
        }
        if bound == 0 && best.is_some() {
            break;
        }
    }
    best
}

/// Insertions, deletions, replacements and swaps of neighbours between two words.
fn distance(left: &[char], right: &[char]) -> usize {
    let width = right.len();
    let mut before_last: Vec<usize> = vec![0; width + 1];
    let mut last: Vec<usize> = (0..=width).collect();
    for (row, from) in left.iter().enumerate() {
        let mut line = Vec::with_capacity(width + 1);
        line.push(row + 1);
        for (column, to) in right.iter().enumerate() {
            let cell = |cells: &[usize], place: usize| cells.get(place).copied().unwrap_or(0);
            let replaced = cell(&last, column) + usize::from(from != to);
            let deleted = cell(&last, column + 1) + 1;
            let inserted = cell(&line, column) + 1;
            let mut least = replaced.min(deleted).min(inserted);
            let is_swap = row > 0
                && column > 0
                && left.get(row - 1) == Some(to)
                && right.get(column - 1) == Some(from);
            if is_swap {
                least = least.min(cell(&before_last, column - 1) + 1);
            }
            line.push(least);
        }
        before_last = std::mem::replace(&mut last, line);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_word_is_close_or_absent() {
        let known = ["addresses", "aliases", "depends_on"];
        assert_eq!(nearest("adresses", known), Some("addresses"));
        assert_eq!(nearest("depend_on", known), Some("depends_on"));
        assert_eq!(nearest("ALIASES", known), Some("aliases"));
        assert_eq!(nearest("kind", known), None);
        assert_eq!(nearest("", known), None);
        assert_eq!(nearest("x", ["a", "X"]), Some("X"));
    }

    #[test]
    fn swapped_neighbours_count_once() {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        assert_eq!(distance(&chars("knid"), &chars("kind")), 1);
        assert_eq!(distance(&chars("kitten"), &chars("sitting")), 3);
        assert_eq!(distance(&[], &chars("abc")), 3);
    }
}
