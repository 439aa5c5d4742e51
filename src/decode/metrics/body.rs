//! Compressed bodies to the bytes that were compressed, within a limit. A body that would grow past
//! it is refused: snappy before anything is allocated, for it says its length; gzip at the limit.

use crate::model::limits::METRICS_BODY_BYTES_MAX;
use flate2::read::MultiGzDecoder;
use std::io::Read;
use thiserror::Error;

/// Why a body could not be inflated.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum BodyFault {
    /// A Content-Encoding that is not taken.
    #[error(
        "content encoding \"{name}\" is not supported: use identity or gzip, snappy in remote write"
    )]
    UnknownEncoding {
        /// As it was named, cut at 32 characters.
        name: String,
    },
    /// More bytes than the limit.
    #[error("the body holds more than {limit} bytes once it is inflated")]
    TooLarge {
        /// The limit, bytes.
        limit: usize,
    },
    /// Not what the encoding says it is, or its end is missing.
    #[error("the body is not valid {encoding}")]
    Damaged {
        /// The encoding.
        encoding: &'static str,
    },
}

impl BodyFault {
    /// Stable kebab-case name, for logs and metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::UnknownEncoding { .. } => "unknown-encoding",
            Self::TooLarge { .. } => "body-too-large",
            Self::Damaged { .. } => "body-damaged",
        }
    }
}

/// The bytes of a body. `encoding` is its Content-Encoding, empty when it has none; the bytes are
/// the body's own, or lie in `inflated`, which is kept by the caller and used again. A limit above
/// [`METRICS_BODY_BYTES_MAX`] counts as that.
pub fn inflate<'a>(
    body: &'a [u8],
    encoding: &str,
    limit: usize,
    inflated: &'a mut Vec<u8>,
) -> Result<&'a [u8], BodyFault> {
    let limit = limit.min(METRICS_BODY_BYTES_MAX);
    inflated.clear();
    let encoding = encoding.trim();
    let is = |name: &str| encoding.eq_ignore_ascii_case(name);
    if encoding.is_empty() || is("identity") {
        if body.len() > limit {
            return Err(BodyFault::TooLarge { limit });
        }
        return Ok(body);
    }
    if is("snappy") {
        inflate_snappy(body, limit, inflated)?;
    } else if is("gzip") || is("x-gzip") {
        inflate_gzip(body, limit, inflated)?;
    } else {
        return Err(BodyFault::UnknownEncoding { name: encoding.chars().take(32).collect() });
    }
    Ok(inflated)
}

/// The block format, which remote write uses; not the framing format of files.
fn inflate_snappy(body: &[u8], limit: usize, inflated: &mut Vec<u8>) -> Result<(), BodyFault> {
    const DAMAGED: BodyFault = BodyFault::Damaged { encoding: "snappy" };
    let declared = snap::raw::decompress_len(body).map_err(|_| DAMAGED)?;
    if declared > limit {
        return Err(BodyFault::TooLarge { limit });
    }
    // What no block of that size can hold is not given memory either.
    if declared > body.len().saturating_mul(SNAPPY_RATIO_MAX) {
        return Err(DAMAGED);
    }
    inflated.resize(declared, 0);
    let written = snap::raw::Decoder::new().decompress(body, inflated).map_err(|_| DAMAGED)?;
    inflated.truncate(written);
    Ok(())
}

/// One member or several.
fn inflate_gzip(body: &[u8], limit: usize, inflated: &mut Vec<u8>) -> Result<(), BodyFault> {
    let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(body)
        .take(bound)
        .read_to_end(inflated)
        .map_err(|_| BodyFault::Damaged { encoding: "gzip" })?;
    if inflated.len() > limit { Err(BodyFault::TooLarge { limit }) } else { Ok(()) }
}

/// The densest element of the block format is a copy: three octets for at most 64.
const SNAPPY_RATIO_MAX: usize = 22;

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    fn snappy(bytes: &[u8]) -> Vec<u8> {
        snap::raw::Encoder::new().compress_vec(bytes).expect("small enough")
    }

    fn fault(body: &[u8], encoding: &str, limit: usize) -> Option<&'static str> {
        let mut inflated = Vec::new();
        inflate(body, encoding, limit, &mut inflated).err().map(|fault| fault.as_str())
    }

    #[test]
    fn every_encoding_gives_the_bytes_back() {
        let text = b"cpu,host=pe1 user=1 cpu,host=pe1 user=2".repeat(50);
        let two_members = [gzip(&text), gzip(&text)].concat();
        let mut inflated = Vec::new();
        for (encoding, body) in [
            ("", text.clone()),
            ("Identity", text.clone()),
            ("gzip", gzip(&text)),
            (" x-gzip ", gzip(&text)),
            ("snappy", snappy(&text)),
        ] {
            let bytes = inflate(&body, encoding, 1 << 20, &mut inflated).expect("inflated");
            assert_eq!(bytes, text, "{encoding}");
        }
        let bytes = inflate(&two_members, "gzip", 1 << 20, &mut inflated).expect("inflated");
        assert_eq!(bytes, text.repeat(2));
    }

    #[test]
    fn a_body_at_the_limit_is_taken_and_one_above_it_is_not() {
        let text = [b'a'; 1_000];
        for (encoding, body) in
            [("", text.to_vec()), ("gzip", gzip(&text)), ("snappy", snappy(&text))]
        {
            assert_eq!(fault(&body, encoding, 1_000), None, "{encoding}");
            assert_eq!(fault(&body, encoding, 999), Some("body-too-large"), "{encoding}");
        }
    }

    #[test]
    fn a_bomb_takes_no_memory() {
        let mut inflated = Vec::new();
        // Declares four gigabytes, and then thirty megabytes, in six octets.
        for (bomb, name) in [
            (&[0xff, 0xff, 0xff, 0xff, 0x0f, 0][..], "body-too-large"),
            (&[0x80, 0x80, 0x80, 0x0f, 0, b'a'][..], "body-damaged"),
        ] {
            let fault = inflate(bomb, "snappy", usize::MAX, &mut inflated).expect_err("a bomb");
            assert_eq!(fault.as_str(), name);
        }
        assert_eq!(inflated.capacity(), 0);
        let bomb = gzip(&vec![0; 4 << 20]);
        let fault = inflate(&bomb, "gzip", 1 << 16, &mut inflated).expect_err("a bomb");
        assert_eq!(fault, BodyFault::TooLarge { limit: 1 << 16 });
        assert!(inflated.capacity() <= 1 << 18, "{}", inflated.capacity());
    }

    #[test]
    fn what_is_cut_or_of_another_encoding_is_named() {
        let text = b"some text that is long enough to be compressed, compressed, compressed";
        for (encoding, body) in [("gzip", gzip(text)), ("snappy", snappy(text))] {
            for end in 0..body.len() {
                let cut = body.get(..end).expect("shorter");
                // No octets at all are no member of gzip, which is an empty text.
                if end > 0 || encoding == "snappy" {
                    assert_eq!(fault(cut, encoding, 1 << 20), Some("body-damaged"), "{end}");
                }
            }
        }
        assert_eq!(fault(text, "gzip", 1 << 20), Some("body-damaged"));
        assert_eq!(fault(text, "zstd", 1 << 20), Some("unknown-encoding"));
        assert_eq!(fault(text, "gzip, snappy", 1 << 20), Some("unknown-encoding"));
    }

    #[test]
    fn the_densest_snappy_block_keeps_to_the_ratio() {
        let text = vec![7; METRICS_BODY_BYTES_MAX];
        let body = snappy(&text);
        assert_eq!(fault(&body, "snappy", usize::MAX), None);
    }
}
