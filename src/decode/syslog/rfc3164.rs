//! RFC 3164 and its field dialects: `[DATE] [HOST] [TAG:] [MNEMONIC:] TEXT`, every part optional.
//!
//! In: the text after PRI. Out: the message. The rule for the host name is caution: without a date
//! in front there is none, and a word that is a tag or a mnemonic is none. A resource named after a
//! word of the text would be worse than one named after the peer that sent it.
//!
//! What stands in front of the date at Cisco (sequence number, node of IOS-XR) is read over; the
//! raw bytes keep it.

use super::date;
use super::mnemonic;
use crate::model::fault::Fault;
use crate::model::syslog::SyslogMessage;

/// Reads the text after PRI. `blank` has PRI and the faults so far.
pub(super) fn decode<'a>(text: &'a str, blank: SyslogMessage<'a>) -> SyslogMessage<'a> {
    let prefix = take_prefix(text);
    let mut message = SyslogMessage { hostname: prefix.hostname, ..blank };
    let mut rest = prefix.rest;
    match prefix.date {
        Some(dated) => {
            rest = dated.rest.trim_start_matches(' ');
            match dated.stamp {
                Some(stamp) => message.stamp = stamp,
                None => message.faults.add(Fault::TimestampInvalid),
            }
            let is_cisco = prefix.has_sequence || dated.has_colon;
            if let Some((hostname, behind)) = take_hostname(rest, is_cisco, &prefix) {
                message.hostname = hostname;
                rest = behind;
            }
        }
        None if date::is_broken(rest) => message.faults.add(Fault::TimestampInvalid),
        None => {}
    }
    with_body(rest, message)
}

/// Tag, mnemonic and text.
fn with_body<'a>(text: &'a str, mut message: SyslogMessage<'a>) -> SyslogMessage<'a> {
    let mut rest = text;
    let mut found = mnemonic::split(rest, "");
    if found.is_none()
        && let Some(tag) = take_tag(rest)
    {
        message.app_name = tag.program;
        message.proc_id = tag.process;
        rest = tag.rest;
        found = mnemonic::split(rest, tag.program);
    }
    if let Some((mnemonic, behind)) = found {
        message.mnemonic = mnemonic;
        rest = behind;
    }
    message.message = if message.app_name == KERNEL { without_uptime(rest) } else { rest };
    message
}

/// What stands before the text, up to and with the date.
struct Prefix<'a> {
    has_sequence: bool,
    hostname: &'a str,
    date: Option<date::Dated<'a>>,
    rest: &'a str,
}

/// Reads over what comes before the date: `123: `, `: `, `hostname: `, `RP/0/RSP0/CPU0:`. It counts
/// only if a date or, after a sequence number, a mnemonic follows; otherwise it is text.
fn take_prefix(text: &str) -> Prefix<'_> {
    let start = text.trim_start_matches(' ');
    let mut prefix = Prefix { has_sequence: false, hostname: "", date: None, rest: start };
    for _ in 0..PREFIX_PARTS_MAX {
        let rest = prefix.rest;
        if let Some(dated) = take_date(rest) {
            return Prefix { date: Some(dated), ..prefix };
        }
        if rest.starts_with('%') {
            return prefix;
        }
        if let Some(behind) = without_uptime_stamp(rest) {
            return Prefix { rest: behind, ..prefix };
        }
        match take_prefix_part(rest) {
            Some((PrefixPart::Sequence, behind)) => {
                prefix.has_sequence = true;
                prefix.rest = behind;
            }
            Some((PrefixPart::Node, behind)) => prefix.rest = behind,
            Some((PrefixPart::Host(hostname), behind)) if prefix.hostname.is_empty() => {
                prefix.hostname = hostname;
                prefix.rest = behind;
            }
            _ => break,
        }
    }
    Prefix { has_sequence: false, hostname: "", date: None, rest: start }
}

/// A date, or one with `%` in front (Qtech).
fn take_date(text: &str) -> Option<date::Dated<'_>> {
    date::take(text).or_else(|| {
        text.strip_prefix('%').filter(|text| date::starts_with_month(text)).and_then(date::take)
    })
}

