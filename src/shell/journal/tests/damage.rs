//! Bits flip, files vanish, bytes of other files turn up.

use super::*;
use crate::shell::journal::verify;
use std::collections::BTreeSet;

/// Sealed segments and one that a crash left open.
fn disk_with_segments() -> (FaultDisk, u64) {
    let disk = FaultDisk::new(5);
    let (mut journal, _) = open(&disk);
    for count in [1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 1] {
        commit(&mut journal, count, 1);
    }
    let last = journal.written();
    drop(journal);
    assert!(segments(&disk).len() >= 3);
    (disk, last)
}

#[test]
fn flipped_byte_anywhere_in_a_sealed_segment_is_found_and_the_rest_is_read() {
    let (disk, last) = disk_with_segments();
    let sealed = segments(&disk);
    for path in &sealed[..sealed.len() - 1] {
        let good = disk.content(path).expect("there");
        for offset in 0..good.len() {
            let bent = copy_of(&disk);
            let mut bytes = good.clone();
            bytes[offset] ^= 1 << (offset % 8);
            bent.put(path, &bytes);

            let report = verify(DIR, shared(&bent)).expect("readable");
            assert!(!report.problems.is_empty(), "{path:?} byte {offset}");
            let (_, recovery) = open(&bent);
            assert!(!recovery.corruptions.is_empty(), "{path:?} byte {offset}");
            let lost: BTreeSet<u64> = recovery
                .corruptions
                .iter()
                .filter_map(|one| one.lost)
                .flat_map(|(from, to)| from..=to)
                .collect();
            assert!(lost.len() <= 1, "one flip loses one record: {lost:?}");
            assert!(recovery.corruptions.iter().all(|one| !one.is_known));
            let (records, _) = read_folder(&bent, 0);
            let read: BTreeSet<u64> = records.iter().map(|(position, _)| *position).collect();
            let expected: BTreeSet<u64> = (1..=last).filter(|one| !lost.contains(one)).collect();
            assert_eq!(read, expected, "{path:?} byte {offset}");
            for (position, bytes) in records {
                assert_eq!(bytes, payload(position, 1));
            }
            let (_, again) = open(&bent);
            assert!(again.corruptions.iter().all(|one| one.is_known), "reported before");
        }
    }
}

#[test]
fn flipped_byte_in_the_open_segment_never_hides_what_a_later_record_knew_durable() {
    let (disk, last) = disk_with_segments();
    let path = segments(&disk).pop().expect("a segment");
    let good = disk.content(&path).expect("there");
    for offset in 0..good.len() {
        let bent = copy_of(&disk);
        let mut bytes = good.clone();
        bytes[offset] ^= 0x10;
        bent.put(&path, &bytes);
        let (_, recovery) = open(&bent);
        let (recovered, _) = recovery.last.expect("records");
        // The last commit cannot be told from a torn one; everything before it can.
        assert!(recovered + 1 >= last, "byte {offset}: {recovered} of {last}");
        assert!(
            !recovery.corruptions.is_empty() || recovery.truncated_bytes > 0,
            "byte {offset} went unnoticed"
        );
        let report = verify(DIR, shared(&bent)).expect("readable");
        assert_eq!(report.last, recovered);
    }
}

#[test]
fn damage_is_kept_in_quarantine_and_the_reader_goes_on_behind_it() {
    let (disk, last) = disk_with_segments();
    let path = segments(&disk).remove(1);
    let mut bytes = disk.content(&path).expect("there");
    bytes[300] ^= 1;
    disk.put(&path, &bytes);
    let (journal, recovery) = open(&disk);
    let [corruption] = &recovery.corruptions[..] else { panic!("{:?}", recovery.corruptions) };
    let copy = format!("{DIR}/quarantine/{}.{}.bad", corruption.file, corruption.offset);
    let kept = disk.content(Path::new(&copy)).expect("a copy of the bytes");
    assert_eq!(u64::try_from(kept.len()), Ok(corruption.bytes));
    assert!(corruption.to_string().contains("is lost"), "{corruption}");
    let (records, errors) = read_all(journal.reader(1));
    assert_eq!(records.last().map(|(position, _)| *position), Some(last));
    assert!(matches!(errors[..], [ReadError::Damaged { .. }]), "{errors:?}");
}

