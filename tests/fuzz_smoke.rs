//! Every parser of network input, fed with noise and with damaged messages: it must not panic, not
//! loop, and keep to what it promises. Seeded; `VIGIE_TEST_SEED` chooses another stream.
//!
//! The functions at the end take any bytes, and can be used by a coverage-guided fuzzer as
//! they are.

#[path = "support/random.rs"]
mod random;

use random::Random;
use std::fmt::Write;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use vigie::decode::alerts;
use vigie::decode::metrics::line_protocol::Precision;
use vigie::decode::metrics::{body, line_protocol, otlp, remote_write_1, remote_write_2};
use vigie::decode::snmp::TrapDecoder;
use vigie::decode::syslog::{FrameSplitter, SyslogDecoder};
use vigie::model::alert::KeptAlert;
use vigie::model::limits::{ALERT_LABELS_BYTES_MAX, FRAME_BYTES_MAX};
use vigie::model::matcher::Matcher;
use vigie::model::sample::{Labels, Rejection, Sample, Samples, SeriesKind, Tally};
use vigie::shell::api::access::certificate;
use vigie::shell::api::access::identity::Brought;

/// Inputs per parser and kind.
const ROUNDS: u32 = 20_000;
/// Longest noise, bytes.
const NOISE_BYTES_MAX: u64 = 400;

/// Messages that are right, to be damaged: an SNMPv2c linkDown, an SNMPv1 linkDown, an Inform.
const TRAPS: [&str; 3] = [
    "305c020101 0406 7075626c6963 a74f 020107 020100 020100 3044\
     300f 06082b06010201010300 4303010203\
     3017 060a2b060106030101040100 06092b0601060301010503\
     300f 060a2b060102010202010101 020101\
     3007 06032b0601 040130",
    "3039020100 0406 7075626c6963 a42c 060a2b06010401bf08030200 4004c0000201 020102 020100\
     430201ff 3011 300f 060a2b060102010202010101 020103",
    "303f020101 0406 7075626c6963 a632 0204ffffffff 020100 020100 3024\
     300d 06082b06010201010300 430100\
     3013 060a2b060106030101040100 05000000000000",
];

/// Posted alerts, and parts of them.
const ALERTS: [&str; 2] = [
    r#"[{"labels":{"alertname":"Down","instance":"edge-1:9100","é":"\u00e9\ud83d\ude00"},
        "annotations":{"summary":"it is\ndown"},"startsAt":"2026-11-24T06:00:00.5+01:00",
        "endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://p:9090/"}]"#,
    r#"[{"labels":{"a":"b"},"endsAt":null},{},7,{"labels":{"a":""}}]"#,
];

/// Label matchers.
const MATCHERS: [&str; 4] =
    [r#"job=~"a|b\d{2,3}""#, r#""x.y" != "z\"\n""#, "alertname=Down", r"path!~c:\\[a-z]+"];

/// Syslog messages of every form that the decoder knows.
const SYSLOG: [&str; 7] = [
    "<34>1 2026-10-11T22:14:15.003Z host su 77 ID47 [ex@32473 a=\"b\\\"]\" c=\"d\"] 'su' failed",
    "<165>1 - - - - - -",
    "<13>Feb 29 05:14:15 host kernel: [12.345678] eth0: link down",
    "<187>45: *Mar  1 00:12:31.123: %LINK-3-UPDOWN: Interface Gi0/1, changed state to down",
    "<28>Nov 24 06:00:00 mx1 mib2d[1234]: SNMP_TRAP_LINK_DOWN: ifIndex 502, ifName ge-0/0/1",
    "<14>2026-11-24T06:00:00.000Z esx1 vobd: [netCorrelator] lost uplink \u{1b}[31mred\u{0}",
    "no priority at all, Zürich 😀",
];

/// Streams: octet-counted, by lines, mixed, with counts that lie.
const STREAMS: [&str; 5] = [
    "10 <13>abc de11 <13>abc def",
    "<13>one\n<13>two\r\n<13>three\0<13>four",
    "8 <13>one\n<13>two\n9 <13>three",
    "99999999999999999999 <13>one\n<13>two\n",
    "65537 <13>one\n000008 <13>one\n-1 <13>x\n",
];

/// Remote write 1.0 (two labels, a sample, a native histogram), 2.0 (symbols, a sample, metadata),
/// OTLP (a resource with a text and a list, a sum with one point, a summary with a quantile).
const METRICS: [&str; 3] = [
    "0a3a0a0e0a085f5f6e616d655f5f120275700a070a016a12026e31121009000000000000f03f1080 \
     d095ffbc31220d08071900000000000000407809",
    "220022085f5f6e616d655f5f220275702a180a020102120e09000000000000f03f10e80718072a02 \
     0801",
    "0a700a1e0a090a016112040a0268690a110a0162120c2a0a0a040a0268690a021805124e12260a01 \
     633a210a1b19e8030000000000003107000000000000003a070a016b120210011001180112240a01 \
     735a1f0a1d210100000000000000321209000000000000e03f110000000000000040",
];

/// Lines of every kind.
const LINES: [&str; 4] = [
    "cpu,host=pe1,a\\ b=c\\,d user=1.5,idle=2i,up=t,note=\"x\\\"\ny\",n=3u 1700000000000000000\n",
    "# comment\r\n\r\nm v=1\nbad line\nm v=2 3\n",
    "m v=\"open\nm v=1\n",
    "prometheus,__name__=x up=1 -5 \n\tm =1",
];

/// OTLP in JSON.
const JSON: [&str; 1] = [r#"{"resourceMetrics":[{"resource":{"attributes":[{"key":"a\u00e9",
    "value":{"arrayValue":{"values":[{"intValue":"1"},{"kvlistValue":{}}]}}}]},"scopeMetrics":[
    {"metrics":[{"name":"m","sum":{"aggregationTemporality":1,"isMonotonic":true,"dataPoints":[
    {"asInt":"5","timeUnixNano":"9","flags":0},{"asDouble":"NaN"}]}},{"name":"h","histogram":
    {"dataPoints":[{"count":"2","sum":1.5,"attributes":[{"key":"k"}]}]}}]}]}]}"#];

