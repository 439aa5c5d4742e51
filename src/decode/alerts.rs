//! The body in which Prometheus and whoever speaks like it posts alerts: a JSON array of
//! `{labels, annotations, startsAt, endsAt, generatorURL}` (API v2 of the Alertmanager).
//!
//! In: the bytes. Out: an alert or what is wrong with it, item by item, so that one bad item costs
//! no other. It decides nothing about times: what is missing stays missing.

use crate::model::alert::{Alert, LabelSet, head};
use crate::model::limits::{
    ALERT_LABELS_BYTES_MAX, ALERTS_MAX, ANNOTATIONS_MAX, LABEL_NAME_BYTES_MAX, LABELS_MAX,
};
use crate::model::time::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

/// An alert, and its own part of the body.
pub type Posted<'a> = (Alert, &'a str);

/// Why nothing of a body can be used.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It is no JSON array.
    #[error("the body is not a JSON array of alerts: {0}")]
    NotAnArray(#[from] serde_json::Error),
    /// It holds too many.
    #[error("{0} alerts in one request; send at most {ALERTS_MAX}")]
    TooMany(usize),
}

/// Why an alert is none.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AlertMistake {
    /// Its JSON is of another form.
    #[error("{0}")]
    Form(String),
    /// It has no label with a value.
    #[error("at least one label pair required")]
    NoLabels,
    /// A label or annotation has no name.
    #[error("invalid label set: invalid name \"\"")]
    EmptyName,
    /// A time is no RFC 3339 instant, or out of the years 1678 to 2261.
    #[error("{field} is no RFC 3339 instant of the years 1678 to 2261: {text:?}")]
    Time {
        /// `startsAt` or `endsAt`.
        field: &'static str,
        /// What was written, cut.
        text: String,
    },
    /// It ends before it starts.
    #[error("start time must be before end time")]
    EndsBeforeStart,
    /// Its labels are too many or too long.
    #[error(
        "its labels are too large: at most {LABELS_MAX} of them, names of \
         {LABEL_NAME_BYTES_MAX} bytes and {ALERT_LABELS_BYTES_MAX} bytes of JSON in all"
    )]
    TooLarge,
}

/// Reads a body, item by item.
///
/// # Errors
/// When the body as a whole cannot be read; what is wrong with an item is in its place.
pub fn read(body: &[u8]) -> Result<Vec<Result<Posted<'_>, AlertMistake>>, BodyError> {
    let items: Vec<&RawValue> = serde_json::from_slice(body)?;
    if items.len() > ALERTS_MAX {
        return Err(BodyError::TooMany(items.len()));
    }
    Ok(items.into_iter().map(|item| alert(item.get())).collect())
}

#[derive(Deserialize)]
struct Written {
    labels: Option<LabelSet>,
    annotations: Option<LabelSet>,
    #[serde(rename = "startsAt")]
    starts_at: Option<String>,
    #[serde(rename = "endsAt")]
    ends_at: Option<String>,
    #[serde(rename = "generatorURL")]
    generator_url: Option<String>,
}

fn alert(raw: &str) -> Result<Posted<'_>, AlertMistake> {
    let written: Written = serde_json::from_str(raw)
        .map_err(|error| AlertMistake::Form(head(&error.to_string(), SHOWN_BYTES).to_owned()))?;
    let starts_at = time("startsAt", written.starts_at.as_deref())?;
    let ends_at = time("endsAt", written.ends_at.as_deref())?;
    if let (Some(starts_at), Some(ends_at)) = (starts_at, ends_at)
        && ends_at < starts_at
    {
        return Err(AlertMistake::EndsBeforeStart);
    }
    let generator_url = written.generator_url.unwrap_or_default();
    let alert = Alert {
        labels: labels(written.labels.unwrap_or_default())?,
        annotations: annotations(written.annotations.unwrap_or_default())?,
        starts_at,
        ends_at,
        generator_url: head(&generator_url, URL_BYTES_MAX).to_owned(),
    };
    if alert.labels_bytes() > ALERT_LABELS_BYTES_MAX {
        return Err(AlertMistake::TooLarge);
    }
    Ok((alert, raw))
}

fn labels(mut labels: LabelSet) -> Result<LabelSet, AlertMistake> {
    // An empty label is no label.
    labels.retain(|_, value| !value.is_empty());
    if labels.is_empty() {
        return Err(AlertMistake::NoLabels);
    }
    if labels.contains_key("") {
        return Err(AlertMistake::EmptyName);
    }
    let has_long_name = labels.keys().any(|name| name.len() > LABEL_NAME_BYTES_MAX);
    if labels.len() > LABELS_MAX || has_long_name {
        return Err(AlertMistake::TooLarge);
    }
    Ok(labels)
}

/// Annotations are for people: what is too much of them is left out.
fn annotations(mut annotations: LabelSet) -> Result<LabelSet, AlertMistake> {
    if annotations.contains_key("") {
        return Err(AlertMistake::EmptyName);
    }
    while annotations.len() > ANNOTATIONS_MAX {
        annotations.pop_last();
    }
    Ok(annotations)
}

