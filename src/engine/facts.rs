//! What the active alarms of an incident show: its earliest alarm, and the services that it
//! affects, by contract. Gathered a slice at a time, on one state of things: while a large incident
//! is looked at, states stand still and deadlines wait.

use crate::correlate::correlator::ServiceSince;
use crate::correlate::incident::Incident;
use crate::correlate::reach::Descent;
use crate::correlate::resource::{ResourceKind, Slot};
use crate::engine::Engine;
use crate::engine::image::contract_service_name;
use crate::engine::nature::nature_of;
use crate::model::severity::Severity;
use crate::model::time::{EngineTime, Timestamp};
use crate::ticket::policy::{AffectedContract, ByContract, IncidentFacts};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ops::Bound;

/// What is known so far of an incident that is looked at.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Gathering {
    incident: u64,
    /// Worst severity of its active alarms, and when the last of them was raised, when this began.
    severity: Severity,
    failed_at: EngineTime,
    stage: Stage,
    evidence: Evidence,
    descent: Descent,
    services: Vec<Slot>,
    contracts: ByContract,
}

/// What is next.
#[derive(Clone, Copy, Serialize, Deserialize)]
enum Stage {
    /// Its alarms, from that place on.
    Alarms(usize),
    /// What is below the resource of that alarm.
    Below(Shown),
    /// What is below the root. One without an alarm of its own is shown by the earliest alarm of
    /// the incident.
    BelowRoot,
}

/// How far it is.
pub(super) enum Gathered {
    /// What a step may cost is spent.
    Partly(Box<Gathering>),
    /// All that there is; nothing where nothing is active any more.
    Wholly(Option<IncidentFacts>),
}

impl Gathering {
    /// Nothing so far of that incident.
    pub(super) fn of(incident: &Incident) -> Box<Self> {
        Box::new(Self {
            incident: incident.id,
            severity: incident.worst_active().unwrap_or(Severity::Indeterminate),
            failed_at: incident.last_raise_at.engine,
            stage: Stage::Alarms(0),
            evidence: Evidence::default(),
            descent: Descent::default(),
            services: Vec::new(),
            contracts: ByContract::new(),
        })
    }

    /// The incident that is looked at.
    pub(super) fn incident(&self) -> u64 {
        self.incident
    }
}

impl Engine {
    /// Gathers the next slice of what is known of an incident; notes which services it affects.
    pub(super) fn gather(&mut self, mut gathering: Box<Gathering>) -> Gathered {
        let mut left = self.correlator.slice(GATHERED_UNITS);
        loop {
            let incident = self.correlator.incidents.get(&gathering.incident);
            let Some(incident) = incident.filter(|incident| incident.is_live()) else {
                return Gathered::Wholly(None);
            };
            let is_over = match gathering.stage {
                Stage::Alarms(from) => {
                    self.gather_alarms(incident, from, &mut gathering, &mut left);
                    false
                }
                Stage::Below(shown) => {
                    gathering.descent.begin_at(shown.resource);
                    if self.gather_below(Some(shown), &mut gathering, &mut left) {
                        let next = gathering.evidence.next_after(shown);
                        gathering.stage = next.map_or(Stage::BelowRoot, Stage::Below);
                        left = left.saturating_sub(1);
                    }
                    false
                }
                Stage::BelowRoot => {
                    gathering.descent.begin_at(incident.root);
                    self.gather_below(None, &mut gathering, &mut left)
                }
            };
            if is_over {
                return Gathered::Wholly(self.facts(*gathering));
            }
            if left == 0 {
                return Gathered::Partly(gathering);
            }
        }
    }

    fn gather_alarms(
        &self,
        incident: &Incident,
        from: usize,
        gathering: &mut Gathering,
        left: &mut usize,
    ) {
        let alarms = incident.alarms.get(from..).unwrap_or_default();
        let count = alarms.len().min((*left / ALARM_UNITS).max(1));
        *left = left.saturating_sub(count.saturating_mul(ALARM_UNITS).max(1));
        let known = alarms.iter().take(count).filter_map(|(slot, alarm_id)| {
            self.correlator.alarms.get(*slot).filter(|alarm| alarm.id == *alarm_id)
        });
        for alarm in known.filter(|alarm| alarm.is_active()) {
            gathering.evidence.add(Shown {
                detected_at: alarm.active_since.wall,
                alarm: alarm.id,
                occurred_at: alarm.occurred_at,
                resource: alarm.resource,
                active_since: alarm.active_since.engine,
            });
        }
        let first = gathering.evidence.first();
        gathering.stage = if count < alarms.len() {
            Stage::Alarms(from.saturating_add(count))
        } else {
            first.map_or(Stage::BelowRoot, Stage::Below)
        };
    }

    /// Whether everything below what was begun with is gathered. It is shown by that alarm.
    fn gather_below(
        &self,
        shown: Option<Shown>,
        gathering: &mut Gathering,
        left: &mut usize,
    ) -> bool {
        let correlator = &self.correlator;
        while let Some(slot) = gathering.descent.next(&correlator.topology, left) {
            if correlator.resources.get(slot).kind != ResourceKind::Service {
                continue;
            }
            *left = left.saturating_sub(SERVICE_UNITS);
            gathering.services.push(slot);
            let Some(affected) = self.affected_by(slot, shown, &gathering.evidence) else {
                continue;
            };
            match gathering.contracts.get_mut(&affected.contract) {
                Some(known) => known.take_in(affected),
                None => {
                    gathering.contracts.insert(affected.contract.clone(), affected);
                }
            }
        }
        gathering.descent.is_over()
    }

