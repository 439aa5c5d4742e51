//! A small BER writer: definite lengths in their shortest form, as agents write them.

use crate::model::trap::{parse_oid, tag};

const SEQUENCE: u8 = 0x30;

/// An element.
pub(super) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match u8::try_from(content.len()) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let length = content.len().to_be_bytes();
            let octets = significant(&length);
            out.push(0x80 | u8::try_from(octets.len()).unwrap_or(0));
            out.extend_from_slice(octets);
        }
    }
    out.extend_from_slice(content);
    out
}

/// Octets without the leading ones that say nothing.
fn significant(octets: &[u8]) -> &[u8] {
    let zeros = octets.iter().take_while(|octet| **octet == 0).count();
    octets.get(zeros..).filter(|rest| !rest.is_empty()).unwrap_or(&[0])
}

/// A sequence of elements.
pub(super) fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    element(SEQUENCE, &parts.concat())
}

/// A number that is not negative, with a leading zero where its first bit would mean a sign.
pub(super) fn unsigned(tag: u8, value: u32) -> Vec<u8> {
    let octets = value.to_be_bytes();
    let octets = significant(&octets);
    let needs_zero = octets.first().is_some_and(|first| *first >= 0x80);
    let zero: &[u8] = if needs_zero { &[0] } else { &[] };
    element(tag, &[zero, octets].concat())
}

/// An INTEGER that is not negative.
pub(super) fn integer(value: u32) -> Vec<u8> {
    unsigned(tag::INTEGER, value)
}

/// An OCTET STRING.
pub(super) fn octets(content: &[u8]) -> Vec<u8> {
    element(tag::OCTET_STRING, content)
}

/// An OBJECT IDENTIFIER.
pub(super) fn oid(dotted: &str) -> Vec<u8> {
    element(tag::OID, &parse_oid(dotted).expect("OIDs here are constants and numbers"))
}

/// A name and its value.
pub(super) fn varbind(name: &str, value: Vec<u8>) -> Vec<u8> {
    sequence(&[oid(name), value])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_numbers_have_their_shortest_form() {
        assert_eq!(element(4, &[]), [4, 0]);
        assert_eq!(element(4, &[7; 127]).get(..2), Some(&[4, 127][..]));
        assert_eq!(element(4, &[7; 128]).get(..3), Some(&[4, 0x81, 128][..]));
        assert_eq!(element(4, &[7; 300]).get(..4), Some(&[4, 0x82, 1, 44][..]));
        assert_eq!(integer(0), [2, 1, 0]);
        assert_eq!(integer(127), [2, 1, 127]);
        assert_eq!(integer(128), [2, 2, 0, 128]);
        assert_eq!(unsigned(0x43, u32::MAX), [0x43, 5, 0, 255, 255, 255, 255]);
        assert_eq!(oid("1.3.6.1"), [6, 3, 43, 6, 1]);
    }
}
