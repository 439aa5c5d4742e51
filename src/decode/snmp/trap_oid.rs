//! The OID that names a notification: checked when SNMPv2 sent it, composed when SNMPv1 did.
//!
//! Rules match trap OIDs byte by byte, so what leaves this file is a valid, minimal encoding of an
//! OID, or nothing.

use crate::decode::snmp::value::is_finished_oid;
use crate::model::fault::{Fault, Faults};
use crate::model::limits::OID_ARCS_MAX;
use crate::model::trap::{OID_BYTES_MAX, OidBuffer};

/// snmpTraps, 1.3.6.1.6.3.1.1.5: the six standard notifications lie under it.
const SNMP_TRAPS: [u8; 8] = [0x2b, 6, 1, 6, 3, 1, 1, 5];
/// generic-trap of a notification that its enterprise defines.
const ENTERPRISE_SPECIFIC: i64 = 6;

/// Copies a trap OID into an empty buffer. It stays empty when the content is empty, a single
/// octet, unfinished, out of the range of sub-identifiers (32 bits) or longer than the limit.
/// Padded sub-identifiers are made minimal.
#[inline]
pub(super) fn copy(content: &[u8], oid: &mut OidBuffer, faults: &mut Faults) {
    if content.len() > OID_BYTES_MAX {
        faults.add(Fault::LimitReached);
        return;
    }
    if content.len() < 2 || !is_finished_oid(content) {
        return;
    }
    let mut arc = 0_u64;
    let mut is_new = true;
    let mut is_padded = false;
    let mut arcs = 1_usize;
    for octet in content {
        is_padded |= is_new && *octet == 0x80;
        arc = (arc << 7) | u64::from(octet & 0x7f);
        if arc > u64::from(u32::MAX) {
            return;
        }
        is_new = octet & 0x80 == 0;
        if is_new {
            arcs = arcs.saturating_add(1);
            arc = 0;
        }
    }
    if arcs > OID_ARCS_MAX {
        faults.add(Fault::LimitReached);
    } else if is_padded {
        faults.add(Fault::BadEncoding);
        copy_minimal(content, oid);
    } else {
        oid.extend(content);
    }
}

/// Composes the trap OID of an SNMPv1 trap in an empty buffer (RFC 3584 section 3.1): snmpTraps and
/// one more than generic-trap, or the enterprise, a zero and specific-trap. The zero is there even
/// if the enterprise ends in one already: the clause knows no exception, and MIBs converted by the
/// same document agree. The buffer stays empty when there is no such OID.
pub(super) fn compose(source: &Source<'_>, oid: &mut OidBuffer, faults: &mut Faults) {
    match source.generic {
        0..ENTERPRISE_SPECIFIC => {
            let last = u8::try_from(source.generic).unwrap_or(0).saturating_add(1);
            oid.extend(&SNMP_TRAPS);
            oid.extend(&[last]);
        }
        ENTERPRISE_SPECIFIC => {
            let Ok(specific) = u32::try_from(source.specific) else {
                return faults.add(Fault::IntegerRange);
            };
            copy(source.enterprise, oid, faults);
            if oid.as_bytes().is_empty() {
                return;
            }
            let is_whole = oid.extend(&[0]) && extend_by_arc(oid, specific);
            if !is_whole {
                *oid = OidBuffer::default();
                faults.add(Fault::LimitReached);
            }
        }
        _ => faults.add(Fault::IntegerRange),
    }
}

/// The fields of an SNMPv1 trap that name it.
pub(super) struct Source<'a> {
    /// enterprise, as content bytes.
    pub(super) enterprise: &'a [u8],
    /// generic-trap.
    pub(super) generic: i64,
    /// specific-trap.
    pub(super) specific: i64,
}

#[cold]
fn copy_minimal(content: &[u8], oid: &mut OidBuffer) {
    let mut is_new = true;
    for octet in content {
        if !(is_new && *octet == 0x80) {
            oid.extend(std::slice::from_ref(octet));
            is_new = octet & 0x80 == 0;
        }
    }
}

