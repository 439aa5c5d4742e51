//! RFC 5424: `VERSION SP TIMESTAMP SP HOSTNAME SP APP-NAME SP PROCID SP MSGID SP SD [SP MSG]`.
//!
//! In: the text after PRI. Out: the message; a field that breaks the grammar is kept and the fault
//! named, so that a strict reader and this one agree on what is valid, not on what is thrown away.

use super::date;
use super::mnemonic;
use crate::model::fault::{Fault, Faults};
use crate::model::syslog::{SyslogFormat, SyslogMessage, SyslogStamp};

/// What stands where RFC 5424 wants its version, with the text after it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Version<'a> {
    /// 1 to 999, and what follows may be a timestamp.
    Valid(&'a str),
    /// A number that no version can be, in front of what is clearly an RFC 5424 header.
    Faulty(&'a str, Faults),
    /// A number that may be a version, but no timestamp follows: read it as RFC 3164.
    Implausible(Faults),
    /// None: RFC 3164.
    Absent,
}

/// Tells RFC 5424 from RFC 3164. `1079: Aug 22` (sequence number) and `2020 Oct 22` (year) begin
/// with digits too, and so does text without any header.
pub(super) fn recognise(text: &str) -> Version<'_> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let Some((number, rest)) = text.split_at_checked(digits).filter(|_| digits > 0) else {
        return Version::Absent;
    };
    let is_version = digits <= 3 && !number.starts_with('0');
    let Some(body) = rest.strip_prefix(' ') else {
        return if rest.is_empty() && is_version { Version::Valid("") } else { Version::Absent };
    };
    let timestamp = body.split(' ').next().unwrap_or("");
    let is_header = timestamp == NIL || date::is_iso_like(timestamp);
    if is_version && (is_header || body.is_empty()) {
        Version::Valid(body)
    } else if is_header {
        Version::Faulty(body, Faults::NONE.with(Fault::SyslogVersionInvalid))
    } else if is_version && !date::starts_with_month(timestamp) {
        Version::Implausible(Faults::NONE.with(Fault::TimestampInvalid))
    } else {
        Version::Absent
    }
}

/// Reads the header after the version, the structured data and the text. `blank` has PRI and the
/// faults so far.
pub(super) fn decode<'a>(body: &'a str, blank: SyslogMessage<'a>) -> SyslogMessage<'a> {
    let mut header = Header { rest: body, faults: blank.faults };
    let stamp = header.take_timestamp();
    let hostname = header.take_field(255);
    let app_name = header.take_field(48);
    let proc_id = header.take_field(128);
    let msg_id = header.take_field(32);
    let structured_data = header.take_structured_data();
    let text = header.rest.strip_prefix(BYTE_ORDER_MARK).unwrap_or(header.rest);
    let (mnemonic, message) = mnemonic::split(text, app_name)
        .unwrap_or_else(|| (mnemonic::in_field(msg_id).unwrap_or(""), text));
    SyslogMessage {
        format: SyslogFormat::Rfc5424,
        stamp,
        hostname,
        app_name,
        proc_id,
        msg_id,
        structured_data,
        mnemonic,
        message,
        faults: header.faults,
        ..blank
    }
}

/// What is left of a message while its header is read.
struct Header<'a> {
    rest: &'a str,
    faults: Faults,
}

impl<'a> Header<'a> {
    fn take_timestamp(&mut self) -> SyslogStamp {
        let word = self.take_word();
        if word.is_empty() || word == NIL {
            return SyslogStamp::None;
        }
        let (stamp, is_strict) = date::rfc5424(word);
        if !is_strict {
            self.faults.add(Fault::TimestampInvalid);
        }
        stamp
    }

