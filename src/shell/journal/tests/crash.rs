//! The power is cut at every call and at every byte.

use super::*;
use crate::shell::journal::fault_disk::Fault;
use crate::shell::journal::{AppendError, Waited, verify};
use proptest::prelude::*;
use std::time::Duration;

/// What a run promised.
#[derive(Default, Debug, Clone)]
struct Promise {
    /// Everything that was appended, by position.
    appended: Vec<Vec<u8>>,
    /// Last position reported durable.
    durable: u64,
    /// Positions at which a commit ended.
    commit_ends: Vec<u64>,
}

/// Appends commits until the disk fails or all are done.
fn run(disk: &FaultDisk, promise: &mut Promise, commits: u64, generation: u8) -> u64 {
    let failures = Arc::default();
    let Ok((mut journal, recovery)) = Journal::open(options(&failures), shared(disk)) else {
        return 0;
    };
    let last = recovery.last.map_or(0, |(last, _)| last);
    check(disk, promise, last);
    assert_eq!(recovery.corruptions, [], "a crash is no corruption");
    promise.appended.truncate(usize::try_from(last).expect("small"));
    promise.commit_ends.retain(|end| *end <= last);
    for commit in 0..commits {
        for _ in 0..=commit % 3 {
            let position = journal.next_position();
            let bytes = payload(position, generation);
            if journal.append(at(position), Kind::Event, &[&bytes]).is_err() {
                break;
            }
            promise.appended.push(bytes);
        }
        promise.commit_ends.push(journal.next_position() - 1);
        let result = journal.commit();
        promise.durable = promise.durable.max(journal.durable().position());
        if result.is_err() {
            break;
        }
    }
    if journal.close().is_ok() {
        promise.durable = u64::try_from(promise.appended.len()).expect("small");
    }
    failures.load(Ordering::Relaxed)
}

/// What recovery left is what was appended, up to the end of a commit, and all that was durable.
fn check(disk: &FaultDisk, promise: &Promise, last: u64) {
    assert!(last >= promise.durable, "durable {} recovered {last}", promise.durable);
    assert!(last == 0 || promise.commit_ends.contains(&last), "half a commit: {last}");
    let (records, errors) = read_folder(disk, 0);
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(u64::try_from(records.len()).expect("small"), last, "holes or duplicates");
    for ((position, bytes), expected) in records.iter().zip(&promise.appended) {
        assert_eq!(bytes, expected, "record {position}");
    }
    let report = verify(DIR, shared(disk)).expect("readable");
    assert_eq!(report.problems, []);
    assert_eq!(report.last, last);
}

#[test]
fn power_cut_at_every_call_loses_nothing_durable() {
    for seed in 0..6 {
        for call in 0.. {
            let disk = FaultDisk::new(seed * 1_000 + 1);
            disk.plan(call, Fault::PowerCut);
            let mut promise = Promise::default();
            run(&disk, &mut promise, 14, 1);
            let is_past_end = disk.calls().len() <= call;
            // A second cut in the middle of recovery and of what follows.
            let again = disk.after_power_cut();
            again.plan(call % 11, Fault::PowerCut);
            run(&again, &mut promise, 5, 2);
            let last = again.after_power_cut();
            run(&last, &mut promise, 5, 3);
            run(&last.after_power_cut(), &mut promise, 0, 4);
            if is_past_end {
                assert!(call > 40, "the workload is too small: {call}");
                break;
            }
        }
    }
}

#[test]
fn failed_call_stops_the_journal_and_the_file_is_never_written_again() {
    for call in 0.. {
        let disk = FaultDisk::new(7);
        disk.plan(call, Fault::Error);
        let mut promise = Promise::default();
        let failures = run(&disk, &mut promise, 14, 1);
        if disk.calls().len() <= call {
            break;
        }
        assert!(failures <= 1, "told once");
        // The process restarts, the machine does not: reads still show what the sync lost.
        let before: Vec<_> = segments(&disk);
        run(&disk, &mut promise, 6, 2);
        assert!(segments(&disk).len() >= before.len());
        // Then the power goes: only what is really on the disk counts.
        run(&disk.after_power_cut(), &mut promise, 3, 3);
    }
}

#[test]
fn failed_sync_is_told_and_nothing_is_taken_any_more() {
    let disk = FaultDisk::new(1);
    let failures = Arc::default();
    let (mut journal, _) = Journal::open(options(&failures), shared(&disk)).expect("opens");
    commit(&mut journal, 2, 1);
    journal.append(at(3), Kind::Event, &[b"lost"]).expect("room");
    disk.plan(1, Fault::Error);
    assert_eq!(journal.commit(), Err(AppendError::Failed));
    assert_eq!(failures.load(Ordering::Relaxed), 1);
    assert_eq!(journal.append(at(4), Kind::Event, &[b"x"]), Err(AppendError::Failed));
    assert_eq!(journal.commit(), Err(AppendError::Failed));
    let durable = journal.durable();
    assert_eq!(durable.position(), 2);
    assert_eq!(durable.wait_for(3, Duration::from_secs(60)), Waited::Failed);
    let calls = disk.calls().len();
    drop(journal);
    assert_eq!(disk.calls().len(), calls, "not one more call on the failed file");
}

