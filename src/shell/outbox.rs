//! The outbox: what was decided waits here until its journal position is durable, then goes to the
//! view, the history, Kafka, whoever waits for an answer, and the latency histogram.

use crate::engine::effect::{Answer as CommandAnswer, Effect, TicketChange};
use crate::shell::api::view::ViewWriter;
use crate::shell::batch::Answer;
use crate::shell::clock;
use crate::shell::intake::udp::Answerer;
use crate::shell::journal::{Durable, Waited};
use crate::shell::publish::feed::Feed;
use crate::shell::publish::{Occurrences, Published};
use crate::shell::receipt::Receipt;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};
use dashmap::DashMap;
use hdrhistogram::Histogram;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What one commit decided.
#[derive(Debug)]
pub struct Staged {
    /// Position that must be durable first.
    pub durable_at: u64,
    /// What was decided, in order.
    pub effects: Vec<Published>,
    /// Whether this is what recovery knows, for those who keep nothing or fell behind. The broker
    /// has had it.
    pub is_known: bool,
}

enum Item {
    Staged(Staged),
    Answer { durable_at: u64, answer: OwnedAnswer },
    Receipt { durable_at: u64, receipt: Receipt },
    Counts(Vec<Occurrences>),
}

struct OwnedAnswer {
    listener: u16,
    peer: SocketAddr,
    local: Option<IpAddr>,
    bytes: Vec<u8>,
}

/// The sequencer's end.
pub struct OutboxEnd {
    sender: Sender<Item>,
}

impl OutboxEnd {
    /// Hands over what was decided. Waits when the outbox is full: decisions are never dropped.
    pub fn stage(&self, staged: Staged) {
        // An error means that the outbox is gone, which happens only when the process ends.
        let _ = self.sender.send(Item::Staged(staged));
    }

    /// Hands over an answer to a sender that waits for durability.
    pub fn answer(&self, durable_at: u64, answer: &Answer<'_>) {
        let answer = OwnedAnswer {
            listener: answer.listener,
            peer: answer.peer,
            local: answer.local,
            bytes: answer.bytes.to_vec(),
        };
        let _ = self.sender.send(Item::Answer { durable_at, answer });
    }

    /// Hands over the receipt of a batch, to be settled when its events are durable.
    pub fn settle(&self, durable_at: u64, receipt: Receipt) {
        let _ = self.sender.send(Item::Receipt { durable_at, receipt });
    }

    /// Hands over counts of repeats; dropped when the outbox is full, since newer ones follow.
    pub fn count(&self, counts: Vec<Occurrences>) {
        let _ = self.sender.try_send(Item::Counts(counts));
    }
}

/// Who waits for the answer to a command.
#[derive(Default)]
pub struct Waiting {
    by_command: DashMap<u64, Sender<CommandAnswer>>,
}

impl Waiting {
    /// Waits for the answer to that command.
    #[must_use]
    pub fn expect(&self, command: u64) -> Receiver<CommandAnswer> {
        let (sender, receiver) = bounded(1);
        self.by_command.insert(command, sender);
        receiver
    }

    /// Nobody waits any more.
    pub fn forget(&self, command: u64) {
        self.by_command.remove(&command);
    }

    fn tell(&self, answer: &CommandAnswer) {
        if let Some((_, sender)) = self.by_command.remove(&answer.command) {
            let _ = sender.try_send(answer.clone());
        }
    }
}

/// What is read from outside.
pub struct OutboxStatus {
    /// Rounds made, for the watchdog.
    pub rounds: AtomicU64,
    /// From the receipt of the message that shows the fault to the durable ticket, µs.
    pub detection_to_ticket_us: Mutex<Histogram<u64>>,
    /// Sum of the same, µs.
    pub detection_to_ticket_sum_us: AtomicU64,
}

impl Default for OutboxStatus {
    fn default() -> Self {
        let histogram = Histogram::new(3).expect("three significant figures are allowed");
        Self {
            rounds: AtomicU64::new(0),
            detection_to_ticket_us: Mutex::new(histogram),
            detection_to_ticket_sum_us: AtomicU64::new(0),
        }
    }
}

/// Everything the outbox feeds.
pub struct Outbox {
    /// Durable position of the journal.
    pub durable: Arc<Durable>,
    /// The API's view.
    pub view: ViewWriter,
    /// Feed of the history.
    pub history: Option<Feed>,
    /// Feed of the publisher: decisions only.
    pub decisions: Option<Feed>,
    /// Who waits for answers to commands.
    pub waiting: Arc<Waiting>,
    /// Sockets that answers leave from, with their listener and whether they are IPv4.
    pub answerers: Vec<(u16, bool, Answerer)>,
    /// What is read from outside.
    pub status: Arc<OutboxStatus>,
    receiver: Receiver<Item>,
}

/// The two ends of an outbox; the rest is set before [`Outbox::run`].
#[must_use]
pub fn outbox(durable: Arc<Durable>, view: ViewWriter) -> (OutboxEnd, Outbox) {
    let (sender, receiver) = bounded(ITEMS_MAX);
    let outbox = Outbox {
        durable,
        view,
        history: None,
        decisions: None,
        waiting: Arc::new(Waiting::default()),
        answerers: Vec::new(),
        status: Arc::new(OutboxStatus::default()),
        receiver,
    };
    (OutboxEnd { sender }, outbox)
}

