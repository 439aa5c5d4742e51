//! What is supervised: sites, devices, components, what depends on what, and the services that
//! contracts promise.
//!
//! A resource is named `device` or `device/component`; a service is named `service:NAME`.

use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Everything that the inventory files say, checked and in name order.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Inventory {
    /// Places.
    pub sites: Vec<Site>,
    /// Equipment.
    pub devices: Vec<Device>,
    /// What customers use.
    pub services: Vec<Service>,
}

/// A place.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Site {
    /// Unique name.
    pub name: String,
    /// For people.
    pub title: String,
    /// IANA time zone in which its equipment writes local times; empty means UTC.
    pub timezone: String,
}

/// A piece of equipment that can send messages or be the cause of some.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Device {
    /// Unique name; no `/`.
    pub name: String,
    /// Name of its site, or empty.
    pub site: String,
    /// What it is (`router`, `ups`, `hypervisor`, …), free text.
    pub kind: String,
    /// Addresses that it sends from.
    pub addresses: Vec<IpAddr>,
    /// Other names by which it or relays call it (syslog HOSTNAME).
    pub aliases: Vec<String>,
    /// Whether it forwards messages of others: then HOSTNAME, snmpTrapAddress or agent-addr names
    /// the resource.
    pub relay: bool,
    /// IANA time zone of its local times; empty means that of the site.
    pub timezone: String,
    /// What it needs in order to work.
    pub depends_on: Vec<Dependency>,
    /// Its parts that are named for a reason: links, dependencies, other names.
    pub components: Vec<Component>,
}

/// A part of a device: an interface, a power supply, a session.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Component {
    /// Name within the device, in its long form (`GigabitEthernet0/1`).
    pub name: String,
    /// ifIndex, when it is an interface.
    pub if_index: Option<u32>,
    /// Other names of the same part.
    pub aliases: Vec<String>,
    /// Resource at the other end of the link, when it is an interface.
    pub peer: Option<String>,
    /// What it needs, beyond its device.
    pub depends_on: Vec<Dependency>,
}

/// A group of resources of which some number must work.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Dependency {
    /// Resources of the group.
    pub any_of: Vec<String>,
    /// How many of them must work: 1 to the size of the group. A group larger than what it needs
    /// is redundant: its loss begins with "backup active".
    pub needed: u32,
}

/// What a customer uses.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Service {
    /// Unique name.
    pub name: String,
    /// Contract that promises it, or empty.
    pub contract: String,
    /// Site that it is delivered to, or empty.
    pub site: String,
    /// What it needs.
    pub depends_on: Vec<Dependency>,
}

/// Name of the resource that a service is.
#[must_use]
pub fn service_resource(name: &str) -> String {
    format!("{SERVICE}{name}")
}

/// What a part of a device is called of which only the ifIndex is known begins so.
pub const INDEX_PREFIX: &str = "ifIndex=";

/// Name of the service that a resource is; none when it is something else.
#[must_use]
pub fn service_name(resource: &str) -> Option<&str> {
    resource.strip_prefix(SERVICE)
}

/// Device and component of a resource name.
#[must_use]
pub fn split_resource(name: &str) -> (&str, &str) {
    if service_name(name).is_some() {
        return (name, "");
    }
    name.split_once('/').unwrap_or((name, ""))
}

/// What marks the name of a resource as that of a service.
const SERVICE: &str = "service:";