#[test]
fn failed_sync_on_the_thread_wakes_whoever_waits() {
    let disk = FaultDisk::new(1);
    let failures = Arc::default();
    let options = Options { sync: SyncMode::Thread, ..options(&failures) };
    let (mut journal, _) = Journal::open(options, shared(&disk)).expect("opens");
    commit(&mut journal, 2, 1);
    let durable = journal.durable();
    assert_eq!(durable.wait_for(2, Duration::from_secs(60)), Waited::Durable);
    disk.plan(1, Fault::Error);
    journal.append(at(3), Kind::Event, &[b"lost"]).expect("room");
    journal.commit().expect("written, not yet synced");
    assert_eq!(durable.wait_for(3, Duration::from_secs(60)), Waited::Failed);
    assert_eq!(journal.append(at(4), Kind::Event, &[b"x"]), Err(AppendError::Failed));
    assert_eq!(journal.close(), Err(AppendError::Failed));
    assert_eq!(failures.load(Ordering::Relaxed), 1);
    let (_, recovery) = open(&disk.after_power_cut());
    assert_eq!(recovery.last, Some((2, at(2))));
}

#[test]
fn the_word_of_the_kernel_is_enough_where_it_is_asked_for() {
    let disk = FaultDisk::new(1);
    let options = options(&Arc::default()).trusting_the_kernel();
    let never = Options {
        sync_interval_ms: 31_536_000_000,
        sync_unhurried_ms: 31_536_000_000,
        segment_bytes: 1 << 20,
        ..options
    };
    let (mut journal, _) = Journal::open(never, shared(&disk)).expect("opens");
    let durable = journal.durable();
    commit(&mut journal, 2, 1);
    commit(&mut journal, 3, 1);
    assert_eq!(durable.position(), 5, "a commit counts once it is written");
    assert_eq!(durable.synced(), 0, "no sync was waited for");
    let (_, killed) = open(&copy_of(&disk));
    assert_eq!(killed.last, Some((5, at(5))), "the death of the process costs nothing");
    let (_, cut) = open(&disk.after_power_cut());
    assert_eq!(cut.corruptions, [], "a power cut may cost what was not synced; it is no damage");
}

#[test]
fn failed_write_is_told() {
    let disk = FaultDisk::new(1);
    let failures = Arc::default();
    let (mut journal, _) = Journal::open(options(&failures), shared(&disk)).expect("opens");
    commit(&mut journal, 2, 1);
    journal.append(at(3), Kind::Event, &[b"lost"]).expect("room");
    disk.plan(0, Fault::Error);
    assert_eq!(journal.commit(), Err(AppendError::Failed));
    assert_eq!(failures.load(Ordering::Relaxed), 1);
    assert_eq!(journal.durable().position(), 2);
}

#[test]
fn tail_cut_at_every_byte_ends_at_a_whole_commit() {
    let disk = FaultDisk::new(3);
    let mut promise = Promise::default();
    {
        let (mut journal, _) = open(&disk);
        for count in [1, 3, 2, 1] {
            commit(&mut journal, count, 1);
            promise.commit_ends.push(journal.written());
        }
        promise.appended = (1..=journal.written()).map(|position| payload(position, 1)).collect();
    }
    let path = segments(&disk).pop().expect("a segment");
    let whole = disk.content(&path).expect("there");
    for zeros in [0, 4096] {
        for length in 0..=whole.len() {
            let cut = copy_of(&disk);
            let mut bytes = whole[..length].to_vec();
            bytes.resize(length + zeros, 0);
            cut.put(&path, &bytes);
            if length < 256 {
                let opened = Journal::open(options(&Arc::default()), shared(&cut));
                let (_, recovery) = opened.expect("a torn header is no error");
                if length < 128 && zeros == 0 {
                    assert_eq!(recovery.truncated_segments, 1, "length {length}");
                    assert_eq!(recovery.last, Some((6, at(6))));
                }
                continue;
            }
            let mut promise = promise.clone();
            run(&cut, &mut promise, 3, 2);
            run(&cut.after_power_cut(), &mut promise, 0, 3);
        }
    }
}

#[test]
fn a_name_that_was_not_made_lasting_is_made_so_before_it_is_believed() {
    let disk = FaultDisk::new(1_240);
    let mut promise = Promise::default();
    // The sync of a commit fails, then that of the folder when the copy of its segment has got the
    // name, then the making of the next segment.
    for (generation, call) in (1..).zip([9, 7, 1]) {
        disk.plan(call, Fault::Error);
        run(&disk, &mut promise, 6, generation);
    }
    run(&disk.after_power_cut(), &mut promise, 0, 100);
    assert!(promise.durable >= 3, "the commit whose sync failed was there in the end");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_cuts_keeps_the_promise(
        seed in 1_u64..1_000_000,
        cuts in proptest::collection::vec((0_usize..60, 1_u64..12), 1..6),
    ) {
        let mut disk = FaultDisk::new(seed);
        let mut promise = Promise::default();
        for (generation, (call, commits)) in (1..).zip(cuts) {
            disk.plan(call, Fault::PowerCut);
            run(&disk, &mut promise, commits, generation);
            disk = disk.after_power_cut();
        }
        run(&disk, &mut promise, 1, 99);
        run(&disk.after_power_cut(), &mut promise, 0, 100);
    }

    #[test]
    fn any_error_then_a_cut_keeps_the_promise(
        seed in 1_u64..1_000_000,
        faults in proptest::collection::vec((0_usize..40, 0_u8..3), 1..5),
    ) {
        let mut disk = FaultDisk::new(seed);
        let mut promise = Promise::default();
        for (generation, (call, fault)) in (1..).zip(faults) {
            let fault = match fault {
                0 => Fault::Error,
                1 => Fault::Short,
                _ => Fault::PowerCut,
            };
            disk.plan(call, fault);
            run(&disk, &mut promise, 6, generation);
            if fault == Fault::PowerCut {
                disk = disk.after_power_cut();
            }
        }
        run(&disk.after_power_cut(), &mut promise, 0, 100);
    }
}
