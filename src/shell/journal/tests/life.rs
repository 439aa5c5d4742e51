//! A journal from its first record to the retirement of its segments.

use super::*;
use crate::shell::journal::{Waited, verify};
use std::time::Duration;

#[test]
fn empty_folder_is_a_new_journal() {
    let disk = FaultDisk::new(1);
    let (mut journal, recovery) = open(&disk);
    assert!(recovery.created);
    assert_eq!(recovery.last, None);
    assert_eq!(journal.next_position(), 1);
    assert_eq!(read_folder(&disk, 0).0, []);
    commit(&mut journal, 1, 1);
    journal.close().expect("works");
    let (_, again) = open(&disk);
    assert!(!again.created);
    assert_eq!(again.journal_uuid, recovery.journal_uuid);
    assert_eq!(again.last, Some((1, at(1))));
}

#[test]
fn commit_is_one_write() {
    let disk = FaultDisk::new(1);
    let (mut journal, _) = open(&disk);
    commit(&mut journal, 1, 1);
    let before = disk.calls().len();
    commit(&mut journal, 3, 1);
    assert_eq!(disk.calls().len() - before, 2, "a write and a sync");
}

#[test]
fn reader_stops_at_the_durable_end_and_goes_on() {
    let disk = FaultDisk::new(1);
    let (mut journal, _) = open(&disk);
    let mut live = journal.reader(1);
    let mut folder = read_from(DIR, shared(&disk), 0);
    let mut expected = 0;
    for round in 0..40 {
        let position = journal.next_position();
        journal.append(at(position), Kind::Event, &[b"pending"]).expect("room");
        assert!(live.next().expect("sound").is_none(), "not committed yet");
        assert!(folder.next().expect("sound").is_none());
        journal.commit().expect("works");
        commit(&mut journal, round % 3, 1);
        while expected < journal.written() {
            expected += 1;
            assert_eq!(live.next().expect("sound").map(|one| one.position), Some(expected));
            assert_eq!(folder.next().expect("sound").map(|one| one.position), Some(expected));
        }
        assert!(live.next().expect("sound").is_none());
        assert!(folder.next().expect("sound").is_none());
    }
    assert!(segments(&disk).len() > 3, "segments were changed on the way");
    for from in 1..=expected {
        let first = journal.reader(from).next().expect("sound").map(|one| one.position);
        assert_eq!(first, Some(from));
    }
    assert!(journal.reader(expected + 1).next().expect("sound").is_none());
}

#[test]
fn retired_segments_leave_their_links_of_the_chain() {
    let disk = FaultDisk::new(1);
    let (mut journal, _) = open(&disk);
    for _ in 0..20 {
        commit(&mut journal, 2, 1);
    }
    let whole = verify(DIR, shared(&disk)).expect("readable");
    let mut under_way = journal.reader(1);
    assert_eq!(under_way.next().expect("sound").map(|one| one.position), Some(1));
    let retirement = journal.retirement();
    assert_eq!(retirement.retire(1).expect("works").segments, 0);
    let retired = retirement.retire(21).expect("works");
    assert!(retired.segments >= 2 && retired.first <= 21, "{retired:?}");
    assert!(under_way.next().expect("an open segment stays").is_some());

    let report = verify(DIR, shared(&disk)).expect("readable");
    assert_eq!(report.problems, []);
    assert_eq!((report.retired, report.root), (retired.segments, whole.root));
    assert_eq!(report.first, retired.first);
    let error = journal.reader(1).next().expect_err("gone");
    assert!(matches!(error, ReadError::Retired { from: 1, first } if first == retired.first));
    let (records, errors) = read_folder(&disk, 0);
    assert!(errors.is_empty());
    assert_eq!(records.first().map(|(position, _)| *position), Some(retired.first));

    journal.retirement().retire(u64::MAX).expect("works");
    assert_eq!(segments(&disk).len(), 1, "the newest stays");
    commit(&mut journal, 1, 1);
    drop(journal);
    let (journal, recovery) = open(&disk.after_power_cut());
    assert_eq!(recovery.last, Some((41, at(41))));
    assert_eq!(journal.next_position(), 42);

    let link = Path::new(DIR).join("retired/00000000000000000001.seg");
    let mut bytes = disk.content(&link).expect("kept");
    bytes[300] ^= 1;
    disk.put(&link, &bytes);
    assert!(!verify(DIR, shared(&disk)).expect("readable").problems.is_empty());
}

