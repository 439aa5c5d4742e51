//! Alerts to events: which resource their labels name, which alarm of it they are, how bad it is.
//!
//! In: an alert and when it came. Out: a raise that holds until the alert's end, or a clear when
//! that is over; with the labels, so that whoever asks sees the alert again.
//!
//! Two alerts are two alarms: a qualifier that no rule sets holds every label that resource and
//! alarm type do not say already, so that the end of one never clears another.

use super::classifier::{Classified, Classifier, IgnoreCause};
use super::clean;
use super::labels::{Target, push_part};
use super::rules::{AlertDecision, AlertReference, AlertRule, DEFAULT_ALARM_TYPE, Fill};
use crate::model::alert::{ALERT_NAME, Alert, Standing};
use crate::model::event::{Channel, Event, Verb};
use crate::model::fault::Faults;
use crate::model::fingerprint::fingerprint;
use crate::model::limits::{NAME_BYTES_MAX, RAW_BYTES_MAX, TEXT_BYTES_MAX};
use crate::model::severity::Severity;
use crate::model::time::At;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

/// Where an alert came from.
#[derive(Clone, Copy, Debug)]
pub struct AlertOrigin<'a> {
    /// Index of the listener in the configuration.
    pub listener: u16,
    /// When its request came.
    pub arrived: At,
    /// Who sent it: the device of an alert whose labels name none.
    pub peer: IpAddr,
    /// How long an alert holds that does not say it, ns.
    pub resolve_timeout_ns: i64,
    /// The alert as it was received.
    pub raw: &'a [u8],
}

/// Memory for the texts of one event.
#[derive(Debug, Default)]
pub struct AlertScratch {
    target: Target,
    qualifier: String,
    text: String,
}

impl Classifier {
    /// Classifies an alert. `canonical` is what [`Alert::canonical`] gives.
    pub fn classify_alert<'a>(
        &'a self,
        alert: &'a Alert,
        canonical: &'a str,
        origin: &AlertOrigin<'a>,
        scratch: &'a mut AlertScratch,
    ) -> Classified<'a> {
        let read = |name: &str| alert.labels.get(name).map(String::as_str);
        let rules = &self.rules().alert;
        let rule = rules.find(alert.label(ALERT_NAME), &read);
        let standing = alert.standing(origin.arrived.wall, origin.resolve_timeout_ns);
        let decision = rule.map_or(AlertDecision::Alarm, |rule| rule.decision);
        let (verb, occurred_at, lease_until) = match (decision, standing) {
            (AlertDecision::Alarm, Standing::Firing { since, until }) => {
                (Verb::Raise, since, Some(until))
            }
            (AlertDecision::Alarm, Standing::Ended { at }) => (Verb::Clear, at, None),
            (AlertDecision::Event, Standing::Firing { since, .. }) => (Verb::Event, since, None),
            (AlertDecision::Event, Standing::Ended { .. }) | (AlertDecision::Ignore, _) => {
                return Classified::Ignored(IgnoreCause::RuleIgnores);
            }
        };
        self.write_texts(alert, rule, origin.peer, scratch);
        let scratch: &'a AlertScratch = scratch;
        let severity = rule.and_then(|rule| rule.severity).unwrap_or_else(|| severity_of(alert));
        Classified::Event(Event {
            verb,
            severity: rule.map_or(severity, |rule| severity.min(rule.worst)),
            channel: Channel::Metric,
            lane: rule.map_or(rules.default_lane, |rule| rule.lane),
            faults: Faults::NONE,
            listener: origin.listener,
            epoch: self.epoch(),
            arrived: origin.arrived,
            occurred_at: Some(occurred_at),
            uptime_cs: None,
            value: None,
            lease_until,
            // The sender speaks for others: his address is none of the device's.
            peer: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            is_known: scratch.target.is_known,
            is_in_service: false,
            device: &scratch.target.device,
            component: &scratch.target.component,
            component_alias: &scratch.target.component_alias,
            alarm_type: rule.map_or(DEFAULT_ALARM_TYPE, |rule| &rule.alarm_type),
            qualifier: &scratch.qualifier,
            rule: rule.map_or("", |rule| &rule.name),
            text: &scratch.text,
            labels: canonical,
            raw: origin.raw.get(..RAW_BYTES_MAX).unwrap_or(origin.raw),
        })
    }

    fn write_texts(
        &self,
        alert: &Alert,
        rule: Option<&AlertRule>,
        peer: IpAddr,
        scratch: &mut AlertScratch,
    ) {
        let read = |name: &str| alert.labels.get(name).map(String::as_str);
        let (map, place) = (self.rules().labels(), (self.directory(), peer));
        let devices = rule.map_or(&[][..], |rule| &rule.device_labels);
        let component = match rule.and_then(|rule| rule.component.as_ref()) {
            Some(template) => {
                let mut component = String::new();
                template.write(&mut PartValues(alert), &mut component);
                component
            }
            None => map.target(&read, self.directory(), peer).component,
        };
        scratch.target = map.target_with(&read, place, devices, component);
        let component = scratch.target.component.as_str();
        scratch.qualifier.clear();
        match rule.and_then(|rule| rule.qualifier.as_ref()) {
            Some(template) => {
                template.write(&mut Values { alert, component }, &mut scratch.qualifier);
                clean::cut(&mut scratch.qualifier, NAME_BYTES_MAX);
            }
            None => push_difference(alert, &scratch.target, &mut scratch.qualifier),
        }
        scratch.text.clear();
        match rule.map(|rule| &rule.text).filter(|text| !text.is_empty()) {
            Some(template) => template.write(&mut Values { alert, component }, &mut scratch.text),
            None => push_summary(alert, &mut scratch.text),
        }
        clean::cut(&mut scratch.text, TEXT_BYTES_MAX);
    }
}

