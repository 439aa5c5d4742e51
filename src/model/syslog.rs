//! A decoded syslog message: what `decode::syslog` gives and `classify` reads.

use crate::model::fault::Faults;
use crate::model::time::Timestamp;

/// Which form the message had.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SyslogFormat {
    /// RFC 5424, version field present.
    Rfc5424,
    /// RFC 3164 in any of its dialects.
    Rfc3164,
}

/// The instant that the message names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SyslogStamp {
    /// None, or NILVALUE, or unreadable (then with a fault).
    None,
    /// With its zone.
    Instant(Timestamp),
    /// Civil time without year or zone (RFC 3164), or of a clock that is not to be trusted.
    Local {
        /// Year, when the message has one.
        year: Option<i16>,
        /// 1 to 12.
        month: i8,
        /// 1 to 31, possibly 29 February.
        day: i8,
        /// 0 to 23.
        hour: i8,
        /// 0 to 59.
        minute: i8,
        /// 0 to 60.
        second: i8,
        /// Fraction, ns.
        nanosecond: i32,
        /// East of UTC, seconds, when the message names its zone (`UTC`, `+02:00`).
        offset_s: Option<i32>,
        /// Whether the device marked its clock as not synchronised (Cisco `*` or `.`).
        is_unsynchronised: bool,
    },
}

/// A decoded message. Text is UTF-8 without control characters (they are shown escaped), fields
/// that are absent or NILVALUE are empty.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct SyslogMessage<'a> {
    /// Which form it had.
    pub format: SyslogFormat,
    /// 0 to 23; 1 (user) when PRI is unusable.
    pub facility: u8,
    /// 0 (emergency) to 7 (debug); 5 (notice) when PRI is unusable.
    pub severity: u8,
    /// The instant that it names.
    pub stamp: SyslogStamp,
    /// HOSTNAME.
    pub hostname: &'a str,
    /// APP-NAME or the tag's programme, without brackets and colon.
    pub app_name: &'a str,
    /// PROCID or what stands in brackets.
    pub proc_id: &'a str,
    /// MSGID.
    pub msg_id: &'a str,
    /// STRUCTURED-DATA as written, brackets included.
    pub structured_data: &'a str,
    /// Mnemonic of network equipment: `LINK-3-UPDOWN` of `%LINK-3-UPDOWN: …`,
    /// `SNMP_TRAP_LINK_DOWN` of Juniper's; empty if there is none.
    pub mnemonic: &'a str,
    /// The text after the header (after the mnemonic, when there is one).
    pub message: &'a str,
    /// What was wrong with it.
    pub faults: Faults,
}
