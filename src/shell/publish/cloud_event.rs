//! Decisions as CloudEvents 1.0 in the binary mode of the Kafka binding: attributes in headers,
//! the image as JSON in the value.
//!
//! In: an incident or ticket decision. Out: its messages, the same bytes whenever it is told
//! again. Everything about one incident, its tickets included, has the incident's id as key and so
//! stays in one partition, in order.

use crate::engine::effect::{Effect, IncidentChange, IncidentImage, TicketChange, TicketImage};
use crate::shell::publish::Published;
use serde::Serialize;

/// Which of the two topics.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Topic {
    /// Every change.
    Event,
    /// The last image of each incident, compacted by key.
    State,
}

/// One message, ready to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// Where it goes.
    pub topic: Topic,
    /// Incident id.
    pub key: String,
    /// Attributes, in a fixed order.
    pub headers: Vec<(&'static str, String)>,
    /// The image as JSON; none removes the key from a compacted topic.
    pub value: Option<Vec<u8>>,
}

impl Message {
    /// Bytes that it takes, roughly.
    #[must_use]
    pub fn size(&self) -> usize {
        let headers: usize =
            self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.key
            .len()
            .saturating_add(headers)
            .saturating_add(self.value.as_ref().map_or(0, Vec::len))
    }
}

/// Who speaks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Speaker {
    /// CloudEvents `source`.
    pub source: String,
    /// Uuid of the journal: positions are unique within it only.
    pub journal_uuid: String,
}

impl Speaker {
    /// The messages of a decision: none for effects that stay inside.
    #[must_use]
    pub fn messages(&self, published: &Published) -> Vec<Message> {
        if !published.effect.is_decision() {
            return Vec::new();
        }
        match &published.effect {
            Effect::Incident(image) => {
                let kind = incident_type(image.change);
                let about = About::incident(image, kind);
                let event = self.message(published, Some(json(image, &about)), &about);
                let state = Message { topic: Topic::State, ..event.clone() };
                vec![event, state]
            }
            Effect::Ticket(image) => {
                let about = About::ticket(image);
                vec![self.message(published, Some(json(image, &about)), &about)]
            }
            Effect::Withdrawn(id) => {
                let about = About { key: id, subject: id, kind: "io.vigie.incident.withdrawn" };
                vec![Message { topic: Topic::State, ..self.message(published, None, &about) }]
            }
            Effect::Alarm(_) | Effect::Resource(_) | Effect::Silence(_) | Effect::Answer(_) => {
                Vec::new()
            }
        }
    }

    fn message(&self, published: &Published, value: Option<Vec<u8>>, about: &About<'_>) -> Message {
        let mut headers = vec![
            ("ce_specversion", "1.0".to_owned()),
            ("ce_id", format!("{}/{}", self.journal_uuid, published.rank())),
            ("ce_source", self.source.clone()),
            ("ce_type", about.kind.to_owned()),
            ("ce_subject", about.subject.to_owned()),
            ("ce_time", published.at.wall.to_string()),
        ];
        if value.is_some() {
            headers.push(("content-type", "application/json".to_owned()));
        }
        Message { topic: Topic::Event, key: about.key.to_owned(), headers, value }
    }
}

fn json(image: &impl Serialize, about: &About<'_>) -> Vec<u8> {
    serde_json::to_vec(image).unwrap_or_else(|error| {
        tracing::error!(%error, subject = about.subject, "an image cannot be written as json");
        // An empty object, since no value at all would delete the key from the state topic.
        b"{}".to_vec()
    })
}

struct About<'a> {
    key: &'a str,
    subject: &'a str,
    kind: &'static str,
}

impl<'a> About<'a> {
    fn incident(image: &'a IncidentImage, kind: &'static str) -> Self {
        Self { key: &image.id, subject: &image.id, kind }
    }

    fn ticket(image: &'a TicketImage) -> Self {
        Self { key: &image.incident, subject: &image.number, kind: ticket_type(image.change) }
    }
}

const fn incident_type(change: IncidentChange) -> &'static str {
    match change {
        IncidentChange::Opened => "io.vigie.incident.opened",
        IncidentChange::Updated => "io.vigie.incident.updated",
        IncidentChange::Restored => "io.vigie.incident.restored",
        IncidentChange::Reopened => "io.vigie.incident.reopened",
        IncidentChange::Closed => "io.vigie.incident.closed",
        IncidentChange::Merged => "io.vigie.incident.merged",
    }
}

const fn ticket_type(change: TicketChange) -> &'static str {
    match change {
        TicketChange::Opened => "io.vigie.ticket.opened",
        TicketChange::Confirmed => "io.vigie.ticket.confirmed",
        TicketChange::Refuted => "io.vigie.ticket.refuted",
        TicketChange::Updated => "io.vigie.ticket.updated",
        TicketChange::Restored => "io.vigie.ticket.restored",
        TicketChange::Reopened => "io.vigie.ticket.reopened",
        TicketChange::Breached => "io.vigie.ticket.breached",
        TicketChange::Closed => "io.vigie.ticket.closed",
        TicketChange::Merged => "io.vigie.ticket.merged",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::effect::{IncidentStatus, TicketState};
    use crate::shell::publish::fixtures::*;

    #[test]
    fn attributes_are_headers_and_the_key_is_the_incident() {
        let speaker = Speaker { source: "/vigie/noc".to_owned(), journal_uuid: "u".to_owned() };
        let opened = incident("I7", IncidentStatus::Open, IncidentChange::Opened);
        let messages = speaker.messages(&incident_effect(12, opened.clone()));
        let topics: Vec<Topic> = messages.iter().map(|message| message.topic).collect();
        assert_eq!(topics, [Topic::Event, Topic::State]);
        let message = messages.first().expect("two");
        assert_eq!(message.key, "I7");
        let expected = [
            ("ce_specversion", "1.0"),
            ("ce_id", "u/12-0"),
            ("ce_source", "/vigie/noc"),
            ("ce_type", "io.vigie.incident.opened"),
            ("ce_subject", "I7"),
            ("ce_time", "2026-11-24T06:00:00.000000012Z"),
            ("content-type", "application/json"),
        ];
        let expected: Vec<_> = expected.map(|(name, value)| (name, value.to_owned())).into();
        assert_eq!(message.headers, expected);
        let back: IncidentImage =
            serde_json::from_slice(message.value.as_deref().expect("a value")).expect("the image");
        assert_eq!(back, opened);
        let breached = ticket("NOC-000001", TicketState::Acknowledged, TicketChange::Breached);
        let messages = speaker.messages(&ticket_effect(13, breached));
        let [message] = messages.as_slice() else { panic!("one message") };
        assert_eq!((message.key.as_str(), message.topic), ("I7", Topic::Event));
        assert!(message.headers.contains(&("ce_id", "u/13-1".to_owned())));
        assert!(message.headers.contains(&("ce_type", "io.vigie.ticket.breached".to_owned())));
        let withdrawn = published(14, 0, Effect::Withdrawn("I7".into()));
        let messages = speaker.messages(&withdrawn);
        let [message] = messages.as_slice() else { panic!("one message, no event") };
        assert_eq!((message.key.as_str(), message.topic), ("I7", Topic::State));
        assert_eq!(message.value, None, "the key goes with the next compaction");
        assert!(message.headers.contains(&("ce_id", "u/14-0".to_owned())));
        assert!(speaker.messages(&alarm_effect(1, alarm(1, false))).is_empty());
    }
}
