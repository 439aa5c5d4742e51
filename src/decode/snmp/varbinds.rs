//! The varbind list, walked in place: a cursor in, spans out.
//!
//! Lengths of containers are redundant, and senders get them wrong. So the list ends where two of
//! message, PDU and list agree, and inside a varbind the lengths of name and value are held against
//! that of the varbind: the end behind which the list plainly goes on is believed. One wrong length
//! thus costs one varbind, not those behind it.
//!
//! sysUpTime.0, snmpTrapOID.0 and snmpTrapAddress.0 go to the fields of the trap. They are
//! recognised anywhere in the list, and the first two also without their `.0`.

use crate::decode::snmp::ber::{Cursor, Element, SEQUENCE};
use crate::decode::snmp::envelope::Pdu;
use crate::decode::snmp::{trap_oid, value};
use crate::model::fault::{Fault, Faults};
use crate::model::limits::VARBINDS_MAX;
use crate::model::trap::{Trap, VarbindSpan, tag};
use std::net::Ipv4Addr;

/// 1.3.6.1.2.1.1.3, sysUpTime.
const SYS_UP_TIME: &[u8] = &[0x2b, 6, 1, 2, 1, 1, 3];
/// Its instance.
const SYS_UP_TIME_0: &[u8] = &[0x2b, 6, 1, 2, 1, 1, 3, 0];
/// 1.3.6.1.6.3.1.1.4.1, snmpTrapOID.
pub(super) const SNMP_TRAP_OID: &[u8] = &[0x2b, 6, 1, 6, 3, 1, 1, 4, 1];
/// Its instance.
const SNMP_TRAP_OID_0: &[u8] = &[0x2b, 6, 1, 6, 3, 1, 1, 4, 1, 0];
/// 1.3.6.1.6.3.18.1.3.0, snmpTrapAddress.0: who sent a trap that a proxy passes on (RFC 3584).
const SNMP_TRAP_ADDRESS_0: &[u8] = &[0x2b, 6, 1, 6, 3, 18, 1, 3, 0];

/// Which PDU the list belongs to. In an SNMPv1 trap the header gives time and kind, and varbinds
/// of these names are varbinds like others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// Trap-PDU of SNMPv1.
    V1,
    /// SNMPv2-Trap-PDU and InformRequest-PDU.
    V2,
}

/// What reading one varbind gave.
enum Step {
    /// A varbind; the cursor stands behind it.
    Varbind(VarbindSpan),
    /// One that could not be read; the cursor stands behind it.
    Skipped,
    /// The list cannot be followed any further.
    Lost,
}

/// Opens the list at the cursor: a cursor over its varbinds, bounded by what two of the three
/// containers agree on.
pub(super) fn open<'a>(
    cursor: &mut Cursor<'a>,
    pdu: Pdu,
    faults: &mut Faults,
) -> Result<Cursor<'a>, Fault> {
    if cursor.at() >= pdu.element.end {
        return Err(Fault::BadEncoding);
    }
    let list = cursor.head()?;
    let mut ends = [list.end, pdu.element.end, pdu.message_end];
    if list.tag != SEQUENCE || ends != [list.end; 3] {
        faults.add(Fault::BadEncoding);
        ends.sort_unstable();
    }
    let [_, end, _] = ends;
    if end > cursor.bytes().len() {
        faults.add(Fault::VarbindUnreadable);
    }
    Ok(Cursor::new(cursor.bytes(), list.start, end))
}

/// Walks the varbinds up to the cursor's bound.
pub(super) fn walk(
    mut cursor: Cursor<'_>,
    form: Form,
    trap: &mut Trap<'_>,
    spans: &mut Vec<VarbindSpan>,
) {
    while cursor.at() < cursor.end() {
        match step(&mut cursor, &mut trap.faults) {
            Step::Varbind(span) => {
                if is_taken(&span, form, trap) {
                    continue;
                }
                if spans.len() < VARBINDS_MAX {
                    spans.push(span);
                    continue;
                }
                trap.faults.add(Fault::LimitReached);
                if form == Form::V1 || !trap.trap_oid.as_bytes().is_empty() {
                    return;
                }
            }
            Step::Skipped => trap.faults.add(Fault::VarbindUnreadable),
            Step::Lost => {
                trap.faults.add(Fault::VarbindUnreadable);
                return;
            }
        }
    }
}

