//! Trap rules: found by the trap's OID, whole first, then by its longest known beginning; then the
//! first rule whose conditions hold decides.

use super::action::{ACTION_KEYS, Action, Names, read_action};
use super::declared::{Declared, oid_bytes};
use super::read::{Report, Section, Written};
use crate::model::index::{HashIndex, KeyHasher};

/// What a name in a trap rule refers to. Numbers are places in the table of objects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TrapReference {
    /// The value of the first varbind under an object.
    Object(usize),
    /// The instance of that varbind, dotted.
    Index(usize),
    /// The address that the instance of that varbind begins with: type, length and octets
    /// (RFC 4001), or four bare octets.
    Address(usize),
    /// The interface that the varbinds name.
    Interface,
    /// The trap's OID.
    Oid,
}

/// One trap rule.
#[derive(Debug)]
pub(crate) struct TrapRule {
    /// Conditions and consequences.
    pub(crate) action: Action<TrapReference>,
    /// Whether the component is an interface.
    pub(crate) is_interface: bool,
}

/// Every trap rule, indexed by OID.
#[derive(Default)]
pub(crate) struct TrapRules {
    rules: Vec<TrapRule>,
    whole: OidIndex,
    beginnings: OidIndex,
    /// Lengths of the known beginnings, longest first.
    beginning_lengths: Vec<usize>,
}

impl TrapRules {
    /// Compiles the `[[trap]]` tables of one file behind those of the files before it. Gives the
    /// names of the rules and where they stand.
    pub(super) fn compile(
        &mut self,
        file: Section<'_>,
        declared: &Declared,
        report: &mut Report<'_>,
    ) -> Vec<Written<String>> {
        file.named_sections("trap", report, |section, report| {
            self.rule(section, declared, report);
        })
    }

    /// To be called once after the last file.
    pub(super) fn finish(&mut self) {
        self.whole.add_v1_forms();
        let lengths = self.beginnings.groups.iter().map(|group| group.oid.len());
        self.beginning_lengths = lengths.collect();
        self.beginning_lengths.sort_unstable();
        self.beginning_lengths.dedup();
        self.beginning_lengths.reverse();
    }

    /// The rules that know this trap OID, in the order in which they are tried.
    pub(crate) fn candidates(&self, oid: &[u8]) -> impl Iterator<Item = &TrapRule> {
        let longer = self.beginning_lengths.iter().filter_map(|length| oid.get(..*length));
        let by_beginning = longer.flat_map(|beginning| self.beginnings.get(beginning));
        let places = self.whole.get(oid).iter().chain(by_beginning);
        places.filter_map(|place| self.rules.get(*place))
    }

    fn rule(&mut self, section: Section<'_>, declared: &Declared, report: &mut Report<'_>) {
        let keys: Vec<&str> = ACTION_KEYS.into_iter().chain(["oid", "oid_prefix"]).collect();
        section.check_keys(&keys, report);
        let mut read = |key: &str| -> Vec<Vec<u8>> {
            let written = section.texts(key, report);
            written.iter().filter_map(|oid| oid_bytes(oid, report)).collect()
        };
        let (whole, beginnings) = (read("oid"), read("oid_prefix"));
        if !section.has("oid") && !section.has("oid_prefix") {
            report.mistake(
                section.offset,
                "the rule says of no trap that it knows it",
                "add oid = \"…\" (this trap) or oid_prefix = \"…\" (all that begin so)",
            );
        }
        let Some(action) = read_action(section, &TrapNames(declared), declared, report) else {
            return;
        };
        let is_interface = action.component.places().any(|one| *one == TrapReference::Interface);
        let place = self.rules.len();
        self.rules.push(TrapRule { action, is_interface });
        for oid in whole {
            self.whole.add(oid, place);
        }
        for oid in beginnings {
            self.beginnings.add(oid, place);
        }
    }
}

/// From OIDs to places of rules.
struct OidIndex {
    hasher: KeyHasher,
    index: HashIndex,
    groups: Vec<Group>,
}

struct Group {
    oid: Vec<u8>,
    rules: Vec<usize>,
}

impl Default for OidIndex {
    fn default() -> Self {
        Self { hasher: KeyHasher::new(INDEX_SEED), index: HashIndex::default(), groups: Vec::new() }
    }
}

