//! What snmp_exporter and node_exporter say of a fleet, round after round, as Prometheus sends it
//! on by remote write 1.0; and the rules that look at it. Every value stays in its band.

use crate::support::fleet::Fleet;
use crate::support::remote_write::message;
use std::fmt::Write as _;
use vigie::model::index::KeyHasher;

/// Series of each device.
const SERIES_PER_DEVICE: u32 = 100;
/// Interfaces of each device, with six series each.
const INTERFACES: u32 = 12;
const COLUMNS: u32 = 6;
/// Series in a request, as `max_samples_per_send` of Prometheus has it.
const SERIES_PER_BODY: usize = 2_000;

/// A metric, and the rule that looks at it.
struct Family {
    metric: &'static str,
    /// What the rule looks at.
    value: &'static str,
    bands: &'static str,
    /// Tells the series of one resource apart.
    qualifier: &'static str,
}

const FAMILIES: [Family; 10] = [
    Family {
        metric: "ifHCInOctets",
        value: "rate",
        bands: "{ severity = \"warning\", above = 1e9, clear_below = 9e8, for_s = 300 }",
        qualifier: "in",
    },
    Family {
        metric: "ifHCOutOctets",
        value: "rate",
        bands: "{ severity = \"warning\", above = 1e9, clear_below = 9e8, for_s = 300 }",
        qualifier: "out",
    },
    Family {
        metric: "ifInErrors",
        value: "rate",
        bands: "{ severity = \"warning\", above = 1e7 }",
        qualifier: "errors",
    },
    Family {
        metric: "ifOutDiscards",
        value: "rate",
        bands: "{ severity = \"warning\", above = 1e7 }",
        qualifier: "discards",
    },
    Family {
        metric: "ifOperStatus",
        value: "value",
        bands: "{ severity = \"warning\", above = 1.5 }",
        qualifier: "state",
    },
    Family {
        metric: "ifHighSpeed",
        value: "value",
        bands: "{ severity = \"warning\", below = 10 }",
        qualifier: "speed",
    },
    Family {
        metric: "node_cpu_seconds_total",
        value: "rate",
        bands: "{ severity = \"warning\", above = 1e7, for_s = 600 }",
        qualifier: "cpu {cpu} {mode}",
    },
    Family {
        metric: "node_filesystem_avail_bytes",
        value: "value",
        bands: "{ severity = \"warning\", below = 10 }, { severity = \"minor\", below = 1 }",
        qualifier: "avail",
    },
    Family {
        metric: "node_hwmon_temp_celsius",
        value: "value",
        bands: "{ severity = \"warning\", above = 80, clear_below = 75 }, \
                { severity = \"minor\", above = 90, clear_below = 85 }",
        qualifier: "temperature",
    },
    Family {
        metric: "node_load1",
        value: "value",
        bands: "{ severity = \"warning\", above = 64 }",
        qualifier: "load",
    },
];

/// The fleet that has so many series.
pub(crate) fn fleet(series: u32) -> Fleet {
    Fleet { devices: series.div_ceil(SERIES_PER_DEVICE), interfaces: INTERFACES }
}

/// Rules: linkDown is critical, and `count` rules look at metrics. The first ten look at every
/// series, each at one metric; the others at the same metrics of a site that there is not.
pub(crate) fn rules(count: u32) -> String {
    let mut rules = BASE.to_owned();
    for (number, family) in (0..count).zip(FAMILIES.iter().cycle()) {
        let Family { metric, value, bands, qualifier } = family;
        let _ = write!(
            rules,
            "[[metric]]\nname = \"{metric}-{number}\"\nmetric = \"{metric}\"\n\
             value = \"{value}\"\nalarm_type = \"limit\"\nbands = [{bands}]\n\
             qualifier = \"{qualifier} {number}\"\n"
        );
        if number >= 10 {
            let _ = writeln!(rules, "match = {{ site = \"elsewhere-{number}\" }}");
        }
    }
    rules
}

