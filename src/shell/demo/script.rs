//! Which fault comes next: every kind once before any comes again, sometimes two at once that have
//! nothing to do with each other.

use super::faults::{Fault, Kind};
use super::plan::Datacenter;
use super::random::Random;

/// The faults of one seed, in order, without end.
pub(super) struct Script {
    random: Random,
    left: Vec<Kind>,
    acts: usize,
}

impl Script {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut left = Kind::ALL.to_vec();
        random.shuffle(&mut left);
        // The last of the list comes first: one of the two that alarm half of the network.
        let big = *random.choose(&[Kind::Aggregation, Kind::LineCard]).unwrap_or(&Kind::LineCard);
        // Then the one that samples show first, so that a minute has it.
        left.retain(|kind| *kind != big && *kind != Kind::Optic);
        left.extend([Kind::Optic, big]);
        Self { random, left, acts: 0 }
    }

    /// The faults of the next act: one, or two at once.
    pub(super) fn next_act(&mut self, plan: &Datacenter) -> Vec<Fault> {
        if self.left.is_empty() {
            self.left = Kind::ALL.to_vec();
            self.random.shuffle(&mut self.left);
        }
        let kind = self.left.pop().unwrap_or(Kind::TopOfRack);
        let first = Fault::of(kind, plan, &mut self.random);
        self.acts = self.acts.saturating_add(1);
        let wants_two = self.acts % 3 == 2;
        let second = wants_two.then(|| self.independent(&first, plan)).flatten();
        std::iter::once(first).chain(second).collect()
    }

    /// A crash elsewhere, that no device of the first fault reports too.
    fn independent(&mut self, first: &Fault, plan: &Datacenter) -> Option<Fault> {
        (0..TRIES).find_map(|_| {
            let second = Fault::of(Kind::Hypervisor, plan, &mut self.random);
            let concerned = |fault: &Fault| &fault.reporters() | &fault.silent;
            concerned(first).is_disjoint(&concerned(&second)).then_some(second)
        })
    }
}

/// Crashes thrown before an act stays with one fault.
const TRIES: usize = 30;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_seed_is_a_play() {
        let plan = Datacenter::new();
        let acts = |seed| -> Vec<Vec<Fault>> {
            let mut script = Script::new(seed);
            (0..8).map(|_| script.next_act(&plan)).collect()
        };
        assert_eq!(acts(1), acts(1));
        assert_ne!(acts(1), acts(2));
        let kinds: BTreeSet<Kind> = acts(1).iter().take(7).map(|act| act[0].kind).collect();
        assert_eq!(kinds.len(), Kind::ALL.len());
        assert!(acts(1).iter().any(|act| act.len() == 2));
        assert!((1..50).all(|seed| acts(seed)[1][0].kind == Kind::Optic));
    }
}
