//! Rows of the view: the engine's images, packed so that a hundred thousand of them are cheap to
//! keep and to publish, and unpacked again when somebody asks.
//!
//! In: images. Out: rows that clone by pointer, and from a row the very image that it was made of,
//! so that JSON is defined in one place only: the image.

use crate::engine::effect::{AlarmImage, IncidentImage, IncidentStatus, ResourceImage};
use crate::engine::effect::{TicketImage, TicketState};
use crate::model::severity::Severity;
use crate::model::silence::{Silence, SilenceState, silence_id};
use crate::model::time::{NS_PER_S, Timestamp};
use crate::shell::api::intern::Interner;
use crate::shell::api::table::Row;
use crate::shell::publish::Rank;
use smol_str::SmolStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// An alarm.
#[derive(Clone, Debug)]
pub struct AlarmRow {
    number: u64,
    /// What only an effect changes, and the counts.
    pub fixed: Arc<PackedAlarm>,
}

/// The texts of an alarm shared with other rows where they repeat.
#[derive(Debug)]
pub struct PackedAlarm {
    rank: Rank,
    /// The two values that repeats move, in place: every version that holds the alarm shows them
    /// as they are now, and a repeat costs no version.
    occurrences: AtomicU64,
    last_raised: AtomicI64,
    id: SmolStr,
    /// `device` or `device/component`.
    pub resource: Arc<str>,
    /// What many alarms have alike.
    pub shape: Arc<AlarmShape>,
    /// Alarm type qualifier.
    pub qualifier: Arc<str>,
    /// Last severity while raised.
    pub perceived_severity: Severity,
    /// Whether the condition is gone.
    pub is_cleared: bool,
    /// Incident that it belongs to.
    pub incident: Option<SmolStr>,
    time_created: Timestamp,
    last_changed: Timestamp,
    text: Arc<str>,
    is_flapping: bool,
    faults: Box<[Arc<str>]>,
    /// What few alarms have.
    told: Option<Box<Told>>,
}

/// The texts in which the alarms of one kind are all alike: one copy for all of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AlarmShape {
    /// Alarm type id.
    pub alarm_type: SmolStr,
    /// Channels that told it, joined by `+`.
    pub source: SmolStr,
    event_type: SmolStr,
    probable_cause: SmolStr,
    why: SmolStr,
    rule: SmolStr,
}

/// What only samples, alerts and some messages say of an alarm.
#[derive(Debug)]
struct Told {
    occurred_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    lease_until: Option<Timestamp>,
    labels: Box<str>,
}

impl Told {
    fn of(image: &AlarmImage) -> Option<Box<Self>> {
        let told = Self {
            occurred_at: image.occurred_at,
            ended_at: image.ended_at,
            lease_until: image.lease_until,
            labels: image.labels.as_str().into(),
        };
        let has_time =
            [told.occurred_at, told.ended_at, told.lease_until].iter().any(Option::is_some);
        (has_time || !told.labels.is_empty()).then(|| Box::new(told))
    }
}

impl AlarmShape {
    /// The shared copy of an image's shape.
    fn of(image: &AlarmImage, interner: &mut Interner) -> Arc<Self> {
        let shape = Self {
            alarm_type: image.alarm_type.clone(),
            source: image.source.clone(),
            event_type: image.event_type.clone(),
            probable_cause: image.probable_cause.clone(),
            why: image.why.clone(),
            rule: image.rule.clone(),
        };
        interner.share_shape(shape)
    }
}

impl AlarmRow {
    /// Packs an image.
    pub fn new(rank: Rank, image: &AlarmImage, interner: &mut Interner) -> Self {
        let fixed = PackedAlarm {
            rank,
            occurrences: AtomicU64::new(image.occurrences),
            last_raised: AtomicI64::new(image.last_raised.0),
            id: image.id.clone(),
            resource: interner.share(&image.resource),
            shape: AlarmShape::of(image, interner),
            qualifier: interner.share(&image.qualifier),
            perceived_severity: image.perceived_severity,
            is_cleared: image.is_cleared,
            incident: image.incident.clone(),
            time_created: image.time_created,
            last_changed: image.last_changed,
            text: Arc::clone(&image.text),
            is_flapping: image.is_flapping,
            faults: interner.share_all(&image.faults),
            told: Told::of(image),
        };
        Self { number: number_in(&image.id), fixed: Arc::new(fixed) }
    }

