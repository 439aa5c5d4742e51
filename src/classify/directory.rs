//! The inventory as it is looked up for every message: from an address or a name to the device, and
//! from any name of a component to the one that the inventory gives it.

use crate::model::index::{HashIndex, KeyHasher, KeyIndex};
use crate::model::inventory::{Device, INDEX_PREFIX, Inventory};
use jiff::tz::TimeZone;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Gives the rules of a time zone by its IANA name.
pub type Zones<'z> = &'z dyn Fn(&str) -> Option<TimeZone>;

/// Looks up devices and components. Immutable, shared by every thread.
pub struct Directory {
    devices: Vec<Entry>,
    /// Every zone in use, once.
    zones: Vec<TimeZone>,
    hasher: KeyHasher,
    addresses_v4: KeyIndex<[u8; 4]>,
    addresses_v6: KeyIndex<[u8; 16]>,
    names: HashIndex,
    name_keys: Vec<(String, usize)>,
    /// Names of components by device and ifIndex.
    indexes: KeyIndex<[u8; 8]>,
    index_names: Vec<Span>,
    /// The same by any other name.
    components: HashIndex,
    component_keys: Vec<ComponentKey>,
    /// The names of components, one after the other: a look-up touches few places in memory, which
    /// is what it costs.
    component_texts: String,
}

/// Half a cache line, with a name of usual length in it.
#[repr(align(32))]
struct Entry {
    name: SmolStr,
    /// Its place in `zones`.
    zone: u16,
    is_relay: bool,
    /// Whether a component of it has another name than its own and its ifIndex.
    has_aliases: bool,
    /// Whether its own name means it: another may have had the name before.
    is_called_so: bool,
}

/// A name of a component and what it stands for, as places in `component_texts`.
struct ComponentKey {
    device: u32,
    alias: Span,
    name: Span,
}

/// A piece of text.
#[derive(Clone, Copy)]
struct Span {
    start: u32,
    len: u32,
}

/// A known device.
#[derive(Clone, Copy)]
pub(super) struct Known<'d> {
    /// Its place in the directory.
    pub(super) place: usize,
    /// Its name.
    pub(super) name: &'d str,
    /// Whether it forwards messages of others.
    pub(super) is_relay: bool,
    /// Time zone of its local times.
    pub(super) zone: &'d TimeZone,
    is_called_so: bool,
}

impl Known<'_> {
    /// Whether [`Directory::by_name`] would give it, for a name that is its own. That it does not
    /// may still be wrong.
    pub(super) fn is_called(&self, name: &str) -> bool {
        self.is_called_so && self.name.eq_ignore_ascii_case(name)
    }
}

impl Directory {
    /// Builds the directory. A zone that `zones` does not know counts as UTC. Where two devices
    /// claim one address or name, the first by name has it.
    #[must_use]
    pub fn build(inventory: &Inventory, zones: Zones<'_>) -> Self {
        let mut directory = Self {
            devices: Vec::new(),
            zones: vec![TimeZone::UTC],
            hasher: KeyHasher::new(INDEX_SEED),
            addresses_v4: KeyIndex::new(INDEX_SEED),
            addresses_v6: KeyIndex::new(INDEX_SEED),
            names: HashIndex::default(),
            name_keys: Vec::new(),
            indexes: KeyIndex::new(INDEX_SEED),
            index_names: Vec::new(),
            components: HashIndex::default(),
            component_keys: Vec::new(),
            component_texts: String::new(),
        };
        let site_zones: BTreeMap<&str, &str> =
            inventory.sites.iter().map(|one| (one.name.as_str(), one.timezone.as_str())).collect();
        for (place, device) in inventory.devices.iter().enumerate() {
            let site_zone = site_zones.get(device.site.as_str()).copied().unwrap_or("");
            let zone = if device.timezone.is_empty() { site_zone } else { &device.timezone };
            let zone = if zone.is_empty() { None } else { zones(zone) };
            let zone = zone.map_or(0, |zone| directory.place_of_zone(zone));
            directory.devices.push(Entry {
                name: SmolStr::new(&device.name),
                zone,
                is_relay: device.relay,
                has_aliases: false,
                is_called_so: false,
            });
            directory.add_components(place, device);
        }
        directory.add_addresses(inventory);
        directory.add_names(inventory);
        for (place, device) in inventory.devices.iter().enumerate() {
            let is_called_so = directory.by_name(&device.name).is_some_and(|it| it.place == place);
            if let Some(entry) = directory.devices.get_mut(place) {
                entry.is_called_so = is_called_so;
            }
        }
        directory
    }

