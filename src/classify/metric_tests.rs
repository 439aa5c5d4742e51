//! The shipped metric rules at work: series of real exporters, and one identity for one fault.

use super::*;
use crate::classify::rules::compile;
use crate::classify::{Directory, RuleSource, library};
use crate::model::inventory::{Component, Device, Inventory};
use crate::model::time::At;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 90));

fn classifier_with(own: &str) -> Classifier {
    let mut sources: Vec<RuleSource<'_>> = library::sources().collect();
    sources.push(RuleSource { file: "own.toml", text: own });
    let inventory = Inventory {
        devices: vec![Device {
            name: "pe1".to_owned(),
            addresses: vec!["10.0.0.1".parse().expect("an address")],
            components: vec![Component {
                name: "TenGigabitEthernet1/1".to_owned(),
                if_index: Some(7),
                ..Component::default()
            }],
            ..Device::default()
        }],
        ..Inventory::default()
    };
    let rules = compile(&sources).unwrap_or_else(|found| panic!("{found:#?}"));
    let directory = Directory::build(&inventory, &|_| None);
    Classifier::new(Arc::new(rules), Arc::new(directory), 4)
}

fn hits(classifier: &Classifier, metric: &str, labels: &[(&str, &str)]) -> Vec<Hit> {
    let read =
        |name: &str| labels.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    classifier.resolve_series(metric, &read, PEER)
}

/// Rule, device, component and qualifier of each hit.
fn named(classifier: &Classifier, metric: &str, labels: &[(&str, &str)]) -> Vec<[String; 4]> {
    let name = |hit: Hit| {
        let rule = classifier.metric_rule(hit.rule).expect("of this classifier").name().to_owned();
        let [device, component, qualifier] =
            [hit.device(), hit.component(), hit.qualifier()].map(str::to_owned);
        [rule, device, component, qualifier]
    };
    hits(classifier, metric, labels).into_iter().map(name).collect()
}

#[test]
fn series_of_real_exporters_find_their_rules_and_parts() {
    let classifier = classifier_with("");
    let snmp = [("instance", "10.0.0.1"), ("ifIndex", "7"), ("ifName", "Te1/1"), ("ifAlias", "up")];
    let port = "TenGigabitEthernet1/1";
    let one = |metric: &str, labels: &[(&str, &str)], wanted: [&str; 4]| {
        let found = named(&classifier, metric, labels);
        assert!(found.iter().any(|one| *one == wanted), "{metric}: {found:?}");
    };
    one("ifOperStatus", &snmp, ["snmp-interface-down", "pe1", port, ""]);
    one("ifHCInOctets", &snmp, ["snmp-interface-in-use-received", "pe1", port, "in"]);
    let telegraf = [("agent_host", "10.0.0.1"), ("host", "poller"), ("ifDescr", port)];
    one("interface_ifHCOutOctets", &telegraf, ["snmp-interface-in-use-sent", "pe1", port, "out"]);
    let node = [("instance", "pe1:9100"), ("mountpoint", "/var"), ("fstype", "ext4")];
    one("node_filesystem_avail_bytes", &node, ["node-disk-space", "pe1", "/var", ""]);
    let up = [("instance", "db-7:9100"), ("job", "node")];
    one("up", &up, ["prometheus-scrape", "db-7", "", "node"]);
    let frr = [("instance", "pe1:9342"), ("peer", "10.0.0.2"), ("vrf", "RED")];
    one("frr_bgp_peer_state", &frr, ["frr-bgp-session-in-vrf", "pe1", "", "10.0.0.2 vrf RED"]);
    let fan = [("instance", "pe1"), ("ciscoEnvMonFanStatusDescr", "Fan 1")];
    one("ciscoEnvMonFanState", &fan, ["cisco-fan", "pe1", "Fan 1", ""]);
    assert_eq!(named(&classifier, "nobody_knows", &snmp), Vec::<[String; 4]>::new());
    let bare = [("instance", "pe1"), ("ifIndex", "7")];
    assert!(
        hits(&classifier, "ifOperStatus", &bare).is_empty(),
        "a port that nobody described is not watched"
    );
}

