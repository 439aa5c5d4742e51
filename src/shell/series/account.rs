//! The account of samples: received = applied + unmatched + rejected, for each protocol.
//!
//! The unit is a number of a series: a histogram counts as its count and its sum. A request keeps
//! its own account and hands it in when it is over, so that the sums always add up. What a request
//! brought that was not durable is rejected (`not-durable`): the sender was told to send it again.

use crate::model::sample::SampleFault;
use std::sync::atomic::{AtomicU64, Ordering};

/// How samples come in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol {
    /// Prometheus remote write 1.0.
    RemoteWrite1,
    /// Prometheus remote write 2.0.
    RemoteWrite2,
    /// OpenTelemetry over HTTP, protobuf or JSON.
    Otlp,
    /// OpenTelemetry over gRPC.
    OtlpGrpc,
    /// InfluxDB line protocol over HTTP.
    Influx,
    /// InfluxDB line protocol over UDP.
    InfluxUdp,
    /// Records of a Kafka topic, however they are written.
    Kafka,
}

impl Protocol {
    /// Every protocol; the index is the discriminant.
    pub const ALL: [Self; 7] = [
        Self::RemoteWrite1,
        Self::RemoteWrite2,
        Self::Otlp,
        Self::OtlpGrpc,
        Self::Influx,
        Self::InfluxUdp,
        Self::Kafka,
    ];

    /// The label value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RemoteWrite1 => "remote-write-1",
            Self::RemoteWrite2 => "remote-write-2",
            Self::Otlp => "otlp",
            Self::OtlpGrpc => "otlp-grpc",
            Self::Influx => "influx",
            Self::InfluxUdp => "influx-udp",
            Self::Kafka => "kafka",
        }
    }
}

/// Why vigie did not take samples that were well formed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Older than `metrics.backfill_after_s`: it moves no alarm any more.
    TooOld,
    /// Further in the future than clocks disagree.
    TooNew,
    /// A new series beyond the limit.
    SeriesLimit,
    /// What it told did not become durable in time; the sender was asked to send it again.
    NotDurable,
    /// The decoder panicked on the body: one for all that was left of it.
    DecoderPanicked,
    /// A record of Kafka without a value. It counts as one, and so do the four that follow: how
    /// many samples are in them nobody knows, and there is nobody to answer.
    RecordEmpty,
    /// A record of a content type that is not taken.
    ContentTypeUnknown,
    /// A record that is compressed in a way that is not taken.
    EncodingUnknown,
    /// A record that cannot be inflated.
    BodyDamaged,
    /// A record that is larger than the setting allows, before or after inflation.
    BodyTooLarge,
}

impl Refusal {
    /// Every reason; the index is the discriminant.
    pub const ALL: [Self; 10] = [
        Self::TooOld,
        Self::TooNew,
        Self::SeriesLimit,
        Self::NotDurable,
        Self::DecoderPanicked,
        Self::RecordEmpty,
        Self::ContentTypeUnknown,
        Self::EncodingUnknown,
        Self::BodyDamaged,
        Self::BodyTooLarge,
    ];

    /// The label value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooOld => "too-old",
            Self::TooNew => "too-new",
            Self::SeriesLimit => "series-limit",
            Self::NotDurable => "not-durable",
            Self::DecoderPanicked => "decoder-panicked",
            Self::RecordEmpty => "record-empty",
            Self::ContentTypeUnknown => "content-type-unknown",
            Self::EncodingUnknown => "encoding-unknown",
            Self::BodyDamaged => "body-damaged",
            Self::BodyTooLarge => "body-too-large",
        }
    }
}

const FAULTS: usize = SampleFault::ALL.len();
const REFUSALS: usize = Refusal::ALL.len();

/// The account of one request.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// Samples that a rule looked at.
    pub applied: u64,
    /// Samples of series that no rule matches.
    pub unmatched: u64,
    /// Changes of band that its samples showed for the first time.
    pub band_changes: u64,
    faults: [u64; FAULTS],
    refusals: [u64; REFUSALS],
}

impl Account {
    /// Adds samples that could not be read.
    pub fn add_fault(&mut self, fault: SampleFault, samples: u64) {
        for (known, count) in SampleFault::ALL.iter().zip(&mut self.faults) {
            if *known == fault {
                *count = count.saturating_add(samples);
            }
        }
    }

    /// Adds samples that were not taken.
    pub fn add_refusal(&mut self, refusal: Refusal, samples: u64) {
        for (known, count) in Refusal::ALL.iter().zip(&mut self.refusals) {
            if *known == refusal {
                *count = count.saturating_add(samples);
            }
        }
    }

    /// How many were not taken for that reason.
    #[must_use]
    pub fn refused(&self, refusal: Refusal) -> u64 {
        let counts = Refusal::ALL.iter().zip(&self.refusals);
        counts.filter(|(known, _)| **known == refusal).map(|(_, count)| *count).sum()
    }

    /// Everything that came.
    #[must_use]
    pub fn received(&self) -> u64 {
        let rejected = self.faults.iter().chain(&self.refusals).copied();
        rejected.fold(self.applied.saturating_add(self.unmatched), u64::saturating_add)
    }

