//! An alarm as an alert: with the labels that it was posted with, or, when a trap, a syslog line
//! or a threshold told it, with labels made of its names.

use crate::engine::effect::AlarmImage;
use crate::model::alert::{ALERT_NAME, KeptAlert, LabelSet};
use crate::model::fingerprint::fingerprint;
use crate::model::inventory::split_resource;
use crate::model::silence::Silence;
use crate::model::time::Timestamp;
use crate::shell::alertmanager::query::RECEIVER;
use serde::Serialize;
use std::time::Duration;

/// Why an alarm whose lease has passed shows no more than it does.
const SOURCE_SILENT: &str = "source-silent";

/// Labels and annotations of an alarm.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) labels: LabelSet,
    annotations: LabelSet,
    generator_url: String,
}

/// An alert as clients of the Alertmanager read it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GettableAlert {
    annotations: LabelSet,
    ends_at: Timestamp,
    fingerprint: String,
    receivers: [Receiver; 1],
    starts_at: Timestamp,
    pub(super) status: Status,
    updated_at: Timestamp,
    #[serde(rename = "generatorURL", skip_serializing_if = "String::is_empty")]
    generator_url: String,
    labels: LabelSet,
}

/// A receiver, by name.
#[derive(Debug, Serialize)]
pub(super) struct Receiver {
    name: &'static str,
}

/// vigie's only one.
pub(super) const SELF: Receiver = Receiver { name: RECEIVER };

/// Whether anybody is told of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    state: &'static str,
    pub(super) silenced_by: Vec<String>,
    inhibited_by: [String; 0],
    muted_by: [String; 0],
}

impl Shown {
    /// The labels of an alarm.
    pub(super) fn of(image: &AlarmImage) -> Self {
        let kept = Some(&image.labels).filter(|labels| !labels.is_empty());
        let kept = kept.and_then(|labels| KeptAlert::read(labels));
        let mut shown = match kept {
            Some(kept) => Self {
                labels: kept.labels.into_owned(),
                annotations: kept.annotations.into_owned(),
                generator_url: kept.generator_url.into_owned(),
            },
            None => Self {
                labels: made_labels(image),
                annotations: set([("summary", &*image.text)]),
                generator_url: String::new(),
            },
        };
        let incident = image.incident.as_deref().unwrap_or_default();
        shown.annotations.extend(set([
            ("vigie-alarm", image.id.as_str()),
            ("vigie-incident", incident),
            ("vigie-resource", image.resource.as_str()),
            ("vigie-why", image.why.as_str()),
        ]));
        shown
    }

    /// The value of a label; empty when there is none.
    pub(super) fn value(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }

    /// The ids of the silences that it is under.
    pub(super) fn silenced_by<'s>(
        &self,
        active: impl IntoIterator<Item = &'s Silence>,
    ) -> Vec<String> {
        let fitting = active.into_iter().filter(|one| one.is_about(|name| self.value(name)));
        fitting.map(Silence::name).collect()
    }

    /// The alert at the moment `at`.
    pub(super) fn into_alert(
        self,
        image: &AlarmImage,
        silenced_by: Vec<String>,
        (at, resolve_timeout): (Timestamp, Duration),
    ) -> GettableAlert {
        let pairs = self.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let state = if silenced_by.is_empty() { "active" } else { "suppressed" };
        GettableAlert {
            fingerprint: format!("{:016x}", fingerprint(pairs)),
            annotations: self.annotations,
            ends_at: ends_at(image, at, resolve_timeout),
            receivers: [SELF],
            starts_at: image.occurred_at.unwrap_or(image.last_changed),
            status: Status { state, silenced_by, inhibited_by: [], muted_by: [] },
            updated_at: image.last_raised.max(image.last_changed),
            generator_url: self.generator_url,
            labels: self.labels,
        }
    }
}

/// Until when it is to be believed: what is there without an end, or was told again since its last
/// change was shown, for another while.
fn ends_at(image: &AlarmImage, at: Timestamp, resolve_timeout: Duration) -> Timestamp {
    let while_ns = i64::try_from(resolve_timeout.as_nanos()).unwrap_or(i64::MAX);
    match image.lease_until {
        Some(until) if until > at || image.why == SOURCE_SILENT => until,
        _ => at.plus_ns(while_ns),
    }
}

fn made_labels(image: &AlarmImage) -> LabelSet {
    let (device, component) = split_resource(&image.resource);
    set([
        (ALERT_NAME, image.alarm_type.as_str()),
        ("resource", image.resource.as_str()),
        ("device", device),
        ("component", component),
        ("severity", image.perceived_severity.as_str()),
        ("qualifier", image.qualifier.as_str()),
        ("source", image.source.as_str()),
    ])
}

/// Those that have a value.
fn set<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> LabelSet {
    pairs
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}