#[test]
fn retirement_leaves_as_many_bytes_as_it_was_told_to() {
    let disk = FaultDisk::new(1);
    let options = Options { retain_bytes: 3_000, ..options(&Arc::default()) };
    let (mut journal, _) = Journal::open(options, shared(&disk)).expect("opens");
    for _ in 0..30 {
        commit(&mut journal, 2, 1);
    }
    let before = segments(&disk).len();
    let retired = journal.retirement().retire(u64::MAX).expect("works");
    let kept: usize =
        segments(&disk).iter().map(|path| disk.content(path).expect("there").len()).sum();
    assert!(retired.segments > 0 && segments(&disk).len() < before);
    assert!((1_500..=3_000).contains(&kept), "{kept}");
}

#[test]
fn retirement_cut_at_every_call_can_be_done_again() {
    use crate::shell::journal::fault_disk::Fault;
    for call in 0..24 {
        let disk = FaultDisk::new(call + 1);
        let (mut journal, _) = open(&disk);
        for _ in 0..12 {
            commit(&mut journal, 2, 1);
        }
        disk.plan(usize::try_from(call).expect("small"), Fault::PowerCut);
        drop(journal.retirement().retire(20));
        drop(journal);
        let disk = disk.after_power_cut();
        let (journal, recovery) = open(&disk);
        assert_eq!(recovery.corruptions, []);
        assert_eq!(recovery.last.map(|(last, _)| last), Some(24));
        journal.retirement().retire(20).expect("again");
        assert_eq!(verify(DIR, shared(&disk)).expect("readable").problems, [], "call {call}");
    }
}

#[test]
fn old_segments_are_not_read_when_a_snapshot_covers_them() {
    let disk = FaultDisk::new(1);
    let (mut journal, _) = open(&disk);
    for _ in 0..12 {
        commit(&mut journal, 2, 1);
    }
    drop(journal);
    let path = segments(&disk).remove(0);
    let mut bytes = disk.content(&path).expect("there");
    bytes[300] ^= 1;
    disk.put(&path, &bytes);
    let options = Options { check_from: 20, ..options(&Arc::default()) };
    let (_, recovery) = Journal::open(options, shared(&disk)).expect("opens");
    assert_eq!(recovery.corruptions, []);
}

#[test]
fn the_disk_is_hurried_when_somebody_waits_also_for_what_was_written_before() {
    const PATIENCE: Duration = Duration::from_secs(30);
    let disk = FaultDisk::new(1);
    let slow = Options {
        sync: SyncMode::Thread,
        sync_interval_ms: 0,
        sync_unhurried_ms: 31_536_000_000,
        segment_bytes: 1 << 20,
        ..options(&Arc::default())
    };
    let (mut journal, _) = Journal::open(slow, shared(&disk)).expect("opens");
    let durable = journal.durable();
    commit(&mut journal, 2, 1);
    commit(&mut journal, 1, 1);
    assert_eq!(durable.position(), 0, "nobody waits");
    // Nothing is added: what somebody waits for was written before.
    journal.hurry();
    journal.commit().expect("works");
    assert_eq!(durable.wait_for(3, PATIENCE), Waited::Durable);
    commit(&mut journal, 1, 1);
    assert_eq!(durable.position(), 3, "nobody waits any more");
    journal.hurry();
    commit(&mut journal, 1, 1);
    assert_eq!(durable.wait_for(5, PATIENCE), Waited::Durable);
}
