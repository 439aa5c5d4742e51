//! `[listeners.NAME]`: where messages come in and questions are answered.

use crate::model::limits::TCP_CONNECTIONS_MAX;
use crate::shell::config::access::{self, HttpAccess};
use crate::shell::config::document::Table;
use crate::shell::config::fields::Fields;
use crate::shell::config::file::Base;
use crate::shell::config::findings::{Findings, Located, Place, quoted};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// Listeners at most: each UDP address has a thread of its own.
const LISTENERS_MAX: usize = 64;

/// A name, its addresses and what is spoken there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listener {
    /// Name: the metrics' label, and the name under which systemd hands over its sockets
    /// (`FileDescriptorName=`).
    pub name: String,
    /// Addresses to bind, IPv6 without its mapping of IPv4 (`IPV6_V6ONLY`). Port 0: a free one.
    pub addresses: Vec<SocketAddr>,
    /// What is spoken.
    pub transport: Transport,
}

/// What a listener speaks, with what concerns only that.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Transport {
    /// SNMP notifications over UDP.
    SnmpTrap {
        /// Receive buffer that is asked of the kernel, bytes.
        receive_buffer_bytes: usize,
        /// Communities that are accepted; none means any.
        communities: Vec<String>,
    },
    /// Syslog over UDP.
    SyslogUdp {
        /// Receive buffer that is asked of the kernel, bytes.
        receive_buffer_bytes: usize,
    },
    /// Syslog over TCP, octet-counted or by lines.
    SyslogTcp {
        /// A connection that sends nothing for so long is closed; none means never.
        idle_timeout: Option<Duration>,
        /// Connections at once; further ones are refused and counted.
        connections_max: usize,
    },
    /// Samples as InfluxDB line protocol over UDP.
    InfluxUdp {
        /// Receive buffer that is asked of the kernel, bytes.
        receive_buffer_bytes: usize,
    },
    /// API, metrics and health over HTTP.
    Http {
        /// A connection that asks nothing for so long is closed.
        idle_timeout: Duration,
        /// Who may do what.
        access: Box<HttpAccess>,
    },
    /// Samples as OpenTelemetry metrics over gRPC.
    OtlpGrpc {
        /// A connection that asks nothing for so long is closed.
        idle_timeout: Duration,
        /// Who may send.
        access: Box<HttpAccess>,
    },
}

impl Transport {
    /// The word of the configuration file.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::SnmpTrap { .. } => "snmp-trap",
            Self::SyslogUdp { .. } => "syslog-udp",
            Self::SyslogTcp { .. } => "syslog-tcp",
            Self::InfluxUdp { .. } => "influx-udp",
            Self::Http { .. } => "http",
            Self::OtlpGrpc { .. } => "otlp-grpc",
        }
    }

    /// Who may do what, where clients ask and are answered; none where messages come in.
    #[must_use]
    pub fn access(&self) -> Option<&HttpAccess> {
        match self {
            Self::Http { access, .. } | Self::OtlpGrpc { access, .. } => Some(access),
            Self::SnmpTrap { .. }
            | Self::SyslogUdp { .. }
            | Self::SyslogTcp { .. }
            | Self::InfluxUdp { .. } => None,
        }
    }

    /// Whether it is bound as TCP.
    #[must_use]
    pub const fn is_stream(&self) -> bool {
        matches!(self, Self::SyslogTcp { .. } | Self::Http { .. } | Self::OtlpGrpc { .. })
    }
}

#[derive(Clone, Copy)]
enum Kind {
    SnmpTrap,
    SyslogUdp,
    SyslogTcp,
    InfluxUdp,
    Http,
    OtlpGrpc,
}

const KINDS: [(&str, Kind); 6] = [
    ("snmp-trap", Kind::SnmpTrap),
    ("syslog-udp", Kind::SyslogUdp),
    ("syslog-tcp", Kind::SyslogTcp),
    ("influx-udp", Kind::InfluxUdp),
    ("http", Kind::Http),
    ("otlp-grpc", Kind::OtlpGrpc),
];

