//! A bounded cursor over the protobuf wire format: fields in, slices of the body out.
//!
//! It never allocates, never recurses and never looks past its slice. Groups, which proto3 does not
//! have, are refused, and so are numbers of more than 64 bits. Unknown fields are stepped over by
//! whoever reads the message: their wire type says how long they are.

use crate::model::sample::SampleFault;

/// What stands behind the tag of a field.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Value<'a> {
    /// int32 to uint64, sint, bool, enum.
    Varint(u64),
    /// double, fixed64, sfixed64.
    Fixed64(u64),
    /// string, bytes, message, packed list.
    Bytes(&'a [u8]),
    /// float, fixed32, sfixed32.
    Fixed32(u32),
}

impl<'a> Value<'a> {
    /// The content of a string, message or packed list.
    #[inline]
    pub(super) fn bytes(self) -> Result<&'a [u8], SampleFault> {
        if let Self::Bytes(bytes) = self { Ok(bytes) } else { Err(SampleFault::BadEncoding) }
    }

    /// A string.
    #[inline]
    pub(super) fn text(self) -> Result<&'a str, SampleFault> {
        std::str::from_utf8(self.bytes()?).map_err(|_| SampleFault::NotUtf8)
    }

    /// int64, uint64, bool.
    #[inline]
    pub(super) fn varint(self) -> Result<u64, SampleFault> {
        if let Self::Varint(number) = self { Ok(number) } else { Err(SampleFault::BadEncoding) }
    }

    /// uint32, enum: of a wider number the low 32 bits count.
    #[inline]
    pub(super) fn varint32(self) -> Result<u64, SampleFault> {
        self.varint().map(|number| number & 0xffff_ffff)
    }

    /// fixed64, sfixed64.
    #[inline]
    pub(super) fn fixed64(self) -> Result<u64, SampleFault> {
        if let Self::Fixed64(number) = self { Ok(number) } else { Err(SampleFault::BadEncoding) }
    }

    /// double.
    #[inline]
    pub(super) fn double(self) -> Result<f64, SampleFault> {
        self.fixed64().map(f64::from_bits)
    }
}

