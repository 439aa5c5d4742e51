//! The decoder and the splitter against inputs whose outcome others fixed. The oracles differ from
//! vigie in three ways, undone by [`as_shown`]: they keep a byte order mark, they show control
//! characters as they are, and they hand out structured data as a map.

use super::*;
use crate::model::fault::Fault;
use crate::model::time::Timestamp;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

fn data(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpora").join(name);
    assert!(path.exists(), "test data is absent: {}", path.display());
    path
}

fn json(name: &str) -> Value {
    let text = std::fs::read_to_string(data(name)).expect("test data is readable");
    serde_json::from_str(&text).expect("test data is JSON")
}

/// The text of an oracle as vigie shows it.
fn as_shown(text: &str) -> String {
    let mut scratch = String::new();
    clean::clean(text.trim_start_matches('\u{feff}').as_bytes(), &mut scratch).0.to_owned()
}

fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for digit in text.chars().filter_map(|digit| DIGITS.find(digit)) {
        bits = bits << 6 | u32::try_from(digit).expect("below 64");
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xFF).expect("one byte"));
        }
    }
    bytes
}

/// Structured data as a map of maps; escapes of `"`, `\` and `]` undone.
fn structured(text: &str) -> Value {
    let mut elements = Map::new();
    let mut rest = text;
    while let Some(inside) = rest.strip_prefix('[') {
        let (id, mut after) = inside.split_at(inside.find([' ', ']']).expect("an id ends"));
        let mut parameters = Map::new();
        while let Some(parameter) = after.strip_prefix(' ') {
            let (name, quoted) = parameter.split_once("=\"").expect("a value follows");
            let (mut value, mut characters) = (String::new(), quoted.chars());
            while let Some(character) = characters.next().filter(|character| *character != '"') {
                match (character, characters.as_str().chars().next()) {
                    ('\\', Some(escaped @ ('"' | '\\' | ']'))) => {
                        value.push(escaped);
                        characters.next();
                    }
                    _ => value.push(character),
                }
            }
            parameters.insert(name.to_owned(), value.into());
            after = characters.as_str();
        }
        elements.insert(id.to_owned(), parameters.into());
        rest = after.strip_prefix(']').expect("an element ends");
    }
    if elements.is_empty() { Value::Null } else { elements.into() }
}

/// Inputs that the oracle refuses and that are right all the same.
const REFUSED_BUT_RIGHT: [(&[u8], &str); 1] = [(
    b"<1>4a ",
    "PRI and text without date, host and tag: RFC 3164 4.3 takes that; only RFC 5424 does not",
)];

#[test]
fn rfc5424_verdicts_and_values_are_those_of_the_corpus() {
    let cases = json("rfc5424/cases.json");
    let cases = cases.as_array().expect("a list");
    assert_eq!(cases.len(), 319);
    let mut decoder = SyslogDecoder::new();
    let mut refused_but_right = 0;
    for case in cases {
        let input = base64(case["input_b64"].as_str().expect("text"));
        let shown = String::from_utf8_lossy(&input).into_owned();
        let message = decoder.decode(&input);
        if case["valid"] == false {
            if REFUSED_BUT_RIGHT.iter().any(|(exception, _)| *exception == input) {
                refused_but_right += 1;
                assert!(message.faults.is_empty(), "no exception needed: {shown:?}");
            } else {
                assert!(!message.faults.is_empty(), "a fault is named: {shown:?}");
            }
            continue;
        }
        let is_displayable = std::str::from_utf8(&input)
            .is_ok_and(|text| !text.contains(|character: char| character.is_control()));
        let bytes_faults = Faults::NONE.with(Fault::NotUtf8).with(Fault::ControlCharacters);
        assert_eq!(message.faults.0 & !bytes_faults.0, 0, "{shown:?}");
        assert_eq!(message.faults.is_empty(), is_displayable, "{shown:?}");
        assert_is_value(&message, &case["value"]);
    }
    assert_eq!(refused_but_right, REFUSED_BUT_RIGHT.len());
}

fn assert_is_value(message: &SyslogMessage<'_>, value: &Value) {
    let stamp = match value["Timestamp"].as_str() {
        Some(text) => SyslogStamp::Instant(Timestamp::parse(text).expect("an instant")),
        None => SyslogStamp::None,
    };
    let text = |name: &str| as_shown(value[name].as_str().unwrap_or(""));
    assert_eq!(message.format, SyslogFormat::Rfc5424);
    assert_eq!(u64::from(message.facility), value["Facility"].as_u64().expect("a number"));
    assert_eq!(u64::from(message.severity), value["Severity"].as_u64().expect("a number"));
    assert_eq!(message.stamp, stamp);
    assert_eq!(message.hostname, text("Hostname"));
    assert_eq!(message.app_name, text("Appname"));
    assert_eq!(message.proc_id, text("ProcID"));
    assert_eq!(message.msg_id, text("MsgID"));
    assert_eq!(message.message, text("Message"));
    let with_elements = value["StructuredData"].as_object().map(|elements| {
        let or_empty =
            |value: &Value| if value.is_null() { Map::new().into() } else { value.clone() };
        elements.iter().map(|(id, value)| (id.clone(), or_empty(value))).collect::<Map<_, _>>()
    });
    assert_eq!(structured(message.structured_data), Value::from(with_elements));
}

