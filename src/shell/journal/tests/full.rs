//! The disk is full, and then there is room again.

use super::*;
use crate::shell::journal::fault_disk::{Call, Fault};
use crate::shell::journal::{AppendError, verify};
use std::path::Path;

fn with_reserve(disk: &FaultDisk, reserve_bytes: u64) -> (Journal, Arc<AtomicU64>) {
    let failures = Arc::default();
    let options = Options { reserve_bytes, ..options(&failures) };
    let (journal, _) = Journal::open(options, shared(disk)).expect("opens");
    (journal, failures)
}

/// All records are there once and in order, also after a power cut.
fn assert_whole(disk: &FaultDisk, expected: &[Vec<u8>]) {
    let (records, errors) = read_folder(&disk.after_power_cut(), 0);
    assert!(errors.is_empty(), "{errors:?}");
    let read: Vec<_> = records.into_iter().map(|(_, bytes)| bytes).collect();
    assert_eq!(read, expected);
    assert_eq!(verify(DIR, shared(&disk.after_power_cut())).expect("readable").problems, []);
}

#[test]
fn refused_then_written_once_at_every_amount_of_room() {
    for room in (0..4_000).step_by(13) {
        let disk = FaultDisk::new(room + 1);
        let (mut journal, failures) = with_reserve(&disk, 0);
        disk.set_room(Some(room));
        let mut expected = Vec::new();
        let mut refused = 0;
        for round in 0..12_u8 {
            if round == 8 {
                disk.set_room(None);
                assert!(journal.commit().is_ok());
                journal.make_room();
            }
            let bytes = vec![round; 90];
            let position = journal.next_position();
            match journal.append(at(position), Kind::Event, &[&bytes]) {
                Ok(given) => {
                    assert_eq!(given, position);
                    expected.push(bytes);
                }
                Err(error) => {
                    assert_eq!(error, AppendError::Full);
                    assert_eq!(journal.next_position(), position, "no hole");
                    refused += 1;
                }
            }
            if journal.commit() == Err(AppendError::Full) {
                assert!(journal.is_full());
                assert!(journal.durable().position() < journal.next_position() - 1);
            }
        }
        assert!(refused > 0 || room > 500, "room {room}");
        assert_eq!(failures.load(Ordering::Relaxed), 0, "stay up");
        journal.close().expect("room again");
        assert_whole(&disk, &expected);
    }
}

#[test]
fn torn_write_is_taken_back_before_the_crash_sees_it() {
    let disk = FaultDisk::new(1);
    let (mut journal, _) = with_reserve(&disk, 0);
    commit(&mut journal, 2, 1);
    let path = segments(&disk).remove(0);
    let length = disk.content(&path).expect("there").len();
    journal.append(at(3), Kind::Event, &[&[7; 100]]).expect("room");
    disk.plan(0, Fault::Short);
    disk.plan(1, Fault::NoRoom);
    assert_eq!(journal.commit(), Err(AppendError::Full));
    assert_eq!(disk.content(&path).expect("there").len(), length);
    assert_eq!(journal.commit(), Ok(()));
    assert_whole(&disk, &[payload(1, 1), payload(2, 1), vec![7; 100]]);
}

#[test]
fn reserve_lets_priority_in_and_is_claimed_again() {
    let disk = FaultDisk::new(1);
    let (mut journal, failures) = with_reserve(&disk, 6_000);
    let mut expected = vec![payload(1, 1)];
    commit(&mut journal, 1, 1);
    disk.set_room(Some(disk.used()));
    let mut number = 0_u8;
    loop {
        number += 1;
        let bytes = vec![number; 100];
        let position = journal.next_position();
        journal.append(at(position), Kind::Event, &[&bytes]).expect("not yet full");
        expected.push(bytes);
        if journal.commit() == Err(AppendError::Full) {
            break;
        }
    }
    let position = journal.next_position();
    assert_eq!(journal.append(at(position), Kind::Event, &[b"no"]), Err(AppendError::Full));
    assert_eq!(journal.append_priority(at(position), Kind::Command, &[b"clear"]), Ok(position));
    expected.push(b"clear".to_vec());
    assert_eq!(journal.commit(), Ok(()));
    assert_eq!(journal.durable().position(), position, "durable although the disk is full");
    assert!(journal.is_full(), "others still wait");
    assert_eq!(journal.append(at(position + 1), Kind::Event, &[b"no"]), Err(AppendError::Full));
    assert!(!journal.make_room());
    disk.set_room(None);
    assert!(journal.make_room());
    commit(&mut journal, 1, 1);
    expected.push(payload(position + 1, 1));
    assert_eq!(failures.load(Ordering::Relaxed), 0);
    assert_whole(&disk, &expected);
}

