//! Makes commits durable, publishes the durable position, and keeps the chain's tree.
//!
//! In: where the writer's commits end. Out: the durable position and, when a segment is sealed,
//! its root. It never creates or renames a file. A sync that fails is never tried again: the
//! system forgets what it could not write, and a second sync would report success.

use crate::shell::clock::boot_ns;
use crate::shell::journal::chain::Root;
use crate::shell::journal::disk::{DiskFile, write_all};
use crate::shell::journal::durable::Durable;
use crate::shell::journal::error::{Failure, is_no_room};
use crate::shell::journal::options::{OnFailure, Options};
use crate::shell::journal::segment::{DATA_START, Footer, Header};
use crate::shell::journal::survey::CommitHasher;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// The segment that is being written.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) path: PathBuf,
    pub(super) header: Header,
}

/// Commits that were written since the last sync.
#[derive(Debug, Default)]
struct Written {
    /// Offsets at which they end, ascending.
    ends: Vec<u64>,
    /// Last position among them.
    position: u64,
    /// Their bytes.
    bytes: u64,
}

/// Says the world that the journal has failed, once.
#[derive(Clone)]
pub(super) struct Alarm {
    pub(super) durable: Arc<Durable>,
    pub(super) on_failure: OnFailure,
}

impl Alarm {
    /// Stops the durable position and tells whoever asked to be told.
    pub(super) fn raise(&self, doing: &'static str, path: PathBuf, source: io::Error) {
        if !self.durable.has_failed() {
            self.durable.fail();
            (self.on_failure)(&Failure { doing, path, source });
        }
    }
}

/// The work itself, on whatever thread.
struct Syncer {
    target: Target,
    hasher: CommitHasher,
    last: u64,
    durable: Arc<Durable>,
}

impl Syncer {
    fn new(target: Target, durable: Arc<Durable>) -> Self {
        let hasher = CommitHasher::new(&target.header, DATA_START);
        let last = target.header.first.saturating_sub(1);
        Self { target, hasher, last, durable }
    }

    fn sync(&mut self, written: &Written) -> io::Result<()> {
        if written.ends.is_empty() {
            return Ok(());
        }
        self.target.file.sync()?;
        self.last = written.position;
        self.durable.advance(written.position);
        self.hasher.add_until(&*self.target.file, &written.ends)
    }

    /// Writes the footer. Without room for it the segment stays unsealed: the next header has the
    /// root and ends it.
    fn seal(&self, end: u64) -> io::Result<Root> {
        let root = self.hasher.root();
        let first = self.target.header.first;
        let footer = Footer {
            segment: self.target.header.segment,
            last: self.last,
            records: self.last.saturating_add(1).saturating_sub(first),
            commits: self.hasher.commits(),
            offset: end,
            root,
        };
        match write_all(&*self.target.file, end, &footer.encode()) {
            Ok(()) => {}
            Err(error) if is_no_room(&error) => self.target.file.truncate(end)?,
            Err(error) => return Err(error),
        }
        self.target.file.sync()?;
        Ok(root)
    }
}

/// How the writer reaches the work.
pub(super) struct Sync {
    alarm: Alarm,
    work: Work,
}

enum Work {
    Inline(Option<Box<Syncer>>),
    Thread { shared: Arc<Shared>, thread: Option<JoinHandle<()>> },
}

struct Shared {
    inbox: Mutex<Inbox>,
    to_thread: Condvar,
    to_writer: Condvar,
    pace: Pace,
}

/// How long a sync waits for more to write.
pub(super) struct Pace {
    /// Since the beginning of the last sync while somebody waits for this one, ns.
    hurried_ns: u64,
    /// The same while nobody does, ns.
    unhurried_ns: u64,
    /// Not when so many bytes are there.
    bytes: u64,
}

impl Pace {
    pub(super) fn of(options: &Options) -> Self {
        Self {
            hurried_ns: options.sync_interval_ms.saturating_mul(1_000_000),
            unhurried_ns: options.sync_unhurried_ms.saturating_mul(1_000_000),
            bytes: options.sync_bytes,
        }
    }
}

#[derive(Default)]
struct Inbox {
    target: Option<Target>,
    written: Written,
    /// Whether somebody waits for it.
    is_awaited: bool,
    /// Offset at which to seal.
    seal: Option<u64>,
    root: Option<Root>,
    is_stopping: bool,
    /// The thread sleeps until that many bytes are written, or somebody waits who did not when it
    /// fell asleep; none while it works.
    wake_at_bytes: Option<u64>,
}

impl Inbox {
    fn is_urgent(&self) -> bool {
        self.seal.is_some() || self.is_stopping
    }
}

impl Sync {
    /// Work on the committing thread.
    pub(super) const fn inline(alarm: Alarm) -> Self {
        Self { alarm, work: Work::Inline(None) }
    }

