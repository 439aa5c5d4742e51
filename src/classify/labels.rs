//! From the labels of a series or an alert to the inventory: which device they are about, and which
//! part of it. Used by metric rules and for alerts.
//!
//! Many exporters speak for others: the address that a body comes from is the collector's, and only
//! labels say which device was measured.

use super::clean;
use super::directory::{Directory, Known};
use super::interface::push_long_name;
use super::origin::push_device_name;
use crate::model::inventory::INDEX_PREFIX;
use crate::model::limits::NAME_BYTES_MAX;
use std::fmt::Write as _;
use std::net::IpAddr;

/// Reads a label by its name.
pub type ReadLabel<'l> = &'l dyn Fn(&str) -> Option<&'l str>;

/// Which labels name what, most telling first. What rule files declare comes before the defaults.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LabelMap {
    devices: Vec<String>,
    parts: Vec<String>,
}

/// The resource that labels name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Target {
    /// Device part: name in the inventory, or what the labels call it, or the sender's address.
    pub device: String,
    /// Whether the inventory knows the device.
    pub is_known: bool,
    /// Component part, empty for the device itself.
    pub component: String,
    /// Another name of that component (`ifIndex=3`), or empty.
    pub component_alias: String,
}

impl LabelMap {
    /// Labels that come before those known so far.
    pub(super) fn prefer(&mut self, devices: Vec<String>, parts: Vec<String>) {
        self.devices.splice(0..0, devices);
        self.parts.splice(0..0, parts);
    }

    /// The resource that the labels name. `peer` counts when they name no device.
    #[must_use]
    pub fn target(&self, labels: ReadLabel<'_>, directory: &Directory, peer: IpAddr) -> Target {
        let mut component = String::new();
        if let Some((name, value)) = self.part(labels) {
            push_part(name, value, &mut component);
        }
        self.target_with(labels, (directory, peer), &[], component)
    }

    /// The same with a component that the caller knows, and labels of the caller's that name the
    /// device before all others.
    pub(super) fn target_with(
        &self,
        labels: ReadLabel<'_>,
        (directory, peer): (&Directory, IpAddr),
        device_labels: &[String],
        mut component: String,
    ) -> Target {
        let mut target = Target::default();
        let known = self.device(labels, (directory, peer), device_labels, &mut target.device);
        target.is_known = known.is_some();
        if let Some(index) = labels("ifIndex").filter(|index| is_number(index)) {
            let _ = write!(target.component_alias, "{INDEX_PREFIX}{index}");
        }
        component.truncate(component.trim_end().len());
        clean::cut(&mut component, NAME_BYTES_MAX);
        if component.is_empty() {
            target.component_alias.clear();
        }
        let listed = known.filter(|_| !component.is_empty()).and_then(|known| {
            let listed = directory.component(known.place, &component);
            listed.or_else(|| directory.component(known.place, &target.component_alias))
        });
        target.component = listed.map_or(component, str::to_owned);
        if target.component == target.component_alias {
            target.component_alias.clear();
        }
        target
    }

    /// The device; its name is written to `out`.
    fn device<'d>(
        &self,
        labels: ReadLabel<'_>,
        (directory, peer): (&'d Directory, IpAddr),
        first: &[String],
        out: &mut String,
    ) -> Option<Known<'d>> {
        let declared = first.iter().chain(&self.devices).map(String::as_str);
        let every = || declared.clone().chain(DEVICE_LABELS);
        let hosts = || every().filter_map(|name| Some((name, host(labels(name)?))));
        let named = || hosts().filter(|(_, host)| !host.is_empty());
        let known = named().find_map(|(_, host)| directory.by_name(host));
        if let Some(known) = known {
            out.push_str(known.name);
            return Some(known);
        }
        // Others use this label for disks and network cards: it names a device that nobody knows
        // only where nothing else does.
        let is_sure = |(name, _): &(&str, &str)| *name != AMBIGUOUS_LABEL;
        if let Some((_, host)) = named().find(is_sure).or_else(|| named().next()) {
            push_device_name(host, out);
            return None;
        }
        let known = directory.by_address(peer.to_canonical());
        match known {
            Some(known) => out.push_str(known.name),
            None => {
                let _ = write!(out, "{}", peer.to_canonical());
            }
        }
        known
    }

    /// The first label that names a part.
    fn part<'l>(&self, labels: ReadLabel<'l>) -> Option<(&str, &'l str)> {
        let declared = self.parts.iter().map(String::as_str);
        declared
            .chain(PART_LABELS)
            .filter_map(|name| Some((name, labels(name)?)))
            .find(|(_, value)| !value.is_empty())
    }
}

/// Appends the value of a label as the name of a part: one name for one interface.
pub(super) fn push_part(label: &str, value: &str, out: &mut String) {
    let start = out.len();
    if label == "ifIndex" {
        let _ = write!(out, "{INDEX_PREFIX}{value}");
    } else if INTERFACE_LABELS.contains(&label) {
        push_long_name(value, out);
    } else {
        out.push_str(value);
    }
    let is_plain = out.get(start..).unwrap_or("").bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if !is_plain {
        let raw = out.split_off(start);
        clean::push(raw.as_bytes(), out);
    }
}

