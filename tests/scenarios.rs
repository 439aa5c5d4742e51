//! Stories of faults, each a folder of `tests/scenarios/`: `inventory.toml`, `input.txt` (the
//! script, see `scenarios/script.rs`), perhaps `rules.toml` (metric rules of its own) and
//! `expected.txt` (everything that the engine decided, in order). `UPDATE_EXPECT=1` rewrites the
//! expected text; the difference is part of the review.
//!
//! Each story also proves that the same inputs give the same digest, that a snapshot at any
//! position changes nothing, and that compact repeats decide as whole messages do.

#[path = "scenarios/message.rs"]
mod message;
#[path = "scenarios/run.rs"]
mod run;
#[path = "scenarios/script.rs"]
mod script;

use run::{ENGINE_START_NS, Given, Run};
use script::{Act, Script};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vigie::classify::library;
use vigie::classify::rules::{RuleSource, compile};
use vigie::engine::effect::Effect;
use vigie::model::settings::Settings;
use vigie::shell::config::inventory::read_bytes;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios")
}

fn stories() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder())
        .expect("tests/scenarios is part of the project")
        .map(|entry| entry.expect("a readable folder"))
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn text(story: &str, file: &str) -> String {
    let path = folder().join(story).join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The settings of a story with one of its inventories.
fn settings(story: &str, file: &str, set: &[(String, String)]) -> Arc<Settings> {
    let rules_file = file
        .strip_prefix("inventory")
        .map_or("rules.toml".to_owned(), |rest| format!("rules{rest}"));
    let rules_path = folder().join(story).join(rules_file);
    let own = std::fs::read_to_string(&rules_path).unwrap_or_default();
    let own = RuleSource { file: "rules.toml", text: &own };
    let mut sources: Vec<RuleSource<'_>> = library::sources().collect();
    sources.push(own);
    let rules = compile(&sources).unwrap_or_else(|found| panic!("{story}: {found:#?}"));
    let path = folder().join(story).join(file);
    let bytes = if path.exists() || file != "inventory.toml" {
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    } else {
        std::fs::read(folder().join("inventory.toml")).expect("the shared inventory")
    };
    let checked = read_bytes(file, &bytes);
    let supervised = checked.value.unwrap_or_else(|| panic!("{story}: {:?}", checked.errors));
    let mut settings = Settings {
        alarm_types: rules.alarm_types().to_vec(),
        thresholds: rules.thresholds(),
        inventory: supervised.inventory,
        contracts: supervised.contracts.into(),
        ..Settings::default()
    };
    for (name, value) in set {
        let is_on = value == "true";
        match name.as_str() {
            "unknown_senders_open" => settings.tickets.unknown_senders_open = is_on,
            "observe" => settings.tickets.observe = is_on,
            other => panic!("{story}: no setting {other}"),
        }
    }
    Arc::new(settings)
}

fn tell(story: &str, script: &Script, may_be_compact: bool) -> Run {
    tell_in(Run::new(), story, script, may_be_compact)
}

fn tell_in(mut run: Run, story: &str, script: &Script, may_be_compact: bool) -> Run {
    run.give(run.at(0), Given::Boot(0));
    run.give(run.at(0), Given::Settings(settings(story, "inventory.toml", &script.set)));
    for step in &script.steps {
        pass_until(&mut run, step.at_ns);
        let at = run.at(step.at_ns);
        match &step.act {
            Act::Message(message) => run.message(step.at_ns, message.clone(), may_be_compact),
            Act::Operator(command) => run.give(at, Given::Command(command.clone())),
            Act::Boot(downtime_ns) => {
                let wall = at.wall.plus_ns(i64::try_from(*downtime_ns).expect("short"));
                run.give(vigie::model::time::At { wall, ..at }, Given::Boot(*downtime_ns));
            }
            Act::ClockStep(step_ns) => {
                let at = vigie::model::time::At { wall: at.wall.plus_ns(*step_ns), ..at };
                run.give(at, Given::ClockStep(*step_ns));
            }
            Act::Inventory(file) => {
                run.give(at, Given::Settings(settings(story, file, &script.set)));
            }
            Act::Pulse => {}
        }
    }
    run
}

/// Lets time pass, one pulse per deadline.
fn pass_until(run: &mut Run, until_ns: u64) {
    for _ in 0..100_000 {
        let due = run.engine.next_deadline();
        let due_ns = due.map(|due| due.0.saturating_sub(ENGINE_START_NS));
        let Some(due_ns) = due_ns.filter(|due_ns| *due_ns <= until_ns) else { return };
        run.pulse(due_ns);
    }
    panic!("time does not pass: something is due again and again");
}

/// What was in a band for a moment only raises nothing, and is forgotten in few pulses.
#[test]
fn many_series_at_once_take_few_pulses() {
    const SERIES: usize = 200;
    let samples = |at: &str, value: u32| {
        let line = |number| format!("at {at} sample edge-1 load {value} of p{number}\n");
        (0..SERIES).map(line).collect::<Vec<_>>().concat()
    };
    let story = samples("10s", 75) + &samples("20s", 20) + "pulse until 30m\n";
    let script = Script::parse(&story).expect("a script");
    let run = tell("threshold_lasts", &script, true);
    let pulses = run.given.iter().filter(|(_, given)| matches!(given, Given::Pulse)).count();
    assert_eq!(run.engine.gauges().alarms_held, 0);
    assert!((1..=SERIES.div_ceil(16)).contains(&pulses), "{pulses} pulses");
    assert_eq!(run.engine.next_deadline(), None, "nothing is remembered");
}

/// The lines about incidents and tickets. Incidents are numbered as they come: their names are
/// places in the journal, where what changes nothing may stand or not.
fn decisions(told: &[String]) -> Vec<String> {
    let told = told.concat();
    let lines = told.lines();
    let mut names: Vec<String> = Vec::new();
    let mut number = |word: &str| {
        let name = word.trim_end_matches(|sign: char| !sign.is_alphanumeric());
        let digits = name.strip_prefix('I').filter(|digits| digits.parse::<u64>().is_ok());
        if digits.is_none() {
            return word.to_owned();
        }
        let known = names.iter().position(|known| known == name);
        let place = known.unwrap_or_else(|| {
            names.push(name.to_owned());
            names.len() - 1
        });
        word.replace(name, &format!("I{place}"))
    };
    lines
        .filter(|line| !line.contains("  alarm ") && !line.contains("  resource "))
        .map(|line| line.split(' ').map(&mut number).collect::<Vec<_>>().join(" "))
        .collect()
}

fn ending(run: &Run) -> String {
    let gauges = run.engine.gauges();
    let active: u64 = gauges.active.iter().map(|(_, count)| *count).sum();
    format!(
        "      end  {active} alarms active, {} incidents open, {} tickets open\n",
        gauges.incidents_open, gauges.tickets_open
    )
}

#[test]
fn every_story_ends_as_expected() {
    let is_updating = std::env::var_os("UPDATE_EXPECT").is_some();
    let only = std::env::var("SCENARIO").ok();
    let mut failed = Vec::new();
    for story in stories() {
        if only.as_ref().is_some_and(|only| *only != story) {
            continue;
        }
        let script = Script::parse(&text(&story, "input.txt"))
            .unwrap_or_else(|error| panic!("{story}/input.txt: {error}"));
        let run = tell(&story, &script, true);
        assert_eq!(run.told_otherwise_after_a_restart(), [], "{story}");
        let said = run.told.concat() + &ending(&run);
        let expected = folder().join(&story).join("expected.txt");
        if is_updating {
            std::fs::write(&expected, &said).expect("the expected text can be written");
        }
        let wanted = std::fs::read_to_string(&expected).unwrap_or_default();
        if said != wanted {
            failed.push(format!("{story}: expected\n{wanted}\nbut got\n{said}"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn every_story_is_the_same_again_and_through_a_snapshot_at_any_position() {
    for story in stories() {
        let script = Script::parse(&text(&story, "input.txt")).expect("a script");
        let run = tell(&story, &script, true);
        assert_eq!(run.again(None).digest(), run.digest(), "{story}");
        let inputs = run.given.len();
        for cut in (0..inputs).step_by(inputs.div_ceil(40).max(1)) {
            let again = run.again(Some(cut));
            assert_eq!(again.told, run.told, "{story}: snapshot before input {}", cut + 1);
            assert_eq!(again.digest(), run.digest(), "{story}: snapshot before {}", cut + 1);
        }
    }
}

#[test]
fn compact_repeats_decide_as_whole_messages_do() {
    for story in stories() {
        let script = Script::parse(&text(&story, "input.txt")).expect("a script");
        let compact = tell(&story, &script, true);
        let whole = tell(&story, &script, false);
        assert_eq!(decisions(&compact.told), decisions(&whole.told), "{story}");
    }
}

/// Everything said about tickets, and what each incident was in the end.
fn outcome(run: &Run) -> (Vec<String>, BTreeMap<String, String>) {
    let (tickets, others): (Vec<_>, Vec<_>) =
        decisions(&run.told).into_iter().partition(|line| line.contains("  ticket "));
    let last = others.iter().filter_map(|line| {
        let (_, line) = line.split_once("  incident ")?;
        let (name, _) = line.split_once(' ')?;
        let (_, state) = line.split_once(": ")?;
        Some((name.to_owned(), state.to_owned()))
    });
    (tickets, last.collect())
}

/// What is too much for one step decides as if it were not.
#[test]
fn work_in_small_slices_decides_as_at_once() {
    for story in stories() {
        let script = Script::parse(&text(&story, "input.txt")).expect("a script");
        let at_once = tell(&story, &script, true);
        for units in [1, 7] {
            let mut sliced = tell_in(Run::new().in_slices_of(units), &story, &script, true);
            pass_until(&mut sliced, script.steps.last().map_or(0, |step| step.at_ns));
            let (sliced, at_once) = (outcome(&sliced), outcome(&at_once));
            assert_eq!(sliced, at_once, "{story} in slices of {units}");
        }
    }
}

#[test]
fn the_record_says_whether_something_was_cleared_or_the_inventory_changed() {
    let story = "moved_by_the_inventory";
    let script = Script::parse(&text(story, "input.txt")).expect("a script");
    let run = tell(story, &script, true);
    let mut effects = Vec::new();
    run.engine.show_everything(run.at(0), &mut effects);
    let reasons: Vec<_> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Ticket(image) => Some(image),
            _ => None,
        })
        .flat_map(|image| image.times.iter().filter(|entry| entry.name == "restored_at"))
        .map(|entry| entry.reason.as_str())
        .collect();
    let by_inventory = "by the new inventory its services do not need what failed; stable";
    assert_eq!(reasons, [by_inventory, "cleared and stable"]);
}