/// What is left to read of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// A cursor over a message.
    #[inline]
    pub(super) fn over(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// What has not been read yet.
    #[inline]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next field: its number and its value; `None` at the end of the message. After a fault
    /// nothing more can be read.
    #[inline]
    pub(super) fn field(&mut self) -> Result<Option<(u32, Value<'a>)>, SampleFault> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let Some(number) = u32::try_from(tag >> 3).ok().filter(|n| (1..=FIELD_MAX).contains(n))
        else {
            return Err(SampleFault::BadEncoding);
        };
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => Value::Bytes(self.sized()?),
            5 => Value::Fixed32(u32::from_le_bytes(self.array()?)),
            _ => return Err(SampleFault::BadEncoding),
        };
        Ok(Some((number, value)))
    }

    /// Steps over messages with that number, as long as they have fewer than 128 octets. What
    /// stands behind is for [`Cursor::field`].
    #[inline]
    pub(super) fn step_over_short(&mut self, number: u32) {
        let Ok(tag) = u8::try_from(number << 3 | 2) else { return };
        while let [first, length @ 0..=0x7f, rest @ ..] = self.rest
            && *first == tag
            && let Some(rest) = rest.get(usize::from(*length)..)
        {
            self.rest = rest;
        }
    }

    /// A number of seven bits an octet, least significant first.
    #[inline]
    pub(super) fn varint(&mut self) -> Result<u64, SampleFault> {
        match self.rest {
            [octet @ 0..=0x7f, rest @ ..] => {
                self.rest = rest;
                Ok(u64::from(*octet))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, SampleFault> {
        let mut number = 0;
        for (place, octet) in self.rest.iter().enumerate().take(VARINT_OCTETS_MAX) {
            if place == VARINT_OCTETS_MAX - 1 && *octet > 1 {
                return Err(SampleFault::BadEncoding);
            }
            number |= u64::from(octet & 0x7f) << (7 * place);
            if *octet < 0x80 {
                self.rest = self.rest.get(place + 1..).unwrap_or_default();
                return Ok(number);
            }
        }
        Err(SampleFault::Truncated)
    }

    #[inline]
    fn sized(&mut self) -> Result<&'a [u8], SampleFault> {
        let length = self.varint()?;
        let parts =
            usize::try_from(length).ok().and_then(|length| self.rest.split_at_checked(length));
        let (content, rest) = parts.ok_or(SampleFault::Truncated)?;
        self.rest = rest;
        Ok(content)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], SampleFault> {
        let (content, rest) = self.rest.split_first_chunk().ok_or(SampleFault::Truncated)?;
        self.rest = rest;
        Ok(*content)
    }
}

/// What is there of a message that goes past the end: `rest` stands at its tag. `None` when
/// something else stands there.
#[cold]
pub(super) fn cut_message(rest: &[u8], number: u32) -> Option<&[u8]> {
    let mut cursor = Cursor::over(rest);
    let tag = cursor.varint().ok()?;
    // A cut length is a cut message as well.
    let _ = cursor.varint();
    (tag == u64::from(number << 3 | 2)).then_some(cursor.rest())
}

/// Highest number of a field.
const FIELD_MAX: u32 = (1 << 29) - 1;
/// Octets of 64 bits, seven each.
const VARINT_OCTETS_MAX: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(message: &[u8]) -> Result<Vec<(u32, Value<'_>)>, SampleFault> {
        let mut cursor = Cursor::over(message);
        let mut found = Vec::new();
        while let Some(field) = cursor.field()? {
            found.push(field);
        }
        Ok(found)
    }

    #[test]
    fn every_wire_type_of_proto3_is_read() {
        let message = [
            0x08, 0x96, 0x01, // 1: 150
            0x11, 1, 0, 0, 0, 0, 0, 0, 0, // 2: 1
            0x1a, 2, b'a', b'b', // 3: "ab"
            0x25, 2, 0, 0, 0, // 4: 2
            0xf8, 0xff, 0xff, 0xff, 0x0f, 0, // the highest field
        ];
        let expected = [
            (1, Value::Varint(150)),
            (2, Value::Fixed64(1)),
            (3, Value::Bytes(b"ab")),
            (4, Value::Fixed32(2)),
            (FIELD_MAX, Value::Varint(0)),
        ];
        assert_eq!(fields(&message).expect("all fields"), expected);
    }

    #[test]
    fn numbers_have_at_most_64_bits() {
        let mut widest = [0xff; 10];
        widest[9] = 1;
        assert_eq!(Cursor::over(&widest).varint(), Ok(u64::MAX));
        widest[9] = 2;
        assert_eq!(Cursor::over(&widest).varint(), Err(SampleFault::BadEncoding));
        assert_eq!(Cursor::over(&[0x80; 11]).varint(), Err(SampleFault::BadEncoding));
        assert_eq!(Cursor::over(&[0x80; 3]).varint(), Err(SampleFault::Truncated));
        // Longer than needed is legal.
        assert_eq!(Cursor::over(&[0x80, 0x80, 0]).varint(), Ok(0));
    }

    #[test]
    fn lengths_are_not_followed_past_the_end() {
        assert_eq!(fields(&[0x0a, 3, 1, 2]), Err(SampleFault::Truncated));
        let huge = [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0];
        assert_eq!(fields(&huge), Err(SampleFault::Truncated));
        assert_eq!(fields(&[0x09, 1, 2, 3]), Err(SampleFault::Truncated));
        assert_eq!(fields(&[0x0d, 1]), Err(SampleFault::Truncated));
    }

    #[test]
    fn groups_unknown_wire_types_and_field_zero_are_refused() {
        for tag in [0x0b, 0x0c, 0x0e, 0x0f, 0x00, 0x02] {
            assert_eq!(fields(&[tag, 0, 0]), Err(SampleFault::BadEncoding), "tag {tag:#x}");
        }
        let too_high = [0x80, 0x80, 0x80, 0x80, 0x10, 0];
        assert_eq!(fields(&too_high), Err(SampleFault::BadEncoding));
    }
}
