//! Silences: listed from the view, set and expired by commands.

use crate::engine::input::Action;
use crate::model::alert::head;
use crate::model::limits::{SILENCE_BODY_BYTES_MAX, SILENCE_MATCHERS_MAX};
use crate::model::matcher::{Comparison, Matcher};
use crate::model::silence::{Silence, SilenceMistake, SilenceRequest, SilenceState};
use crate::model::time::Timestamp;
use crate::shell::alertmanager::Alertmanager;
use crate::shell::alertmanager::answer::{Refused, json_response};
use crate::shell::alertmanager::body::read_json_body;
use crate::shell::alertmanager::query::Question;
use crate::shell::api::access::identity::Identity;
use crate::shell::clock;
use axum::body::Body;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;

/// A matcher as JSON has it.
#[derive(Debug, Serialize, Deserialize)]
struct MatcherJson {
    name: String,
    value: String,
    #[serde(rename = "isRegex")]
    is_regex: bool,
    #[serde(rename = "isEqual", default = "yes")]
    is_equal: bool,
}

const fn yes() -> bool {
    true
}

/// A silence as it is posted.
#[derive(Debug, Deserialize)]
struct PostedSilence {
    #[serde(default)]
    id: String,
    matchers: Vec<MatcherJson>,
    #[serde(rename = "startsAt")]
    starts_at: Timestamp,
    #[serde(rename = "endsAt")]
    ends_at: Timestamp,
    #[serde(rename = "createdBy")]
    created_by: String,
    comment: String,
}

/// A silence as it is shown.
#[derive(Debug, Serialize)]
struct ShownSilence<'a> {
    id: String,
    status: BTreeMap<&'static str, &'static str>,
    #[serde(rename = "updatedAt")]
    updated_at: Timestamp,
    matchers: Vec<MatcherJson>,
    #[serde(rename = "startsAt")]
    starts_at: Timestamp,
    #[serde(rename = "endsAt")]
    ends_at: Timestamp,
    #[serde(rename = "createdBy")]
    created_by: &'a str,
    comment: &'a str,
    annotations: BTreeMap<String, String>,
}

impl<'a> ShownSilence<'a> {
    fn new(silence: &'a Silence, state: SilenceState) -> Self {
        let request = &silence.request;
        let matchers = request.matchers.iter().map(|matcher| MatcherJson {
            name: matcher.name().to_owned(),
            value: matcher.value().to_owned(),
            is_regex: matcher.comparison().is_regex(),
            is_equal: matcher.comparison().is_equal(),
        });
        Self {
            id: silence.name(),
            status: BTreeMap::from([("state", state.as_str())]),
            updated_at: silence.updated_at,
            matchers: matchers.collect(),
            starts_at: request.starts_at,
            ends_at: request.ends_at,
            created_by: &request.created_by,
            comment: &request.comment,
            annotations: BTreeMap::new(),
        }
    }
}

pub(super) async fn list(
    State(alertmanager): State<Alertmanager>,
    uri: Uri,
) -> Result<Response, Refused> {
    let question = Question::of(&uri)?;
    let view = alertmanager.parts.view.load_full();
    let at = clock::wall();
    let mut shown: Vec<(SilenceState, &Silence)> = view
        .silences
        .iter()
        .map(|row| (row.silence.state_at(at), &*row.silence))
        .filter(|(state, _)| question.is_wanted(state.as_str()))
        .filter(|(_, silence)| question.is_match(|name| value_of(silence, name)))
        .collect();
    // Active ones first, those that end first before others; as the Alertmanager does.
    shown.sort_by_key(|(state, silence)| {
        let rank = match state {
            SilenceState::Active => 0,
            SilenceState::Pending => 1,
            SilenceState::Expired => 2,
        };
        (rank, silence.request.ends_at, silence.id)
    });
    let shown: Vec<ShownSilence<'_>> =
        shown.into_iter().map(|(state, silence)| ShownSilence::new(silence, state)).collect();
    Ok(json_response(StatusCode::OK, &shown))
}

