//! The dialects line by line, hostile input, and the properties that hold for any bytes.

use super::*;
use crate::model::fault::Fault;
use crate::model::time::Timestamp;
use proptest::prelude::*;

/// Host, programme, process, mnemonic and text of a line.
type Parts<'a> = (&'a str, &'a str, &'a str, &'a str, &'a str);

fn check_parts(cases: &[(&str, Parts<'_>)]) {
    let mut decoder = SyslogDecoder::new();
    for (line, parts) in cases {
        let found = decoder.decode(line.as_bytes());
        let found_parts =
            (found.hostname, found.app_name, found.proc_id, found.mnemonic, found.message);
        assert_eq!((found_parts, found.faults), (*parts, Faults::NONE), "{line}");
    }
}

fn stamp_and_faults(line: &str) -> (SyslogStamp, Faults) {
    let mut decoder = SyslogDecoder::new();
    let message = decoder.decode(line.as_bytes());
    (message.stamp, message.faults)
}

/// A stamp in short: what is not known is `?`, a clock that is not synchronised ends in `*`.
fn short(stamp: SyslogStamp) -> String {
    match stamp {
        SyslogStamp::None => "none".to_owned(),
        SyslogStamp::Instant(instant) => instant.to_string(),
        SyslogStamp::Local {
            year,
            month,
            day,
            hour,
            minute,
            second,
            nanosecond,
            offset_s,
            is_unsynchronised,
        } => {
            let year = year.map_or("?".to_owned(), |year| year.to_string());
            let zone = offset_s.map_or(String::new(), |offset_s| format!(" {offset_s:+}"));
            let mark = if is_unsynchronised { "*" } else { "" };
            format!("{year}-{month}-{day} {hour}:{minute}:{second}.{nanosecond}{zone}{mark}")
        }
    }
}

#[test]
fn cisco_lines_are_read_in_every_setting() {
    let text = "Configured from console by vty0";
    check_parts(&[
        (
            "<189>%SYS-5-CONFIG_I: Configured from console by vty0",
            ("", "", "", "SYS-5-CONFIG_I", text),
        ),
        (
            "<189>123: *Mar  1 18:46:11.123 UTC: %SYS-5-CONFIG_I: Configured from console by vty0",
            ("", "", "", "SYS-5-CONFIG_I", text),
        ),
        (
            "<189>123: R1: .Mar  1 18:46:11: %SYS-5-CONFIG_I: Configured from console by vty0",
            ("R1", "", "", "SYS-5-CONFIG_I", text),
        ),
        (
            "<189>R1: 123: Mar  1 18:46:11 MSK: %SYS-5-CONFIG_I: Configured from console by vty0",
            ("R1", "", "", "SYS-5-CONFIG_I", text),
        ),
        (
            "<189>45: R1: %SYS-5-CONFIG_I: Configured from console by vty0",
            ("R1", "", "", "SYS-5-CONFIG_I", text),
        ),
        (
            "<189>44: 00:12:34: %SYS-5-CONFIG_I: Configured from console by vty0",
            ("", "", "", "SYS-5-CONFIG_I", text),
        ),
        (
            "<189>44: 1w2d: %SYS-5-CONFIG_I: Configured from console by vty0",
            ("", "", "", "SYS-5-CONFIG_I", text),
        ),
        (
            "<189>: 2020 Oct 22 19:01:28 MSK: %ETHPORT-3-IF_SFP_ALARM: High Rx",
            ("", "", "", "ETHPORT-3-IF_SFP_ALARM", "High Rx"),
        ),
        (
            "<189>2020 Oct 22 19:01:28 sw1 %$ VDC-1 %$ %ETHPORT-5-IF_UP: x",
            ("sw1", "", "", "ETHPORT-5-IF_UP", "x"),
        ),
        (
            "<187>2020 Oct 22 19:01:28.5 XYZ: %$VDC-1 %$ %ETHPORT-5-IF_UP: x",
            ("", "", "", "ETHPORT-5-IF_UP", "x"),
        ),
        (
            "<189>RP/0/RSP0/CPU0:May 1 12:00:00.123 UTC: ifmgr[226]: %PKT_INFRA-LINK-3-UPDOWN : x",
            ("", "ifmgr", "226", "PKT_INFRA-LINK-3-UPDOWN", "x"),
        ),
        (
            "<189>912527: xr1 RP/0/RSP0/CPU0:Jul 20 21:34:29.9 : exec[6]: %SECURITY-login-4-X : y",
            ("xr1", "exec", "6", "SECURITY-login-4-X", "y"),
        ),
        (
            "<166>Oct 18 2019 14:39:03 fw1 : %ASA-6-302015: Built",
            ("fw1", "", "", "ASA-6-302015", "Built"),
        ),
        ("<166>:Oct 18 14:39:03 UTC: %FTD-6-302015: Built", ("", "", "", "FTD-6-302015", "Built")),
        (
            "<166>Oct 18 2019 14:39:03 fw1: %ASA-6-302015: Built",
            ("fw1", "", "", "ASA-6-302015", "Built"),
        ),
    ]);
}

#[test]
fn lines_of_other_equipment_are_read() {
    check_parts(&[
        (
            "<28>Jul 21 15:21:20 rpd[968]: RPD_OSPF_NBRDOWN: OSPF neighbor",
            ("", "rpd", "968", "RPD_OSPF_NBRDOWN", "OSPF neighbor"),
        ),
        (
            "<28>Jul 21 15:21:20  r1-re0 rpd[968]: %DAEMON-4-RPD_OSPF_NBRDOWN: OSPF neighbor",
            ("r1-re0", "rpd", "968", "RPD_OSPF_NBRDOWN", "OSPF neighbor"),
        ),
        (
            "<165>1 2007-02-15T09:17:15.719Z r1 mgd 3046 UI_LOGIN [junos@2636.1 u=\"u\"] User",
            ("r1", "mgd", "3046", "UI_LOGIN", "User"),
        ),
        (
            "<165>Feb  7 22:22:35 leaf1 Bfd: %BFD-5-STATE_CHANGE: peer",
            ("leaf1", "Bfd", "", "BFD-5-STATE_CHANGE", "peer"),
        ),
        (
            "<165>Feb  7 22:22:35 Bfd: %BFD-5-STATE_CHANGE: peer",
            ("", "Bfd", "", "BFD-5-STATE_CHANGE", "peer"),
        ),
        (
            "<188>Jul 22 2012 10:11:30+02:00 DST agg1 %%01RDS/4/RDAUTHDOWN(l)[81]:RADIUS is down!",
            ("agg1", "", "", "RDS/4/RDAUTHDOWN", "RADIUS is down!"),
        ),
        (
            "<166>2020-01-01T00:00:00.000Z esx1 Hostd: info hostd[2] [Originator@6876 sub=V] text",
            ("esx1", "Hostd", "", "", "info hostd[2] [Originator@6876 sub=V] text"),
        ),
        (
            "<166>2020-01-01T00:00:00.000Z esx1 Hostd[2099]: [Originator@6876 sub=V] text",
            ("esx1", "Hostd", "2099", "", "[Originator@6876 sub=V] text"),
        ),
        ("<6>kernel: [12345.678901] eth0: up", ("", "kernel", "", "", "eth0: up")),
        ("<6>Oct  1 00:00:00 h1 kernel: [    1.5] eth0", ("h1", "kernel", "", "", "eth0")),
        ("<30>Oct  1 00:00:00 h1 systemd[1]: Started X.", ("h1", "systemd", "1", "", "Started X.")),
        ("<86>Oct  1 00:00:00 h1 CRON[7]: (root) CMD", ("h1", "CRON", "7", "", "(root) CMD")),
        (
            "<22>Oct  1 00:00:00 2001:db8::25 postfix/smtpd[7]: connect",
            ("2001:db8::25", "postfix/smtpd", "7", "", "connect"),
        ),
        ("<13>Oct  1 00:00:00 h1 [28] is no process", ("h1", "", "", "", "[28] is no process")),
        ("<13>Oct  1 00:00:00 [h1] x", ("", "", "", "", "[h1] x")),
        ("<13>Oct  1 00:00:00 - app: x", ("", "app", "", "", "x")),
        (
            "<13>Oct  1 00:00:00 last message repeated 3 times",
            ("", "", "", "", "last message repeated 3 times"),
        ),
        (
            "<13>Oct  1 00:00:00 h1 last message repeated 3 times",
            ("h1", "", "", "", "last message repeated 3 times"),
        ),
        ("<13>Oct  1 00:00:00", ("", "", "", "", "")),
        ("<13>Gi0/1:down", ("", "", "", "", "Gi0/1:down")),
        ("<13>host without date says nothing", ("", "", "", "", "host without date says nothing")),
        ("<13>http://x y", ("", "", "", "", "http://x y")),
        ("<13>", ("", "", "", "", "")),
    ]);
}

#[test]
fn dates_are_read_in_every_form() {
    for (line, expected) in [
        ("<13>Oct 11 22:14:15 h a: x", "?-10-11 22:14:15.0"),
        ("<13>Oct  1 2:04:05 h a: x", "?-10-1 2:4:5.0"),
        ("<13>Thu Oct  1 22:14:15 2020 h a: x", "2020-10-1 22:14:15.0"),
        ("<13>Oct 11 22:14:15.007 h a: x", "?-10-11 22:14:15.7000000"),
        ("<13>Oct 11 22:14:15,1234567891 h a: x", "?-10-11 22:14:15.123456789"),
        ("<13>Oct 11 2019 22:14:15 h a: x", "2019-10-11 22:14:15.0"),
        ("<13>Oct 11 22:14:15 2019 h a: x", "2019-10-11 22:14:15.0"),
        ("<13>Oct 11 22:14:15 2928 a: x", "?-10-11 22:14:15.0"),
        ("<13>2019 Oct 11 22:14:15 MSK: %A-1-B: x", "2019-10-11 22:14:15.0"),
        ("<13>2019 Oct 11 22:14:15 UTC: %A-1-B: x", "2019-10-11T22:14:15.000000000Z"),
        ("<13>Oct 11 22:14:15 UTC 2019 h a: x", "2019-10-11T22:14:15.000000000Z"),
        ("<13>Oct 11 22:14:15 UTC h a: x", "?-10-11 22:14:15.0 +0"),
        ("<13>Oct 11 22:14:15 +0130 h a: x", "?-10-11 22:14:15.0 +5400"),
        ("<13>*Oct 11 22:14:15.5 UTC: %A-1-B: x", "?-10-11 22:14:15.500000000 +0*"),
        ("<13>.Oct 11 2019 22:14:15 UTC: %A-1-B: x", "2019-10-11 22:14:15.0 +0*"),
        ("<13>Feb 29 00:00:00 h a: x", "?-2-29 0:0:0.0"),
        ("<13>Feb 29 2020 00:00:00 h a: x", "2020-2-29 0:0:0.0"),
        ("<13>Dec 31 23:59:60 h a: x", "?-12-31 23:59:60.0"),
        ("<13>2016-12-31T23:59:60Z h a: x", "2017-01-01T00:00:00.000000000Z"),
        ("<13>2019-10-11T22:14:15.003+02:00 h a: x", "2019-10-11T20:14:15.003000000Z"),
        ("<13>2019-10-11T22:14:15 h a: x", "2019-10-11 22:14:15.0"),
        ("<13>2019-10-11 22:14:15 h a: x", "2019-10-11 22:14:15.0"),
        ("<13>2019/1/2 22:14:15 h a: x", "2019-1-2 22:14:15.0"),
        ("<13>10/15/2019 14:11:03.82 h a: x", "2019-10-15 14:11:3.820000000"),
        ("<13>15/10/2019 14:11:03 h a: x", "2019-10-15 14:11:3.0"),
        ("<34>1 - h a - - - x", "none"),
        ("<34>1 1985-04-12T19:20:50.52-04:00 h a - - - x", "1985-04-12T23:20:50.520000000Z"),
    ] {
        let (stamp, faults) = stamp_and_faults(line);
        assert_eq!((short(stamp).as_str(), faults), (expected, Faults::NONE), "{line}");
    }
}

#[test]
fn dates_that_are_none_are_named() {
    let invalid = Faults::NONE.with(Fault::TimestampInvalid);
    for line in [
        "<13>Feb 30 00:00:00 h a: x",
        "<13>Feb 29 2019 00:00:00 h a: x",
        "<13>Feb 29 1900 00:00:00 h a: x",
        "<13>Oct  0 22:14:15 h a: x",
        "<13>Oct 11 24:00:00 h a: x",
        "<13>Oct 11 22:60:15 h a: x",
        "<13>Oct 11 22:14:61 h a: x",
        "<13>Oct 11 22:14 h a: x",
        "<13>2018-11-22 x",
        "<13>2019-10-11T22:14:15+24:00 h a: x",
        "<13>9999-10-11T22:14:15Z h a: x",
        "<13>0000-01-01T00:00:00Z h a: x",
        "<13>Oct 11 9999 22:14:15 UTC h a: x",
        "<34>1 9999-10-11T22:14:15Z h a - - - x",
        "<34>1 2003-09-31T22:14:16Z h a - - - x",
        "<34>1 2019-10-11T22:14:15Z+01:00 h a - - - x",
    ] {
        assert_eq!(stamp_and_faults(line), (SyslogStamp::None, invalid), "{line}");
    }
    for (line, expected) in [
        ("<34>1 2019-10-11t22:14:15z h a - - - x", "2019-10-11T22:14:15.000000000Z"),
        ("<34>1 2019-10-11T22:14:15.123456789Z h a - - - x", "2019-10-11T22:14:15.123456789Z"),
        ("<34>1 2019-10-11T22:14:60Z h a - - - x", "2019-10-11T22:15:00.000000000Z"),
        ("<34>1 2019-10-11T22:14:15 h a - - - x", "2019-10-11 22:14:15.0"),
        ("<34>1 2019-1-2T22:14:15Z h a - - - x", "2019-01-02T22:14:15.000000000Z"),
    ] {
        let (stamp, faults) = stamp_and_faults(line);
        assert_eq!((short(stamp).as_str(), faults), (expected, invalid), "{line}");
    }
    let digits = format!("<13>Oct 11 {} h a: x", "9".repeat(60_000));
    assert_eq!(short(stamp_and_faults(&digits).0), "none");
}

#[test]
fn rfc5424_faults_name_the_part() {
    for (line, fault) in [
        ("<34>1", Fault::HeaderInvalid),
        ("<34>1 - h a - -", Fault::HeaderInvalid),
        ("<34>1 -  h a - - -", Fault::HeaderInvalid),
        ("<34>1 - hé a - - -", Fault::HeaderInvalid),
        ("<34>0 - h a - - -", Fault::SyslogVersionInvalid),
        ("<34>1000 - h a - - -", Fault::SyslogVersionInvalid),
        ("<34>1 - h a - - [", Fault::StructuredDataInvalid),
        ("<34>1 - h a - - [x", Fault::StructuredDataInvalid),
        ("<34>1 - h a - - [x a=\"b]\"] t", Fault::StructuredDataInvalid),
        ("<34>1 - h a - - [x a=\"b\"]t", Fault::StructuredDataInvalid),
        ("<34>1 - h a - - [x][y][x] t", Fault::StructuredDataInvalid),
        ("<34>1 - h a - - -t", Fault::StructuredDataInvalid),
        ("<34>1 - h a - - text", Fault::StructuredDataInvalid),
    ] {
        let (_, faults) = stamp_and_faults(line);
        assert_eq!(faults, Faults::NONE.with(fault), "{line}");
    }
    let mut decoder = SyslogDecoder::new();
    let message = decoder.decode(b"<34>1 - h a p m [x a=\"b]\"] text");
    assert_eq!(message.message, "[x a=\"b]\"] text", "what is no structured data is kept as text");
    let message = decoder.decode(b"<34>1 - h a p m - [x] text");
    assert_eq!((message.structured_data, message.message), ("", "[x] text"));
    assert_eq!(message.faults, Faults::NONE);
    let message = decoder.decode(br#"<34>1 - h a p m [x a="\] \" \\ \y"][z] text"#);
    assert_eq!(message.structured_data, r#"[x a="\] \" \\ \y"][z]"#);
    assert_eq!((message.message, message.faults), ("text", Faults::NONE));
}

#[test]
fn structured_data_of_a_hostile_sender_takes_linear_time() {
    let ids: Vec<_> = (0..16_000).map(|id| id.to_string()).collect();
    let elements = format!("[{}]", ids.join("]["));
    let line = format!("<34>1 - h a - - {elements} text");
    let mut decoder = SyslogDecoder::new();
    let message = decoder.decode(line.as_bytes());
    assert_eq!((message.message, message.faults), ("text", Faults::NONE));
    assert_eq!(message.structured_data, elements);
}

#[test]
fn controls_are_shown_and_the_fields_are_read_all_the_same() {
    let mut decoder = SyslogDecoder::new();
    let message = decoder.decode(b"<13>Oct 11 22:14:15 h app[7]: \x1b[2Jred\x07\r\n\0");
    assert_eq!((message.hostname, message.app_name, message.proc_id), ("h", "app", "7"));
    assert_eq!(message.message, "\\x1b[2Jred\\x07");
    assert_eq!(message.faults, Faults::NONE.with(Fault::ControlCharacters));
    let message = decoder.decode(b"<13>Oct 11 22:14:15 h app: ch\xe4s");
    assert_eq!(
        (message.message, message.faults),
        ("ch\u{fffd}s", Faults::NONE.with(Fault::NotUtf8))
    );
    let message = decoder.decode("<34>1 - h a - - - \u{feff}text".as_bytes());
    assert_eq!((message.message, message.faults), ("text", Faults::NONE));
}

#[test]
fn the_instant_is_that_of_the_calendar() {
    for year in (1678..2262).step_by(7) {
        for (month, day) in [(1, 1), (2, 28), (3, 1), (12, 31)] {
            let text = format!("{year:04}-{month:02}-{day:02}T12:34:56.789Z");
            let (stamp, faults) = stamp_and_faults(&format!("<13>1 {text} h a - - - x"));
            let expected = Timestamp::parse(&text).expect("an instant");
            assert_eq!((stamp, faults), (SyslogStamp::Instant(expected), Faults::NONE));
        }
    }
}

/// Lines made of the parts that the decoder looks for.
fn lines() -> impl Strategy<Value = Vec<u8>> {
    let part = prop::sample::select(vec![
        &b"<13>"[..],
        b"<",
        b">",
        b"1 ",
        b"123: ",
        b"- ",
        b" ",
        b":",
        b": ",
        b"*",
        b"%",
        b"%%01",
        b"Oct 11 ",
        b"22:14:15",
        b"2019",
        b"2019-10-11",
        b"T",
        b"Z ",
        b"+02:00",
        b"UTC",
        b".123",
        b"host ",
        b"app",
        b"[",
        b"]",
        b"[7]: ",
        b"RP/0/RSP0/CPU0:",
        b"%LINK-3-UPDOWN",
        b"A/4/B(l)",
        b"RPD_X: ",
        b"[x a=\"b\"]",
        b"\"",
        b"\\",
        b"=",
        b"\xef\xbb\xbf",
        b"\xff",
        b"\xc2\x9b",
        b"\x1b[",
        b"\n",
        b"\0",
        "é".as_bytes(),
        "\u{202e}".as_bytes(),
        b"99999999999999999999",
    ]);
    proptest::collection::vec(part, 0..20).prop_map(|parts| parts.concat())
}

fn assert_is_safe(frame: &[u8]) -> Result<(), TestCaseError> {
    let mut decoder = SyslogDecoder::new();
    let message = decoder.decode(frame);
    for text in [
        message.hostname,
        message.app_name,
        message.proc_id,
        message.msg_id,
        message.structured_data,
        message.mnemonic,
        message.message,
    ] {
        prop_assert!(!text.contains(|c: char| c.is_control() && c != '\t'), "{:?}", text);
        prop_assert!(!text.contains('\u{202e}'), "{:?}", text);
    }
    prop_assert!(message.facility < 24 && message.severity < 8);
    let is_plausible_host = !message.hostname.contains(['%', '[', ']', '<']);
    prop_assert!(message.format == SyslogFormat::Rfc5424 || is_plausible_host);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_bytes_give_a_message_that_is_safe_to_show(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        assert_is_safe(&bytes)?;
    }

    #[test]
    fn any_line_gives_a_message_that_is_safe_to_show(line in lines()) {
        assert_is_safe(&line)?;
    }
}