    /// The image, with the counts of now.
    #[must_use]
    pub fn image(&self) -> AlarmImage {
        let fixed = &*self.fixed;
        let (shape, told) = (&*fixed.shape, fixed.told.as_deref());
        AlarmImage {
            id: fixed.id.clone(),
            resource: SmolStr::from(Arc::clone(&fixed.resource)),
            alarm_type: shape.alarm_type.clone(),
            qualifier: SmolStr::from(Arc::clone(&fixed.qualifier)),
            perceived_severity: fixed.perceived_severity,
            is_cleared: fixed.is_cleared,
            time_created: fixed.time_created,
            last_raised: self.last_raised(),
            last_changed: fixed.last_changed,
            occurred_at: told.and_then(|told| told.occurred_at),
            ended_at: told.and_then(|told| told.ended_at),
            lease_until: told.and_then(|told| told.lease_until),
            labels: told.map(|told| told.labels.to_string()).unwrap_or_default(),
            occurrences: self.occurrences(),
            incident: fixed.incident.clone(),
            source: shape.source.clone(),
            text: Arc::clone(&fixed.text),
            event_type: shape.event_type.clone(),
            probable_cause: shape.probable_cause.clone(),
            is_flapping: fixed.is_flapping,
            why: shape.why.clone(),
            faults: owned(&fixed.faults),
            rule: shape.rule.clone(),
        }
    }

    /// Counts only grow, in whichever order image and repeats are told.
    pub fn count(&self, occurrences: u64, last_raised: Timestamp) {
        self.fixed.occurrences.fetch_max(occurrences, Ordering::Relaxed);
        self.fixed.last_raised.fetch_max(last_raised.0, Ordering::Relaxed);
    }

    /// Raises received, repeats included.
    #[must_use]
    pub fn occurrences(&self) -> u64 {
        self.fixed.occurrences.load(Ordering::Relaxed)
    }

    /// When the last raise was received.
    #[must_use]
    pub fn last_raised(&self) -> Timestamp {
        Timestamp(self.fixed.last_raised.load(Ordering::Relaxed))
    }
}

impl Row for AlarmRow {
    type Place = u64;

    fn key(&self) -> &str {
        &self.fixed.id
    }

    fn place(&self) -> &u64 {
        &self.number
    }

    fn place_of(key: &str) -> u64 {
        number_in(key)
    }

    fn rank(&self) -> Rank {
        self.fixed.rank
    }

    fn is_ended(&self) -> bool {
        self.fixed.is_cleared
    }
}

/// A sender or a named part of one.
#[derive(Clone, Debug)]
pub struct ResourceRow {
    name: Arc<str>,
    /// The rest of it.
    pub fixed: Arc<PackedResource>,
}

/// A resource with its texts shared.
#[derive(Debug)]
pub struct PackedResource {
    rank: Rank,
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
        let name = interner.share(&image.name);
        let fixed = Arc::new(PackedResource {
            rank,
            device: interner.share(&image.device),
            is_known: image.is_known,
            state: interner.share(&image.state),
            is_orphaned: image.is_orphaned,
            admin_down: image.admin_down,
            addresses: interner.share_all(&image.addresses),
            aliases: interner.share_all(&image.aliases),
            first_heard: image.first_heard,
            active_alarms: image.active_alarms,
        });
        Self { name, fixed }
    }

    /// The image.
    #[must_use]
    pub fn image(&self) -> ResourceImage {
        let packed = &*self.fixed;
        ResourceImage {
            name: SmolStr::from(Arc::clone(&self.name)),
            device: SmolStr::from(Arc::clone(&packed.device)),
            is_known: packed.is_known,
            is_orphaned: packed.is_orphaned,
            addresses: owned(&packed.addresses),
            aliases: owned(&packed.aliases),
            first_heard: packed.first_heard,
            admin_down: packed.admin_down,
            state: SmolStr::from(Arc::clone(&packed.state)),
            active_alarms: packed.active_alarms,
        }
    }
}

impl Row for ResourceRow {
    type Place = Arc<str>;

    fn key(&self) -> &str {
        &self.name
    }

    fn place(&self) -> &Arc<str> {
        &self.name
    }

    fn place_of(key: &str) -> Arc<str> {
        key.into()
    }

    fn rank(&self) -> Rank {
        self.fixed.rank
    }

    /// A sender that the inventory does not know and that has nothing to say: anybody can make
    /// such rows by inventing source addresses, so they are the first to go.
    fn is_ended(&self) -> bool {
        !self.fixed.is_known && !self.fixed.is_orphaned && self.fixed.active_alarms == 0
    }
}

/// An incident: there are few, so the image is kept as it came.
#[derive(Clone, Debug)]
pub struct IncidentRow {
    number: u64,
    rank: Rank,
    /// The image.
    pub image: Arc<IncidentImage>,
}

impl IncidentRow {
    /// Keeps an image.
    pub fn new(rank: Rank, image: &Arc<IncidentImage>) -> Self {
        Self { number: number_in(&image.id), rank, image: Arc::clone(image) }
    }
}

