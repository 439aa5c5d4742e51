//! Rows of the view: the engine's images, packed so that a hundred thousand of them are cheap to
//! keep and to publish, and unpacked again when somebody asks.
//!
//! In: images. Out: rows that clone by pointer, and from a row the very image that it was made of,
//! so that JSON is defined in one place only: the image.

use crate::engine::effect::{AlarmImage, IncidentImage, IncidentStatus, ResourceImage};
use crate::engine::effect::{TicketImage, TicketState};
use crate::model::severity::Severity;
use crate::model::time::{NS_PER_S, Timestamp};
use crate::shell::api::intern::Interner;
use crate::shell::api::table::{Row, by_length_then_text};
use crate::shell::publish::Rank;
use std::cmp::Ordering;
use std::sync::Arc;

/// An alarm. The two values that repeats move are beside the pointer, not behind it.
#[derive(Clone, Debug)]
pub struct AlarmRow {
    /// What only an effect changes.
    pub fixed: Arc<PackedAlarm>,
    /// Raises received, repeats included.
    pub occurrences: u64,
    /// When the last raise was received.
    pub last_raised: Timestamp,
}

/// The texts of an alarm shared with other rows where they repeat.
#[derive(Debug)]
pub struct PackedAlarm {
    rank: Rank,
    id: Box<str>,
    /// `device` or `device/component`.
    pub resource: Arc<str>,
    /// Alarm type id.
    pub alarm_type: Arc<str>,
    /// Alarm type qualifier.
    pub qualifier: Arc<str>,
    /// Last severity while raised.
    pub perceived_severity: Severity,
    /// Whether the condition is gone.
    pub is_cleared: bool,
    /// Incident that it belongs to.
    pub incident: Option<Arc<str>>,
    /// Channels that told it, joined by `+`.
    pub source: Arc<str>,
    time_created: Timestamp,
    last_changed: Timestamp,
    text: Box<str>,
    event_type: Arc<str>,
    probable_cause: Arc<str>,
    is_flapping: bool,
    why: Arc<str>,
    faults: Box<[Arc<str>]>,
    rule: Arc<str>,
}

impl AlarmRow {
    /// Packs an image.
    pub fn new(rank: Rank, image: &AlarmImage, interner: &mut Interner) -> Self {
        let fixed = PackedAlarm {
            rank,
            id: image.id.as_str().into(),
            resource: interner.share(&image.resource),
            alarm_type: interner.share(&image.alarm_type),
            qualifier: interner.share(&image.qualifier),
            perceived_severity: image.perceived_severity,
            is_cleared: image.is_cleared,
            incident: image.incident.as_deref().map(|incident| interner.share(incident)),
            source: interner.share(&image.source),
            time_created: image.time_created,
            last_changed: image.last_changed,
            text: image.text.as_str().into(),
            event_type: interner.share(&image.event_type),
            probable_cause: interner.share(&image.probable_cause),
            is_flapping: image.is_flapping,
            why: interner.share(&image.why),
            faults: interner.share_all(&image.faults),
            rule: interner.share(&image.rule),
        };
        Self {
            fixed: Arc::new(fixed),
            occurrences: image.occurrences,
            last_raised: image.last_raised,
        }
    }

    /// The image, with the counts of now.
    #[must_use]
    pub fn image(&self) -> AlarmImage {
        let fixed = &*self.fixed;
        AlarmImage {
            id: fixed.id.to_string(),
            resource: fixed.resource.to_string(),
            alarm_type: fixed.alarm_type.to_string(),
            qualifier: fixed.qualifier.to_string(),
            perceived_severity: fixed.perceived_severity,
            is_cleared: fixed.is_cleared,
            time_created: fixed.time_created,
            last_raised: self.last_raised,
            last_changed: fixed.last_changed,
            occurrences: self.occurrences,
            incident: fixed.incident.as_deref().map(str::to_owned),
            source: fixed.source.to_string(),
            text: fixed.text.to_string(),
            event_type: fixed.event_type.to_string(),
            probable_cause: fixed.probable_cause.to_string(),
            is_flapping: fixed.is_flapping,
            why: fixed.why.to_string(),
            faults: owned(&fixed.faults),
            rule: fixed.rule.to_string(),
        }
    }

    /// Counts only grow, in whichever order image and repeats are told.
    pub fn count(&mut self, occurrences: u64, last_raised: Timestamp) {
        self.occurrences = self.occurrences.max(occurrences);
        self.last_raised = self.last_raised.max(last_raised);
    }
}

impl Row for AlarmRow {
    fn key(&self) -> &str {
        &self.fixed.id
    }

    fn rank(&self) -> Rank {
        self.fixed.rank
    }

    fn is_ended(&self) -> bool {
        self.fixed.is_cleared
    }