/// Appends a sub-identifier: seven bits an octet, all but the last with the top bit set.
fn extend_by_arc(oid: &mut OidBuffer, arc: u32) -> bool {
    let septet = |shift: u32| u8::try_from((arc >> shift) & 0x7f).unwrap_or(0);
    let octets =
        [septet(28) | 0x80, septet(21) | 0x80, septet(14) | 0x80, septet(7) | 0x80, septet(0)];
    let leading = octets.iter().take(4).take_while(|octet| **octet == 0x80).count();
    oid.extend(octets.get(leading..).unwrap_or(&octets))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::trap::parse_oid;

    fn copied(content: &[u8], faults: &mut Faults) -> Vec<u8> {
        let mut oid = OidBuffer::default();
        copy(content, &mut oid, faults);
        oid.as_bytes().to_vec()
    }

    fn composed(enterprise: &[u8], numbers: (i64, i64), faults: &mut Faults) -> Vec<u8> {
        let mut oid = OidBuffer::default();
        let (generic, specific) = numbers;
        compose(&Source { enterprise, generic, specific }, &mut oid, faults);
        oid.as_bytes().to_vec()
    }

    fn oid(dotted: &str) -> Vec<u8> {
        parse_oid(dotted).expect("a dotted OID")
    }

    #[test]
    fn sound_oids_are_copied_and_others_refused() {
        let mut faults = Faults::NONE;
        assert_eq!(
            copied(&oid("1.3.6.1.4.1.4294967295.0.7"), &mut faults),
            oid("1.3.6.1.4.1.4294967295.0.7")
        );
        let refused: [&[u8]; 6] = [
            &[],
            &[0x2b],
            &[0x2b, 0x86],
            &[0x2b, 0x90, 0x80, 0x80, 0x80, 0x00],
            &[0x2b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1],
            &[0x2b, 0xff, 0xff],
        ];
        for content in refused {
            assert!(copied(content, &mut faults).is_empty(), "{content:x?}");
        }
        assert_eq!(faults, Faults::NONE);
    }

    #[test]
    fn padded_arcs_are_made_minimal() {
        let mut faults = Faults::NONE;
        let padded = [0x2b, 0x80, 6, 1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x81, 5];
        assert_eq!(copied(&padded, &mut faults), [0x2b, 6, 1, 0x81, 5]);
        assert_eq!(faults, Faults::NONE.with(Fault::BadEncoding));
    }

    #[test]
    fn oids_past_the_limits_are_refused() {
        for length in [OID_BYTES_MAX, OID_BYTES_MAX + 1, 60_000] {
            let mut faults = Faults::NONE;
            assert!(copied(&vec![1; length], &mut faults).is_empty());
            assert_eq!(faults, Faults::NONE.with(Fault::LimitReached));
        }
        let mut faults = Faults::NONE;
        assert_eq!(copied(&[1; OID_BYTES_MAX - 1], &mut faults).len(), OID_BYTES_MAX - 1);
        assert!(composed(&[1; OID_BYTES_MAX - 1], (6, 1), &mut faults).is_empty());
        assert_eq!(faults, Faults::NONE.with(Fault::LimitReached));
    }

    #[test]
    fn composition_follows_rfc_3584() {
        let enterprise = oid("1.3.6.1.4.1.2636");
        let cases = [
            (0, 0, "1.3.6.1.6.3.1.1.5.1"),
            (2, 99, "1.3.6.1.6.3.1.1.5.3"),
            (5, -1, "1.3.6.1.6.3.1.1.5.6"),
            (6, 0, "1.3.6.1.4.1.2636.0.0"),
            (6, 127, "1.3.6.1.4.1.2636.0.127"),
            (6, 128, "1.3.6.1.4.1.2636.0.128"),
            (6, 4_294_967_295, "1.3.6.1.4.1.2636.0.4294967295"),
        ];
        for (generic, specific, expected) in cases {
            let mut faults = Faults::NONE;
            assert_eq!(composed(&enterprise, (generic, specific), &mut faults), oid(expected));
            assert_eq!(faults, Faults::NONE);
        }
    }

    #[test]
    fn an_enterprise_that_ends_in_zero_gets_the_zero_all_the_same() {
        let mut faults = Faults::NONE;
        assert_eq!(
            composed(&oid("1.3.6.1.4.1.9.0"), (6, 3), &mut faults),
            oid("1.3.6.1.4.1.9.0.0.3")
        );
    }

    #[test]
    fn numbers_out_of_range_name_nothing() {
        for (generic, specific) in [(7, 1), (262, 1), (-1, 1), (6, -1), (6, 4_294_967_296)] {
            let mut faults = Faults::NONE;
            let composed = composed(&oid("1.3.6.1.4.1.9"), (generic, specific), &mut faults);
            assert!(composed.is_empty(), "{generic} {specific}");
            assert_eq!(faults, Faults::NONE.with(Fault::IntegerRange));
        }
    }
}