#[test]
fn metrics_in_protobuf() {
    let [first, second, third] = METRICS.map(octets);
    let tallies = [
        remote_write_1::decode(&first, &mut Told::default()),
        remote_write_2::decode(&second, &mut Told::default()),
        otlp::binary::decode(&third, &mut Told::default()),
    ];
    assert_eq!(tallies.map(|tally| (tally.accepted, tally.rejected)), [(2, 0), (1, 0), (2, 0)]);
    feed(4, &METRICS.map(octets), |bytes| {
        decode_metrics(bytes, remote_write_1::decode);
        decode_metrics(bytes, remote_write_2::decode);
        decode_metrics(bytes, otlp::binary::decode);
    });
}

#[test]
fn metrics_in_json() {
    feed(5, &JSON.map(|text| text.as_bytes().to_vec()), |bytes| {
        decode_metrics(bytes, otlp::json::decode);
    });
}

#[test]
fn metrics_in_lines() {
    feed(6, &LINES.map(|text| text.as_bytes().to_vec()), |bytes| {
        decode_metrics(bytes, |bytes, to| line_protocol::decode(bytes, Precision::Second, to));
    });
}

#[test]
fn compressed_bodies() {
    // The same hundred octets in gzip and in the block format of snappy.
    let gzip = octets("1f8b08000000000000034b4c4a4e494d4bcfc8cc4aa4190b00609699ba64000000");
    let snappy = octets("64246162636465666768696afe0a00660a00");
    for (encoding, body) in [("gzip", &gzip), ("snappy", &snappy)] {
        let mut inflated = Vec::new();
        let whole = body::inflate(body, encoding, 100, &mut inflated);
        assert_eq!(whole, Ok(b"abcdefghij".repeat(10).as_slice()), "{encoding}");
    }
    feed(7, &[gzip, snappy], inflate);
}

#[test]
fn alerts() {
    feed(10, &ALERTS.map(|text| text.as_bytes().to_vec()), read_alerts);
}

#[test]
fn matchers() {
    feed(11, &MATCHERS.map(|text| text.as_bytes().to_vec()), read_matcher);
}

#[test]
fn traps() {
    let seeds = TRAPS.map(octets);
    feed(1, &seeds, decode_trap);
}

#[test]
fn syslog_messages() {
    feed(2, &SYSLOG.map(|text| text.as_bytes().to_vec()), decode_syslog);
}

#[test]
fn syslog_streams() {
    feed(3, &STREAMS.map(|text| text.as_bytes().to_vec()), split_frames);
}

