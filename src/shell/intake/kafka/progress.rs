//! How far each partition got in one round: the records that are durable from its beginning
//! without a gap, and the first that has to be read again.

use std::collections::BTreeMap;

/// The partitions of a round.
#[derive(Debug, Default)]
pub(super) struct Progress {
    by_partition: BTreeMap<(String, i32), Reached>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Reached {
    next: Option<i64>,
    again: Option<i64>,
}

impl Progress {
    /// Notes what became of a record; those of a partition come in their order.
    pub(super) fn note(&mut self, topic: &str, partition: i32, offset: i64, is_durable: bool) {
        let reached = self.by_partition.entry((topic.to_owned(), partition)).or_default();
        if reached.again.is_some() {
            return;
        }
        if is_durable {
            reached.next = Some(offset.saturating_add(1));
        } else {
            reached.again = Some(offset);
        }
    }

    /// Where each partition goes on: what is before it is durable.
    pub(super) fn next(&self) -> impl Iterator<Item = (&str, i32, i64)> {
        self.by_partition.iter().filter_map(|((topic, partition), reached)| {
            Some((topic.as_str(), *partition, reached.next?))
        })
    }

    /// What has to be read again, from there on.
    pub(super) fn again(&self) -> impl Iterator<Item = (&str, i32, i64)> {
        self.by_partition.iter().filter_map(|((topic, partition), reached)| {
            Some((topic.as_str(), *partition, reached.again?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_behind_a_record_that_is_not_durable_counts() {
        let mut progress = Progress::default();
        for (partition, offset, is_durable) in
            [(0, 5, true), (1, 9, false), (0, 7, true), (1, 10, true), (0, 8, false), (0, 9, true)]
        {
            progress.note("t", partition, offset, is_durable);
        }
        assert_eq!(progress.next().collect::<Vec<_>>(), [("t", 0, 8)]);
        assert_eq!(progress.again().collect::<Vec<_>>(), [("t", 0, 8), ("t", 1, 9)]);
    }
}
