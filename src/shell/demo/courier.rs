//! Posts samples in a thread of its own, so that an answer that waits for the disk does not hold
//! the play up.
//!
//! In: reports. Out: what became of their samples. A request that is refused for now is tried
//! again, as every collector does; once one was not taken, the others are tried once.

use super::packets::Report;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// What became of samples.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Delivered {
    /// Taken: what they tell is on disk.
    pub(super) acknowledged: u64,
    /// Not taken, or there was no room to wait.
    pub(super) lost: u64,
}

/// The way to the daemon's HTTP listener.
pub(super) struct Courier {
    queue: SyncSender<Report>,
    thread: JoinHandle<Delivered>,
    lost: u64,
}

impl Courier {
    pub(super) fn start(to: SocketAddr) -> io::Result<Self> {
        let (queue, waiting) = sync_channel(WAITING_MAX);
        let builder = std::thread::Builder::new().name("demo-samples".to_owned());
        let thread = builder.spawn(move || deliver_all(to, &waiting))?;
        Ok(Self { queue, thread, lost: 0 })
    }

    /// Posts it soon.
    pub(super) fn post(&mut self, report: Report) {
        if let Err(TrySendError::Full(report) | TrySendError::Disconnected(report)) =
            self.queue.try_send(report)
        {
            self.lost = self.lost.saturating_add(report.samples);
        }
    }

    /// Posts what waits, and tells what became of everything.
    pub(super) fn finish(self) -> Delivered {
        let Self { queue, thread, lost } = self;
        drop(queue);
        let mut delivered = thread.join().unwrap_or_default();
        delivered.lost = delivered.lost.saturating_add(lost);
        delivered
    }
}

fn deliver_all(to: SocketAddr, waiting: &Receiver<Report>) -> Delivered {
    let mut delivered = Delivered::default();
    for report in waiting {
        let tries = if delivered.lost == 0 { TRIES } else { 1 };
        let is_taken = (0..tries).any(|_| matches!(deliver(to, &report), Ok(200..=299)));
        let counter = if is_taken { &mut delivered.acknowledged } else { &mut delivered.lost };
        *counter = counter.saturating_add(report.samples);
    }
    delivered
}

/// Posts one; gives the status of the answer.
fn deliver(to: SocketAddr, report: &Report) -> io::Result<u16> {
    let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let Report { path, headers, body, .. } = report;
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\nContent-Length: {}\r\n\
         {headers}\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| io::Error::other("no HTTP answer"))
}

/// Requests that wait at most: half a minute of them.
const WAITING_MAX: usize = 512;
/// Times that a request is posted before its samples count as lost.
const TRIES: usize = 3;
/// Longer than the daemon takes to answer that it cannot.
const PATIENCE: Duration = Duration::from_secs(10);
const ANSWER_BYTES_MAX: u64 = 65_536;

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn report(samples: u64) -> Report {
        Report { path: "/write", headers: "A: b\r\n", body: b"x y=1".to_vec(), samples }
    }

    #[test]
    fn what_is_refused_for_now_is_posted_again() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let to = listener.local_addr().expect("bound");
        let server = std::thread::spawn(move || {
            for answer in ["503 Service Unavailable", "204 No Content", "400 Bad Request"] {
                let (mut stream, _) = listener.accept().expect("posted");
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\nx y=1") {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).expect("the rest of the request");
                    request.extend(byte);
                }
                let request = String::from_utf8(request).expect("text");
                assert!(request.starts_with("POST /write HTTP/1.1\r\n"), "{request}");
                assert!(request.contains("\r\nContent-Length: 5\r\nA: b\r\n"), "{request}");
                write!(stream, "HTTP/1.1 {answer}\r\n\r\n").expect("answered");
            }
        });
        let mut courier = Courier::start(to).expect("a thread");
        courier.post(report(7));
        courier.post(report(5));
        assert_eq!(courier.finish(), Delivered { acknowledged: 7, lost: 5 });
        server.join().expect("three requests and two that nobody takes");
    }
}