#[test]
fn headers_that_say_who_it_is() {
    let seeds = ["Basic YWxpY2U6Y29ycmVjdCBob3JzZQ==", "bearer 0123456789abcdef", "Token x", "a b"];
    feed(8, &seeds.map(|text| text.as_bytes().to_vec()), read_authorization);
}

#[test]
fn client_certificates() {
    let pem = include_bytes!("tls/client.pem");
    let der = CertificateDer::from_pem_slice(pem).expect("a certificate");
    feed(9, &[der.to_vec()], read_names);
}

/// Gives the parser every cut of every seed, noise, and seeds with random damage.
fn feed(stream: u64, seeds: &[Vec<u8>], mut parse: impl FnMut(&[u8])) {
    let (mut random, _) = Random::from_environment(stream);
    for whole in seeds {
        for end in 0..=whole.len() {
            parse(whole.get(..end).unwrap_or_default());
        }
    }
    for _ in 0..ROUNDS {
        let length = random.below(NOISE_BYTES_MAX);
        let noise: Vec<u8> = (0..length).map(|_| byte(&mut random)).collect();
        parse(&noise);
        parse(&damaged(seeds, &mut random));
    }
}

/// One of the seeds after one to eight blows.
fn damaged(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = pick(seeds, random).cloned().unwrap_or_default();
    for _ in 0..=random.below(8) {
        let place = below(random, bytes.len() + 1);
        match random.below(6) {
            0 => bytes.truncate(place),
            1 => bytes.insert(place, byte(random)),
            2 => {
                // Lengths and counts are what parsers trust.
                if let Some(there) = bytes.get_mut(place) {
                    *there = [0, 1, 0x7f, 0x80, 0x81, 0x84, 0xff, b'9'][below(random, 8)];
                }
            }
            3 => {
                if let Some(there) = bytes.get_mut(place) {
                    *there ^= 1 << random.below(8);
                }
            }
            4 => {
                let end = place + below(random, bytes.len() - place + 1);
                bytes.drain(place..end);
            }
            _ => {
                let other = pick(seeds, random).cloned().unwrap_or_default();
                bytes.extend_from_slice(other.get(below(random, other.len())..).unwrap_or(&[]));
            }
        }
    }
    bytes
}

fn pick<'a, T>(from: &'a [T], random: &mut Random) -> Option<&'a T> {
    from.get(below(random, from.len()))
}

/// An index below `bound`; 0 when that is 0.
fn below(random: &mut Random, bound: usize) -> usize {
    let bound = u64::try_from(bound.max(1)).expect("a length fits");
    usize::try_from(random.below(bound)).expect("an index fits")
}

fn byte(random: &mut Random) -> u8 {
    let [low, ..] = random.number().to_le_bytes();
    low
}

/// Octets written in hexadecimal, with spaces where a reader likes them.
fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex
        .chars()
        .filter(|sign| !sign.is_whitespace())
        .map(|sign| sign.to_digit(16).expect("a hexadecimal digit"))
        .map(|digit| u8::try_from(digit).expect("below 16"))
        .collect();
    digits.chunks(2).map(|pair| pair.iter().fold(0, |octet, digit| octet * 16 + digit)).collect()
}

/// Decodes it as an SNMP notification.
fn decode_trap(bytes: &[u8]) {
    let mut decoder = TrapDecoder::default();
    // Twice: what a decoder keeps of one message must not reach the next.
    let first = format!("{:?}", decoder.decode(bytes));
    let second = format!("{:?}", decoder.decode(bytes));
    assert_eq!(first, second, "the same bytes gave two readings: {bytes:02x?}");
}

/// Decodes it as a syslog message.
fn decode_syslog(bytes: &[u8]) {
    let mut decoder = SyslogDecoder::default();
    let message = decoder.decode(bytes);
    assert!(message.facility < 24 && message.severity < 8, "{message:?} of {bytes:02x?}");
    for text in [
        message.hostname,
        message.app_name,
        message.proc_id,
        message.msg_id,
        message.structured_data,
        message.mnemonic,
        message.message,
    ] {
        let is_unsafe = |sign: char| sign.is_control() && sign != '\t';
        assert!(!text.contains(is_unsafe), "{text:?} of {bytes:02x?}");
    }
    let first = format!("{message:?}");
    assert_eq!(first, format!("{:?}", decoder.decode(bytes)), "{bytes:02x?}");
}

