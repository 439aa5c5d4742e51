//! URLs and answers.
//!
//! In: requests. Out: JSON for `/api/v1`, text elsewhere; every error under `/api` is JSON too and
//! says what to do. Each route belongs to a role, and a listener has the routes of its roles.

use crate::shell::alertmanager;
use crate::shell::api::ApiState;
use crate::shell::api::access::gate::{Entrance, Gate, admit};
use crate::shell::api::answer::{JSON, answer};
use crate::shell::api::filter::Listed;
use crate::shell::api::question::{AskError, Question, check_escapes};
use crate::shell::api::rows::{AlarmRow, IncidentRow, ResourceRow, TicketRow};
use crate::shell::clock;
use crate::shell::config::Role;
use crate::shell::intake::http as samples;
use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use serde_json::json;
use std::sync::Arc;

/// What a listener serves: health and the list of URLs to everybody, the rest behind its gate.
pub fn router(state: &ApiState, gate: &Arc<Gate>) -> Router {
    let urls: String = gate.roles().iter().map(|role| urls_of(*role)).collect();
    let index = format!("vigie\n\n{urls}GET /healthz\nGET /readyz\n");
    let mut router = Router::new()
        .route("/", get(async move || text(StatusCode::OK, index.clone())))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .with_state(state.clone());
    for role in gate.roles() {
        let routes = match role {
            Role::Read => read_routes(state),
            Role::Intake => intake_routes(state),
            Role::Act => act_routes(state),
        };
        router = router.merge(behind(gate, *role, routes));
    }
    router.fallback(not_found).method_not_allowed_fallback(method_not_allowed)
}

/// The same routes for those only who have the role.
pub(super) fn behind(gate: &Arc<Gate>, role: Role, routes: Router) -> Router {
    if !routes.has_routes() {
        return routes;
    }
    let entrance = Entrance { gate: Arc::clone(gate), role };
    routes.route_layer(from_fn_with_state(entrance, admit))
}

/// What changes nothing.
fn read_routes(state: &ApiState) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/api/v1/alarms", get(listing::<AlarmRow>))
        .route("/api/v1/alarms/{id}", get(one::<AlarmRow>))
        .route("/api/v1/incidents", get(listing::<IncidentRow>))
        .route("/api/v1/incidents/{id}", get(one::<IncidentRow>))
        .route("/api/v1/tickets", get(listing::<TicketRow>))
        .route("/api/v1/tickets/{number}", get(one::<TicketRow>))
        .route("/api/v1/resources", get(listing::<ResourceRow>))
        .route("/api/v1/resources/{*name}", get(one::<ResourceRow>))
        .with_state(state.clone())
        .merge(state.alertmanager.as_ref().map_or_else(Router::new, alertmanager::read_routes))
}

/// Where metrics and alerts come in. A path that is also read (`GET`) is merged with it.
fn intake_routes(state: &ApiState) -> Router {
    let samples = state.samples.clone().map_or_else(Router::new, samples::intake_routes);
    let alerts = state.alertmanager.as_ref();
    samples.merge(alerts.map_or_else(Router::new, alertmanager::intake_routes))
}

/// Commands. Their handlers find out who commands by `Extension<Identity>`.
fn act_routes(state: &ApiState) -> Router {
    state.alertmanager.as_ref().map_or_else(Router::new, alertmanager::act_routes)
}

const fn urls_of(role: Role) -> &'static str {
    match role {
        Role::Read => {
            "GET /api/v1/alarms[/{id}]\n\
             GET /api/v1/incidents[/{id}]\n\
             GET /api/v1/tickets[/{number}]\n\
             GET /api/v1/resources[/{name}]\n\
             GET /api/v2/alerts[/groups]\n\
             GET /api/v2/silences\n\
             GET /api/v2/silence/{id}\n\
             GET /api/v2/status\n\
             GET /api/v2/receivers\n\
             GET /metrics\n"
        }
        Role::Intake => {
            "POST /api/v1/write\n\
             POST /v1/metrics\n\
             POST /write\n\
             POST /api/v2/write\n\
             POST /api/v2/alerts\n"
        }
        Role::Act => {
            "POST /api/v2/silences\n\
             DELETE /api/v2/silence/{id}\n"
        }
    }
}

async fn healthz() -> Response {
    text(StatusCode::OK, "ok\n".to_owned())
}

