//! Which decoder a record is for.
//!
//! A record that says its content type, as headers of HTTP do, is believed; the others are written
//! as the source says. How a record is compressed is seen in its bytes where no header says it:
//! gzip by its first octets, snappy by that it can be inflated to exactly the length it declares.
//! Which version of remote write it is, the first field tells: 2.0 leaves the numbers of 1.0 free.

use crate::decode::metrics::body::{BodyFault, inflate};
use crate::decode::metrics::line_protocol::{self, Precision};
use crate::decode::metrics::otlp::{binary, json};
use crate::decode::metrics::{remote_write_1, remote_write_2};
use crate::model::sample::{Rejection, Samples, Tally};
use crate::shell::config::Encoding;
use crate::shell::series::Refusal;

/// A record, as far as decoding goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body<'r> {
    /// The value.
    pub(super) bytes: &'r [u8],
    /// Header `content-type`, empty for none.
    pub(super) content_type: &'r str,
    /// Header `content-encoding`, empty for none.
    pub(super) content_encoding: &'r str,
}

/// How records are written that say nothing themselves, and how large they may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) encoding: Encoding,
    pub(super) precision: Precision,
    /// Largest value, before and after inflation.
    pub(super) bytes_max: usize,
}

/// The encoding with the version of remote write, if the record says it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    RemoteWrite1,
    RemoteWrite2,
    /// Whichever its first field tells.
    RemoteWrite,
    Otlp,
    OtlpJson,
    Influx,
}

/// Decodes a record; `memory` is used for inflating and again by the next.
///
/// # Errors
/// Why nothing of it can be read.
pub(super) fn decode<S: Samples + ?Sized>(
    body: Body<'_>,
    terms: Terms,
    memory: &mut Vec<u8>,
    samples: &mut S,
) -> Result<Tally, Refusal> {
    if body.bytes.is_empty() {
        return Err(Refusal::RecordEmpty);
    }
    let form = form(body.content_type, terms.encoding).ok_or(Refusal::ContentTypeUnknown)?;
    let bytes = plain(body, form, terms.bytes_max, memory)?;
    let tally = match form {
        Form::RemoteWrite if is_remote_write_2(bytes) => remote_write_2::decode(bytes, samples),
        Form::RemoteWrite1 | Form::RemoteWrite => remote_write_1::decode(bytes, samples),
        Form::RemoteWrite2 => remote_write_2::decode(bytes, samples),
        Form::Otlp => binary::decode(bytes, samples),
        Form::OtlpJson => json::decode(bytes, samples),
        Form::Influx => line_protocol::decode(bytes, terms.precision, samples),
    };
    // Nobody is answered that the rest cannot be read: it counts as one sample at least.
    if let Some(fault) = tally.broken.filter(|_| tally.rejected == 0) {
        samples.rejected(&Rejection { fault, samples: 1, place: 0, name: "" });
    }
    Ok(tally)
}

/// What the content type says, else what the source says; `None` for a type that is not taken.
fn form(content_type: &str, otherwise: Encoding) -> Option<Form> {
    let otherwise = match otherwise {
        Encoding::RemoteWrite => Form::RemoteWrite,
        Encoding::Otlp => Form::Otlp,
        Encoding::OtlpJson => Form::OtlpJson,
        Encoding::Influx => Form::Influx,
    };
    let mut parts = content_type.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
    let message = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("proto").then(|| value.trim().trim_matches('"'))
    });
    match kind.as_str() {
        "" | "application/octet-stream" => Some(otherwise),
        "application/x-protobuf" | "application/protobuf" => match message {
            Some("prometheus.WriteRequest") => Some(Form::RemoteWrite1),
            Some("io.prometheus.write.v2.Request") => Some(Form::RemoteWrite2),
            Some(_) => None,
            // Both are called so.
            None if otherwise == Form::RemoteWrite => Some(Form::RemoteWrite),
            None => Some(Form::Otlp),
        },
        "application/json" => Some(Form::OtlpJson),
        "text/plain" => Some(Form::Influx),
        _ => None,
    }
}

