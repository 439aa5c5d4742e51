//! From what inventory files say to what is supervised: names, addresses, links, references, and
//! the order of dependencies. Linear in the size of the inventory, look-ups aside.

use crate::model::contract::Contract;
use crate::model::inventory::{
    Component, Dependency, Device, Inventory, Service, Site, service_resource,
};
use crate::shell::config::findings::{Findings, Located, Place, quoted};
use crate::shell::config::inventory::Supervised;
use crate::shell::config::inventory::names::{Alphabet, Kind, Names, NodeId, is_name};
use crate::shell::config::inventory::order::{self, Edge};
use crate::shell::config::inventory::written::{
    Written, WrittenComponent, WrittenDependency, WrittenDevice, WrittenLink, WrittenService,
    WrittenSite,
};
use crate::shell::config::suggest::nearest;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Checks everything together. What comes out is used only if there is no mistake.
pub(super) fn check(written: Written, findings: &mut Findings) -> Supervised {
    let (sites, site_places) = sites(written.sites, findings);
    let (contracts, contract_places) = contracts(written.contracts, findings);
    let mut network = Network::default();
    let devices = network.declare_devices(written.devices, findings);
    network.declare_names(&devices, findings);
    let services = network.declare_services(written.services, findings);
    network.check_addresses(&devices, findings);
    for (id, device) in &devices {
        known(device.site.as_ref(), &site_places, "site", findings);
        network.link_components(*id, &device.components, findings);
    }
    for link in &written.links {
        network.link(link, findings);
    }
    network.resolve_devices(&devices, findings);
    let services = network.resolve_services(services, findings);
    for service in &services {
        known(service.site.as_ref(), &site_places, "site", findings);
        known(service.contract.as_ref(), &contract_places, "contract", findings);
        if service.depends_on.is_empty() {
            let message = format!("service {} depends on nothing", quoted(&service.name.value));
            let remedy = "add depends_on: without it no alarm can show that it is affected";
            findings.warning(service.name.place, message, remedy);
        }
    }
    warn_of_idle_contracts(&contract_places, &services, findings);
    order::check(&network.names, &network.edges, findings);
    Supervised { inventory: network.into_inventory(sites, services), contracts }
}

/// Places of names, for references and duplicates.
type Places = BTreeMap<String, Place>;

/// Adds a name, unless it is taken.
fn declare(
    what: &str,
    name: &Located<String>,
    places: &mut Places,
    findings: &mut Findings,
) -> bool {
    if let Some(first) = places.get(&name.value) {
        let message = format!("{what} {} is declared twice", quoted(&name.value));
        let remedy = format!("the first is at {}: rename or remove one", findings.show(*first));
        findings.error(name.place, message, remedy);
        return false;
    }
    places.insert(name.value.clone(), name.place);
    true
}

/// Reports a reference to a site or contract that is not there.
fn known(
    reference: Option<&Located<String>>,
    places: &Places,
    what: &str,
    findings: &mut Findings,
) {
    let Some(reference) = reference else { return };
    if places.contains_key(&reference.value) {
        return;
    }
    let meant = if findings.is_worth_suggesting() {
        nearest(&reference.value, places.keys().map(String::as_str))
    } else {
        None
    };
    let remedy = meant.map_or_else(
        || format!("declare it as a [[{what}]], or correct the name"),
        |meant| format!("did you mean {}?", quoted(meant)),
    );
    findings.error(reference.place, format!("no {what} {}", quoted(&reference.value)), remedy);
}

fn sites(written: Vec<WrittenSite>, findings: &mut Findings) -> (Vec<Site>, Places) {
    let mut places = Places::new();
    let mut zones = Zones::default();
    let mut sites = Vec::with_capacity(written.len());
    for site in written {
        let fits = is_name("name of a site", &site.name, Alphabet::Any, findings);
        if fits && declare("site", &site.name, &mut places, findings) {
            let timezone = zones.check(site.timezone.as_ref(), findings);
            sites.push(Site { name: site.name.value, title: site.title, timezone });
        }
    }
    sites.sort_by(|a, b| a.name.cmp(&b.name));
    (sites, places)
}