impl Outbox {
    /// Runs until the sequencer's end is gone and nothing is left.
    pub fn run(mut self) {
        let mut published_at = 0_u64;
        loop {
            self.status.rounds.fetch_add(1, Ordering::Relaxed);
            match self.receiver.recv_timeout(PUBLISH_EVERY) {
                Ok(item) => {
                    self.item(item);
                    if self.take_waiting() >= BUSY_ITEMS {
                        gather();
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let now = clock::boot_ns();
            if now.saturating_sub(published_at) >= PUBLISH_EVERY_NS {
                published_at = now;
                self.view.publish();
            }
        }
        self.view.publish();
    }

    /// Takes what waits already; how much that was.
    fn take_waiting(&mut self) -> usize {
        let mut taken = 0_usize;
        while taken < ITEMS_MAX
            && let Ok(item) = self.receiver.try_recv()
        {
            self.item(item);
            taken = taken.saturating_add(1);
        }
        taken
    }

    fn item(&mut self, item: Item) {
        match item {
            Item::Staged(staged) => {
                if self.wait(staged.durable_at) {
                    self.deliver(staged);
                }
            }
            Item::Answer { durable_at, answer } => {
                if self.wait(durable_at) {
                    self.answer(&answer);
                }
            }
            Item::Receipt { durable_at, receipt } => {
                if self.wait(durable_at) {
                    receipt.settle();
                }
            }
            Item::Counts(counts) => {
                for told in &counts {
                    self.view.count(told);
                }
            }
        }
    }

    /// Waits for durability; `false` when the journal has failed and the process is about to end.
    fn wait(&self, position: u64) -> bool {
        loop {
            match self.durable.wait_for(position, DURABLE_WAIT) {
                Waited::Durable => return true,
                Waited::Failed => return false,
                Waited::TimedOut => {
                    // A full disk: nothing leaves before there is room again.
                    self.status.rounds.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    fn deliver(&mut self, staged: Staged) {
        let Staged { effects, is_known, .. } = staged;
        for published in &effects {
            self.view.apply(published);
            if is_known {
                continue;
            }
            match &published.effect {
                Effect::Answer(answer) => self.waiting.tell(answer),
                Effect::Ticket(ticket) if ticket.change == TicketChange::Opened => {
                    let taken_ns = clock::wall().ns_since(ticket.detected_at).max(0);
                    self.measure(u64::try_from(taken_ns / 1_000).unwrap_or(0));
                }
                _ => {}
            }
        }
        if effects.iter().any(|one| {
            matches!(one.effect, Effect::Ticket(_) | Effect::Silence(_) | Effect::Answer(_))
        }) {
            // Whoever was told of a ticket finds it.
            self.view.publish();
        }
        if let Some(feed) = self.decisions.as_ref().filter(|_| !is_known) {
            let decisions: Vec<Published> =
                effects.iter().filter(|one| one.effect.is_decision()).cloned().collect();
            feed.offer(&Arc::new(decisions));
        }
        if let Some(feed) = &self.history {
            // What came and went within the hold-off is no history of incidents, and the present
            // state of resources is no history at all: it is written at each start.
            let kept = |one: &Published| match one.effect {
                Effect::Incident(_) => one.effect.is_decision(),
                Effect::Resource(_) => is_known,
                Effect::Silence(_) => false,
                Effect::Alarm(_) | Effect::Ticket(_) | Effect::Answer(_) | Effect::Withdrawn(_) => {
                    true
                }
            };
            let lasting: Vec<Published> = effects.into_iter().filter(kept).collect();
            feed.offer(&Arc::new(lasting));
        }
    }

    fn measure(&self, taken_us: u64) {
        if let Ok(mut histogram) = self.status.detection_to_ticket_us.lock() {
            // It resizes itself, so that no value is out of range.
            let _ = histogram.record(taken_us.max(1));
        }
        self.status.detection_to_ticket_sum_us.fetch_add(taken_us, Ordering::Relaxed);
    }

    fn answer(&self, answer: &OwnedAnswer) {
        let sent = Answer {
            listener: answer.listener,
            peer: answer.peer,
            local: answer.local,
            bytes: &answer.bytes,
        };
        for (listener, is_ipv4, answerer) in &self.answerers {
            if *listener == answer.listener && *is_ipv4 == answer.peer.is_ipv4() {
                // A failure is counted by the answerer; the sender tries again.
                let _ = answerer.send(&sent);
                return;
            }
        }
    }
}

/// Lets commits gather: to be woken for each would cost more than the work on it.
#[expect(clippy::disallowed_methods, reason = "the pause that replaces a wake-up per commit")]
fn gather() {
    std::thread::sleep(Duration::from_millis(3));
}

const ITEMS_MAX: usize = 4_096;
/// With so many commits waiting behind one, more are let gather before the next look.
const BUSY_ITEMS: usize = 1;
const PUBLISH_EVERY: Duration = Duration::from_millis(100);
const PUBLISH_EVERY_NS: u64 = 100_000_000;
const DURABLE_WAIT: Duration = Duration::from_millis(500);
