//! A body of remote write 1.0 as Prometheus sends it, and a receiver that knows its series.

use vigie::model::index::{HashIndex, KeyHasher};
use vigie::model::sample::{Labels, Reading, Recall, Rejection, Sample, Samples, SeriesKind};

/// So many series of an interface counter, eight labels and one sample each, not compressed.
pub(crate) fn body(series: u32) -> Vec<u8> {
    let mut body = Vec::new();
    for number in 0..series {
        let (device, interface) = (number / 48, number % 48);
        let labels = [
            ("__name__", "ifHCInOctets".to_owned()),
            ("ifAlias", format!("to core {device}")),
            ("ifDescr", format!("GigabitEthernet0/{interface}")),
            ("ifIndex", interface.to_string()),
            ("instance", format!("sw-{device:03}.example.net")),
            ("job", "snmp".to_owned()),
            ("module", "if_mib".to_owned()),
            ("site", format!("site-{}", device % 40)),
        ];
        let mut one = Vec::new();
        for (name, value) in &labels {
            let pair = [message(1, name.as_bytes()), message(2, value.as_bytes())].concat();
            one.extend(message(1, &pair));
        }
        let mut sample = vec![0x09];
        sample.extend(f64::from(number).to_le_bytes());
        sample.extend([0x10, 0x80, 0xd0, 0x95, 0xff, 0xbc, 0x31]);
        one.extend(message(2, &sample));
        body.extend(message(1, &one));
    }
    body
}

/// A field that holds a message or a text.
pub(crate) fn message(field: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![field << 3 | 2];
    let mut length = content.len();
    while length > 0x7f {
        bytes.push(u8::try_from(length & 0x7f | 0x80).expect("an octet"));
        length >>= 7;
    }
    bytes.push(u8::try_from(length).expect("an octet"));
    bytes.extend_from_slice(content);
    bytes
}

/// Recognises series by their label block, and keeps the last value of each.
pub(crate) struct Receiver {
    hasher: KeyHasher,
    index: HashIndex,
    series: Vec<(Vec<u8>, f64)>,
    current: usize,
    has_memory: bool,
}

impl Receiver {
    /// One that knows nothing yet. Without memory it has the labels read again every time.
    pub(crate) fn new(has_memory: bool) -> Self {
        Self {
            hasher: KeyHasher::new(1),
            index: HashIndex::default(),
            series: Vec::new(),
            current: 0,
            has_memory,
        }
    }

    fn find(&self, block: &[u8]) -> Option<usize> {
        let is_same = |slot: u32| self.known(slot).is_some_and(|(known, _)| known == block);
        let slot = self.index.find(self.hasher.hash_bytes(block), is_same)?;
        usize::try_from(slot).ok()
    }

    fn known(&self, slot: u32) -> Option<&(Vec<u8>, f64)> {
        self.series.get(usize::try_from(slot).ok()?)
    }
}

impl Samples for Receiver {
    fn recall(&mut self, block: &[u8]) -> Recall {
        match self.find(block).filter(|_| self.has_memory) {
            Some(slot) => {
                self.current = slot;
                Recall::Known
            }
            None => Recall::Unknown,
        }
    }

    fn series(&mut self, labels: &Labels<'_>, _kind: SeriesKind) {
        let block = labels.block().unwrap_or_default();
        self.current = self.find(block).unwrap_or_else(|| {
            let slot = self.series.len();
            self.series.push((block.to_vec(), 0.0));
            let hash = self.hasher.hash_bytes(block);
            self.index.insert(hash, u32::try_from(slot).expect("few series"));
            slot
        });
    }

    fn sample(&mut self, sample: Sample) {
        if let Reading::Number(value) = sample.reading
            && let Some((_, last)) = self.series.get_mut(self.current)
        {
            *last = value;
        }
    }

    fn rejected(&mut self, rejection: &Rejection<'_>) {
        panic!("{rejection:?}");
    }
}