fn contracts(written: Vec<Located<Contract>>, findings: &mut Findings) -> (Vec<Contract>, Places) {
    let mut places = Places::new();
    let mut contracts = Vec::with_capacity(written.len());
    for contract in written {
        let id = Located { value: contract.value.id.clone(), place: contract.place };
        let fits = is_name("id of a contract", &id, Alphabet::Any, findings);
        if fits && declare("contract", &id, &mut places, findings) {
            contracts.push(contract.value);
        }
    }
    contracts.sort_by(|a, b| a.id.cmp(&b.id));
    (contracts, places)
}

fn warn_of_idle_contracts(
    contracts: &Places,
    services: &[ResolvedService],
    findings: &mut Findings,
) {
    let mut idle = contracts.clone();
    for service in services {
        if let Some(contract) = &service.contract {
            idle.remove(&contract.value);
        }
    }
    for (id, place) in idle {
        let message = format!("contract {} has no service", quoted(&id));
        findings.warning(place, message, "name it in a [[service]]: until then it opens no ticket");
    }
}

/// Time zones that were looked up, each once.
#[derive(Default)]
struct Zones {
    known: BTreeMap<String, bool>,
}

impl Zones {
    /// The zone's name; empty when there is none.
    fn check(&mut self, zone: Option<&Located<String>>, findings: &mut Findings) -> String {
        let Some(zone) = zone else { return String::new() };
        let is_known = *self
            .known
            .entry(zone.value.clone())
            .or_insert_with(|| zone.value == "UTC" || jiff::tz::db().get(&zone.value).is_ok());
        if !is_known {
            let names: Vec<String> =
                jiff::tz::db().available().map(|name| name.to_string()).collect();
            let message = format!("no time zone {}", quoted(&zone.value));
            let remedy = match nearest(&zone.value, names.iter().map(String::as_str)) {
                Some(meant) => format!("did you mean {}?", quoted(meant)),
                None if names.is_empty() => {
                    "install the time zone data of the system (package tzdata)".to_owned()
                }
                None => "write an IANA name, such as Europe/Paris or Africa/Casablanca".to_owned(),
            };
            findings.error(zone.place, message, remedy);
        }
        zone.value.clone()
    }
}

/// A service whose references were looked up.
struct ResolvedService {
    name: Located<String>,
    contract: Option<Located<String>>,
    site: Option<Located<String>>,
    depends_on: Vec<Dependency>,
}

/// Devices, components and services under their names, and what joins them.
#[derive(Default)]
struct Network {
    names: Names,
    /// The device of a node, where the node is one.
    devices: BTreeMap<NodeId, Device>,
    /// The component of a node, where the node is one, and the place of its link.
    components: BTreeMap<NodeId, (Component, Option<Place>)>,
    edges: Vec<Edge>,
}

impl Network {
    /// Declares devices and their components under their own names: those go before aliases.
    fn declare_devices(
        &mut self,
        written: Vec<WrittenDevice>,
        findings: &mut Findings,
    ) -> Vec<(NodeId, WrittenDevice)> {
        let mut zones = Zones::default();
        let mut declared = Vec::with_capacity(written.len());
        for device in written {
            if !is_name("name of a device", &device.name, Alphabet::NoSlash, findings) {
                continue;
            }
            let name = device.name.value.clone();
            let place = device.name.place;
            let Some(id) = self.names.declare(name.clone(), Kind::Device, place, findings) else {
                continue;
            };
            let timezone = zones.check(device.timezone.as_ref(), findings);
            let (relay, kind) = (device.relay, device.kind.clone());
            let site = device.site.as_ref().map_or_else(String::new, |site| site.value.clone());
            self.devices
                .insert(id, Device { name, site, kind, relay, timezone, ..Device::default() });
            for component in &device.components {
                if is_name("name of a component", &component.name, Alphabet::Any, findings) {
                    self.declare_component(id, component, findings);
                }
            }
            declared.push((id, device));
        }
        declared
    }