/// Reads every listener and sees to it that no two want the same address.
pub(super) fn read(
    base: &Base<'_>,
    written: Option<Located<Table>>,
    findings: &mut Findings,
) -> Vec<Listener> {
    let Some(written) = written else {
        let remedy = "add one, for example [listeners.snmp-trap] with kind = \"snmp-trap\" and \
                      addresses = [\"0.0.0.0:162\", \"[::]:162\"]";
        findings.error(base.whole, "no listener: nothing could ever come in", remedy);
        return Vec::new();
    };
    if written.value.is_empty() || written.value.len() > LISTENERS_MAX {
        let message = format!("{} listeners", written.value.len());
        findings.error(written.place, message, format!("write 1 to {LISTENERS_MAX} of them"));
    }
    let mut taken = Taken::default();
    let mut listeners = Vec::new();
    for (name, entry) in written.value {
        check_name(&name, entry.key_place, findings);
        let what = format!("[listeners.{name}]");
        let crate::shell::config::document::Value::Table(table) = entry.node.value else {
            let remedy = format!("write it as a section: {what}");
            findings.error(entry.key_place, format!("{} is no section", quoted(&name)), remedy);
            continue;
        };
        let fields = Fields::new(&what, entry.key_place, table, findings);
        listeners.extend(listener(&name, fields, &mut taken, base));
    }
    listeners
}