#[test]
fn any_change_of_a_commit_changes_the_root() {
    let mut roots = BTreeSet::new();
    for change in 0..20_u8 {
        let disk = FaultDisk::new(5);
        let (mut journal, _) = open(&disk);
        for number in 0..20 {
            let bytes = [u8::from(number == change); 30];
            let position = journal.next_position();
            journal.append(at(position), Kind::Event, &[&bytes]).expect("room");
            journal.commit().expect("works");
        }
        journal.close().expect("works");
        roots.insert(verify(DIR, shared(&disk)).expect("readable").root.0);
    }
    assert_eq!(roots.len(), 20);
}

#[test]
fn rewritten_record_with_a_right_checksum_is_found_by_the_chain() {
    let (disk, _) = disk_with_segments();
    let path = segments(&disk).remove(0);
    let mut bytes = disk.content(&path).expect("there");
    let seed = crc32c::crc32c(&bytes[16..32]);
    let length = 40
        + usize::try_from(u32::from_le_bytes(bytes[260..264].try_into().expect("4")))
            .expect("small");
    bytes[256 + 40] ^= 0xff;
    let crc = crc32c::crc32c_append(seed, &bytes[260..256 + length]).to_le_bytes();
    bytes[256..260].copy_from_slice(&crc);
    disk.put(&path, &bytes);
    let report = verify(DIR, shared(&disk)).expect("readable");
    assert_eq!(report.problems.len(), 1, "{:?}", report.problems);
    assert!(report.problems[0].what.contains("root"), "{:?}", report.problems);
}

#[test]
fn missing_segment_and_unreadable_segment_are_reported_and_positions_are_never_reused() {
    let (disk, last) = disk_with_segments();
    let paths = segments(&disk);
    for (index, path) in paths.iter().enumerate().skip(1) {
        let bent = copy_of(&disk);
        let mut bytes = disk.content(path).expect("there");
        bytes[20] ^= 1;
        bytes[150] ^= 1;
        bent.put(path, &bytes);
        let (journal, recovery) = open(&bent);
        assert_eq!(recovery.corruptions.len(), 1, "{:?}", recovery.corruptions);
        assert!(journal.next_position() > last, "segment {index}");
        let next = journal.next_position();
        drop(journal);
        assert_eq!(open(&bent).0.next_position(), next, "also when nothing was appended");
        let (records, errors) = read_folder(&bent, 0);
        assert!(!records.is_empty());
        assert_eq!(errors.is_empty(), index == paths.len() - 1, "{errors:?}");
    }
}

#[test]
fn a_segment_of_another_journal_is_refused() {
    let (disk, _) = disk_with_segments();
    let other = FaultDisk::new(77);
    let (mut journal, _) = open(&other);
    commit(&mut journal, 1, 1);
    journal.close().expect("works");
    let (other_first, mine) = (segments(&other).remove(0), segments(&disk).remove(0));
    disk.put(&mine, &other.content(&other_first).expect("there"));
    let error = Journal::open(options(&Arc::default()), shared(&disk)).expect_err("refused");
    assert!(error.to_string().contains("belongs to another journal"), "{error}");
}

#[test]
fn a_newer_format_is_refused_with_the_remedy() {
    let (disk, _) = disk_with_segments();
    let path = segments(&disk).remove(0);
    let mut bytes = disk.content(&path).expect("there");
    for start in [0, 128] {
        bytes[start + 8] = 2;
        let crc = crc32c::crc32c(&bytes[start..start + 124]).to_le_bytes();
        bytes[start + 124..start + 128].copy_from_slice(&crc);
    }
    disk.put(&path, &bytes);
    let error = Journal::open(options(&Arc::default()), shared(&disk)).expect_err("refused");
    assert!(error.to_string().contains("start the newer release"), "{error}");
}

#[test]
fn garbage_is_no_journal_and_no_panic() {
    let disk = FaultDisk::new(1);
    let path = Path::new(DIR).join("00000000000000000001.seg");
    for length in [0, 1, 127, 128, 255, 256, 257, 5_000] {
        disk.put(&path, &vec![0xa5; length]);
        drop(read_folder(&disk, 0));
        drop(verify(DIR, shared(&disk)).expect("readable"));
        let (mut journal, _) = open(&disk);
        commit(&mut journal, 1, 1);
    }
}