#[test]
fn both_series_of_a_ratio_mean_one_alarm() {
    let classifier = classifier_with("");
    let labels = [("instance", "pe1"), ("ifIndex", "7"), ("ifName", "Te1/1")];
    let pair = ["ifHCInOctets", "ifHighSpeed"].map(|metric| {
        let found = hits(&classifier, metric, &labels);
        found.into_iter().find(|hit| {
            classifier
                .metric_rule(hit.rule)
                .is_some_and(|rule| rule.name().ends_with("use-received"))
        })
    });
    let [Some(measured), Some(divisor)] = pair else { panic!("both are known") };
    assert_eq!((measured.side, divisor.side), (Side::Measured, Side::Divisor));
    assert_eq!(Hit { side: Side::Divisor, ..measured.clone() }, divisor);
    let rule = classifier.metric_rule(measured.rule).expect("of this classifier");
    assert_eq!(rule.computation.quantity, crate::classify::Quantity::Rate);
    assert_eq!(rule.computation.divisor, Some(crate::classify::Quantity::Value));
}

#[test]
fn events_of_a_series_say_what_the_rule_says() {
    let classifier = classifier_with("");
    let labels = [("instance", "pe1"), ("jnxOperatingDescr", "FPC\u{1b}[31m 0")];
    let hit = hits(&classifier, "jnxOperatingTemp", &labels).pop().expect("a rule knows it");
    let origin = Origin { peer: PEER, listener: 3, arrived: At::default() };
    let mut line = String::new();
    let news = News::Value(85.123_456);
    let told = classifier.series_event(&hit, news, (&origin, Some(Timestamp(9))), &mut line);
    let told = told.expect("of this classifier");
    assert_eq!(
        (told.verb, told.value, told.channel),
        (Verb::Crossing, Some(85.123_456), Channel::Metric)
    );
    assert_eq!((told.rule, told.alarm_type), ("juniper-temperature", "temperature-high"));
    assert_eq!((told.device, told.is_known, told.epoch), ("pe1", true, 4));
    assert_eq!((told.occurred_at, told.peer), (Some(Timestamp(9)), PEER));
    assert!(told.text.ends_with(" has 85.123 degrees"), "{}", told.text);
    assert!(!told.text.contains('\u{1b}') && !told.component.contains('\u{1b}'));
    let silent = classifier.series_event(&hit, News::Silent, (&origin, None), &mut line);
    let silent = silent.expect("of this classifier");
    assert_eq!((silent.verb, silent.value), (Verb::Silent, None));
}

#[test]
fn a_baseline_goes_by_the_hours_of_the_site_and_tells_what_is_usual() {
    let rule = |name: &str, more: &str| {
        format!(
            "[[metric]]\nname = \"{name}\"\nmetric = \"calls\"\n{more}\n\
             alarm_type = \"temperature-high\"\nbands = [{{ severity = \"major\", above = 4 }}]\n"
        )
    };
    let own = [
        rule("plain", ""),
        rule("utc", "baseline = { spread_min = 1 }"),
        rule(
            "site",
            "baseline = { spread_min = 1, hours = \"site\" }\ntext = \"{expected}, {value}\"",
        ),
    ];
    let own = own.concat();
    let mut sources: Vec<RuleSource<'_>> = library::sources().collect();
    sources.push(RuleSource { file: "own.toml", text: &own });
    let timezone = "Indian/Mauritius".to_owned();
    let device = Device { name: "pe1".to_owned(), timezone, ..Device::default() };
    let inventory = Inventory { devices: vec![device], ..Inventory::default() };
    let rules = compile(&sources).unwrap_or_else(|found| panic!("{found:#?}"));
    let zone = TimeZone::fixed(jiff::tz::offset(4));
    let directory = Directory::build(&inventory, &|_| Some(zone.clone()));
    let classifier = Classifier::new(Arc::new(rules), Arc::new(directory), 4);
    let found = hits(&classifier, "calls", &[("host", "pe1")]);
    let zones: Vec<_> = found.iter().map(|hit| classifier.zone_of_baseline(hit)).collect();
    assert_eq!(zones, [TimeZone::UTC, TimeZone::UTC, zone]);
    let strange = hits(&classifier, "calls", &[("host", "stranger")]);
    assert!(strange.iter().all(|hit| classifier.zone_of_baseline(hit) == TimeZone::UTC));
    let origin = Origin { peer: PEER, listener: 3, arrived: At::default() };
    let mut line = String::new();
    let mut told = |hit: &Hit, expected| {
        let news = News::Deviation { spreads: 9.0, value: 20.5, expected };
        let event = classifier.series_event(hit, news, (&origin, None), &mut line);
        let event = event.expect("of this classifier");
        (event.value, event.text.to_owned())
    };
    assert_eq!(told(&found[2], Some(2.0)), (Some(9.0), "2, 20.5".to_owned()));
    assert_eq!(told(&found[2], None), (Some(9.0), "unknown, 20.5".to_owned()));
    assert_eq!(told(&found[1], Some(2.0)).1, "utc is 20.5, usual is 2");
}

