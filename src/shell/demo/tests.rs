//! The whole play in virtual time, against the real decoders, rules, series and engine.

use super::faults::{Fault, Kind};
use super::inside::{BEGIN, Inside, with_event};
use super::judge::Verdict;
use super::noise::Noise;
use super::notice::Notice;
use super::packets::packet;
use super::plan::{Datacenter, Role};
use super::random::Random;
use super::screen::Screen;
use super::show::{Show, World};
use crate::classify::{Classified, Classifier, IgnoreCause};
use crate::model::event::{Event, UNCLASSIFIED, Verb};
use crate::model::fault::Faults;
use crate::model::time::{At, EngineTime};
use std::collections::BTreeSet;

fn check(plan: &Datacenter, classifier: &Classifier, notice: &Notice) {
    let sent = packet(plan, notice, *BEGIN);
    let arrived = At { engine: EngineTime(0), wall: *BEGIN };
    let wanted = notice.alarm(plan);
    with_event(classifier, &sent, arrived, |found| match (found, wanted) {
        (Classified::Event(event), Some((key, is_raise))) => {
            let Event { device, component, .. } = event;
            let resource = if component.is_empty() {
                device.to_owned()
            } else {
                format!("{device}/{component}")
            };
            assert_eq!(resource, key.resource, "{notice:?}");
            assert_eq!(event.alarm_type, key.alarm_type, "{notice:?}");
            assert_eq!(event.qualifier, key.qualifier, "{notice:?}");
            assert_eq!(event.verb == Verb::Raise, is_raise, "{notice:?}");
            assert_eq!(event.verb == Verb::Clear, !is_raise, "{notice:?}");
            assert!(event.is_known && event.faults == Faults::NONE, "{notice:?}");
        }
        (Classified::Event(event), None) => {
            assert!(matches!(event.verb, Verb::Event | Verb::AdminDown), "{notice:?}");
            let is_unheard = notice.what == super::notice::What::Unheard;
            assert_eq!(event.alarm_type == UNCLASSIFIED, is_unheard, "{notice:?}");
        }
        (Classified::Ignored(cause), None) => assert_eq!(cause, IgnoreCause::NoRule),
        (Classified::Ignored(cause), Some(_)) => panic!("ignored ({cause:?}): {notice:?}"),
    });
}

#[test]
fn every_packet_says_what_it_is_meant_to_say() {
    let plan = Datacenter::new();
    let inside = Inside::new(&plan);
    let mut random = Random::new(5);
    for kind in Kind::ALL {
        for _ in 0..12 {
            let fault = Fault::of(kind, &plan, &mut random);
            assert!(!fault.alarms(&plan).is_empty() && !fault.mends.is_empty());
            for notice in fault.breaks.iter().chain(&fault.mends) {
                check(&plan, &inside.classifier, notice);
            }
            let mut raised = fault.alarms(&plan);
            if let Some(key) = fault.first_sign(&plan) {
                assert!(raised.remove(&key), "samples raise it and clear it");
            }
            let cleared: BTreeSet<_> =
                fault.mends.iter().filter_map(|one| one.alarm(&plan)).map(|(key, _)| key).collect();
            assert_eq!(raised, cleared, "{}", fault.title);
            assert!(fault.breaks.iter().all(|notice| !fault.silent.contains(&notice.from)));
        }
    }
    let mut noise = Noise::new(5);
    for _ in 0..200 {
        for notice in noise.next(&plan, &BTreeSet::new()) {
            let device = plan.device(notice.from);
            if device.role != Role::Access {
                check(&plan, &inside.classifier, &notice);
            }
        }
    }
}