/// What the labels say about the severity. One that nobody knows, or that is not said, is a
/// warning: it is seen, and opens nothing by itself.
fn severity_of(alert: &Alert) -> Severity {
    let said = SEVERITY_LABELS.iter().map(|name| alert.label(name)).find(|said| !said.is_empty());
    let said = said.unwrap_or_default().to_ascii_lowercase();
    let known = SEVERITIES.iter().find(|(words, _)| words.contains(&said.as_str()));
    known.map_or(Severity::Warning, |(_, severity)| *severity)
}

/// Appends the name of the alert, and every label that resource and name do not say already. What
/// is too long ends with the fingerprint of all labels.
fn push_difference(alert: &Alert, target: &Target, out: &mut String) {
    clean::push(alert.label(ALERT_NAME).as_bytes(), out);
    for (name, value) in &alert.labels {
        let is_said = name == ALERT_NAME
            || *value == target.device
            || *value == target.component
            || is_part(name, value, target);
        if is_said {
            continue;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        clean::push(name.as_bytes(), out);
        out.push('=');
        if value.contains([' ', '=', '"']) {
            let _ = write!(out, "{value:?}");
        } else {
            clean::push(value.as_bytes(), out);
        }
    }
    if out.len() > NAME_BYTES_MAX {
        let pairs = alert.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mark = format!(" #{:016x}", fingerprint(pairs));
        clean::cut(out, NAME_BYTES_MAX.saturating_sub(mark.len()));
        out.push_str(&mark);
    }
}

fn is_part(name: &str, value: &str, target: &Target) -> bool {
    let mut part = String::new();
    push_part(name, value, &mut part);
    part == target.component || part == target.component_alias
}

/// Appends what people wrote about the alert.
fn push_summary(alert: &Alert, out: &mut String) {
    let said = SUMMARIES.iter().filter_map(|name| alert.annotations.get(*name));
    match said.map(|text| text.trim()).find(|text| !text.is_empty()) {
        Some(text) => clean::push(text.as_bytes(), out),
        None => clean::push(alert.label(ALERT_NAME).as_bytes(), out),
    }
}

/// Labels as they name a part.
struct PartValues<'l>(&'l Alert);

impl Fill<AlertReference> for PartValues<'_> {
    fn fill(&mut self, reference: &AlertReference, out: &mut String) {
        match reference {
            AlertReference::Label(name) => push_part(name, self.0.label(name), out),
            AlertReference::Annotation(name) => {
                let said = self.0.annotations.get(name).map_or("", String::as_str);
                clean::push(said.as_bytes(), out);
            }
            AlertReference::Component => {}
        }
    }
}

/// Labels and annotations as they are told to people.
struct Values<'l, 'c> {
    alert: &'l Alert,
    component: &'c str,
}

