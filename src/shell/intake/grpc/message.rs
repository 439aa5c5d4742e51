//! The one message of a unary call: a flag, a length and as many bytes. A length beyond the limit
//! is refused before any byte of it is kept, and a place is taken only for bytes that have come.

use crate::shell::intake::http::Bodies;
use crate::shell::intake::http::body::{Held, next_chunk};
use crate::shell::intake::http::refused::Refused;
use axum::body::Body;

/// A flag, and the length of what follows, most significant byte first.
const PREFIX_BYTES: usize = 5;

/// A message that came whole.
pub(super) struct Message {
    /// Its bytes, and their room.
    pub(super) held: Held,
    /// Whether they are compressed, as the call says.
    pub(super) is_compressed: bool,
}

/// Reads the message and the end that must follow it.
pub(super) async fn read(bodies: &Bodies, mut body: Body) -> Result<Message, Refused> {
    let mut prefix = Vec::with_capacity(PREFIX_BYTES);
    let mut announced = None;
    let mut held = Held::default();
    while let Some(mut chunk) = next_chunk(&mut body).await? {
        let missing = PREFIX_BYTES.saturating_sub(prefix.len()).min(chunk.len());
        prefix.extend_from_slice(&chunk.split_to(missing));
        let Some(prefix) = prefix.first_chunk() else { continue };
        let (is_compressed, length) = understand(*prefix, bodies.bytes_max())?;
        announced = Some((is_compressed, length));
        if held.bytes.len().saturating_add(chunk.len()) > length {
            let reason = "more follows the message; send one message for each call";
            return Err(Refused::invalid(reason.to_owned()));
        }
        bodies.append(&mut held, &chunk)?;
    }
    match announced {
        Some((is_compressed, length)) if held.bytes.len() == length => {
            Ok(Message { held, is_compressed })
        }
        _ => Err(Refused::cut()),
    }
}

fn understand(prefix: [u8; PREFIX_BYTES], limit: usize) -> Result<(bool, usize), Refused> {
    let [flag, length @ ..] = prefix;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    match flag {
        0 | 1 if length > limit => Err(Refused::too_large(limit)),
        0 | 1 => Ok((flag == 1, length)),
        _ => Err(Refused::invalid(format!("the message begins with {flag}, not with 0 or 1"))),
    }
}
