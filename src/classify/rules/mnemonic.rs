//! Mnemonics of network equipment and the patterns that rules write for them.
//!
//! `LINK-3-UPDOWN` is written `LINK-*-UPDOWN` in a rule, so that neither the severity digit nor a
//! sub-facility (`PM-SP-4-ERR_DISABLE` of `PM-*-ERR_DISABLE`) decides. A pattern with a whole first
//! and last part is found through a hash of these two, others by their longest part.

/// A mnemonic as a rule writes it; `*` stands for any characters, or none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Pattern {
    text: String,
}

impl Pattern {
    /// The pattern with that text.
    pub(crate) fn new(text: &str) -> Self {
        Self { text: text.to_owned() }
    }

    /// First and last part, when both are whole: the key of the index.
    pub(crate) fn key(&self) -> Option<(&str, &str)> {
        let (first, last) = ends(&self.text);
        (!first.contains('*') && !last.contains('*')).then_some((first, last))
    }

    /// The longest part that every mnemonic of this form holds.
    pub(crate) fn anchor(&self) -> &str {
        self.text.split('*').max_by_key(|part| part.len()).unwrap_or("")
    }

    /// Whether the mnemonic has this form.
    pub(crate) fn is_match(&self, mnemonic: &str) -> bool {
        let mut parts = self.text.split('*');
        let Some(mut rest) = parts.next().and_then(|start| mnemonic.strip_prefix(start)) else {
            return false;
        };
        let mut parts = parts.peekable();
        if parts.peek().is_none() {
            return rest.is_empty();
        }
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                return rest.ends_with(part);
            }
            let Some(at) = rest.find(part) else { return false };
            rest = rest.get(at.saturating_add(part.len())..).unwrap_or("");
        }
        false
    }
}

/// First and last part of a mnemonic.
pub(crate) fn ends(mnemonic: &str) -> (&str, &str) {
    let first = mnemonic.split('-').next().unwrap_or(mnemonic);
    let last = mnemonic.rsplit('-').next().unwrap_or(mnemonic);
    (first, last)
}

/// The mnemonic of a line of which the header was not understood.
pub(crate) fn find(line: &[u8]) -> Option<&str> {
    behind_percent(line).or_else(|| in_capitals(line))
}

/// `UI_COMMIT:`: capital letters, digits and at least one underscore, before a colon.
fn in_capitals(line: &[u8]) -> Option<&str> {
    for end in memchr::memchr_iter(b':', line) {
        let head = line.get(..end)?;
        let is_part =
            |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
        let start =
            head.iter().rposition(|byte| !is_part(byte)).map_or(0, |at| at.saturating_add(1));
        let word = head.get(start..)?;
        let stands_alone = start == 0 || head.get(start.saturating_sub(1)) == Some(&b' ');
        if stands_alone && word.contains(&b'_') && word.first().is_some_and(u8::is_ascii_uppercase)
        {
            return std::str::from_utf8(word).ok();
        }
    }
    None
}

/// `%LINK-3-UPDOWN:`: behind a percent sign, a capital letter first, with a hyphen, before a colon.
fn behind_percent(line: &[u8]) -> Option<&str> {
    for at in memchr::memchr_iter(b'%', line) {
        let rest = line.get(at.saturating_add(1)..)?;
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let length = rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(length);
        let ends_well = matches!(after, [b':', ..] | [b' ', b':', ..]);
        if ends_well && word.contains(&b'-') && word.first().is_some_and(u8::is_ascii_uppercase) {
            return std::str::from_utf8(word).ok();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_forgive_severity_and_sub_facility() {
        let pattern = Pattern::new("PM-*-ERR_DISABLE");
        assert_eq!(pattern.key(), Some(("PM", "ERR_DISABLE")));
        assert!(pattern.is_match("PM-4-ERR_DISABLE"));
        assert!(pattern.is_match("PM-SP-4-ERR_DISABLE"));
        assert!(!pattern.is_match("PM-4-ERR_DISABLED"));
        assert!(!pattern.is_match("PM-ERR_DISABLE"));
        assert!(Pattern::new("LINK-3-UPDOWN").is_match("LINK-3-UPDOWN"));
        assert!(!Pattern::new("LINK-3-UPDOWN").is_match("LINK-3-UPDOWNX"));
        let open = Pattern::new("UBR7*-TEMP*");
        assert_eq!(open.key(), None);
        assert!(open.is_match("UBR7200-0-TEMPHIGH"));
        assert!(open.is_match("UBR7200-0-TEMP"));
        assert!(!open.is_match("UBR7200-0-HIGH"));
        assert!(Pattern::new("*FAN*FAIL*").is_match("SYS-2-PS_FANFAIL"));
    }

    #[test]
    fn a_mnemonic_is_found_in_a_line_without_usable_header() {
        assert_eq!(find(b"1079: Aug 22 17:08:11: %PARSER-5-CFG: x"), Some("PARSER-5-CFG"));
        assert_eq!(find(b"x %ROUTING-BGP-5-ADJCHANGE : y"), Some("ROUTING-BGP-5-ADJCHANGE"));
        assert_eq!(find(b"load 99%, 5% free-space: x %%01IFNET/4/UP(l): y"), None);
        assert_eq!(find(b"Aug  3 13:43 rpd[1]: RPD_X_2: a"), Some("RPD_X_2"));
        assert_eq!(find(b"12:30:00 x_Y: NO: %"), None);
    }
}