#[inline]
fn step(cursor: &mut Cursor<'_>, faults: &mut Faults) -> Step {
    let outer = match cursor.head() {
        Ok(outer) => outer,
        Err(fault) => {
            faults.add(fault);
            return Step::Lost;
        }
    };
    if outer.tag != SEQUENCE {
        faults.add(Fault::BadEncoding);
    }
    match name_and_value(cursor) {
        Ok((name, value)) if value.end == outer.end => {
            Step::Varbind(judged(cursor.bytes(), name, value, faults))
        }
        inside => reconcile(cursor, outer, inside, faults),
    }
}

#[inline]
fn name_and_value(cursor: &mut Cursor<'_>) -> Result<(Element, Element), Fault> {
    let name = cursor.expect(tag::OID)?;
    let value = cursor.element()?;
    Ok((name, value))
}

/// Decides between the end that the varbind says and the one that its content says.
#[cold]
fn reconcile(
    cursor: &mut Cursor<'_>,
    outer: Element,
    inside: Result<(Element, Element), Fault>,
    faults: &mut Faults,
) -> Step {
    let is_outer_plausible = has_more_at(cursor, outer.end);
    let (name, value) = match inside {
        Ok(inside) => inside,
        Err(fault) => {
            faults.add(fault);
            cursor.move_to(outer.end);
            return if is_outer_plausible { Step::Skipped } else { Step::Lost };
        }
    };
    faults.add(Fault::BadEncoding);
    let is_kept = if is_outer_plausible {
        cursor.move_to(outer.end);
        value.end <= outer.end
    } else {
        has_more_at(cursor, value.end)
    };
    match (is_kept, is_outer_plausible) {
        (true, _) => Step::Varbind(judged(cursor.bytes(), name, value, faults)),
        (false, true) => Step::Skipped,
        (false, false) => Step::Lost,
    }
}

/// Whether the list ends there or another varbind begins.
fn has_more_at(cursor: &Cursor<'_>, at: usize) -> bool {
    at == cursor.end() || (at < cursor.end() && cursor.bytes().get(at) == Some(&SEQUENCE))
}

#[inline]
fn judged(datagram: &[u8], name: Element, value: Element, faults: &mut Faults) -> VarbindSpan {
    if !value::is_finished_oid(name.content(datagram)) {
        faults.add(Fault::BadEncoding);
    }
    *faults = faults.union(value::faults_of(value.tag, value.content(datagram)));
    let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    VarbindSpan {
        oid_start: place(name.start),
        oid_end: place(name.end),
        value_start: place(value.start),
        value_end: place(value.end),
        tag: value.tag,
    }
}

/// Gives the varbinds that have a field of their own to the trap. `true`: it is no varbind of the
/// notification itself.
#[inline]
fn is_taken(span: &VarbindSpan, form: Form, trap: &mut Trap<'_>) -> bool {
    let oid = part(trap.datagram, span.oid_start, span.oid_end);
    match oid {
        SYS_UP_TIME_0 | SYS_UP_TIME if form == Form::V2 => {
            let content = part(trap.datagram, span.value_start, span.value_end);
            let read = value::uptime(span.tag, content, &mut trap.faults);
            trap.uptime_cs = trap.uptime_cs.or(read);
            true
        }
        SNMP_TRAP_OID_0 | SNMP_TRAP_OID if form == Form::V2 => {
            let content = part(trap.datagram, span.value_start, span.value_end);
            if span.tag == tag::OID
                && trap.trap_oid.as_bytes().is_empty()
                && let Some(oid) = trap_oid::copy(content, &mut trap.faults)
            {
                trap.trap_oid = oid;
            }
            true
        }
        SNMP_TRAP_ADDRESS_0 => {
            let content = part(trap.datagram, span.value_start, span.value_end);
            match address(span.tag, content) {
                Some(read) => trap.agent_address = trap.agent_address.or(specified(read)),
                None => trap.faults.add(Fault::AgentAddressUnusable),
            }
            false
        }
        _ => false,
    }
}

/// An IpAddress; `None` when it is none.
pub(super) fn address(tag: u8, content: &[u8]) -> Option<Ipv4Addr> {
    let octets: [u8; 4] = content.try_into().ok()?;
    (tag == tag::IP_ADDRESS).then(|| Ipv4Addr::from(octets))
}

/// An address that says something: 0.0.0.0 is what senders without one put there.
pub(super) fn specified(address: Ipv4Addr) -> Option<Ipv4Addr> {
    (!address.is_unspecified()).then_some(address)
}

#[inline]
fn part(datagram: &[u8], start: u32, end: u32) -> &[u8] {
    let start = usize::try_from(start).unwrap_or(usize::MAX);
    let end = usize::try_from(end).unwrap_or(usize::MAX);
    datagram.get(start..end).unwrap_or(&[])
}
