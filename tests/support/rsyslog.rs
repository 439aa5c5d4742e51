//! A real rsyslogd that takes syslog on TCP and forwards it over TCP.

use crate::support::components::program;
use crate::support::eventually::{PATIENCE, eventually};
use crate::support::ports::free_port;
use crate::support::process::Process;
use crate::support::scratch::Scratch;
use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;

/// How the forwarded stream is cut into messages, and the format of those.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Forward {
    /// A byte count before each message, RFC 5424.
    OctetCounted,
    /// A line feed after each message, RFC 3164.
    Traditional,
}

/// A running rsyslogd.
#[derive(Debug)]
pub(crate) struct Rsyslog {
    /// Where it takes messages, TCP.
    pub(crate) port: u16,
    _process: Process,
    _scratch: Scratch,
}

impl Rsyslog {
    /// Forwards all that it gets to that TCP port of 127.0.0.1.
    pub(crate) fn forwarding_to(target: u16, forward: Forward) -> Self {
        let scratch = Scratch::new("rsyslog");
        let port = free_port();
        let (framing, template) = match forward {
            Forward::OctetCounted => ("octet-counted", "RSYSLOG_SyslogProtocol23Format"),
            Forward::Traditional => ("traditional", "RSYSLOG_TraditionalForwardFormat"),
        };
        let folder = scratch.path().display();
        let config = scratch.write(
            "rsyslog.conf",
            &format!(
                "global(workDirectory=\"{folder}\" net.enableDNS=\"off\")\n\
                 module(load=\"imtcp\")\n\
                 input(type=\"imtcp\" address=\"127.0.0.1\" port=\"{port}\")\n\
                 action(type=\"omfwd\" target=\"127.0.0.1\" port=\"{target}\" protocol=\"tcp\"\n  \
                   TCP_Framing=\"{framing}\" template=\"{template}\"\n  \
                   action.resumeRetryCount=\"-1\" action.resumeInterval=\"1\")\n"
            ),
        );
        let mut command = Command::new(program("rsyslogd"));
        command.arg("-n").arg("-f").arg(config).arg("-i").arg(scratch.path().join("rsyslog.pid"));
        let process = Process::start(&mut command, &scratch.path().join("rsyslog.log"));
        eventually("rsyslogd takes connections", PATIENCE, || {
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map_err(|error| error.to_string())
        });
        Self { port, _process: process, _scratch: scratch }
    }
}
