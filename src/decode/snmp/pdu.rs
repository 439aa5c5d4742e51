//! The two kinds of notification PDU: where the PDU lies in, fields of the trap and spans out.
//!
//! ```text
//! v2  request-id, error-status, error-index, varbinds                                 RFC 3416
//! v1  enterprise, agent-addr, generic-trap, specific-trap, time-stamp, varbinds       RFC 1157
//! ```

use crate::decode::snmp::ber::{Cursor, Element, signed};
use crate::decode::snmp::envelope::Pdu;
use crate::decode::snmp::trap_oid::{self, Source};
use crate::decode::snmp::value;
use crate::decode::snmp::varbinds::{self, Form};
use crate::model::fault::Fault;
use crate::model::trap::{OidBuffer, Trap, VarbindSpan, tag};

/// Tag of the Trap-PDU of SNMPv1.
pub(super) const TRAP_V1: u8 = 0xa4;
/// Tag of the InformRequest-PDU.
pub(super) const INFORM: u8 = 0xa6;
/// Tag of the SNMPv2-Trap-PDU.
pub(super) const TRAP_V2: u8 = 0xa7;
/// Tag of the Response-PDU.
pub(super) const RESPONSE: u8 = 0xa2;

/// Whether the tag is that of a PDU which notifies nobody: GetRequest, GetNextRequest, Response,
/// SetRequest, GetBulkRequest, Report.
pub(super) fn is_other_pdu(tag: u8) -> bool {
    matches!(tag, 0xa0..=0xa3 | 0xa5 | 0xa8)
}

/// The three numbers before the varbinds of every PDU but the SNMPv1 trap.
pub(super) struct Control {
    /// request-id.
    pub(super) request_id: Element,
    /// error-status.
    pub(super) error_status: Element,
    /// error-index.
    pub(super) error_index: Element,
}

impl Control {
    /// Reads them whatever their tags are.
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, Fault> {
        Ok(Self {
            request_id: cursor.element()?,
            error_status: cursor.element()?,
            error_index: cursor.element()?,
        })
    }

    /// Whether all three are integers.
    pub(super) fn is_sound(&self) -> bool {
        let is_integer =
            |element: &Element| element.tag == tag::INTEGER && element.end > element.start;
        is_integer(&self.request_id)
            && is_integer(&self.error_status)
            && is_integer(&self.error_index)
    }
}

/// Reads an SNMPv2-Trap-PDU or InformRequest-PDU.
pub(super) fn read_v2(
    pdu: Pdu,
    trap: &mut Trap<'_>,
    spans: &mut Vec<VarbindSpan>,
) -> Result<(), Fault> {
    let mut cursor = Cursor::new(trap.datagram, pdu.element.start, u32::MAX);
    let control = Control::read(&mut cursor)?;
    if !control.is_sound() {
        trap.faults.add(Fault::BadEncoding);
    }
    let request_id = control.request_id;
    let content = request_id.content(trap.datagram);
    trap.faults = trap.faults.union(value::faults_of(request_id.tag, content));
    trap.request_id = signed(content).unwrap_or(0);
    let list = varbinds::open(&mut cursor, pdu, &mut trap.faults)?;
    varbinds::walk(list, Form::V2, trap, spans);
    Ok(())
}

/// Reads a Trap-PDU of SNMPv1.
pub(super) fn read_v1(
    pdu: Pdu,
    trap: &mut Trap<'_>,
    spans: &mut Vec<VarbindSpan>,
) -> Result<(), Fault> {
    let datagram = trap.datagram;
    let mut cursor = Cursor::new(datagram, pdu.element.start, u32::MAX);
    let enterprise = cursor.element()?;
    if enterprise.tag != tag::OID {
        trap.faults.add(Fault::BadEncoding);
    }
    let agent = cursor.element()?;
    match varbinds::address(agent.tag, agent.content(datagram)) {
        Some(address) => trap.agent_address = varbinds::specified(address),
        None => trap.faults.add(Fault::AgentAddressUnusable),
    }
    let generic = signed(cursor.expect(tag::INTEGER)?.content(datagram));
    let specific = signed(cursor.expect(tag::INTEGER)?.content(datagram));
    if let (Some(generic), Some(specific)) = (generic, specific) {
        let enterprise =
            if enterprise.tag == tag::OID { enterprise.content(datagram) } else { &[] };
        let source = Source { enterprise, generic, specific };
        trap.trap_oid = OidBuffer::default();
        trap_oid::compose(&source, &mut trap.trap_oid, &mut trap.faults);
    } else {
        trap.faults.add(Fault::IntegerRange);
    }
    let stamp = cursor.element()?;
    trap.uptime_cs = value::uptime(stamp.tag, stamp.content(datagram), &mut trap.faults);
    let list = varbinds::open(&mut cursor, pdu, &mut trap.faults)?;
    varbinds::walk(list, Form::V1, trap, spans);
    Ok(())
}