    fn declare_component(
        &mut self,
        device: NodeId,
        written: &WrittenComponent,
        findings: &mut Findings,
    ) {
        let full = self.full_name(device, &written.name.value);
        let kind = Kind::Component(device);
        if let Some(id) = self.names.declare(full, kind, written.name.place, findings) {
            let component = Component {
                name: written.name.value.clone(),
                if_index: written.if_index,
                ..Component::default()
            };
            self.components.insert(id, (component, None));
        }
    }

    fn full_name(&self, device: NodeId, component: &str) -> String {
        let device = self.names.node(device).map_or("", |node| node.name.as_str());
        format!("{device}/{component}")
    }

    /// Gives devices and components their aliases, and sees to it that an ifIndex is used once.
    fn declare_names(&mut self, devices: &[(NodeId, WrittenDevice)], findings: &mut Findings) {
        for (id, device) in devices {
            for alias in &device.aliases {
                if is_name("name of a device", alias, Alphabet::NoSlash, findings)
                    && self.names.add_alias(*id, &alias.value, alias.place, findings)
                    && let Some(known) = self.devices.get_mut(id)
                {
                    known.aliases.push(alias.value.clone());
                }
            }
            let mut indices: BTreeMap<u32, Place> = BTreeMap::new();
            for component in &device.components {
                self.declare_component_names(*id, component, findings);
                let Some(index) = component.if_index else { continue };
                if let Some(first) = indices.insert(index, component.name.place) {
                    let message = format!(
                        "two interfaces of {} have ifIndex {index}",
                        quoted(&device.name.value)
                    );
                    let remedy = format!("the first is at {}: correct one", findings.show(first));
                    findings.error(component.name.place, message, remedy);
                }
            }
        }
    }

    fn declare_component_names(
        &mut self,
        device: NodeId,
        component: &WrittenComponent,
        findings: &mut Findings,
    ) {
        let full = self.full_name(device, &component.name.value);
        let Some(id) = self.names.find(&full) else { return };
        for alias in &component.aliases {
            if !is_name("name of a component", alias, Alphabet::Any, findings) {
                continue;
            }
            let full = self.full_name(device, &alias.value);
            if self.names.add_alias(id, &full, alias.place, findings)
                && let Some((known, _)) = self.components.get_mut(&id)
            {
                known.aliases.push(alias.value.clone());
            }
        }
    }

    fn declare_services(
        &mut self,
        written: Vec<WrittenService>,
        findings: &mut Findings,
    ) -> Vec<(NodeId, WrittenService)> {
        let mut declared = Vec::with_capacity(written.len());
        for service in written {
            if !is_name("name of a service", &service.name, Alphabet::NoSlash, findings) {
                continue;
            }
            let full = service_resource(&service.name.value);
            let place = service.name.place;
            if let Some(id) = self.names.declare(full, Kind::Service, place, findings) {
                declared.push((id, service));
            }
        }
        declared
    }

    /// Reads addresses; each belongs to one device, in its IPv4 form where it has one.
    fn check_addresses(&mut self, devices: &[(NodeId, WrittenDevice)], findings: &mut Findings) {
        let mut owners: BTreeMap<IpAddr, (NodeId, Place)> = BTreeMap::new();
        for (id, device) in devices {
            for text in &device.addresses {
                let Some(address) = address(text, findings) else { continue };
                match owners.get(&address) {
                    Some((owner, _)) if owner == id => {}
                    Some((owner, place)) => {
                        let other = self.names.node(*owner).map_or("", |node| &node.name);
                        let message =
                            format!("address {address} already belongs to {}", quoted(other));
                        let remedy = format!(
                            "that one is at {}: a sender must be one device only",
                            findings.show(*place)
                        );
                        findings.error(text.place, message, remedy);
                    }
                    None => {
                        owners.insert(address, (*id, text.place));
                        if let Some(known) = self.devices.get_mut(id) {
                            known.addresses.push(address);
                        }
                    }
                }
            }
        }
    }

