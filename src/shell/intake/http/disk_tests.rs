//! The whole way to a disk that has no room: sequencer, journal and outbox are the real ones.

use super::tests::Server;
use super::*;
use crate::classify::{RuleSource, compile};
use crate::engine::Engine;
use crate::engine::digest::RollingDigest;
use crate::model::settings::Settings;
use crate::model::time::EngineTime;
use crate::shell::api::view::{ViewBounds, ViewWriter};
use crate::shell::clock::EngineClock;
use crate::shell::journal::fault_disk::FaultDisk;
use crate::shell::journal::{Journal, Options};
use crate::shell::new_settings::NewSettings;
use crate::shell::outbox::outbox;
use crate::shell::sequencer::Sequencer;
use crate::shell::series::Protocol;
use crate::shell::series::testing::{Bench, RULES};
use crate::shell::shared::Shared;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Starts what stands between the lanes and the disk; gives the way to end it.
fn journal_on(disk: &FaultDisk, bench: &Bench) -> Arc<Shared> {
    let options = Options { reserve_bytes: 0, ..Options::in_folder("/journal") };
    let (journal, _) = Journal::open(options, Arc::new(disk.clone())).expect("opens");
    let writer = ViewWriter::new(ViewBounds::default());
    let (end, out) = outbox(journal.durable(), writer);
    std::thread::spawn(move || out.run());
    let clock = EngineClock::starting_at(EngineTime(1_000_000_000_000));
    let shared = Arc::new(Shared::new(Arc::clone(&bench.lanes)));
    let parts = (journal, Engine::default(), RollingDigest::continuing([0; 32]));
    let counters = vec![Arc::default(), Arc::clone(&bench.ledger)];
    let mut sequencer = Sequencer::new(parts, clock, Arc::clone(&shared), (counters, end));
    let rules = compile(&[RuleSource { file: "test.toml", text: RULES }]).expect("they compile");
    let settings = Settings {
        alarm_types: rules.alarm_types().to_vec(),
        thresholds: rules.thresholds(),
        ..Settings::default()
    };
    sequencer.apply_settings(NewSettings::new(Arc::new(settings)).0);
    std::thread::spawn(move || sequencer.run());
    shared
}

#[tokio::test]
async fn while_the_disk_is_full_nothing_is_acknowledged_that_tells_something() {
    let server = Server::without_journal(Bodies::new(1 << 20)).await;
    let disk = FaultDisk::new(5);
    // Too little to claim a segment in advance.
    disk.set_room(Some(1 << 20));
    let shared = journal_on(&disk, &server.bench);
    let line = b"temp,host=pe1,sensor=in c=95";
    let answer = server.post("/write", "", line).await;
    assert_eq!((answer.status, answer.body.as_str()), (204, ""), "there is room yet");
    disk.set_room(Some(0));
    let answers = [
        server.post("/write", "", b"temp,host=pe1,sensor=in c=20").await,
        server.post("/write", "", b"temp,host=pe1,sensor=in c=20").await,
    ];
    assert_eq!(answers.map(|answer| answer.status), [503, 503]);
    let answer = server.post("/write", "", b"nobody,host=pe1 asks=1").await;
    assert_eq!(answer.status, 204, "what tells nothing needs no room");
    disk.set_room(None);
    // The sender tries again; the sequencer does about once a second.
    let mut tries = 0;
    while server.post("/write", "", b"temp,host=pe1,sensor=in c=20").await.status != 204 {
        tries += 1;
        assert!(tries < 10, "there is room again");
    }
    let [received, applied, unmatched, rejected] = server.bench.account(Protocol::Influx);
    assert_eq!((applied, unmatched), (2, 2));
    assert_eq!(rejected, received - 4, "each time that it was not acknowledged");
    shared.is_stopping.store(true, Ordering::Release);
}
