//! Mnemonics: the short stable name by which network equipment says what happened.
//!
//! In: the text after the header. Out: the mnemonic and the text after it.
//!
//! | as sent | mnemonic | seen at |
//! |---|---|---|
//! | `%LINK-3-UPDOWN: …` | `LINK-3-UPDOWN` | Cisco, Arista, Ruijie |
//! | `%C6KENV-SP-4-PSFANOK: …` | `C6KENV-SP-4-PSFANOK` | with subfacility |
//! | `%L2-BFD-6-SESSION_STATE_DOWN : …` | `L2-BFD-6-SESSION_STATE_DOWN` | IOS-XR |
//! | `%LINK-W-Down: …` | `LINK-W-Down` | severity as a letter: Marvell based |
//! | `%$VDC-1 %$ %ETHPORT-5-IF_UP: …` | `ETHPORT-5-IF_UP` | NX-OS |
//! | `%%01IFNET/4/UPDOWN(l)[81]:…` | `IFNET/4/UPDOWN` | Huawei, Comware |
//! | `LINE/5/VTYUSERLOGIN:…` | `LINE/5/VTYUSERLOGIN` | Huawei |
//! | `RPD_OSPF_NBRDOWN: …` | `RPD_OSPF_NBRDOWN` | Junos |
//! | `%DAEMON-4-RPD_OSPF_NBRDOWN: …` | `RPD_OSPF_NBRDOWN` | Junos, explicit priority |
//! | `<Info:vlan.msgs.portLinkStateDown> …` | `vlan.msgs.portLinkStateDown` | Extreme |

/// Mnemonic and the text after it, when the text begins with one. `app_name` is the tag before it.
pub(super) fn split<'a>(text: &'a str, app_name: &str) -> Option<(&'a str, &'a str)> {
    match text.as_bytes() {
        [b'%', b'%', ..] => slashed(without_framework_version(text.get(2..)?), true),
        [b'%', b'$', ..] => {
            let (_, behind) = text.get(2..)?.split_once("%$")?;
            percent(behind.trim_start_matches(' '), app_name)
        }
        [b'%', ..] => percent(text, app_name),
        [b'<', ..] => angled(text),
        [first, ..] if first.is_ascii_uppercase() => {
            upper_word(text).or_else(|| slashed(text, false))
        }
        _ => None,
    }
}

/// The mnemonic that stands in MSGID, as Junos and IOS-XE send RFC 5424.
pub(super) fn in_field(msg_id: &str) -> Option<&str> {
    match percent(msg_id, "").or_else(|| upper_word(msg_id)) {
        Some((mnemonic, "")) => Some(mnemonic),
        _ => None,
    }
}

/// `%FACILITY[-SUBFACILITY…]-SEVERITY-NAME:`. The colon may be missing or stand after a space.
fn percent<'a>(text: &'a str, app_name: &str) -> Option<(&'a str, &'a str)> {
    let inside = text.strip_prefix('%')?;
    let is_part =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/');
    let bytes = inside.bytes().take(MNEMONIC_BYTES_MAX).take_while(is_part).count();
    let (word, rest) = inside.split_at_checked(bytes)?;
    let name_at = name_at(word, |byte| matches!(byte, b'0'..=b'7'))
        .or_else(|| name_at(word, |byte| byte.is_ascii_uppercase()))?;
    let rest = rest.trim_start_matches(' ');
    let message = rest.strip_prefix(':').unwrap_or(rest).trim_start_matches(' ');
    let facility = word.get(..name_at.saturating_sub(3)).unwrap_or("");
    let name = word.get(name_at..).unwrap_or("");
    if !app_name.is_empty() && JUNOS_FACILITIES.contains(&facility) && is_upper_word(name) {
        return Some((name, message));
    }
    Some((word, message))
}

/// Where the name begins in `FACILITY-S-NAME`: behind the first part that is one severity byte.
fn name_at(word: &str, is_severity: impl Fn(u8) -> bool) -> Option<usize> {
    let place = word
        .as_bytes()
        .windows(3)
        .position(|window| matches!(window, [b'-', severity, b'-'] if is_severity(*severity)))?;
    (place > 0 && place + 3 < word.len()).then_some(place + 3)
}

