//! Syslog messages (RFC 5424, RFC 3164 and what equipment really sends) to a borrowed message, and
//! the framing of streams (RFC 6587).
//!
//! In: the bytes of one frame ([`SyslogDecoder`]) or of a connection ([`FrameSplitter`]). Out: a
//! [`SyslogMessage`] that borrows the frame, with every fault named; nothing is rejected.
//! What it does not do: read a clock, complete a date that has no year, look up names, or decide
//! what a message means.
//!
//! The order of work: `clean` makes safe text of the bytes, `priority` takes PRI, `rfc5424` takes
//! the message if it has a version field, `rfc3164` takes everything else with the help of `date`
//! and `mnemonic`.

mod clean;
mod date;
mod framing;
mod mnemonic;
mod priority;
mod rfc3164;
mod rfc5424;

#[cfg(test)]
mod corpus_tests;
#[cfg(test)]
mod tests;

use crate::model::fault::Faults;
use crate::model::syslog::{SyslogFormat, SyslogMessage, SyslogStamp};

pub use framing::{Frame, FrameSplitter};

/// Decodes one message after the other. It owns the copy that is made of a message with bytes that
/// must not be shown as they are; a message without them is borrowed from the frame.
#[derive(Debug, Default)]
pub struct SyslogDecoder {
    scratch: String,
}

impl SyslogDecoder {
    /// A decoder with an empty copy buffer. The buffer grows to what the worst frame needed (at
    /// most four times the frame) and is kept.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Decodes one frame: a datagram, or what [`FrameSplitter`] gives. Total: any bytes give a
    /// message.
    pub fn decode<'a>(&'a mut self, frame: &'a [u8]) -> SyslogMessage<'a> {
        let (text, faults) = clean::clean(frame, &mut self.scratch);
        let (priority, rest) = priority::take(text);
        let blank = SyslogMessage {
            format: SyslogFormat::Rfc3164,
            facility: priority.facility,
            severity: priority.severity,
            stamp: SyslogStamp::None,
            hostname: "",
            app_name: "",
            proc_id: "",
            msg_id: "",
            structured_data: "",
            mnemonic: "",
            message: "",
            faults: faults.union(priority.faults),
        };
        match rfc5424::recognise(rest) {
            rfc5424::Version::Valid(body) => rfc5424::decode(body, blank),
            rfc5424::Version::Faulty(body, fault) => rfc5424::decode(body, with(blank, fault)),
            rfc5424::Version::Absent => rfc3164::decode(rest, blank),
            rfc5424::Version::Implausible(fault) => rfc3164::decode(rest, with(blank, fault)),
        }
    }
}

const fn with(message: SyslogMessage<'_>, faults: Faults) -> SyslogMessage<'_> {
    SyslogMessage { faults: message.faults.union(faults), ..message }
}
