//! The datacenter: 20 racks behind two aggregation switches and two routers.
//!
//! ```text
//!            rtr-1      rtr-2           either is enough
//!              │  ╲    ╱  │
//!            agg-1      agg-2           cards 1 to 4: five racks each; card 9: the routers
//!              ┃  ╲    ╱  ┃             two links to each switch below
//!      racks  1–12  two top-of-rack switches, each to both   (servers on both)
//!            13–16  one top-of-rack switch, to both          (servers on it alone)
//!            17–20  one top-of-rack switch, to one of them
//! ```
//!
//! Each rack has a UPS that feeds a PDU that feeds everything in it. Addresses are 127.20.RACK.N:
//! every device sends from an address of its own, all of them loopback.

use std::net::Ipv4Addr;

/// Place of a device in [`Datacenter::devices`].
pub(super) type Place = usize;

/// Racks.
pub(super) const RACKS: u8 = 20;

/// What a device is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    Router,
    Aggregation,
    TopOfRack,
    /// A switch of the office: nothing depends on it, people plug and unplug.
    Access,
    Hypervisor,
    Ups,
    Pdu,
    /// A Linux host that people log into.
    JumpHost,
}

impl Role {
    /// The inventory's `kind`.
    pub(super) const fn kind(self) -> &'static str {
        match self {
            Self::Router => "router",
            Self::Aggregation | Self::TopOfRack | Self::Access => "switch",
            Self::Hypervisor => "hypervisor",
            Self::Ups => "ups",
            Self::Pdu => "pdu",
            Self::JumpHost => "server",
        }
    }
}

/// A device.
#[derive(Clone, Debug)]
pub(super) struct Device {
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) address: Ipv4Addr,
    /// Groups of resources, of each of which one must work.
    pub(super) needs: Vec<Vec<String>>,
    pub(super) ports: Vec<Port>,
}

/// An interface.
#[derive(Clone, Debug)]
pub(super) struct Port {
    pub(super) name: String,
    pub(super) if_index: u32,
    /// The other end, when the inventory knows it.
    pub(super) peer: Option<End>,
}

/// One end of a link.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct End {
    pub(super) device: Place,
    pub(super) port: usize,
}

/// A rack, by the places of what stands in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Rack {
    pub(super) number: u8,
    pub(super) ups: Place,
    pub(super) switches: Vec<Place>,
    pub(super) hypervisors: Vec<Place>,
}

/// What a customer uses.
#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) name: String,
    pub(super) contract: &'static str,
    /// Resources of which one must work.
    pub(super) any_of: Vec<String>,
}

/// A customer's contract: id, customer, GTR in minutes.
pub(super) const CONTRACTS: [(&str, &str, u32); 6] = [
    ("C-101", "Atlas Bank", 240),
    ("C-102", "Medina Retail", 240),
    ("C-103", "Rif Hospitals", 120),
    ("C-104", "Zellige Media", 480),
    ("C-105", "Port of Tangier", 240),
    ("C-106", "Souss Agro", 480),
];

/// Everything.
#[derive(Clone, Debug, Default)]
pub(super) struct Datacenter {
    pub(super) devices: Vec<Device>,
    pub(super) racks: Vec<Rack>,
    pub(super) services: Vec<Service>,
    pub(super) routers: Vec<Place>,
    pub(super) aggregations: Vec<Place>,
    pub(super) access: Place,
    pub(super) jump_host: Place,
}

impl Datacenter {
    /// The datacenter, always the same.
    pub(super) fn new() -> Self {
        let mut all = Self::default();
        all.add_middle();
        for number in 1..=RACKS {
            all.add_rack(number);
        }
        all.add_services();
        all
    }

    pub(super) fn device(&self, place: Place) -> &Device {
        self.devices.get(place).expect("places come from this datacenter")
    }

    pub(super) fn port(&self, end: End) -> &Port {
        self.device(end.device).ports.get(end.port).expect("ends come from this datacenter")
    }

    /// `device/interface`.
    pub(super) fn port_name(&self, end: End) -> String {
        format!("{}/{}", self.device(end.device).name, self.port(end).name)
    }

    /// The links of a device as (its end, the other end), in the order of its ports.
    pub(super) fn links(&self, place: Place) -> Vec<(End, End)> {
        let ports = self.device(place).ports.iter().enumerate();
        ports.filter_map(|(port, one)| Some((End { device: place, port }, one.peer?))).collect()
    }

    /// Ends of a device's links towards another device.
    pub(super) fn links_between(&self, here: Place, there: Place) -> Vec<(End, End)> {
        self.links(here).into_iter().filter(|(_, peer)| peer.device == there).collect()
    }

    fn add(&mut self, name: &str, role: Role, (rack, host): (u8, u8)) -> Place {
        self.devices.push(Device {
            name: name.to_owned(),
            role,
            address: Ipv4Addr::new(127, 20, rack, host),
            needs: Vec::new(),
            ports: Vec::new(),
        });
        self.devices.len().saturating_sub(1)
    }

    fn need(&mut self, place: Place, any_of: &[&str]) {
        if let Some(device) = self.devices.get_mut(place) {
            device.needs.push(any_of.iter().map(|name| (*name).to_owned()).collect());
        }
    }

