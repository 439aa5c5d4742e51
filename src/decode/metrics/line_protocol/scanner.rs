//! The parts of a line, one after the other. A backslash escapes what would end a part, and is a
//! backslash before anything else.

use crate::decode::metrics::label_list::LabelList;
use crate::decode::metrics::number;
use crate::model::sample::{SampleFault, Text};
use std::num::{IntErrorKind, ParseIntError};
use std::str::FromStr;

/// A place in a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scanner<'b> {
    bytes: &'b [u8],
    at: usize,
    line: u64,
}

impl<'b> Scanner<'b> {
    /// At the beginning.
    pub(super) fn over(bytes: &'b [u8]) -> Self {
        Self { bytes, at: 0, line: 1 }
    }

    /// The line that it stands in; the first is 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn rest(&self) -> &'b [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn skip_spaces(&mut self) {
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
    }

    /// Goes behind the next newline.
    pub(super) fn skip_line(&mut self) {
        match memchr::memchr(b'\n', self.rest()) {
            Some(length) => {
                self.at += length + 1;
                self.line += 1;
            }
            None => self.at = self.bytes.len(),
        }
    }

    /// Fields that seem to be on the line that begins here, of which something cannot be read; at
    /// least one. What follows a newline inside of a text is the next line's.
    pub(super) fn values_of_line(&self) -> u64 {
        let rest = self.rest();
        let line = rest.get(..memchr::memchr(b'\n', rest).unwrap_or(rest.len()));
        let mut bytes = line.unwrap_or_default().iter().copied();
        let mut fields = 1;
        let (mut is_behind_tags, mut is_in_text, mut before) = (false, false, 0);
        while let Some(byte) = bytes.next() {
            match byte {
                b'\\' => drop(bytes.next()),
                b'"' if is_in_text => is_in_text = false,
                b'"' if is_behind_tags && before == b'=' => is_in_text = true,
                b' ' if is_behind_tags && !is_in_text && before != b' ' => break,
                b' ' => is_behind_tags = true,
                b',' if is_behind_tags && !is_in_text => fields += 1,
                _ => {}
            }
            before = byte;
        }
        fields
    }

    /// Passes empty lines and comments; `false` when nothing comes any more.
    pub(super) fn skip_to_point(&mut self) -> bool {
        loop {
            self.skip_spaces();
            match self.peek() {
                None => return false,
                Some(b'#') => self.skip_line(),
                _ if self.take_line_end() => {}
                Some(_) => return true,
            }
        }
    }

    /// Passes an end of line (LF, CR LF, CR at the very end), if one stands here or the body ends.
    fn take_line_end(&mut self) -> bool {
        match self.rest() {
            [] => {}
            [b'\r'] => self.at += 1,
            [b'\n', ..] => {
                self.at += 1;
                self.line += 1;
            }
            [b'\r', b'\n', ..] => {
                self.at += 2;
                self.line += 1;
            }
            _ => return false,
        }
        true
    }

    /// The measurement, and the comma behind it.
    pub(super) fn measurement(
        &mut self,
        labels: &mut LabelList<'b>,
    ) -> Result<Text<'b>, SampleFault> {
        let measurement = self.token(|byte| matches!(byte, b',' | b' '), labels)?;
        if labels.text(measurement).is_empty() {
            return Err(self.unexpected(SampleFault::NameMissing));
        }
        self.take_tag_comma()?;
        Ok(measurement)
    }

    /// The next tag, and the comma behind it; `None` when fields follow.
    pub(super) fn tag(
        &mut self,
        labels: &mut LabelList<'b>,
    ) -> Result<Option<[Text<'b>; 2]>, SampleFault> {
        match self.peek() {
            Some(b' ') => {
                self.skip_spaces();
                return Ok(None);
            }
            None | Some(b'\r' | b'\n') => return Err(SampleFault::FieldMissing),
            Some(_) => {}
        }
        let key = self.token(ends_key, labels)?;
        if labels.text(key).is_empty() || self.peek() != Some(b'=') {
            return Err(self.unexpected(SampleFault::TagInvalid));
        }
        self.at += 1;
        let value = self.token(ends_key, labels)?;
        if labels.text(value).is_empty() {
            return Err(self.unexpected(SampleFault::TagInvalid));
        }
        self.take_tag_comma()?;
        Ok(Some([key, value]))
    }

    fn take_tag_comma(&mut self) -> Result<(), SampleFault> {
        if self.peek() == Some(b',') {
            self.at += 1;
            if matches!(self.peek(), None | Some(b' ' | b'\r' | b'\n')) {
                return Err(SampleFault::TagInvalid);
            }
        }
        Ok(())
    }

    /// The key of a field, and the sign behind it.
    pub(super) fn field_key(
        &mut self,
        labels: &mut LabelList<'b>,
    ) -> Result<Text<'b>, SampleFault> {
        if matches!(self.peek(), None | Some(b'\r' | b'\n')) {
            return Err(SampleFault::FieldMissing);
        }
        let key = self.token(ends_key, labels)?;
        if labels.text(key).is_empty() || self.peek() != Some(b'=') {
            return Err(self.unexpected(SampleFault::FieldInvalid));
        }
        self.at += 1;
        Ok(key)
    }

    /// The value of a field; `None` when it is a text.
    pub(super) fn field_value(&mut self) -> Result<Option<f64>, SampleFault> {
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                self.skip_string()?;
                return Ok(None);
            }
            None | Some(b' ' | b',' | b'\r' | b'\n') => return Err(SampleFault::ValueMissing),
            Some(_) => {}
        }
        let ends = |byte: &u8| matches!(byte, b',' | b' ' | b'\r' | b'\n');
        let rest = self.rest();
        let length = rest.iter().position(ends).unwrap_or(rest.len());
        self.at += length;
        let text = rest.get(..length).and_then(|text| std::str::from_utf8(text).ok());
        number_of(text.ok_or(SampleFault::ValueInvalid)?).map(Some)
    }

    /// Goes behind the closing quote.
    fn skip_string(&mut self) -> Result<(), SampleFault> {
        let start = self.at;
        loop {
            let next = memchr::memchr3(b'"', b'\\', b'\n', self.rest());
            self.at += next.ok_or(SampleFault::ValueInvalid)?;
            match self.rest() {
                [b'"', ..] => break,
                [b'\n', ..] => {
                    self.line += 1;
                    self.at += 1;
                }
                [_, b'\\' | b'"', ..] => self.at += 2,
                _ => self.at += 1,
            }
        }
        let text = self.bytes.get(start..self.at).unwrap_or_default();
        self.at += 1;
        std::str::from_utf8(text).map(|_| ()).map_err(|_| SampleFault::NotUtf8)
    }

    /// Passes the comma between fields; `false` at the end of the fields.
    pub(super) fn has_more_fields(&mut self) -> Result<bool, SampleFault> {
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            None | Some(b' ' | b'\r' | b'\n') => Ok(false),
            Some(_) => Err(SampleFault::FieldInvalid),
        }
    }

    /// The timestamp, if there is one, and the end of the line.
    pub(super) fn timestamp(&mut self) -> Result<Option<i64>, SampleFault> {
        self.skip_spaces();
        if self.take_line_end() {
            return Ok(None);
        }
        let rest = self.rest();
        let is_digit = |byte: &u8| byte.is_ascii_digit() || *byte == b'-';
        let length = rest.iter().position(|byte| !is_digit(byte)).unwrap_or(rest.len());
        self.at += length;
        let digits = rest.get(..length).and_then(|text| std::str::from_utf8(text).ok());
        let digits = digits.filter(|text| !text.is_empty()).ok_or(SampleFault::TimestampInvalid)?;
        if !matches!(self.peek(), None | Some(b' ' | b'\r' | b'\n')) {
            return Err(SampleFault::TimestampInvalid);
        }
        self.skip_spaces();
        if !self.take_line_end() {
            return Err(SampleFault::TimestampInvalid);
        }
        let is_well_formed = digits.strip_prefix('-').unwrap_or(digits);
        if is_well_formed.is_empty() || is_well_formed.contains('-') {
            return Err(SampleFault::TimestampInvalid);
        }
        digits.parse().map(Some).map_err(|_| SampleFault::TimestampOutOfRange)
    }

    /// Up to a sign that ends it, or to a control character.
    fn token(
        &mut self,
        ends: impl Fn(u8) -> bool,
        labels: &mut LabelList<'b>,
    ) -> Result<Text<'b>, SampleFault> {
        let start = self.at;
        let mut has_escape = false;
        while let Some(byte) = self.peek() {
            if byte == b'\\' {
                let escaped = self.bytes.get(self.at + 1).copied();
                if escaped.is_some_and(&ends) {
                    has_escape = true;
                    self.at += 1;
                }
            } else if ends(byte) || byte.is_ascii_control() {
                break;
            }
            self.at += 1;
        }
        let token = self.bytes.get(start..self.at).unwrap_or_default();
        let token = std::str::from_utf8(token).map_err(|_| SampleFault::NotUtf8)?;
        if !has_escape {
            return Ok(Text::Sent(token));
        }
        labels.make(|out| {
            let mut rest = token;
            while let Some((before, behind)) = rest.split_once('\\') {
                out.push_str(before);
                if behind.bytes().next().is_some_and(&ends) {
                    // The sign itself follows with what stands behind it.
                    let (sign, behind) = behind.split_at_checked(1).unwrap_or((behind, ""));
                    out.push_str(sign);
                    rest = behind;
                } else {
                    out.push('\\');
                    rest = behind;
                }
            }
            out.push_str(rest);
            Ok(())
        })
    }

    /// What is wrong here: a control character, or what the caller found.
    fn unexpected(&self, fault: SampleFault) -> SampleFault {
        match self.peek() {
            Some(b'\r' | b'\n') | None => fault,
            Some(byte) if byte.is_ascii_control() => SampleFault::ControlCharacter,
            Some(_) => fault,
        }
    }
}

