//! `kill -9` at random moments under a numbered sender: what was seen once is never taken back.

use crate::support::daemon::{Daemon, Home, text};
use crate::support::eventually::{PATIENCE, eventually, eventually_true, pause};
use crate::support::random::Random;
use crate::support::sender::link_down;
use std::collections::BTreeMap;
use std::time::Duration;

/// Lives of the daemon, each but the last ended by SIGKILL.
const LIVES: u64 = 12;

/// What the daemon has shown of itself before it was killed: nothing of it may change.
#[derive(Default)]
struct Witness {
    /// Resource by alarm id.
    alarms: BTreeMap<String, String>,
    /// Root by incident id.
    incidents: BTreeMap<String, String>,
    /// Incident by ticket number.
    tickets: BTreeMap<String, String>,
}

impl Witness {
    /// Looks at everything that the daemon shows; what was seen before must be there, unchanged.
    fn look(&mut self, daemon: &Daemon<'_>) -> Result<(), String> {
        for (listing, key, value, seen) in [
            ("alarms", "id", "resource", &mut self.alarms),
            ("incidents", "id", "root_resource", &mut self.incidents),
            ("tickets", "number", "incident", &mut self.tickets),
        ] {
            let mut shown = BTreeMap::new();
            for item in daemon.list(listing)? {
                let (key, value) = (text(&item, key).to_owned(), text(&item, value).to_owned());
                if let Some(other) = shown.insert(key.clone(), value) {
                    return Err(format!("{listing}: {key} is shown twice, also for {other}"));
                }
            }
            for (key, value) in seen.iter() {
                if shown.get(key) != Some(value) {
                    return Err(format!("{listing}: {key} was {value}, is {:?}", shown.get(key)));
                }
            }
            *seen = shown;
        }
        Ok(())
    }

    /// Numbers count from 1 without a hole; no resource has two alarms.
    fn assert_is_sound(&self) {
        let counters: Vec<usize> = self
            .tickets
            .keys()
            .map(|number| number.rsplit('-').next().unwrap_or_default().parse().unwrap_or(0))
            .collect();
        let expected: Vec<usize> = (1..=counters.len()).collect();
        assert_eq!(counters, expected, "ticket numbers repeat or skip");
        let mut resources: Vec<&String> = self.alarms.values().collect();
        let count = resources.len();
        resources.sort();
        resources.dedup();
        assert_eq!(resources.len(), count, "one fault became two alarms");
    }
}

#[test]
fn killed_at_random_moments_it_takes_nothing_back() {
    let (mut random, seed) = Random::from_environment(0x5eed);
    println!("VIGIE_TEST_SEED={seed}");
    let home = Home::new();
    let mut witness = Witness::default();
    let mut number = 0;
    for _ in 1..LIVES {
        if random.below(4) == 0 {
            // Killed while it starts.
            let mut process = home.spawn();
            pause(Duration::from_millis(random.below(150)));
            process.kill();
        }
        let daemon = home.start();
        eventually("what was shown before is there", PATIENCE, || witness.look(&daemon));
        for _ in 0..5 + random.below(60) {
            number += 1;
            link_down(home.traps, number);
            if random.below(10) == 0 {
                witness.look(&daemon).unwrap();
            }
        }
        if random.below(2) == 0 {
            // Past the hold-off: while it opens tickets.
            pause(Duration::from_millis(random.below(500)));
            witness.look(&daemon).unwrap();
        }
        daemon.kill();
    }

    let daemon = home.start();
    number += 1;
    link_down(home.traps, number);
    eventually("every incident has its ticket", PATIENCE, || {
        witness.look(&daemon)?;
        let (incidents, tickets) = (witness.incidents.len(), witness.tickets.len());
        let is_complete = incidents == witness.alarms.len() && tickets == incidents && tickets > 0;
        if is_complete { Ok(()) } else { Err(format!("{incidents} incidents, {tickets} tickets")) }
    });
    witness.assert_is_sound();
    assert_replays_as_it_lived(&home, daemon);
}

#[test]
fn a_replay_after_graceful_restarts_gives_the_live_digest() {
    let home = Home::new();
    for life in 0..3 {
        let daemon = home.start();
        for number in 0..20 {
            link_down(home.traps, 20 * life + number);
        }
        daemon.quiet_after(20.0);
        assert!(daemon.terminate().success());
    }
    let daemon = home.start();
    assert_eq!(daemon.list("alarms").unwrap().len(), 60);
    assert_replays_as_it_lived(&home, daemon);
}

/// Stops the daemon; its journal verifies, and its replay ends in the state in which it lived.
fn assert_replays_as_it_lived(home: &Home, daemon: Daemon<'_>) {
    eventually_true("the last message is applied", PATIENCE, || {
        daemon.metrics().is_ok_and(|metrics| metrics.ledger().is_ok())
    });
    assert!(daemon.terminate().success(), "a graceful stop");
    let live = home.live_digest();
    let verified = home.run(&["journal", "verify"]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    let replayed = home.run(&["replay"]);
    let said = String::from_utf8_lossy(&replayed.stdout);
    assert!(replayed.status.success(), "{said}{}", String::from_utf8_lossy(&replayed.stderr));
    assert!(said.contains(&live), "lived to {live}, replayed to: {said}");
}
