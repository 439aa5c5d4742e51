//! Syslog messages (RFC 5424, RFC 3164 and what equipment really sends) to a borrowed message, and
//! the framing of streams (RFC 6587).
