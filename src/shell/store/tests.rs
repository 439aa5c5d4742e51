//! One compliance suite for every place where a history can be, then its thread.

use super::*;
use crate::engine::effect::{AlarmImage, IncidentChange, IncidentStatus, TicketChange};
use crate::engine::effect::{TicketState, TimeEntry};
use crate::model::time::Timestamp;
use crate::shell::config::History;
use crate::shell::publish::feed::feed;
use crate::shell::publish::fixtures::*;
use crate::shell::store::retention::Retention;
use crate::shell::store::thread::StoreThread;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder of its own that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("vigie-store-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("history.sqlite")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const FOR_EVER: History = History { keep_days: 36_500, keep_tickets_days: 36_500 };

fn column<T: rusqlite::types::FromSql>(store: &Store, sql: &str) -> Vec<T> {
    let mut statement = store.connection.prepare(sql).expect("valid SQL");
    let rows = statement.query_map([], |row| row.get(0)).expect("it runs");
    rows.collect::<Result<_, _>>().expect("it reads")
}

/// Every rule of the history, on an empty one.
fn comply(store: &mut Store) {
    assert_eq!(store.cursor(), 0);
    newer_positions_win(store);
    ticket_times_are_only_added(store);
    repeats_change_nothing(store);
    the_cursor_only_grows(store);
}

fn newer_positions_win(store: &mut Store) {
    store.apply(&[alarm_effect(5, alarm(1, true))]).expect("written");
    store.apply(&[alarm_effect(4, alarm(1, false))]).expect("written");
    assert_eq!(column::<bool>(store, "SELECT is_cleared FROM alarms"), [true]);
    let restored = incident("I7", IncidentStatus::Restored, IncidentChange::Restored);
    let opened = incident("I7", IncidentStatus::Open, IncidentChange::Opened);
    store.apply(&[incident_effect(9, restored), incident_effect(6, opened)]).expect("written");
    assert_eq!(column::<String>(store, "SELECT status FROM incidents"), ["restored"]);
    let mut later = resource_effect(9, resource("r1/Gi0/1", true));
    later.ordinal = 2;
    let earlier = resource_effect(9, resource("r1/Gi0/1", false));
    store.apply(&[later, earlier]).expect("written");
    assert_eq!(column::<bool>(store, "SELECT is_known FROM resources"), [true], "by ordinal too");
    let image: Vec<String> = column(store, "SELECT image FROM alarms");
    let image: crate::engine::effect::AlarmImage =
        serde_json::from_str(image.first().expect("one row")).expect("the image");
    assert_eq!(image, alarm(1, true), "whole images are kept");
}

fn ticket_times_are_only_added(store: &mut Store) {
    let mut image = ticket("NOC-000001", TicketState::Acknowledged, TicketChange::Opened);
    store.apply(&[ticket_effect(10, image.clone())]).expect("written");
    image.times.push(TimeEntry {
        name: "detected_at".into(),
        value: None,
        author: "n.dupont".into(),
        reason: "wrong port".to_owned(),
        entered_at: NOON,
    });
    image.state = TicketState::InProgress;
    store.apply(&[ticket_effect(11, image)]).expect("written");
    let opened = ticket("NOC-000001", TicketState::Acknowledged, TicketChange::Opened);
    store.apply(&[ticket_effect(10, opened)]).expect("written");
    assert_eq!(column::<String>(store, "SELECT state FROM tickets"), ["in-progress"]);
    let names = "SELECT name FROM ticket_times ORDER BY number, place";
    assert_eq!(column::<String>(store, names), ["detected_at", "opened_at", "detected_at"]);
    let withdrawn = "SELECT author FROM ticket_times WHERE value_ns IS NULL";
    assert_eq!(column::<String>(store, withdrawn), ["n.dupont"]);
}

fn repeats_change_nothing(store: &mut Store) {
    let digest = "SELECT id || position || image FROM alarms UNION ALL \
                  SELECT number || position || image FROM tickets ORDER BY 1";
    let before = column::<String>(store, digest);
    for _ in 0..3 {
        store.apply(&[alarm_effect(5, alarm(1, true))]).expect("written");
    }
    assert_eq!(column::<String>(store, digest), before);
}

fn the_cursor_only_grows(store: &mut Store) {
    store.apply(&[alarm_effect(40, alarm(2, false))]).expect("written");
    store.apply(&[alarm_effect(30, alarm(3, false))]).expect("written");
    store.apply(&[]).expect("nothing is fine");
    assert_eq!(store.cursor(), 40);
    assert_eq!(column::<i64>(store, "SELECT position FROM progress"), [40]);
}

#[test]
fn history_in_memory_complies() {
    comply(&mut Store::open_in_memory().expect("memory"));
}

#[test]
fn history_in_a_file_complies_and_is_there_again() {
    let folder = Folder::new();
    let mut store = Store::open(&folder.file()).expect("created");
    assert_eq!(column::<String>(&store, "PRAGMA journal_mode"), ["wal"]);
    comply(&mut store);
    drop(store);
    let store = Store::open(&folder.file()).expect("opened again");
    assert_eq!(store.cursor(), 40);
    assert_eq!(column::<i64>(&store, "SELECT count(*) FROM alarms"), [3]);
}

#[test]
fn files_of_others_and_of_newer_programs_are_refused_untouched() {
    let folder = Folder::new();
    let other = Connection::open(folder.file()).expect("created");
    other.execute_batch("CREATE TABLE bookmarks (url TEXT)").expect("theirs");
    drop(other);
    let before = std::fs::read(folder.file()).expect("there");
    assert!(matches!(Store::open(&folder.file()), Err(StoreError::NotOurs)));
    assert_eq!(std::fs::read(folder.file()).expect("there"), before);
    let folder = Folder::new();
    let store = Store::open(&folder.file()).expect("created");
    store.connection.pragma_update(None, "user_version", 99).expect("set");
    drop(store);
    let refused = Store::open(&folder.file());
    assert!(matches!(refused, Err(StoreError::TooNew { version: 99, known: 2 })));
    std::fs::write(folder.file(), b"no database at all, but long enough to look at")
        .expect("wrote");
    let refused = Store::open(&folder.file());
    assert!(matches!(refused, Err(StoreError::Sqlite(_))), "{refused:?}");
}

#[test]
fn a_failed_transaction_leaves_nothing_and_can_be_tried_again() {
    let folder = Folder::new();
    let mut store = Store::open(&folder.file()).expect("created");
    // A page limit stands in for a full disk.
    let pages: i64 = column(&store, "PRAGMA page_count").first().copied().expect("one");
    let limit = |store: &Store, pages: i64| {
        column::<i64>(store, &format!("PRAGMA max_page_count = {pages}"));
    };
    limit(&store, pages + 2);
    let effects: Vec<_> = (1..=500).map(|id| alarm_effect(id, alarm(id, false))).collect();
    assert!(store.apply(&effects).is_err());
    assert_eq!(
        (store.cursor(), column::<i64>(&store, "SELECT count(*) FROM alarms")),
        (0, vec![0])
    );
    limit(&store, pages + 10_000);
    store.apply(&effects).expect("there is room again");
    assert_eq!(store.cursor(), 500);
}

/// Waits for something that another thread does, without measuring time.
fn until(condition: impl Fn() -> bool) {
    for _ in 0..1_500 {
        if condition() {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    panic!("it never happened");
}

#[test]
fn the_thread_survives_a_locked_database_and_writes_the_newest_images() {
    let folder = Folder::new();
    let store = Store::open(&folder.file()).expect("created");
    let locker = Connection::open(folder.file()).expect("opened");
    locker.execute_batch("BEGIN IMMEDIATE").expect("locked");
    let (feed, end) = feed(0, 10_000);
    let thread = StoreThread::start(store, (end, Arc::default()), FOR_EVER).expect("a thread");
    let status = thread.status();
    for position in 1..=300 {
        let image = alarm(position % 3, position > 290);
        assert!(feed.offer(&Arc::new(vec![alarm_effect(position, image)])));
    }
    until(|| status.errors() >= 2 && feed.counters().waiting() == 0);
    assert!(status.is_failing());
    assert_eq!((status.cursor(), status.pending()), (0, 3), "300 changes of three objects");
    locker.execute_batch("COMMIT").expect("unlocked");
    until(|| status.cursor() == 300);
    assert!(!status.is_failing() && !status.has_hole());
    let store = thread.stop().expect("no panic");
    assert_eq!(column::<bool>(&store, "SELECT DISTINCT is_cleared FROM alarms"), [true]);
}

#[test]
fn a_stop_writes_what_waits_and_a_hole_holds_the_cursor() {
    let (feed, end) = feed(0, 4);
    let batch = |positions: std::ops::RangeInclusive<u64>| {
        Arc::new(positions.map(|at| alarm_effect(at, alarm(at, false))).collect::<Vec<_>>())
    };
    assert!(feed.offer(&batch(1..=3)));
    assert!(!feed.offer(&batch(4..=6)), "full");
    assert!(feed.offer(&batch(7..=7)));
    let store = Store::open_in_memory().expect("memory");
    let thread = StoreThread::start(store, (end, Arc::default()), FOR_EVER).expect("a thread");
    drop(feed);
    let status = thread.status();
    let store = thread.stop().expect("no panic");
    assert!(status.has_hole());
    assert_eq!((store.cursor(), status.written()), (3, 4), "7 is written, 4 to 6 must come again");
}

const DAY_NS: i64 = 86_400_000_000_000;

/// A history of what was over at noon of some day, and of what was not.
fn aged() -> Store {
    let mut store = Store::open_in_memory().expect("memory");
    let mut effects = vec![alarm_effect(1, alarm(1, true)), alarm_effect(2, alarm(2, false))];
    for (position, id, closed_at) in [(3, "I3", Some(NOON)), (4, "I4", None)] {
        let mut image = incident(id, IncidentStatus::Closed, IncidentChange::Closed);
        image.closed_at = closed_at;
        effects.push(incident_effect(position, image));
        let mut image = alarm(position * 10, true);
        image.incident = Some(id.into());
        effects.push(alarm_effect(position * 10, image));
    }
    for (position, number, contract, state) in [
        (5, "VIG-000005", None, TicketState::Closed),
        (6, "VIG-000006", Some("bank-vpn"), TicketState::Cancelled),
        (7, "VIG-000007", None, TicketState::Resolved),
    ] {
        let mut image = ticket(number, state, TicketChange::Updated);
        image.contract = contract.map(Into::into);
        image.closed_at = (state == TicketState::Closed).then_some(NOON);
        effects.push(ticket_effect(position, image));
    }
    store.apply(&effects).expect("written");
    store
}

#[test]
fn what_is_over_goes_after_its_days_and_tickets_of_contracts_after_theirs() {
    let mut store = aged();
    let history = History { keep_days: 10, keep_tickets_days: 100 };
    let mut at_day = |days: i64| {
        let mut retention = Retention::new(history);
        let wall = NOON.plus_ns(days * DAY_NS + 1);
        while retention.remove_some(&mut store, wall, 5).expect("removed") > 0 {
            assert!(retention.is_due(5), "there may be more");
        }
        assert!(!retention.is_due(5) && retention.is_due(5 + 3_600_000_000_000));
        [
            column::<String>(&store, "SELECT id FROM alarms ORDER BY id"),
            column(&store, "SELECT id FROM incidents ORDER BY id"),
            column(&store, "SELECT number FROM tickets ORDER BY number"),
            column(&store, "SELECT DISTINCT number FROM ticket_times ORDER BY number"),
        ]
    };
    assert_eq!(at_day(9).map(|ids| ids.len()), [4, 2, 3, 3]);
    let [alarms, incidents, tickets, times] = at_day(10);
    assert_eq!(alarms, ["A2", "A40"], "active, and of an incident that is not closed");
    assert_eq!(incidents, ["I4"]);
    assert_eq!(tickets, ["VIG-000006", "VIG-000007"]);
    assert_eq!(times, tickets);
    assert_eq!(at_day(99)[2], ["VIG-000006", "VIG-000007"]);
    assert_eq!(at_day(100)[2], ["VIG-000007"], "open tickets never go");
}

#[test]
fn the_thread_removes_what_is_too_old_once_nothing_waits() {
    let old = |id| {
        let long_ago = Timestamp(1);
        let image = alarm(id, true);
        alarm_effect(id, AlarmImage { time_created: long_ago, last_changed: long_ago, ..image })
    };
    let mut store = Store::open_in_memory().expect("memory");
    store.apply(&(1..=1_200).map(old).collect::<Vec<_>>()).expect("written");
    let (feed, end) = feed(1_200, 10);
    let history = History { keep_days: 400, keep_tickets_days: 3_650 };
    let thread = StoreThread::start(store, (end, Arc::default()), history).expect("a thread");
    let status = thread.status();
    until(|| status.removed() == 1_200);
    assert!(feed.offer(&Arc::new(vec![old(1_201)])));
    drop(feed);
    let store = thread.stop().expect("no panic");
    assert_eq!(column::<String>(&store, "SELECT id FROM alarms"), ["A1201"], "until the next hour");
}
