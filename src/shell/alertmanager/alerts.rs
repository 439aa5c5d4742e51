//! The listings of alerts: every active alarm of the view, whoever told it.

use crate::engine::effect::AlarmImage;
use crate::model::alert::LabelSet;
use crate::model::silence::{Silence, SilenceState};
use crate::shell::alertmanager::Alertmanager;
use crate::shell::alertmanager::answer::{Refused, json_response};
use crate::shell::alertmanager::query::Question;
use crate::shell::alertmanager::shown::{GettableAlert, Receiver, SELF, Shown};
use crate::shell::clock;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::Serialize;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Alerts that one listing shows at most: there are no pages in this API, so that a listing with
/// more is refused rather than cut.
const SHOWN_MAX: usize = 100_000;

/// Alerts of one incident.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    labels: LabelSet,
    route_labels: LabelSet,
    receiver: Receiver,
    alerts: Vec<GettableAlert>,
}

pub(super) async fn list(
    State(alertmanager): State<Alertmanager>,
    uri: Uri,
) -> Result<Response, Refused> {
    let question = Question::of(&uri)?;
    beside_the_runtime(&alertmanager, move |alertmanager| {
        let mut alerts = Vec::new();
        each(alertmanager, &question, |_, alert| alerts.push(alert))?;
        Ok(json_response(StatusCode::OK, &alerts))
    })
    .await
}

pub(super) async fn groups(
    State(alertmanager): State<Alertmanager>,
    uri: Uri,
) -> Result<Response, Refused> {
    let question = Question::of(&uri)?;
    beside_the_runtime(&alertmanager, move |alertmanager| {
        let mut by_incident: BTreeMap<SmolStr, Vec<GettableAlert>> = BTreeMap::new();
        each(alertmanager, &question, |image, alert| {
            let incident = image.incident.clone().unwrap_or_default();
            by_incident.entry(incident).or_default().push(alert);
        })?;
        let is_muted = |alerts: &[GettableAlert]| {
            alerts.iter().all(|alert| !alert.status.silenced_by.is_empty())
        };
        let groups: Vec<Group> = by_incident
            .into_iter()
            .filter(|(_, alerts)| question.is_wanted("muted") || !is_muted(alerts))
            .map(|(incident, alerts)| Group {
                labels: (!incident.is_empty())
                    .then(|| ("incident".to_owned(), incident.into()))
                    .into_iter()
                    .collect(),
                route_labels: LabelSet::new(),
                receiver: SELF,
                alerts,
            })
            .collect();
        Ok(json_response(StatusCode::OK, &groups))
    })
    .await
}

/// Gives every alert that is asked for, with its alarm.
fn each(
    alertmanager: &Alertmanager,
    question: &Question,
    mut take: impl FnMut(&AlarmImage, GettableAlert),
) -> Result<(), Refused> {
    if !question.is_receiver_wanted() {
        return Ok(());
    }
    let parts = &alertmanager.parts;
    let view = parts.view.load_full();
    let at = clock::wall();
    let silences: Vec<&Silence> = view
        .silences
        .iter()
        .map(|row| &*row.silence)
        .filter(|silence| silence.state_at(at) == SilenceState::Active)
        .collect();
    let is_active_wanted = question.is_wanted("active");
    let is_silenced_wanted = question.is_wanted("silenced");
    let mut count = 0_usize;
    for row in view.alarms.iter().filter(|row| !row.fixed.is_cleared) {
        let image = row.image();
        let shown = Shown::of(&image);
        if !question.is_match(|name| shown.value(name)) {
            continue;
        }
        let silenced_by = shown.silenced_by(silences.iter().copied());
        let is_wanted = if silenced_by.is_empty() { is_active_wanted } else { is_silenced_wanted };
        if !is_wanted {
            continue;
        }
        count = count.saturating_add(1);
        if count > SHOWN_MAX {
            let message = format!("more than {SHOWN_MAX} alerts; add a filter");
            return Err(Refused::Bad(message));
        }
        take(&image, shown.into_alert(&image, silenced_by, (at, parts.resolve_timeout)));
    }
    Ok(())
}

/// Work that may take long: beside the runtime, one at a time.
async fn beside_the_runtime(
    alertmanager: &Alertmanager,
    work: impl FnOnce(&Alertmanager) -> Result<Response, Refused> + Send + 'static,
) -> Result<Response, Refused> {
    let stopping = || Refused::Later("vigie is stopping".to_owned());
    let turn = alertmanager.parts.turns.listings.acquire().await;
    let _turn = turn.map_err(|_| stopping())?;
    let alertmanager = alertmanager.clone();
    let task = tokio::task::spawn_blocking(move || work(&alertmanager));
    task.await.map_err(|_| stopping())?
}
