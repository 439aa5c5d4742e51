//! Text fit to be shown: UTF-8 in one line, without control characters or marks that turn the
//! direction of writing. What is not is written `\xNN` or `\u{…}`, so that nothing is hidden.

use std::fmt::Write as _;

/// Appends bytes as clean text.
pub(super) fn push(bytes: &[u8], out: &mut String) {
    if bytes.iter().all(|byte| matches!(byte, b' '..=b'~'))
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        out.push_str(text);
        return;
    }
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            push_char(letter, out);
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
}

/// Appends the octets of a varbind; blanks and NULs that pad its end are left out.
pub(super) fn push_octets(bytes: &[u8], out: &mut String) {
    push(trim_padding(bytes), out);
}

/// Appends a number.
pub(super) fn push_number(number: impl itoa::Integer, out: &mut String) {
    out.push_str(itoa::Buffer::new().format(number));
}

/// The octets without the blanks, line ends and NULs that pad them.
pub(super) fn trim_padding(bytes: &[u8]) -> &[u8] {
    let is_padding = |byte: &u8| matches!(byte, 0 | b' ' | b'\t' | b'\r' | b'\n');
    let end = bytes.iter().rposition(|byte| !is_padding(byte)).map_or(0, |at| at.saturating_add(1));
    let kept = bytes.get(..end).unwrap_or(&[]);
    let start = kept.iter().position(|byte| !is_padding(byte)).unwrap_or(0);
    kept.get(start..).unwrap_or(&[])
}

/// Cuts a text to that many bytes, at a character.
pub(super) fn cut(text: &mut String, bytes_max: usize) {
    text.truncate(cut_str(text, bytes_max).len());
}

/// The beginning of a text, at most that many bytes, at a character.
pub(super) fn cut_str(text: &str, bytes_max: usize) -> &str {
    let end = (0..=bytes_max.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}

fn push_char(letter: char, out: &mut String) {
    let code = u32::from(letter);
    match letter {
        '\t' | '\n' | '\r' => out.push(' '),
        _ if letter.is_control() && code < 0x80 => {
            let _ = write!(out, "\\x{code:02x}");
        }
        '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            let _ = write!(out, "\\u{{{code:x}}}");
        }
        _ if letter.is_control() => {
            let _ = write!(out, "\\u{{{code:x}}}");
        }
        _ => out.push(letter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_survives() {
        let mut out = String::new();
        push(b"a\x1b[31m\x00\xff\xc3\xa9\n\xe2\x80\xaeb\xc2\x9b", &mut out);
        assert_eq!(out, "a\\x1b[31m\\x00\\xffé \\u{202e}b\\u{9b}");
    }

    #[test]
    fn padding_goes_and_cuts_fall_on_characters() {
        let mut out = String::new();
        push_octets(b" Gi0/1\0\0 ", &mut out);
        assert_eq!(out, "Gi0/1");
        let mut text = "aéé".to_owned();
        cut(&mut text, 4);
        assert_eq!(text, "aé");
        cut(&mut text, 400);
        assert_eq!(text, "aé");
    }
}
