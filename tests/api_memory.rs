//! What a hundred thousand alarms on a hundred thousand resources cost in the API's view. A test
//! of its own process, since it reads the memory of the whole process.

use std::sync::Arc;
use vigie::engine::effect::{AlarmImage, Effect, ResourceImage};
use vigie::model::severity::Severity;
use vigie::model::time::{At, Timestamp};
use vigie::shell::api::rows::AlarmRow;
use vigie::shell::api::view::{ViewBounds, ViewWriter};
use vigie::shell::publish::{Occurrences, Published};

const OBJECTS: u64 = 100_000;

/// Resident memory of this process, bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    let kilobytes = line.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok());
    kilobytes.expect("a number") * 1024
}

fn alarm(number: u64) -> AlarmImage {
    AlarmImage {
        id: format!("A{}", 1_000_000 + number).into(),
        resource: format!("pe{:04}-casablanca/GigabitEthernet0/0/{number}", number / 50).into(),
        alarm_type: "interface-down".into(),
        qualifier: "".into(),
        perceived_severity: Severity::Major,
        is_cleared: false,
        time_created: Timestamp(1),
        last_raised: Timestamp(1),
        last_changed: Timestamp(1),
        occurred_at: None,
        ended_at: None,
        lease_until: None,
        labels: String::new(),
        occurrences: 1,
        incident: Some(format!("I{}", number / 50).into()),
        source: "trap+syslog".into(),
        text: format!("Interface GigabitEthernet0/0/{number}, changed state to down").into(),
        event_type: "communications".into(),
        probable_cause: "lossOfSignal".into(),
        is_flapping: false,
        why: format!("explained by pe{:04}-casablanca, which is down", number / 50).into(),
        faults: Vec::new(),
        rule: "if-mib-link-down".into(),
    }
}

fn resource(number: u64) -> ResourceImage {
    let device = format!("pe{:04}-casablanca", number / 50);
    ResourceImage {
        name: format!("{device}/GigabitEthernet0/0/{number}").into(),
        device: device.into(),
        is_known: true,
        is_orphaned: false,
        addresses: vec![format!("10.0.{}.{}", number / 250 % 250, number % 250).into()],
        aliases: vec![format!("ifIndex={number}").into()],
        first_heard: Some(Timestamp(1)),
        admin_down: false,
        state: "down".into(),
        active_alarms: 1,
    }
}

#[test]
fn a_hundred_thousand_alarms_and_resources_stay_under_120_megabytes() {
    let before = resident();
    let mut writer = ViewWriter::new(ViewBounds::default());
    for number in 0..OBJECTS {
        let effects =
            [Effect::Alarm(Arc::new(alarm(number))), Effect::Resource(Arc::new(resource(number)))];
        for (ordinal, effect) in (0..).zip(effects) {
            writer.apply(&Published { position: number + 1, ordinal, at: At::default(), effect });
        }
    }
    assert!(writer.publish());
    // A version that somebody still reads while every alarm was repeated.
    let read = writer.shared().load_full();
    for number in 0..OBJECTS {
        let alarm = 1_000_000 + number;
        writer.count(&Occurrences { alarm, occurrences: 2, last_raised: Timestamp(2) });
    }
    assert!(!writer.publish(), "repeats make no version");
    let used = resident().saturating_sub(before);
    println!(
        "{} MB for {} alarms and {} resources",
        used >> 20,
        read.alarms.len(),
        read.resources.len()
    );
    assert!(used < 120 * 1024 * 1024, "{} MB", used >> 20);
    assert_eq!(read.alarms.find("A1000005").map(AlarmRow::occurrences), Some(2));
}
