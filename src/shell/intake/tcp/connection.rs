//! One connection: read, split, settle, deliver; in order, and never more at hand than one read.

use crate::model::event::Lane;
use crate::model::time::At;
use crate::shell::intake::feed::Feed;
use crate::shell::intake::open::OpenBatches;
use crate::shell::intake::pipeline::Received;
use crate::shell::intake::tcp::Frame;
use crate::shell::intake::tcp::listener::StreamOptions;
use crate::shell::intake::tcp::splitter::Splitter;
use crate::shell::intake::tcp::workers::{Worker, Workers};
use crate::shell::observe::counters::ShedReason;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

/// How long a connection waits before it tries a full lane again.
const LANE_WAIT: Duration = Duration::from_millis(2);
/// A connection that is quiet for so long while the daemon stops has nothing more under way.
const QUIET_AT_STOP: Duration = Duration::from_millis(100);

/// The state of one connection.
pub(super) struct Connection {
    peer: IpAddr,
    workers: Arc<Workers>,
    frames: Splitter,
    batches: OpenBatches,
    idle_timeout: Option<Duration>,
}

/// Why a wait ended.
enum Ready {
    /// There may be something to read.
    Read,
    /// Nothing came in time.
    Quiet,
}

/// How far the frames at hand were taken.
enum Taken {
    /// All of them.
    All,
    /// A batch is full and must travel first.
    UntilFull,
}

impl Connection {
    pub(super) fn new(peer: SocketAddr, workers: Arc<Workers>, options: &StreamOptions) -> Self {
        let feed = workers.feed();
        Self {
            peer: peer.ip().to_canonical(),
            frames: Splitter::new((options.frames)(), Arc::clone(&feed.counters)),
            batches: OpenBatches::new(
                Arc::clone(&feed.lanes),
                Arc::clone(&feed.counters),
                feed.listener,
            ),
            idle_timeout: options.idle_timeout,
            workers,
        }
    }

    /// Serves until the sender ends the stream, it fails, or the daemon stops.
    pub(super) async fn serve(mut self, stream: TcpStream) {
        let workers = Arc::clone(&self.workers);
        let feed = workers.feed();
        while let Ok(Ready::Read) = readable(feed, self.idle_timeout, &stream).await {
            match self.read(&stream) {
                Ok(0) => break,
                Ok(_) => self.deliver_all().await,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A reset: what came before it counts.
                Err(_) => break,
            }
            if self.frames.is_broken() {
                break;
            }
        }
        self.frames.finish();
        self.deliver_all().await;
    }

    /// Reads once and gives the bytes to the splitter; their number, 0 at the end of the stream.
    fn read(&mut self, stream: &TcpStream) -> io::Result<usize> {
        let frames = &mut self.frames;
        self.workers.with(|worker| {
            let count = stream.try_read_buf(&mut worker.buffer)?;
            frames.push(&worker.buffer);
            Ok(count)
        })
    }

    /// Settles every frame at hand and sends the batches.
    async fn deliver_all(&mut self) {
        let at = self.workers.feed().clock.at();
        loop {
            let taken = self.take_frames(at);
            for lane in Lane::ALL {
                self.deliver(lane).await;
            }
            if matches!(taken, Taken::All) {
                return;
            }
        }
    }

    fn take_frames(&mut self, at: At) -> Taken {
        let Self { peer, workers, frames, batches, .. } = self;
        let feed = workers.feed();
        workers.with(|Worker { pipeline, .. }| {
            while let Some(Frame { bytes, faults }) = frames.next_frame() {
                let message =
                    Received { bytes, peer: *peer, listener: feed.listener, arrived: at, faults };
                pipeline.settle(&message, None, batches);
                if batches.full_lane().is_some() {
                    return Taken::UntilFull;
                }
            }
            Taken::All
        })
    }

    /// Sends the batch of a lane; waits for room, and reads nothing meanwhile.
    async fn deliver(&mut self, lane: Lane) {
        while !self.batches.has_sent(lane) {
            let feed = self.workers.feed();
            if feed.stop.is_over(feed.clock.now()) {
                self.batches.shed(lane, ShedReason::Stopping);
                return;
            }
            tokio::time::sleep(LANE_WAIT).await;
        }
    }
}

/// Waits until there may be something to read; after a stop, only as long as something comes.
async fn readable(
    feed: &Feed,
    idle_timeout: Option<Duration>,
    stream: &TcpStream,
) -> io::Result<Ready> {
    if !feed.stop.is_requested() {
        tokio::select! {
            biased;
            () = feed.stop.requested() => {}
            readable = stream.readable() => return readable.map(|()| Ready::Read),
            () = quiet_for(idle_timeout) => return Ok(Ready::Quiet),
        }
    }
    if feed.stop.is_over(feed.clock.now()) {
        return Ok(Ready::Quiet);
    }
    match tokio::time::timeout(QUIET_AT_STOP, stream.readable()).await {
        Ok(readable) => readable.map(|()| Ready::Read),
        Err(_) => Ok(Ready::Quiet),
    }
}

/// Returns after the limit; never without one.
async fn quiet_for(limit: Option<Duration>) {
    match limit {
        Some(limit) => tokio::time::sleep(limit).await,
        None => std::future::pending().await,
    }
}
