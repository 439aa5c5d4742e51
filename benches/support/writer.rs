//! Sends requests of remote write over connections that stay open.

use crate::support::sender::pause;
use anyhow::{Context as _, bail};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use vigie::shell::clock::boot_ns;

/// One connection.
pub(crate) struct Writer {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Writer {
    /// Connects.
    pub(crate) fn to(target: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(target).context("connecting")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self { stream, request: Vec::new(), answer: Vec::new() })
    }

    /// Sends a body until it is taken.
    pub(crate) fn write(&mut self, body: &[u8]) -> anyhow::Result<()> {
        self.request.clear();
        write!(
            self.request,
            "POST /api/v1/write HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: snappy\r\n\
             Content-Type: application/x-protobuf\r\nUser-Agent: Prometheus/2.42.0\r\n\
             X-Prometheus-Remote-Write-Version: 0.1.0\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )?;
        self.request.extend_from_slice(body);
        loop {
            self.stream.write_all(&self.request)?;
            match self.answer()? {
                200 | 204 => return Ok(()),
                429 | 503 => pause(Duration::from_millis(50)),
                status => bail!("{status}: {}", String::from_utf8_lossy(&self.answer)),
            }
        }
    }

    /// Reads an answer to its end; gives its status.
    fn answer(&mut self) -> anyhow::Result<u16> {
        self.answer.clear();
        let mut chunk = [0; 4_096];
        loop {
            let read = self.stream.read(&mut chunk)?;
            anyhow::ensure!(read > 0, "the connection ended");
            self.answer.extend_from_slice(&chunk[..read]);
            let text = String::from_utf8_lossy(&self.answer);
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let announced = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
            });
            if body.len() >= announced.unwrap_or(0) {
                let status = head.split(' ').nth(1).context("a status")?;
                return Ok(status.parse()?);
            }
        }
    }
}

/// Sends requests, `per_round` of them in each round, over so many connections; each series keeps
/// to one connection. Gives how long it took, ns.
pub(crate) fn deliver(
    target: SocketAddr,
    (bodies, per_round): (&[Vec<u8>], usize),
    connections: usize,
) -> anyhow::Result<u64> {
    let started = boot_ns();
    let work = |connection: usize| -> anyhow::Result<()> {
        let mut writer = Writer::to(target)?;
        let own = |place: usize| place % per_round % connections == connection;
        let bodies = bodies.iter().enumerate().filter(|(place, _)| own(*place));
        bodies.map(|(_, body)| body).try_for_each(|body| writer.write(body))
    };
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> =
            (0..connections).map(|number| scope.spawn(move || work(number))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("no panic"))
    })?;
    Ok(boot_ns() - started)
}
