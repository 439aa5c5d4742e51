//! The bytes of a request, within bounds: each body, all bodies together, and how many are decoded
//! at once. A place is taken for bytes that have come, not for those that a sender announces.
//! How long a body may take is the connection's to say.

use crate::shell::intake::http::refused::Refused;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, header};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bodies in memory at once, KiB, before they are inflated.
const HELD_KIB_MAX: usize = 128 * 1024;
/// Bodies decoded at once; each may be inflated to the limit.
const TURNS_MAX: usize = 4;
/// How long a body waits for its turn.
const TURN_PATIENCE: Duration = Duration::from_secs(2);
/// Room given to a body at first; a body that announces its length truly is copied once.
const RESERVED_BYTES_MAX: usize = 64 * 1024;

/// Room for the bodies of all requests.
#[derive(Debug)]
pub struct Bodies {
    bytes_max: usize,
    room_kib: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

/// A body that came whole, and its room.
#[derive(Default)]
pub(in crate::shell::intake) struct Held {
    pub(in crate::shell::intake) bytes: Vec<u8>,
    /// Given back with the body, when it is no longer needed.
    room: Option<OwnedSemaphorePermit>,
}

impl Bodies {
    /// Room for bodies of at most so many bytes each, before and after inflation.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self::with_room(bytes_max, HELD_KIB_MAX)
    }

    /// With room for so many KiB together.
    pub(in crate::shell::intake) fn with_room(bytes_max: usize, held_kib_max: usize) -> Self {
        Self {
            bytes_max,
            room_kib: Arc::new(Semaphore::new(held_kib_max)),
            turns: Arc::new(Semaphore::new(TURNS_MAX)),
        }
    }

    /// The limit of one body, bytes.
    pub(in crate::shell::intake) fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Reads a body to its end.
    pub(super) async fn read(&self, headers: &HeaderMap, body: Body) -> Result<Held, Refused> {
        let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        let announced = announced.and_then(|text| text.parse::<usize>().ok());
        if announced.is_some_and(|bytes| bytes > self.bytes_max) {
            return Err(Refused::too_large(self.bytes_max));
        }
        let reserved = announced.unwrap_or(0).min(RESERVED_BYTES_MAX);
        let mut held = Held { bytes: Vec::with_capacity(reserved), room: None };
        let mut body = body;
        while let Some(chunk) = next_chunk(&mut body).await? {
            self.append(&mut held, &chunk)?;
        }
        Ok(held)
    }

    /// Takes what has come of a body, if there is room for it.
    pub(in crate::shell::intake) fn append(
        &self,
        held: &mut Held,
        chunk: &[u8],
    ) -> Result<(), Refused> {
        if held.bytes.len().saturating_add(chunk.len()) > self.bytes_max {
            return Err(Refused::too_large(self.bytes_max));
        }
        self.make_room(held, chunk.len())?;
        held.bytes.extend_from_slice(chunk);
        Ok(())
    }

    fn make_room(&self, held: &mut Held, more: usize) -> Result<(), Refused> {
        let before = held.bytes.len().div_ceil(1024);
        let after = held.bytes.len().saturating_add(more).div_ceil(1024);
        let kib = u32::try_from(after.saturating_sub(before)).unwrap_or(u32::MAX);
        if kib == 0 {
            return Ok(());
        }
        let place = Arc::clone(&self.room_kib).try_acquire_many_owned(kib);
        let place = place.map_err(|_| Refused::crowded())?;
        match &mut held.room {
            Some(room) => room.merge(place),
            none => *none = Some(place),
        }
        Ok(())
    }

    /// Waits for a turn to decode.
    pub(super) async fn turn(&self) -> Result<OwnedSemaphorePermit, Refused> {
        let turn = Arc::clone(&self.turns).acquire_owned();
        match tokio::time::timeout(TURN_PATIENCE, turn).await {
            Ok(Ok(turn)) => Ok(turn),
            // Nobody closes the semaphore; should it happen, there are no turns.
            Ok(Err(_)) | Err(_) => Err(Refused::crowded()),
        }
    }
}

/// The next bytes of a body; none at its end.
pub(in crate::shell::intake) async fn next_chunk(
    body: &mut Body,
) -> Result<Option<Bytes>, Refused> {
    loop {
        let frame = std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await;
        match frame {
            None => return Ok(None),
            Some(Err(_)) => return Err(Refused::cut()),
            Some(Ok(frame)) => {
                // Trailers say nothing that is needed.
                if let Ok(chunk) = frame.into_data() {
                    return Ok(Some(chunk));
                }
            }
        }
    }
}
