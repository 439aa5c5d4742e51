//! What was wrong with a message, as a set of named faults. A faulty message is still an event:
//! decoders report, they never reject.

use serde::{Deserialize, Serialize};

/// One thing that was wrong with a received message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
#[repr(u8)]
pub enum Fault {
    /// The message ends before its own lengths say.
    Truncated = 0,
    /// Bytes follow the end of the message.
    TrailingBytes = 1,
    /// A length or tag that BER does not allow, or that contradicts its container.
    BadEncoding = 2,
    /// An unsigned value was sent with its top bit set and no leading zero octet.
    UnsignedWithoutZero = 3,
    /// The community is not UTF-8.
    CommunityNotUtf8 = 4,
    /// An integer outside of the range of its field (negative request-id is legal and no fault).
    IntegerRange = 5,
    /// One or more varbinds could not be read; those before them were kept.
    VarbindUnreadable = 6,
    /// snmpTrapOID is absent, empty, too short or of the wrong type.
    TrapOidUnusable = 7,
    /// sysUpTime is absent or of another type than TimeTicks.
    UptimeUnusable = 8,
    /// agent-addr of an SNMPv1 trap is not four octets.
    AgentAddressUnusable = 9,
    /// The PDU is of a kind that is not a notification.
    NotANotification = 10,
    /// An SNMP version that this listener does not decode.
    VersionUnsupported = 11,
    /// Not a message of this protocol at all.
    Undecodable = 12,
    /// The decoder panicked on these bytes.
    DecoderPanicked = 13,
    /// The datagram is longer than what is accepted; its end is missing.
    Oversize = 14,
    /// Syslog PRI is absent.
    PriMissing = 15,
    /// Syslog PRI is malformed or above 191.
    PriInvalid = 16,
    /// A syslog timestamp is there but is no date.
    TimestampInvalid = 17,
    /// RFC 5424 header field missing, too long or with characters that are not allowed.
    HeaderInvalid = 18,
    /// RFC 5424 structured data is malformed.
    StructuredDataInvalid = 19,
    /// The text is not UTF-8.
    NotUtf8 = 20,
    /// The text holds control characters (NUL, ANSI escapes); they are shown escaped.
    ControlCharacters = 21,
    /// An octet count that cannot be true; the stream was taken up again at the next message.
    FrameLengthInvalid = 22,
    /// The connection ended inside a frame.
    FrameIncomplete = 23,
    /// The name in the message disagrees with the peer that sent it.
    OriginDisagrees = 24,
    /// A version field that RFC 5424 does not allow.
    SyslogVersionInvalid = 25,
    /// More nesting, fields or varbinds than the limit; the rest was left unread.
    LimitReached = 26,
}

impl Fault {
    /// Every fault, in bit order.
    pub const ALL: [Self; 27] = [
        Self::Truncated,
        Self::TrailingBytes,
        Self::BadEncoding,
        Self::UnsignedWithoutZero,
        Self::CommunityNotUtf8,
        Self::IntegerRange,
        Self::VarbindUnreadable,
        Self::TrapOidUnusable,
        Self::UptimeUnusable,
        Self::AgentAddressUnusable,
        Self::NotANotification,
        Self::VersionUnsupported,
        Self::Undecodable,
        Self::DecoderPanicked,
        Self::Oversize,
        Self::PriMissing,
        Self::PriInvalid,
        Self::TimestampInvalid,
        Self::HeaderInvalid,
        Self::StructuredDataInvalid,
        Self::NotUtf8,
        Self::ControlCharacters,
        Self::FrameLengthInvalid,
        Self::FrameIncomplete,
        Self::OriginDisagrees,
        Self::SyslogVersionInvalid,
        Self::LimitReached,
    ];

