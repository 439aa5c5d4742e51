//! A decoded SNMP notification: what `decode::snmp` gives and `classify` reads. Borrows the
//! datagram; nothing is copied but the OID that SNMPv1 has to have composed.

use crate::model::fault::Faults;
use std::net::Ipv4Addr;

/// Universal and application tags of SNMP values (RFC 2578, RFC 3416).
pub mod tag {
    /// INTEGER, Integer32.
    pub const INTEGER: u8 = 0x02;
    /// OCTET STRING.
    pub const OCTET_STRING: u8 = 0x04;
    /// NULL.
    pub const NULL: u8 = 0x05;
    /// OBJECT IDENTIFIER.
    pub const OID: u8 = 0x06;
    /// IpAddress.
    pub const IP_ADDRESS: u8 = 0x40;
    /// Counter32.
    pub const COUNTER32: u8 = 0x41;
    /// Gauge32, Unsigned32.
    pub const GAUGE32: u8 = 0x42;
    /// TimeTicks, hundredths of a second.
    pub const TIME_TICKS: u8 = 0x43;
    /// Opaque.
    pub const OPAQUE: u8 = 0x44;
    /// Counter64.
    pub const COUNTER64: u8 = 0x46;
}

/// SNMP version of the message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TrapVersion {
    /// SNMPv1 (RFC 1157).
    V1,
    /// SNMPv2c (RFC 1901, RFC 3416).
    V2c,
}

/// Longest OID in BER content bytes that is kept whole.
pub const OID_BYTES_MAX: usize = 128;

/// An OID as BER content bytes, in place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct OidBuffer {
    bytes: [u8; OID_BYTES_MAX],
    len: u8,
}

impl Default for OidBuffer {
    fn default() -> Self {
        Self { bytes: [0; OID_BYTES_MAX], len: 0 }
    }
}

impl OidBuffer {
    /// The content bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&[])
    }

    /// Appends content bytes; `false` (and unchanged) when they do not fit.
    pub fn extend(&mut self, more: &[u8]) -> bool {
        let start = usize::from(self.len);
        let end = start.saturating_add(more.len());
        let Some(place) = self.bytes.get_mut(start..end) else { return false };
        place.copy_from_slice(more);
        self.len = u8::try_from(end).unwrap_or(0);
        true
    }
}

impl std::fmt::Debug for OidBuffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = String::new();
        write_oid(self.as_bytes(), &mut text);
        f.write_str(&text)
    }
}

/// Places of one varbind in the datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct VarbindSpan {
    /// First byte of the OID's content.
    pub oid_start: u32,
    /// One past its last byte.
    pub oid_end: u32,
    /// First byte of the value's content.
    pub value_start: u32,
    /// One past its last byte.
    pub value_end: u32,
    /// Tag of the value.
    pub tag: u8,
}

/// One varbind. Values are content bytes as sent; the methods read them leniently.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Varbind<'a> {
    /// BER content bytes of the OID, instance included.
    pub oid: &'a [u8],
    /// Tag of the value ([`tag`]).
    pub tag: u8,
    /// Content bytes of the value.
    pub value: &'a [u8],
}

impl<'a> Varbind<'a> {
    /// The value as a number: INTEGER signed; Counter, Gauge, TimeTicks unsigned, a missing leading
    /// zero forgiven. `None` for other tags and for more than 64 bits.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        let is_signed = match self.tag {
            tag::INTEGER => true,
            tag::COUNTER32 | tag::GAUGE32 | tag::TIME_TICKS | tag::COUNTER64 => false,
            _ => return None,
        };
        let significant = match self.value {
            [] => return None,
            [0, rest @ ..] if self.value.len() == 9 => rest,
            other => other,
        };
        if significant.len() > 8 {
            return None;
        }
        let negative = is_signed && significant.first().is_some_and(|byte| byte & 0x80 != 0);
        let mut bytes = if negative { [0xff_u8; 8] } else { [0_u8; 8] };
        let start = 8_usize.saturating_sub(significant.len());
        bytes.get_mut(start..)?.copy_from_slice(significant);
        if is_signed {
            Some(i64::from_be_bytes(bytes))
        } else {
            i64::try_from(u64::from_be_bytes(bytes)).ok()
        }
    }

    /// The value as octets, for OCTET STRING and Opaque.
    #[must_use]
    pub fn as_octets(&self) -> Option<&'a [u8]> {
        matches!(self.tag, tag::OCTET_STRING | tag::OPAQUE).then_some(self.value)
    }

    /// The value as an IPv4 address.
    #[must_use]
    pub fn as_ipv4(&self) -> Option<Ipv4Addr> {
        let octets: [u8; 4] = self.value.try_into().ok()?;
        (self.tag == tag::IP_ADDRESS).then(|| Ipv4Addr::from(octets))
    }
}

