//! The first bytes of a connection: those with which HTTP/2 begins, or somebody is at the wrong
//! door. That is what an exporter is that was set to `http/protobuf`; it hears where to go.

use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, join, split};
use tokio::time::timeout;

/// With these a client begins to speak HTTP/2.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What somebody hears who speaks HTTP/1.
const ELSEWHERE: &[u8] = b"HTTP/1.1 505 HTTP Version Not Supported\r\n\
    content-type: text/plain; charset=utf-8\r\nconnection: close\r\n\r\n\
    this port takes OpenTelemetry metrics over gRPC only; over HTTP they are taken at /v1/metrics \
    of a listener of kind http\n";

/// How long somebody may take to hear it, and how much of what is still said is passed over.
const HEARING_TIME: Duration = Duration::from_secs(1);
const PASSED_OVER_BYTES_MAX: u64 = 64 * 1024;

/// Whether a connection begins as HTTP/2 does.
///
/// # Errors
/// It ended, or failed.
pub(super) async fn is_spoken(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<bool> {
    let mut awaited = PREFACE;
    let mut heard = [0; PREFACE.len()];
    while let Some(room) = heard.get_mut(..awaited.len()).filter(|room| !room.is_empty()) {
        let length = stream.read(room).await?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Some(rest) = room.get(..length).and_then(|heard| awaited.strip_prefix(heard)) else {
            return Ok(false);
        };
        awaited = rest;
    }
    Ok(true)
}

/// The connection as it was before [`is_spoken`] read the preface.
pub(super) fn unread<S: AsyncRead + AsyncWrite>(stream: S) -> impl AsyncRead + AsyncWrite {
    let (read, write) = split(stream);
    join(PREFACE.chain(read), write)
}

/// Says where to go; returns when it was heard, or in a second.
pub(super) async fn send_elsewhere(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let hearing = async {
        stream.write_all(ELSEWHERE).await?;
        stream.shutdown().await?;
        // An answer is lost when the connection ends with bytes that nobody has read.
        tokio::io::copy(&mut stream.take(PASSED_OVER_BYTES_MAX), &mut tokio::io::sink()).await
    };
    // Who does not listen does not hear.
    let _ = timeout(HEARING_TIME, hearing).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn http_2_is_known_by_its_first_bytes() {
        let mut bytes = [PREFACE, b"more"].concat();
        let mut stream = &bytes[..];
        assert!(is_spoken(&mut stream).await.is_ok_and(|is_spoken| is_spoken));
        assert_eq!(stream, b"more", "what follows is for others");
        let mut cut = &bytes[..PREFACE.len() - 1];
        assert!(is_spoken(&mut cut).await.is_err(), "it ends early");
        bytes[20] = b'X';
        assert!(is_spoken(&mut &bytes[..]).await.is_ok_and(|is_spoken| !is_spoken));
        // Not more is read than what tells.
        let mut short = &b"POST "[..];
        assert!(is_spoken(&mut short).await.is_ok_and(|is_spoken| !is_spoken));
    }
}
