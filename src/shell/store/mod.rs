//! History in SQLite: the last image of every object there ever was, and every value that the
//! times of a ticket have had.
//!
//! In: durable effects. Out: a database file that reports and people may query at any time. It is
//! no source of truth: the journal is. So `synchronous = NORMAL` is enough: a power cut may take
//! the last commits, never the consistency of the file, and the cursor, which is committed with
//! the rows, then says from where to apply again. Counts of mere repeats are not written; the image
//! of the next change carries them.

mod pending;
mod retention;
mod schema;
pub mod thread;
mod upsert;

use crate::shell::publish::Published;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::time::Duration;

/// How long a statement waits for a lock that somebody else holds on the file.
const BUSY_TIME: Duration = Duration::from_millis(250);
/// Prepared statements kept.
const STATEMENTS_MAX: usize = 16;

/// Why the history could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file is a database of something else.
    #[error("the file is a database, but no history of vigie; choose another path")]
    NotOurs,
    /// The file was written by a newer program.
    #[error("the history has schema {version}, this program knows up to {known}; upgrade vigie")]
    TooNew {
        /// Schema of the file.
        version: i64,
        /// Newest schema that is known.
        known: i64,
    },
    /// The disk is full.
    #[error("no room on the disk of the history: free some")]
    NoRoom,
    /// SQLite said no.
    #[error("sqlite: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// An image that is no JSON.
    #[error("image cannot be written as json: {0}")]
    Json(#[from] serde_json::Error),
}

/// An open history.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    cursor: u64,
}

impl Store {
    /// Opens or creates the history at `path` and brings its schema up to date.
    ///
    /// # Errors
    /// When the file is no history, is newer than this program, or cannot be written.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Self::with(Connection::open_with_flags(path, flags)?)
    }

    /// A history that is gone with the process.
    ///
    /// # Errors
    /// When SQLite cannot be used at all.
    pub fn open_in_memory() -> Result<Self, StoreError> {
        Self::with(Connection::open_in_memory()?)
    }

    fn with(mut connection: Connection) -> Result<Self, StoreError> {
        connection.busy_timeout(BUSY_TIME)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        // First of all: a database of somebody else is refused before its mode is changed.
        schema::migrate(&mut connection)?;
        // Answers with the mode in effect: `wal`, or `memory` for a database without a file.
        let _: String =
            connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        // In kibibytes when negative. With less, a storm writes the same pages again and again.
        connection.pragma_update(None, "cache_size", -4 * 1024)?;
        connection.pragma_update(None, "wal_autocheckpoint", 8 * 1024)?;
        // A reader that stays open must not let the log grow for ever once it is gone.
        connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
        let position: i64 =
            connection.query_row("SELECT position FROM progress", [], |row| row.get(0))?;
        let cursor = u64::try_from(position).unwrap_or(0);
        Ok(Self { connection, cursor })
    }

    /// Highest position below which everything was applied and committed. Apply again from there.
    #[must_use]
    pub const fn cursor(&self) -> u64 {
        self.cursor
    }

    /// Applies effects in one transaction and moves the cursor to the last of their positions,
    /// which must be whole.
    ///
    /// # Errors
    /// When nothing of it was written; the same call may be made again.
    pub fn apply(&mut self, effects: &[Published]) -> Result<(), StoreError> {
        let highest = effects.iter().map(|published| published.position).max().unwrap_or(0);
        self.apply_up_to(effects, highest)
    }

    /// Applies effects in one transaction and moves the cursor to `cursor`, never back.
    ///
    /// # Errors
    /// When nothing of it was written; the same call may be made again.
    pub fn apply_up_to<'a>(
        &mut self,
        effects: impl IntoIterator<Item = &'a Published>,
        cursor: u64,
    ) -> Result<(), StoreError> {
        let cursor = cursor.max(self.cursor);
        let transaction = self.connection.transaction()?;
        for published in effects {
            upsert::upsert(&transaction, published)?;
        }
        transaction
            .prepare_cached("UPDATE progress SET position = ?1")?
            .execute([upsert::integer(cursor)])?;
        transaction.commit()?;
        self.cursor = cursor;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
