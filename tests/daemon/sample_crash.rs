//! `kill -9` at random moments while a real Prometheus writes samples: what it was told is written
//! had its effect, what it was not it sends again, and either happens once.

use crate::support::daemon::{Home, is_cleared, text};
use crate::support::eventually::{PATIENCE, eventually, pause};
use crate::support::exporters::start_pulse;
use crate::support::prometheus::Prometheus;
use crate::support::random::Random;
use std::collections::BTreeMap;
use std::time::Duration;

/// Lives of the daemon, each but the last ended by SIGKILL.
const LIVES: u64 = 8;

const PULSE: &str = r#"
[[alarm_type]]
id = "test-pulse"
title = "A pulse"
event_type = "other"
probable_cause = "thresholdCrossed"
severity = "minor"

[[metric]]
name = "pulse"
metric = "pulse"
component = ""
qualifier = "{number}"
alarm_type = "test-pulse"
text = "{number}"
bands = [{ severity = "minor", is = 1 }]
"#;

#[test]
fn no_sample_is_lost_or_applied_twice_when_the_daemon_is_killed() {
    let (mut random, seed) = Random::from_environment(0x5a5a);
    println!("VIGIE_TEST_SEED={seed}");
    let home = Home::new().with_rules(PULSE);
    let mut daemon = home.start();
    let prometheus = Prometheus::writing_of(home.http, ("pulse", start_pulse()));
    for _ in 1..LIVES {
        pause(Duration::from_millis(300 + random.below(1_500)));
        daemon.kill();
        pause(Duration::from_millis(random.below(800)));
        daemon = home.start();
    }
    // What Prometheus scraped: each number was 1 in one sample and 0 in those after it.
    let expression = "max_over_time(pulse[10m]) == 1 and pulse == 0";
    let scraped = eventually("Prometheus has scraped", PATIENCE, || {
        let scraped = prometheus.labels(expression, "number")?;
        if scraped.len() > 10 { Ok(scraped) } else { Err(format!("{scraped:?}")) }
    });
    eventually("every pulse was raised once and cleared", PATIENCE, || {
        let alarms = daemon.list("alarms")?;
        let pulses = alarms.iter().filter(|alarm| text(alarm, "alarm_type") == "test-pulse");
        let mut raised: BTreeMap<&str, u64> = BTreeMap::new();
        for alarm in pulses.filter(|alarm| is_cleared(alarm)) {
            let count = alarm.get("occurrences").and_then(serde_json::Value::as_u64);
            *raised.entry(text(alarm, "qualifier")).or_default() += count.unwrap_or(0);
        }
        let wrong = scraped.iter().find(|number| raised.get(number.as_str()) != Some(&1));
        wrong.map_or(Ok(()), |number| Err(format!("{number} in {raised:?}")))
    });
    eventually("the ledger is complete", PATIENCE, || daemon.metrics()?.ledger());
    assert!(daemon.terminate().success());
    let verified = home.run(&["journal", "verify"]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    let replayed = home.run(&["replay"]);
    let said = String::from_utf8_lossy(&replayed.stdout);
    assert!(said.contains(&home.live_digest()), "{said}");
}
