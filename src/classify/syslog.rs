//! Syslog messages to verdicts: which rule decides, and what its names stand for in this line.

use super::classifier::{Scratch, Verdict};
use super::clean;
use super::interface::push_long_name;
use super::rules::{
    Decision, Fill, Key, Line, Places, RuleSet, SyslogReference, Values, find_mnemonic,
};
use crate::model::event::{Lane, Verb};
use crate::model::limits::TEXT_BYTES_MAX;
use crate::model::syslog::SyslogMessage;

/// What the rules say of a message.
pub(super) enum Outcome<'r> {
    /// None knows it.
    NoRule,
    /// One says that it does not matter.
    Ignore,
    /// One decided; the texts are in the scratch.
    Event(Verdict<'r>),
}

/// Decides on a message and writes its texts to the scratch.
pub(super) fn decide<'r>(
    rules: &'r RuleSet,
    message: &SyslogMessage<'_>,
    raw: &[u8],
    scratch: &mut Scratch,
) -> Outcome<'r> {
    let bytes = behind_pri(raw);
    let line = Line { message, bytes, mnemonic: mnemonic_of(message, bytes) };
    let Scratch { component, alias, qualifier, text, found, .. } = scratch;
    let outcome = rules.syslog.first(&line, found, |rule, places| {
        let mut values = SyslogValues { line: &line, places };
        let (decision, severity) = rule.action.decide(&mut values)?;
        let Decision::Tell(verb) = decision else { return Some(Outcome::Ignore) };
        for buffer in [&mut *component, &mut *alias, &mut *qualifier, &mut *text] {
            buffer.clear();
        }
        rule.action.component.write(&mut values, component);
        rule.action.qualifier.write(&mut values, qualifier);
        if rule.action.text.is_empty() {
            describe(&line, text);
        } else {
            rule.action.text.write(&mut values, text);
        }
        Some(Outcome::Event(Verdict {
            verb,
            severity,
            lane: if verb == Verb::Event { Lane::Low } else { rule.action.lane },
            alarm_type: &rule.action.alarm_type,
            rule: &rule.action.rule,
            is_in_service: false,
        }))
    });
    outcome.unwrap_or(Outcome::NoRule)
}

/// The message as people read it, its mnemonic or programme before it.
fn describe(line: &Line<'_>, out: &mut String) {
    let message = line.message;
    let head = if message.mnemonic.is_empty() { message.app_name } else { message.mnemonic };
    if !head.is_empty() {
        push_text(head, out);
        out.push_str(": ");
    }
    push_text(message.message, out);
}

/// The frame without PRI and without line ends or NULs at its end.
fn behind_pri(raw: &[u8]) -> &[u8] {
    let raw = clean::trim_padding(raw);
    let Some(inside) = raw.strip_prefix(b"<") else { return raw };
    let digits = inside.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let rest = inside.get(digits..).and_then(|rest| rest.strip_prefix(b">"));
    if (1..=3).contains(&digits) { rest.unwrap_or(raw) } else { raw }
}

/// The decoder's mnemonic, or one found again in the line, or in the place of MSGID or programme.
fn mnemonic_of<'a>(message: &SyslogMessage<'a>, bytes: &'a [u8]) -> &'a str {
    if !message.mnemonic.is_empty() {
        return message.mnemonic;
    }
    if let Some(found) = find_mnemonic(bytes) {
        return found;
    }
    let is_name = |byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_');
    [message.msg_id, message.app_name]
        .into_iter()
        .find(|word| word.contains('_') && word.bytes().all(is_name))
        .unwrap_or("")
}

struct SyslogValues<'v> {
    line: &'v Line<'v>,
    places: &'v Places,
}

impl<'v> SyslogValues<'v> {
    fn bytes(&self, place: usize) -> &'v [u8] {
        let range = self.places.get(place).and_then(Clone::clone);
        range.and_then(|range| self.line.bytes.get(range)).unwrap_or(&[])
    }

    fn raw(&self, reference: &SyslogReference) -> &'v [u8] {
        let message = self.line.message;
        match *reference {
            SyslogReference::Value(place) | SyslogReference::Interface(place) => self.bytes(place),
            SyslogReference::Message => message.message.as_bytes(),
            SyslogReference::Mnemonic => self.line.mnemonic.as_bytes(),
            SyslogReference::Program => message.app_name.as_bytes(),
            SyslogReference::Hostname => message.hostname.as_bytes(),
        }
    }
}

impl Fill<SyslogReference> for SyslogValues<'_> {
    fn fill(&mut self, reference: &SyslogReference, out: &mut String) {
        let bytes = self.raw(reference);
        let bytes = bytes.get(..TEXT_BYTES_MAX).unwrap_or(bytes);
        match (reference, std::str::from_utf8(bytes)) {
            (SyslogReference::Interface(_), Ok(name)) if !name.contains(char::is_control) => {
                push_long_name(name, out);
            }
            _ => clean::push(bytes, out),
        }
    }
}

impl Values<SyslogReference> for SyslogValues<'_> {
    fn is(&mut self, reference: &SyslogReference, key: &Key) -> bool {
        let bytes = self.raw(reference);
        match key {
            Key::Present => !bytes.is_empty(),
            Key::Number(number) => {
                std::str::from_utf8(bytes).is_ok_and(|text| text.parse() == Ok(*number))
            }
            Key::Oid(_) => false,
            Key::Text(text) => bytes.eq_ignore_ascii_case(text.as_bytes()),
        }
    }
}

fn push_text(text: &str, out: &mut String) {
    clean::push(clean::cut_str(text, TEXT_BYTES_MAX).as_bytes(), out);
}
