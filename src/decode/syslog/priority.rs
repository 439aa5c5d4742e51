//! PRI: `<165>` to facility and severity.
//!
//! In: the text of a message. Out: facility and severity (user.notice when PRI is unusable, as
//! RFC 3164 4.3.3 asks of relays), what was wrong, and the text after it.

use crate::model::fault::{Fault, Faults};

/// Facility and severity of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Priority {
    pub(super) facility: u8,
    pub(super) severity: u8,
    pub(super) faults: Faults,
}

/// Takes PRI off the text. Digits are counted before they are read: no number can overflow. What
/// stands in angle brackets but is no PRI stays in the text.
pub(super) fn take(text: &str) -> (Priority, &str) {
    let start = match text.as_bytes() {
        [b'<', ..] => text,
        _ => text.trim_start_matches([' ', '\t', BYTE_ORDER_MARK]),
    };
    let Some(inside) = start.strip_prefix('<') else {
        return (unusable(Fault::PriMissing), text);
    };
    let digits = inside.bytes().take_while(u8::is_ascii_digit).count();
    let Some(rest) = inside.get(digits..).and_then(|rest| rest.strip_prefix('>')) else {
        return (unusable(Fault::PriInvalid), without_sign(inside).unwrap_or(start));
    };
    let number = inside.bytes().take(digits.min(DIGITS_MAX));
    let value = number.fold(0, |value, digit| value * 10 + u16::from(digit.wrapping_sub(b'0')));
    let is_possible = (1..=DIGITS_MAX).contains(&digits) && value <= PRIORITY_MAX;
    let (Ok(facility), Ok(severity), true) =
        (u8::try_from(value / 8), u8::try_from(value % 8), is_possible)
    else {
        return (unusable(Fault::PriInvalid), rest);
    };
    let has_leading_zero = digits > 1 && inside.starts_with('0');
    let mut faults = Faults::NONE;
    if has_leading_zero {
        faults.add(Fault::PriInvalid);
    }
    if start.len() != text.len() {
        faults.add(Fault::HeaderInvalid);
    }
    (Priority { facility, severity, faults }, rest)
}

/// `-1>` and the like: no PRI, but no part of the message either.
fn without_sign(inside: &str) -> Option<&str> {
    let (number, rest) = inside.split_once('>')?;
    let is_number = number.len() <= 16
        && number.bytes().all(|byte| byte.is_ascii_digit() || b"+- ".contains(&byte));
    is_number.then_some(rest)
}

const fn unusable(fault: Fault) -> Priority {
    Priority { facility: 1, severity: 5, faults: Faults::NONE.with(fault) }
}

/// Facility 23 (local7), severity 7 (debug).
const PRIORITY_MAX: u16 = 191;
const DIGITS_MAX: usize = 3;
/// Some senders put it before PRI; it says nothing.
const BYTE_ORDER_MARK: char = '\u{FEFF}';

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_priority_is_told_and_every_other_number_is_a_fault() {
        for number in 0_u32..1_200 {
            let text = format!("<{number}>x");
            let (priority, rest) = take(&text);
            assert_eq!(rest, "x");
            let value = u32::from(priority.facility) * 8 + u32::from(priority.severity);
            if number <= 191 {
                assert_eq!((value, priority.faults), (number, Faults::NONE));
            } else {
                assert_eq!((value, priority.faults), (13, Faults::NONE.with(Fault::PriInvalid)));
            }
        }
    }

    #[test]
    fn what_is_no_pri_is_named() {
        let long = format!("<{}>x", "9".repeat(70_000));
        for (text, rest, fault) in [
            ("", "", Fault::PriMissing),
            ("no pri", "no pri", Fault::PriMissing),
            ("  no pri", "  no pri", Fault::PriMissing),
            ("<", "<", Fault::PriInvalid),
            ("<>x", "x", Fault::PriInvalid),
            ("<1", "<1", Fault::PriInvalid),
            ("<-1>x", "x", Fault::PriInvalid),
            ("<002>x", "x", Fault::PriInvalid),
            ("<Info:a.b> x", "<Info:a.b> x", Fault::PriInvalid),
            (&long, "x", Fault::PriInvalid),
            (" <13>x", "x", Fault::HeaderInvalid),
            ("\u{feff}<13>x", "x", Fault::HeaderInvalid),
        ] {
            let (priority, given) = take(text);
            assert_eq!((given, priority.faults), (rest, Faults::NONE.with(fault)), "{text:.20}");
        }
        assert_eq!(take("<002>x").0.severity, 2, "leading zeros are a fault but still a number");
    }
}
