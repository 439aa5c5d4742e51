//! What OTLP answers, over HTTP and over gRPC alike: `ExportMetricsServiceResponse` and
//! `google.rpc.Status` with `RetryInfo`, as protobuf, and the codes of gRPC.

use crate::shell::intake::http::refused::Refused;
use crate::shell::series::Settled;
use axum::http::StatusCode;

/// A code of gRPC, as far as it is used here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::shell::intake) enum Code {
    /// What was sent is wrong; the same again would be wrong again.
    InvalidArgument,
    /// It did not come in time.
    DeadlineExceeded,
    /// The sender is known and may not do that.
    PermissionDenied,
    /// More than is ever taken.
    ResourceExhausted,
    /// No such method, or no such compression.
    Unimplemented,
    /// Not now.
    Unavailable,
    /// The sender did not say who it is.
    Unauthenticated,
}

impl Code {
    /// Its number.
    pub(in crate::shell::intake) const fn number(self) -> u8 {
        match self {
            Self::InvalidArgument => 3,
            Self::DeadlineExceeded => 4,
            Self::PermissionDenied => 7,
            Self::ResourceExhausted => 8,
            Self::Unimplemented => 12,
            Self::Unavailable => 14,
            Self::Unauthenticated => 16,
        }
    }

    /// The code that says the same as a refusal. Senders try again after
    /// [`Code::DeadlineExceeded`] and [`Code::Unavailable`], and after no other.
    pub(in crate::shell::intake) fn of(refused: &Refused) -> Self {
        match refused.status {
            StatusCode::PAYLOAD_TOO_LARGE => Self::ResourceExhausted,
            StatusCode::REQUEST_TIMEOUT => Self::DeadlineExceeded,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Self::Unavailable,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::Unimplemented,
            _ => Self::InvalidArgument,
        }
    }
}

/// How many points were rejected, and why; none when the sender has nothing to hear.
pub(in crate::shell::intake) fn partial_success(settled: &Settled) -> Option<(u64, String)> {
    let complaint = settled.complaint()?;
    Some((settled.tally.seen.saturating_sub(settled.written()), complaint))
}

/// The `ExportMetricsServiceResponse`.
pub(in crate::shell::intake) fn export_response(settled: &Settled) -> Vec<u8> {
    let mut response = Vec::new();
    if let Some((rejected, complaint)) = partial_success(settled) {
        let mut partial = Vec::new();
        put_number(1, rejected, &mut partial);
        put_bytes(2, complaint.as_bytes(), &mut partial);
        put_bytes(1, &partial, &mut response);
    }
    response
}

/// The `google.rpc.Status`, with when to try again if that is what it says.
pub(in crate::shell::intake) fn status(
    code: Code,
    message: &str,
    retry_after_s: Option<u32>,
) -> Vec<u8> {
    let mut status = Vec::new();
    put_number(1, u64::from(code.number()), &mut status);
    put_bytes(2, message.as_bytes(), &mut status);
    if let Some(seconds) = retry_after_s {
        let (mut duration, mut retry_info, mut any) = (Vec::new(), Vec::new(), Vec::new());
        put_number(1, u64::from(seconds), &mut duration);
        put_bytes(1, &duration, &mut retry_info);
        put_bytes(1, RETRY_INFO.as_bytes(), &mut any);
        put_bytes(2, &retry_info, &mut any);
        put_bytes(3, &any, &mut status);
    }
    status
}

const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// A field of wire type 0.
fn put_number(field: u8, value: u64, out: &mut Vec<u8>) {
    out.push(field << 3);
    put_varint(value, out);
}

/// A field of wire type 2.
fn put_bytes(field: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push((field << 3) | 2);
    put_varint(u64::try_from(bytes.len()).unwrap_or(u64::MAX), out);
    out.extend_from_slice(bytes);
}

fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or(0);
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_to_try_again_is_in_the_details() {
        let written = status(Code::Unavailable, "no", Some(5));
        let any = b"\x0a\x28type.googleapis.com/google.rpc.RetryInfo\x12\x04\x0a\x02\x08\x05";
        let length = u8::try_from(any.len()).expect("short");
        assert_eq!(written, [b"\x08\x0e\x12\x02no\x1a", &[length][..], any].concat());
        assert_eq!(status(Code::InvalidArgument, "", None), b"\x08\x03\x12\x00");
    }

    #[test]
    fn only_what_may_succeed_later_is_tried_again() {
        for (refused, code, is_retried) in [
            (Refused::invalid(String::new()), Code::InvalidArgument, false),
            (Refused::unsupported(String::new()), Code::Unimplemented, false),
            (Refused::too_large(1), Code::ResourceExhausted, false),
            (Refused::late(), Code::DeadlineExceeded, false),
            (Refused::crowded(), Code::Unavailable, true),
            (Refused::not_durable(), Code::Unavailable, true),
            (Refused::stopping(), Code::Unavailable, true),
        ] {
            assert_eq!(Code::of(&refused), code, "{refused:?}");
            assert_eq!(refused.retry_after_s.is_some(), is_retried, "{refused:?}");
        }
    }
}
