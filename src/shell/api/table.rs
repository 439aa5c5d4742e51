//! Rows in order of their key, in pages that versions of the view share until one changes.
//!
//! Cloning a table copies one pointer per page; changing a row copies the page that holds it, and
//! only when a published version still holds the page too. It knows nothing of what rows mean.

use crate::shell::publish::Rank;
use std::cmp::Ordering;
use std::sync::Arc;

/// Rows per page at most; also what one change copies at most.
pub const PAGE_ROWS: usize = 64;
/// A page with fewer rows joins its neighbour when both fit well into one.
const PAGE_ROWS_LOW: usize = PAGE_ROWS / 4;

/// What a table holds. Cloning it must be cheap (a pointer).
pub trait Row: Clone {
    /// Its key, unique in the table.
    fn key(&self) -> &str;
    /// The effect that made it.
    fn rank(&self) -> Rank;
    /// Whether its life is over, so that it may go when there are too many.
    fn is_ended(&self) -> bool;
    /// Order of two keys.
    fn compare(left: &str, right: &str) -> Ordering;
}

/// Rows in order of their key.
#[derive(Clone, Debug)]
pub struct Table<R> {
    pages: Vec<Arc<Vec<R>>>,
    len: usize,
}

impl<R> Default for Table<R> {
    fn default() -> Self {
        Self { pages: Vec::new(), len: 0 }
    }
}

impl<R: Row> Table<R> {
    /// Number of rows.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no row.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The row with that key.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<&R> {
        let page = self.pages.get(self.page_of(key))?;
        page.get(place_in(page, key).ok()?)
    }

    /// All rows in order.
    pub fn iter(&self) -> impl Iterator<Item = &R> {
        self.pages.iter().flat_map(|page| page.iter())
    }

    /// The rows whose key comes after `key`, in order.
    pub fn after(&self, key: &str) -> impl Iterator<Item = &R> {
        let first = self.page_of(key);
        let skipped = self.pages.get(first).map_or(0, |page| match place_in(page, key) {
            Ok(place) => place.saturating_add(1),
            Err(place) => place,
        });
        self.pages.iter().skip(first).flat_map(|page| page.iter()).skip(skipped)
    }

    /// Adds a row or replaces the one with its key.
    pub fn put(&mut self, row: R) {
        let number = self.page_of(row.key());
        let Some(shared) = self.pages.get_mut(number) else { return self.append(row) };
        match place_in(shared, row.key()) {
            Ok(place) => {
                if let Some(old) = Arc::make_mut(shared).get_mut(place) {
                    *old = row;
                }
            }
            Err(place) => {
                let page = Arc::make_mut(shared);
                page.insert(place, row);
                if page.len() > PAGE_ROWS {
                    let upper = page.split_off(page.len() / 2);
                    self.pages.insert(number.saturating_add(1), Arc::new(upper));
                }
                self.len = self.len.saturating_add(1);
            }
        }
    }

    /// Changes a row in place; the change must not touch its key. `false` if it is not there.
    pub fn change(&mut self, key: &str, change: impl FnOnce(&mut R)) -> bool {
        let number = self.page_of(key);
        let Some(shared) = self.pages.get_mut(number) else { return false };
        let Ok(place) = place_in(shared, key) else { return false };
        match Arc::make_mut(shared).get_mut(place) {
            Some(row) => change(row),
            None => return false,
        }
        true
    }

    /// Removes a row.
    pub fn remove(&mut self, key: &str) {
        let number = self.page_of(key);
        let Some(shared) = self.pages.get_mut(number) else { return };
        let Ok(place) = place_in(shared, key) else { return };
        let page = Arc::make_mut(shared);
        page.remove(place);
        let left = page.len();
        self.len = self.len.saturating_sub(1);
        if left == 0 {
            self.pages.remove(number);
        } else if left < PAGE_ROWS_LOW {
            self.join_next(number);
            self.join_next(number.saturating_sub(1));
        }
    }

    /// Keys mostly come in order: a full last page stays full and the next one begins.
    fn append(&mut self, row: R) {
        self.len = self.len.saturating_add(1);
        if let Some(last) = self.pages.last_mut()
            && last.len() < PAGE_ROWS
        {
            Arc::make_mut(last).push(row);
            return;
        }
        self.pages.push(Arc::new(vec![row]));
    }

    fn join_next(&mut self, number: usize) {
        let next = number.saturating_add(1);
        let size =
            |number| self.pages.get(number).map_or(PAGE_ROWS, |page: &Arc<Vec<R>>| page.len());
        if size(number).saturating_add(size(next)) > PAGE_ROWS / 2 {
            return;
        }
        let upper = self.pages.remove(next);
        if let Some(lower) = self.pages.get_mut(number) {
            Arc::make_mut(lower).extend(upper.iter().cloned());
        }
    }

    /// The first page whose last key is not before `key`.
    fn page_of(&self, key: &str) -> usize {
        self.pages.partition_point(|page| {
            page.last().is_some_and(|last| R::compare(last.key(), key) == Ordering::Less)
        })
    }
}