fn ends_key(byte: u8) -> bool {
    matches!(byte, b',' | b'=' | b' ')
}

/// A number or truth.
fn number_of(text: &str) -> Result<f64, SampleFault> {
    match text {
        "t" | "T" | "true" | "True" | "TRUE" => return Ok(1.0),
        "f" | "F" | "false" | "False" | "FALSE" => return Ok(0.0),
        _ => {}
    }
    if let Some(digits) = text.strip_suffix('i') {
        return integer(digits).map(number::of_i64);
    }
    if let Some(digits) = text.strip_suffix('u') {
        return integer(digits).map(number::of_u64);
    }
    float(text)
}

fn integer<T: FromStr<Err = ParseIntError>>(digits: &str) -> Result<T, SampleFault> {
    if digits.starts_with('+') {
        return Err(SampleFault::ValueInvalid);
    }
    digits.parse().map_err(|error: ParseIntError| match error.kind() {
        IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => SampleFault::ValueOutOfRange,
        _ => SampleFault::ValueInvalid,
    })
}

fn float(text: &str) -> Result<f64, SampleFault> {
    let is_decimal = |byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
    // Words (NaN, Infinity) are no values of line protocol.
    if text.starts_with('+') || !text.bytes().all(is_decimal) {
        return Err(SampleFault::ValueInvalid);
    }
    let value: f64 = text.parse().map_err(|_| SampleFault::ValueInvalid)?;
    if value.is_finite() { Ok(value) } else { Err(SampleFault::ValueOutOfRange) }
}
