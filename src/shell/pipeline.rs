//! One message through decode and classify: the pipeline that intake runs on each message.

use crate::classify::{Classified, Classifier, IgnoreCause, Origin, Scratch};
use crate::decode::snmp::{Decoded, TrapDecoder, respond_inform};
use crate::decode::syslog::{FrameSplitter, SyslogDecoder};
use crate::model::event::{Channel, Event, Lane, UNCLASSIFIED, Verb};
use crate::model::limits::RAW_BYTES_MAX;
use crate::shell::intake::pipeline::{Outcome, Pipeline, Place, Received};
use crate::shell::intake::tcp::{Frame, FrameSource};
use crate::shell::observe::counters::IgnoreReason;
use arc_swap::{ArcSwap, Cache};
use std::net::IpAddr;
use std::sync::Arc;

/// The classifier in force, exchanged at reload.
pub type SharedClassifier = Arc<ArcSwap<Classifier>>;

/// Traps.
pub struct TrapPipeline {
    decoder: TrapDecoder,
    classifier: Cache<SharedClassifier, Arc<Classifier>>,
    scratch: Scratch,
    communities: Arc<[String]>,
    response: Vec<u8>,
}

impl TrapPipeline {
    /// A pipeline that accepts these communities; none means any.
    #[must_use]
    pub fn new(classifier: &SharedClassifier, communities: Arc<[String]>) -> Self {
        Self {
            decoder: TrapDecoder::default(),
            classifier: Cache::new(Arc::clone(classifier)),
            scratch: Scratch::default(),
            communities,
            response: Vec::new(),
        }
    }
}

impl Pipeline for TrapPipeline {
    fn process(&mut self, message: &Received<'_>, place: Place<'_>) -> Outcome {
        let trap = match self.decoder.decode(message.bytes) {
            Decoded::Trap(trap) => trap,
            Decoded::NotANotification { .. } => {
                return place.ignore(IgnoreReason::NotANotification);
            }
        };
        let is_accepted = self.communities.is_empty()
            || self.communities.iter().any(|known| known.as_bytes() == trap.community);
        if !is_accepted {
            return place.ignore(IgnoreReason::Community);
        }
        self.response.clear();
        let is_answered = trap.is_inform && respond_inform(message.bytes, &mut self.response);
        let place = if is_answered { place.answering(&self.response) } else { place };
        let classifier = self.classifier.load();
        match classifier.classify_trap(&trap, &origin(message), &mut self.scratch) {
            Classified::Event(event) => place.event(&event),
            Classified::Ignored(cause) => place.ignore(reason(cause)),
        }
    }

    fn panicked(&mut self, message: &Received<'_>, place: Place<'_>) -> Outcome {
        undecodable(message, Channel::Trap, place)
    }
}

/// Syslog.
pub struct SyslogPipeline {
    decoder: SyslogDecoder,
    classifier: Cache<SharedClassifier, Arc<Classifier>>,
    scratch: Scratch,
}

impl SyslogPipeline {
    /// A pipeline by the classifier in force.
    #[must_use]
    pub fn new(classifier: &SharedClassifier) -> Self {
        Self {
            decoder: SyslogDecoder::new(),
            classifier: Cache::new(Arc::clone(classifier)),
            scratch: Scratch::default(),
        }
    }
}

impl Pipeline for SyslogPipeline {
    fn process(&mut self, message: &Received<'_>, place: Place<'_>) -> Outcome {
        let decoded = self.decoder.decode(message.bytes);
        let classifier = self.classifier.load();
        let origin = origin(message);
        match classifier.classify_syslog(&decoded, message.bytes, &origin, &mut self.scratch) {
            Classified::Event(event) => place.event(&event),
            Classified::Ignored(cause) => place.ignore(reason(cause)),
        }
    }

    fn panicked(&mut self, message: &Received<'_>, place: Place<'_>) -> Outcome {
        undecodable(message, Channel::Syslog, place)
    }
}

/// The frame splitter of the decoder, as intake wants it.
pub struct SyslogFrames(FrameSplitter);

impl Default for SyslogFrames {
    fn default() -> Self {
        Self(FrameSplitter::new())
    }
}

impl FrameSource for SyslogFrames {
    fn push(&mut self, bytes: &[u8]) {
        self.0.push(bytes);
    }

    fn next_frame(&mut self) -> Option<Frame<'_>> {
        self.0.next_frame().map(|frame| Frame { bytes: frame.bytes, faults: frame.faults })
    }

    fn finish(&mut self) {
        self.0.finish();
    }
}

fn origin(message: &Received<'_>) -> Origin {
    Origin { peer: message.peer, listener: message.listener, arrived: message.arrived }
}

fn reason(cause: IgnoreCause) -> IgnoreReason {
    match cause {
        IgnoreCause::NoRule => IgnoreReason::NoRule,
        IgnoreCause::RuleIgnores => IgnoreReason::RuleIgnores,
    }
}

/// What could not be decoded is a visible event of its sender, with its bytes.
fn undecodable(message: &Received<'_>, channel: Channel, place: Place<'_>) -> Outcome {
    let device = unmapped(message.peer).to_string();
    place.event(&Event {
        lane: Lane::Low,
        listener: message.listener,
        peer: message.peer,
        device: &device,
        alarm_type: UNCLASSIFIED,
        qualifier: "undecodable",
        text: "the decoder failed on this message; its bytes are kept",
        raw: message.bytes.get(..RAW_BYTES_MAX).unwrap_or(message.bytes),
        ..Event::new(Verb::Event, channel, message.arrived)
    })
}

fn unmapped(peer: IpAddr) -> IpAddr {
    peer.to_canonical()
}
