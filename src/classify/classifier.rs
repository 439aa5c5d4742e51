//! The entry: a decoded message in, an event or the cause for which there is none out.

use super::clean;
use super::directory::Directory;
use super::origin::{self, Named, Source};
use super::rules::{Found, RuleSet};
use super::{occurred, syslog, trap};
use crate::model::event::{Channel, Event, Lane, UNCLASSIFIED, Verb};
use crate::model::fault::{Fault, Faults};
use crate::model::limits::{NAME_BYTES_MAX, RAW_BYTES_MAX, TEXT_BYTES_MAX};
use crate::model::severity::Severity;
use crate::model::syslog::SyslogMessage;
use crate::model::time::{At, Timestamp};
use crate::model::trap::Trap;
use jiff::tz::TimeZone;
use std::net::IpAddr;
use std::sync::Arc;

/// Where a message came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Origin {
    /// Address of the sender.
    pub peer: IpAddr,
    /// Index of the listener in the configuration.
    pub listener: u16,
    /// When the kernel received it.
    pub arrived: At,
}

/// What a message became.
#[derive(Clone, Copy, PartialEq, Debug)]
#[expect(clippy::large_enum_variant, reason = "one at a time, on the stack: a box would allocate")]
pub enum Classified<'a> {
    /// An event.
    Event(Event<'a>),
    /// Nothing, and why.
    Ignored(IgnoreCause),
}

/// Why a message became no event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IgnoreCause {
    /// A syslog line that no rule knows.
    NoRule,
    /// A rule says that it does not matter.
    RuleIgnores,
}

/// Rules and directory of one configuration epoch; shared by the threads of intake.
#[derive(Clone, Debug)]
pub struct Classifier {
    rules: Arc<RuleSet>,
    directory: Arc<Directory>,
    epoch: u32,
}

/// Memory of one thread, kept between messages so that nothing is allocated.
#[derive(Default)]
pub struct Scratch {
    pub(super) device: String,
    pub(super) component: String,
    pub(super) alias: String,
    pub(super) qualifier: String,
    pub(super) text: String,
    pub(super) interface: String,
    pub(super) found: Found,
    /// The rules for which `found` was made.
    rules: Option<Arc<RuleSet>>,
}

/// What a rule said, before the texts are borrowed from the scratch.
pub(super) struct Verdict<'r> {
    pub(super) verb: Verb,
    pub(super) severity: Severity,
    pub(super) lane: Lane,
    pub(super) alarm_type: &'r str,
    pub(super) rule: &'r str,
    pub(super) is_in_service: bool,
}

impl Verdict<'_> {
    /// The verdict on a trap that no rule knows.
    pub(super) const UNCLASSIFIED: Self = Verdict {
        verb: Verb::Event,
        severity: Severity::Indeterminate,
        lane: Lane::Low,
        alarm_type: UNCLASSIFIED,
        rule: "",
        is_in_service: false,
    };
}

/// What is known of a message before its rule is.
#[derive(Clone, Copy)]
struct Envelope<'a> {
    origin: Origin,
    channel: Channel,
    faults: Faults,
    occurred_at: Option<Timestamp>,
    uptime_cs: Option<u32>,
    raw: &'a [u8],
}

impl Classifier {
    /// A classifier of that configuration epoch.
    #[must_use]
    pub fn new(rules: Arc<RuleSet>, directory: Arc<Directory>, epoch: u32) -> Self {
        Self { rules, directory, epoch }
    }