impl OidIndex {
    fn get(&self, oid: &[u8]) -> &[usize] {
        self.place(oid).and_then(|place| self.groups.get(place)).map_or(&[], |group| &group.rules)
    }

    fn place(&self, oid: &[u8]) -> Option<usize> {
        let group_at = |slot: u32| self.groups.get(usize::try_from(slot).ok()?);
        let hash = self.hasher.hash_bytes(oid);
        let slot =
            self.index.find(hash, |slot| group_at(slot).is_some_and(|group| group.oid == oid))?;
        usize::try_from(slot).ok()
    }

    fn add(&mut self, oid: Vec<u8>, rule: usize) {
        match self.place(&oid).and_then(|place| self.groups.get_mut(place)) {
            Some(group) => group.rules.push(rule),
            None => self.add_group(Group { oid, rules: vec![rule] }),
        }
    }

    fn add_group(&mut self, group: Group) {
        let slot = u32::try_from(self.groups.len()).unwrap_or(u32::MAX);
        self.index.insert(self.hasher.hash_bytes(&group.oid), slot);
        self.groups.push(group);
    }

    /// RFC 3584 3.1 puts a zero before the last arc of an SNMPv1 trap. Old MIBs define traps
    /// without it, and the same agents send them by SNMPv2c without it: both forms are one trap.
    fn add_v1_forms(&mut self) {
        for place in 0..self.groups.len() {
            let Some(group) = self.groups.get(place) else { continue };
            let last_start = group
                .oid
                .iter()
                .rev()
                .skip(1)
                .position(|byte| byte & 0x80 == 0)
                .map_or(0, |back| group.oid.len().saturating_sub(back).saturating_sub(1));
            let (head, last) = group.oid.split_at(last_start);
            if head.last() == Some(&0) {
                continue;
            }
            let form = [head, &[0], last].concat();
            if self.place(&form).is_none() {
                let rules = group.rules.clone();
                self.add_group(Group { oid: form, rules });
            }
        }
    }
}

/// Nothing depends on the order of this index, so its seed is fixed.
const INDEX_SEED: u64 = 0x7619_0001;

/// The names of trap rules: objects, and parts of them.
struct TrapNames<'d>(&'d Declared);

impl Names<TrapReference> for TrapNames<'_> {
    fn reference(&self, name: &str) -> Option<TrapReference> {
        match name {
            "interface" => return Some(TrapReference::Interface),
            "oid" => return Some(TrapReference::Oid),
            _ => {}
        }
        let place = |name: &str| self.0.object_places.get(name).copied();
        match name.split_once('.') {
            None => place(name).map(TrapReference::Object),
            Some((object, "index")) => place(object).map(TrapReference::Index),
            Some((object, "address")) => place(object).map(TrapReference::Address),
            Some(_) => None,
        }
    }

    fn number(&self, name: &str, word: &str) -> Option<i64> {
        let object = self.0.objects.get(*self.0.object_places.get(name)?)?;
        object.values.iter().find(|(_, known)| known == word).map(|(number, _)| *number)
    }

    fn known(&self) -> Vec<&str> {
        let objects = self.0.object_places.keys().map(String::as_str);
        objects.chain(["interface", "oid"]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::trap::parse_oid;

    fn oid(dotted: &str) -> Vec<u8> {
        parse_oid(dotted).expect("a valid OID")
    }

    #[test]
    fn a_trap_of_an_old_mib_is_known_in_its_v1_form_too() {
        let mut index = OidIndex::default();
        index.add(oid("1.3.6.1.2.1.15.7.2"), 0);
        index.add(oid("1.3.6.1.4.1.9.9.300"), 1);
        index.add(oid("1.3.6.1.4.1.9.0.5"), 2);
        index.add_v1_forms();
        assert_eq!(index.get(&oid("1.3.6.1.2.1.15.7.0.2")), [0]);
        assert_eq!(index.get(&oid("1.3.6.1.4.1.9.9.0.300")), [1]);
        assert_eq!(index.get(&oid("1.3.6.1.4.1.9.0.0.5")), [0_usize; 0]);
    }
}
