//! The loop of a receive thread: receive, settle each datagram, send the batches, pause if busy.

use crate::model::event::Lane;
use crate::model::fault::{Fault, Faults};
use crate::model::limits::CHATTY_EVENTS;
use crate::model::time::{At, EngineTime, Timestamp};
use crate::shell::batch::Answer;
use crate::shell::clock::EngineClock;
use crate::shell::intake::feed::Feed;
use crate::shell::intake::guard::GuardedPipeline;
use crate::shell::intake::open::OpenBatches;
use crate::shell::intake::pipeline::{Origin, Received};
use crate::shell::intake::sources::SourceTally;
use crate::shell::intake::udp::answer::Answerer;
use crate::shell::intake::udp::drops::DropCount;
use crate::shell::intake::udp::pace::Pace;
use crate::shell::intake::udp::recvmmsg::{Datagram, Receiver};
use crate::shell::observe::counters::ShedReason;
use socket2::Socket;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long the reader waits before it tries a full lane again.
const LANE_WAIT: Duration = Duration::from_micros(200);
/// How long it waits after an error of the socket, so that a lasting one does not spin.
const ERROR_WAIT: Duration = Duration::from_millis(10);
/// How long after a stop something may still be on its way, ns.
const STOP_QUIET_NS: i64 = 50_000_000;

/// What a receive thread works with.
pub(super) struct Reader {
    feed: Feed,
    pipeline: GuardedPipeline,
    batches: OpenBatches,
    tally: SourceTally,
    answerer: Answerer,
    drops: Arc<DropCount>,
    progress: Arc<AtomicU64>,
}

impl Reader {
    pub(super) fn new(
        feed: Feed,
        answerer: Answerer,
        drops: &Arc<DropCount>,
        progress: &Arc<AtomicU64>,
    ) -> Self {
        Self {
            pipeline: GuardedPipeline::new(&feed),
            batches: OpenBatches::new(
                Arc::clone(&feed.lanes),
                Arc::clone(&feed.counters),
                feed.listener,
            )
            .demoting(CHATTY_EVENTS),
            tally: SourceTally::default(),
            answerer,
            drops: Arc::clone(drops),
            progress: Arc::clone(progress),
            feed,
        }
    }

    /// Runs until a stop is requested; then takes what had arrived by that moment and ends.
    pub(super) fn run(mut self, socket: &Arc<Socket>) {
        let mut receiver = Receiver::new(Arc::clone(socket));
        let mut pace = Pace::default();
        while !self.feed.stop.is_requested() {
            self.progress.fetch_add(1, Ordering::Relaxed);
            match self.round(&mut receiver) {
                Ok(round) => {
                    if let Some(pause) = pace.after_round(round.count, round.now) {
                        sleep(pause);
                    }
                }
                Err(error) => self.after_error(&error),
            }
        }
        // Refused, the wait is the longer one of the loop above.
        drop(socket.set_read_timeout(Some(Duration::from_nanos(STOP_QUIET_NS.unsigned_abs()))));
        self.drain(&mut receiver);
        self.deliver_rest();
        self.tally.flush(&self.feed.sources);
    }

    /// Takes what had reached this machine when the stop came; what arrives later stays with the
    /// socket. An empty queue is not yet the end: a busy kernel takes a while from a datagram's
    /// arrival to the queue. And its stamp is not always that of its arrival: shortly after the
    /// first socket of the machine asked for stamps, it is that of the reading.
    fn drain(&mut self, receiver: &mut Receiver) {
        let until = self.feed.clock.at().wall.plus_ns(STOP_QUIET_NS);
        let mut is_over = false;
        while !is_over {
            self.progress.fetch_add(1, Ordering::Relaxed);
            is_over = match self.round(receiver) {
                Ok(round) => round.latest >= until || self.feed.stop.is_over(round.now),
                Err(error) => error.kind() != io::ErrorKind::Interrupted,
            };
        }
    }