/// One part of what may come before the date.
enum PrefixPart<'a> {
    /// A running number, or only its colon.
    Sequence,
    /// The node of IOS-XR.
    Node,
    /// The host, where the origin is set to be sent.
    Host(&'a str),
}

fn take_prefix_part(text: &str) -> Option<(PrefixPart<'_>, &str)> {
    let end = text.bytes().position(|byte| matches!(byte, b' ' | b':'))?;
    let (word, rest) = text.split_at_checked(end)?;
    let behind = rest.get(1..)?.trim_start_matches(' ');
    let has_colon = rest.starts_with(':');
    let is_number = word.len() <= 20 && word.bytes().all(|byte| byte.is_ascii_digit());
    if has_colon && is_number {
        return Some((PrefixPart::Sequence, behind));
    }
    if has_colon && word.contains('/') && is_node(word) {
        return Some((PrefixPart::Node, behind));
    }
    let is_before_date = has_colon || behind.starts_with('%') || is_before_node(behind);
    (is_before_date && is_hostname(word)).then_some((PrefixPart::Host(word), behind))
}

/// `RP/0/RSP0/CPU0`
fn is_node(word: &str) -> bool {
    word.len() <= 32 && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'/')
}

fn is_before_node(text: &str) -> bool {
    text.split_once(':').is_some_and(|(word, _)| word.contains('/') && is_node(word))
}

/// `00:12:34: %`, `1w2d: %`: time since boot, which anchors nothing.
fn without_uptime_stamp(text: &str) -> Option<&str> {
    let start = text.trim_start_matches(['*', '.']);
    let is_part = |byte: &u8| byte.is_ascii_digit() || b":.ywdhms".contains(byte);
    let bytes = start.bytes().take(32).take_while(is_part).count();
    let (word, rest) = start.split_at_checked(bytes)?;
    let is_stamp = word.starts_with(|first: char| first.is_ascii_digit())
        && word.ends_with(':')
        && rest.starts_with(" %");
    is_stamp.then(|| rest.trim_start_matches(' '))
}

/// The host after a date, and the text behind it. Where Cisco's colon ends the date, a host comes
/// only as `host: %MNEMONIC`; where the host came before the date, only a tag after a second word
/// tells that this word is a better one.
fn take_hostname<'a>(
    text: &'a str,
    is_cisco: bool,
    prefix: &Prefix<'_>,
) -> Option<(&'a str, &'a str)> {
    if text.starts_with('%') {
        return None;
    }
    let end = text.bytes().position(|byte| byte == b' ')?;
    let (word, rest) = text.split_at_checked(end)?;
    let behind = rest.trim_start_matches(' ');
    if let Some(host) = before_mnemonic(word, behind, is_cisco) {
        return Some(host);
    }
    if word == NIL {
        return Some(("", behind));
    }
    let is_word_first = !is_hostname(word)
        || prefix.has_sequence
        || text.starts_with(REPEATED)
        || mnemonic::split(text, "").is_some();
    if is_word_first {
        return None;
    }
    let has_body = mnemonic::split(behind, "").is_some() || take_tag(behind).is_some();
    if has_body {
        return Some((word, behind));
    }
    if is_cisco || !prefix.hostname.is_empty() {
        return None;
    }
    Some(spaced_hostname(text).unwrap_or((word, behind)))
}

/// `host: %LLDP-4-…`, `host : %ASA-6-…`. A word with colon before a mnemonic is a program at
/// Arista, but a host where the date or the mnemonic is of Cisco's kind.
fn before_mnemonic<'a>(
    word: &'a str,
    behind: &'a str,
    is_cisco: bool,
) -> Option<(&'a str, &'a str)> {
    let (word, rest) = match word.strip_suffix(':') {
        Some(word) => (word, behind),
        None => (word, behind.strip_prefix(':')?.trim_start_matches(' ')),
    };
    let is_firewall = FIREWALLS.iter().any(|facility| rest.starts_with(facility));
    let is_host = (is_cisco || is_firewall) && rest.starts_with('%') && is_hostname(word);
    is_host.then_some((word, rest))
}