    /// Stable kebab-case name, for the API, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::TrailingBytes => "trailing-bytes",
            Self::BadEncoding => "bad-encoding",
            Self::UnsignedWithoutZero => "unsigned-without-zero",
            Self::CommunityNotUtf8 => "community-not-utf8",
            Self::IntegerRange => "integer-range",
            Self::VarbindUnreadable => "varbind-unreadable",
            Self::TrapOidUnusable => "trap-oid-unusable",
            Self::UptimeUnusable => "uptime-unusable",
            Self::AgentAddressUnusable => "agent-address-unusable",
            Self::NotANotification => "not-a-notification",
            Self::VersionUnsupported => "version-unsupported",
            Self::Undecodable => "undecodable",
            Self::DecoderPanicked => "decoder-panicked",
            Self::Oversize => "oversize",
            Self::PriMissing => "pri-missing",
            Self::PriInvalid => "pri-invalid",
            Self::TimestampInvalid => "timestamp-invalid",
            Self::HeaderInvalid => "header-invalid",
            Self::StructuredDataInvalid => "structured-data-invalid",
            Self::NotUtf8 => "not-utf8",
            Self::ControlCharacters => "control-characters",
            Self::FrameLengthInvalid => "frame-length-invalid",
            Self::FrameIncomplete => "frame-incomplete",
            Self::OriginDisagrees => "origin-disagrees",
            Self::SyslogVersionInvalid => "syslog-version-invalid",
            Self::LimitReached => "limit-reached",
        }
    }

    const fn bit(self) -> u32 {
        match self {
            Self::Truncated => 1,
            Self::TrailingBytes => 1 << 1,
            Self::BadEncoding => 1 << 2,
            Self::UnsignedWithoutZero => 1 << 3,
            Self::CommunityNotUtf8 => 1 << 4,
            Self::IntegerRange => 1 << 5,
            Self::VarbindUnreadable => 1 << 6,
            Self::TrapOidUnusable => 1 << 7,
            Self::UptimeUnusable => 1 << 8,
            Self::AgentAddressUnusable => 1 << 9,
            Self::NotANotification => 1 << 10,
            Self::VersionUnsupported => 1 << 11,
            Self::Undecodable => 1 << 12,
            Self::DecoderPanicked => 1 << 13,
            Self::Oversize => 1 << 14,
            Self::PriMissing => 1 << 15,
            Self::PriInvalid => 1 << 16,
            Self::TimestampInvalid => 1 << 17,
            Self::HeaderInvalid => 1 << 18,
            Self::StructuredDataInvalid => 1 << 19,
            Self::NotUtf8 => 1 << 20,
            Self::ControlCharacters => 1 << 21,
            Self::FrameLengthInvalid => 1 << 22,
            Self::FrameIncomplete => 1 << 23,
            Self::OriginDisagrees => 1 << 24,
            Self::SyslogVersionInvalid => 1 << 25,
            Self::LimitReached => 1 << 26,
        }
    }
}

/// A set of [`Fault`]s. The bits are part of the journal format: new faults take new bits.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Faults(pub u32);

impl Faults {
    /// No fault.
    pub const NONE: Self = Self(0);

    /// Adds a fault.
    pub const fn add(&mut self, fault: Fault) {
        self.0 |= fault.bit();
    }

    /// This set with one more fault.
    #[must_use]
    pub const fn with(self, fault: Fault) -> Self {
        Self(self.0 | fault.bit())
    }

    /// Both sets together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the fault is in the set.
    #[must_use]
    pub const fn has(self, fault: Fault) -> bool {
        self.0 & fault.bit() != 0
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The faults in bit order.
    pub fn iter(self) -> impl Iterator<Item = Fault> {
        Fault::ALL.into_iter().filter(move |fault| self.has(*fault))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_its_own_bit_in_declaration_order() {
        for (place, fault) in Fault::ALL.into_iter().enumerate() {
            assert_eq!(Faults::NONE.with(fault).0, 1_u32 << place, "{}", fault.as_str());
        }
    }
}