    /// Work on a thread of its own.
    pub(super) fn threaded(alarm: Alarm, pace: Pace) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            inbox: Mutex::default(),
            to_thread: Condvar::new(),
            to_writer: Condvar::new(),
            pace,
        });
        let for_thread = Arc::clone(&shared);
        let alarm_of_thread = alarm.clone();
        let thread = std::thread::Builder::new()
            .name("journal-sync".to_owned())
            .spawn(move || for_thread.run(&alarm_of_thread))?;
        Ok(Self { alarm, work: Work::Thread { shared, thread: Some(thread) } })
    }

    /// A new segment is in place; the one before was sealed.
    pub(super) fn begin(&mut self, target: &Target) {
        match &mut self.work {
            Work::Inline(syncer) => {
                let durable = Arc::clone(&self.alarm.durable);
                *syncer = Some(Box::new(Syncer::new(target.clone(), durable)));
            }
            Work::Thread { shared, .. } => shared.lock().target = Some(target.clone()),
        }
    }

    /// Commits were written that end at these offsets. The failure of an earlier sync is in
    /// [`Durable::has_failed`].
    pub(super) fn submit(&mut self, ends: impl Iterator<Item = u64>, position: u64, bytes: u64) {
        match &mut self.work {
            Work::Inline(Some(syncer)) => {
                let written = Written { ends: ends.collect(), position, bytes };
                if let Err(error) = syncer.sync(&written) {
                    self.alarm.raise("sync", syncer.target.path.clone(), error);
                }
            }
            Work::Inline(None) => {}
            Work::Thread { shared, .. } => {
                let mut inbox = shared.lock();
                inbox.written.ends.extend(ends);
                inbox.written.position = position;
                inbox.written.bytes = inbox.written.bytes.saturating_add(bytes);
                let is_due = inbox.wake_at_bytes.is_some_and(|at| inbox.written.bytes >= at);
                drop(inbox);
                if is_due {
                    shared.to_thread.notify_one();
                }
            }
        }
    }

    /// Somebody waits for what was submitted. What the thread has taken already needs no hurry.
    pub(super) fn hurry(&self) {
        if let Work::Thread { shared, .. } = &self.work {
            let mut inbox = shared.lock();
            let is_news = !inbox.written.ends.is_empty() && !inbox.is_awaited;
            inbox.is_awaited |= is_news;
            let is_asleep = inbox.wake_at_bytes.is_some();
            drop(inbox);
            if is_news && is_asleep {
                shared.to_thread.notify_one();
            }
        }
    }

    /// Makes everything durable and ends the segment. None when the journal has failed.
    pub(super) fn seal(&mut self, end: u64) -> Option<Root> {
        if self.alarm.durable.has_failed() {
            return None;
        }
        match &mut self.work {
            Work::Inline(syncer) => {
                let syncer = syncer.take()?;
                match syncer.seal(end) {
                    Ok(root) => Some(root),
                    Err(error) => {
                        self.alarm.raise("seal", syncer.target.path.clone(), error);
                        None
                    }
                }
            }
            Work::Thread { shared, .. } => {
                let mut inbox = shared.lock();
                inbox.seal = Some(end);
                shared.to_thread.notify_one();
                while inbox.root.is_none() && !self.alarm.durable.has_failed() {
                    // The time limit only guards against a thread that ended without a word.
                    let pause = Duration::from_millis(100);
                    inbox = match shared.to_writer.wait_timeout(inbox, pause) {
                        Ok((inbox, _)) => inbox,
                        Err(poisoned) => poisoned.into_inner().0,
                    };
                }
                inbox.root.take()
            }
        }
    }
}

/// Ends the thread; what was written is synced first, without sealing.
impl Drop for Sync {
    fn drop(&mut self) {
        if let Work::Thread { shared, thread } = &mut self.work {
            shared.lock().is_stopping = true;
            shared.to_thread.notify_one();
            if let Some(thread) = thread.take() {
                // A panic there was already reported by the panic hook.
                let _ = thread.join();
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, alarm: &Alarm) {
        let mut syncer: Option<Syncer> = None;
        let mut batch = Written::default();
        let mut began_ns = 0;
        loop {
            let (seal, is_stopping) = {
                let mut inbox = self.wait_for_work(began_ns);
                if let Some(target) = inbox.target.take() {
                    syncer = Some(Syncer::new(target, Arc::clone(&alarm.durable)));
                }
                batch.ends.clear();
                batch.bytes = 0;
                std::mem::swap(&mut batch, &mut inbox.written);
                inbox.is_awaited = false;
                (inbox.seal.take(), inbox.is_stopping)
            };
            began_ns = boot_ns();
            if let Some(work) = &mut syncer {
                let done = work.sync(&batch).map_err(|error| ("sync", error)).and_then(|()| {
                    seal.map(|end| work.seal(end)).transpose().map_err(|error| ("seal", error))
                });
                match done {
                    Ok(None) => {}
                    Ok(Some(root)) => {
                        syncer = None;
                        self.lock().root = Some(root);
                        self.to_writer.notify_one();
                    }
                    Err((doing, error)) => {
                        alarm.raise(doing, work.target.path.clone(), error);
                        self.to_writer.notify_one();
                        return;
                    }
                }
            }
            if is_stopping {
                return;
            }
        }
    }

    /// Sleeps until something is to be done: at once when the last sync began an interval ago,
    /// else at the end of the interval or when enough bytes are there.
    fn wait_for_work(&self, began_ns: u64) -> MutexGuard<'_, Inbox> {
        let mut inbox = self.lock();
        loop {
            let has_work = !inbox.written.ends.is_empty();
            let age_ns = boot_ns().saturating_sub(began_ns);
            let pace = &self.pace;
            let wait_ns = if inbox.is_awaited { pace.hurried_ns } else { pace.unhurried_ns };
            let is_due = age_ns >= wait_ns || inbox.written.bytes >= pace.bytes;
            if inbox.is_urgent() || (has_work && is_due) {
                inbox.wake_at_bytes = None;
                return inbox;
            }
            if has_work {
                inbox.wake_at_bytes = Some(pace.bytes);
                let pause = Duration::from_nanos(wait_ns.saturating_sub(age_ns));
                inbox = match self.to_thread.wait_timeout(inbox, pause) {
                    Ok((inbox, _)) => inbox,
                    Err(poisoned) => poisoned.into_inner().0,
                };
            } else {
                inbox.wake_at_bytes = Some(1);
                inbox = self.to_thread.wait(inbox).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}
