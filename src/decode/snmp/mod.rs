//! SNMP notifications (v1 Trap, v2c Trap and Inform) to a borrowed [`Trap`].
//!
//! One datagram goes in; out comes a trap whose text and values lie in the datagram, or the word
//! that it was another SNMP message. Total: whatever the bytes are, something comes out, faults are
//! named and what could be read is kept. Nothing is allocated once the decoder exists.
//!
//! Reading order: `envelope` (version, community, PDU), `pdu` (the fields of both kinds of
//! PDU), `varbinds` (the list), `trap_oid` (what names the notification), `value` (what is
//! wrong with a value), `salvage` (when the structure is broken), `inform` (the answer), all on
//! the cursor of `ber`.
//!
//! Equipment errs in ways that a strict parser answers by dropping the trap, so snmp-parser is the
//! oracle of the tests and reads the header of SNMPv3, and the rest is read here.
//!
//! A fault whose name ends in `-unusable` means that the field is empty. A field that was sent with
//! a wrong tag and read all the same has the fault `bad-encoding`.
//!
//! Absent: SNMPv3. This decoder does not decrypt and checks no signature, so it believes nothing
//! that an SNMPv3 message says: it gives an empty trap with the fault `version-unsupported`. A
//! decrypted scoped PDU begins, behind its two context fields, with the PDU that `pdu` reads.

mod ber;
mod envelope;
mod inform;
mod pdu;
mod salvage;
mod trap_oid;
mod value;
mod varbinds;

#[cfg(test)]
mod tests;

pub use inform::respond_inform;

use crate::model::fault::{Fault, Faults};
use crate::model::limits::VARBINDS_MAX;
use crate::model::trap::{OidBuffer, Trap, TrapVersion, VarbindSpan};
use envelope::{Envelope, Pdu, VERSION_1, VERSION_2C};

/// What a datagram is.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::large_enum_variant, reason = "the large variant is the usual one, never stored")]
pub enum Decoded<'a> {
    /// A notification, possibly a damaged one, or bytes that are no SNMP (fault `undecodable`).
    Trap(Trap<'a>),
    /// A request, response or report: a poller is pointed at the trap port.
    NotANotification {
        /// `not-a-notification`, and whatever was wrong with the message.
        faults: Faults,
    },
}

/// Decodes one datagram after the other; the varbind places are its only memory.
#[derive(Debug)]
pub struct TrapDecoder {
    spans: Vec<VarbindSpan>,
}

impl Default for TrapDecoder {
    fn default() -> Self {
        Self { spans: Vec::with_capacity(VARBINDS_MAX) }
    }
}

impl TrapDecoder {
    /// Decodes a datagram.
    pub fn decode<'a>(&'a mut self, datagram: &'a [u8]) -> Decoded<'a> {
        self.spans.clear();
        let envelope = Envelope::read(datagram);
        let mut trap = blank(datagram, &envelope);
        if envelope.is_v3 {
            trap.faults.add(Fault::VersionUnsupported);
            trap.faults.add(Fault::TrapOidUnusable);
            return Decoded::Trap(trap);
        }
        if let Some(pdu) = envelope.pdu {
            if pdu::is_other_pdu(pdu.element.tag) {
                let faults = trap.faults.with(Fault::NotANotification);
                return Decoded::NotANotification { faults };
            }
            if let Err(fault) = read(pdu, &mut trap, &mut self.spans) {
                trap.faults.add(fault);
            }
        }
        let is_named = !trap.trap_oid.as_bytes().is_empty()
            || (is_broken(trap.faults) && salvage::name(&mut trap, &mut self.spans));
        if !is_named && envelope.version.is_none() {
            trap.faults = Faults::NONE.with(Fault::Undecodable);
        } else if trap.uptime_cs.is_none() {
            trap.faults.add(Fault::UptimeUnusable);
        }
        if !is_named {
            trap.faults.add(Fault::TrapOidUnusable);
        }
        trap.spans = &self.spans;
        Decoded::Trap(trap)
    }
}

/// A trap of which only the envelope is known.
fn blank<'a>(datagram: &'a [u8], envelope: &Envelope<'a>) -> Trap<'a> {
    let tag = envelope.pdu.map(|pdu| pdu.element.tag);
    let version = match envelope.version {
        Some(VERSION_1) => TrapVersion::V1,
        Some(VERSION_2C) => TrapVersion::V2c,
        _ if tag == Some(pdu::TRAP_V1) => TrapVersion::V1,
        _ => TrapVersion::V2c,
    };
    Trap {
        version,
        is_inform: tag == Some(pdu::INFORM) && version == TrapVersion::V2c,
        request_id: 0,
        community: envelope.community,
        trap_oid: OidBuffer::default(),
        uptime_cs: None,
        agent_address: None,
        faults: envelope.faults,
        datagram,
        spans: &[],
    }
}

/// Reads the PDU by its tag. One that is foreign to the version of the message is read too.
fn read(pdu: Pdu, trap: &mut Trap<'_>, spans: &mut Vec<VarbindSpan>) -> Result<(), Fault> {
    let (usual_version, result) = match pdu.element.tag {
        pdu::TRAP_V1 => (TrapVersion::V1, pdu::read_v1(pdu, trap, spans)),
        pdu::TRAP_V2 | pdu::INFORM => (TrapVersion::V2c, pdu::read_v2(pdu, trap, spans)),
        _ => return Err(Fault::BadEncoding),
    };
    if trap.version != usual_version {
        trap.faults.add(Fault::BadEncoding);
    }
    result
}

/// Whether the structure is in doubt, so that the kind of the trap may stand where it was not read.
fn is_broken(faults: Faults) -> bool {
    [Fault::Truncated, Fault::BadEncoding, Fault::VarbindUnreadable]
        .into_iter()
        .any(|fault| faults.has(fault))
}
