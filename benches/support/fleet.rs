//! The fleet that sends: devices with their own loopback addresses, their inventory as CSV, and
//! every message that they can send, encoded beforehand.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

/// In which language the fleet speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Kind {
    /// SNMPv2c linkDown and linkUp.
    Trap,
    /// The same fault as a line of Cisco IOS.
    Syslog,
}

/// So many devices with so many interfaces; each interface can have one alarm.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fleet {
    /// Devices.
    pub(crate) devices: u32,
    /// Interfaces of each.
    pub(crate) interfaces: u32,
}

impl Fleet {
    /// Alarms that it can raise.
    pub(crate) fn alarms(self) -> u32 {
        self.devices * self.interfaces
    }

    /// Where device number `device` sends from.
    pub(crate) fn address(device: u32) -> Ipv4Addr {
        let base = u32::from(Ipv4Addr::new(127, 16, 0, 0));
        // 250 a network, so that no address looks like a network or a broadcast.
        Ipv4Addr::from(base + (device / 250) * 256 + device % 250 + 1)
    }

    /// The inventory: the devices and their interfaces.
    pub(crate) fn inventory(self) -> Inventory {
        self.inventory_below("", 0)
    }

    /// The same, with every device but the first reached by this interface of the first, and
    /// services that run over it, each of a contract of its own.
    pub(crate) fn inventory_below(self, upstream: &str, contracts: u32) -> Inventory {
        let mut devices = String::from("name,kind,addresses,depends_on,interfaces\n");
        for device in 0..self.devices {
            let depends_on = if device == 0 { "" } else { upstream };
            let _ = write!(devices, "sw-{device},switch,{},{depends_on},", Self::address(device));
            for interface in 1..=self.interfaces {
                let separator = if interface == 1 { "" } else { ";" };
                let _ = write!(devices, "{separator}GigabitEthernet0/{interface}@{interface}");
            }
            devices.push('\n');
        }
        let mut services = String::new();
        for contract in 0..contracts {
            let _ = write!(
                services,
                "[[contract]]\nid = \"C-{contract}\"\ncustomer = \"Customer {contract}\"\n\
                 gtr_target_min = 240\n[[service]]\nname = \"access-{contract}\"\n\
                 contract = \"C-{contract}\"\ndepends_on = [\"{upstream}\"]\n"
            );
        }
        Inventory { devices, services }
    }
}

/// The files of an inventory.
#[derive(Debug)]
pub(crate) struct Inventory {
    /// In the columns of `config/inventory/devices.csv`.
    pub(crate) devices: String,
    /// Services and contracts, as in `config/inventory/example.toml`.
    pub(crate) services: String,
}

/// Every message of a fleet. Devices tell the same fault with the same bytes and differ in their
/// address, so that the sender's own memory is small and leaves the caches to the receiver.
pub(crate) struct Messages {
    fleet: Fleet,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

/// Which message: alarm number and verb in one.
pub(crate) type MessageId = u32;

/// The message that raises an alarm.
pub(crate) const fn raise(alarm: u32) -> MessageId {
    alarm * 2
}

/// The message that clears an alarm.
pub(crate) const fn clear(alarm: u32) -> MessageId {
    alarm * 2 + 1
}

impl Messages {
    /// Encodes them.
    pub(crate) fn encode(kind: Kind, fleet: Fleet) -> Self {
        let mut messages = Self { fleet, bytes: Vec::new(), ends: Vec::new() };
        for interface in 1..=fleet.interfaces {
            for is_down in [true, false] {
                match kind {
                    Kind::Trap => messages.bytes.extend(link_trap(interface, is_down)),
                    Kind::Syslog => messages.bytes.extend(link_line(interface, is_down)),
                }
                messages.ends.push(messages.bytes.len());
            }
        }
        messages
    }

    /// A message and who sends it.
    pub(crate) fn get(&self, id: MessageId) -> (Ipv4Addr, &[u8]) {
        let place = usize::try_from(id % (2 * self.fleet.interfaces)).expect("fits a pointer");
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        let device = id / 2 / self.fleet.interfaces;
        (Fleet::address(device), &self.bytes[start..self.ends[place]])
    }
}

fn link_line(interface: u32, is_down: bool) -> Vec<u8> {
    let state = if is_down { "down" } else { "up" };
    format!(
        "<187>4711: %LINK-3-UPDOWN: Interface GigabitEthernet0/{interface}, changed state to \
         {state}"
    )
    .into_bytes()
}

/// linkDown or linkUp with the varbinds of IF-MIB and the name that most vendors add.
fn link_trap(interface: u32, is_down: bool) -> Vec<u8> {
    const TRAP_V2: u8 = 0xa7;
    link_message(TRAP_V2, interface, is_down)
}

/// linkDown as an INFORM, which is answered when it is durable.
pub(crate) fn link_inform(interface: u32) -> Vec<u8> {
    const INFORM: u8 = 0xa6;
    link_message(INFORM, interface, true)
}

fn link_message(pdu_tag: u8, interface: u32, is_down: bool) -> Vec<u8> {
    const SYS_UP_TIME: &[u8] = &[0x2b, 6, 1, 2, 1, 1, 3, 0];
    const TRAP_OID: &[u8] = &[0x2b, 6, 1, 6, 3, 1, 1, 4, 1, 0];
    const IF_ENTRY: [u8; 8] = [0x2b, 6, 1, 2, 1, 2, 2, 1];
    const SEQUENCE: u8 = 0x30;
    const INTEGER: u8 = 2;
    const OCTETS: u8 = 4;
    const OID: u8 = 6;
    const TIME_TICKS: u8 = 0x43;
    let index = u8::try_from(interface).expect("fewer than 128 interfaces");
    let notification = [0x2b, 6, 1, 6, 3, 1, 1, 5, if is_down { 3 } else { 4 }];
    let name = format!("GigabitEthernet0/{interface}");
    let state = if is_down { 2 } else { 1 };
    let column = |column: u8, value: Vec<u8>| {
        let oid = [&IF_ENTRY[..], &[column, index]].concat();
        tlv(SEQUENCE, &[tlv(OID, &oid), value].concat())
    };
    let varbinds = [
        tlv(SEQUENCE, &[tlv(OID, SYS_UP_TIME), tlv(TIME_TICKS, &[0x12, 0x34, 0x56])].concat()),
        tlv(SEQUENCE, &[tlv(OID, TRAP_OID), tlv(OID, &notification)].concat()),
        column(1, tlv(INTEGER, &[index])),
        column(7, tlv(INTEGER, &[1])),
        column(8, tlv(INTEGER, &[state])),
        column(2, tlv(OCTETS, name.as_bytes())),
    ];
    let pdu = [
        tlv(INTEGER, &[0x12, 0x34]),
        tlv(INTEGER, &[0]),
        tlv(INTEGER, &[0]),
        tlv(SEQUENCE, &varbinds.concat()),
    ];
    let message = [tlv(INTEGER, &[1]), tlv(OCTETS, b"public"), tlv(pdu_tag, &pdu.concat())];
    tlv(SEQUENCE, &message.concat())
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).expect("no message is longer than 255 bytes");
    let mut bytes = if length < 128 { vec![tag, length] } else { vec![tag, 0x81, length] };
    bytes.extend_from_slice(content);
    bytes
}