#[test]
fn numbers_are_short_and_keep_their_size() {
    for (value, wanted) in [
        (0.0, "0"),
        (-0.5, "-0.5"),
        (100.0, "100"),
        (85.123_456, "85.123"),
        (1e-7, "1.000e-7"),
        (1.5e12, "1.500e12"),
        (f64::INFINITY, "inf"),
    ] {
        let mut text = String::new();
        push_number(value, &mut text);
        assert_eq!(text, wanted);
    }
}

#[test]
fn label_conditions_are_those_of_prometheus() {
    let classifier = classifier_with(
        r#"
        [[metric]]
        name = "own"
        metric = "m"
        match = { a = "1", b = "!2", c = "~x|y.*", d = "!~z?", e = "" }
        alarm_type = "temperature-high"
        bands = [{ severity = "major", above = 1 }]
        "#,
    );
    let is_hit = |labels: &[(&str, &str)]| !hits(&classifier, "m", labels).is_empty();
    assert!(is_hit(&[("a", "1"), ("c", "yes"), ("d", "zz")]));
    assert!(!is_hit(&[("a", "1"), ("c", "yes")]), "an absent label is empty");
    assert!(!is_hit(&[("a", "1"), ("c", "ax"), ("d", "zz")]), "the whole value counts");
    assert!(!is_hit(&[("a", "1"), ("b", "2"), ("c", "x"), ("d", "zz")]));
    assert!(!is_hit(&[("a", "1"), ("c", "x"), ("d", "zz"), ("e", "there")]));
    assert!(!is_hit(&[]));
}

#[test]
fn every_shipped_rule_says_what_happened_and_spares_tickets_for_mere_load() {
    let classifier = classifier_with("");
    let load: BTreeSet<&str> =
        ["interface-congested", "interface-errors", "cpu-high", "scrape-failed"].into();
    for rule in &classifier.rules().metric.rules {
        assert!(!rule.text.is_empty(), "{}", rule.name());
        let worst = rule.threshold.bands.iter().map(|band| band.severity).max();
        if load.contains(rule.threshold.alarm_type.as_str()) {
            assert!(worst < Some(Severity::Major), "{}", rule.name());
        }
    }
}

#[test]
fn a_label_that_is_missing_leaves_no_text_or_qualifier_that_ends_in_the_air() {
    let classifier = classifier_with("");
    let line = |metric: &str, labels: &[(&str, &str)]| {
        let found = hits(&classifier, metric, labels);
        let [hit] = &found[..] else { panic!("{metric}: {found:?}") };
        let mut line = String::new();
        let rule = classifier.metric_rule(hit.rule).expect("of this classifier");
        hit.push_line(rule, (93.0, None), &mut line);
        (line, hit.qualifier().to_owned())
    };
    let said = |text: &str, qualifier: &str| (text.to_owned(), qualifier.to_owned());
    let host = ("instance", "db-7");
    assert_eq!(line("up", &[host]), said("Prometheus cannot scrape job ?", ""));
    let with_job = [host, ("job", "node")];
    assert_eq!(line("up", &with_job), said("Prometheus cannot scrape job node", "node"));
    assert_eq!(line("ipmi_up", &[host]), said("ipmi_exporter cannot read ?", "ipmi"));
    // No text of any rule that comes with vigie has a hole, whatever a series lacks.
    let rules = &classifier.rules().metric.rules;
    for rule in rules {
        let mut text = String::new();
        let nothing = |_: &str| None;
        let mut values = TextValues { labels: &nothing, component: "" };
        rule.text.write_to_people(&mut values, &mut text);
        for hole in ["  ", "()", " ,", " )", "( "] {
            assert!(!text.contains(hole) && text.trim() == text, "{}: {text:?}", rule.name());
        }
    }
}