async fn readyz(State(state): State<ApiState>) -> Response {
    match state.readiness.hindrance() {
        None => text(StatusCode::OK, "ready\n".to_owned()),
        Some(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")),
    }
}

async fn metrics(State(state): State<ApiState>) -> Response {
    const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
    match blocking(&state, |state| (state.metrics)()).await {
        Ok(body) => answer(StatusCode::OK, PROMETHEUS_TEXT, body.into_bytes()),
        Err(error) => error.into_response(),
    }
}

async fn listing<R: Listed>(State(state): State<ApiState>, uri: Uri) -> Response {
    if let Err(error) = check_escapes(uri.query().unwrap_or_default()) {
        return refused::<R>(&error);
    }
    // Pairs keep repeated names visible; reading them cannot fail.
    let pairs = Query::<Vec<(String, String)>>::try_from_uri(&uri).map(|pairs| pairs.0);
    let question = Question::parse(R::KIND, R::FILTERS, pairs.unwrap_or_default());
    let body = match question {
        Ok(question) => blocking(&state, move |state| page::<R>(state, &question)).await,
        Err(error) => return refused::<R>(&error),
    };
    match body {
        Ok(Ok(body)) => answer(StatusCode::OK, JSON, body),
        Ok(Err(error)) => refused::<R>(&error),
        Err(error) => error.into_response(),
    }
}

fn page<R: Listed>(state: &ApiState, question: &Question) -> Result<Vec<u8>, AskError> {
    let page = state.versions.page::<R>(question, clock::boot_ns(), clock::wall())?;
    Ok(json_bytes(&page))
}

async fn one<R: Listed>(
    State(state): State<ApiState>,
    key: Result<Path<String>, PathRejection>,
) -> Response {
    let Ok(Path(key)) = key else {
        return error(StatusCode::BAD_REQUEST, "the name in the path is not UTF-8");
    };
    if let Some(image) = state.versions.one::<R>(&key, clock::wall()) {
        return answer(StatusCode::OK, JSON, json_bytes(&image));
    }
    let shown: String = key.chars().take(80).collect();
    error(StatusCode::NOT_FOUND, &format!("no {shown:?} among the {}", R::KIND))
}

pub(super) async fn not_found(uri: Uri) -> Response {
    let shown: String = uri.path().chars().take(80).collect();
    let message = format!("nothing at {shown:?}; / lists every URL");
    error(StatusCode::NOT_FOUND, &message)
}

pub(super) async fn method_not_allowed() -> Response {
    // The router adds `Allow`.
    error(StatusCode::METHOD_NOT_ALLOWED, "this method does not exist here; see Allow")
}

/// Work that may take milliseconds: beside the runtime, a few at a time.
async fn blocking<T: Send + 'static>(
    state: &ApiState,
    work: impl FnOnce(&ApiState) -> T + Send + 'static,
) -> Result<T, Busy> {
    let turn = state.listings.clone().acquire_owned().await.map_err(|_| Busy)?;
    let state = state.clone();
    let task = tokio::task::spawn_blocking(move || {
        let result = work(&state);
        drop(turn);
        result
    });
    task.await.map_err(|_| Busy)
}

/// The runtime is stopping, or the work panicked.
struct Busy;

impl IntoResponse for Busy {
    fn into_response(self) -> Response {
        error(StatusCode::SERVICE_UNAVAILABLE, "cannot answer now")
    }
}

fn refused<R: Listed>(reason: &AskError) -> Response {
    let status = match reason {
        AskError::CursorExpired => StatusCode::GONE,
        AskError::UnknownFilter(_)
        | AskError::BadEscape
        | AskError::Repeated(_)
        | AskError::BadValue { .. }
        | AskError::BadLimit
        | AskError::BadCursor
        | AskError::CursorOfOtherFilters => StatusCode::BAD_REQUEST,
    };
    let body = json!({ "error": reason.to_string(), "known_filters": R::FILTERS });
    answer(status, JSON, json_bytes(&body))
}

fn error(status: StatusCode, message: &str) -> Response {
    answer(status, JSON, json_bytes(&json!({ "error": message })))
}

fn text(status: StatusCode, body: String) -> Response {
    answer(status, "text/plain; charset=utf-8", body.into_bytes())
}

fn json_bytes(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_else(|error| {
        tracing::error!(%error, "an object cannot be shown as JSON");
        b"{}".to_vec()
    })
}