    fn compare(left: &str, right: &str) -> Ordering {
        by_length_then_text(left, right)
    }
}

/// A sender or a named part of one.
#[derive(Clone, Debug)]
pub struct ResourceRow(pub Arc<PackedResource>);

/// A resource with its texts shared.
#[derive(Debug)]
pub struct PackedResource {
    rank: Rank,
    name: Arc<str>,
    /// Device part.
    pub device: Arc<str>,
    /// Whether the inventory knows it.
    pub is_known: bool,
    /// `up`, `down` or `degraded`.
    pub state: Arc<str>,
    is_orphaned: bool,
    admin_down: bool,
    addresses: Box<[Arc<str>]>,
    aliases: Box<[Arc<str>]>,
    first_heard: Option<Timestamp>,
    active_alarms: u64,
}

impl ResourceRow {
    /// Packs an image.
    pub fn new(rank: Rank, image: &ResourceImage, interner: &mut Interner) -> Self {
        Self(Arc::new(PackedResource {
            rank,
            name: interner.share(&image.name),
            device: interner.share(&image.device),
            is_known: image.is_known,
            state: interner.share(&image.state),
            is_orphaned: image.is_orphaned,
            admin_down: image.admin_down,
            addresses: interner.share_all(&image.addresses),
            aliases: interner.share_all(&image.aliases),
            first_heard: image.first_heard,
            active_alarms: image.active_alarms,
        }))
    }

    /// The image.
    #[must_use]
    pub fn image(&self) -> ResourceImage {
        let packed = &*self.0;
        ResourceImage {
            name: packed.name.to_string(),
            device: packed.device.to_string(),
            is_known: packed.is_known,
            is_orphaned: packed.is_orphaned,
            addresses: owned(&packed.addresses),
            aliases: owned(&packed.aliases),
            first_heard: packed.first_heard,
            admin_down: packed.admin_down,
            state: packed.state.to_string(),
            active_alarms: packed.active_alarms,
        }
    }
}

impl Row for ResourceRow {
    fn key(&self) -> &str {
        &self.0.name
    }

    fn rank(&self) -> Rank {
        self.0.rank
    }

    /// A sender that the inventory does not know and that has nothing to say: anybody can make
    /// such rows by inventing source addresses, so they are the first to go.
    fn is_ended(&self) -> bool {
        !self.0.is_known && !self.0.is_orphaned && self.0.active_alarms == 0
    }

    fn compare(left: &str, right: &str) -> Ordering {
        left.cmp(right)
    }
}

/// An incident: there are few, so the image is kept as it came.
#[derive(Clone, Debug)]
pub struct IncidentRow(pub Arc<(Rank, IncidentImage)>);

impl Row for IncidentRow {
    fn key(&self) -> &str {
        &self.0.1.id
    }

    fn rank(&self) -> Rank {
        self.0.0
    }

    fn is_ended(&self) -> bool {
        matches!(self.0.1.status, IncidentStatus::Closed | IncidentStatus::Merged)
    }

    fn compare(left: &str, right: &str) -> Ordering {
        by_length_then_text(left, right)
    }
}

/// A ticket: there are few, so the image is kept as it came.
#[derive(Clone, Debug)]
pub struct TicketRow(pub Arc<(Rank, TicketImage)>);

impl TicketRow {
    /// The image with its clock read at `at`: while the clock runs, what is left is counted from
    /// `breach_at`, since the image is as old as the last change.
    #[must_use]
    pub fn image(&self, at: Timestamp) -> TicketImage {
        let mut image = self.0.1.clone();
        if let (true, Some(target_s), Some(breach_at)) =
            (image.clock_running, image.gtr_target_s, image.breach_at)
        {
            let remaining_s = breach_at.ns_since(at).div_euclid(NS_PER_S);
            image.remaining_s = Some(remaining_s);
            image.elapsed_s = target_s.saturating_sub(remaining_s);
        }
        image
    }
}

impl Row for TicketRow {
    fn key(&self) -> &str {
        &self.0.1.number
    }

    fn rank(&self) -> Rank {
        self.0.0
    }

    fn is_ended(&self) -> bool {
        matches!(self.0.1.state, TicketState::Closed | TicketState::Cancelled)
    }

    /// By series, then by counter, which grows past its six digits one day.
    fn compare(left: &str, right: &str) -> Ordering {
        let (left_series, left_counter) = left.rsplit_once('-').unwrap_or(("", left));
        let (right_series, right_counter) = right.rsplit_once('-').unwrap_or(("", right));
        left_series
            .cmp(right_series)
            .then_with(|| by_length_then_text(left_counter, right_counter))
            .then_with(|| left.cmp(right))
    }
}

fn owned(texts: &[Arc<str>]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}