    /// The contract of a service, with the earliest alarm that shows the service affected. `above`
    /// is the first alarm above it, whatever its time.
    fn affected_by(
        &self,
        slot: Slot,
        above: Option<Shown>,
        evidence: &Evidence,
    ) -> Option<AffectedContract> {
        let contract = self.contract_of.get(&slot)?;
        let nature = nature_of(self.correlator.topology.state(slot))?;
        let since = self.correlator.service_since.get(&slot);
        let by = self.shown_by((slot, above), since, evidence)?;
        let failed_at = since.and_then(|since| since.failed_at.or(since.left_up_at));
        Some(AffectedContract {
            contract: contract.clone(),
            services: vec![contract_service_name(self.correlator.resources.get(slot))],
            nature,
            detected_at: by.detected_at,
            occurred_at: by.occurred_at,
            failed_at: failed_at.map_or(by.active_since, |at| at.engine),
            carried_until: since.and_then(ServiceSince::carried_until),
        })
    }

    /// The earliest alarm that shows a service affected, of those since it left *up*: what was lost
    /// before, while redundancy still carried it, shows nothing of it.
    fn shown_by(
        &self,
        (service, above): (Slot, Option<Shown>),
        since: Option<&ServiceSince>,
        evidence: &Evidence,
    ) -> Option<Shown> {
        // Messages closer together than this are not told apart by their order.
        let simultaneous_ms =
            i64::try_from(self.correlator.settings.simultaneous_ms).unwrap_or(i64::MAX);
        let simultaneous_ns = simultaneous_ms.saturating_mul(1_000_000);
        let left_up_at = since.and_then(|since| since.left_up_at);
        let from = left_up_at.map(|at| at.wall.plus_ns(simultaneous_ns.saturating_neg()));
        let first = evidence.first()?;
        let later = from.filter(|from| first.detected_at < *from);
        let Some((from, next)) = later.and_then(|from| Some((from, evidence.first_from(from)?)))
        else {
            return Some(above.unwrap_or(first));
        };
        let rank_of = |slot| evidence.first_of(slot, from);
        Some(self.correlator.topology.first_above(service, rank_of).unwrap_or(next))
    }

    /// All that was gathered; nothing when nothing is active.
    fn facts(&mut self, gathering: Gathering) -> Option<IncidentFacts> {
        let Gathering { incident: id, severity, failed_at, evidence, services, contracts, .. } =
            gathering;
        let first = evidence.first()?;
        self.spent = Some(evidence).filter(|evidence| evidence.shown.len() > SHRUNK_AT_ONCE);
        let incident = self.correlator.incidents.get_mut(&id)?;
        incident.services.extend(services);
        incident.services.sort_unstable();
        incident.services.dedup();
        let root = self.correlator.resources.get(incident.root);
        let device = self.correlator.resources.get(root.parent);
        Some(IncidentFacts {
            incident: id,
            root_resource: root.name(),
            severity,
            is_known: device.is_known || root.is_known,
            failed_at,
            contracts,
            detected_at: first.detected_at,
            occurred_at: first.occurred_at,
        })
    }
}

/// The active alarms of an incident, earliest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Evidence {
    shown: BTreeSet<Shown>,
    /// Each resource with the times and ids of its alarms.
    by_resource: BTreeSet<(Slot, Timestamp, u64)>,
}

impl Evidence {
    fn add(&mut self, shown: Shown) {
        self.shown.insert(shown);
        self.by_resource.insert((shown.resource, shown.detected_at, shown.alarm));
    }

    fn first(&self) -> Option<Shown> {
        self.shown.first().copied()
    }

    fn next_after(&self, shown: Shown) -> Option<Shown> {
        self.shown.range((Bound::Excluded(shown), Bound::Unbounded)).next().copied()
    }

    /// The first from that time on.
    fn first_from(&self, from: Timestamp) -> Option<Shown> {
        self.shown.range(Shown::earliest(from)..).next().copied()
    }

    /// The first of a resource from that time on.
    fn first_of(&self, resource: Slot, from: Timestamp) -> Option<Shown> {
        let (of, detected_at, alarm) = *self.by_resource.range((resource, from, 0)..).next()?;
        let place = Shown { alarm, ..Shown::earliest(detected_at) };
        self.shown.range(place..).next().filter(|_| of == resource).copied()
    }

    /// Gives some of the memory back; whether there is more. To give back that of a hundred
    /// thousand alarms at once would stop the engine.
    pub(super) fn shrink(&mut self) -> bool {
        for _ in 0..SHRUNK_AT_ONCE {
            let last = (self.shown.pop_last(), self.by_resource.pop_last());
            if last == (None, None) {
                return false;
            }
        }
        true
    }
}

/// One active alarm.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
struct Shown {
    detected_at: Timestamp,
    alarm: u64,
    occurred_at: Option<Timestamp>,
    resource: Slot,
    active_since: EngineTime,
}

impl Shown {
    /// Before every other one of that time.
    fn earliest(detected_at: Timestamp) -> Self {
        Self { detected_at, alarm: 0, occurred_at: None, resource: 0, active_since: EngineTime(0) }
    }
}

/// Alarms of which the memory is given back at a time.
const SHRUNK_AT_ONCE: usize = 1_024;
/// What one step may cost in looks at resources.
const GATHERED_UNITS: usize = 4_096;
/// An alarm costs so many of them.
const ALARM_UNITS: usize = 2;
/// And a service.
const SERVICE_UNITS: usize = 4;
