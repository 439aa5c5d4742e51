//! What is wrong with a single value: tag and content in, faults (or a number) out.
//!
//! A faulty value is kept as sent: [`crate::model::trap::Varbind`] reads it leniently. Opaque,
//! BITS, NsapAddress and whatever else carries octets is not judged at all.

use crate::decode::snmp::ber::{significant, unsigned, without_zeros};
use crate::model::fault::{Fault, Faults};
use crate::model::trap::tag;

/// UInteger32 of RFC 1442: gone since RFC 1902, still sent.
const UINTEGER32: u8 = 0x47;
/// Marks an element made of elements, which no value of SNMP is.
const CONSTRUCTED: u8 = 0x20;
/// First tag of the private class, of which no value of SNMP is either.
const PRIVATE: u8 = 0xc0;

/// What is wrong with the value of a varbind.
#[inline]
pub(super) fn faults_of(tag: u8, content: &[u8]) -> Faults {
    let is_sound = match tag {
        tag::INTEGER => return integer_faults(content),
        tag::COUNTER32 | tag::GAUGE32 | tag::TIME_TICKS | UINTEGER32 => {
            return unsigned_faults(content, 4);
        }
        tag::COUNTER64 => return unsigned_faults(content, 8),
        tag::OID => is_finished_oid(content),
        tag::IP_ADDRESS => content.len() == 4,
        other => other & CONSTRUCTED == 0 && other < PRIVATE,
    };
    if is_sound { Faults::NONE } else { Faults::NONE.with(Fault::BadEncoding) }
}

/// Whether the content is an OID whose last sub-identifier ends.
#[inline]
pub(super) fn is_finished_oid(content: &[u8]) -> bool {
    content.last().is_some_and(|last| last & 0x80 == 0)
}

/// Hundredths of a second since a start. INTEGER and the other unsigned types are taken for
/// TimeTicks, with a fault: the value is as good.
pub(super) fn uptime(tag: u8, content: &[u8], faults: &mut Faults) -> Option<u32> {
    match tag {
        tag::TIME_TICKS => {}
        tag::INTEGER | tag::COUNTER32 | tag::GAUGE32 | UINTEGER32 => faults.add(Fault::BadEncoding),
        _ => return None,
    }
    *faults = faults.union(unsigned_faults(content, 4));
    u32::try_from(unsigned(content)?).ok()
}

#[inline]
fn integer_faults(content: &[u8]) -> Faults {
    match content.len() {
        1..=4 => Faults::NONE,
        0 => Faults::NONE.with(Fault::BadEncoding),
        _ if significant(content).len() <= 4 => Faults::NONE,
        _ => Faults::NONE.with(Fault::IntegerRange),
    }
}

#[inline]
fn unsigned_faults(content: &[u8], octets_max: usize) -> Faults {
    match content {
        [0..=0x7f, ..] if content.len() <= octets_max => Faults::NONE,
        [] => Faults::NONE.with(Fault::BadEncoding),
        _ if without_zeros(content).len() > octets_max => Faults::NONE.with(Fault::IntegerRange),
        [0x80..=0xff, ..] => Faults::NONE.with(Fault::UnsignedWithoutZero),
        _ => Faults::NONE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_judged_by_their_tag() {
        let none = Faults::NONE;
        let bad = none.with(Fault::BadEncoding);
        let range = none.with(Fault::IntegerRange);
        let no_zero = none.with(Fault::UnsignedWithoutZero);
        let cases: [(u8, &[u8], Faults); 25] = [
            (tag::INTEGER, &[0xff], none),
            (tag::INTEGER, &[0, 0, 0, 0, 0, 5], none),
            (tag::INTEGER, &[0xff, 0xff, 0x80, 0, 0, 0], none),
            (tag::INTEGER, &[0, 0x80, 0, 0, 0], range),
            (tag::INTEGER, &[], bad),
            (tag::COUNTER32, &[0xff, 0xff, 0xff, 0xff], no_zero),
            (tag::GAUGE32, &[0x80], no_zero),
            (tag::TIME_TICKS, &[0, 0xff, 0xff, 0xff, 0xff], none),
            (tag::TIME_TICKS, &[0, 0, 0, 1, 0, 0], none),
            (tag::TIME_TICKS, &[1, 0, 0, 0, 0], range),
            (tag::GAUGE32, &[0x80, 0, 0, 0, 0], range),
            (UINTEGER32, &[0x80, 0, 0, 0], no_zero),
            (tag::COUNTER32, &[], bad),
            (tag::COUNTER64, &[0, 0xff, 0, 0, 0, 0, 0, 0, 0], none),
            (tag::COUNTER64, &[0xff, 0, 0, 0, 0, 0, 0, 0], no_zero),
            (tag::COUNTER64, &[1, 0, 0, 0, 0, 0, 0, 0, 0], range),
            (tag::OID, &[0x2b, 6], none),
            (tag::OID, &[], bad),
            (tag::OID, &[0x2b, 0x86], bad),
            (tag::IP_ADDRESS, &[10, 0, 0, 1], none),
            (tag::IP_ADDRESS, &[10, 0, 0], bad),
            (tag::OCTET_STRING, &[], none),
            (tag::OPAQUE, &[0x9f, 0x78, 4, 0, 0, 0, 0], none),
            (0x24, &[4, 1, 65], bad),
            (0xc2, &[1], bad),
        ];
        for (tag, content, expected) in cases {
            assert_eq!(faults_of(tag, content), expected, "{tag:#x} {content:x?}");
        }
    }

    #[test]
    fn uptime_is_read_from_every_integer_type() {
        let mut faults = Faults::NONE;
        assert_eq!(uptime(tag::TIME_TICKS, &[0, 0xff, 0, 0, 0], &mut faults), Some(0xff00_0000));
        assert_eq!(faults, Faults::NONE);
        assert_eq!(uptime(tag::INTEGER, &[0x30, 0x39], &mut faults), Some(12_345));
        assert_eq!(faults, Faults::NONE.with(Fault::BadEncoding));
        assert_eq!(uptime(tag::TIME_TICKS, &[1, 0, 0, 0, 0], &mut faults), None);
        assert!(faults.has(Fault::IntegerRange));
        assert_eq!(uptime(tag::OCTET_STRING, b"1:00", &mut faults), None);
        assert_eq!(uptime(tag::TIME_TICKS, &[], &mut faults), None);
    }
}