    /// What was taken note of comes to nothing: it was not durable.
    pub fn lose(&mut self) {
        let taken = self.applied.saturating_add(self.unmatched);
        (self.applied, self.unmatched) = (0, 0);
        self.add_refusal(Refusal::NotDurable, taken);
    }
}

/// The accounts of a protocol, as `/metrics` shows them.
#[derive(Debug, Default)]
struct Sums {
    received: AtomicU64,
    applied: AtomicU64,
    unmatched: AtomicU64,
    faults: [AtomicU64; FAULTS],
    refusals: [AtomicU64; REFUSALS],
}

/// All accounts.
#[derive(Debug, Default)]
pub struct SampleCounters {
    by_protocol: [Sums; Protocol::ALL.len()],
    band_changes: AtomicU64,
    bodies_refused: AtomicU64,
    alarms_shared: AtomicU64,
    rules_cut: AtomicU64,
}

/// What a protocol brought, at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Everything.
    pub received: u64,
    /// What a rule looked at.
    pub applied: u64,
    /// What no rule matches.
    pub unmatched: u64,
    /// What was not taken, by reason; every reason is there.
    pub rejected: Vec<(&'static str, u64)>,
}

impl SampleCounters {
    /// Hands in the account of a request.
    pub fn add(&self, protocol: Protocol, account: &Account) {
        let places = Protocol::ALL.iter().zip(&self.by_protocol);
        for (_, sums) in places.filter(|(known, _)| **known == protocol) {
            sums.received.fetch_add(account.received(), Ordering::Relaxed);
            sums.applied.fetch_add(account.applied, Ordering::Relaxed);
            sums.unmatched.fetch_add(account.unmatched, Ordering::Relaxed);
            let counts = account.faults.iter().chain(&account.refusals);
            for (sum, count) in sums.faults.iter().chain(&sums.refusals).zip(counts) {
                if *count > 0 {
                    sum.fetch_add(*count, Ordering::Relaxed);
                }
            }
        }
        self.band_changes.fetch_add(account.band_changes, Ordering::Relaxed);
    }

    /// A body was refused before its samples could be counted.
    pub fn refuse_body(&self) {
        self.bodies_refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Bodies that were refused before their samples could be counted.
    #[must_use]
    pub fn bodies_refused(&self) -> u64 {
        self.bodies_refused.load(Ordering::Relaxed)
    }

    /// A series means an alarm that another one means by the same rule; gives how many do.
    pub fn share_alarm(&self) -> u64 {
        self.alarms_shared.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    /// Series that mean an alarm which another one means by the same rule.
    #[must_use]
    pub fn alarms_shared(&self) -> u64 {
        self.alarms_shared.load(Ordering::Relaxed)
    }

    /// So many rules do not look at a series, for there are too many.
    pub fn cut_rules(&self, rules: u64) {
        self.rules_cut.fetch_add(rules, Ordering::Relaxed);
    }

    /// Rules that do not look at a series, for there are too many, summed over all series.
    #[must_use]
    pub fn rules_cut(&self) -> u64 {
        self.rules_cut.load(Ordering::Relaxed)
    }

    /// Changes of band, each counted when a sample showed it first.
    #[must_use]
    pub fn band_changes(&self) -> u64 {
        self.band_changes.load(Ordering::Relaxed)
    }

    /// What each protocol brought.
    pub fn shown(&self) -> impl Iterator<Item = (Protocol, Shown)> {
        Protocol::ALL.into_iter().zip(&self.by_protocol).map(|(protocol, sums)| {
            let of = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
            let names = SampleFault::ALL.iter().map(|fault| fault.as_str());
            let names = names.chain(Refusal::ALL.iter().map(|refusal| refusal.as_str()));
            let counts = sums.faults.iter().chain(&sums.refusals).map(of);
            let shown = Shown {
                received: of(&sums.received),
                applied: of(&sums.applied),
                unmatched: of(&sums.unmatched),
                rejected: names.zip(counts).collect(),
            };
            (protocol, shown)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_is_still_accounted_for() {
        let mut account =
            Account { applied: 3, unmatched: 4, band_changes: 1, ..Account::default() };
        account.add_fault(SampleFault::NotUtf8, 2);
        account.add_refusal(Refusal::TooOld, 5);
        assert_eq!(account.received(), 14);
        account.lose();
        assert_eq!((account.received(), account.refused(Refusal::NotDurable)), (14, 7));
        let counters = SampleCounters::default();
        counters.add(Protocol::Otlp, &account);
        let (_, shown) = counters.shown().find(|(known, _)| *known == Protocol::Otlp).unwrap();
        let rejected: u64 = shown.rejected.iter().map(|(_, count)| count).sum();
        assert_eq!((shown.received, shown.applied, shown.unmatched, rejected), (14, 0, 0, 14));
        assert!(shown.rejected.contains(&("not-utf8", 2)));
        assert_eq!(counters.band_changes(), 1, "it is not one again when it is sent again");
    }
}
