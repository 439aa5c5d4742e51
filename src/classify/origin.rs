//! Which device a message is about. From anyone but a declared relay the sender's address counts;
//! from a relay the name in the message does, since the address is the relay's.

use super::clean;
use super::directory::{Directory, Known};
use crate::model::limits::NAME_BYTES_MAX;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

/// Whom the message itself names.
#[derive(Clone, Copy)]
pub(super) enum Named<'a> {
    /// Nobody.
    Nobody,
    /// HOSTNAME of syslog.
    Host(&'a str),
    /// snmpTrapAddress, or agent-addr of SNMPv1.
    Agent(Ipv4Addr),
}

/// The answer.
pub(super) struct Source<'d> {
    /// The device, when the inventory knows it; otherwise its name was written out.
    pub(super) known: Option<Known<'d>>,
    /// Whether the message names another known device than the one that sent it.
    pub(super) disagrees: bool,
}

/// Finds the device. The name of an unknown one is written to `unknown_name`.
pub(super) fn find<'d>(
    directory: &'d Directory,
    peer: IpAddr,
    named: Named<'_>,
    unknown_name: &mut String,
) -> Source<'d> {
    unknown_name.clear();
    let sender = directory.by_address(peer);
    let named_device = match named {
        Named::Nobody | Named::Host("") => None,
        // Mostly it is who sent it: then nothing is looked up.
        Named::Host(name) if sender.is_some_and(|known| known.is_called(name)) => sender,
        Named::Host(name) => directory.by_name(name),
        Named::Agent(address) => directory.by_address(IpAddr::V4(address)),
    };
    let is_relay = sender.is_some_and(|sender| sender.is_relay);
    if !is_relay {
        let disagrees = named_device
            .is_some_and(|named| sender.is_none_or(|sender| sender.place != named.place));
        if sender.is_none() {
            let _ = write!(unknown_name, "{peer}");
        }
        return Source { known: sender, disagrees };
    }
    if named_device.is_some() {
        return Source { known: named_device, disagrees: false };
    }
    match named {
        Named::Nobody | Named::Host("") => return Source { known: sender, disagrees: false },
        Named::Host(name) => push_device_name(name, unknown_name),
        Named::Agent(address) => {
            let _ = write!(unknown_name, "{address}");
        }
    }
    Source { known: None, disagrees: false }
}

/// A slash would end the device's part of a resource name.
pub(super) fn push_device_name(name: &str, out: &mut String) {
    clean::push(clean::cut_str(name, NAME_BYTES_MAX).as_bytes(), out);
    clean::cut(out, NAME_BYTES_MAX);
    if out.contains('/') {
        let mut parts = name.split('/');
        out.clear();
        clean::push(parts.next().unwrap_or("").as_bytes(), out);
        for part in parts {
            out.push('_');
            clean::push(part.as_bytes(), out);
        }
        clean::cut(out, NAME_BYTES_MAX);
    }
}
