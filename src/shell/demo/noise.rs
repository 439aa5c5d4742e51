//! What a network says all day and that is no fault: it must open nothing.

use super::notice::{Notice, What};
use super::plan::{Datacenter, Place, Role};
use super::random::Random;
use std::collections::BTreeSet;

/// Background noise, always the same for one seed.
pub(super) struct Noise {
    random: Random,
    /// Port of the access switch that bounces next: each in its turn, so that none flaps.
    next_port: usize,
}

impl Noise {
    pub(super) fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), next_port: 0 }
    }

    /// What is said next, by none of the silent ones.
    pub(super) fn next(&mut self, plan: &Datacenter, silent: &BTreeSet<Place>) -> Vec<Notice> {
        let pdus: Vec<Place> = (0..plan.devices.len())
            .filter(|place| plan.device(*place).role == Role::Pdu && !silent.contains(place))
            .collect();
        let pdu = self.random.choose(&pdus).copied().unwrap_or(plan.access);
        let one = |from, what| vec![Notice { from, after_ms: 0, what }];
        match self.random.below(7) {
            0 => one(pdu, What::ColdStart),
            1 => one(plan.access, What::AuthenticationFailure),
            2 => {
                let user = *self.random.choose(&["root", "admin", "oracle"]).unwrap_or(&"root");
                one(plan.jump_host, What::WrongPassword { user })
            }
            3 => one(pdu, What::Unheard),
            4 => one(plan.jump_host, What::Chatter),
            5 => self.bounce(plan),
            _ => self.shut(plan),
        }
    }

    fn port(&mut self, plan: &Datacenter) -> usize {
        let ports = plan.device(plan.access).ports.len().max(1);
        self.next_port = self.next_port.wrapping_add(1);
        self.next_port % ports
    }

    /// Somebody moves a cable: down and up again.
    fn bounce(&mut self, plan: &Datacenter) -> Vec<Notice> {
        let port = self.port(plan);
        let says = [(0, false), (400, true)];
        says.into_iter()
            .map(|(after_ms, is_up)| Notice {
                from: plan.access,
                after_ms,
                what: What::LinkTrap { port, is_up },
            })
            .collect()
    }

    /// An administrator shuts a port and opens it again.
    fn shut(&mut self, plan: &Datacenter) -> Vec<Notice> {
        let port = self.port(plan);
        let says = [
            (0, What::LinkShut { port }),
            (10, What::ShutLine { port }),
            (30, What::ProtocolLine { port, is_up: false }),
            (900, What::LinkTrap { port, is_up: true }),
            (910, What::LinkLine { port, is_up: true }),
        ];
        says.into_iter()
            .map(|(after_ms, what)| Notice { from: plan.access, after_ms, what })
            .collect()
    }
}
