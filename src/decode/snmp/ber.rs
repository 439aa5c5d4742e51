//! A bounded cursor over BER (X.690): elements in, places in the datagram out.
//!
//! It never allocates, never recurses and never looks past its bound, so nesting and absurd lengths
//! cost nothing. Lengths in long form and with leading zeros are accepted, because equipment sends
//! them; the indefinite form and tags of more than one octet, which SNMP does not use (RFC 3417
//! section 8), are refused. Integers are read whatever their number of octets, as long as the value
//! fits into 64 bits. What a value means is none of its business.
//!
//! Places are `u32`, as in the spans: an element then fits into two registers.

use crate::model::fault::Fault;

/// Tag of SEQUENCE and SEQUENCE OF.
pub(super) const SEQUENCE: u8 = 0x30;

/// One element: its tag and the place of its content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Element {
    /// The identifier octet.
    pub(super) tag: u8,
    /// First byte of the content.
    pub(super) start: u32,
    /// One past its last byte, as the length says; saturates.
    pub(super) end: u32,
}

impl Element {
    /// The content bytes; empty when they are not all there.
    #[inline]
    pub(super) fn content<'a>(&self, datagram: &'a [u8]) -> &'a [u8] {
        datagram.get(index(self.start)..index(self.end)).unwrap_or(&[])
    }
}

/// A place in a datagram and the bound that it does not cross.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: u32,
    end: u32,
}

impl<'a> Cursor<'a> {
    /// A cursor over the whole datagram.
    #[inline]
    pub(super) fn over(bytes: &'a [u8]) -> Self {
        Self::new(bytes, 0, u32::MAX)
    }

    /// A cursor from `at` to `end`, or to the end of the datagram where that comes first.
    #[inline]
    pub(super) fn new(bytes: &'a [u8], at: u32, end: u32) -> Self {
        Self { bytes, at, end: end.min(place(bytes.len())) }
    }

    /// Where it stands.
    #[inline]
    pub(super) fn at(&self) -> u32 {
        self.at
    }

    /// Its bound.
    #[inline]
    pub(super) fn end(&self) -> u32 {
        self.end
    }

    /// The datagram.
    #[inline]
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Goes to another place.
    #[inline]
    pub(super) fn move_to(&mut self, at: u32) {
        self.at = at;
    }

    /// Reads tag and length and stands at the content. The element may end past the bound: the
    /// lengths of containers are checked by whoever reads what is in them.
    #[inline]
    pub(super) fn head(&mut self) -> Result<Element, Fault> {
        let Some([tag, first, ..]) = self.bytes.get(index(self.at)..index(self.end)) else {
            return Err(self.shortage());
        };
        let (tag, first) = (*tag, *first);
        if tag & 0x1f == 0x1f {
            return Err(Fault::BadEncoding);
        }
        self.at = self.at.saturating_add(2);
        let length = if first < 0x80 { u32::from(first) } else { self.long_length(first)? };
        Ok(Element { tag, start: self.at, end: self.at.saturating_add(length) })
    }

    /// Reads a whole element and stands behind it.
    #[inline]
    pub(super) fn element(&mut self) -> Result<Element, Fault> {
        let element = self.head()?;
        if element.end > self.end {
            return Err(self.shortage());
        }
        self.at = element.end;
        Ok(element)
    }

    /// Reads a whole element of one tag.
    #[inline]
    pub(super) fn expect(&mut self, tag: u8) -> Result<Element, Fault> {
        let element = self.element()?;
        if element.tag == tag { Ok(element) } else { Err(Fault::BadEncoding) }
    }

    #[cold]
    fn long_length(&mut self, first: u8) -> Result<u32, Fault> {
        let count = u32::from(first & 0x7f);
        if count == 0 || count == 0x7f {
            return Err(Fault::BadEncoding);
        }
        let end = self.at.saturating_add(count);
        if end > self.end {
            return Err(self.shortage());
        }
        let octets = self.bytes.get(index(self.at)..index(end)).unwrap_or(&[]);
        self.at = end;
        let append = |length: u32, octet: &u8| {
            length.saturating_mul(0x100).saturating_add(u32::from(*octet))
        };
        Ok(octets.iter().fold(0, append))
    }

    /// What it means that the bound comes too early: the datagram is short, or a container lies.
    #[cold]
    fn shortage(&self) -> Fault {
        if self.end == place(self.bytes.len()) { Fault::Truncated } else { Fault::BadEncoding }
    }
}

/// A place as an index.
#[inline]
pub(super) fn index(place: u32) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}

