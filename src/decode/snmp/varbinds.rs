//! The varbind list, walked in place: a cursor in, spans out.
//!
//! Lengths of containers are redundant, and senders get them wrong. So the list ends where two of
//! message, PDU and list agree, and inside a varbind the lengths of name and value are held against
//! that of the varbind: the end behind which the list plainly goes on is believed. One wrong length
//! thus costs one varbind, not those behind it.
//!
//! sysUpTime.0, snmpTrapOID.0 and snmpTrapAddress.0 go to the fields of the trap. They are
//! recognised anywhere in the list, and the first two also without their `.0`.

use crate::decode::snmp::ber::{Cursor, Element, SEQUENCE, index};
use crate::decode::snmp::envelope::Pdu;
use crate::decode::snmp::{trap_oid, value};
use crate::model::fault::{Fault, Faults};
use crate::model::limits::VARBINDS_MAX;
use crate::model::trap::{Trap, VarbindSpan, tag};
use std::net::Ipv4Addr;
use std::ops::ControlFlow;

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
    if end > cursor.end() {
        faults.add(Fault::VarbindUnreadable);
    }
    Ok(Cursor::new(cursor.bytes(), list.start, end))
}

/// Walks the varbinds up to the cursor's bound.
pub(super) fn walk(
    cursor: Cursor<'_>,
    form: Form,
    trap: &mut Trap<'_>,
    spans: &mut Vec<VarbindSpan>,
) {
    let mut walk = Walk { form, trap, spans };
    if walk.run(cursor).is_break() {
        walk.trap.faults.add(Fault::VarbindUnreadable);
    }
}

/// A walk under way. Its steps break when the list cannot be followed any further.
struct Walk<'w, 'd> {
    form: Form,
    trap: &'w mut Trap<'d>,
    spans: &'w mut Vec<VarbindSpan>,
}

impl Walk<'_, '_> {
    fn run(&mut self, mut cursor: Cursor<'_>) -> ControlFlow<()> {
        while cursor.at() < cursor.end() && !self.is_enough() {
            let at = cursor.at();
            if let Some((name, value)) = sound(&mut cursor) {
                self.take(name, value);
            } else {
                cursor.move_to(at);
                self.take_unsound(&mut cursor)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Whether the limit is passed and nothing behind it is still looked for.
    #[inline]
    fn is_enough(&self) -> bool {
        self.trap.faults.has(Fault::LimitReached)
            && self.spans.len() >= VARBINDS_MAX
            && (self.form == Form::V1 || !self.trap.trap_oid.as_bytes().is_empty())
    }

    /// Judges a varbind and keeps it.
    #[inline]
    fn take(&mut self, name: Element, value: Element) {
        let datagram = self.trap.datagram;
        let (oid, content) = (name.content(datagram), value.content(datagram));
        let mut faults = value::faults_of(value.tag, content);
        if !value::is_finished_oid(oid) {
            faults.add(Fault::BadEncoding);
        }
        self.trap.faults = self.trap.faults.union(faults);
        match oid {
            SYS_UP_TIME_0 | SYS_UP_TIME if self.form == Form::V2 => {
                let read = value::uptime(value.tag, content, &mut self.trap.faults);
                self.trap.uptime_cs = self.trap.uptime_cs.or(read);
                return;
            }
            SNMP_TRAP_OID_0 | SNMP_TRAP_OID if self.form == Form::V2 => {
                if value.tag == tag::OID && self.trap.trap_oid.as_bytes().is_empty() {
                    trap_oid::copy(content, &mut self.trap.trap_oid, &mut self.trap.faults);
                }
                return;
            }
            SNMP_TRAP_ADDRESS_0 => match address(value.tag, content) {
                Some(read) => {
                    self.trap.agent_address = self.trap.agent_address.or(specified(read));
                }
                None => self.trap.faults.add(Fault::AgentAddressUnusable),
            },
            _ => {}
        }
        if self.spans.len() < VARBINDS_MAX {
            self.spans.push(span_of(name, value));
        } else {
            self.trap.faults.add(Fault::LimitReached);
        }
    }

    /// Makes what can be made of a varbind whose parts do not fit together: decides between the end
    /// that the varbind says and the one that its content says.
    #[cold]
    fn take_unsound(&mut self, cursor: &mut Cursor<'_>) -> ControlFlow<()> {
        let outer = match cursor.head() {
            Ok(outer) => outer,
            Err(fault) => {
                self.trap.faults.add(fault);
                return ControlFlow::Break(());
            }
        };
        let is_outer_plausible = has_more_at(cursor, outer.end);
        match name_and_value(cursor) {
            Ok((name, value)) => {
                self.trap.faults.add(Fault::BadEncoding);
                if is_outer_plausible && value.end <= outer.end {
                    self.take(name, value);
                } else if is_outer_plausible {
                    self.trap.faults.add(Fault::VarbindUnreadable);
                } else if has_more_at(cursor, value.end) {
                    self.take(name, value);
                    return ControlFlow::Continue(());
                }
            }
            Err(fault) => {
                self.trap.faults.add(fault);
                self.trap.faults.add(Fault::VarbindUnreadable);
            }
        }
        cursor.move_to(outer.end);
        if is_outer_plausible { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}

/// Name and value of a varbind whose parts fit together.
#[inline]
fn sound(cursor: &mut Cursor<'_>) -> Option<(Element, Element)> {
    let outer = cursor.head().ok()?;
    let name = cursor.expect(tag::OID).ok()?;
    let value = cursor.element().ok()?;
    (outer.tag == SEQUENCE && value.end == outer.end).then_some((name, value))
}

fn name_and_value(cursor: &mut Cursor<'_>) -> Result<(Element, Element), Fault> {
    let name = cursor.expect(tag::OID)?;
    let value = cursor.element()?;
    Ok((name, value))
}

/// Whether the list ends there or another varbind begins.
fn has_more_at(cursor: &Cursor<'_>, at: u32) -> bool {
    at == cursor.end() || (at < cursor.end() && cursor.bytes().get(index(at)) == Some(&SEQUENCE))
}

#[inline]
fn span_of(name: Element, value: Element) -> VarbindSpan {
    VarbindSpan {
        oid_start: name.start,
        oid_end: name.end,
        value_start: value.start,
        value_end: value.end,
        tag: value.tag,
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