    fn link_components(
        &mut self,
        device: NodeId,
        components: &[WrittenComponent],
        findings: &mut Findings,
    ) {
        for component in components {
            let full = self.full_name(device, &component.name.value);
            if let (Some(peer), Some(id)) = (&component.peer, self.names.find(&full))
                && let Some(other) = self.endpoint(peer, findings)
            {
                self.join(id, other, peer.place, findings);
            }
        }
    }

    fn link(&mut self, link: &WrittenLink, findings: &mut Findings) {
        let a = self.endpoint(&link.a, findings);
        let b = self.endpoint(&link.b, findings);
        if let (Some(a), Some(b)) = (a, b) {
            self.join(a, b, link.a.place, findings);
        }
    }

    /// The interface that a link names; it is declared by that, if its device is known.
    fn endpoint(&mut self, end: &Located<String>, findings: &mut Findings) -> Option<NodeId> {
        if let Some(id) = self.names.find(&end.value)
            && self.components.contains_key(&id)
        {
            return Some(id);
        }
        let Some((device, component)) = end.value.split_once('/') else {
            let message = format!("{} is no interface", quoted(&end.value));
            findings.error(end.place, message, "write it as device/interface");
            return None;
        };
        let device = Located { value: device.to_owned(), place: end.place };
        let owner = self.names.resolve(&device, findings)?;
        if !self.devices.contains_key(&owner) {
            return None;
        }
        let name = Located { value: component.to_owned(), place: end.place };
        if !is_name("name of a component", &name, Alphabet::Any, findings) {
            return None;
        }
        let full = self.full_name(owner, component);
        if let Some(known) = self.names.find(&full) {
            return Some(known);
        }
        let id = self.names.declare(full, Kind::Component(owner), end.place, findings)?;
        let component = Component { name: name.value, ..Component::default() };
        self.components.insert(id, (component, None));
        Some(id)
    }

    /// Makes two interfaces each other's peer; saying so twice is no mistake.
    fn join(&mut self, a: NodeId, b: NodeId, place: Place, findings: &mut Findings) {
        for (one, other) in [(a, b), (b, a)] {
            let Some(name) = self.names.node(other).map(|node| node.name.clone()) else { return };
            let Some((component, linked_at)) = self.components.get_mut(&one) else { return };
            let mistake = match (&component.peer, *linked_at) {
                _ if one == other => Some("an interface linked with itself".to_owned()),
                (Some(peer), Some(first)) if *peer != name => {
                    let full = self.names.node(one).map_or("", |node| &node.name);
                    Some(format!(
                        "{} is already linked with {} at {}",
                        quoted(full),
                        quoted(peer),
                        findings.show(first)
                    ))
                }
                _ => None,
            };
            if let Some(message) = mistake {
                findings.error(place, message, "an interface has one other end: correct one link");
                return;
            }
            component.peer = Some(name);
            linked_at.get_or_insert(place);
        }
    }

    fn resolve_devices(&mut self, devices: &[(NodeId, WrittenDevice)], findings: &mut Findings) {
        for (id, device) in devices {
            let depends_on = self.resolve(*id, &device.depends_on, findings);
            if let Some(known) = self.devices.get_mut(id) {
                known.depends_on = depends_on;
            }
            for component in device.components.iter().filter(|each| !each.depends_on.is_empty()) {
                let full = self.full_name(*id, &component.name.value);
                let Some(part) = self.names.find(&full) else { continue };
                let depends_on = self.resolve(part, &component.depends_on, findings);
                if let Some((known, _)) = self.components.get_mut(&part) {
                    known.depends_on = depends_on;
                }
            }
        }
    }