    /// One call to the kernel and everything that follows from it.
    fn round(&mut self, receiver: &mut Receiver) -> io::Result<Round> {
        let datagrams = receiver.receive()?;
        let now = self.feed.clock.at();
        self.batches.watch_load(now.engine);
        let mut round = Round { count: datagrams.len(), now: now.engine, latest: Timestamp(0) };
        let mut drops = None;
        for datagram in datagrams {
            drops = datagram.drops.or(drops);
            round.latest = datagram.stamp.unwrap_or(now.wall);
            self.take(&datagram, now);
            while let Some(lane) = self.batches.full_lane() {
                self.deliver(lane);
            }
        }
        for lane in Lane::ALL {
            self.deliver(lane);
        }
        if let Some(reading) = drops {
            self.drops.observe(reading, &self.feed.counters.kernel_dropped);
        }
        self.tally.flush_when_due(now.engine, &self.feed.sources);
        Ok(round)
    }

    fn take(&mut self, datagram: &Datagram<'_>, now: At) {
        let peer = datagram.peer.ip().to_canonical();
        let mut faults = Faults::NONE;
        if datagram.is_truncated {
            faults.add(Fault::Oversize);
        }
        let message = Received {
            bytes: datagram.bytes,
            peer,
            listener: self.feed.listener,
            arrived: arrived(datagram.stamp, now),
            faults,
        };
        let origin = Origin { peer: datagram.peer, local: datagram.local };
        self.pipeline.settle(&message, Some(origin), &mut self.batches);
        self.tally.count(peer, message.arrived.wall, &self.feed.sources);
        let listener = self.feed.listener;
        if let Some((Origin { peer, local }, bytes)) = self.batches.take_prompt() {
            // The answerer counts a failure; there is nobody else to tell.
            drop(self.answerer.send(&Answer { listener, peer, local, bytes }));
        }
    }

    /// Sends the batch of a lane. A full low lane sheds what is no clear; clears wait in the open
    /// batch as long as it has room. For the rest the reader waits, and the kernel buffers
    /// meanwhile.
    fn deliver(&mut self, lane: Lane) {
        while !self.batches.has_sent(lane) {
            if lane == Lane::Low && self.batches.has_room_without_raises(lane, ShedReason::LaneFull)
            {
                return;
            }
            if self.feed.stop.is_over(self.feed.clock.now()) {
                self.batches.shed(lane, ShedReason::Stopping);
            } else {
                self.progress.fetch_add(1, Ordering::Relaxed);
                std::thread::park_timeout(LANE_WAIT);
            }
        }
    }

    /// Clears that have found the low lane full until now.
    fn deliver_rest(&mut self) {
        loop {
            self.deliver(Lane::Low);
            if self.batches.is_empty(Lane::Low) {
                return;
            }
            if self.feed.stop.is_over(self.feed.clock.now()) {
                self.batches.shed(Lane::Low, ShedReason::Stopping);
            }
            self.progress.fetch_add(1, Ordering::Relaxed);
            std::thread::park_timeout(LANE_WAIT);
        }
    }

    fn after_error(&mut self, error: &io::Error) {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                self.tally.flush(&self.feed.sources);
                self.batches.watch_load(self.feed.clock.now());
                self.deliver(Lane::Low);
            }
            io::ErrorKind::Interrupted => {}
            _ => {
                self.feed.counters.receive_errors.fetch_add(1, Ordering::Relaxed);
                sleep(ERROR_WAIT);
            }
        }
    }
}

/// What one call brought.
struct Round {
    count: usize,
    now: EngineTime,
    latest: Timestamp,
}

/// Both clocks at the arrival of a datagram. A stamp ahead of the clock (the clock was set back in
/// between) is taken as now.
fn arrived(stamp: Option<Timestamp>, now: At) -> At {
    let wall = stamp.unwrap_or(now.wall).min(now.wall);
    At { engine: EngineClock::engine_of(now, wall), wall }
}

#[expect(clippy::disallowed_methods, reason = "datagrams coalesce meanwhile: fewer wake-ups")]
fn sleep(pause: Duration) {
    std::thread::sleep(pause);
}
