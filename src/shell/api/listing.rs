//! Answers to questions, from one version of the view: a page of a listing, or one object.
//!
//! In: a view, a question, the wall clock. Out: JSON. No I/O and no waiting; the caller runs it
//! where a few milliseconds of work do no harm.

use crate::model::time::Timestamp;
use crate::shell::api::filter::Listed;
use crate::shell::api::pins::Pins;
use crate::shell::api::question::{AskError, Cursor, Question};
use crate::shell::api::view::{SharedView, View};
use serde::Serialize;
use std::sync::Arc;

/// A page as clients see it.
#[derive(Debug, Serialize)]
pub struct Page<I> {
    /// The objects.
    pub items: Vec<I>,
    /// Cursor of the next page; none on the last.
    pub next: Option<String>,
}

/// Where listings take their versions from.
#[derive(Debug)]
pub struct Versions {
    /// The newest.
    pub newest: SharedView,
    /// Those that a listing in progress still needs.
    pub pins: Pins,
    /// Tells cursors of this run from those of an earlier one, whose versions mean nothing here.
    pub run: u64,
}

impl Versions {
    /// One page. `now_ns` is the boot clock, `at` the wall clock.
    ///
    /// # Errors
    /// When a filter's value is wrong or the cursor's version is gone.
    pub fn page<R: Listed>(
        &self,
        question: &Question,
        now_ns: u64,
        at: Timestamp,
    ) -> Result<Page<R::Image>, AskError> {
        let filter = R::filter(&question.filters)?;
        let view = match &question.cursor {
            Some(cursor) => self.version_of(cursor, now_ns)?,
            None => self.newest.load_full(),
        };
        let after = question.cursor.as_ref().map_or("", |cursor| cursor.after.as_str());
        let mut matching = R::table(&view).after(after).filter(|row| row.is_shown(&filter));
        let rows: Vec<&R> = matching.by_ref().take(question.limit).collect();
        let last = rows.last().filter(|_| matching.next().is_some());
        let next = last.map(|last| {
            self.pins.pin(&view, now_ns);
            let filters = question.filters.hash();
            let after = last.key().to_owned();
            Cursor { run: self.run, version: view.version, filters, after }.text()
        });
        Ok(Page { items: rows.into_iter().map(|row| row.image_at(at)).collect(), next })
    }

    /// One object of the newest version.
    #[must_use]
    pub fn one<R: Listed>(&self, key: &str, at: Timestamp) -> Option<R::Image> {
        R::table(&self.newest.load()).find(key).map(|row| row.image_at(at))
    }

    fn version_of(&self, cursor: &Cursor, now_ns: u64) -> Result<Arc<View>, AskError> {
        if cursor.run != self.run {
            return Err(AskError::CursorExpired);
        }
        self.pins.find(cursor.version, now_ns).ok_or(AskError::CursorExpired)
    }
}