/// Reads it as posted alerts: what is kept of each comes back and keeps to its bound.
fn read_alerts(bytes: &[u8]) {
    for (alert, raw) in alerts::read(bytes).into_iter().flatten().flatten() {
        assert!(!alert.labels.is_empty() && raw.len() <= bytes.len());
        let canonical = alert.canonical();
        assert!(canonical.len() <= ALERT_LABELS_BYTES_MAX, "{canonical}");
        let kept = KeptAlert::read(&canonical).expect("what is kept comes back");
        assert_eq!(*kept.labels, alert.labels);
    }
}

/// Reads it as a matcher: written out, it is the same matcher again.
fn read_matcher(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(matcher) = Matcher::parse(&text) {
        let again = Matcher::new(matcher.name(), matcher.comparison(), matcher.value());
        assert_eq!(again.as_ref(), Ok(&matcher), "{text:?}");
    }
}

/// Reads it as the header `Authorization`.
fn read_authorization(bytes: &[u8]) {
    let brought = Brought::read([bytes].into_iter());
    if let Ok(Brought::Password(name, password)) = brought {
        assert!(!name.contains(':') && name.len() + password.len() < bytes.len());
    }
}

/// Reads the names in it as in a certificate.
fn read_names(bytes: &[u8]) {
    let names = certificate::names(bytes);
    assert!(names.iter().map(String::len).sum::<usize>() <= bytes.len());
    assert!(names.iter().all(|name| !name.contains(char::is_control)), "{names:?}");
}

/// Cuts it into messages, all at once and byte by byte: the same messages must come out.
fn split_frames(bytes: &[u8]) {
    let whole = frames(bytes, bytes.len().max(1));
    let single = frames(bytes, 1);
    assert_eq!(whole, single, "cut otherwise when it came in pieces: {bytes:02x?}");
    let given: usize = whole.iter().map(Vec::len).sum();
    assert!(given <= bytes.len(), "more came out than went in: {bytes:02x?}");
    assert!(whole.iter().all(|frame| !frame.is_empty() && frame.len() <= FRAME_BYTES_MAX));
}

/// The messages of a stream that arrives in pieces of this size.
fn frames(bytes: &[u8], size: usize) -> Vec<Vec<u8>> {
    let mut splitter = FrameSplitter::default();
    let mut frames = Vec::new();
    let mut take = |splitter: &mut FrameSplitter| {
        while let Some(frame) = splitter.next_frame() {
            frames.push(frame.bytes.to_vec());
        }
    };
    for piece in bytes.chunks(size) {
        splitter.push(piece);
        take(&mut splitter);
    }
    splitter.finish();
    take(&mut splitter);
    frames
}

/// What a visitor was told, as text.
#[derive(Default)]
struct Told(String, u64);

impl Samples for Told {
    fn series(&mut self, labels: &Labels<'_>, kind: SeriesKind) {
        assert!(!labels.name().is_empty());
        let labels: Vec<_> = labels.iter().collect();
        write!(self.0, "{labels:?}{kind:?}").expect("memory");
    }

    fn sample(&mut self, sample: Sample) {
        assert!(!self.0.is_empty(), "a sample without a series");
        write!(self.0, "{sample:?}").expect("memory");
    }

    fn rejected(&mut self, rejection: &Rejection<'_>) {
        assert!(rejection.samples > 0);
        self.1 += rejection.samples;
    }
}

/// Decodes it as a body of metrics, twice: the account is right and the reading the same.
fn decode_metrics(bytes: &[u8], decode: impl Fn(&[u8], &mut Told) -> Tally) {
    let [(first, tally), (second, again)] = [(); 2].map(|()| {
        let mut told = Told::default();
        let tally = decode(bytes, &mut told);
        assert_eq!(tally.rejected, told.1, "{bytes:02x?}");
        (told.0, tally)
    });
    assert_eq!((&first, tally), (&second, again), "two readings of {bytes:02x?}");
    assert_eq!(tally.seen, tally.accepted + tally.rejected, "{bytes:02x?}");
    assert!(tally.accepted == 0 || !first.is_empty(), "{tally:?} of {bytes:02x?}");
}

/// Inflates it: never more than the limit.
fn inflate(bytes: &[u8]) {
    const LIMIT: usize = 4_096;
    let mut inflated = Vec::new();
    for encoding in ["gzip", "snappy"] {
        if let Ok(whole) = body::inflate(bytes, encoding, LIMIT, &mut inflated) {
            assert!(whole.len() <= LIMIT, "{} bytes of {bytes:02x?}", whole.len());
        }
    }
}