/// An instant; the zero time of Go, an empty text and null are none.
fn time(field: &'static str, text: Option<&str>) -> Result<Option<Timestamp>, AlertMistake> {
    let Some(text) =
        text.filter(|text| !text.is_empty() && !text.starts_with("0001-01-01T00:00:00"))
    else {
        return Ok(None);
    };
    let parsed = Timestamp::parse(text);
    parsed
        .map(Some)
        .ok_or_else(|| AlertMistake::Time { field, text: head(text, SHOWN_BYTES).to_owned() })
}

/// Bytes of what a sender wrote that a message about it shows.
const SHOWN_BYTES: usize = 160;
/// Address of an alert, bytes; longer ones are cut.
const URL_BYTES_MAX: usize = 2_048;

#[cfg(test)]
mod tests {
    use super::*;

    fn one(item: &str) -> Result<Alert, AlertMistake> {
        alert(item).map(|(alert, _)| alert)
    }

    #[test]
    fn an_alert_of_prometheus_is_read() {
        let body = br#" [{"annotations":{"summary":"it is down"},"endsAt":"2026-11-24T08:04:15.5Z",
            "startsAt":"2026-11-24T09:00:15+01:00","generatorURL":"http://p:9090/graph?g0",
            "labels":{"alertname":"Down","instance":"edge-1:9100","empty":""},"other":[1,{}]}] "#;
        let read = read(body).expect("an array");
        let (alert, raw) = read[0].as_ref().expect("an alert");
        assert_eq!(alert.labels.len(), 2, "an empty label is no label");
        assert_eq!(alert.starts_at, Timestamp::parse("2026-11-24T08:00:15Z"));
        assert_eq!(alert.ends_at, Timestamp::parse("2026-11-24T08:04:15.5Z"));
        assert_eq!(alert.annotations["summary"], "it is down");
        assert_eq!(alert.generator_url, "http://p:9090/graph?g0");
        assert!(raw.starts_with('{') && raw.ends_with('}'));
    }

    #[test]
    fn times_may_be_missing_in_every_way() {
        for missing in
            ["", r#","endsAt":null"#, r#","endsAt":"""#, r#","endsAt":"0001-01-01T00:00:00Z""#]
        {
            let item = format!(r#"{{"labels":{{"a":"b"}}{missing}}}"#);
            assert_eq!(one(&item).expect("an alert").ends_at, None, "{missing}");
        }
    }

    #[test]
    fn each_bad_item_is_named_and_costs_no_other() {
        let body = br#"[{"labels":{"a":"b"}}, 7, {}, {"labels":{"a":""}}, {"labels":{"":"x"}},
            {"labels":{"a":1}}, {"labels":{"a":"b"},"startsAt":"yesterday"},
            {"labels":{"a":"b"},"startsAt":"9999-01-01T00:00:00Z"},
            {"labels":{"a":"b"},"startsAt":"2026-01-02T00:00:00Z","endsAt":"2026-01-01T00:00:00Z"},
            {"labels":{"a":"b"},"annotations":{"":"x"}}, {"labels":{"c":"d"}}]"#;
        let read = read(body).expect("an array");
        let good: Vec<usize> = (0..read.len()).filter(|place| read[*place].is_ok()).collect();
        assert_eq!(good, [0, 10]);
        assert_eq!(read[2], Err(AlertMistake::NoLabels));
        assert_eq!(read[3], Err(AlertMistake::NoLabels));
        assert_eq!(read[4], Err(AlertMistake::EmptyName));
        assert!(matches!(&read[6], Err(AlertMistake::Time { field: "startsAt", .. })));
        assert_eq!(read[8], Err(AlertMistake::EndsBeforeStart));
    }

    #[test]
    fn what_is_no_array_is_nothing() {
        for body in
            ["", "{}", "[", "[{}", "[{}]]", "null", "\"x\"", "[{\"labels\":{}},]", "\u{feff}[]"]
        {
            assert!(read(body.as_bytes()).is_err(), "{body}");
        }
        assert!(read(b"[\"\xff\"]").is_err(), "not UTF-8");
        let deep = "[".repeat(100_000);
        assert!(read(deep.as_bytes()).is_err());
        let many = format!("[{}0]", "0,".repeat(ALERTS_MAX));
        assert!(matches!(read(many.as_bytes()), Err(BodyError::TooMany(_))));
        assert!(read(b"[]").expect("an empty array").is_empty());
    }

    #[test]
    fn labels_and_annotations_have_bounds() {
        let label = |name: &str, value: &str| format!(r#"{{"labels":{{"{name}":"{value}"}}}}"#);
        let long = label("a", &"x".repeat(ALERT_LABELS_BYTES_MAX));
        assert_eq!(one(&long), Err(AlertMistake::TooLarge));
        let long = label(&"n".repeat(LABEL_NAME_BYTES_MAX + 1), "x");
        assert_eq!(one(&long), Err(AlertMistake::TooLarge));
        let many: Vec<String> = (0..200).map(|place| format!("\"a{place}\":\"x\"")).collect();
        let item = format!(r#"{{"labels":{{"a":"b"}},"annotations":{{{}}}}}"#, many.join(","));
        assert_eq!(one(&item).expect("an alert").annotations.len(), ANNOTATIONS_MAX);
    }
}
