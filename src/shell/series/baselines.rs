//! Every baseline: bounded, shared by the series that hold them, and kept in a file over restarts.
//!
//! In: the alarm that a rule means, and what the rule learns of. Out: what was learnt of it. A
//! series that is forgotten leaves its baseline here; it is forgotten too when nothing was heard of
//! it for five weeks. At the bound a new series gets none: its rule then says nothing of it.

use crate::classify::{BaselineRule, News};
use crate::model::limits::BASELINES_MAX;
use crate::model::time::Timestamp;
use crate::shell::series::baseline::{Baseline, hour_since_1970};
use crate::shell::series::baseline_file::{self, Key, Learnt};
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use jiff::tz::TimeZone;
use sha2::{Digest as _, Sha256};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Hours without a value after which a baseline is forgotten.
const KEPT_H: u32 = 35 * 24;

/// Held by every series of the alarm.
pub(super) type SharedBaseline = Arc<Mutex<Baseline>>;

/// What is usual for a series by one rule, and how the newest number looks beside it.
pub(super) struct Usual {
    baseline: SharedBaseline,
    zone: TimeZone,
    value: f64,
    expected: Option<f64>,
}

/// All of them.
pub(super) struct Baselines {
    by_key: DashMap<Key, SharedBaseline>,
    file: Option<PathBuf>,
    /// One writes at a time.
    saving: Mutex<()>,
    max: usize,
    refused: AtomicU64,
    file_errors: AtomicU64,
}

impl Usual {
    /// Nothing came yet. Hours are those of the zone.
    pub(super) fn new(baseline: SharedBaseline, zone: TimeZone) -> Self {
        Self { baseline, zone, value: 0.0, expected: None }
    }

    /// The number beside what is usual.
    pub(super) fn look(&mut self, value: f64, at: Timestamp, rule: &BaselineRule) -> News {
        let mut baseline = self.baseline.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = baseline.look(value, (at, &self.zone), rule);
        (self.value, self.expected) = (value, seen.expected);
        self.news(seen.spreads)
    }

    /// The newest number, which lies so many spreads from what is usual.
    pub(super) fn news(&self, spreads: f64) -> News {
        News::Deviation { spreads, value: self.value, expected: self.expected }
    }
}

impl Baselines {
    /// Those that the file holds; without a file nothing outlasts the run. A file that cannot be
    /// read is set aside, and everything is learnt anew.
    pub(super) fn load(file: Option<PathBuf>, max: usize) -> Self {
        let all = Self {
            by_key: DashMap::new(),
            file,
            saving: Mutex::default(),
            max: max.min(BASELINES_MAX),
            refused: AtomicU64::new(0),
            file_errors: AtomicU64::new(0),
        };
        let Some(path) = &all.file else { return all };
        match baseline_file::read(path) {
            Ok(learnt) => {
                for Learnt { key, began_h, heard_h, week } in learnt.into_iter().take(all.max) {
                    let baseline = Baseline::known(began_h, heard_h, week);
                    all.by_key.insert(key, Arc::new(Mutex::new(baseline)));
                }
            }
            Err(error) => {
                all.file_errors.fetch_add(1, Ordering::Relaxed);
                let aside = baseline_file::set_aside(path);
                let aside =
                    aside.map_or_else(|error| error.to_string(), |to| to.display().to_string());
                tracing::error!(
                    %error, file = %path.display(), set_aside = aside,
                    "what was learnt of series cannot be read; it is learnt anew"
                );
            }
        }
        all
    }

    /// The baseline of an alarm by a rule, told by texts; `None` when there are too many.
    pub(super) fn of(&self, texts: &[&str]) -> Option<SharedBaseline> {
        let key = key_of(texts);
        if let Some(known) = self.by_key.get(&key) {
            return Some(Arc::clone(&known));
        }
        // Several at once may go beyond by as many as there are threads.
        if self.by_key.len() >= self.max {
            let refused = self.refused.fetch_add(1, Ordering::Relaxed).saturating_add(1);
            if refused.is_power_of_two() {
                let (max, alarm) = (self.max, format!("{texts:?}"));
                tracing::error!(refused, max, alarm, "too many baselines: no more is learnt");
            }
            return None;
        }
        Some(match self.by_key.entry(key) {
            Entry::Occupied(known) => Arc::clone(known.get()),
            Entry::Vacant(place) => Arc::clone(&place.insert(Arc::default())),
        })
    }