/// Comware names may hold spaces: the host reaches up to `%%`.
fn spaced_hostname(text: &str) -> Option<(&str, &str)> {
    let end = text.find(['%', ':', '['])?;
    let (hostname, rest) = text.split_at_checked(end)?;
    let is_host = hostname.len() <= 64 && rest.starts_with("%%");
    (is_host && mnemonic::split(rest, "").is_some()).then(|| (hostname.trim_end(), rest))
}

/// Whether a word can be a host name or an address. A trailing dot or comma is the end of a
/// sentence, and one digit a number.
fn is_hostname(word: &str) -> bool {
    let bytes = word.as_bytes();
    let is_part =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | 0x80..);
    let begins_well =
        bytes.first().is_some_and(|first| first.is_ascii_alphanumeric() || !first.is_ascii());
    let is_name = begins_well && bytes.iter().all(is_part) && !word.ends_with('.');
    let is_number = matches!(bytes, [b'0'..=b'9']);
    bytes.len() <= 255 && !is_number && (is_name || is_ipv6(bytes))
}

/// Hexadecimal groups with at least two colons, and no colon of a tag at the end.
fn is_ipv6(bytes: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    let colons = bytes.split(|byte| *byte == b':').count().saturating_sub(1);
    let ends_well = !bytes.ends_with(b":") || bytes.ends_with(b"::");
    colons >= 2 && ends_well && bytes.iter().all(is_part)
}

/// `program[process]:` and the text after it.
struct Tag<'a> {
    program: &'a str,
    process: &'a str,
    rest: &'a str,
}

/// A tag must be ended by a colon and a space, or by a process in brackets: `Gi0/1:down` and
/// `LBD detects` are text.
fn take_tag(text: &str) -> Option<Tag<'_>> {
    let is_part = |byte: &u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'-'..=b'/' | b'_' | b'(' | b')' | b'@' | b'+' | b'#' | b'~')
    };
    let bytes = text.bytes().take(TAG_BYTES_MAX).take_while(is_part).count();
    let (program, rest) = text.split_at_checked(bytes)?;
    if !program.bytes().any(|byte| byte.is_ascii_alphabetic()) {
        return None;
    }
    let (process, rest) = take_process(rest).or_else(|| {
        let rest = rest.strip_prefix(':')?;
        matches!(rest.as_bytes(), [] | [b' ' | b'%', ..]).then_some(("", rest))
    })?;
    Some(Tag { program, process, rest: rest.trim_start_matches(' ') })
}

/// `[968]:`, `[968] `
fn take_process(text: &str) -> Option<(&str, &str)> {
    let (process, rest) = text.strip_prefix('[')?.split_once(']')?;
    let is_process = process.len() <= PROCESS_BYTES_MAX && !process.contains(' ');
    let is_ended = matches!(rest.as_bytes(), [] | [b':' | b' ', ..]);
    (is_process && is_ended).then(|| (process, rest.strip_prefix(':').unwrap_or(rest)))
}

/// `[12345.678901] ` differs in every message, so that no two would be alike with it.
fn without_uptime(text: &str) -> &str {
    let is_part = |character: char| character.is_ascii_digit() || matches!(character, '.' | ' ');
    text.strip_prefix('[')
        .and_then(|inside| inside.split_once(']'))
        .filter(|(uptime, _)| uptime.contains('.') && uptime.chars().all(is_part))
        .map_or(text, |(_, rest)| rest.trim_start_matches(' '))
}

const KERNEL: &str = "kernel";
const NIL: &str = "-";
/// What syslogd writes in place of repeats, with or without a host before it.
const REPEATED: &str = "last message repeated";
/// Cisco's firewalls end the date without colon when they send their name.
const FIREWALLS: [&str; 4] = ["%ASA-", "%FTD-", "%PIX-", "%FWSM-"];
/// Sequence number, host, node and one to spare.
const PREFIX_PARTS_MAX: usize = 4;
/// RFC 3164 has 32; Windows and Java senders need more.
const TAG_BYTES_MAX: usize = 64;
/// As PROCID of RFC 5424.
const PROCESS_BYTES_MAX: usize = 128;