impl Row for IncidentRow {
    type Place = u64;

    fn key(&self) -> &str {
        &self.image.id
    }

    fn place(&self) -> &u64 {
        &self.number
    }

    fn place_of(key: &str) -> u64 {
        number_in(key)
    }

    fn rank(&self) -> Rank {
        self.rank
    }

    fn is_ended(&self) -> bool {
        matches!(self.image.status, IncidentStatus::Closed | IncidentStatus::Merged)
    }
}

/// A silence: there are few, so it is kept as it came.
#[derive(Clone, Debug)]
pub struct SilenceRow {
    rank: Rank,
    key: Arc<str>,
    /// The silence.
    pub silence: Arc<Silence>,
}

impl SilenceRow {
    /// Keeps a silence.
    pub fn new(rank: Rank, silence: &Arc<Silence>) -> Self {
        Self { rank, key: silence.name().into(), silence: Arc::clone(silence) }
    }
}

impl Row for SilenceRow {
    type Place = u64;

    fn key(&self) -> &str {
        &self.key
    }

    fn place(&self) -> &u64 {
        &self.silence.id
    }

    fn place_of(key: &str) -> u64 {
        silence_id(key).unwrap_or(u64::MAX)
    }

    fn rank(&self) -> Rank {
        self.rank
    }

    fn is_ended(&self) -> bool {
        self.silence.state == SilenceState::Expired
    }
}

/// A ticket: there are few, so the image is kept as it came.
#[derive(Clone, Debug)]
pub struct TicketRow {
    place: TicketPlace,
    rank: Rank,
    /// The image, as it was made.
    pub fixed: Arc<TicketImage>,
}

/// By series, then by counter, which grows past its six digits one day.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct TicketPlace {
    series: Arc<str>,
    counter: u64,
}

impl TicketRow {
    /// Keeps an image.
    pub fn new(rank: Rank, image: &Arc<TicketImage>) -> Self {
        let place = Self::place_of(&image.number);
        Self { place, rank, fixed: Arc::clone(image) }
    }

    /// The image with its clock read at `at`: while the clock runs, what is left is counted from
    /// `breach_at`, since the image is as old as the last change.
    #[must_use]
    pub fn image(&self, at: Timestamp) -> TicketImage {
        let mut image = TicketImage::clone(&self.fixed);
        if let (true, Some(target_s), Some(breach_at)) =
            (image.clock_running, image.gtr_target_s, image.breach_at)
        {
            let remaining_s = breach_at.ns_since(at).div_euclid(NS_PER_S);
            image.remaining_s = Some(remaining_s);
            image.elapsed_s = target_s.saturating_sub(remaining_s);
        } else if image.clock_running {
            image.elapsed_s = elapsed_s(&image, at);
        }
        image
    }
}

/// What a running clock without a target has counted: from its start, without the times between a
/// restoration and the relapse that withdrew it.
fn elapsed_s(image: &TicketImage, at: Timestamp) -> i64 {
    let mut counted_ns = 0_i64;
    let mut since = Some(image.gtr_started_at);
    for entry in image.times.iter().filter(|entry| entry.name == "restored_at") {
        match entry.value {
            Some(restored_at) => {
                if let Some(start) = since.take() {
                    counted_ns = counted_ns.saturating_add(restored_at.ns_since(start).max(0));
                }
            }
            None => since = Some(entry.entered_at),
        }
    }
    let runs_ns = since.map_or(0, |start| at.ns_since(start).max(0));
    counted_ns.saturating_add(runs_ns).div_euclid(NS_PER_S)
}

impl Row for TicketRow {
    type Place = TicketPlace;

    fn key(&self) -> &str {
        &self.fixed.number
    }

    fn place(&self) -> &TicketPlace {
        &self.place
    }

    fn place_of(key: &str) -> TicketPlace {
        let (series, counter) = key.rsplit_once('-').unwrap_or((key, ""));
        TicketPlace { series: series.into(), counter: counter.parse().unwrap_or(u64::MAX) }
    }

    fn rank(&self) -> Rank {
        self.rank
    }

    fn is_ended(&self) -> bool {
        matches!(self.fixed.state, TicketState::Closed | TicketState::Cancelled)
    }
}

/// The number behind the letter of an id; for other text one that no id has.
fn number_in(id: &str) -> u64 {
    id.get(1..).and_then(|number| number.parse().ok()).unwrap_or(u64::MAX)
}

fn owned(texts: &[Arc<str>]) -> Vec<SmolStr> {
    texts.iter().map(|text| SmolStr::from(Arc::clone(text))).collect()
}