    fn add_port(&mut self, place: Place, name: &str) -> End {
        let device = self.devices.get_mut(place).expect("places come from this datacenter");
        let port = device.ports.len();
        let if_index = u32::try_from(port).unwrap_or(0).saturating_add(1);
        device.ports.push(Port { name: name.to_owned(), if_index, peer: None });
        End { device: place, port }
    }

    fn connect(&mut self, one: End, other: End) {
        for (here, there) in [(one, other), (other, one)] {
            let port =
                self.devices.get_mut(here.device).and_then(|known| known.ports.get_mut(here.port));
            if let Some(port) = port {
                port.peer = Some(there);
            }
        }
    }

    fn add_middle(&mut self) {
        for number in 1..=2 {
            let router = self.add(&format!("rtr-{number}"), Role::Router, (0, number));
            self.routers.push(router);
        }
        for number in 1..=2 {
            let host = number + 10;
            let place = self.add(&format!("agg-{number}"), Role::Aggregation, (0, host));
            self.need(place, &["rtr-1", "rtr-2"]);
            for (router, port) in self.routers.clone().into_iter().zip(1..) {
                let near = self.add_port(place, &format!("Ethernet9/{port}"));
                let far = self.add_port(router, &format!("TenGigabitEthernet0/{number}"));
                self.connect(near, far);
            }
            self.aggregations.push(place);
        }
        self.access = self.add("acc-1", Role::Access, (0, 21));
        for number in 1..=24 {
            self.add_port(self.access, &format!("GigabitEthernet0/{number}"));
        }
        self.jump_host = self.add("jump-1", Role::JumpHost, (0, 31));
    }

    fn add_rack(&mut self, number: u8) {
        let ups = self.add(&format!("ups-{number:02}"), Role::Ups, (number, 201));
        let pdu = self.add(&format!("pdu-{number:02}"), Role::Pdu, (number, 202));
        let ups_name = self.device(ups).name.clone();
        self.need(pdu, &[&ups_name]);
        let letters: &[&str] = if number <= 12 { &["-a", "-b"] } else { &[""] };
        let mut switches = Vec::new();
        for (letter, host) in letters.iter().zip(1..) {
            let name = format!("tor-{number:02}{letter}");
            let place = self.add(&name, Role::TopOfRack, (number, host));
            self.need(place, &[&format!("pdu-{number:02}")]);
            self.connect_upwards(place, number);
            switches.push(place);
        }
        let hypervisors = (1..=4 + number % 5)
            .map(|server| self.add_hypervisor((number, server), &switches))
            .collect();
        self.racks.push(Rack { number, ups, switches, hypervisors });
    }

    /// Two links to each aggregation switch that the rack is connected to.
    fn connect_upwards(&mut self, switch: Place, rack: u8) {
        let all = self.aggregations.clone();
        let above = match rack {
            17 | 18 => all.get(..1).unwrap_or(&[]),
            19 | 20 => all.get(1..).unwrap_or(&[]),
            _ => all.as_slice(),
        };
        let names: Vec<String> = above.iter().map(|one| self.device(*one).name.clone()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.need(switch, &names);
        let card = 1 + (rack - 1) / 5;
        let mut uplink = 49;
        for aggregation in above {
            for _ in 0..2 {
                let prefix = format!("Ethernet{card}/");
                let ports = self.device(*aggregation).ports.iter();
                let next = ports.filter(|port| port.name.starts_with(&prefix)).count() + 1;
                let near = self.add_port(*aggregation, &format!("{prefix}{next}"));
                let far = self.add_port(switch, &format!("Ethernet1/{uplink}"));
                self.connect(near, far);
                uplink += 1;
            }
        }
    }

    /// A server on every switch of its rack. The inventory knows the links only where there are
    /// two: a server with a single link falls silent with it, and cannot report the other end.
    fn add_hypervisor(&mut self, (rack, server): (u8, u8), switches: &[Place]) -> Place {
        let name = format!("hyp-{rack:02}-{server}");
        let place = self.add(&name, Role::Hypervisor, (rack, 10 + server));
        self.need(place, &[&format!("pdu-{rack:02}")]);
        let mut above = Vec::new();
        for (switch, card) in switches.iter().zip(0..) {
            let far = self.add_port(*switch, &format!("Ethernet1/{server}"));
            let near = self.add_port(place, &format!("vmnic{card}"));
            if switches.len() > 1 {
                self.connect(near, far);
                above.push(self.device(*switch).name.clone());
            } else {
                above.push(self.port_name(far));
            }
        }
        let above: Vec<&str> = above.iter().map(String::as_str).collect();
        self.need(place, &above);
        place
    }

    /// Per rack one service on a single hypervisor and one on two, in different racks; and the way
    /// out of the building.
    fn add_services(&mut self) {
        for rack in 1..=RACKS {
            let next = rack % RACKS + 1;
            let contract = |number: u8| {
                CONTRACTS.get(usize::from(number) % CONTRACTS.len()).map_or("", |one| one.0)
            };
            self.services.push(Service {
                name: format!("app-{rack:02}"),
                contract: contract(rack),
                any_of: vec![format!("hyp-{rack:02}-1")],
            });
            self.services.push(Service {
                name: format!("database-{rack:02}"),
                contract: contract(rack + 2),
                any_of: vec![format!("hyp-{rack:02}-2"), format!("hyp-{next:02}-2")],
            });
        }
        self.services.push(Service {
            name: "internet-access".to_owned(),
            contract: "C-101",
            any_of: vec!["agg-1".to_owned(), "agg-2".to_owned()],
        });
    }
}