fn place_in<R: Row>(page: &[R], key: &str) -> Result<usize, usize> {
    page.binary_search_by(|row| R::compare(row.key(), key))
}

/// Order of ids that are one letter and a number: the shorter is the smaller.
#[must_use]
pub fn by_length_then_text(left: &str, right: &str) -> Ordering {
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Numbered(Arc<str>, u64);

    impl Row for Numbered {
        fn key(&self) -> &str {
            &self.0
        }
        fn rank(&self) -> Rank {
            Rank { position: self.1, ordinal: 0 }
        }
        fn is_ended(&self) -> bool {
            false
        }
        fn compare(left: &str, right: &str) -> Ordering {
            by_length_then_text(left, right)
        }
    }

    fn row(number: u64) -> Numbered {
        Numbered(Arc::from(format!("A{number}")), number)
    }

    fn numbers(table: &Table<Numbered>) -> Vec<u64> {
        table.iter().map(|row| row.1).collect()
    }

    #[test]
    fn rows_stay_in_order_whatever_the_order_of_their_coming_and_going() {
        let mut table = Table::default();
        let mut expected = std::collections::BTreeSet::new();
        let mut state = 12_345_u64;
        for _ in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let number = (state >> 33) % 3_000;
            if state & (1 << 20) == 0 {
                table.put(row(number));
                expected.insert(number);
            } else {
                table.remove(&format!("A{number}"));
                expected.remove(&number);
            }
            assert_eq!(table.len(), expected.len());
        }
        assert_eq!(numbers(&table), expected.iter().copied().collect::<Vec<_>>());
        for number in 0..3_000 {
            assert_eq!(table.find(&format!("A{number}")).is_some(), expected.contains(&number));
            let after = table.after(&format!("A{number}")).next().map(|row| row.1);
            assert_eq!(after, expected.range(number + 1..).next().copied());
        }
    }

    #[test]
    fn a_change_copies_one_page_and_older_versions_keep_theirs() {
        let mut table = Table::default();
        (0..2_560).for_each(|number| table.put(row(number)));
        assert_eq!(table.pages.len(), 2_560 / PAGE_ROWS, "rows in order fill their pages");
        let older = table.clone();
        assert!(table.change("A300", |row| row.1 = 9));
        assert!(!table.change("A3000", |row| row.1 = 9));
        let copied = table.pages.iter().zip(&older.pages);
        assert_eq!(copied.filter(|(new, old)| !Arc::ptr_eq(new, old)).count(), 1);
        assert_eq!(older.find("A300").map(|row| row.1), Some(300));
        assert_eq!(table.find("A300").map(|row| row.1), Some(9));
    }

    #[test]
    fn sparse_pages_join() {
        let mut table = Table::default();
        (0..25_600).for_each(|number| table.put(row(number)));
        (0..25_600).filter(|number| number % 50 != 0).for_each(|number| {
            table.remove(&format!("A{number}"));
        });
        assert_eq!(table.len(), 512);
        assert!(table.pages.len() <= 16, "{} pages for 512 rows", table.pages.len());
    }
}
