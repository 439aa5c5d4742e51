//! The journal on the machine's disk, with its sync thread: what the in-memory disk cannot show.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use vigie::model::time::{At, EngineTime, Timestamp};
use vigie::shell::journal::{
    Durable, Journal, JournalError, Kind, Options, Reader, RealDisk, Waited, read_from, verify,
};

/// A folder that is removed when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("vigie-{name}-{}", std::process::id()));
        std::fs::remove_dir_all(&dir).ok();
        Self(dir)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn at(position: u64) -> At {
    At { engine: EngineTime(position), wall: Timestamp(1_000) }
}

fn options(folder: &Folder) -> Options {
    Options {
        segment_bytes: 64 * 1024,
        reserve_bytes: 64 * 1024,
        on_failure: Arc::new(|failure| panic!("{failure}: {}", failure.source)),
        ..Options::in_folder(&folder.0)
    }
}

fn open(folder: &Folder) -> Journal {
    Journal::open(options(folder), Arc::new(RealDisk)).expect("the folder is free").0
}

/// Reads up to a position, waiting for it to become durable.
fn read_until(mut reader: Reader, durable: &Durable, last: u64) -> u64 {
    let mut expected = 0;
    while expected < last {
        if let Some(record) = reader.next().expect("sound") {
            expected += 1;
            assert_eq!(record.position, expected);
            assert_eq!(record.payload, expected.to_le_bytes());
        } else {
            let waited = durable.wait_for(expected + 1, Duration::from_secs(60));
            assert_eq!(waited, Waited::Durable);
        }
    }
    expected
}

#[test]
fn readers_follow_the_writer_across_segments() {
    const LAST: u64 = 20_000;
    let folder = Folder::new("readers");
    let mut journal = open(&folder);
    let durable = journal.durable();
    let advances = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&advances);
    durable.subscribe(move |position| {
        seen.fetch_max(position, Ordering::Relaxed);
    });
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (reader, durable) = (journal.reader(1), Arc::clone(&durable));
            std::thread::spawn(move || read_until(reader, &durable, LAST))
        })
        .collect();
    while journal.next_position() <= LAST {
        for _ in 0..50 {
            let position = journal.next_position();
            let bytes = position.to_le_bytes();
            journal.append(at(position), Kind::Event, &[&bytes[..3], &bytes[3..]]).expect("room");
        }
        journal.commit().expect("the disk works");
    }
    for reader in readers {
        assert_eq!(reader.join().expect("no panic"), LAST);
    }
    journal.close().expect("the disk works");
    assert_eq!(advances.load(Ordering::Relaxed), LAST);

    let report = verify(&folder.0, Arc::new(RealDisk)).expect("readable");
    assert_eq!(report.problems, []);
    assert_eq!((report.records, report.first, report.last), (LAST, 1, LAST));
    assert!(report.segments > 10, "{}", report.segments);
    let (journal, recovery) =
        Journal::open(options(&folder), Arc::new(RealDisk)).expect("free again");
    assert_eq!(recovery.last, Some((LAST, at(LAST))));
    assert_eq!(recovery.truncated_bytes, 0);
    assert_eq!(journal.next_position(), LAST + 1);
}

#[test]
fn dropped_journal_is_recovered_without_what_was_not_committed() {
    let folder = Folder::new("dropped");
    let mut journal = open(&folder);
    journal.append(at(1), Kind::Boot, &[b"one"]).expect("room");
    journal.commit().expect("works");
    journal.append(at(2), Kind::Event, &[b"never committed"]).expect("room");
    drop(journal);
    let mut journal = open(&folder);
    assert_eq!(journal.next_position(), 2);
    journal.append(at(2), Kind::Event, &[b"two"]).expect("room");
    journal.commit().expect("works");
    assert_eq!(journal.durable().wait_for(2, Duration::from_secs(60)), Waited::Durable);
    let mut reader = read_from(&folder.0, Arc::new(RealDisk), 0);
    let mut lines = Vec::new();
    while let Some(record) = reader.next().expect("sound") {
        lines.push(record.to_string());
    }
    assert_eq!(
        lines,
        [
            "1 1970-01-01T00:00:00.000001000Z engine=1 boot 3 \"one\"",
            "2 1970-01-01T00:00:00.000001000Z engine=2 event 3 \"two\"",
        ]
    );
}

#[test]
fn second_daemon_is_refused_with_the_holder_and_the_remedy() {
    let folder = Folder::new("lock");
    let journal = open(&folder);
    let error = Journal::open(options(&folder), Arc::new(RealDisk)).expect_err("refused");
    assert!(matches!(error, JournalError::InUse { .. }));
    let text = error.to_string();
    assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
    assert!(text.contains("stop that one, or give this one another folder"), "{text}");
    drop(journal);
    drop(open(&folder));
}

#[test]
fn thread_that_subscribed_is_unparked() {
    let folder = Folder::new("park");
    let mut journal = open(&folder);
    let durable = journal.durable();
    durable.subscribe_thread(std::thread::current());
    journal.append(at(1), Kind::Pulse, &[]).expect("room");
    journal.commit().expect("works");
    while durable.position() < 1 {
        std::thread::park_timeout(Duration::from_secs(60));
    }
    assert_eq!(durable.wait_for(2, Duration::from_millis(1)), Waited::TimedOut);
}

#[test]
fn killed_process_keeps_what_it_reported_durable() {
    if let Ok(dir) = std::env::var("VIGIE_TEST_JOURNAL") {
        write_until_killed(&dir);
    }
    let folder = Folder::new("killed");
    let mut promised = 0;
    for _ in 0..4 {
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "killed_process_keeps_what_it_reported_durable", "--nocapture"])
            .env("VIGIE_TEST_JOURNAL", &folder.0)
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        promised = BufReader::new(child.stdout.take().expect("piped"))
            .lines()
            .map_while(Result::ok)
            .filter_map(|line| line.strip_prefix("durable ")?.parse::<u64>().ok())
            .find(|durable| *durable > promised + 2_000)
            .expect("it gets that far");
        child.kill().expect("it runs");
        child.wait().expect("it ended");
        let journal = open(&folder);
        let written = journal.written();
        assert!(written >= promised);
        assert_eq!(read_until(journal.reader(1), &journal.durable(), written), written);
    }
    let report = verify(&folder.0, Arc::new(RealDisk)).expect("readable");
    assert_eq!(report.problems, []);
}

fn write_until_killed(dir: &str) -> ! {
    let folder = Folder(PathBuf::from(dir));
    let mut journal = open(&folder);
    loop {
        for _ in 0..20 {
            let position = journal.next_position();
            journal.append(at(position), Kind::Event, &[&position.to_le_bytes()]).expect("room");
        }
        journal.commit().expect("works");
        // The parent reads this before it kills.
        let line = format!("\ndurable {}\n", journal.durable().position());
        std::io::Write::write_all(&mut std::io::stdout(), line.as_bytes()).expect("a parent reads");
    }
}
