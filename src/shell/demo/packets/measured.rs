//! What was measured, as collectors post it: line protocol of Telegraf, remote write of Prometheus.

use crate::model::time::Timestamp;
use crate::shell::demo::plan::Port;
use std::fmt::Write as _;
use std::net::Ipv4Addr;

/// A request with samples.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::shell::demo) struct Report {
    /// Where it is posted.
    pub(in crate::shell::demo) path: &'static str,
    /// Lines of its head, each with its end.
    pub(in crate::shell::demo) headers: &'static str,
    pub(in crate::shell::demo) body: Vec<u8>,
    /// Numbers in it.
    pub(in crate::shell::demo) samples: u64,
}

/// What an optic measures.
#[derive(Clone, Copy, Debug)]
pub(in crate::shell::demo) struct Optic<'p> {
    /// The device that was asked.
    pub(in crate::shell::demo) agent: Ipv4Addr,
    pub(in crate::shell::demo) port: &'p Port,
    /// Light received, 1/100 dBm.
    pub(in crate::shell::demo) power_cdbm: i32,
}

/// What the Telegraf of each of these hosts measures at that instant. `level` gives a value near a
/// mean, both in hundredths.
pub(in crate::shell::demo) fn host_report(
    hosts: &[&str],
    at: Timestamp,
    mut level: impl FnMut(i32, u16) -> i32,
) -> Report {
    let mut body = String::new();
    for host in hosts {
        for (series, fields) in HOST_LINES {
            let mut between = ' ';
            let _ = write!(body, "{series},host={host}");
            for (field, mean, by) in *fields {
                let _ = write!(body, "{between}{field}={}", hundredths(level(*mean, *by)));
                between = ',';
            }
            let _ = writeln!(body, " {}", at.0);
        }
    }
    let each = count(HOST_LINES.iter().map(|(_, fields)| fields.len()).sum());
    Report {
        path: "/api/v2/write?org=demo&bucket=demo&precision=ns",
        headers: "Content-Type: text/plain; charset=utf-8\r\n",
        samples: count(hosts.len()).saturating_mul(each),
        body: body.into_bytes(),
    }
}

/// What Prometheus has read of all optics at that instant.
pub(in crate::shell::demo) fn optics_report(optics: &[Optic<'_>], at: Timestamp) -> Report {
    let mut request = Vec::new();
    let at_ms = u64::try_from(at.0 / 1_000_000).unwrap_or(0);
    for optic in optics {
        let mut series = Vec::new();
        let alias = format!("uplink {}", optic.port.if_index);
        let instance = optic.agent.to_string();
        for (name, value) in [
            ("__name__", "jnxDomCurrentRxLaserPower"),
            ("ifAlias", &alias),
            ("ifName", &optic.port.name),
            ("instance", &instance),
            ("job", "snmp"),
        ] {
            let mut label = Vec::new();
            push_bytes(1, name.as_bytes(), &mut label);
            push_bytes(2, value.as_bytes(), &mut label);
            push_bytes(LABELS, &label, &mut series);
        }
        let mut sample = vec![1 << 3 | FIXED_64];
        sample.extend((f64::from(optic.power_cdbm) / 100.0).to_le_bytes());
        sample.push(2 << 3);
        push_number(at_ms, &mut sample);
        push_bytes(SAMPLES, &sample, &mut series);
        push_bytes(TIMESERIES, &series, &mut request);
    }
    let body = snap::raw::Encoder::new().compress_vec(&request);
    Report {
        path: "/api/v1/write",
        headers: "Content-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\n\
                  X-Prometheus-Remote-Write-Version: 0.1.0\r\n",
        samples: count(optics.len()),
        body: body.expect("some hundred series are far below four gigabytes"),
    }
}

/// A number of hundredths, written out.
fn hundredths(value: i32) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let size = value.unsigned_abs();
    format!("{sign}{}.{:02}", size / 100, size % 100)
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// A field of Protocol Buffers that holds bytes.
fn push_bytes(field: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(field << 3 | LENGTH_DELIMITED);
    push_number(count(bytes.len()), out);
    out.extend_from_slice(bytes);
}

/// A number of Protocol Buffers: seven bits an octet, the lowest first.
fn push_number(mut number: u64, out: &mut Vec<u8>) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            out.push(low & 0x7f);
            return;
        }
        out.push(low | 0x80);
    }
}

/// A field: its name, its mean and by how much it varies, both in hundredths.
type Field = (&'static str, i32, u16);

/// Measurement with its tags, and fields, of each line of a host.
const HOST_LINES: &[(&str, &[Field])] = &[
    ("cpu,cpu=cpu-total", &[("usage_idle", 6_200, 900)]),
    ("mem", &[("available_percent", 3_800, 300)]),
    (
        "disk,device=sda2,fstype=xfs,mode=rw,path=/",
        &[("used_percent", 5_400, 20), ("inodes_used_percent", 700, 10)],
    ),
    (
        "sensors,chip=coretemp-isa-0000,feature=package_id_0",
        &[("temp_input", 5_600, 300), ("temp_crit", 10_000, 0)],
    ),
    ("system", &[("load1", 420, 150)]),
];
const FIXED_64: u8 = 1;
const LENGTH_DELIMITED: u8 = 2;
/// Fields of a write request and of its series.
const TIMESERIES: u8 = 1;
const LABELS: u8 = 1;
const SAMPLES: u8 = 2;
