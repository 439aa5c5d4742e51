//! The durable position, and who is woken when it advances.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread::Thread;
use std::time::Duration;

/// The position up to which everything survives a power cut, or, where the configuration says that
/// the kernel's word is enough, the death of the process. Effects, answers and views wait for it.
#[derive(Default)]
pub struct Durable {
    position: AtomicU64,
    synced: AtomicU64,
    has_failed: AtomicBool,
    waiters: Mutex<usize>,
    changed: Condvar,
    subscribers: Mutex<Vec<Subscriber>>,
}

type Callback = Box<dyn Fn(u64) + Send + Sync>;

enum Subscriber {
    Thread(Thread),
    Callback(Callback),
}

/// How a wait ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Waited {
    /// The position is durable.
    Durable,
    /// Not within the time allowed.
    TimedOut,
    /// The journal has failed: this process will never know.
    Failed,
}

impl Durable {
    /// Begins at what recovery found.
    pub(super) fn starting_at(position: u64) -> Self {
        Self {
            position: AtomicU64::new(position),
            synced: AtomicU64::new(position),
            ..Self::default()
        }
    }

    /// The last durable position; 0 before the first.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position.load(Ordering::Acquire)
    }

    /// Whether a write or a sync has failed, after which the position stays where it is.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Acquire)
    }

    /// Unparks a thread at every advance and at failure. It looks at [`Durable::position`] and
    /// parks again.
    pub fn subscribe_thread(&self, thread: Thread) {
        self.lock_subscribers().push(Subscriber::Thread(thread));
    }

    /// Calls a function with the position at every advance, on the sync thread: it must only pass
    /// the word on. At failure it is called once more with the same position.
    pub fn subscribe(&self, callback: impl Fn(u64) + Send + Sync + 'static) {
        self.lock_subscribers().push(Subscriber::Callback(Box::new(callback)));
    }

    /// Blocks until a position is durable.
    pub fn wait_for(&self, position: u64, timeout: Duration) -> Waited {
        let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        *waiters = waiters.saturating_add(1);
        let is_pending = |_: &mut usize| self.position() < position && !self.has_failed();
        let (mut waiters, _) = self
            .changed
            .wait_timeout_while(waiters, timeout, is_pending)
            .unwrap_or_else(PoisonError::into_inner);
        *waiters = waiters.saturating_sub(1);
        if self.position() >= position {
            Waited::Durable
        } else if self.has_failed() {
            Waited::Failed
        } else {
            Waited::TimedOut
        }
    }

    /// The last position that the disk has. It lags behind [`Durable::position`] where the kernel's
    /// word is taken for the disk's.
    pub(super) fn synced(&self) -> u64 {
        self.synced.load(Ordering::Acquire)
    }

    /// The disk has it.
    pub(super) fn advance(&self, position: u64) {
        self.synced.store(position, Ordering::Release);
        self.publish(position);
    }

    /// It counts as durable.
    pub(super) fn publish(&self, position: u64) {
        if self.position.fetch_max(position, Ordering::AcqRel) < position {
            self.wake();
        }
    }

    /// It will not advance any more.
    pub(super) fn fail(&self) {
        self.has_failed.store(true, Ordering::Release);
        self.wake();
    }

    fn wake(&self) {
        let position = self.position();
        for subscriber in self.lock_subscribers().iter() {
            match subscriber {
                Subscriber::Thread(thread) => thread.unpark(),
                Subscriber::Callback(callback) => callback(position),
            }
        }
        // Taking the lock after the store means that a waiter either saw the new position or is
        // already waiting; without a waiter the system call is spared.
        if *self.waiters.lock().unwrap_or_else(PoisonError::into_inner) > 0 {
            self.changed.notify_all();
        }
    }

    fn lock_subscribers(&self) -> std::sync::MutexGuard<'_, Vec<Subscriber>> {
        self.subscribers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Durable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Durable")
            .field("position", &self.position())
            .field("has_failed", &self.has_failed())
            .finish_non_exhaustive()
    }
}