    /// Forgets what was not heard for long, and writes the others down.
    pub(super) fn save(&self, now: Timestamp) {
        let now_h = hour_since_1970(now);
        self.by_key.retain(|_, baseline| {
            let is_held = Arc::strong_count(baseline) > 1;
            let heard_h = baseline.lock().unwrap_or_else(PoisonError::into_inner).heard_h;
            is_held || now_h < heard_h.saturating_add(KEPT_H)
        });
        let Some(path) = &self.file else { return };
        let _only_one = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        let known: Vec<(Key, SharedBaseline)> =
            self.by_key.iter().map(|entry| (*entry.key(), Arc::clone(entry.value()))).collect();
        let learnt = known.iter().map(|(key, baseline)| {
            let baseline = baseline.lock().unwrap_or_else(PoisonError::into_inner);
            let (began_h, heard_h) = (baseline.began_h, baseline.heard_h);
            Learnt { key: *key, began_h, heard_h, week: baseline.week.clone() }
        });
        if let Err(error) = baseline_file::write(path, learnt) {
            self.file_errors.fetch_add(1, Ordering::Relaxed);
            let file = path.display().to_string();
            tracing::error!(%error, file, "what was learnt of series cannot be written");
        }
    }

    /// How many there are.
    pub(super) fn known(&self) -> u64 {
        u64::try_from(self.by_key.len()).unwrap_or(u64::MAX)
    }

    /// Series that got none, since there are too many.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Times that the file could not be read or written.
    pub(super) fn file_errors(&self) -> u64 {
        self.file_errors.load(Ordering::Relaxed)
    }
}

/// The same in every run.
fn key_of(texts: &[&str]) -> Key {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update(text.as_bytes());
        hash.update([0xff]);
    }
    let whole: [u8; 32] = hash.finalize().into();
    whole.first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::BaselineRule;
    use crate::model::time::NS_PER_S;
    use crate::shell::series::baseline::Seen;
    use jiff::tz::TimeZone;

    fn rule() -> BaselineRule {
        BaselineRule {
            learn_for_h: 168,
            spread_min: 0.5,
            spread_min_share: 0.0,
            is_by_site: false,
            subject: String::new(),
        }
    }

    fn at(hour: i64) -> Timestamp {
        Timestamp((490_824 + hour) * 3_600 * NS_PER_S)
    }

    fn scratch(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("vigie-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).expect("a folder");
        dir
    }

    fn look(all: &Baselines, value: f64, hour: i64) -> Seen {
        let baseline = all.of(&["rule", "pe1"]).expect("room");
        let mut baseline = baseline.lock().expect("not poisoned");
        baseline.look(value, (at(hour), &TimeZone::UTC), &rule())
    }

    const LEARNT: Seen = Seen { spreads: 10.0, expected: Some(10.0) };

    #[test]
    fn what_was_learnt_outlasts_a_restart_and_a_damaged_file_does_not_stop_anything() {
        let dir = scratch("baselines");
        let path = dir.join("baselines");
        let all = Baselines::load(Some(path.clone()), 10);
        for hour in 0..300 {
            look(&all, 10.0, hour);
        }
        assert_eq!(look(&all, 15.0, 300), LEARNT);
        all.save(at(300));
        let again = Baselines::load(Some(path.clone()), 10);
        assert_eq!((again.known(), again.file_errors()), (1, 0));
        assert_eq!(look(&again, 15.0, 301), LEARNT, "nothing was forgotten");
        let mut bytes = std::fs::read(&path).expect("a file");
        bytes[100] ^= 1;
        std::fs::write(&path, bytes).expect("written");
        let damaged = Baselines::load(Some(path.clone()), 10);
        assert_eq!((damaged.known(), damaged.file_errors()), (0, 1));
        assert_eq!(look(&damaged, 15.0, 302).expected, None, "it is learnt anew");
        assert!(!path.exists() && dir.join("baselines.damaged").exists());
        damaged.save(at(302));
        assert_eq!(Baselines::load(Some(path), 10).known(), 1);
        let nowhere = Baselines::load(Some(dir.join("no/such/folder/file")), 10);
        nowhere.save(at(0));
        assert_eq!(nowhere.file_errors(), 1, "counted, and no more");
        std::fs::remove_dir_all(&dir).expect("it can be removed");
    }

    #[test]
    fn at_the_bound_there_is_none_until_one_is_forgotten() {
        let all = Baselines::load(None, 2);
        look(&all, 1.0, 0);
        let other = all.of(&["rule", "pe2"]).expect("room");
        assert!(all.of(&["rule", "pe3"]).is_none() && all.of(&["rule", "pe1"]).is_some());
        all.save(at(34 * 24));
        assert_eq!((all.known(), all.refused()), (2, 1));
        all.save(at(36 * 24));
        assert_eq!(all.known(), 1, "one is held by a series");
        drop(other);
        assert!(all.of(&["rule", "pe3"]).is_some());
    }
}