    fn resolve_services(
        &mut self,
        services: Vec<(NodeId, WrittenService)>,
        findings: &mut Findings,
    ) -> Vec<ResolvedService> {
        let mut resolved = Vec::with_capacity(services.len());
        for (id, service) in services {
            let depends_on = self.resolve(id, &service.depends_on, findings);
            let WrittenService { name, contract, site, .. } = service;
            resolved.push(ResolvedService { name, contract, site, depends_on });
        }
        resolved
    }

    /// Looks up every name of a node's dependencies and notes who needs whom.
    fn resolve(
        &mut self,
        from: NodeId,
        written: &[WrittenDependency],
        findings: &mut Findings,
    ) -> Vec<Dependency> {
        let mut list = Vec::with_capacity(written.len());
        for group in written {
            let mut any_of: Vec<String> = Vec::with_capacity(group.any_of.len());
            let mut members = BTreeSet::new();
            for reference in &group.any_of {
                let Some(to) = self.names.resolve(reference, findings) else { continue };
                let Some(node) = self.names.node(to) else { continue };
                if !members.insert(to) {
                    let message = format!("{} twice in one group", quoted(&node.name));
                    findings.error(reference.place, message, "remove one: it counts once");
                    continue;
                }
                any_of.push(node.name.clone());
                self.edges.push(Edge { from, to, place: reference.place });
            }
            let size = group.any_of.len();
            if usize::try_from(group.needed).map_or(true, |needed| needed > size) {
                let message = format!("{} of a group of {size} are needed", group.needed);
                let remedy = format!("let `needed` be from 1 to {size}");
                findings.error(group.place, message, remedy);
            }
            list.push(Dependency { any_of, needed: group.needed });
        }
        list
    }

    fn into_inventory(self, sites: Vec<Site>, services: Vec<ResolvedService>) -> Inventory {
        let mut devices = self.devices;
        for (id, (component, _)) in self.components {
            if let Some(Kind::Component(owner)) = self.names.node(id).map(|node| node.kind)
                && let Some(device) = devices.get_mut(&owner)
            {
                device.components.push(component);
            }
        }
        let mut devices: Vec<Device> = devices.into_values().collect();
        devices.sort_by(|a, b| a.name.cmp(&b.name));
        for device in &mut devices {
            device.components.sort_by(|a, b| a.name.cmp(&b.name));
        }
        let text = |found: Option<Located<String>>| found.map_or_else(String::new, |it| it.value);
        let mut services: Vec<Service> = services
            .into_iter()
            .map(|service| Service {
                name: service.name.value,
                contract: text(service.contract),
                site: text(service.site),
                depends_on: service.depends_on,
            })
            .collect();
        services.sort_by(|a, b| a.name.cmp(&b.name));
        Inventory { sites, devices, services }
    }
}

fn address(text: &Located<String>, findings: &mut Findings) -> Option<IpAddr> {
    let Ok(address) = text.value.trim().parse::<IpAddr>() else {
        let remedy = if text.value.contains('/') {
            "leave the prefix length out: a device sends from single addresses"
        } else {
            "write an IPv4 or IPv6 address without port; names are not looked up (a name by which \
             it calls itself belongs in `aliases`)"
        };
        findings.error(text.place, format!("{} is no address", quoted(&text.value)), remedy);
        return None;
    };
    let address = address.to_canonical();
    let is_sender = !address.is_unspecified()
        && !address.is_multicast()
        && address != IpAddr::V4(std::net::Ipv4Addr::BROADCAST);
    if !is_sender {
        let message = format!("nothing can send from {address}");
        findings.error(text.place, message, "write the address that the device sends from");
        return None;
    }
    Some(address)
}