impl Fill<AlertReference> for Values<'_, '_> {
    fn fill(&mut self, reference: &AlertReference, out: &mut String) {
        let text = match reference {
            AlertReference::Component => self.component,
            AlertReference::Label(name) => self.alert.label(name),
            AlertReference::Annotation(name) => {
                self.alert.annotations.get(name).map_or("", String::as_str)
            }
        };
        clean::push(text.as_bytes(), out);
    }
}

const SEVERITY_LABELS: [&str; 2] = ["severity", "priority"];

/// Annotations that hold a line for people, best first.
const SUMMARIES: [&str; 4] = ["summary", "message", "title", "description"];

/// Words of others for severities.
const SEVERITIES: [(&[&str], Severity); 5] = [
    (
        &["critical", "crit", "page", "emergency", "disaster", "fatal", "p1", "sev1"],
        Severity::Critical,
    ),
    (&["major", "error", "err", "high", "p2", "sev2"], Severity::Major),
    (&["minor", "medium", "average", "p3", "sev3"], Severity::Minor),
    (&["warning", "warn", "low", "p4", "sev4"], Severity::Warning),
    (
        &["info", "information", "informational", "notice", "debug", "none", "p5", "sev5"],
        Severity::Indeterminate,
    ),
];

#[cfg(test)]
mod tests {
    use super::super::{Directory, RuleSource, compile, library};
    use super::*;
    use crate::model::event::Lane;
    use crate::model::inventory::{Component, Device, Inventory};
    use crate::model::time::{EngineTime, Timestamp};
    use std::sync::Arc;

    const NOW: Timestamp = Timestamp(1_000_000_000_000);

    fn classifier(rules: &str) -> Classifier {
        let mut sources: Vec<RuleSource<'_>> = library::sources().collect();
        sources.push(RuleSource { file: "own.toml", text: rules });
        let port = Component { name: "GigabitEthernet0/1".to_owned(), ..Component::default() };
        let device = Device {
            name: "edge-1".to_owned(),
            addresses: vec!["10.0.0.1".parse().expect("an address")],
            components: vec![port],
            ..Device::default()
        };
        let inventory = Inventory { devices: vec![device], ..Inventory::default() };
        let rules = compile(&sources).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
        let directory = Directory::build(&inventory, &|_| None);
        Classifier::new(Arc::new(rules), Arc::new(directory), 7)
    }

    fn alert(labels: &[(&str, &str)], annotations: &[(&str, &str)]) -> Alert {
        let set = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        Alert { labels: set(labels), annotations: set(annotations), ..Alert::default() }
    }

