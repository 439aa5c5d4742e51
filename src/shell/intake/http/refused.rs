//! Why a request is not taken, whatever the protocol; each protocol writes it in its own form.

use crate::decode::metrics::body::BodyFault;
use axum::http::StatusCode;

/// A request that is not taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::shell::intake) struct Refused {
    /// What kind of refusal.
    pub(in crate::shell::intake) status: StatusCode,
    /// What is wrong, and what to do.
    pub(in crate::shell::intake) reason: String,
    /// When to try again, s; the sender is not to try again when there is none.
    pub(in crate::shell::intake) retry_after_s: Option<u32>,
}

impl Refused {
    fn new(status: StatusCode, reason: String) -> Self {
        Self { status, reason, retry_after_s: None }
    }

    fn later(status: StatusCode, reason: &str, retry_after_s: u32) -> Self {
        Self { status, reason: reason.to_owned(), retry_after_s: Some(retry_after_s) }
    }

    /// What was sent is wrong.
    pub(in crate::shell::intake) fn invalid(reason: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, reason)
    }

    /// It is of a type or in an encoding that is not taken here.
    pub(in crate::shell::intake) fn unsupported(reason: String) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason)
    }

    /// More bytes than the setting allows.
    pub(in crate::shell::intake) fn too_large(limit: usize) -> Self {
        let reason = format!(
            "the body holds more than {limit} bytes, before or after inflation; send smaller \
             batches, or raise metrics.body_bytes_max"
        );
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, reason)
    }

    /// The body ends early, or came too slowly.
    pub(in crate::shell::intake) fn cut() -> Self {
        Self::invalid("the body did not come to its end".to_owned())
    }

    /// The message came too slowly, over a connection that goes on.
    pub(in crate::shell::intake) fn late() -> Self {
        let reason = "the message did not come to its end in time".to_owned();
        Self::new(StatusCode::REQUEST_TIMEOUT, reason)
    }

    /// Too many bodies at once.
    pub(in crate::shell::intake) fn crowded() -> Self {
        Self::later(StatusCode::TOO_MANY_REQUESTS, "too many samples at once; try again", 1)
    }

    /// What the samples tell is not durable.
    pub(in crate::shell::intake) fn not_durable() -> Self {
        let reason = "what the samples tell could not be made durable in time; try again";
        Self::later(StatusCode::SERVICE_UNAVAILABLE, reason, 5)
    }

    /// vigie is about to end.
    pub(in crate::shell::intake) fn stopping() -> Self {
        Self::later(StatusCode::SERVICE_UNAVAILABLE, "vigie is stopping; try again", 5)
    }

    /// A body that could not be inflated.
    pub(in crate::shell::intake) fn of_body(fault: &BodyFault) -> Self {
        match fault {
            BodyFault::UnknownEncoding { .. } => Self::unsupported(fault.to_string()),
            BodyFault::TooLarge { limit } => Self::too_large(*limit),
            BodyFault::Damaged { .. } => Self::invalid(fault.to_string()),
        }
    }
}