/// Plays so many minutes; gives the end and what the terminal showed.
fn play(plan: &Datacenter, seed: u64, minutes: u64) -> (Vec<(String, Option<Verdict>)>, String) {
    let mut inside = Inside::new(plan);
    let end_ms = minutes * 60_000;
    let mut show = Show::new(plan, seed, Some(end_ms));
    let mut out = Vec::new();
    let mut screen = Screen::new(&mut out, false);
    for ms in (0..=end_ms).step_by(20) {
        let now = inside.at(ms);
        show.tick(now, &mut inside, &mut screen).expect("nothing can fail here");
    }
    assert!(show.is_over());
    let strays: Vec<String> = show
        .judge
        .strays(&inside.view())
        .into_iter()
        .map(|stray| format!("{}: {} ({})", stray.id, stray.root_resource, stray.why))
        .collect();
    let staged = show.judge.staged.iter();
    let verdicts = staged.map(|one| (one.fault.title.clone(), one.verdict.clone())).collect();
    let shown = String::from_utf8(out).expect("text");
    assert_eq!(strays, Vec::<String>::new(), "{shown}");
    assert_eq!(show.restored, show.judge.staged.len(), "{shown}");
    for (protocol, account) in inside.series.counters().shown() {
        let rejected: u64 = account.rejected.iter().map(|(_, count)| count).sum();
        assert_eq!(account.received, account.applied + account.unmatched, "{protocol:?}");
        assert_eq!(rejected, 0, "{protocol:?}");
    }
    (verdicts, shown)
}

#[test]
fn every_fault_becomes_one_incident_with_the_right_root() {
    let plan = Datacenter::new();
    let mut failures = Vec::new();
    for seed in 1..=6 {
        let (verdicts, shown) = play(&plan, seed, 3);
        assert!(verdicts.len() >= 12, "{shown}");
        for (title, verdict) in verdicts {
            match verdict {
                Some(Verdict::Right { incidents }) if incidents.len() == 1 => {}
                other => failures.push(format!("seed {seed}: {title}: {other:?}")),
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn the_terminal_is_never_silent_and_tells_the_story() {
    let plan = Datacenter::new();
    let (verdicts, shown) = play(&plan, 1, 1);
    assert!((3..=8).contains(&verdicts.len()), "{shown}");
    for word in [
        "BREAK",
        "INCIDENT",
        "why: ",
        "TICKET",
        "GTR",
        "RESTORED",
        "messages/s",
        "samples/s",
        "fades: ",
        "a sample showed it ",
    ] {
        assert!(shown.contains(word), "no {word} in:\n{shown}");
    }
    let seconds: Vec<i64> = shown.lines().filter_map(second_of).collect();
    assert!(seconds.windows(2).all(|pair| pair[1] - pair[0] <= 3), "silent:\n{shown}");
    assert_eq!(shown, play(&plan, 1, 1).1, "the same seed is the same play");
    assert_ne!(shown, play(&plan, 2, 1).1);
}

#[test]
fn a_fading_optic_shows_first_in_its_samples() {
    let plan = Datacenter::new();
    for seed in 7..=11 {
        let (verdicts, shown) = play(&plan, seed, 1);
        let fading = verdicts.iter().filter(|(title, _)| title.contains(" fades: "));
        assert_eq!(fading.count(), 1, "{shown}");
        let place = |words: &str| shown.find(words).unwrap_or_else(|| panic!("{words}: {shown}"));
        let (crossing, verdict) = (place(" dBm of light"), place("a sample showed it "));
        let between = shown.get(crossing..verdict).expect("in this order");
        assert!(between.contains("TICKET"), "{shown}");
        let grown = between.lines().find(|line| line.contains("now total outage of app-"));
        let grown = grown.unwrap_or_else(|| panic!("no outage: {shown}"));
        let started = grown.split_once("started ").and_then(|(_, rest)| second_of(rest));
        let before_s = second_of(grown).zip(started).map(|(now, then)| now - then);
        let before_s = before_s.expect("two times of day").rem_euclid(86_400);
        assert!((2..=6).contains(&before_s), "the ticket begins with the samples: {shown}");
        assert!(!shown.contains("no sample "), "{shown}");
    }
}

/// The time of day that a line begins with, in seconds.
fn second_of(line: &str) -> Option<i64> {
    let mut parts = line.get(..8)?.split(':').map(str::parse::<i64>);
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
    Some(hours.ok()? * 3_600 + minutes.ok()? * 60 + seconds.ok()?)
}
