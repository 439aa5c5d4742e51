//! What a Prometheus scrapes: a real node_exporter, and an exporter of the tests whose every answer
//! is another one.

use crate::support::components::program;
use crate::support::eventually::{PATIENCE, eventually};
use crate::support::http;
use crate::support::ports::free_port;
use crate::support::process::Process;
use crate::support::scratch::Scratch;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;

/// A node_exporter that reads its arrays from a made-up `/proc`.
#[derive(Debug)]
pub(crate) struct NodeExporter {
    /// Where it is scraped, on 127.0.0.1.
    pub(crate) port: u16,
    process: Process,
    scratch: Scratch,
}

impl NodeExporter {
    /// One whose array `md0` has both of its disks.
    pub(crate) fn start() -> Self {
        let scratch = Scratch::new("node-exporter");
        scratch.write("mdstat", WHOLE);
        let port = free_port();
        let mut command = Command::new(program("prometheus-node-exporter"));
        command
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg(format!("--path.procfs={}", scratch.path().display()))
            .args(["--collector.disable-defaults", "--collector.mdadm", "--collector.uname"]);
        let process = Process::start(&mut command, &scratch.path().join("log"));
        eventually("node_exporter answers", PATIENCE, || http::get(port, "/metrics"));
        Self { port, process, scratch }
    }

    /// A disk of the array fails, or is replaced.
    pub(crate) fn set_array(&self, is_whole: bool) {
        let written = self.scratch.write("mdstat.new", if is_whole { WHOLE } else { DEGRADED });
        std::fs::rename(written, self.scratch.path().join("mdstat")).expect("the file is renamed");
    }

    /// Ends it at once.
    pub(crate) fn kill(mut self) {
        self.process.kill();
    }
}

const WHOLE: &str = "Personalities : [raid1]\n\
    md0 : active raid1 sdb1[1] sda1[0]\n      \
    523712 blocks super 1.2 [2/2] [UU]\n\n\
    unused devices: <none>\n";
const DEGRADED: &str = "Personalities : [raid1]\n\
    md0 : active raid1 sdb1[1](F) sda1[0]\n      \
    523712 blocks super 1.2 [2/1] [U_]\n\n\
    unused devices: <none>\n";

/// Starts an exporter that numbers its answers, on a port of 127.0.0.1. In the answer of that
/// number the series `pulse{number="…"}` is 1, and those of the numbers before are 0: what one
/// sample tells no other one tells. It ends with the test program.
pub(crate) fn start_pulse() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
    let port = listener.local_addr().expect("bound").port();
    std::thread::spawn(move || {
        let mut number = 0;
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut request = [0; 4_096];
            // Whatever is asked, and in however many pieces: the answer is the same.
            let _ = stream.read(&mut request);
            number += 1;
            let mut body = String::from("# TYPE pulse gauge\n");
            for before in 1..=number {
                let value = i32::from(before == number);
                let _ = writeln!(body, "pulse{{number=\"{before}\"}} {value}");
            }
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n\
                 Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
        }
    });
    port
}