/// The value, inflated.
fn plain<'a>(
    body: Body<'a>,
    form: Form,
    bytes_max: usize,
    memory: &'a mut Vec<u8>,
) -> Result<&'a [u8], Refusal> {
    let refused = |fault: BodyFault| match fault {
        BodyFault::UnknownEncoding { .. } => Refusal::EncodingUnknown,
        BodyFault::TooLarge { .. } => Refusal::BodyTooLarge,
        BodyFault::Damaged { .. } => Refusal::BodyDamaged,
    };
    let is_remote_write =
        matches!(form, Form::RemoteWrite1 | Form::RemoteWrite2 | Form::RemoteWrite);
    let encoding = if !body.content_encoding.is_empty() {
        body.content_encoding
    } else if body.bytes.starts_with(GZIP) {
        "gzip"
    } else if is_remote_write {
        match inflate(body.bytes, "snappy", bytes_max, memory).map(<[u8]>::len) {
            Ok(length) => return Ok(memory.get(..length).unwrap_or_default()),
            // A plain body cannot declare so much: its first octet would be a length below 128.
            Err(fault @ BodyFault::TooLarge { .. }) => {
                return Err(refused(fault));
            }
            Err(_) => "",
        }
    } else {
        ""
    };
    inflate(body.bytes, encoding, bytes_max, memory).map_err(refused)
}

/// The first two octets of gzip. No protobuf message begins so, no JSON and no line.
const GZIP: &[u8] = &[0x1f, 0x8b];

