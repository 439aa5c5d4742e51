//! Whether records could come: what librdkafka tells of brokers and group, and what became of it.
//!
//! A source is well while a broker is connected, the group is settled, every topic exists and
//! nothing failed since the last look. It is failing when it has not been well for
//! [`FAILING_AFTER_NS`]: a rebalance or a broker that is started again is no alarm.

use crate::shell::clock;
use crate::shell::kafka_link;
use crate::shell::observe::limiter::Limiter;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::statistics::{Partition, Statistics};
use rdkafka::topic_partition_list::TopicPartitionList;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How long a source is not well before that is an alarm, ns.
const FAILING_AFTER_NS: u64 = 60_000_000_000;
/// Words of a trouble that are kept, bytes.
const WORDS_BYTES_MAX: usize = 300;

/// What is known of a source from outside.
#[derive(Debug)]
pub struct SourceStatus {
    /// When it was well last.
    well_at_ns: AtomicU64,
    /// Troubles since the last statistics.
    troubles: AtomicU64,
    /// Topics that the brokers do not know.
    missing: AtomicU64,
    /// Whether a broker is connected.
    is_connected: AtomicBool,
    /// What went wrong last.
    words: Mutex<String>,
    records: AtomicU64,
    bytes: AtomicU64,
    empty: AtomicU64,
    retries: AtomicU64,
    lag: AtomicU64,
}

impl Default for SourceStatus {
    fn default() -> Self {
        Self {
            well_at_ns: AtomicU64::new(clock::boot_ns()),
            troubles: AtomicU64::new(0),
            missing: AtomicU64::new(0),
            is_connected: AtomicBool::new(false),
            words: Mutex::new("no broker answers".to_owned()),
            records: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            empty: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            lag: AtomicU64::new(0),
        }
    }
}

impl SourceStatus {
    /// Whether no records could have come for a while.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.is_failing_at(clock::boot_ns())
    }

    fn is_failing_at(&self, now_ns: u64) -> bool {
        now_ns.saturating_sub(self.well_at_ns.load(Ordering::Relaxed)) >= FAILING_AFTER_NS
    }

    /// What went wrong last.
    #[must_use]
    pub fn words(&self) -> String {
        self.words.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Records whose samples were taken note of, or rejected for a reason.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    /// Bytes of those records.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Records that could be read and hold no sample.
    #[must_use]
    pub fn empty(&self) -> u64 {
        self.empty.load(Ordering::Relaxed)
    }

    /// Times that records were read again, since they were not durable.
    #[must_use]
    pub fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }

    /// Records of the partitions read here that were not committed when it was told last.
    #[must_use]
    pub fn lag(&self) -> u64 {
        self.lag.load(Ordering::Relaxed)
    }

    pub(super) fn is_connected(&self) -> bool {
        self.is_connected.load(Ordering::Relaxed)
    }

    pub(super) fn count(&self, bytes: usize, is_empty: bool) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.records.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.empty.fetch_add(u64::from(is_empty), Ordering::Relaxed);
    }

    pub(super) fn count_retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// Something is wrong.
    pub(super) fn trouble(&self, words: &str) {
        self.troubles.fetch_add(1, Ordering::Relaxed);
        let mut end = words.len().min(WORDS_BYTES_MAX);
        while !words.is_char_boundary(end) {
            end = end.saturating_sub(1);
        }
        let mut kept = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clear();
        kept.push_str(words.get(..end).unwrap_or_default());
    }

    /// So many topics are not there.
    pub(super) fn miss(&self, topics: usize) {
        self.missing.store(u64::try_from(topics).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// What the statistics say of brokers and group.
    fn look(&self, (is_connected, is_settled): (bool, bool), lag: u64, now_ns: u64) {
        self.is_connected.store(is_connected, Ordering::Relaxed);
        self.lag.store(lag, Ordering::Relaxed);
        let troubles = self.troubles.swap(0, Ordering::Relaxed);
        let missing = self.missing.load(Ordering::Relaxed);
        if is_connected && is_settled && troubles == 0 && missing == 0 {
            self.well_at_ns.store(now_ns, Ordering::Relaxed);
        }
    }
}

/// What librdkafka tells.
pub(super) struct Notes {
    pub(super) source: Arc<str>,
    pub(super) status: Arc<SourceStatus>,
    pub(super) log_limiter: Limiter,
}

impl ClientContext for Notes {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        if !kafka_link::is_warning(level) {
            tracing::debug!(source = &*self.source, facility, line, "librdkafka");
        } else if let Some(suppressed) = self.log_limiter.pass(clock::boot_ns()) {
            tracing::warn!(source = &*self.source, facility, line, suppressed, "librdkafka");
        }
    }

    fn stats(&self, statistics: Statistics) {
        let is_connected = statistics.brokers.values().any(|broker| broker.state == "UP");
        let is_settled = statistics.cgrp.as_ref().is_some_and(|group| group.join_state == "steady");
        let partitions = statistics.topics.values().flat_map(|topic| topic.partitions.values());
        let lag = partitions.map(behind).fold(0, u64::saturating_add);
        self.status.look((is_connected, is_settled), lag, clock::boot_ns());
    }

    /// Errors come to the reader too, without these words.
    fn error(&self, error: KafkaError, reason: &str) {
        self.status.trouble(reason);
        if let Some(suppressed) = self.log_limiter.pass(clock::boot_ns()) {
            tracing::warn!(source = &*self.source, %error, reason, suppressed, "kafka");
        }
    }
}