#[test]
fn starts_on_a_full_disk_after_a_crash() {
    let disk = FaultDisk::new(1);
    let (mut journal, _) = with_reserve(&disk, 0);
    commit(&mut journal, 5, 1);
    drop(journal);
    disk.set_room(Some(disk.used()));
    let (mut journal, _) = with_reserve(&disk, 0);
    assert_eq!(journal.next_position(), 6);
    journal.append(at(6), Kind::Event, &[b"waits"]).expect("in memory");
    assert_eq!(journal.commit(), Err(AppendError::Full));
    disk.set_room(None);
    assert_eq!(journal.commit(), Ok(()));
    let mut expected: Vec<_> = (1..=5).map(|position| payload(position, 1)).collect();
    expected.push(b"waits".to_vec());
    assert_whole(&disk, &expected);
}

#[test]
fn memory_for_waiting_commits_is_bounded() {
    let disk = FaultDisk::new(1);
    let (mut journal, _) = with_reserve(&disk, 0);
    disk.fail_always(Some((Call::Write, Fault::NoRoom)));
    let big = vec![1; 1024 * 1024];
    let mut taken = 0;
    while journal.append_priority(at(taken + 1), Kind::Command, &[&big]).is_ok() {
        taken += 1;
        assert_eq!(journal.commit(), Err(AppendError::Full));
        assert!(taken < 10);
    }
    disk.fail_always(None);
    assert_eq!(journal.commit(), Ok(()));
    assert_eq!(journal.durable().position(), taken);
}

#[test]
fn too_large_is_refused_and_leaves_no_trace() {
    let disk = FaultDisk::new(1);
    let (mut journal, _) = with_reserve(&disk, 0);
    let half = vec![1; 600 * 1024];
    let error = journal.append(at(1), Kind::Event, &[&half, &half]);
    assert_eq!(error, Err(AppendError::TooLarge { bytes: 1_228_800 }));
    assert_eq!(journal.next_position(), 1);
    commit(&mut journal, 1, 1);
    assert_whole(&disk, &[payload(1, 1)]);
}

#[test]
fn the_reserve_is_given_up_piece_by_piece_and_its_last_quarter_is_not_for_clears() {
    const RESERVE: u64 = 4 * 1024 * 1024;
    let disk = FaultDisk::new(1);
    let (mut journal, failures) = with_reserve(&disk, RESERVE);
    let mut expected = Vec::new();
    for number in 0..60_u8 {
        // Somebody else takes whatever is free, again and again.
        disk.set_room(Some(disk.used()));
        let position = journal.next_position();
        let bytes = vec![number; 120_000];
        journal.append_priority(at(position), Kind::Command, &[&bytes]).expect("memory");
        match journal.commit() {
            Ok(()) => expected.push(bytes),
            Err(error) => {
                assert_eq!(error, AppendError::Full);
                assert!(journal.is_stuck() && !journal.has_room_for_clears());
                expected.push(bytes);
                break;
            }
        }
        assert!(!journal.is_stuck() && !journal.make_room());
        let reserve = disk.content(&Path::new(DIR).join("RESERVE"));
        let left = reserve.map_or(0, |file| file.len());
        assert_eq!(
            journal.has_room_for_clears(),
            u64::try_from(left).expect("small") >= RESERVE / 4,
            "{left} are left"
        );
    }
    assert!((11..40).contains(&expected.len()), "{} got in", expected.len());
    disk.set_room(None);
    assert_eq!(journal.commit(), Ok(()));
    assert!(journal.make_room() && journal.has_room_for_clears() && !journal.is_stuck());
    assert_eq!(failures.load(Ordering::Relaxed), 0);
    assert_whole(&disk, &expected);
}

#[test]
fn what_is_left_of_the_reserve_outlives_a_restart_on_a_full_disk() {
    const RESERVE: u64 = 4 * 1024 * 1024;
    let disk = FaultDisk::new(1);
    let (mut journal, _) = with_reserve(&disk, RESERVE);
    commit(&mut journal, 1, 1);
    disk.set_room(Some(disk.used()));
    while !journal.is_full() {
        let position = journal.next_position();
        journal.append_priority(at(position), Kind::Command, &[&[7; 1_000]]).expect("room");
        journal.commit().expect("room");
    }
    disk.set_room(Some(disk.used()));
    drop(journal);
    let (mut journal, _) = with_reserve(&disk, RESERVE);
    assert!(journal.is_full(), "not all of it can be had");
    assert!(journal.has_room_for_clears(), "but most of it");
    let position = journal.next_position();
    journal.append_priority(at(position), Kind::Command, &[b"clear"]).expect("memory");
    assert_eq!(journal.commit(), Ok(()));
}
