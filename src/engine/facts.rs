//! What the active alarms of an incident show: its earliest alarm, and the services that it
//! affects, by contract.

use crate::correlate::correlator::ServiceSince;
use crate::correlate::resource::Slot;
use crate::engine::Engine;
use crate::engine::image::contract_service_name;
use crate::engine::nature::nature_of;
use crate::model::severity::Severity;
use crate::model::time::{EngineTime, Timestamp};
use crate::ticket::policy::{AffectedContract, IncidentFacts};
use std::collections::{BTreeMap, btree_map};

impl Engine {
    /// What the active alarms of an incident show; notes which services they affect.
    pub(super) fn facts(&mut self, id: u64) -> Option<IncidentFacts> {
        let incident = self.correlator.incidents.get(&id)?;
        let active = incident
            .alarms
            .iter()
            .filter_map(|(slot, alarm_id)| {
                self.correlator.alarms.get(*slot).filter(|alarm| alarm.id == *alarm_id)
            })
            .filter(|alarm| alarm.is_active())
            .map(|alarm| Shown {
                detected_at: alarm.active_since.wall,
                alarm: alarm.id,
                occurred_at: alarm.occurred_at,
                resource: alarm.resource,
                active_since: alarm.active_since.engine,
            });
        let evidence = Evidence::of(active.collect());
        let first = *evidence.shown.first()?;
        let severity = incident.worst_active().unwrap_or(Severity::Indeterminate);
        let failed_at = incident.last_raise_at.engine;
        let root_slot = incident.root;
        // A root without an alarm of its own is shown by the earliest alarm of the incident.
        let shown = evidence.shown.iter().map(|one| one.resource);
        let services =
            self.correlator.services_below(&shown.chain([root_slot]).collect::<Vec<_>>());
        let contracts = self.affected_contracts(&services, &evidence);
        if let Some(incident) = self.correlator.incidents.get_mut(&id) {
            incident.services.extend(services.iter().map(|(slot, _)| *slot));
            incident.services.sort_unstable();
            incident.services.dedup();
        }
        let root = self.correlator.resources.get(root_slot);
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

    /// The contracts of affected services, each service with the earliest alarm that shows it so.
    fn affected_contracts(
        &self,
        services: &[(Slot, usize)],
        evidence: &Evidence,
    ) -> Vec<AffectedContract> {
        // Side by side, and sorted at the end: there may be tens of thousands, most often one
        // service of each contract and in the order of the inventory already.
        let mut affected = Vec::with_capacity(services.len());
        let mut contracts = Ascending::of(&self.contract_of);
        let mut all_since = Ascending::of(&self.correlator.service_since);
        for (slot, place) in services {
            let Some(contract) = contracts.get(*slot) else { continue };
            let Some(nature) = nature_of(self.correlator.topology.state(*slot)) else { continue };
            let since = all_since.get(*slot);
            let Some(by) = self.shown_by((*slot, *place), since, evidence) else { continue };
            let failed_at = since.and_then(|since| since.failed_at.or(since.left_up_at));
            affected.push(AffectedContract {
                contract: contract.clone(),
                services: vec![contract_service_name(self.correlator.resources.get(*slot))],
                nature,
                detected_at: by.detected_at,
                occurred_at: by.occurred_at,
                failed_at: failed_at.map_or(by.active_since, |at| at.engine),
                carried_until: since.and_then(ServiceSince::carried_until),
            });
        }
        affected.sort_by(|one, other| one.contract.cmp(&other.contract));
        affected.dedup_by(|next, first| {
            let is_same = next.contract == first.contract;
            if is_same {
                first.take_in(next);
            }
            is_same
        });
        for contract in &mut affected {
            contract.services.sort();
        }
        affected
    }

    /// The earliest alarm that shows a service affected, of those since it left *up*: what was lost
    /// before, while redundancy still carried it, shows nothing of it. `place` is that of the
    /// earliest alarm above the service, whatever its time.
    fn shown_by(
        &self,
        (service, place): (Slot, usize),
        since: Option<&ServiceSince>,
        evidence: &Evidence,
    ) -> Option<Shown> {
        // Messages closer together than this are not told apart by their order.
        let simultaneous_ms =
            i64::try_from(self.correlator.settings.simultaneous_ms).unwrap_or(i64::MAX);
        let simultaneous_ns = simultaneous_ms.saturating_mul(1_000_000);
        let left_up_at = since.and_then(|since| since.left_up_at);
        let from = left_up_at.map(|at| at.wall.plus_ns(simultaneous_ns.saturating_neg()));
        let shown = &evidence.shown;
        let earlier = shown.partition_point(|one| Some(one.detected_at) < from);
        if earlier == 0 || earlier == shown.len() {
            return shown.get(place).or(shown.first()).copied();
        }
        let place_of = |slot| evidence.first_of(slot, earlier);
        let place = self.correlator.topology.first_above(service, place_of).unwrap_or(earlier);
        shown.get(place).copied()
    }
}

/// Looks slots up that ascend: where they follow each other closely, as the services below one
/// fault do, the next one is at hand.
struct Ascending<'m, V> {
    map: &'m BTreeMap<Slot, V>,
    ahead: btree_map::Range<'m, Slot, V>,
}

impl<'m, V> Ascending<'m, V> {
    fn of(map: &'m BTreeMap<Slot, V>) -> Self {
        Self { map, ahead: map.range(..) }
    }

    fn get(&mut self, slot: Slot) -> Option<&'m V> {
        let mut next = self.ahead.next();
        if next.is_none_or(|(at, _)| *at != slot) {
            self.ahead = self.map.range(slot..);
            next = self.ahead.next();
        }
        next.filter(|(at, _)| **at == slot).map(|(_, value)| value)
    }
}

/// The active alarms of an incident, earliest first.
struct Evidence {
    shown: Vec<Shown>,
    /// Each resource with the places of its alarms.
    places: Vec<(Slot, usize)>,
}

impl Evidence {
    fn of(mut shown: Vec<Shown>) -> Self {
        shown.sort_unstable();
        let place = |(place, one): (usize, &Shown)| (one.resource, place);
        let mut places: Vec<(Slot, usize)> = shown.iter().enumerate().map(place).collect();
        places.sort_unstable();
        Self { shown, places }
    }

    /// Place of the first alarm of a resource from `earliest` on.
    fn first_of(&self, resource: Slot, earliest: usize) -> Option<usize> {
        let next = self.places.partition_point(|known| *known < (resource, earliest));
        let (slot, place) = self.places.get(next)?;
        (*slot == resource).then_some(*place)
    }
}

/// One active alarm.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Shown {
    detected_at: Timestamp,
    alarm: u64,
    occurred_at: Option<Timestamp>,
    resource: Slot,
    active_since: EngineTime,
}
