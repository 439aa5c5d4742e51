//! What is measured all day: every hypervisor by a Telegraf of its own, every optic by a Prometheus
//! that reads the switches through snmp_exporter.
//!
//! Servers with two links hang on copper; every other link is a fibre with an optic at each end.
//!
//! In: the time, and what faults do to the equipment. Out: requests as those collectors post them.
//! Values are steady, with noise that stays far from every limit; only an optic that fades leaves
//! its band.

use super::packets::{Optic, Report, host_report, optics_report};
use super::plan::{Datacenter, End, Place, Role};
use super::random::Random;
use super::show::Moment;
use std::collections::BTreeSet;

/// What faults do to what is measured.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Condition {
    /// Devices of which nothing is measured.
    pub(super) silent: BTreeSet<Place>,
    /// Ports whose link is down, so that their optics have nothing to tell.
    pub(super) dark: BTreeSet<End>,
    /// Optics that fade, and for how long they have done so, ms.
    pub(super) fading: Vec<(End, u64)>,
}

/// The collectors, always the same for one seed.
pub(super) struct Telemetry {
    random: Random,
    next_rack: usize,
    next_rack_ms: u64,
    next_optics_ms: u64,
}

impl Telemetry {
    pub(super) fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), next_rack: 0, next_rack_ms: 0, next_optics_ms: 0 }
    }

    /// What is posted by now: rack by rack the hypervisors, every second all optics.
    pub(super) fn due(
        &mut self,
        plan: &Datacenter,
        now: Moment,
        condition: &Condition,
    ) -> Vec<Report> {
        let mut reports = Vec::new();
        if now.ms >= self.next_rack_ms {
            self.next_rack_ms = now.ms.saturating_add(RACK_EVERY_MS);
            reports.extend(self.rack(plan, now, condition));
        }
        if now.ms >= self.next_optics_ms {
            self.next_optics_ms = now.ms.saturating_add(OPTICS_EVERY_MS);
            reports.push(self.optics(plan, now, condition));
        }
        reports
    }

    fn rack(&mut self, plan: &Datacenter, now: Moment, condition: &Condition) -> Option<Report> {
        let rack = plan.racks.get(self.next_rack)?;
        self.next_rack = self.next_rack.saturating_add(1) % plan.racks.len().max(1);
        let awake = rack.hypervisors.iter().filter(|place| !condition.silent.contains(place));
        let names: Vec<&str> = awake.map(|place| plan.device(*place).name.as_str()).collect();
        let random = &mut self.random;
        (!names.is_empty())
            .then(|| host_report(&names, now.wall, |mean, by| noise(random, mean, by)))
    }

    fn optics(&mut self, plan: &Datacenter, now: Moment, condition: &Condition) -> Report {
        let mut optics = Vec::new();
        for (place, device) in plan.devices.iter().enumerate() {
            let has_optics =
                matches!(device.role, Role::Router | Role::Aggregation | Role::TopOfRack);
            if !has_optics || condition.silent.contains(&place) {
                continue;
            }
            for (number, port) in device.ports.iter().enumerate() {
                let end = End { device: place, port: number };
                let is_copper =
                    port.peer.is_some_and(|peer| plan.device(peer.device).role == Role::Hypervisor);
                if is_copper {
                    continue;
                }
                let power_cdbm = noise(&mut self.random, POWER_CDBM, NOISE_CDB);
                let fading = condition.fading.iter().find(|(known, _)| *known == end);
                let power_cdbm = match fading {
                    Some((_, for_ms)) => faded(power_cdbm, *for_ms),
                    None if condition.dark.contains(&end) => continue,
                    None => power_cdbm,
                };
                optics.push(Optic { agent: device.address, port, power_cdbm });
            }
        }
        optics_report(&optics, now.wall)
    }
}

/// A value near its mean.
fn noise(random: &mut Random, mean: i32, by: u16) -> i32 {
    let spread = usize::from(by).saturating_mul(2).saturating_add(1);
    let above = i32::try_from(random.below(spread)).unwrap_or(0);
    mean.saturating_sub(i32::from(by)).saturating_add(above)
}

/// Light of an optic that fades, down to where there is none.
fn faded(power_cdbm: i32, for_ms: u64) -> i32 {
    let lost_cdb = for_ms.saturating_mul(FADING_CDB_PER_S) / 1_000;
    let lost_cdb = i32::try_from(lost_cdb).unwrap_or(i32::MAX);
    power_cdbm.saturating_sub(lost_cdb).max(DARK_CDBM)
}

/// Between two racks, ms: each of the twenty every two seconds.
const RACK_EVERY_MS: u64 = 100;
/// Between two measurements of an optic, ms.
const OPTICS_EVERY_MS: u64 = 1_000;
/// What a healthy optic receives, 1/100 dBm, and by how much that varies, 1/100 dB.
const POWER_CDBM: i32 = -400;
const NOISE_CDB: u16 = 30;
/// What an optic measures that receives nothing, 1/100 dBm.
const DARK_CDBM: i32 = -4_000;
/// How fast a dying optic loses light, 1/100 dB a second.
const FADING_CDB_PER_S: u64 = 700;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Timestamp;

    #[test]
    fn noise_stays_in_its_band_and_a_fading_optic_leaves_it() {
        let mut random = Random::new(4);
        let values: Vec<i32> =
            (0..500).map(|_| noise(&mut random, POWER_CDBM, NOISE_CDB)).collect();
        assert_eq!(values.iter().min(), Some(&-430));
        assert_eq!(values.iter().max(), Some(&-370));
        assert_eq!(
            [0, 1_000, 2_000, 60_000].map(|ms| faded(-400, ms)),
            [-400, -1_100, -1_800, -4_000]
        );
        assert_eq!(faded(-400, u64::MAX), DARK_CDBM);
    }

    #[test]
    fn what_is_down_is_not_measured() {
        let plan = Datacenter::new();
        let rack = plan.racks.last().expect("twenty");
        let (server, switch) = (rack.hypervisors[0], rack.switches[0]);
        let moment = Moment { ms: 0, wall: Timestamp(1_795_502_400_000_000_000) };
        let samples = |condition: &Condition| -> Vec<u64> {
            let mut telemetry = Telemetry { next_rack: 19, ..Telemetry::new(1) };
            let reports = telemetry.due(&plan, moment, condition);
            reports.iter().map(|report| report.samples).collect()
        };
        let whole = samples(&Condition::default());
        let [hosts, optics] = whole[..] else { panic!("{whole:?}") };
        let end = End { device: switch, port: 0 };
        let mut condition =
            Condition { silent: [server].into(), dark: [end].into(), fading: Vec::new() };
        let count = u64::try_from(rack.hypervisors.len()).expect("few");
        assert_eq!(samples(&condition), [hosts - hosts / count, optics - 1]);
        condition.fading.push((end, 60_000));
        assert_eq!(samples(&condition), [hosts - hosts / count, optics], "it measures no light");
    }
}