/// Whether it begins with a field of 2.0: symbols (4) or series (5).
fn is_remote_write_2(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(0x22 | 0x2a))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample::{Labels, Recall, Sample, SeriesKind};
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;
    use std::io::Write as _;

    /// Names of the metrics that were seen.
    #[derive(Default)]
    struct Names(Vec<String>);

    impl Samples for Names {
        fn recall(&mut self, _block: &[u8]) -> Recall {
            Recall::Unknown
        }

        fn series(&mut self, labels: &Labels<'_>, _kind: SeriesKind) {
            self.0.push(labels.name().to_owned());
        }

        fn sample(&mut self, _sample: Sample) {}

        fn rejected(&mut self, rejection: &Rejection<'_>) {
            self.0.push(format!("{}!", rejection.fault.as_str()));
        }
    }

    const TERMS: Terms = Terms {
        encoding: Encoding::RemoteWrite,
        precision: Precision::Nanosecond,
        bytes_max: 10_000,
    };

    fn read(bytes: &[u8], headers: [&str; 2], encoding: Encoding) -> Result<String, &'static str> {
        let [content_type, content_encoding] = headers;
        let body = Body { bytes, content_type, content_encoding };
        let mut names = Names::default();
        let terms = Terms { encoding, ..TERMS };
        let decoded = decode(body, terms, &mut Vec::new(), &mut names);
        decoded.map(|_| names.0.join(" ")).map_err(Refusal::as_str)
    }

    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).expect("short");
        [&[(number << 3) | 2, length], content].concat()
    }

    /// A request of version 1.0 with one sample of a metric.
    fn request_1(name: &str) -> Vec<u8> {
        let label = [field(1, b"__name__"), field(2, name.as_bytes())].concat();
        let sample = field(2, &[0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0x10, 1]);
        field(1, &[field(1, &label), sample].concat())
    }

    /// The same of version 2.0.
    fn request_2(name: &str) -> Vec<u8> {
        let symbols = ["", "__name__", name].map(|text| field(4, text.as_bytes())).concat();
        let sample = field(2, &[0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0x10, 1]);
        [symbols, field(5, &[field(1, &[1, 2]), sample].concat())].concat()
    }

    fn snappy(bytes: &[u8]) -> Vec<u8> {
        snap::raw::Encoder::new().compress_vec(bytes).expect("small enough")
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    const NO_HEADERS: [&str; 2] = ["", ""];
    const ENCODINGS: [Encoding; 4] =
        [Encoding::RemoteWrite, Encoding::Otlp, Encoding::OtlpJson, Encoding::Influx];

    #[test]
    fn remote_write_is_read_in_both_versions_compressed_or_not() {
        // Names of all lengths, so that lengths of snappy meet the tags of protobuf.
        for length in 1..60 {
            let name = "m".repeat(length);
            for request in [request_1(&name), request_2(&name)] {
                for bytes in [&request, &snappy(&request), &gzip(&request)] {
                    let read = read(bytes, NO_HEADERS, Encoding::RemoteWrite);
                    assert_eq!(read.as_deref(), Ok(&*name), "{bytes:x?}");
                }
            }
        }
    }

    #[test]
    fn a_content_type_is_believed_and_one_that_is_not_taken_is_named() {
        let json = br#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"t",
            "gauge":{"dataPoints":[{"asDouble":1,"timeUnixNano":"1"}]}}]}]}]}"#;
        let proto_1 = ["application/x-protobuf;proto=prometheus.WriteRequest", "snappy"];
        let proto_2 = ["application/x-protobuf; proto=\"io.prometheus.write.v2.Request\"", ""];
        let influx = Encoding::Influx;
        assert_eq!(read(json, NO_HEADERS, Encoding::OtlpJson).as_deref(), Ok("t"));
        assert_eq!(read(json, ["Application/JSON; charset=utf-8", ""], influx).as_deref(), Ok("t"));
        assert_eq!(read(b"t c=1", NO_HEADERS, influx).as_deref(), Ok("t_c"));
        assert_eq!(read(b"t c=1", ["text/plain", ""], Encoding::Otlp).as_deref(), Ok("t_c"));
        assert_eq!(read(&gzip(b"t c=1"), NO_HEADERS, influx).as_deref(), Ok("t_c"));
        assert_eq!(read(&snappy(&request_1("a")), proto_1, influx).as_deref(), Ok("a"));
        assert_eq!(read(&request_2("b"), proto_2, influx).as_deref(), Ok("b"));
        for content_type in ["application/avro", "application/x-protobuf;proto=a.B"] {
            assert_eq!(read(b"t c=1", [content_type, ""], influx), Err("content-type-unknown"));
        }
    }

    #[test]
    fn what_cannot_be_read_has_a_reason() {
        let write = Encoding::RemoteWrite;
        assert_eq!(read(b"", NO_HEADERS, write), Err("record-empty"));
        assert_eq!(read(b"abc", ["", "zstd"], write), Err("encoding-unknown"));
        assert_eq!(read(b"abc", ["", "snappy"], write), Err("body-damaged"));
        let large = b" ".repeat(20_000);
        assert_eq!(read(&gzip(&large), NO_HEADERS, write), Err("body-too-large"));
        assert_eq!(read(&snappy(&large), NO_HEADERS, write), Err("body-too-large"));
        assert_eq!(read(&large, NO_HEADERS, Encoding::Influx), Err("body-too-large"));
        for broken in [&b"\xff\xff\xff"[..], b"no protobuf at all", b"\x0a\x7f"] {
            let said = read(broken, NO_HEADERS, write).expect("the decoder names it");
            assert!(said.ends_with('!'), "{said}");
        }
        assert_eq!(
            read(b"no lines", NO_HEADERS, Encoding::Influx).as_deref(),
            Ok("field-invalid!")
        );
    }

    proptest! {
        #[test]
        fn no_bytes_and_no_headers_do_harm(
            start in prop::sample::select(vec!["", "\x0a", "\x22", "\x1f\u{8b}", "{", "a b=1"]),
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            content_type in prop::sample::select(vec!["", "application/json", "text/plain", ";="]),
            content_encoding in prop::sample::select(vec!["", "gzip", "snappy", "identity", "x"]),
        ) {
            let bytes = [start.as_bytes(), &bytes].concat();
            for encoding in ENCODINGS {
                let _ = read(&bytes, [content_type, content_encoding], encoding);
            }
        }
    }
}
