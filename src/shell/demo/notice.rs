//! What a device has to say, and when.

use super::plan::{Datacenter, End, Place};
use std::net::Ipv4Addr;

/// Something that a device says, so long after the scene began.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Notice {
    pub(super) from: Place,
    pub(super) after_ms: u64,
    pub(super) what: What,
}

/// What it says. Ports are numbers within the device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum What {
    /// linkDown, linkUp.
    LinkTrap {
        port: usize,
        is_up: bool,
    },
    /// linkDown with ifAdminStatus down.
    LinkShut {
        port: usize,
    },
    /// `%LINK-3-UPDOWN`.
    LinkLine {
        port: usize,
        is_up: bool,
    },
    /// `%LINEPROTO-5-UPDOWN`.
    ProtocolLine {
        port: usize,
        is_up: bool,
    },
    /// `%LINK-5-CHANGED … administratively down`.
    ShutLine {
        port: usize,
    },
    /// ESXi: vmnic is up or down.
    UplinkLine {
        port: usize,
        is_up: bool,
    },
    BgpTrap {
        peer: Ipv4Addr,
        is_up: bool,
    },
    BgpLine {
        peer: Ipv4Addr,
        is_up: bool,
    },
    OspfTrap {
        peer: Ipv4Addr,
        is_up: bool,
    },
    OspfLine {
        peer: Ipv4Addr,
        is_up: bool,
    },
    /// upsTrapOnBattery.
    OnBattery,
    /// Entry of upsAlarmTable by its number among the well-known alarms.
    UpsAlarm {
        alarm: u32,
        is_there: bool,
    },
    /// cefcModuleStatusChange.
    Module {
        number: u32,
        is_up: bool,
    },
    ColdStart,
    AuthenticationFailure,
    /// A trap that no rule knows.
    Unheard,
    WrongPassword {
        user: &'static str,
    },
    /// A line that no rule knows.
    Chatter,
}

/// An alarm by the names that vigie is to give it: resource, alarm type, qualifier.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct AlarmKey {
    pub(super) resource: String,
    pub(super) alarm_type: &'static str,
    pub(super) qualifier: String,
}

impl Notice {
    /// The alarm that it raises or clears, with whether it raises; none when it has no state.
    pub(super) fn alarm(&self, plan: &Datacenter) -> Option<(AlarmKey, bool)> {
        let device = plan.device(self.from).name.clone();
        let key = |resource, alarm_type, qualifier| AlarmKey { resource, alarm_type, qualifier };
        let of_port = |port: usize| {
            let resource = plan.port_name(End { device: self.from, port });
            key(resource, "interface-down", String::new())
        };
        Some(match &self.what {
            What::LinkTrap { port, is_up }
            | What::LinkLine { port, is_up }
            | What::ProtocolLine { port, is_up }
            | What::UplinkLine { port, is_up } => (of_port(*port), !is_up),
            What::BgpTrap { peer, is_up } | What::BgpLine { peer, is_up } => {
                (key(device, "bgp-peer-down", peer.to_string()), !is_up)
            }
            What::OspfTrap { peer, is_up } | What::OspfLine { peer, is_up } => {
                (key(device, "ospf-neighbor-down", peer.to_string()), !is_up)
            }
            What::OnBattery => (key(device, "ups-on-battery", String::new()), true),
            What::UpsAlarm { alarm, is_there } => {
                let (alarm_type, qualifier) = ups_alarm(*alarm)?;
                (key(device, alarm_type, qualifier.to_owned()), *is_there)
            }
            What::Module { number, is_up } => {
                let resource = format!("{device}/entity {number}");
                (key(resource, "module-failed", String::new()), !is_up)
            }
            What::LinkShut { .. }
            | What::ShutLine { .. }
            | What::ColdStart
            | What::AuthenticationFailure
            | What::Unheard
            | What::WrongPassword { .. }
            | What::Chatter => return None,
        })
    }
}

/// upsAlarmOnBattery.
pub(super) const ON_BATTERY: u32 = 2;
/// upsAlarmLowBattery.
pub(super) const LOW_BATTERY: u32 = 3;
/// upsAlarmOutputOff as the UPS reports it once its battery is empty.
pub(super) const OUTPUT_OFF: u32 = 14;

fn ups_alarm(alarm: u32) -> Option<(&'static str, &'static str)> {
    match alarm {
        ON_BATTERY => Some(("ups-on-battery", "")),
        LOW_BATTERY => Some(("ups-battery-low", "low-battery")),
        OUTPUT_OFF => Some(("ups-output-fault", "output-off")),
        _ => None,
    }
}
