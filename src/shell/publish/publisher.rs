//! The thread `kafka-poll`: takes decisions, hands them to a sink, follows the acknowledgements.
//!
//! In: [`Decisions`]. Out: messages, and the cursor: the highest position up to which every
//! decision is acknowledged. When the sink fails for good (a fatal error of the idempotent
//! producer, a message that timed out), it is dropped, a new one is made after a growing pause, and
//! everything behind the cursor is sent again with the same ids: consumers know them and skip what
//! they have. Nobody waits for this thread; what it cannot take stays in the feed or the journal.

use crate::shell::clock;
use crate::shell::kafka_link;
use crate::shell::publish::cloud_event::Speaker;
use crate::shell::publish::decisions::{DecisionLog, Decisions, Found};
use crate::shell::publish::feed::{FeedCounters, FeedEnd};
use crate::shell::publish::kafka::KafkaSink;
use crate::shell::publish::limiter::Limiter;
use crate::shell::publish::settings::KafkaSettings;
use crate::shell::publish::sink::{Outcome, SendError, Sink, Tag};
use crate::shell::publish::window::{Verdict, Window};
use rdkafka::error::KafkaError;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// First pause after a failure, ns; it doubles up to the last.
const PAUSE_FIRST_NS: u64 = 100_000_000;
/// Longest pause after a failure, ns.
const PAUSE_LAST_NS: u64 = 30_000_000_000;
/// How long the thread waits for acknowledgements before it looks for decisions again.
const POLL: Duration = Duration::from_millis(5);
/// How long the thread waits for decisions when none is on its way.
const IDLE: Duration = Duration::from_millis(50);
/// Idle rounds, of [`IDLE`] each, between two looks at the producer.
const IDLE_POLLS: u32 = 4;

/// What is known of the publisher from outside.
#[derive(Debug)]
pub struct PublisherStatus {
    feed: Arc<FeedCounters>,
    cursor: AtomicU64,
    in_flight: AtomicU64,
    delivered: AtomicU64,
    rejected: AtomicU64,
    failures: AtomicU64,
    queue_full: AtomicU64,
    lost_positions: AtomicU64,
    rounds: AtomicU64,
    is_failing: AtomicBool,
    stop_at_ns: AtomicU64,
}

impl PublisherStatus {
    fn new(feed: Arc<FeedCounters>, cursor: u64) -> Self {
        Self {
            feed,
            cursor: AtomicU64::new(cursor),
            in_flight: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            queue_full: AtomicU64::new(0),
            lost_positions: AtomicU64::new(0),
            rounds: AtomicU64::new(0),
            is_failing: AtomicBool::new(false),
            stop_at_ns: AtomicU64::new(u64::MAX),
        }
    }

    /// Highest position up to which every decision is acknowledged: what the mark records keep and
    /// the next start begins after.
    #[must_use]
    pub fn cursor(&self) -> u64 {
        self.cursor.load(Ordering::Acquire)
    }

    /// Positions offered and not yet acknowledged.
    #[must_use]
    pub fn lag(&self) -> u64 {
        self.feed.offered().saturating_sub(self.cursor())
    }

    /// Decisions taken and not yet acknowledged.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Messages acknowledged since the start.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// Messages that no broker takes, passed over.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.rejected.load(Ordering::Relaxed)
    }

    /// Producers that failed and were replaced.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Times that the producer's queue was full.
    #[must_use]
    pub fn queue_full(&self) -> u64 {
        self.queue_full.load(Ordering::Relaxed)
    }

    /// Positions that were refused by the full feed and that no journal could give again.
    #[must_use]
    pub fn lost_positions(&self) -> u64 {
        self.lost_positions.load(Ordering::Relaxed)
    }

    /// Whether the producer failed and nothing was acknowledged since.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
    }

    /// Grows as long as the thread lives; for the watchdog. A producer that is being replaced may
    /// hold it for a second.
    #[must_use]
    pub fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::Relaxed)
    }
}

/// From where to where.
pub struct PublisherStart {
    /// Who speaks.
    pub speaker: Speaker,
    /// Everything up to here was acknowledged before.
    pub cursor: u64,
    /// Effects as they become durable.
    pub feed: FeedEnd,
    /// The journal, for what the feed does not have.
    pub log: Option<Box<dyn DecisionLog>>,
}

