//! The thread that writes the history.
//!
//! In: a feed of durable effects. Out: transactions of some thousand rows or of two seconds,
//! whichever comes first. A full disk or a locked database does not stop anything: the thread tries
//! again with growing pauses, says so, and meanwhile keeps the newest image of each changed object.
//! Only when too many objects wait does it stop taking; the feed then fills and counts what it
//! refuses. While nothing waits, it removes what is older than the history is to be. While the
//! journal has no room it writes nothing: the last of the disk is not for it.

use crate::shell::clock;
use crate::shell::config::History;
use crate::shell::journal_room::{JournalRoom, Room};
use crate::shell::observe::limiter::Limiter;
use crate::shell::priority;
use crate::shell::publish::feed::{FeedEnd, Received};
use crate::shell::store::pending::Pending;
use crate::shell::store::retention::Retention;
use crate::shell::store::{Store, StoreError};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Objects per transaction before it is written early.
const TRANSACTION_OBJECTS: usize = 10_000;
/// A transaction waits no longer for more, ns.
const TRANSACTION_NS: u64 = 2_000_000_000;
/// Objects that may wait while the database cannot be written.
const PENDING_OBJECTS_MAX: usize = 200_000;
/// First pause after an error, ns; it doubles up to the last.
const PAUSE_FIRST_NS: u64 = 100_000_000;
/// Longest pause after an error, ns.
const PAUSE_LAST_NS: u64 = 5_000_000_000;
/// How long the thread waits for effects before it looks at the stop flag again.
const WAIT: Duration = Duration::from_millis(20);
/// How long a stop waits for a database that cannot be written, ns.
const STOP_NS: u64 = 3_000_000_000;

/// What is known of the thread from outside.
#[derive(Debug, Default)]
pub struct StoreStatus {
    cursor: AtomicU64,
    pending: AtomicU64,
    written: AtomicU64,
    errors: AtomicU64,
    removed: AtomicU64,
    rounds: AtomicU64,
    is_failing: AtomicBool,
    has_hole: AtomicBool,
    is_stopping: AtomicBool,
}

impl StoreStatus {
    /// Highest position up to which everything is committed.
    #[must_use]
    pub fn cursor(&self) -> u64 {
        self.cursor.load(Ordering::Acquire)
    }

    /// Objects that wait to be written.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.pending.load(Ordering::Relaxed)
    }

    /// Rows written since the start.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Transactions that failed since the start.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    /// Rows removed since the start, since they were too old.
    #[must_use]
    pub fn removed(&self) -> u64 {
        self.removed.load(Ordering::Relaxed)
    }

    /// Whether the last transaction failed.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
    }

    /// Whether the full feed refused a batch since the start: rows of it may be missing until the
    /// effects after [`StoreStatus::cursor`] are applied again, at the next start.
    #[must_use]
    pub fn has_hole(&self) -> bool {
        self.has_hole.load(Ordering::Relaxed)
    }

    /// Grows as long as the thread lives, busy or not; for the watchdog.
    #[must_use]
    pub fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::Relaxed)
    }
}

/// The running thread.
#[derive(Debug)]
pub struct StoreThread {
    status: Arc<StoreStatus>,
    thread: JoinHandle<Store>,
}

impl StoreThread {
    /// Starts the thread `store`.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        store: Store,
        (feed, room): (FeedEnd, Arc<JournalRoom>),
        history: History,
    ) -> io::Result<Self> {
        let status = Arc::new(StoreStatus::default());
        status.cursor.store(store.cursor(), Ordering::Release);
        let shared = Arc::clone(&status);
        let writer = Writer {
            pending: Pending::new(store.cursor()),
            store,
            retention: Retention::new(history),
            status: shared,
            room,
            first_taken_ns: 0,
            pause_ns: 0,
            not_before_ns: 0,
            limiter: Limiter::default(),
        };
        let builder = std::thread::Builder::new().name("store".to_owned());
        let thread = builder.spawn(move || writer.run(&feed))?;
        Ok(Self { status, thread })
    }

    /// What is known of it.
    #[must_use]
    pub fn status(&self) -> Arc<StoreStatus> {
        Arc::clone(&self.status)
    }

    /// Writes what waits and ends the thread; gives up after some seconds when the database cannot
    /// be written. Gives the store back, unless the thread panicked.
    #[must_use]
    pub fn stop(self) -> Option<Store> {
        self.status.is_stopping.store(true, Ordering::Release);
        self.thread.join().ok()
    }
}

struct Writer {
    store: Store,
    pending: Pending,
    retention: Retention,
    status: Arc<StoreStatus>,
    room: Arc<JournalRoom>,
    first_taken_ns: u64,
    pause_ns: u64,
    not_before_ns: u64,
    limiter: Limiter,
}