/// One line of Influx line protocol: tags and fields together, values without quotes and escapes.
fn line_protocol(text: &str) -> Vec<Map<String, Value>> {
    let (mut messages, mut message) = (Vec::new(), Map::new());
    let (mut name, mut value) = (None, String::new());
    let (mut is_quoted, mut characters) = (false, text.chars());
    loop {
        let character = characters.next();
        match character {
            Some('\\') => match characters.next() {
                Some('n') => value.push('\n'),
                escaped => value.extend(escaped),
            },
            Some('"') => is_quoted = !is_quoted,
            Some('=') if !is_quoted => name = Some(std::mem::take(&mut value)),
            Some(',' | ' ' | '\n') | None if !is_quoted => {
                let value = std::mem::take(&mut value);
                if let Some(name) = name.take() {
                    message.insert(name, value.into());
                }
                if matches!(character, Some('\n') | None) && !message.is_empty() {
                    messages.push(std::mem::take(&mut message));
                }
            }
            Some(character) => value.push(character),
            None => {}
        }
        if character.is_none() {
            return messages;
        }
    }
}

#[test]
fn streams_give_the_messages_of_the_corpus_in_their_order() {
    let mut cases: Vec<_> = std::fs::read_dir(data("syslog-framing"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    cases.sort();
    assert_eq!(cases.len(), 54);
    for case in cases {
        let input = std::fs::read(case.join("input.txt")).expect("an input");
        let settings = std::fs::read_to_string(case.join("telegraf.conf")).expect("settings");
        let expected = std::fs::read_to_string(case.join("expected.out")).unwrap_or_default();
        let expected = line_protocol(&expected);
        let is_datagram = settings.contains("udp://");
        for piece_bytes in [1, 5, 100, usize::MAX] {
            let given = if is_datagram {
                check_message(&input, Faults::NONE, 0, &expected)
            } else {
                check_stream(input.chunks(piece_bytes), &expected)
            };
            assert!(given >= expected.len(), "{}", case.display());
        }
    }
}

fn check_stream<'a>(
    pieces: impl Iterator<Item = &'a [u8]>,
    expected: &[Map<String, Value>],
) -> usize {
    let mut splitter = FrameSplitter::new();
    let mut given = 0;
    for piece in pieces {
        splitter.push(piece);
        while let Some(frame) = splitter.next_frame() {
            given += check_message(frame.bytes, frame.faults, given, expected);
        }
    }
    splitter.finish();
    while let Some(frame) = splitter.next_frame() {
        given += check_message(frame.bytes, frame.faults, given, expected);
    }
    given
}

/// What the corpus expects at this place must be there. A message beyond it must carry a fault: the
/// oracle dropped it where vigie keeps it.
fn check_message(
    bytes: &[u8],
    faults: Faults,
    place: usize,
    expected: &[Map<String, Value>],
) -> usize {
    let mut decoder = SyslogDecoder::new();
    let message = decoder.decode(bytes);
    let faults = message.faults.union(faults);
    let Some(expected) = expected.get(place) else {
        assert!(!faults.is_empty(), "{message:?} is more than was expected");
        return 1;
    };
    for (name, value) in expected {
        let value = as_shown(value.as_str().expect("text"));
        let found = match name.as_str() {
            "facility_code" => format!("{}i", message.facility),
            "severity_code" => format!("{}i", message.severity),
            "hostname" => message.hostname.to_owned(),
            "appname" => message.app_name.to_owned(),
            "procid" => message.proc_id.to_owned(),
            "msgid" => message.msg_id.to_owned(),
            "message" => message.message.to_owned(),
            "timestamp" => match message.stamp {
                SyslogStamp::Instant(instant) => format!("{}i", instant.0),
                SyslogStamp::Local {
                    month: 12, day: 2, hour: 16, minute: 31, second: 3, ..
                } => "1796229063000000000i".to_owned(),
                SyslogStamp::None | SyslogStamp::Local { .. } => String::new(),
            },
            _ => continue,
        };
        assert_eq!(found, value, "{name} of {message:?}");
    }
    if message.format == SyslogFormat::Rfc5424 && faults.is_empty() {
        for (name, text) in [("hostname", message.hostname), ("message", message.message)] {
            assert_eq!(expected.contains_key(name), !text.is_empty(), "{name} of {message:?}");
        }
    }
    1
}

/// Every device that names itself in the vendor corpus.
const HOSTS: [&str; 25] = [
    "test",
    "172.16.3.100",
    "Rybatsk-17-1",
    "nechaeva-4",
    "Foudry-Core",
    "AkrasRoot",
    "10.131.110.100",
    "192.168.32.16",
    "Office",
    "Podval",
    "3com2952",
    "3com2952_1",
    "Teh",
    "2928",
    "Batalion",
    "switchname-sw01",
    "switchname-asw01",
    "sw-169-mich7",
    "arista1",
    "switch-test",
    "od-agg-1-arnautskaya15",
    "od-agg-1-dobrovolskogo126",
    "od-agg-1-vavilova6",
    "vyatta",
    "torgovaja_4",
];

/// The host of a line of the vendor corpus: the word after the date that is a known device.
fn expected_host(text: &str) -> &str {
    if text.contains(" 3Com Baseline Switch %%") {
        return "3Com Baseline Switch";
    }
    let words = text.split(' ').filter(|word| !word.is_empty()).take(8);
    words
        .map(|word| word.trim_end_matches(':'))
        .find(|word| {
            HOSTS.contains(word) || *word == "sw-dom-5" || word.starts_with("kie-bro-smp-")
        })
        .unwrap_or("")
}

/// The mnemonic, told by another rule than the decoder's: the word that begins with `%` and holds
/// a hyphen or slash, or the first upper-case word with underscore or slash before a colon.
fn expected_mnemonic(text: &str) -> &str {
    if let Some(place) = text.find('%') {
        let marked = text[place..].trim_start_matches('%');
        let is_huawei = text[place..].starts_with("%%");
        let marked = if is_huawei { marked.trim_start_matches(['0', '1']) } else { marked };
        let end = if is_huawei { marked.find(['(', ':']) } else { marked.find([' ', ':']) };
        let word = &marked[..end.unwrap_or(marked.len())];
        return if word.contains(['-', '/']) { word } else { "" };
    }
    if let Some((_, condition)) = text.split_once("<Info:") {
        return condition.split('>').next().unwrap_or("");
    }
    let is_name = |word: &&str| {
        word.len() > 5
            && word.starts_with(|first: char| first.is_ascii_uppercase())
            && (word.split('/').count() == 3 && !word.contains(['-', '.'])
                || word.contains('_')
                    && word
                        .chars()
                        .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'))
    };
    text.split([' ', ':'])
        .find(is_name)
        .filter(|word| !text.contains(&format!("{word}[")))
        .unwrap_or("")
}

#[test]
fn vendor_lines_give_their_host_and_mnemonic() {
    let cases = json("vendor-syslog/noc.json");
    let cases = cases.as_array().expect("a list");
    assert_eq!(cases.len(), 285);
    let mut decoder = SyslogDecoder::new();
    let mut with_mnemonic = 0;
    for case in cases {
        let text = case["message"].as_str().expect("text");
        for frame in [text.to_owned(), format!("<189>{text}"), format!("<189>{text}\n")] {
            let message = decoder.decode(frame.as_bytes());
            let pri_missing = Faults::NONE.with(Fault::PriMissing);
            let faults = if frame.starts_with("<189>") { Faults::NONE } else { pri_missing };
            assert_eq!(message.faults, faults, "{text}");
            assert_eq!(message.hostname, expected_host(text), "{text}");
            assert_eq!(message.mnemonic, expected_mnemonic(text), "{text}");
            assert!(text.ends_with(message.message), "{text}");
            with_mnemonic += usize::from(!message.mnemonic.is_empty());
        }
    }
    assert_eq!(with_mnemonic, 3 * 195);
}

#[test]
fn arista_lines_give_what_the_corpus_says() {
    let mut lines = 0;
    for event in std::fs::read_dir(data("vendor-syslog/napalm-eos")).expect("a folder") {
        for case in std::fs::read_dir(event.expect("an entry").path()).expect("a folder") {
            let case = case.expect("an entry").path();
            let sent = std::fs::read_to_string(case.join("syslog.msg")).expect("lines");
            let read = std::fs::read_to_string(case.join("yang.json")).expect("readings");
            let readings = serde_json::Deserializer::from_str(&read).into_iter::<Value>();
            let sent = sent.lines().filter(|line| !line.is_empty());
            for (line, reading) in sent.zip(readings) {
                let details = &reading.expect("JSON")["message_details"];
                let mut decoder = SyslogDecoder::new();
                let message = decoder.decode(line.as_bytes());
                assert_eq!(message.faults, Faults::NONE, "{line}");
                assert_eq!(details["host"], message.hostname, "{line}");
                assert_eq!(details["processName"], message.app_name, "{line}");
                assert_eq!(details["tag"], message.mnemonic, "{line}");
                assert_eq!(details["facility"], message.facility, "{line}");
                assert_eq!(details["severity"], message.severity, "{line}");
                lines += 1;
            }
        }
    }
    assert!(lines >= 16, "{lines} lines");
}
