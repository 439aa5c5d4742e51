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

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Bytes;
    use hyper::body::{Body as HttpBody, Frame};
    use proptest::prelude::*;
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    struct Chunks(VecDeque<Bytes>);

    impl HttpBody for Chunks {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.pop_front().map(|chunk| Ok(Frame::data(chunk))))
        }
    }

    const LIMIT: usize = 40;

    fn read_in(chunks: &[&[u8]]) -> Result<(bool, Vec<u8>), Refused> {
        let chunks = chunks.iter().map(|chunk| Bytes::copy_from_slice(chunk)).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let bodies = Bodies::new(LIMIT);
        let message = runtime.block_on(read(&bodies, Body::new(Chunks(chunks))))?;
        Ok((message.is_compressed, message.held.bytes))
    }

    proptest! {
        #[test]
        fn what_comes_does_not_depend_on_how_it_comes(
            flag in 0_u8..4,
            lie in prop::option::of(0_u32..50),
            message in prop::collection::vec(any::<u8>(), 0..50),
            cut in 0_usize..6,
            chunk in 1_usize..9,
        ) {
            let announced = lie.unwrap_or(u32::try_from(message.len()).expect("short"));
            let whole = [&[flag][..], &announced.to_be_bytes(), &message].concat();
            // Now and then not even the prefix is whole.
            let whole = if cut < 5 { whole } else { whole.get(..4).unwrap_or_default().to_vec() };
            let said = read_in(&[&whole]);
            let chunks: Vec<&[u8]> = whole.chunks(chunk).collect();
            let is_right = whole.len() >= PREFIX_BYTES
                && flag < 2
                && usize::try_from(announced) == Ok(message.len())
                && message.len() <= LIMIT;
            prop_assert_eq!(said.is_ok(), is_right);
            if let Ok(said) = &said {
                prop_assert_eq!(said, &(flag == 1, message));
            }
            prop_assert_eq!(read_in(&chunks), said);
        }
    }
}