/// A decoded notification. For SNMPv1 the trap OID is the one that RFC 3584 3.1 composes.
#[derive(Clone, Copy, Debug)]
pub struct Trap<'a> {
    /// Version of the message.
    pub version: TrapVersion,
    /// Whether the sender waits for an answer (InformRequest).
    pub is_inform: bool,
    /// request-id of v2c, 0 for v1.
    pub request_id: i64,
    /// Community, as sent.
    pub community: &'a [u8],
    /// snmpTrapOID, empty when unusable (fault `trap-oid-unusable`).
    pub trap_oid: OidBuffer,
    /// sysUpTime in hundredths of a second.
    pub uptime_cs: Option<u32>,
    /// SNMPv1 agent-addr, or snmpTrapAddress.0 of a proxied trap; `None` when absent or 0.0.0.0.
    pub agent_address: Option<Ipv4Addr>,
    /// What was wrong with it.
    pub faults: Faults,
    /// The datagram.
    pub datagram: &'a [u8],
    /// Varbinds in their order, sysUpTime.0 and snmpTrapOID.0 left out.
    pub spans: &'a [VarbindSpan],
}

impl<'a> Trap<'a> {
    /// The varbinds in their order, sysUpTime.0 and snmpTrapOID.0 left out.
    pub fn varbinds(&self) -> impl Iterator<Item = Varbind<'a>> + use<'a> {
        let datagram = self.datagram;
        let part = move |start: u32, end: u32| {
            let start = usize::try_from(start).unwrap_or(usize::MAX);
            let end = usize::try_from(end).unwrap_or(usize::MAX);
            datagram.get(start..end).unwrap_or(&[])
        };
        self.spans.iter().map(move |span| Varbind {
            oid: part(span.oid_start, span.oid_end),
            tag: span.tag,
            value: part(span.value_start, span.value_end),
        })
    }

    /// The first varbind whose OID is `prefix` or lies under it.
    #[must_use]
    pub fn varbind_under(&self, prefix: &[u8]) -> Option<Varbind<'a>> {
        self.varbinds().find(|varbind| varbind.oid.starts_with(prefix))
    }
}

/// Writes the dotted form of BER content bytes; an unreadable end is written as `?`.
pub fn write_oid(content: &[u8], out: &mut String) {
    use std::fmt::Write as _;
    let mut arc = 0_u64;
    let mut is_first = true;
    let mut is_open = false;
    for byte in content {
        arc = (arc << 7) | u64::from(byte & 0x7f);
        is_open = byte & 0x80 != 0;
        if is_open {
            continue;
        }
        if is_first {
            let top = (arc / 40).min(2);
            let second = arc.saturating_sub(top.saturating_mul(40));
            let _ = write!(out, "{top}.{second}");
            is_first = false;
        } else {
            let _ = write!(out, ".{arc}");
        }
        arc = 0;
    }
    if is_open {
        out.push_str(".?");
    }
}

/// BER content bytes of a dotted OID (leading dot allowed); `None` if it is none.
#[must_use]
pub fn parse_oid(dotted: &str) -> Option<Vec<u8>> {
    let mut arcs = dotted.trim_start_matches('.').split('.').map(|arc| arc.parse::<u32>().ok());
    let top = arcs.next()??;
    let second = match arcs.next() {
        Some(arc) => arc?,
        None => 0,
    };
    if top > 2 || (top < 2 && second > 39) {
        return None;
    }
    let mut bytes = Vec::new();
    push_arc(u64::from(top).saturating_mul(40).saturating_add(u64::from(second)), &mut bytes);
    for arc in arcs {
        push_arc(u64::from(arc?), &mut bytes);
    }
    Some(bytes)
}

fn push_arc(arc: u64, out: &mut Vec<u8>) {
    let mut shift = 63_u32;
    while shift > 0 && arc >> shift == 0 {
        shift = shift.saturating_sub(7);
    }
    loop {
        let low = u8::try_from((arc >> shift) & 0x7f).unwrap_or(0);
        if shift == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
        shift = shift.saturating_sub(7);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oids_round_trip_between_dotted_and_content_bytes() {
        for dotted in ["1.3.6.1.6.3.1.1.5.3", "1.3.6.1.4.1.4294967295.1", "0.0", "2.999.1"] {
            let bytes = parse_oid(dotted).expect("a valid OID");
            let mut text = String::new();
            write_oid(&bytes, &mut text);
            assert_eq!(text, dotted);
        }
        assert_eq!(parse_oid("1.3.x"), None);
        assert_eq!(parse_oid("1.40"), None);
    }

    #[test]
    fn numbers_are_read_by_tag_and_forgive_a_missing_zero() {
        let value = |tag, value| Varbind { oid: &[], tag, value }.as_i64();
        assert_eq!(value(tag::INTEGER, &[0xff]), Some(-1));
        assert_eq!(value(tag::GAUGE32, &[0xff, 0xff, 0xff, 0xff]), Some(4_294_967_295));
        assert_eq!(value(tag::GAUGE32, &[0, 0xff, 0xff, 0xff, 0xff]), Some(4_294_967_295));
        assert_eq!(value(tag::OCTET_STRING, &[1]), None);
        assert_eq!(value(tag::INTEGER, &[]), None);
    }
}