/// What a silence says of a label: a filter fits silences whose matchers name that value.
fn value_of<'s>(silence: &'s Silence, name: &str) -> &'s str {
    let named = silence.request.matchers.iter().find(|matcher| matcher.name() == name);
    named.map_or("", Matcher::value)
}

pub(super) async fn one(
    State(alertmanager): State<Alertmanager>,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    let view = alertmanager.parts.view.load();
    let row = view.silences.find(&id).ok_or_else(|| not_found(&id))?;
    let state = row.silence.state_at(clock::wall());
    Ok(json_response(StatusCode::OK, &ShownSilence::new(&row.silence, state)))
}

pub(super) async fn set(
    State(alertmanager): State<Alertmanager>,
    identity: Option<Extension<Identity>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let held = read_json_body(&alertmanager, &headers, body, SILENCE_BODY_BYTES_MAX).await?;
    let posted: PostedSilence = serde_json::from_slice(&held.bytes)
        .map_err(|error| Refused::Bad(format!("the silence cannot be read: {error}")))?;
    drop(held);
    let is_known = |id: &str| alertmanager.parts.view.load().silences.find(id).is_some();
    if !posted.id.is_empty() && !is_known(&posted.id) {
        return Err(not_found(&posted.id));
    }
    if posted.matchers.len() > SILENCE_MATCHERS_MAX {
        return Err(Refused::Bad(SilenceMistake::TooManyMatchers.to_string()));
    }
    let matchers: Result<Vec<Matcher>, _> = posted
        .matchers
        .iter()
        .map(|one| Matcher::new(&one.name, Comparison::of(one.is_regex, one.is_equal), &one.value))
        .collect();
    let request = SilenceRequest {
        matchers: matchers.map_err(|error| Refused::Bad(format!("invalid silence: {error}")))?,
        starts_at: posted.starts_at,
        ends_at: posted.ends_at,
        created_by: cut(&posted.created_by),
        comment: cut(&posted.comment),
    };
    let author = author(identity, &request.created_by);
    let action = Action::SetSilence { replaces: posted.id, request: Box::new(request) };
    let id = say(&alertmanager, author, action).await?;
    Ok(json_response(StatusCode::OK, &json!({ "silenceID": id })))
}

pub(super) async fn expire(
    State(alertmanager): State<Alertmanager>,
    identity: Option<Extension<Identity>>,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    if alertmanager.parts.view.load().silences.find(&id).is_none() {
        return Err(not_found(&id));
    }
    let action = Action::ExpireSilence { silence: id };
    say(&alertmanager, author(identity, ""), action).await?;
    Ok(StatusCode::OK.into_response())
}

/// Has a command carried out; gives the id of the silence.
async fn say(
    alertmanager: &Alertmanager,
    author: String,
    action: Action,
) -> Result<String, Refused> {
    let answer = alertmanager.parts.commands.say(author, action).await;
    let answer = answer.map_err(|unanswered| Refused::Later(unanswered.to_string()))?;
    if answer.accepted {
        Ok(answer.subject().to_owned())
    } else {
        Err(Refused::Bad(answer.message))
    }
}

/// Who commands: whom the gate let through; where nobody has to say who he is, whom he says to be.
fn author(identity: Option<Extension<Identity>>, said: &str) -> String {
    let known = identity.map(|Extension(identity)| identity);
    let known = known.filter(|identity| *identity != Identity::anonymous());
    match known {
        Some(identity) => identity.name.to_string(),
        None if said.is_empty() => Identity::anonymous().name.to_string(),
        None => said.to_owned(),
    }
}

fn not_found(id: &str) -> Refused {
    let shown: String = id.chars().take(80).collect();
    Refused::NotFound(format!("silence {shown:?} not found"))
}

fn cut(text: &str) -> String {
    let clean: String = text.chars().filter(|letter| !letter.is_control()).collect();
    head(&clean, TEXT_BYTES_MAX).to_owned()
}

/// Author and comment of a silence, bytes; longer ones are cut.
const TEXT_BYTES_MAX: usize = 1_024;