/// The running thread.
#[derive(Debug)]
pub struct KafkaPublisher {
    status: Arc<PublisherStatus>,
    thread: JoinHandle<()>,
}

impl KafkaPublisher {
    /// Starts the thread.
    ///
    /// # Errors
    /// When librdkafka does not accept the settings, or the system gives no thread.
    pub fn start(settings: KafkaSettings, start: PublisherStart) -> io::Result<Self> {
        let said = |error: KafkaError| kafka_link::words(&error);
        let first = KafkaSink::new(&settings).map_err(said).map_err(io::Error::other)?;
        let make = move || KafkaSink::new(&settings).map_err(said);
        Self::start_with(first, make, start)
    }

    /// Starts the thread over any sink.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start_with<S: Sink + Send + 'static>(
        first: S,
        make: impl FnMut() -> Result<S, String> + Send + 'static,
        start: PublisherStart,
    ) -> io::Result<Self> {
        let counters = start.feed.counters();
        let status = Arc::new(PublisherStatus::new(counters, start.cursor));
        let publisher = Publisher {
            sink: Some(first),
            make,
            speaker: start.speaker,
            decisions: Decisions::new(start.feed, start.log, start.cursor),
            window: Window::new(start.cursor),
            status: Arc::clone(&status),
            outcomes: Vec::new(),
            pause: Pause::default(),
            idle_rounds: 0,
        };
        let builder = std::thread::Builder::new().name("kafka-poll".to_owned());
        let thread = builder.spawn(move || publisher.run())?;
        Ok(Self { status, thread })
    }

    /// What is known of it.
    #[must_use]
    pub fn status(&self) -> Arc<PublisherStatus> {
        Arc::clone(&self.status)
    }

    /// Waits at most so long for the feed to be empty and everything to be acknowledged, then ends
    /// the thread. Gives the cursor: what is behind it goes at the next start.
    #[must_use]
    pub fn stop(self, patience: Duration) -> u64 {
        let patience_ns = u64::try_from(patience.as_nanos()).unwrap_or(u64::MAX);
        let at_ns = clock::boot_ns().saturating_add(patience_ns);
        self.status.stop_at_ns.store(at_ns, Ordering::Release);
        if self.thread.join().is_err() {
            tracing::error!("the kafka thread panicked");
        }
        self.status.cursor()
    }
}

#[derive(Default)]
struct Pause {
    length_ns: u64,
    until_ns: u64,
    limiter: Limiter,
}

struct Publisher<S, M> {
    sink: Option<S>,
    make: M,
    speaker: Speaker,
    decisions: Decisions,
    window: Window,
    status: Arc<PublisherStatus>,
    outcomes: Vec<(Tag, Outcome)>,
    pause: Pause,
    idle_rounds: u32,
}

impl<S: Sink, M: FnMut() -> Result<S, String>> Publisher<S, M> {
    fn run(mut self) {
        loop {
            self.status.rounds.fetch_add(1, Ordering::Relaxed);
            let now_ns = clock::boot_ns();
            let stop_at_ns = self.status.stop_at_ns.load(Ordering::Acquire);
            let is_drained = self.take();
            if now_ns >= self.pause.until_ns {
                self.ensure_sink(now_ns);
                self.send(now_ns);
                self.follow(now_ns);
            }
            self.status.cursor.store(self.window.cursor(), Ordering::Release);
            let in_flight = u64::try_from(self.window.len()).unwrap_or(u64::MAX);
            self.status.in_flight.store(in_flight, Ordering::Relaxed);
            let is_done = is_drained && self.window.is_empty();
            if stop_at_ns != u64::MAX && (is_done || now_ns >= stop_at_ns) {
                return;
            }
        }
    }

