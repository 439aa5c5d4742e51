//! The outside of an SNMP message: version, community and where the PDU lies.
//!
//! ```text
//! SEQUENCE { version INTEGER, community OCTET STRING, pdu [n] }          v1, v2c
//! SEQUENCE { version INTEGER, header SEQUENCE { … }, security, data }    v3
//! ```
//!
//! What was read before something breaks is kept. The lengths of message and PDU are noted and not
//! yet believed: see [`crate::decode::snmp::varbinds`].

use crate::decode::snmp::ber::{Cursor, Element, SEQUENCE, index, signed};
use crate::model::fault::{Fault, Faults};
use crate::model::trap::tag;
use snmp_parser::HeaderData;
use snmp_parser::asn1_rs::FromBer;

/// Value of the version field of SNMPv1.
pub(super) const VERSION_1: i64 = 0;
/// Value of the version field of SNMPv2c.
pub(super) const VERSION_2C: i64 = 1;
/// Value of the version field of SNMPv3.
const VERSION_3: i64 = 3;

/// Where the PDU lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pdu {
    /// Place of its tag.
    pub(super) at: u32,
    /// Tag and content; the end is what its length says.
    pub(super) element: Element,
    /// Where the message ends by its own length.
    pub(super) message_end: u32,
}

/// What the outside of a message told.
#[derive(Debug, Default)]
pub(super) struct Envelope<'a> {
    /// The version field, once it was reached.
    pub(super) version: Option<i64>,
    /// The community as sent, empty when it was not reached.
    pub(super) community: &'a [u8],
    /// Whether it is built as SNMPv3 is.
    pub(super) is_v3: bool,
    /// The PDU, once its head was reached; never for SNMPv3.
    pub(super) pdu: Option<Pdu>,
    /// What was wrong so far.
    pub(super) faults: Faults,
}

impl<'a> Envelope<'a> {
    /// Reads as far as it goes.
    pub(super) fn read(datagram: &'a [u8]) -> Self {
        let mut envelope = Self::default();
        if let Err(fault) = envelope.fill(datagram) {
            envelope.faults.add(fault);
        }
        envelope
    }

    fn fill(&mut self, datagram: &'a [u8]) -> Result<(), Fault> {
        let mut cursor = Cursor::over(datagram);
        let message = cursor.head()?;
        if message.tag != SEQUENCE {
            return Err(Fault::BadEncoding);
        }
        if message.end > cursor.end() {
            self.faults.add(Fault::Truncated);
        } else if message.end < cursor.end() {
            self.faults.add(Fault::TrailingBytes);
        }
        let version = cursor.expect(tag::INTEGER)?;
        self.version = signed(version.content(datagram));
        let second_at = cursor.at();
        let second = cursor.head()?;
        if self.version == Some(VERSION_3) && second.tag == SEQUENCE {
            self.is_v3 = true;
            return check_v3_header(datagram.get(index(second_at)..).unwrap_or(&[]));
        }
        if self.version != Some(VERSION_1) && self.version != Some(VERSION_2C) {
            self.faults.add(Fault::VersionUnsupported);
        }
        cursor.move_to(second_at);
        let community = cursor.expect(tag::OCTET_STRING)?;
        self.community = community.content(datagram);
        if std::str::from_utf8(self.community).is_err() {
            self.faults.add(Fault::CommunityNotUtf8);
        }
        let at = cursor.at();
        self.pdu = Some(Pdu { at, element: cursor.head()?, message_end: message.end });
        Ok(())
    }
}

/// Whether the header of an SNMPv3 message (RFC 3412 section 6) is sound.
#[cold]
fn check_v3_header(header: &[u8]) -> Result<(), Fault> {
    HeaderData::from_ber(header).map(|_| ()).map_err(|_| Fault::BadEncoding)
}