/// `MODULE/4/NAME(l)[81]:`. With `%%` in front the name may hold spaces and the colon may be
/// missing; without, only the strict form is one.
fn slashed(text: &str, is_marked: bool) -> Option<(&str, &str)> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let module_bytes = text.bytes().take(MNEMONIC_BYTES_MAX).take_while(is_part).count();
    let name = match text.as_bytes().get(module_bytes..)? {
        [b'/', b'0'..=b'7', b'/', ..] if module_bytes > 0 => text.get(module_bytes + 3..)?,
        _ => return None,
    };
    let name_bytes = match name.find(['(', '[', ':']) {
        Some(bytes) if bytes <= MNEMONIC_BYTES_MAX => bytes,
        _ if is_marked => name.find(' ').unwrap_or(name.len()),
        _ => return None,
    };
    let (name, rest) = name.split_at_checked(name_bytes)?;
    let is_strict = || {
        name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name.bytes().all(|byte| is_part(&byte))
            && text.bytes().take(module_bytes).all(is_upper_part)
    };
    if name.is_empty() || !(is_marked || is_strict()) {
        return None;
    }
    let rest = without_bracket(without_bracket(rest, '(', ')'), '[', ']');
    let rest = rest.trim_start_matches(' ');
    let message = rest.strip_prefix(':').unwrap_or(rest).trim_start_matches(' ');
    let mnemonic = text.get(..module_bytes + 3 + name_bytes)?.trim_end();
    Some((mnemonic, message))
}

/// `%%01` and `%%10` carry the version of the log format.
fn without_framework_version(text: &str) -> &str {
    match text.as_bytes() {
        [b'0'..=b'9', b'0'..=b'9', ..] => text.get(2..).unwrap_or(text),
        _ => text,
    }
}

/// Without `(l)`, `(t)`, `[81]` in front: what kind of log it is and its running number.
fn without_bracket(text: &str, open: char, close: char) -> &str {
    text.strip_prefix(open)
        .and_then(|inside| inside.split_once(close))
        .map_or(text, |(_, rest)| rest)
}

/// `RPD_OSPF_NBRDOWN: …`, or the whole text.
fn upper_word(text: &str) -> Option<(&str, &str)> {
    let bytes =
        text.bytes().take(MNEMONIC_BYTES_MAX).take_while(|byte| is_upper_part(*byte)).count();
    let (word, rest) = text.split_at_checked(bytes)?;
    if !is_upper_word(word) {
        return None;
    }
    match rest.as_bytes() {
        [] | [b':'] => Some((word, "")),
        [b':', b' ', ..] => Some((word, rest.get(1..)?.trim_start_matches(' '))),
        _ => None,
    }
}

fn is_upper_word(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_uppercase())
        && word.contains('_')
        && word.bytes().all(is_upper_part)
        && word != NX_OS_CATCH_ALL
}

fn is_upper_part(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_'
}

/// `<Severity:component.condition>`
fn angled(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix('<')?;
    let severity_bytes = inside.bytes().take(16).take_while(u8::is_ascii_alphabetic).count();
    let (severity, rest) = inside.split_at_checked(severity_bytes)?;
    let name = rest.strip_prefix(':')?;
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let bytes = name.bytes().take(MNEMONIC_BYTES_MAX).take_while(is_part).count();
    let (name, rest) = name.split_at_checked(bytes)?;
    let message = rest.strip_prefix('>')?.trim_start_matches(' ');
    (!severity.is_empty() && name.contains('.')).then_some((name, message))
}

/// Longer words are text.
const MNEMONIC_BYTES_MAX: usize = 96;

/// The facilities that Junos puts before the severity when `explicit-priority` is set.
const JUNOS_FACILITIES: [&str; 18] = [
    "AUTH",
    "AUTHORIZATION",
    "CHANGE",
    "CONFLICT",
    "DAEMON",
    "FTP",
    "INTERACT",
    "KERN",
    "LOCAL0",
    "LOCAL1",
    "LOCAL2",
    "LOCAL3",
    "LOCAL4",
    "LOCAL5",
    "LOCAL6",
    "LOCAL7",
    "PFE",
    "USER",
];