/// An index as a place; saturates.
#[inline]
pub(super) fn place(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// The value of a two's complement integer; `None` when empty or of more than 64 bits.
pub(super) fn signed(content: &[u8]) -> Option<i64> {
    let sign = if *content.first()? < 0x80 { 0 } else { 0xff };
    let mut octets = [sign; 8];
    fill(significant(content), &mut octets)?;
    Some(i64::from_be_bytes(octets))
}

/// The same content read as a number that is never negative, leading zero or not.
pub(super) fn unsigned(content: &[u8]) -> Option<u64> {
    content.first()?;
    let mut octets = [0; 8];
    fill(without_zeros(content), &mut octets)?;
    Some(u64::from_be_bytes(octets))
}

/// A two's complement integer without the octets that only repeat its sign.
pub(super) fn significant(mut content: &[u8]) -> &[u8] {
    while let [0x00, next @ 0x00..=0x7f, ..] | [0xff, next @ 0x80..=0xff, ..] = content {
        content = content.get(1..).unwrap_or(std::slice::from_ref(next));
    }
    content
}

/// An unsigned integer without its leading zeros.
pub(super) fn without_zeros(mut content: &[u8]) -> &[u8] {
    while let [0, rest @ ..] = content {
        content = rest;
    }
    content
}

fn fill(significant: &[u8], octets: &mut [u8; 8]) -> Option<()> {
    let start = octets.len().checked_sub(significant.len())?;
    octets.get_mut(start..)?.copy_from_slice(significant);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(bytes: &[u8]) -> Result<Element, Fault> {
        Cursor::over(bytes).head()
    }

    #[test]
    fn lengths_are_read_in_every_definite_form() {
        assert_eq!(head(&[4, 1, 9]), Ok(Element { tag: 4, start: 2, end: 3 }));
        assert_eq!(head(&[4, 0x81, 1, 9]), Ok(Element { tag: 4, start: 3, end: 4 }));
        assert_eq!(head(&[4, 0x84, 0, 0, 0, 1, 9]), Ok(Element { tag: 4, start: 6, end: 7 }));
        let padded = [4, 0x8a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 9];
        assert_eq!(head(&padded), Ok(Element { tag: 4, start: 12, end: 13 }));
    }

    #[test]
    fn absurd_lengths_saturate_and_are_not_followed() {
        for octets in [4_u8, 8, 9, 126] {
            let mut bytes = vec![0x30, 0x80 | octets];
            bytes.extend(std::iter::repeat_n(0xff, usize::from(octets)));
            let element = head(&bytes).expect("a head");
            assert!(element.end > place(bytes.len()));
            let mut cursor = Cursor::over(&bytes);
            assert_eq!(cursor.element(), Err(Fault::Truncated));
            assert_eq!(element.content(&bytes), b"");
        }
    }

    #[test]
    fn indefinite_reserved_and_multi_octet_forms_are_refused() {
        assert_eq!(head(&[0x30, 0x80, 0, 0]), Err(Fault::BadEncoding));
        assert_eq!(head(&[0x30, 0xff, 0, 0]), Err(Fault::BadEncoding));
        assert_eq!(head(&[0x1f, 0x81, 1, 0]), Err(Fault::BadEncoding));
    }

    #[test]
    fn a_short_datagram_and_a_lying_container_are_told_apart() {
        let bytes = [4, 3, 1, 2, 3];
        assert_eq!(Cursor::new(&bytes[..4], 0, 9).element(), Err(Fault::Truncated));
        assert_eq!(Cursor::new(&bytes, 0, 4).element(), Err(Fault::BadEncoding));
        assert_eq!(Cursor::new(&bytes, 4, 5).head(), Err(Fault::Truncated));
        assert_eq!(Cursor::new(&bytes, 9, 5).head(), Err(Fault::Truncated));
        assert_eq!(head(&[4, 0x82, 1]), Err(Fault::Truncated));
    }

    #[test]
    fn integers_of_any_length_are_read() {
        assert_eq!(signed(&[0x80, 0, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(signed(&[0xff, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0]), Some(i64::MIN));
        assert_eq!(signed(&[0xff, 0x7f]), Some(-129));
        assert_eq!(signed(&[0, 0x80]), Some(128));
        assert_eq!(signed(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 7]), Some(7));
        assert_eq!(signed(&[0xff; 12]), Some(-1));
        assert_eq!(signed(&[]), None);
        assert_eq!(unsigned(&[0xff, 0xff, 0xff, 0xff]), Some(0xffff_ffff));
        assert_eq!(unsigned(&[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), Some(u64::MAX));
        assert_eq!(unsigned(&[1, 0, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(unsigned(&[0, 0]), Some(0));
        assert_eq!(unsigned(&[]), None);
    }
}
