//! Values of attributes as text: what both encodings write the same way.

use crate::model::limits::{ATTRIBUTE_DEPTH_MAX, LABELS_BYTES_MAX};
use crate::model::sample::SampleFault;
use std::fmt::Write;

/// What a value that is written out may still take: levels of nesting, and bytes.
#[derive(Clone, Copy)]
pub(super) struct Room {
    depth: usize,
    end: usize,
}

impl Room {
    /// For a value that is written behind this text.
    pub(super) fn behind(text: &str) -> Self {
        Self { depth: 0, end: text.len().saturating_add(LABELS_BYTES_MAX) }
    }

    /// Whether the value stands in a list or map.
    pub(super) fn is_inside(self) -> bool {
        self.depth > 0
    }

    /// One level deeper, if that is allowed.
    pub(super) fn deeper(self) -> Result<Self, SampleFault> {
        if self.depth < ATTRIBUTE_DEPTH_MAX {
            Ok(Self { depth: self.depth + 1, ..self })
        } else {
            Err(SampleFault::NestingTooDeep)
        }
    }

    /// Asked before each element: a short one can stand for a long text.
    pub(super) fn check(self, text: &str) -> Result<(), SampleFault> {
        if text.len() < self.end { Ok(()) } else { Err(SampleFault::LabelTooLong) }
    }
}

/// Writes a JSON string.
pub(super) fn quote(text: &str, out: &mut String) {
    out.push('"');
    for sign in text.chars() {
        match sign {
            '"' | '\\' => {
                out.push('\\');
                out.push(sign);
            }
            '\0'..='\x1f' => {
                // Writing to a string does not fail.
                let _ = write!(out, "\\u{:04x}", u32::from(sign));
            }
            _ => out.push(sign),
        }
    }
    out.push('"');
}

/// Writes bytes in base64 (RFC 4648 section 4).
pub(super) fn base64(bytes: &[u8], out: &mut String) {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for group in bytes.chunks(3) {
        let octet = |place: usize| u32::from(group.get(place).copied().unwrap_or(0));
        let bits = octet(0) << 16 | octet(1) << 8 | octet(2);
        for place in 0..4 {
            let index = usize::try_from(bits >> (18 - 6 * place) & 0x3f).unwrap_or(0);
            let sign = SIGNS.get(index).copied().unwrap_or(b'=');
            let is_padding = usize::try_from(place).is_ok_and(|place| place > group.len());
            out.push(if is_padding { '=' } else { char::from(sign) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (bytes, expected) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            let mut out = String::new();
            base64(bytes.as_bytes(), &mut out);
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn quoted_text_is_json() {
        let text = "a \"quoted\" \\ line\nand é 😀 \u{1}";
        let mut out = String::new();
        quote(text, &mut out);
        assert_eq!(serde_json::from_str::<String>(&out).expect("JSON"), text);
    }
}
