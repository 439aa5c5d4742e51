//! One name for one interface: `Gi0/1`, `gi 0/1` and `GigabitEthernet0/1` are the same port,
//! whether a trap's ifDescr, its ifName or a syslog line calls it so. Names of makers that do not
//! abbreviate (Juniper, Huawei, Linux) stay as they are.

/// Appends the long form of an interface name.
pub(super) fn push_long_name(name: &str, out: &mut String) {
    let letters = name.bytes().position(|byte| !(byte.is_ascii_alphabetic() || byte == b'-'));
    let (prefix, rest) = name.split_at(letters.unwrap_or(name.len()));
    let numbers = rest.trim_start_matches(' ');
    if prefix.is_empty() || !numbers.starts_with(|first: char| first.is_ascii_digit()) {
        out.push_str(name);
        return;
    }
    let slashes = numbers.bytes().filter(|byte| *byte == b'/').count();
    match long_prefix(prefix, slashes) {
        Some(long) => {
            out.push_str(long);
            out.push_str(numbers);
        }
        None => out.push_str(name),
    }
}

fn long_prefix(prefix: &str, slashes: usize) -> Option<&'static str> {
    if prefix.len() > SHORT_BYTES_MAX {
        let long = LONG.iter().find(|long| long.eq_ignore_ascii_case(prefix));
        return long.copied();
    }
    let is_capital = prefix.starts_with(|first: char| first.is_ascii_uppercase());
    let known = SHORT.iter().find(|short| short.word.eq_ignore_ascii_case(prefix))?;
    let fits = match known.when {
        When::Always => true,
        When::Capital => is_capital,
        When::Slashed => slashes > 0,
    };
    let is_ios_xr = slashes >= 3 && is_capital;
    match known.on_ios_xr {
        Some(long) if fits && is_ios_xr => Some(long),
        _ => fits.then_some(known.long),
    }
}

/// An abbreviation.
struct Short {
    word: &'static str,
    long: &'static str,
    when: When,
    /// What it means before four numbers, which only IOS XR has.
    on_ios_xr: Option<&'static str>,
}

/// When an abbreviation is one; otherwise it is somebody's whole name (`eth0`, `lo0`).
#[derive(Clone, Copy)]
enum When {
    Always,
    /// With a capital letter.
    Capital,
    /// Before numbers with a slash.
    Slashed,
}

const fn short(word: &'static str, long: &'static str, when: When) -> Short {
    Short { word, long, when, on_ios_xr: None }
}

const fn short_xr(word: &'static str, long: &'static str, xr: &'static str) -> Short {
    Short { word, long, when: When::Always, on_ios_xr: Some(xr) }
}

/// Letters of an abbreviation at most; whole names are longer.
const SHORT_BYTES_MAX: usize = 3;

/// Names in their long form, whatever their case.
const LONG: [&str; 23] = [
    "GigabitEthernet",
    "TenGigabitEthernet",
    "FastEthernet",
    "Ethernet",
    "TenGigE",
    "TwentyFiveGigE",
    "FortyGigE",
    "FortyGigabitEthernet",
    "HundredGigE",
    "FourHundredGigE",
    "TwoGigabitEthernet",
    "FiveGigabitEthernet",
    "Port-channel",
    "Bundle-Ether",
    "Vlan",
    "Loopback",
    "Tunnel",
    "Serial",
    "Dialer",
    "Cellular",
    "Virtual-Access",
    "Virtual-Template",
    "Management",
];

const SHORT: [Short; 25] = [
    short("Gi", "GigabitEthernet", When::Always),
    short("Gig", "GigabitEthernet", When::Always),
    short_xr("Te", "TenGigabitEthernet", "TenGigE"),
    short("Ten", "TenGigabitEthernet", When::Capital),
    short("Fa", "FastEthernet", When::Always),
    short("Et", "Ethernet", When::Always),
    short("Eth", "Ethernet", When::Slashed),
    short("Po", "Port-channel", When::Always),
    short("Vl", "Vlan", When::Always),
    short("Lo", "Loopback", When::Capital),
    short("Tu", "Tunnel", When::Capital),
    short("Se", "Serial", When::Capital),
    short("Tw", "TwoGigabitEthernet", When::Always),
    short("Twe", "TwentyFiveGigE", When::Always),
    short("TF", "TwentyFiveGigE", When::Capital),
    short("Fi", "FiveGigabitEthernet", When::Always),
    short_xr("Fo", "FortyGigabitEthernet", "FortyGigE"),
    short("Hu", "HundredGigE", When::Always),
    short("FH", "FourHundredGigE", When::Capital),
    short("BE", "Bundle-Ether", When::Capital),
    short("BV", "BVI", When::Capital),
    short("Di", "Dialer", When::Capital),
    short("Ce", "Cellular", When::Capital),
    short("Vi", "Virtual-Access", When::Capital),
    short("Ma", "Management", When::Capital),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn long(name: &str) -> String {
        let mut out = String::new();
        push_long_name(name, &mut out);
        out
    }

    #[test]
    fn abbreviations_of_one_port_have_one_name() {
        for (short, wanted) in [
            ("Gi0/1", "GigabitEthernet0/1"),
            ("gi43", "GigabitEthernet43"),
            ("GigabitEthernet 0/1", "GigabitEthernet0/1"),
            ("Te1/6", "TenGigabitEthernet1/6"),
            ("Te0/0/1/0", "TenGigE0/0/1/0"),
            ("TenGigE0/0/1/0", "TenGigE0/0/1/0"),
            ("Tw1/0/1", "TwoGigabitEthernet1/0/1"),
            ("Twe1/0/1", "TwentyFiveGigE1/0/1"),
            ("et7", "Ethernet7"),
            ("Eth1/1", "Ethernet1/1"),
            ("ethernet 7/3", "Ethernet7/3"),
            ("port-channel10", "Port-channel10"),
            ("Po1", "Port-channel1"),
            ("Vl444", "Vlan444"),
            ("Hu0/0/0/1.100", "HundredGigE0/0/0/1.100"),
            ("Lo0", "Loopback0"),
        ] {
            assert_eq!(long(short), wanted);
        }
    }

    #[test]
    fn names_that_are_no_abbreviations_stay() {
        for name in [
            "eth0",
            "lo0",
            "lo",
            "ge-0/0/1.0",
            "et-0/0/0",
            "xe-1/2/3",
            "ae0",
            "ens192",
            "vmnic3",
            "Eth-Trunk1",
            "XGigabitEthernet0/0/1",
            "Vlanif10",
            "Vlan-interface200",
            "1:22",
            "21",
            "tun0",
            "mgmt0",
            "MgmtEth0/RP0/CPU0/0",
            "é0",
            "",
            "Gi",
        ] {
            assert_eq!(long(name), name);
        }
    }
}