const BASE: &str = r#"
[[alarm_type]]
id = "interface-down"
title = "An interface does not carry traffic"
event_type = "communications"
probable_cause = "lossOfSignal"
severity = "critical"

[[alarm_type]]
id = "limit"
title = "Beyond a limit"
event_type = "environmental"
probable_cause = "temperatureUnacceptable"
severity = "minor"

[[trap]]
name = "link-down"
oid = "1.3.6.1.6.3.1.1.5.3"
verb = "raise"
alarm_type = "interface-down"
component = "{interface}"
"#;

/// Rounds of samples, encoded and compressed: in each round every series has one.
pub(crate) struct Rounds {
    /// The requests of one round after the other.
    pub(crate) bodies: Vec<Vec<u8>>,
    /// Requests of a round.
    pub(crate) per_round: usize,
    /// Samples of a round.
    pub(crate) samples: u32,
}

impl Rounds {
    /// Encodes `rounds` rounds of so many series. The first is of the instant `begin_ms`, and each
    /// other one `step_ms` after the one before.
    pub(crate) fn encode(series: u32, rounds: u32, (begin_ms, step_ms): (u64, u64)) -> Self {
        let mut requests = Request::all(&(0..series).collect::<Vec<_>>());
        let at_ms = |round| begin_ms + u64::from(round) * step_ms;
        let each = |round| {
            let bodies = requests.iter_mut().map(|request| request.body(round, at_ms(round)));
            bodies.collect::<Vec<_>>()
        };
        let bodies: Vec<_> = (0..rounds).flat_map(each).collect();
        Self { bodies, per_round: requests.len(), samples: series }
    }

    /// The same with the series in another order in each round.
    pub(crate) fn encode_shuffled(
        series: u32,
        rounds: u32,
        (begin_ms, step_ms): (u64, u64),
    ) -> Self {
        let mut numbers: Vec<u32> = (0..series).collect();
        let mut bodies = Vec::new();
        for round in 0..rounds {
            let hasher = KeyHasher::new(u64::from(round));
            numbers.sort_by_cached_key(|number| hasher.hash_bytes(&number.to_le_bytes()));
            let at_ms = begin_ms + u64::from(round) * step_ms;
            let requests = Request::all(&numbers).into_iter();
            bodies.extend(requests.map(|mut request| request.body(round, at_ms)));
        }
        let per_round = numbers.chunks(SERIES_PER_BODY).len();
        Self { bodies, per_round, samples: series }
    }

    /// The requests of a round and of all that follow it.
    pub(crate) fn from(&self, round: usize) -> &[Vec<u8>] {
        &self.bodies[round * self.per_round..]
    }
}

/// A request whose values and times are written anew for each round.
struct Request {
    bytes: Vec<u8>,
    /// Each series, and where its sample is.
    places: Vec<(u32, usize)>,
}

impl Request {
    /// The requests of a round with these series in this order.
    fn all(numbers: &[u32]) -> Vec<Self> {
        numbers.chunks(SERIES_PER_BODY).map(Self::of).collect()
    }

    fn of(numbers: &[u32]) -> Self {
        let mut request = Self { bytes: Vec::new(), places: Vec::new() };
        for number in numbers {
            let mut series = labels(*number);
            series.extend(message(2, &sample(0.0, 1 << 40)));
            request.bytes.extend(message(1, &series));
            request.places.push((*number, request.bytes.len() - SAMPLE_BYTES));
        }
        request
    }

    fn body(&mut self, round: u32, at_ms: u64) -> Vec<u8> {
        for (number, place) in &self.places {
            let sample = sample(value(*number, round), at_ms);
            self.bytes[*place..*place + SAMPLE_BYTES].copy_from_slice(&sample);
        }
        snap::raw::Encoder::new().compress_vec(&self.bytes).expect("smaller than 4 GiB")
    }
}

/// Octets of a sample: tag and value, tag and a time of six octets.
const SAMPLE_BYTES: usize = 16;