/// The host in what a label holds: without scheme, port and path.
fn host(value: &str) -> &str {
    let value = match value.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or(rest, |(host, _)| host),
        None => value,
    };
    if value.parse::<IpAddr>().is_ok() {
        return value;
    }
    if let Some((address, _)) = value.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return address;
    }
    match value.split_once(':') {
        Some((host, port)) if is_number(port) => host,
        _ => value,
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What may also be a disk or a network card of the device that another label names.
const AMBIGUOUS_LABEL: &str = "device";

/// The label that is asked last which device is meant: whoever knows the sender by a name and not
/// by an address says it here.
pub const LAST_DEVICE_LABEL: &str = "nodename";

/// Labels that name a device. Those that only a collector writes about what it asks stand before
/// those that may be the collector's own (`host` of Telegraf).
const DEVICE_LABELS: [&str; 13] = [
    AMBIGUOUS_LABEL,
    "agent_host",
    "source",
    "target",
    "hostname",
    "sysName",
    "instance",
    "host",
    "net.host.name",
    "host.name",
    "host_name",
    "server.address",
    LAST_DEVICE_LABEL,
];

/// Labels that name a part.
const PART_LABELS: [&str; 9] = [
    "ifName",
    "ifDescr",
    "interface",
    "interface_name",
    "ifIndex",
    "mountpoint",
    "sensor",
    "entPhysicalName",
    "component",
];

/// Those of them that name an interface, and others that rules use for it.
const INTERFACE_LABELS: [&str; 6] =
    ["ifName", "ifDescr", "ifAlias", "interface", "interface_name", "ifname"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::inventory::{Component, Device, Inventory};

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 9));

    fn directory() -> Directory {
        let port =
            Component { name: "Gi0/1".to_owned(), if_index: Some(3), ..Component::default() };
        let device = |name: &str, address: &str, components: Vec<Component>| Device {
            name: name.to_owned(),
            addresses: vec![address.parse().expect("an address")],
            components,
            ..Device::default()
        };
        let inventory = Inventory {
            devices: vec![
                device("edge-1", "10.0.0.1", vec![port]),
                device("poller", "10.0.0.9", Vec::new()),
                device("six", "2001:db8::6", Vec::new()),
            ],
            ..Inventory::default()
        };
        Directory::build(&inventory, &|_| None)
    }

    fn target(labels: &[(&str, &str)]) -> Target {
        let read =
            |name: &str| labels.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        LabelMap::default().target(&read, &directory(), PEER)
    }

    #[test]
    fn the_device_that_was_measured_is_found_behind_ports_and_collectors() {
        for labels in [
            &[("instance", "10.0.0.1:9100")][..],
            &[("instance", "edge-1:161"), ("job", "snmp")],
            &[("agent_host", "10.0.0.1"), ("host", "poller")],
            &[("target", "https://EDGE-1.example.net:8443/metrics")],
            &[("device", "eth0"), ("instance", "edge-1")],
            &[("device", "edge-1"), ("instance", "poller:9116")],
            &[("host.name", "edge-1")],
        ] {
            let found = target(labels);
            assert_eq!((found.device.as_str(), found.is_known), ("edge-1", true), "{labels:?}");
        }
        assert_eq!(target(&[("instance", "[2001:db8::6]:9100")]).device, "six");
        assert_eq!(target(&[("source", "2001:db8::6")]).device, "six");
    }

    #[test]
    fn an_unknown_device_keeps_the_name_that_labels_give_it() {
        let found = target(&[("device", "md0"), ("instance", "db-7:9100")]);
        assert_eq!((found.device.as_str(), found.is_known), ("db-7", false));
        assert_eq!(target(&[("device", "a/b")]).device, "a_b");
        assert_eq!(target(&[("instance", "")]).device, "192.0.2.9");
    }

    #[test]
    fn a_part_has_the_name_that_traps_give_it() {
        let part = |labels: &[(&str, &str)]| {
            let mut all = labels.to_vec();
            all.push(("instance", "edge-1"));
            let found = target(&all);
            (found.component, found.component_alias)
        };
        let names = |name: &str, alias: &str| (name.to_owned(), alias.to_owned());
        assert_eq!(part(&[("ifName", "GigabitEthernet0/1")]), names("Gi0/1", ""));
        assert_eq!(
            part(&[("ifDescr", "Te1/1"), ("ifIndex", "7")]),
            names("TenGigabitEthernet1/1", "ifIndex=7")
        );
        assert_eq!(part(&[("ifIndex", "3")]), names("Gi0/1", "ifIndex=3"));
        assert_eq!(part(&[("ifIndex", "8")]), names("ifIndex=8", ""));
        assert_eq!(part(&[("ifDescr", "renamed"), ("ifIndex", "3")]), names("Gi0/1", "ifIndex=3"));
        assert_eq!(part(&[("mountpoint", "/var")]), names("/var", ""));
        assert_eq!(part(&[("sensor", "a\nb")]).0, "a b");
    }

    #[test]
    fn declared_labels_come_first() {
        let mut map = LabelMap::default();
        map.prefer(vec!["router".to_owned()], vec!["ifAlias".to_owned()]);
        let labels = [("instance", "poller"), ("router", "edge-1"), ("ifAlias", "uplink")];
        let read =
            |name: &str| labels.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        let found = map.target(&read, &directory(), PEER);
        assert_eq!((found.device.as_str(), found.component.as_str()), ("edge-1", "uplink"));
    }
}