/// How many records of a partition wait. Where none was ever taken note of, those from the next one
/// that is asked for.
fn behind(partition: &Partition) -> u64 {
    let waiting = if partition.consumer_lag_stored >= 0 {
        partition.consumer_lag_stored
    } else if partition.fetch_state == "active" {
        partition.hi_offset.saturating_sub(partition.next_offset)
    } else {
        0
    };
    u64::try_from(waiting).unwrap_or(0)
}

impl ConsumerContext for Notes {
    /// What is not committed is read again after a restart: worth knowing when it lasts.
    fn commit_callback(&self, committed: KafkaResult<()>, _offsets: &TopicPartitionList) {
        let Err(error) = committed else { return };
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::NoOffset) {
            return;
        }
        let words = kafka_link::words(&error);
        self.status.trouble(&words);
        if let Some(suppressed) = self.log_limiter.pass(clock::boot_ns()) {
            tracing::warn!(source = &*self.source, words, suppressed, "offsets not committed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_of_which_nothing_was_taken_note_of_is_behind_too() {
        let partition = |stored, state: &str, high, next| Partition {
            consumer_lag_stored: stored,
            fetch_state: state.to_owned(),
            hi_offset: high,
            next_offset: next,
            ..Partition::default()
        };
        assert_eq!(behind(&partition(3, "active", 20, 18)), 3);
        assert_eq!(behind(&partition(-1, "active", 20, 0)), 20);
        assert_eq!(behind(&partition(-1, "active", -1001, 0)), 0, "not known yet");
        assert_eq!(behind(&partition(-1, "none", 20, 0)), 0, "read by somebody else");
    }

    #[test]
    fn a_source_fails_after_a_minute_without_being_well() {
        let status = SourceStatus::default();
        let begun = clock::boot_ns();
        let after = |seconds: u64| begun + seconds * 1_000_000_000;
        assert!(!status.is_failing_at(after(59)) && status.is_failing_at(after(61)));
        status.look((true, true), 7, after(70));
        assert!(!status.is_failing_at(after(100)) && status.lag() == 7);
        status.look((true, false), 0, after(110));
        status.look((false, true), 0, after(120));
        assert!(status.is_failing_at(after(131)), "neither settled nor connected");
        status.trouble(&"é".repeat(400));
        assert!(status.words().len() <= WORDS_BYTES_MAX);
        status.look((true, true), 0, after(140));
        assert!(status.is_failing_at(after(141)), "something failed meanwhile");
        status.look((true, true), 0, after(145));
        assert!(!status.is_failing_at(after(146)));
        status.miss(1);
        status.look((true, true), 0, after(206));
        assert!(status.is_failing_at(after(206)), "a topic is not there");
    }
}
