//! Scores the shipped rules against messages that others have classed: what raises and what clears
//! must agree, the two halves of one alarm must name one alarm type, and what opens nothing there
//! must open nothing above warning here.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use vigie::classify::{
    Classified, Classifier, Directory, Origin, RuleSource, Scratch, compile, library,
};
use vigie::decode::syslog::SyslogDecoder;
use vigie::model::event::Verb;
use vigie::model::inventory::Inventory;
use vigie::model::severity::Severity;
use vigie::model::time::At;

/// What vigie made of one line.
struct Reading {
    verb: Option<Verb>,
    alarm_type: String,
    severity: Severity,
}

fn classifier() -> Classifier {
    let sources: Vec<RuleSource<'_>> = library::sources().collect();
    let rules = compile(&sources).expect("the shipped rules compile");
    let directory = Directory::build(&Inventory::default(), &|_| None);
    Classifier::new(Arc::new(rules), Arc::new(directory), 1)
}

fn read(classifier: &Classifier, line: &str) -> Reading {
    let mut decoder = SyslogDecoder::default();
    let mut scratch = Scratch::default();
    let frame = format!("<189>{line}");
    let message = decoder.decode(frame.as_bytes());
    let origin = Origin {
        peer: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
        listener: 0,
        arrived: At::default(),
    };
    match classifier.classify_syslog(&message, frame.as_bytes(), &origin, &mut scratch) {
        Classified::Event(event) => Reading {
            verb: Some(event.verb),
            alarm_type: event.alarm_type.to_owned(),
            severity: event.severity,
        },
        Classified::Ignored(_) => {
            Reading { verb: None, alarm_type: String::new(), severity: Severity::Indeterminate }
        }
    }
}

fn corpus() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/vendor-syslog/noc.json");
    let text = std::fs::read_to_string(path)
        .unwrap_or_else(|error| panic!("the vendor corpus has to be at {path}: {error}"));
    serde_json::from_str(&text).expect("the corpus is a JSON list")
}

/// The actions that the corpus expects, as (verb, class).
fn expected(entry: &Value) -> Vec<(Verb, String)> {
    let actions = entry["alarm"].as_array().cloned().unwrap_or_default();
    let verb = |word: &str| match word {
        "raise" => Some(Verb::Raise),
        "clear" => Some(Verb::Clear),
        _ => None,
    };
    actions
        .iter()
        .filter_map(|action| {
            let class = action[1].as_str()?.to_owned();
            Some((verb(action[0].as_str()?)?, class))
        })
        .collect()
}

#[test]
fn the_shipped_rules_agree_with_the_vendor_corpus() {
    let classifier = classifier();
    let (mut with_alarm, mut agreed, mut misses) = (0, 0, Vec::new());
    let mut types_of_class: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for entry in corpus() {
        let line = entry["message"].as_str().expect("every entry has a message");
        let reading = read(&classifier, line);
        let wanted = expected(&entry);
        if wanted.is_empty() {
            let opens = reading.verb == Some(Verb::Raise);
            assert!(
                !opens || reading.severity <= Severity::Warning,
                "opens {} and should not: {line}",
                reading.alarm_type
            );
            continue;
        }
        with_alarm += 1;
        if wanted.iter().any(|(verb, _)| Some(*verb) == reading.verb) {
            agreed += 1;
            let main = wanted.first().map(|(_, class)| class.clone()).unwrap_or_default();
            types_of_class.entry(main).or_default().insert(reading.alarm_type);
        } else {
            misses.push(line.to_owned());
        }
    }
    assert!(
        agreed >= AGREED_FLOOR,
        "{agreed} of {with_alarm} agree, at least {AGREED_FLOOR} did before; missed:\n{}",
        misses.join("\n")
    );
    for (class, types) in types_of_class {
        assert!(types.len() == 1, "{class} has become several alarm types: {types:?}");
    }
}

/// Lines of the corpus with an alarm on which the rules have been seen to agree.
const AGREED_FLOOR: usize = 149;
