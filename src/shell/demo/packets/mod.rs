//! What devices and collectors have to say, as the bytes that they put on the wire.
//!
//! In: a notice, its device and the instant; or what was measured. Out: one datagram, or the body
//! of one request. Nothing is sent here.

mod ber;
mod measured;
mod syslog;
mod trap;

pub(super) use measured::{Optic, Report, host_report, optics_report};

use super::notice::{Notice, What};
use super::plan::Datacenter;
use crate::model::event::Channel;
use crate::model::time::Timestamp;
use std::net::Ipv4Addr;

/// A datagram and its way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Packet {
    /// Address that it is sent from.
    pub(super) from: Ipv4Addr,
    /// Which listener it is for.
    pub(super) to: Channel,
    pub(super) bytes: Vec<u8>,
}

/// What the device sends at that instant.
pub(super) fn packet(plan: &Datacenter, notice: &Notice, at: Timestamp) -> Packet {
    let device = plan.device(notice.from);
    let trap = trap::Head { agent: device.address, at };
    let port = |number: usize| plan.port(super::plan::End { device: notice.from, port: number });
    let line = syslog::Head { host: &device.name, at };
    let (to, bytes) = match &notice.what {
        What::LinkTrap { port: number, is_up } => (Channel::Trap, trap.link(port(*number), *is_up)),
        What::LinkShut { port: number } => (Channel::Trap, trap.link_shut(port(*number))),
        What::LinkLine { port: number, is_up } => {
            (Channel::Syslog, line.link(&port(*number).name, *is_up))
        }
        What::ProtocolLine { port: number, is_up } => {
            (Channel::Syslog, line.protocol(&port(*number).name, *is_up))
        }
        What::ShutLine { port: number } => (Channel::Syslog, line.shut(&port(*number).name)),
        What::UplinkLine { port: number, is_up } => {
            (Channel::Syslog, line.uplink(&port(*number).name, *is_up))
        }
        What::BgpTrap { peer, is_up } => (Channel::Trap, trap.bgp(*peer, *is_up)),
        What::BgpLine { peer, is_up } => (Channel::Syslog, line.bgp(*peer, *is_up)),
        What::OspfTrap { peer, is_up } => (Channel::Trap, trap.ospf(*peer, *is_up)),
        What::OspfLine { peer, is_up } => (Channel::Syslog, line.ospf(*peer, *is_up)),
        What::OnBattery => (Channel::Trap, trap.on_battery()),
        What::UpsAlarm { alarm, is_there } => (Channel::Trap, trap.ups_alarm(*alarm, *is_there)),
        What::Module { number, is_up } => (Channel::Trap, trap.module(*number, *is_up)),
        What::ColdStart => (Channel::Trap, trap.generic_v1(trap::COLD_START)),
        What::AuthenticationFailure => {
            (Channel::Trap, trap.generic_v1(trap::AUTHENTICATION_FAILURE))
        }
        What::Unheard => (Channel::Trap, trap.unheard()),
        What::WrongPassword { user } => (Channel::Syslog, line.wrong_password(user)),
        What::Chatter => (Channel::Syslog, line.chatter()),
    };
    Packet { from: device.address, to, bytes }
}
