//! Bytes to text that is safe to show: UTF-8 without control characters.
//!
//! In: the bytes of a frame. Out: the same text borrowed, or a cleaned copy, and the faults that
//! made the copy necessary. A console of the NOC is a terminal, so whatever could drive one (ANSI
//! escapes, C1 controls, direction overrides) is shown escaped, never passed on.

use crate::model::fault::{Fault, Faults};

/// Text of a frame, without its trailing LF, CR and NUL (which are no fault). `scratch` is used
/// only when the bytes cannot be borrowed as they are.
pub(super) fn clean<'a>(frame: &'a [u8], scratch: &'a mut String) -> (&'a str, Faults) {
    let bytes = without_terminator(frame);
    if let Ok(text) = std::str::from_utf8(bytes)
        && (is_plain_ascii(bytes) || !text.contains(must_be_escaped))
    {
        return (text, Faults::NONE);
    }
    let faults = copy_cleaned(bytes, scratch);
    (scratch, faults)
}

fn without_terminator(mut bytes: &[u8]) -> &[u8] {
    while let [head @ .., b'\n' | b'\r' | 0] = bytes {
        bytes = head;
    }
    bytes
}

/// Whether every byte is printable ASCII, space or tab. Blocks of one size, the last of them
/// overlapping, compile to vector instructions: nearly every message passes here.
fn is_plain_ascii(bytes: &[u8]) -> bool {
    match (bytes.as_chunks::<BLOCK_BYTES>().0, bytes.last_chunk::<BLOCK_BYTES>()) {
        (blocks, Some(last)) => {
            blocks.iter().all(|block| !has_odd_byte(block)) && !has_odd_byte(last)
        }
        (_, None) => !has_odd_byte(bytes),
    }
}

/// Without early exit, for the sake of the vector instructions.
#[inline]
fn has_odd_byte(bytes: &[u8]) -> bool {
    let is_odd =
        |byte: u8| u8::from(byte.wrapping_sub(b' ') > b'~' - b' ') & u8::from(byte != b'\t');
    bytes.iter().fold(0, |any, &byte| any | is_odd(byte)) != 0
}

/// Controls (C0 but tab, DEL, C1), line separators and the explicit direction marks that let a
/// sender show text in another order than it is stored.
fn must_be_escaped(character: char) -> bool {
    (character.is_control() && character != '\t') || is_disguise(character)
}

const fn is_disguise(character: char) -> bool {
    matches!(character, '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn copy_cleaned(bytes: &[u8], scratch: &mut String) -> Faults {
    let mut faults = Faults::NONE;
    scratch.clear();
    for chunk in bytes.utf8_chunks() {
        let mut rest = chunk.valid();
        while let Some(place) = rest.find(must_be_escaped) {
            let (before, from) = rest.split_at(place);
            let mut characters = from.chars();
            scratch.push_str(before);
            if let Some(character) = characters.next() {
                push_escaped(character, scratch);
            }
            faults.add(Fault::ControlCharacters);
            rest = characters.as_str();
        }
        scratch.push_str(rest);
        if !chunk.invalid().is_empty() {
            scratch.push(char::REPLACEMENT_CHARACTER);
            faults.add(Fault::NotUtf8);
        }
    }
    faults
}

/// `\x1b` for a control, `\u{202e}` for the others.
fn push_escaped(character: char, scratch: &mut String) {
    let code = u32::from(character);
    if code > 0xFF {
        scratch.extend(character.escape_unicode());
        return;
    }
    scratch.push_str("\\x");
    scratch.extend(char::from_digit(code >> 4, 16));
    scratch.extend(char::from_digit(code & 0xF, 16));
}

/// Bytes that are looked at together.
const BLOCK_BYTES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(bytes: &[u8]) -> (String, Faults) {
        let mut scratch = String::new();
        let (text, faults) = clean(bytes, &mut scratch);
        (text.to_owned(), faults)
    }

    #[test]
    fn clean_text_is_borrowed_and_its_terminators_are_no_fault() {
        let frame = "<13>a\tb é ₡\r\n\0".as_bytes();
        let mut scratch = String::new();
        let (text, faults) = clean(frame, &mut scratch);
        assert_eq!((text, faults), ("<13>a\tb é ₡", Faults::NONE));
        assert_eq!(text.as_ptr(), frame.as_ptr(), "the frame is borrowed");
        assert_eq!(scratch.capacity(), 0, "nothing was allocated");
    }

    #[test]
    fn what_drives_a_terminal_is_shown_escaped() {
        let controls = Faults::NONE.with(Fault::ControlCharacters);
        for (bytes, shown) in [
            (&b"a\x1b[31mred\x1b[0m"[..], "a\\x1b[31mred\\x1b[0m"),
            (b"a\0b", "a\\x00b"),
            (b"a\nb\x7f.", "a\\x0ab\\x7f."),
            ("csi \u{9b}2J".as_bytes(), "csi \\x9b2J"),
            ("user\u{202e}nimda".as_bytes(), "user\\u{202e}nimda"),
        ] {
            assert_eq!(cleaned(bytes), (shown.to_owned(), controls));
        }
    }

    #[test]
    fn latin_1_becomes_replacement_characters_and_both_faults_add_up() {
        let (text, faults) = cleaned(b"ch\xe4\xe4s\x07");
        assert_eq!(text, "ch\u{fffd}\u{fffd}s\\x07");
        assert_eq!(faults, Faults::NONE.with(Fault::NotUtf8).with(Fault::ControlCharacters));
    }

    #[test]
    fn plain_ascii_is_told_at_every_place_of_a_block() {
        for length in [1_usize, 31, 32, 33, 64, 100] {
            for odd in 0..length {
                let mut bytes = vec![b'~'; length];
                assert!(is_plain_ascii(&bytes));
                for bad in [0, 0x1f, 0x7f, 0x80, 0xff] {
                    bytes[odd] = bad;
                    assert!(!is_plain_ascii(&bytes), "{bad:#x} at {odd} of {length}");
                }
            }
        }
    }
}