    /// The device that sends from this address.
    pub(super) fn by_address(&self, address: IpAddr) -> Option<Known<'_>> {
        let place = match address {
            IpAddr::V4(address) => self.addresses_v4.find(&address.octets())?,
            IpAddr::V6(address) => self.addresses_v6.find(&address.octets())?,
        };
        self.known(usize::try_from(place).ok()?)
    }

    /// The device of this name: its own, an alias, an address as text, the first label of either.
    pub(super) fn by_name(&self, name: &str) -> Option<Known<'_>> {
        if let Ok(address) = name.parse::<IpAddr>() {
            return self.by_address(address.to_canonical());
        }
        let whole = self.by_exact_name(name.trim_end_matches('.'));
        whole.or_else(|| self.by_exact_name(name.split_once('.')?.0))
    }

    /// The time zone of the device of this name, if it is known.
    pub(super) fn zone_of(&self, device: &str) -> Option<TimeZone> {
        Some(self.by_name(device)?.zone.clone())
    }

    /// The name that the inventory gives to this component of the device, if it is another one.
    pub(super) fn component(&self, device: usize, alias: &str) -> Option<&str> {
        if let Some(name) = index_in(alias).and_then(|index| self.component_at(device, index)) {
            return Some(name);
        }
        if !self.devices.get(device)?.has_aliases {
            return None;
        }
        let key = |slot: u32| self.component_keys.get(usize::try_from(slot).ok()?);
        let hash = self.component_hash(device, alias);
        let device = slot(device);
        let slot = self.components.find(hash, |slot| {
            key(slot).is_some_and(|one| one.device == device && self.text(one.alias) == alias)
        })?;
        Some(self.text(key(slot)?.name))
    }

    /// The name that the inventory gives to the component of that ifIndex.
    fn component_at(&self, device: usize, index: u32) -> Option<&str> {
        let slot = self.indexes.find(&index_key(device, index))?;
        Some(self.text(*self.index_names.get(usize::try_from(slot).ok()?)?))
    }

    fn text(&self, span: Span) -> &str {
        let start = usize::try_from(span.start).unwrap_or(usize::MAX);
        let len = usize::try_from(span.len).unwrap_or(usize::MAX);
        self.component_texts.get(start..start.saturating_add(len)).unwrap_or("")
    }

    fn by_exact_name(&self, name: &str) -> Option<Known<'_>> {
        let mut lower = [0_u8; NAME_BYTES];
        let folded = lower.get_mut(..name.len())?;
        folded.copy_from_slice(name.as_bytes());
        folded.make_ascii_lowercase();
        let folded = std::str::from_utf8(folded).ok()?;
        let key = |slot: u32| self.name_keys.get(usize::try_from(slot).ok()?);
        let slot = self.names.find(self.hasher.hash(&[folded]), |slot| {
            key(slot).is_some_and(|(known, _)| known == folded)
        })?;
        self.known(key(slot)?.1)
    }

    fn known(&self, place: usize) -> Option<Known<'_>> {
        let entry = self.devices.get(place)?;
        let zone = self.zones.get(usize::from(entry.zone))?;
        let Entry { is_relay, is_called_so, .. } = *entry;
        Some(Known { place, name: &entry.name, is_relay, zone, is_called_so })
    }

    /// Where a zone is kept; UTC when there are more than anybody has.
    fn place_of_zone(&mut self, zone: TimeZone) -> u16 {
        let place = self.zones.iter().position(|known| *known == zone).unwrap_or_else(|| {
            self.zones.push(zone);
            self.zones.len().saturating_sub(1)
        });
        u16::try_from(place).unwrap_or(0)
    }

    fn component_hash(&self, device: usize, alias: &str) -> u64 {
        self.hasher.hash(&[alias]).rotate_left(17) ^ self.hasher.hash_bytes(&device.to_le_bytes())
    }

    fn add_addresses(&mut self, inventory: &Inventory) {
        for (place, device) in inventory.devices.iter().enumerate() {
            for address in &device.addresses {
                match address.to_canonical() {
                    IpAddr::V4(v4) => self.addresses_v4.insert(v4.octets(), slot(place)),
                    IpAddr::V6(v6) => self.addresses_v6.insert(v6.octets(), slot(place)),
                }
            }
        }
    }

    /// Whole names first, so that no first label hides one.
    fn add_names(&mut self, inventory: &Inventory) {
        let names = |device: &Device| -> Vec<String> {
            std::iter::once(&device.name).chain(&device.aliases).cloned().collect()
        };
        for (place, device) in inventory.devices.iter().enumerate() {
            for name in names(device) {
                self.add_name(&name, place);
            }
        }
        let mut labels: BTreeMap<String, Option<usize>> = BTreeMap::new();
        for (place, device) in inventory.devices.iter().enumerate() {
            for name in names(device) {
                let Some((label, _)) = name.split_once('.') else { continue };
                if name.parse::<IpAddr>().is_ok() {
                    continue;
                }
                labels
                    .entry(label.to_ascii_lowercase())
                    .and_modify(|known| *known = known.filter(|one| *one == place))
                    .or_insert(Some(place));
            }
        }
        for (label, place) in labels {
            if let Some(place) = place {
                self.add_name(&label, place);
            }
        }
    }

    fn add_name(&mut self, name: &str, place: usize) {
        let folded = name.to_ascii_lowercase();
        if folded.len() <= NAME_BYTES && self.by_exact_name(&folded).is_none() {
            self.names.insert(self.hasher.hash(&[&folded]), slot(self.name_keys.len()));
            self.name_keys.push((folded, place));
        }
    }

    /// Keeps the names that stand for another. A name that stands for itself, however it is
    /// written, needs no entry: most messages then cost no more than a miss.
    fn add_components(&mut self, place: usize, device: &Device) {
        let mut plain = BTreeSet::new();
        for component in &device.components {
            let mut long = String::new();
            super::interface::push_long_name(&component.name, &mut long);
            if long == component.name {
                plain.insert(long);
            }
        }
        for component in &device.components {
            let Some(name) = self.keep(&component.name) else { return };
            let index = component.if_index.filter(|index| {
                // Nobody calls a part so, but if somebody did, it would be its name.
                !plain.contains(&format!("{INDEX_PREFIX}{index}"))
            });
            if let Some(index) = index {
                self.indexes.insert(index_key(place, index), slot(self.index_names.len()));
                self.index_names.push(name);
            }
            let mut long = String::new();
            super::interface::push_long_name(&component.name, &mut long);
            let aliases = component.aliases.iter().chain([&component.name, &long]);
            for alias in aliases.filter(|alias| !plain.contains(*alias)) {
                self.add_component(place, alias, name);
            }
        }
    }

    fn add_component(&mut self, device: usize, alias: &str, name: Span) {
        if self.component(device, alias).is_some() {
            return;
        }
        if let Some(entry) = self.devices.get_mut(device) {
            entry.has_aliases = true;
        }
        let is_name = self.text(name) == alias;
        let Some(kept) = (if is_name { Some(name) } else { self.keep(alias) }) else { return };
        let hash = self.component_hash(device, alias);
        self.components.insert(hash, slot(self.component_keys.len()));
        self.component_keys.push(ComponentKey { device: slot(device), alias: kept, name });
    }

    /// Takes a text into the common memory; `None` when that has no room for more, after 4 GiB.
    fn keep(&mut self, text: &str) -> Option<Span> {
        let start = u32::try_from(self.component_texts.len()).ok()?;
        let len = u32::try_from(text.len()).ok()?;
        start.checked_add(len)?;
        self.component_texts.push_str(text);
        Some(Span { start, len })
    }
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Directory").field("devices", &self.devices.len()).finish_non_exhaustive()
    }
}

