//! What to do with a message that broke before its kind was known: look for the kind in the bytes.
//!
//! A v2c trap is known by the name snmpTrapOID followed by a usable OID, a v1 trap by the run of
//! enterprise, agent-addr, generic-trap and specific-trap. The varbinds behind are read as far as
//! they go, since they say what the trap is about. Only called when the structure is broken: in a
//! sound message such bytes are somebody's value.

use crate::decode::snmp::ber::{Cursor, Element, place, signed};
use crate::decode::snmp::envelope::Pdu;
use crate::decode::snmp::pdu;
use crate::decode::snmp::trap_oid::{self, Source};
use crate::decode::snmp::varbinds::{self, Form, SNMP_TRAP_OID};
use crate::model::fault::Faults;
use crate::model::trap::{OidBuffer, Trap, TrapVersion, VarbindSpan, tag};
use memchr::{memchr_iter, memmem};

/// Looks for the kind of the trap; `true` when it was found.
#[cold]
pub(super) fn name(trap: &mut Trap<'_>, spans: &mut Vec<VarbindSpan>) -> bool {
    if let Some(found) = find_v2(trap.datagram) {
        trap.version = TrapVersion::V2c;
        trap.trap_oid = found.oid;
        keep_before(found.name_at, spans);
        let rest = Cursor::new(trap.datagram, found.end, u32::MAX);
        varbinds::walk(rest, Form::V2, trap, spans);
        return true;
    }
    if let Some(start) = find_v1(trap.datagram) {
        trap.version = TrapVersion::V1;
        spans.clear();
        let end = place(trap.datagram.len());
        let element = Element { tag: pdu::TRAP_V1, start, end };
        let found = Pdu { at: start, element, message_end: end };
        if let Err(fault) = pdu::read_v1(found, trap, spans) {
            trap.faults.add(fault);
        }
    }
    !trap.trap_oid.as_bytes().is_empty()
}

/// A trap OID with its name before it.
struct Named {
    oid: OidBuffer,
    name_at: u32,
    end: u32,
}

/// The first usable OID behind the name snmpTrapOID, with `.0` or without.
fn find_v2(datagram: &[u8]) -> Option<Named> {
    memmem::find_iter(datagram, SNMP_TRAP_OID).find_map(|name_at| {
        let mut value_at = name_at.saturating_add(SNMP_TRAP_OID.len());
        if datagram.get(value_at) == Some(&0) {
            value_at = value_at.saturating_add(1);
        }
        let mut cursor = Cursor::new(datagram, place(value_at), u32::MAX);
        let value = cursor.expect(tag::OID).ok()?;
        let mut oid = OidBuffer::default();
        trap_oid::copy(value.content(datagram), &mut oid, &mut Faults::default());
        (!oid.as_bytes().is_empty()).then_some(Named {
            oid,
            name_at: place(name_at),
            end: value.end,
        })
    })
}

/// The place of an enterprise with agent-addr, generic-trap and specific-trap behind it.
fn find_v1(datagram: &[u8]) -> Option<u32> {
    memchr_iter(tag::OID, datagram).map(place).find(|at| {
        let mut cursor = Cursor::new(datagram, *at, u32::MAX);
        let mut field = |tag: u8| Some(cursor.expect(tag).ok()?.content(datagram));
        let mut read = || {
            let enterprise = field(tag::OID)?;
            field(tag::IP_ADDRESS)?;
            let generic = signed(field(tag::INTEGER)?)?;
            let specific = signed(field(tag::INTEGER)?)?;
            Some(Source { enterprise, generic, specific })
        };
        let mut oid = OidBuffer::default();
        if let Some(source) = read() {
            trap_oid::compose(&source, &mut oid, &mut Faults::default());
        }
        !oid.as_bytes().is_empty()
    })
}

/// Keeps what lies before the name; one that swallowed it was misread, and the walk goes on behind.
fn keep_before(name_at: u32, spans: &mut Vec<VarbindSpan>) {
    spans.retain(|span| span.value_end <= name_at);
}
