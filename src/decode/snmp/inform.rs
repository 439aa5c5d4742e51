//! The answer to an InformRequest (RFC 3416 section 4.2.7): the same message as a Response without
//! an error. Sending it, and waiting until the notification is durable, is the caller's part.

use crate::decode::snmp::ber::{Cursor, Element, SEQUENCE, index};
use crate::decode::snmp::envelope::{Envelope, VERSION_2C};
use crate::decode::snmp::pdu::{Control, INFORM, RESPONSE};
use crate::model::fault::Fault;

/// Builds the answer in `out`, whose former content goes. `false`, and nothing in `out`, when the
/// datagram is no SNMPv2c InformRequest with sound message, PDU and list: such a one was recorded
/// with its faults, but its sender must not be told that all is well.
pub fn respond_inform(datagram: &[u8], out: &mut Vec<u8>) -> bool {
    out.clear();
    let Some(plan) = Plan::read(datagram) else { return false };
    out.extend_from_slice(plan.message);
    if let Some(tag) = out.get_mut(index(plan.tag_at)) {
        *tag = RESPONSE;
    }
    for field in [plan.error_status, plan.error_index] {
        if let Some(content) = out.get_mut(index(field.start)..index(field.end)) {
            content.fill(0);
        }
    }
    true
}

/// The request and the places where the answer differs from it.
struct Plan<'a> {
    message: &'a [u8],
    tag_at: u32,
    error_status: Element,
    error_index: Element,
}

impl<'a> Plan<'a> {
    fn read(datagram: &'a [u8]) -> Option<Self> {
        let envelope = Envelope::read(datagram);
        let is_damaged =
            envelope.faults.has(Fault::Truncated) || envelope.faults.has(Fault::BadEncoding);
        let pdu = envelope.pdu?;
        if is_damaged || envelope.version != Some(VERSION_2C) || pdu.element.tag != INFORM {
            return None;
        }
        let mut cursor = Cursor::new(datagram, pdu.element.start, pdu.message_end);
        let control = Control::read(&mut cursor).ok()?;
        let list = cursor.head().ok()?;
        let is_closed = list.end == pdu.element.end && list.end == pdu.message_end;
        if !control.is_sound() || list.tag != SEQUENCE || !is_closed {
            return None;
        }
        Some(Self {
            message: datagram.get(..index(pdu.message_end))?,
            tag_at: pdu.at,
            error_status: control.error_status,
            error_index: control.error_index,
        })
    }
}