    /// HOSTNAME, APP-NAME, PROCID or MSGID: 1 to `bytes_max` printable ASCII characters, `-` for
    /// none.
    fn take_field(&mut self, bytes_max: usize) -> &'a str {
        let word = self.take_word();
        if word == NIL {
            return "";
        }
        if word.len() > bytes_max || !word.bytes().all(|byte| byte.is_ascii_graphic()) {
            self.faults.add(Fault::HeaderInvalid);
        }
        word
    }

    /// The next word and the space after it. An empty one is a fault, and so is the end of text.
    fn take_word(&mut self) -> &'a str {
        let trimmed = self.rest.trim_start_matches(' ');
        if trimmed.is_empty() || trimmed.len() != self.rest.len() {
            self.faults.add(Fault::HeaderInvalid);
        }
        let bytes = trimmed.bytes().position(|byte| byte == b' ').unwrap_or(trimmed.len());
        let (word, rest) = trimmed.split_at_checked(bytes).unwrap_or((trimmed, ""));
        self.rest = rest.get(1..).unwrap_or("");
        word
    }

    /// The structured data as written, and the space after it. What is no structured data stays in
    /// the text.
    fn take_structured_data(&mut self) -> &'a str {
        let data_bytes = match self.rest.as_bytes() {
            [] => {
                self.faults.add(Fault::HeaderInvalid);
                return "";
            }
            [b'-', ..] => 1,
            _ => elements_bytes(self.rest).unwrap_or(0),
        };
        let (data, rest) = self.rest.split_at_checked(data_bytes).unwrap_or(("", self.rest));
        let text = if rest.is_empty() { Some("") } else { rest.strip_prefix(' ') };
        match text {
            Some(text) if data_bytes > 0 => {
                self.rest = text;
                if data == NIL { "" } else { data }
            }
            _ => {
                self.faults.add(Fault::StructuredDataInvalid);
                ""
            }
        }
    }
}

/// Length of the SD-ELEMENTs that the text begins with; `None` if one breaks the grammar or if an
/// SD-ID comes twice. Only the first [`ELEMENTS_COMPARED`] ids are compared, to keep it linear.
fn elements_bytes(text: &str) -> Option<usize> {
    let mut ids = [""; ELEMENTS_COMPARED];
    let mut count = 0;
    let mut rest = text;
    while let Some(inside) = rest.strip_prefix('[') {
        let (id, after) = take_name(inside)?;
        if ids.iter().take(count).any(|earlier| *earlier == id) {
            return None;
        }
        if let Some(place) = ids.get_mut(count) {
            *place = id;
            count += 1;
        }
        rest = take_parameters(after)?;
    }
    text.len().checked_sub(rest.len()).filter(|bytes| *bytes > 0)
}

/// `*(SP PARAM-NAME "=" %d34 PARAM-VALUE %d34) "]"`
fn take_parameters(mut rest: &str) -> Option<&str> {
    while let Some(parameter) = rest.strip_prefix(' ') {
        let (_, after) = take_name(parameter)?;
        rest = take_value(after.strip_prefix("=\"")?)?;
    }
    rest.strip_prefix(']')
}

/// SD-NAME: 1 to 32 printable ASCII characters without `=`, `]` and `"`.
fn take_name(text: &str) -> Option<(&str, &str)> {
    let is_name = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'=' | b']' | b'"');
    let bytes = text.bytes().take_while(is_name).count();
    text.split_at_checked(bytes).filter(|_| (1..=32).contains(&bytes))
}

/// Up to the closing quote. Inside, `"` and `]` must be escaped; a backslash before anything else
/// is a backslash (RFC 5424 6.3.3).
fn take_value(text: &str) -> Option<&str> {
    let mut is_escaped = false;
    for (place, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return text.get(place..)?.strip_prefix('"'),
            b']' => return None,
            _ => {}
        }
    }
    None
}

const NIL: &str = "-";
/// RFC 5424 6.4: it announces UTF-8 and is no part of the text.
const BYTE_ORDER_MARK: char = '\u{FEFF}';
/// Structured data with more elements is read, but not looked through for ids that come twice.
const ELEMENTS_COMPARED: usize = 16;