fn sample(value: f64, at_ms: u64) -> [u8; SAMPLE_BYTES] {
    let mut bytes = [0x09; SAMPLE_BYTES];
    bytes[1..9].copy_from_slice(&value.to_le_bytes());
    bytes[9] = 0x10;
    let mut rest = at_ms;
    for place in &mut bytes[10..] {
        *place = u8::try_from(rest & 0x7f).expect("seven bits") | 0x80;
        rest >>= 7;
    }
    assert_eq!(rest, 0, "a time of the years 2004 to 2109");
    bytes[15] &= 0x7f;
    bytes
}

/// A counter that grows, or a value about which little changes.
fn value(number: u32, round: u32) -> f64 {
    let (device, place) = (number / SERIES_PER_DEVICE, number % SERIES_PER_DEVICE);
    let family = &FAMILIES[family(place)];
    let noise = number.wrapping_mul(2_654_435_761).wrapping_add(round.wrapping_mul(40_503)) >> 29;
    match (family.value, family.metric) {
        ("rate", _) => {
            let step = 1_000 + number % 977;
            f64::from(device) * 1e6 + f64::from(place) * 1e3 + f64::from(round) * f64::from(step)
        }
        (_, "ifOperStatus") => 1.0,
        (_, "ifHighSpeed") => 1_000.0,
        (_, "node_filesystem_avail_bytes") => 4e10 - f64::from(noise) * 4_096.0,
        (_, "node_load1") => 0.25 + f64::from(noise) / 100.0,
        _ => 40.0 + f64::from(noise) / 2.0,
    }
}

/// Which metric a series of a device is of.
fn family(place: u32) -> usize {
    let family = match place {
        0..72 => place % COLUMNS,
        72..88 => 6,
        88..94 => 7,
        94..99 => 8,
        _ => 9,
    };
    usize::try_from(family).expect("fits a pointer")
}

/// The labels of a series, in order.
fn labels(number: u32) -> Vec<u8> {
    let (device, place) = (number / SERIES_PER_DEVICE, number % SERIES_PER_DEVICE);
    let metric = FAMILIES[family(place)].metric;
    let site = format!("site-{}", device % 40);
    let mut labels = vec![("__name__", metric.to_owned())];
    if place < INTERFACES * COLUMNS {
        let interface = place / COLUMNS + 1;
        labels.extend([
            ("ifAlias", format!("to core {device} port {interface}")),
            ("ifDescr", format!("GigabitEthernet0/{interface}")),
            ("ifIndex", interface.to_string()),
            ("ifName", format!("Gi0/{interface}")),
            ("instance", format!("sw-{device}")),
            ("job", "snmp".to_owned()),
            ("site", site),
        ]);
    } else {
        let part = place % 8;
        let mode = match place % 4 {
            0 => "idle",
            1 => "iowait",
            2 => "system",
            _ => "user",
        };
        let own = match metric {
            "node_cpu_seconds_total" => {
                vec![("cpu", (place / 4 % 4).to_string()), ("mode", mode.to_owned())]
            }
            "node_filesystem_avail_bytes" => vec![
                ("device", format!("/dev/mapper/vg0-lv{part}")),
                ("fstype", "ext4".to_owned()),
                ("mountpoint", format!("/srv/data-{part}")),
            ],
            "node_hwmon_temp_celsius" => {
                vec![("chip", "platform_coretemp_0".to_owned()), ("sensor", format!("temp{part}"))]
            }
            _ => Vec::new(),
        };
        labels.extend(own);
        let more = [("instance", format!("sw-{device}:9100")), ("job", "node".to_owned())];
        labels.extend(more);
        labels.push(("site", site));
    }
    labels.sort_by_key(|(name, _)| *name);
    let mut bytes = Vec::new();
    for (name, value) in &labels {
        let pair = [message(1, name.as_bytes()), message(2, value.as_bytes())].concat();
        bytes.extend(message(1, &pair));
    }
    bytes
}