/// NX-OS uses this name under the facilities of Unix, where only the facility tells them apart.
const NX_OS_CATCH_ALL: &str = "SYSTEM_MSG";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_table_is_told() {
        for (text, app_name, mnemonic, message) in [
            ("%LINK-3-UPDOWN: Interface Gi0/1", "", "LINK-3-UPDOWN", "Interface Gi0/1"),
            ("%C6KENV-SP-4-PSFANOK: ok", "", "C6KENV-SP-4-PSFANOK", "ok"),
            (
                "%EARL_NETFLOW-SP-STDBY-4-TCAM_THRLD: x",
                "",
                "EARL_NETFLOW-SP-STDBY-4-TCAM_THRLD",
                "x",
            ),
            ("%SPA-DFC4-4-TEMP_WARNING: hot", "", "SPA-DFC4-4-TEMP_WARNING", "hot"),
            ("%PLATFORM-SFP-3-HIGH : Set", "", "PLATFORM-SFP-3-HIGH", "Set"),
            ("%PIX-7-715xxx debug", "", "PIX-7-715xxx", "debug"),
            ("%ENVMON-5-48V_STATUS: -48V", "", "ENVMON-5-48V_STATUS", "-48V"),
            ("%LINK-W-Down:  1:24", "", "LINK-W-Down", "1:24"),
            ("%$VDC-1 %$ %ETHPORT-5-IF_UP: x", "", "ETHPORT-5-IF_UP", "x"),
            ("%DAEMON-3-SYSTEM_MSG: NTP", "ntpd", "DAEMON-3-SYSTEM_MSG", "NTP"),
            ("%DAEMON-4-RPD_OSPF_NBRDOWN: x", "rpd", "RPD_OSPF_NBRDOWN", "x"),
            ("%DAEMON-4-RPD_OSPF_NBRDOWN: x", "", "DAEMON-4-RPD_OSPF_NBRDOWN", "x"),
            ("%%01IFNET/4/UPDOWN(l): down", "", "IFNET/4/UPDOWN", "down"),
            ("%%01RDS/4/RDAUTHDOWN(l)[81]:down", "", "RDS/4/RDAUTHDOWN", "down"),
            ("%%10IFNET/3/PHY_UPDOWN: down", "", "IFNET/3/PHY_UPDOWN", "down"),
            ("%%10IFNET/4/INTERFACE UPDOWN(t):   Trap", "", "IFNET/4/INTERFACE UPDOWN", "Trap"),
            ("LINE/5/VTYUSERLOGIN:OID 1.3", "", "LINE/5/VTYUSERLOGIN", "OID 1.3"),
            ("RPD_BGP_NEIGHBOR_STATE_CHANGED: x", "rpd", "RPD_BGP_NEIGHBOR_STATE_CHANGED", "x"),
            ("UI_COMMIT_PROGRESS", "", "UI_COMMIT_PROGRESS", ""),
            (
                "<Info:vlan.msgs.portLinkStateDown> Port 11",
                "",
                "vlan.msgs.portLinkStateDown",
                "Port 11",
            ),
        ] {
            assert_eq!(split(text, app_name), Some((mnemonic, message)), "{text}");
        }
    }

    #[test]
    fn text_is_no_mnemonic() {
        for text in [
            "",
            "%",
            "%%",
            "%$",
            "%%01",
            "%-3-UPDOWN: x",
            "%LINK-3-",
            "%LINK: x",
            "100% used",
            "%LINK-9-UPDOWN: x",
            "%a b",
            "ERROR: x",
            "MAC_ADDRESS x",
            "A/4: x",
            "IF/9/X: y",
            "Gi0/1/2: down",
            "RP/0/RSP0/CPU0:x",
            "SYSTEM_MSG: x",
            "<Info> x",
            "<13>x",
            "Über: x",
        ] {
            assert_eq!(split(text, "app"), None, "{text}");
        }
    }

    #[test]
    fn a_message_id_may_be_one() {
        assert_eq!(in_field("UI_DBASE_LOGIN_EVENT"), Some("UI_DBASE_LOGIN_EVENT"));
        assert_eq!(in_field("%SYS-5-CONFIG_I"), Some("SYS-5-CONFIG_I"));
        assert_eq!(in_field("ID47"), None);
        assert_eq!(in_field("TCPIN"), None);
    }
}