fn check_name(name: &str, place: Place, findings: &mut Findings) {
    let fits = (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if !fits {
        let message = format!("{} is no name for a listener", quoted(name));
        let remedy = "use 1 to 64 letters, digits, `-`, `_` and `.`: it labels metrics and sockets";
        findings.error(place, message, remedy);
    }
}

fn listener(
    name: &str,
    mut fields: Fields<'_>,
    taken: &mut Taken,
    base: &Base<'_>,
) -> Option<Listener> {
    if !fields.has("kind") {
        fields.missing("kind");
        return None;
    }
    let kind = fields.choice("kind", &KINDS)?;
    let written = fields.texts("addresses");
    if written.as_ref().is_none_or(Vec::is_empty) {
        fields.missing("addresses");
    }
    let is_stream = matches!(kind, Kind::SyslogTcp | Kind::Http | Kind::OtlpGrpc);
    let mut addresses = Vec::new();
    for text in written.unwrap_or_default() {
        if let Some(address) = address(&text, fields.findings) {
            let address = Located { value: address, place: text.place };
            taken.check(name, is_stream, &address, &mut fields);
            addresses.push(address);
        }
    }
    let transport = transport(kind, &mut fields, &addresses, base);
    fields.finish();
    let addresses = addresses.into_iter().map(|address| address.value).collect();
    Some(Listener { name: name.to_owned(), addresses, transport })
}

fn transport(
    kind: Kind,
    fields: &mut Fields<'_>,
    addresses: &[Located<SocketAddr>],
    base: &Base<'_>,
) -> Transport {
    let transport = match kind {
        Kind::SnmpTrap => Transport::SnmpTrap {
            receive_buffer_bytes: receive_buffer_bytes(fields),
            communities: fields
                .texts("communities")
                .unwrap_or_default()
                .into_iter()
                .map(|community| community.value)
                .collect(),
        },
        Kind::SyslogUdp => {
            Transport::SyslogUdp { receive_buffer_bytes: receive_buffer_bytes(fields) }
        }
        Kind::InfluxUdp => {
            Transport::InfluxUdp { receive_buffer_bytes: receive_buffer_bytes(fields) }
        }
        Kind::SyslogTcp => {
            let idle_s = fields.integer("idle_timeout_s", 0..=604_800_u64).unwrap_or(3_600);
            Transport::SyslogTcp {
                idle_timeout: (idle_s > 0).then(|| Duration::from_secs(idle_s)),
                connections_max: fields
                    .integer("connections_max", 1..=TCP_CONNECTIONS_MAX)
                    .unwrap_or(TCP_CONNECTIONS_MAX),
            }
        }
        Kind::Http => Transport::Http {
            idle_timeout: idle_timeout(fields, 60),
            access: Box::new(access::read(fields, addresses, base)),
        },
        // Programs export once a minute where nobody says otherwise, over one connection.
        Kind::OtlpGrpc => Transport::OtlpGrpc {
            idle_timeout: idle_timeout(fields, 120),
            access: Box::new(access::read_for_intake(fields, addresses, base)),
        },
    };
    for (key, why) in [
        ("receive_buffer_mib", "leave it out: only UDP listeners have a receive buffer to size"),
        ("communities", "leave it out: only listeners of kind \"snmp-trap\" hear communities"),
        ("idle_timeout_s", "leave it out: only TCP listeners have connections"),
        ("connections_max", "leave it out: only listeners of kind \"syslog-tcp\" count them"),
        ("roles", "leave it out: only listeners of kind \"http\" serve roles"),
        ("tls", "leave it out: only listeners of kind \"http\" and \"otlp-grpc\" speak TLS"),
        (
            "clients",
            "leave it out: only listeners of kind \"http\" and \"otlp-grpc\" ask who a client is",
        ),
    ] {
        fields.refuse(key, why);
    }
    transport
}

fn idle_timeout(fields: &mut Fields<'_>, default_s: u64) -> Duration {
    let seconds = fields.integer("idle_timeout_s", 1..=3_600_u64);
    Duration::from_secs(seconds.unwrap_or(default_s))
}

fn receive_buffer_bytes(fields: &mut Fields<'_>) -> usize {
    fields.integer("receive_buffer_mib", 1..=1_024_usize).unwrap_or(32).saturating_mul(1024 * 1024)
}

fn address(text: &Located<String>, findings: &mut Findings) -> Option<SocketAddr> {
    if let Ok(address) = text.value.parse::<SocketAddr>() {
        return Some(address);
    }
    let message = format!("{} is no address with a port", quoted(&text.value));
    findings.error(text.place, message, address_remedy(&text.value));
    None
}

fn address_remedy(written: &str) -> String {
    if let Some(port) = written.strip_prefix("*:").or_else(|| written.strip_prefix(':'))
        && port.parse::<u16>().is_ok()
    {
        return format!("for every address write \"0.0.0.0:{port}\" and \"[::]:{port}\"");
    }
    if written.parse::<std::net::IpAddr>().is_ok() {
        return "add a port: \"127.0.0.1:10162\" or \"[::1]:10162\"".to_owned();
    }
    if let Some((host, port)) = written.rsplit_once(':')
        && host.parse::<std::net::Ipv6Addr>().is_ok()
    {
        return format!("put an IPv6 address between brackets: \"[{host}]:{port}\"");
    }
    "write an address and a port, such as \"127.0.0.1:10162\" or \"[::1]:10162\"; names are not \
     looked up"
        .to_owned()
}

/// Addresses that listeners took so far, by transport.
#[derive(Default)]
struct Taken {
    by_address: BTreeMap<(bool, SocketAddr), (String, Place)>,
}

impl Taken {
    fn check(
        &mut self,
        name: &str,
        is_stream: bool,
        address: &Located<SocketAddr>,
        fields: &mut Fields<'_>,
    ) {
        let wanted = address.value;
        if wanted.port() == 0 {
            return;
        }
        let other = self.by_address.iter().find(|((stream, there), _)| {
            *stream == is_stream
                && there.port() == wanted.port()
                && there.is_ipv4() == wanted.is_ipv4()
                && (there.ip() == wanted.ip()
                    || there.ip().is_unspecified()
                    || wanted.ip().is_unspecified())
        });
        if let Some(((_, there), (listener, place))) = other {
            let message = format!("{wanted} is already taken by {there} of [listeners.{listener}]");
            let remedy =
                format!("remove one of them; the other is at {}", { fields.findings.show(*place) });
            fields.findings.error(address.place, message, remedy);
            return;
        }
        self.by_address.insert((is_stream, wanted), (name.to_owned(), address.place));
    }
}
