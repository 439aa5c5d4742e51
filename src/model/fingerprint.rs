//! The fingerprint by which Prometheus and its Alertmanager name a set of labels: FNV-1a, 64 bits,
//! over names and values in the order of the names, each followed by the byte 255.

/// The fingerprint of labels that come in the order of their names.
#[must_use]
pub fn fingerprint<'a>(labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> u64 {
    let bytes = labels.into_iter().flat_map(|(name, value)| {
        let ended = |text: &'a str| text.bytes().chain([SEPARATOR]);
        ended(name).chain(ended(value))
    });
    bytes.fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

/// A byte that no UTF-8 text holds.
const SEPARATOR: u8 = 255;
const OFFSET: u64 = 14_695_981_039_346_656_037;
const PRIME: u64 = 1_099_511_628_211;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_that_of_prometheus() {
        assert_eq!(fingerprint([]), OFFSET);
        // What an Alertmanager 0.25 shows for these labels.
        let labels = [("alertname", "Down"), ("instance", "edge-1:9100"), ("severity", "page")];
        assert_eq!(format!("{:016x}", fingerprint(labels)), "d67564dcc83caf42");
    }
}
