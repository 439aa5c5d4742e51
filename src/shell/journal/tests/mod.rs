//! What the journal promises, held against disks that fail.

mod crash;
mod damage;
mod full;
mod life;

use crate::model::time::{At, EngineTime, Timestamp};
use crate::shell::journal::disk::Disk;
use crate::shell::journal::fault_disk::FaultDisk;
use crate::shell::journal::{
    Journal, Kind, Options, ReadError, Reader, Recovery, SyncMode, read_from,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const DIR: &str = "/journal";

/// Small segments, no thread, and failures that are counted instead of aborting.
fn options(failures: &Arc<AtomicU64>) -> Options {
    let failures = Arc::clone(failures);
    Options {
        segment_bytes: 900,
        sync: SyncMode::Inline,
        reserve_bytes: 0,
        on_failure: Arc::new(move |_| {
            failures.fetch_add(1, Ordering::Relaxed);
        }),
        ..Options::in_folder(DIR)
    }
}

fn shared(disk: &FaultDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

fn open(disk: &FaultDisk) -> (Journal, Recovery) {
    Journal::open(options(&Arc::default()), shared(disk)).expect("the disk works")
}

fn at(position: u64) -> At {
    At { engine: EngineTime(position * 10), wall: Timestamp(1_000) }
}

/// What the record at a position holds, so that a reader can tell that it is the right one.
fn payload(position: u64, generation: u8) -> Vec<u8> {
    let size = usize::try_from(position * 37 % 150).expect("small");
    let mut bytes = vec![generation; size];
    bytes.extend_from_slice(&position.to_le_bytes());
    bytes
}

/// Appends some records and commits them.
fn commit(journal: &mut Journal, count: u64, generation: u8) {
    for _ in 0..count {
        let position = journal.next_position();
        let bytes = payload(position, generation);
        journal.append(at(position), Kind::Event, &[&bytes]).expect("there is room");
    }
    journal.commit().expect("the disk works");
}

/// Every record that can be read, and the errors on the way.
fn read_all(mut reader: Reader) -> (Vec<(u64, Vec<u8>)>, Vec<ReadError>) {
    let (mut records, mut errors) = (Vec::new(), Vec::new());
    loop {
        match reader.next() {
            Ok(Some(record)) => {
                assert_eq!(record.at, at(record.position));
                records.push((record.position, record.payload.to_vec()));
            }
            Ok(None) => return (records, errors),
            Err(error @ ReadError::Folder(_)) => {
                errors.push(error);
                return (records, errors);
            }
            Err(error) => errors.push(error),
        }
    }
}

fn read_folder(disk: &FaultDisk, from: u64) -> (Vec<(u64, Vec<u8>)>, Vec<ReadError>) {
    read_all(read_from(DIR, shared(disk), from))
}

fn segments(disk: &FaultDisk) -> Vec<PathBuf> {
    let mut paths = disk.paths();
    paths.retain(|path| {
        path.parent() == Some(Path::new(DIR)) && path.extension().is_some_and(|end| end == "seg")
    });
    paths
}

fn copy_of(disk: &FaultDisk) -> FaultDisk {
    let copy = FaultDisk::new(6);
    for path in disk.paths() {
        copy.put(&path, &disk.content(&path).expect("there"));
    }
    copy
}