    /// The rules in force.
    #[must_use]
    pub fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// The inventory as it is looked up here.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The configuration epoch.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Classifies a trap. One that no rule knows becomes an `unclassified` event.
    pub fn classify_trap<'a>(
        &'a self,
        trap: &'a Trap<'a>,
        origin: &Origin,
        scratch: &'a mut Scratch,
    ) -> Classified<'a> {
        let named = trap.agent_address.map_or(Named::Nobody, Named::Agent);
        let source = self.begin(origin, named, scratch);
        let device = source.known.map(|known| known.place);
        let Some(verdict) = trap::decide(&self.rules, &self.directory, device, trap, scratch)
        else {
            return Classified::Ignored(IgnoreCause::RuleIgnores);
        };
        let envelope = Envelope {
            origin: *origin,
            channel: Channel::Trap,
            faults: trap.faults,
            occurred_at: None,
            uptime_cs: trap.uptime_cs,
            raw: trap.datagram,
        };
        Classified::Event(self.finish(&envelope, &source, &verdict, scratch))
    }

    /// Classifies a syslog message. `raw` is the frame as received, PRI included.
    pub fn classify_syslog<'a>(
        &'a self,
        message: &'a SyslogMessage<'a>,
        raw: &'a [u8],
        origin: &Origin,
        scratch: &'a mut Scratch,
    ) -> Classified<'a> {
        let verdict = match syslog::decide(&self.rules, message, raw, self.found(scratch)) {
            syslog::Outcome::NoRule => return Classified::Ignored(IgnoreCause::NoRule),
            syslog::Outcome::Ignore => return Classified::Ignored(IgnoreCause::RuleIgnores),
            syslog::Outcome::Event(verdict) => verdict,
        };
        let source = self.begin(origin, Named::Host(message.hostname), scratch);
        let utc = TimeZone::UTC;
        let zone = source.known.map_or(&utc, |known| known.zone);
        let envelope = Envelope {
            origin: *origin,
            channel: Channel::Syslog,
            faults: message.faults,
            occurred_at: occurred::instant(&message.stamp, zone, origin.arrived.wall),
            uptime_cs: None,
            raw,
        };
        Classified::Event(self.finish(&envelope, &source, &verdict, scratch))
    }

    /// The scratch, its memory of the rules being that of these rules.
    fn found<'s>(&self, scratch: &'s mut Scratch) -> &'s mut Scratch {
        if !scratch.rules.as_ref().is_some_and(|known| Arc::ptr_eq(known, &self.rules)) {
            scratch.found = Found::default();
            scratch.rules = Some(Arc::clone(&self.rules));
        }
        scratch
    }

    fn begin<'c>(&'c self, origin: &Origin, named: Named<'_>, scratch: &mut Scratch) -> Source<'c> {
        origin::find(&self.directory, origin.peer.to_canonical(), named, &mut scratch.device)
    }

    fn finish<'a>(
        &'a self,
        envelope: &Envelope<'a>,
        source: &Source<'a>,
        verdict: &Verdict<'a>,
        scratch: &'a mut Scratch,
    ) -> Event<'a> {
        scratch.component.truncate(scratch.component.trim_end().len());
        clean::cut(&mut scratch.component, NAME_BYTES_MAX);
        clean::cut(&mut scratch.alias, NAME_BYTES_MAX);
        clean::cut(&mut scratch.qualifier, NAME_BYTES_MAX);
        clean::cut(&mut scratch.text, TEXT_BYTES_MAX);
        let scratch: &'a Scratch = scratch;
        let listed = source
            .known
            .filter(|_| !scratch.component.is_empty())
            .and_then(|known| self.directory.component(known.place, &scratch.component));
        let faults = if source.disagrees {
            envelope.faults.with(Fault::OriginDisagrees)
        } else {
            envelope.faults
        };
        Event {
            verb: verdict.verb,
            severity: verdict.severity,
            channel: envelope.channel,
            lane: verdict.lane,
            faults,
            listener: envelope.origin.listener,
            epoch: self.epoch,
            arrived: envelope.origin.arrived,
            occurred_at: envelope.occurred_at,
            uptime_cs: envelope.uptime_cs,
            value: None,
            lease_until: None,
            peer: envelope.origin.peer.to_canonical(),
            is_known: source.known.is_some(),
            is_in_service: verdict.is_in_service,
            device: source.known.map_or(scratch.device.as_str(), |known| known.name),
            component: listed.unwrap_or(&scratch.component),
            component_alias: &scratch.alias,
            alarm_type: verdict.alarm_type,
            qualifier: &scratch.qualifier,
            rule: verdict.rule,
            text: &scratch.text,
            labels: "",
            raw: envelope.raw.get(..RAW_BYTES_MAX).unwrap_or(envelope.raw),
        }
    }
}
