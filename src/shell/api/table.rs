//! Rows in order of their place, in pages that versions of the view share until one changes.
//!
//! Cloning a table copies one pointer per page; changing a row copies the page that holds it, and
//! only when a published version still holds the page too. It knows nothing of what rows mean.

use crate::shell::publish::Rank;
use std::sync::Arc;

/// Rows per page at most; also what one change copies at most. Small: to copy a row touches what it
/// points to, and changes seldom fall side by side.
pub const PAGE_ROWS: usize = 16;
/// A page with fewer rows joins its neighbour when both fit well into one.
const PAGE_ROWS_LOW: usize = PAGE_ROWS / 4;

/// What a table holds. Cloning it must be cheap (a pointer).
pub trait Row: Clone {
    /// Where it stands among the others. Held in the row itself, so that to compare two rows reads
    /// nothing but them.
    type Place: Ord + Clone;

    /// Its key, unique in the table.
    fn key(&self) -> &str;
    /// Its place.
    fn place(&self) -> &Self::Place;
    /// The place of a key. Text that is no key of such rows has one too: nobody is there.
    fn place_of(key: &str) -> Self::Place;
    /// The effect that made it.
    fn rank(&self) -> Rank;
    /// Whether its life is over, so that it may go when there are too many.
    fn is_ended(&self) -> bool;
}

/// Rows in order of their place.
#[derive(Clone, Debug)]
pub struct Table<R: Row> {
    pages: Vec<Arc<Vec<R>>>,
    /// Place of the last row of each page.
    lasts: Arc<Vec<R::Place>>,
    len: usize,
}

impl<R: Row> Default for Table<R> {
    fn default() -> Self {
        Self { pages: Vec::new(), lasts: Arc::new(Vec::new()), len: 0 }
    }
}