    fn with_event<T>(rules: &str, alert: &Alert, then: impl FnOnce(&Event<'_>) -> T) -> T {
        let classifier = classifier(rules);
        let canonical = alert.canonical();
        let origin = AlertOrigin {
            listener: 3,
            arrived: At { engine: EngineTime(5), wall: NOW },
            peer: "192.0.2.9".parse().expect("an address"),
            resolve_timeout_ns: 300,
            raw: b"{}",
        };
        let mut scratch = AlertScratch::default();
        match classifier.classify_alert(alert, &canonical, &origin, &mut scratch) {
            Classified::Event(event) => then(&event),
            Classified::Ignored(cause) => panic!("ignored: {cause:?}"),
        }
    }

    #[test]
    fn an_alert_without_a_rule_is_an_alarm_of_the_device_that_its_labels_name() {
        let alert = alert(
            &[
                ("alertname", "InterfaceErrors"),
                ("instance", "10.0.0.1:9116"),
                ("ifName", "Gi0/1"),
                ("severity", "Critical"),
                ("job", "snmp"),
            ],
            &[("summary", "many\nerrors")],
        );
        with_event("", &alert, |event| {
            assert_eq!((event.verb, event.channel), (Verb::Raise, Channel::Metric));
            assert_eq!((event.device, event.component), ("edge-1", "GigabitEthernet0/1"));
            assert!(event.is_known);
            assert_eq!(event.alarm_type, "prometheus-alert");
            assert_eq!(
                event.qualifier,
                "InterfaceErrors instance=10.0.0.1:9116 job=snmp severity=Critical"
            );
            assert_eq!((event.severity, event.lane), (Severity::Critical, Lane::Urgent));
            assert_eq!(event.text, "many errors");
            assert_eq!(event.lease_until, Some(NOW.plus_ns(300)));
            assert_eq!(event.occurred_at, Some(NOW));
            assert!(event.labels.contains("\"ifName\":\"Gi0/1\""));
        });
    }

    #[test]
    fn an_alert_that_has_ended_clears_at_its_end() {
        let mut alert = alert(&[("alertname", "Down"), ("instance", "edge-1")], &[]);
        alert.ends_at = Some(NOW.plus_ns(-9));
        with_event("", &alert, |event| {
            assert_eq!((event.verb, event.lease_until), (Verb::Clear, None));
            assert_eq!(event.occurred_at, Some(NOW.plus_ns(-9)));
            assert_eq!(event.qualifier, "Down");
        });
    }

    #[test]
    fn two_alerts_are_two_alarms() {
        let qualifier = |labels: &[(&str, &str)]| {
            with_event("", &alert(labels, &[]), |event| event.qualifier.to_owned())
        };
        let with =
            |name, value| qualifier(&[("alertname", "A"), ("instance", "edge-1"), (name, value)]);
        let plain = qualifier(&[("alertname", "A"), ("instance", "edge-1")]);
        let all = [
            plain,
            with("severity", "warning"),
            with("severity", "critical"),
            with("x", "1 y=2"),
            with("x", "1"),
            qualifier(&[("alertname", "A"), ("instance", "edge-1:1")]),
            qualifier(&[("alertname", "A"), ("instance", "edge-1:2")]),
            with("x", &"long".repeat(200)),
            with("x", &format!("{}.", "long".repeat(200))),
        ];
        for (place, one) in all.iter().enumerate() {
            assert!(one.len() <= NAME_BYTES_MAX, "{one}");
            assert!(!all[..place].contains(one), "{one}");
        }
    }

    #[test]
    fn alerts_without_a_device_belong_to_who_sends_them() {
        with_event("", &alert(&[("alertname", "Watchdog"), ("severity", "none")], &[]), |event| {
            assert_eq!((event.device, event.is_known), ("192.0.2.9", false));
            assert_eq!(event.severity, Severity::Indeterminate);
            assert_eq!(event.text, "Watchdog");
            assert!(event.peer.is_unspecified());
        });
    }

    #[test]
    fn a_rule_makes_an_alert_the_alarm_that_a_trap_would_raise() {
        let rules = r#"
            [[alert]]
            name = "node-down"
            alertname = ["NodeDown", "InstanceDown"]
            match = { job = "~node|snmp", env = "!test" }
            alarm_type = "host-unreachable"
            severity = "major"
            device = "node"
            qualifier = ""
            text = "{node} does not answer: {annotations.why}"

            [[alert]]
            name = "other"
            match = { team = "web" }
            verb = "ignore"
        "#;
        let labels =
            [("alertname", "NodeDown"), ("job", "node"), ("node", "edge-1"), ("instance", "x")];
        with_event(rules, &alert(&labels, &[("why", "timeout")]), |event| {
            assert_eq!((event.rule, event.alarm_type), ("node-down", "host-unreachable"));
            assert_eq!((event.device, event.qualifier), ("edge-1", ""));
            assert_eq!(event.severity, Severity::Major);
            assert_eq!(event.text, "edge-1 does not answer: timeout");
        });
        let test = [("alertname", "NodeDown"), ("job", "node"), ("env", "test")];
        with_event(rules, &alert(&test, &[]), |event| assert_eq!(event.rule, ""));
        let classifier = classifier(rules);
        let ignored = alert(&[("alertname", "X"), ("team", "web")], &[]);
        let origin = AlertOrigin {
            listener: 0,
            arrived: At::default(),
            peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
            resolve_timeout_ns: 1,
            raw: b"",
        };
        let mut scratch = AlertScratch::default();
        let classified = classifier.classify_alert(&ignored, "", &origin, &mut scratch);
        assert_eq!(classified, Classified::Ignored(IgnoreCause::RuleIgnores));
    }

    #[test]
    fn mistakes_in_rules_are_told() {
        let rules = r#"
            [[alert]]
            name = "a"

            [[alert]]
            name = "b"
            alertname = "X"
            alarm_type = "host-unreachabel"
            text = "{"
            match = { job = "~(" }
            verb = "clear"
        "#;
        let mut sources: Vec<RuleSource<'_>> = library::sources().collect();
        sources.push(RuleSource { file: "own.toml", text: rules });
        let told = compile(&sources).expect_err("there are mistakes");
        assert_eq!(told.len(), 5, "{told:?}");
    }
}
