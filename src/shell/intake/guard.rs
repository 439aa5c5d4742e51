//! Contains the panics of decoders and rules: a panic is a fault of the message at work, which
//! still becomes an event, and not of the daemon. The daemon's panic hook asks [`is_guarded`] to
//! tell such a panic from one that must abort.

use crate::model::event::{Channel, Event, Lane, UNCLASSIFIED, Verb};
use crate::model::fault::Fault;
use crate::model::limits::RAW_BYTES_MAX;
use crate::model::severity::Severity;
use crate::shell::intake::feed::Feed;
use crate::shell::intake::open::OpenBatches;
use crate::shell::intake::pipeline::{Origin, Pipeline, PipelineFactory, Place, Received};
use crate::shell::observe::counters::{IgnoreReason, ListenerCounters};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic on this thread will be caught and cost only the message at work.
#[must_use]
pub fn is_guarded() -> bool {
    GUARDED.get()
}

/// A pipeline of which no panic escapes.
pub(super) struct GuardedPipeline {
    pipeline: Box<dyn Pipeline>,
    factory: PipelineFactory,
    counters: Arc<ListenerCounters>,
    channel: Channel,
}

impl GuardedPipeline {
    pub(super) fn new(feed: &Feed) -> Self {
        Self {
            pipeline: (feed.pipelines)(),
            factory: Arc::clone(&feed.pipelines),
            counters: Arc::clone(&feed.counters),
            channel: feed.channel,
        }
    }

    /// Settles one message: afterwards it is an event in `batches`, or counted as ignored.
    pub(super) fn settle(
        &mut self,
        message: &Received<'_>,
        origin: Option<Origin>,
        batches: &mut OpenBatches,
    ) {
        batches.begin();
        if message.bytes.is_empty() {
            batches.ignore(IgnoreReason::Empty);
            return;
        }
        let place = Place::new(batches, origin, message.faults);
        let outcome = guarded(|| self.pipeline.process(message, place));
        if outcome.is_none() {
            self.after_panic(message, origin, batches);
        }
    }

    /// A pipeline that panicked may have left its scratch memory half written: a fresh one takes
    /// its place and settles the message; if that panics too, intake settles it by itself.
    #[cold]
    fn after_panic(
        &mut self,
        message: &Received<'_>,
        origin: Option<Origin>,
        batches: &mut OpenBatches,
    ) {
        self.counters.decoder_panics.fetch_add(1, Ordering::Relaxed);
        if let Some(fresh) = guarded(|| (self.factory)()) {
            self.pipeline = fresh;
        }
        let message = Received { faults: message.faults.with(Fault::DecoderPanicked), ..*message };
        if !batches.is_settled() {
            let place = Place::new(batches, origin, message.faults);
            let outcome = guarded(|| self.pipeline.panicked(&message, place));
            if outcome.is_none() {
                self.counters.decoder_panics.fetch_add(1, Ordering::Relaxed);
            }
        }
        if !batches.is_settled() {
            batches.push(&undecodable(&message, self.channel, &message.peer.to_string()));
        }
    }
}

/// Runs `work`; `None` if it panicked.
pub(in crate::shell) fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    let before = GUARDED.replace(true);
    // What the closure leaves behind after a panic is either replaced (the pipeline) or asked
    // whether it is settled (the batches).
    let outcome = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(before);
    outcome.ok()
}

/// The event of a message about which nothing but its bytes and its sender is known.
fn undecodable<'a>(message: &Received<'a>, channel: Channel, device: &'a str) -> Event<'a> {
    Event {
        severity: Severity::Warning,
        lane: Lane::Low,
        faults: message.faults.with(Fault::Undecodable),
        listener: message.listener,
        peer: message.peer,
        device,
        alarm_type: UNCLASSIFIED,
        rule: "decoder-panicked",
        text: "the decoder panicked on this message",
        raw: message.bytes.get(..RAW_BYTES_MAX).unwrap_or(message.bytes),
        ..Event::new(Verb::Event, channel, message.arrived)
    }
}