/// Where a row is or would be: its page, and where in it.
type Found = (usize, Result<usize, usize>);

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
        self.at(&R::place_of(key)).filter(|row| row.key() == key)
    }

    /// The row at that place.
    #[must_use]
    pub fn at(&self, place: &R::Place) -> Option<&R> {
        self.row(self.locate(place))
    }

    /// All rows in order.
    pub fn iter(&self) -> impl Iterator<Item = &R> {
        self.pages.iter().flat_map(|page| page.iter())
    }

    /// The rows that come after the place of `key`, in order; all of them after an empty key.
    pub fn after(&self, key: &str) -> impl Iterator<Item = &R> {
        let (page, skipped) = if key.is_empty() {
            (0, 0)
        } else {
            let (page, found) = self.locate(&R::place_of(key));
            (page, found.map_or_else(|next| next, |place| place.saturating_add(1)))
        };
        self.pages.iter().skip(page).flat_map(|page| page.iter()).skip(skipped)
    }

    /// Adds a row or replaces the one at its place with what `row` makes of it; `false` if it makes
    /// nothing of it.
    pub fn put(&mut self, place: &R::Place, row: impl FnOnce(Option<&R>) -> Option<R>) -> bool {
        let found = self.locate(place);
        let Some(row) = row(self.row(found)) else { return false };
        match found {
            (page, Ok(place)) => {
                if let Some(old) = self.page_mut(page).and_then(|page| page.get_mut(place)) {
                    *old = row;
                }
            }
            (page, Err(place)) => self.insert(page, place, row),
        }
        true
    }

    /// Removes a row.
    pub fn remove(&mut self, place: &R::Place) {
        let (number, Ok(row)) = self.locate(place) else { return };
        let Some(page) = self.page_mut(number) else { return };
        page.remove(row);
        let left = page.len();
        self.len = self.len.saturating_sub(1);
        if left == 0 {
            self.pages.remove(number);
            Arc::make_mut(&mut self.lasts).remove(number);
            return;
        }
        self.note_last(number);
        if left < PAGE_ROWS_LOW {
            self.join_next(number);
            self.join_next(number.saturating_sub(1));
        }
    }

    fn insert(&mut self, number: usize, place: usize, row: R) {
        self.len = self.len.saturating_add(1);
        if number >= self.pages.len() {
            self.append(row);
            return;
        }
        let Some(page) = self.page_mut(number) else { return };
        page.insert(place, row);
        if page.len() > PAGE_ROWS {
            let upper = page.split_off(page.len() / 2);
            if let Some(last) = upper.last() {
                let next = number.saturating_add(1);
                Arc::make_mut(&mut self.lasts).insert(next, last.place().clone());
                self.pages.insert(next, Arc::new(upper));
            }
            self.note_last(number);
        }
    }

    /// Rows mostly come in order: a full last page stays full and the next one begins.
    fn append(&mut self, row: R) {
        let place = row.place().clone();
        let lasts = Arc::make_mut(&mut self.lasts);
        if let Some(page) = self.pages.last_mut()
            && page.len() < PAGE_ROWS
        {
            Arc::make_mut(page).push(row);
            lasts.pop();
        } else {
            self.pages.push(Arc::new(vec![row]));
        }
        lasts.push(place);
    }

    fn join_next(&mut self, number: usize) {
        let next = number.saturating_add(1);
        let size =
            |number| self.pages.get(number).map_or(PAGE_ROWS, |page: &Arc<Vec<R>>| page.len());
        if size(number).saturating_add(size(next)) > PAGE_ROWS / 2 {
            return;
        }
        let upper = self.pages.remove(next);
        Arc::make_mut(&mut self.lasts).remove(next);
        if let Some(lower) = self.page_mut(number) {
            lower.extend(upper.iter().cloned());
        }
        self.note_last(number);
    }

    /// The last row of that page may be another now.
    fn note_last(&mut self, number: usize) {
        let last = self.pages.get(number).and_then(|page| page.last());
        if let Some((place, noted)) = last.map(Row::place).zip(self.lasts.get(number))
            && place != noted
        {
            let place = place.clone();
            if let Some(noted) = Arc::make_mut(&mut self.lasts).get_mut(number) {
                *noted = place;
            }
        }
    }

    fn page_mut(&mut self, number: usize) -> Option<&mut Vec<R>> {
        self.pages.get_mut(number).map(Arc::make_mut)
    }

    fn row(&self, (page, found): Found) -> Option<&R> {
        self.pages.get(page)?.get(found.ok()?)
    }

    /// In the first page whose last row is not before `place`.
    fn locate(&self, place: &R::Place) -> Found {
        let page = self.lasts.partition_point(|last| last < place);
        let rows = self.pages.get(page).map_or(&[][..], |rows| rows.as_slice());
        (page, rows.binary_search_by(|row| row.place().cmp(place)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Numbered(Arc<str>, u64, u64);

    impl Row for Numbered {
        type Place = u64;

        fn key(&self) -> &str {
            &self.0
        }
        fn place(&self) -> &u64 {
            &self.2
        }
        fn place_of(key: &str) -> u64 {
            key.strip_prefix('A').and_then(|number| number.parse().ok()).unwrap_or(u64::MAX)
        }
        fn rank(&self) -> Rank {
            Rank { position: self.1, ordinal: 0 }
        }
        fn is_ended(&self) -> bool {
            false
        }
    }

    fn row(number: u64) -> Numbered {
        Numbered(Arc::from(format!("A{number}")), number, number)
    }

    fn put(table: &mut Table<Numbered>, row: Numbered) {
        assert!(table.put(&row.2.clone(), |_| Some(row)));
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
                put(&mut table, row(number));
                expected.insert(number);
            } else {
                table.remove(&number);
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
        (0..2_560).for_each(|number| put(&mut table, row(number)));
        assert_eq!(table.pages.len(), 2_560 / PAGE_ROWS, "rows in order fill their pages");
        let older = table.clone();
        put(&mut table, Numbered(Arc::from("A300"), 9, 300));
        assert!(!table.put(&3_000, |_| None));
        let copied = table.pages.iter().zip(&older.pages);
        assert_eq!(copied.filter(|(new, old)| !Arc::ptr_eq(new, old)).count(), 1);
        assert_eq!(older.find("A300").map(|row| row.1), Some(300));
        assert_eq!(table.find("A300").map(|row| row.1), Some(9));
    }

    #[test]
    fn sparse_pages_join() {
        let mut table = Table::default();
        (0..25_600).for_each(|number| put(&mut table, row(number)));
        (0..25_600).filter(|number| number % 50 != 0).for_each(|number| {
            table.remove(&number);
        });
        assert_eq!(table.len(), 512);
        assert!(
            table.pages.len() <= 4 * 512 / PAGE_ROWS,
            "{} pages for 512 rows",
            table.pages.len()
        );
    }
}