impl Writer {
    fn run(mut self, feed: &FeedEnd) -> Store {
        priority::stand_back(priority::HISTORY);
        let mut stop_at_ns = None;
        loop {
            self.status.rounds.fetch_add(1, Ordering::Relaxed);
            let is_drained = self.take(feed);
            let now_ns = clock::boot_ns();
            if stop_at_ns.is_none() && self.status.is_stopping.load(Ordering::Acquire) {
                stop_at_ns = Some(now_ns.saturating_add(STOP_NS));
            }
            let may_write = self.room.get() == Room::Enough;
            if may_write && self.is_due(now_ns, is_drained && stop_at_ns.is_some()) {
                self.write(now_ns);
            }
            let waiting = u64::try_from(self.pending.len()).unwrap_or(u64::MAX);
            self.status.pending.store(waiting, Ordering::Relaxed);
            if may_write && is_drained && stop_at_ns.is_none() && !self.has_work() {
                self.remove_what_is_too_old(now_ns);
            }
            // What is not written now is applied again at the next start.
            let is_done = is_drained && (!may_write || !self.has_work());
            if stop_at_ns.is_some_and(|at_ns| is_done || now_ns >= at_ns) {
                return self.store;
            }
        }
    }

    /// Takes what the feed holds; `true` when it holds nothing more.
    fn take(&mut self, feed: &FeedEnd) -> bool {
        let mut wait = if self.status.is_stopping.load(Ordering::Acquire) {
            Duration::from_millis(1)
        } else {
            WAIT
        };
        let must_wait = self.pause_ns > 0 || self.room.get() != Room::Enough;
        let limit = if must_wait { PENDING_OBJECTS_MAX } else { TRANSACTION_OBJECTS };
        while self.pending.len() < limit {
            match feed.receive(wait) {
                Received::Batch(handed) => {
                    if !self.has_work() {
                        self.first_taken_ns = clock::boot_ns();
                    }
                    self.pending.take(&handed);
                    wait = Duration::ZERO;
                }
                Received::Nothing => return true,
                Received::Closed => {
                    self.status.is_stopping.store(true, Ordering::Release);
                    return true;
                }
            }
        }
        if must_wait {
            // Nothing can be taken and nothing written yet: wait without spinning.
            std::thread::park_timeout(WAIT);
        }
        false
    }

    fn has_work(&self) -> bool {
        self.pending.len() > 0 || self.pending.reached() > self.store.cursor()
    }

    fn is_due(&self, now_ns: u64, is_last: bool) -> bool {
        self.has_work()
            && now_ns >= self.not_before_ns
            && (is_last
                || self.pending.len() >= TRANSACTION_OBJECTS
                || now_ns.saturating_sub(self.first_taken_ns) >= TRANSACTION_NS)
    }

    fn write(&mut self, now_ns: u64) {
        let count = u64::try_from(self.pending.len()).unwrap_or(u64::MAX);
        let reached = self.pending.reached();
        let written = self.store.apply_up_to(self.pending.effects(), reached);
        let status = &self.status;
        status.has_hole.store(self.pending.has_hole(), Ordering::Relaxed);
        status.is_failing.store(written.is_err(), Ordering::Relaxed);
        match written {
            Ok(()) => {
                if self.pause_ns > 0 {
                    tracing::info!(rows = count, "history is written again");
                }
                self.pending.clear();
                self.pause_ns = 0;
                status.written.fetch_add(count, Ordering::Relaxed);
                status.cursor.store(self.store.cursor(), Ordering::Release);
            }
            Err(error) => self.pause_after(&error, now_ns),
        }
    }

    fn remove_what_is_too_old(&mut self, now_ns: u64) {
        if !self.retention.is_due(now_ns) {
            return;
        }
        match self.retention.remove_some(&mut self.store, clock::wall(), now_ns) {
            Ok(removed) => {
                let removed = u64::try_from(removed).unwrap_or(u64::MAX);
                self.status.removed.fetch_add(removed, Ordering::Relaxed);
            }
            Err(error) => {
                self.status.errors.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(%error, "old history not removed, trying again in an hour");
            }
        }
    }

    fn pause_after(&mut self, error: &StoreError, now_ns: u64) {
        self.status.errors.fetch_add(1, Ordering::Relaxed);
        self.pause_ns = self.pause_ns.saturating_mul(2).clamp(PAUSE_FIRST_NS, PAUSE_LAST_NS);
        self.not_before_ns = now_ns.saturating_add(self.pause_ns);
        if let Some(suppressed) = self.limiter.pass(now_ns) {
            let objects = self.pending.len();
            tracing::error!(%error, objects, suppressed, "history not written, trying again");
        }
    }
}