    /// Takes decisions while there is room; `true` when there are none left for now. Waits when
    /// there is nothing else to do.
    fn take(&mut self) -> bool {
        if !self.window.has_room() {
            if self.sink.is_none() {
                std::thread::park_timeout(IDLE);
            }
            return false;
        }
        let is_stopping = self.status.stop_at_ns.load(Ordering::Acquire) != u64::MAX;
        let has_nothing_else = self.window.is_empty() || self.sink.is_none();
        let patience = match (has_nothing_else, is_stopping) {
            (false, _) => Duration::ZERO,
            (true, false) => IDLE,
            (true, true) => POLL,
        };
        match self.decisions.next(patience) {
            Found::Decisions(batch, reached) => {
                for published in batch.iter() {
                    self.window.take(published.rank(), self.speaker.messages(published));
                }
                self.window.reached(reached);
                false
            }
            Found::Lost(from, to) => {
                let positions = to.saturating_sub(from).saturating_add(1);
                self.status.lost_positions.fetch_add(positions, Ordering::Relaxed);
                tracing::error!(from, to, "decisions not told to kafka: no journal to read");
                self.window.reached(to);
                false
            }
            Found::Unreadable(error) => {
                if let Some(suppressed) = self.pause.limiter.pass(clock::boot_ns()) {
                    tracing::error!(%error, suppressed, "journal not readable for kafka");
                }
                std::thread::park_timeout(IDLE);
                false
            }
            Found::Nothing => true,
            Found::Closed => {
                // The sequencer is gone; what was taken still goes out.
                std::thread::park_timeout(patience);
                true
            }
        }
    }

    fn ensure_sink(&mut self, now_ns: u64) {
        if self.sink.is_some() {
            return;
        }
        match (self.make)() {
            Ok(sink) => self.sink = Some(sink),
            Err(reason) => self.fail(&reason, now_ns),
        }
    }

    fn send(&mut self, now_ns: u64) {
        let Some(sink) = self.sink.as_mut() else { return };
        while let Some((tag, message)) = self.window.next() {
            match sink.send(message, tag) {
                Ok(()) => self.window.advance(),
                Err(SendError::Full) => {
                    self.status.queue_full.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                Err(SendError::Rejected(reason)) => {
                    self.window.advance();
                    self.window.settle(tag);
                    passed_over(&self.status, tag, &reason);
                }
                Err(SendError::Failed(reason)) => return self.fail(&reason, now_ns),
            }
        }
    }

    fn follow(&mut self, now_ns: u64) {
        let Some(sink) = self.sink.as_mut() else { return };
        self.idle_rounds = if self.window.is_empty() { self.idle_rounds + 1 } else { 0 };
        if self.window.is_empty() && self.idle_rounds < IDLE_POLLS {
            return;
        }
        self.idle_rounds = 0;
        let patience = if self.window.is_empty() { Duration::ZERO } else { POLL };
        sink.poll(patience, &mut self.outcomes);
        let fatal = sink.fatal();
        let mut failure = None;
        for (tag, outcome) in std::mem::take(&mut self.outcomes) {
            match outcome {
                Outcome::Delivered => {
                    self.window.settle(tag);
                    self.status.delivered.fetch_add(1, Ordering::Relaxed);
                    self.pause.length_ns = 0;
                    self.status.is_failing.store(false, Ordering::Relaxed);
                }
                Outcome::Rejected(reason) => match self.window.reject(tag) {
                    Verdict::PassedOver => passed_over(&self.status, tag, &reason),
                    // What is on its way comes back under the same tags: a new producer, so that
                    // old answers cannot be taken for new ones.
                    Verdict::SendAgainAlone => {
                        failure = Some(reason);
                        break;
                    }
                },
                Outcome::Failed(reason) => failure = Some(reason),
            }
        }
        if let Some(reason) = fatal.or(failure) {
            self.fail(&reason, now_ns);
        }
    }

    /// Replaces the sink after a pause and sends everything behind the cursor again.
    fn fail(&mut self, reason: &str, now_ns: u64) {
        self.sink = None;
        self.window.rewind();
        self.status.failures.fetch_add(1, Ordering::Relaxed);
        self.status.is_failing.store(true, Ordering::Relaxed);
        let pause = &mut self.pause;
        pause.length_ns = pause.length_ns.saturating_mul(2).clamp(PAUSE_FIRST_NS, PAUSE_LAST_NS);
        pause.until_ns = now_ns.saturating_add(pause.length_ns);
        if let Some(suppressed) = pause.limiter.pass(now_ns) {
            let (cursor, waiting) = (self.window.cursor(), self.window.len());
            tracing::error!(reason, cursor, waiting, suppressed, "kafka failed, starting again");
        }
    }
}

fn passed_over(status: &PublisherStatus, tag: Tag, reason: &str) {
    status.rejected.fetch_add(1, Ordering::Relaxed);
    tracing::error!(decision = %tag.rank, topic = ?tag.topic, reason, "kafka refuses a message");
}

#[cfg(test)]
#[path = "publisher_tests.rs"]
mod tests;