/// The ifIndex that a name says, if it is nothing but that.
fn index_in(alias: &str) -> Option<u32> {
    let digits = alias.strip_prefix(INDEX_PREFIX)?;
    let is_plain = digits.starts_with(|first: char| matches!(first, '1'..='9'));
    is_plain.then(|| digits.parse().ok()).flatten()
}

fn index_key(device: usize, index: u32) -> [u8; 8] {
    (u64::from(slot(device)) << 32 | u64::from(index)).to_le_bytes()
}

fn slot(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

/// Longest host name that is looked up, bytes (DNS allows 253).
const NAME_BYTES: usize = 255;
/// Nothing depends on the order of these indexes, so their seed is fixed.
const INDEX_SEED: u64 = 0x7619_0003;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::inventory::{Component, Site};

    fn device(name: &str, address: &str, aliases: &[&str]) -> Device {
        Device {
            name: name.to_owned(),
            site: "rabat".to_owned(),
            addresses: vec![address.parse().expect("an address")],
            aliases: aliases.iter().map(|one| (*one).to_owned()).collect(),
            components: vec![Component {
                name: "Gi0/1".to_owned(),
                if_index: Some(3),
                aliases: vec!["uplink".to_owned()],
                ..Component::default()
            }],
            ..Device::default()
        }
    }

    fn directory() -> Directory {
        let site = Site {
            name: "rabat".to_owned(),
            timezone: "Nowhere/Else".to_owned(),
            ..Site::default()
        };
        let inventory = Inventory {
            sites: vec![site],
            devices: vec![
                device("core-1", "::ffff:10.0.0.1", &["PE1.example.net"]),
                device("core-2", "10.0.0.2", &["pe1.example.org", "only.example.org"]),
            ],
            services: Vec::new(),
        };
        Directory::build(&inventory, &|_| None)
    }

    #[test]
    fn names_are_found_whatever_their_case_and_domain() {
        let directory = directory();
        let name = |text: &str| directory.by_name(text).map(|known| known.name);
        assert_eq!(name("CORE-1"), Some("core-1"));
        assert_eq!(name("core-1.somewhere.net"), Some("core-1"));
        assert_eq!(name("pe1.EXAMPLE.net."), Some("core-1"));
        assert_eq!(name("10.0.0.2"), Some("core-2"));
        assert_eq!(name("only"), Some("core-2"));
        assert_eq!(name("pe1"), None, "two devices have that first label");
        assert_eq!(name(&"x".repeat(300)), None);
        assert_eq!(name(""), None);
    }

    #[test]
    fn an_index_is_a_number_as_it_is_written_and_no_part_of_another_name() {
        let component = |name: &str, if_index, alias: &str| Component {
            name: name.to_owned(),
            if_index,
            aliases: vec![alias.to_owned()],
            ..Component::default()
        };
        let mut odd = device("odd", "10.0.0.3", &[]);
        odd.components = vec![
            component("Gi0/1", Some(3), "ifIndex=03"),
            component("ifIndex=7", None, "seven"),
            component("Gi0/2", Some(7), "two"),
        ];
        let inventory = Inventory { devices: vec![odd], ..Inventory::default() };
        let directory = Directory::build(&inventory, &|_| None);
        let found = |alias| directory.component(0, alias);
        assert_eq!(found("ifIndex=3"), Some("Gi0/1"));
        assert_eq!(found("ifIndex=03"), Some("Gi0/1"), "it is an alias");
        assert_eq!(
            (found("ifIndex=+3"), found("ifIndex=0"), found("ifIndex=")),
            (None, None, None)
        );
        assert_eq!(found("ifIndex=7"), None, "a name that stands for itself");
        assert_eq!((found("seven"), found("two")), (Some("ifIndex=7"), Some("Gi0/2")));
    }

    #[test]
    fn a_name_that_another_had_before_does_not_mean_its_own_device() {
        let devices = vec![device("a", "10.0.0.1", &["B"]), device("b", "10.0.0.2", &[])];
        let inventory = Inventory { devices, ..Inventory::default() };
        let directory = Directory::build(&inventory, &|_| None);
        let by_address = |text: &str| directory.by_address(text.parse().expect("an address"));
        assert_eq!(directory.by_name("b").map(|known| known.name), Some("a"));
        assert!(by_address("10.0.0.1").is_some_and(|known| known.is_called("A")));
        assert!(by_address("10.0.0.2").is_some_and(|known| !known.is_called("b")));
    }

    #[test]
    fn components_have_one_name_and_belong_to_their_device() {
        let directory = directory();
        for alias in ["Gi0/1", "uplink", "ifIndex=3", "GigabitEthernet0/1"] {
            assert_eq!(directory.component(1, alias), Some("Gi0/1"));
        }
        assert_eq!(directory.component(2, "uplink"), None);
        let address = "10.0.0.1".parse().expect("an address");
        let known = directory.by_address(address).expect("a known address");
        assert_eq!((known.name, known.zone), ("core-1", &TimeZone::UTC));
    }
}
