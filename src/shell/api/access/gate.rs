//! May he? The gate of one HTTP listener, before each route that is not open to everybody.
//!
//! In: a request and the role that its route asks for. Out: the same request with the [`Identity`]
//! of its sender, or a refusal that says what to do, is counted, and is told in the log once in a
//! while per reason.

use crate::shell::api::access::Access;
use crate::shell::api::access::identity::{Brought, Identity, Judged};
use crate::shell::api::answer::{JSON, answer};
use crate::shell::api::connection::Peer;
use crate::shell::clock;
use crate::shell::config::Role;
use crate::shell::observe::counters::{HttpCounters, HttpRefusal};
use crate::shell::observe::limiter::Limiter;
use arc_swap::ArcSwap;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use serde_json::json;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Passwords compared at once: a tenth of a second of a processor each.
const COMPARISONS_MAX: usize = 1;
/// How long a request waits for the comparison of its password.
const COMPARISON_WAIT: Duration = Duration::from_secs(5);

/// The gate of one listener.
#[derive(Debug)]
pub struct Gate {
    listener: String,
    roles: BTreeSet<Role>,
    access: ArcSwap<Access>,
    counters: Arc<HttpCounters>,
    comparisons: Semaphore,
    /// Of the log, by reason.
    limiters: [Limiter; HttpRefusal::ALL.len()],
}

impl Gate {
    /// The gate of the listener with that name, which serves those roles.
    #[must_use]
    pub fn new(listener: &str, roles: BTreeSet<Role>, access: Access) -> Self {
        Self {
            listener: listener.to_owned(),
            roles,
            access: ArcSwap::from_pointee(access),
            counters: Arc::default(),
            comparisons: Semaphore::new(COMPARISONS_MAX),
            limiters: Default::default(),
        }
    }

    /// Name of the listener.
    #[must_use]
    pub fn listener(&self) -> &str {
        &self.listener
    }

    /// What the listener serves.
    #[must_use]
    pub fn roles(&self) -> &BTreeSet<Role> {
        &self.roles
    }

    /// What it refused.
    #[must_use]
    pub fn counters(&self) -> Arc<HttpCounters> {
        Arc::clone(&self.counters)
    }

    /// What is in force.
    #[must_use]
    pub fn access(&self) -> Arc<Access> {
        self.access.load_full()
    }

    /// Exchanges what is in force: for requests from now on, and for the TLS of connections from
    /// now on.
    pub fn exchange(&self, access: Access) {
        self.access.store(Arc::new(access));
    }

    /// Counts a refusal, and tells the log if it was silent for a while. The detail is the name of
    /// the client as far as it said one, or what TLS says.
    pub fn refused(&self, reason: HttpRefusal, peer: SocketAddr, detail: &str) {
        let count = self.counters.add_refused(reason);
        let mut limiters = HttpRefusal::ALL.iter().zip(&self.limiters);
        let Some((_, limiter)) = limiters.find(|(known, _)| **known == reason) else { return };
        if limiter.pass(clock::boot_ns()).is_some() {
            let (listener, reason) = (self.listener.as_str(), reason.as_str());
            tracing::warn!(listener, reason, %peer, detail, count, "HTTP client refused");
        }
    }

    /// The same for a client that has as many connections as one may have.
    pub fn refused_by_share(&self, peer: SocketAddr, held: usize) {
        let detail = format!("it has {held} connections, which is its share");
        self.refused(HttpRefusal::Connections, peer, &detail);
    }

    /// Whose request this is, if he may do that. A refusal is counted and told.
    ///
    /// # Errors
    /// Why not.
    pub async fn let_in(
        &self,
        headers: &HeaderMap,
        peer: &Peer,
        role: Role,
    ) -> Result<Identity, HttpRefusal> {
        let outcome = if role != Role::Read && is_of_another_site(headers) {
            Err((HttpRefusal::ForeignOrigin, String::new()))
        } else {
            self.identify(headers, peer, role).await
        };
        outcome.map_err(|(reason, client)| {
            self.refused(reason, peer.address, &client);
            reason
        })
    }

    /// Who it is, or the refusal with the name as far as it is known.
    async fn identify(
        &self,
        headers: &HeaderMap,
        peer: &Peer,
        role: Role,
    ) -> Result<Identity, (HttpRefusal, String)> {
        let values = headers.get_all(header::AUTHORIZATION).iter().map(HeaderValue::as_bytes);
        let brought = Brought::read(values).map_err(|reason| (reason, String::new()))?;
        let name = match &brought {
            Brought::Password(name, _) => name.chars().take(80).collect(),
            Brought::Nothing => peer.names().first().cloned().unwrap_or_default(),
            Brought::Token(_) => String::new(),
        };
        let access = self.access();
        let (identity, roles) = match access.judge(brought, peer.names(), &self.roles) {
            Judged::Is(identity, roles) => (identity, roles),
            Judged::Refused(reason) => return Err((reason, name)),
            Judged::Asks { client, hashed, password } => {
                let turn = tokio::time::timeout(COMPARISON_WAIT, self.comparisons.acquire());
                let Ok(Ok(turn)) = turn.await else { return Err((HttpRefusal::Busy, name)) };
                let work = tokio::task::spawn_blocking(move || hashed.fits(&password));
                let fits = work.await.unwrap_or(false);
                drop(turn);
                match client.filter(|_| fits) {
                    Some(client) => (client.identity, client.roles),
                    None => return Err((HttpRefusal::BadCredentials, name)),
                }
            }
        };
        if roles.contains(&role) {
            Ok(identity)
        } else {
            Err((HttpRefusal::Role, identity.name.to_string()))
        }
    }

    fn answer(&self, reason: HttpRefusal, role: Role) -> Response {
        let wanted = role.as_str();
        let status = match reason {
            HttpRefusal::NoCredentials | HttpRefusal::BadCredentials => StatusCode::UNAUTHORIZED,
            HttpRefusal::Role | HttpRefusal::ForeignOrigin => StatusCode::FORBIDDEN,
            HttpRefusal::Busy
            | HttpRefusal::Tls
            | HttpRefusal::Connections
            | HttpRefusal::Protocol => StatusCode::SERVICE_UNAVAILABLE,
        };
        let body = json!({ "error": advice(reason), "role": wanted }).to_string();
        let mut response = answer(status, JSON, body.into_bytes());
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            for challenge in self.access().challenges() {
                headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            }
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}

/// What [`admit`] asks for before a route.
#[derive(Clone, Debug)]
pub struct Entrance {
    /// The gate.
    pub gate: Arc<Gate>,
    /// The role that the route asks for.
    pub role: Role,
}

/// Lets a request through to its route, or refuses it.
pub async fn admit(
    State(Entrance { gate, role }): State<Entrance>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    match gate.let_in(request.headers(), &peer, role).await {
        Ok(identity) => {
            if role == Role::Act {
                let (listener, client) = (gate.listener(), &*identity.name);
                let (method, path) = (request.method(), request.uri().path());
                tracing::info!(listener, client, peer = %peer.address, %method, path, "command");
            }
            request.extensions_mut().insert(identity);
            next.run(request).await
        }
        Err(reason) => gate.answer(reason, role),
    }
}

/// What a client that is refused is told.
#[must_use]
pub const fn advice(reason: HttpRefusal) -> &'static str {
    match reason {
        HttpRefusal::NoCredentials => "say who you are: token, password or certificate",
        HttpRefusal::BadCredentials => "this token, password or certificate is not known here",
        HttpRefusal::Role => "this client does not have the role",
        HttpRefusal::ForeignOrigin => "a page of another site may not ask for this",
        HttpRefusal::Busy => "too many passwords are compared; ask again",
        HttpRefusal::Connections => "this client has as many connections as one may have",
        HttpRefusal::Tls | HttpRefusal::Protocol => "this connection cannot be used",
    }
}

/// Whether a browser says that a page of another site sends this. Browsers bring passwords and
/// certificates along to whatever a page asks for, and reach loopback where others do not.
fn is_of_another_site(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let text = |value: &HeaderValue| value.to_str().map(str::to_owned).ok();
    let host = headers.get(header::HOST).and_then(text);
    let origin = text(origin);
    let authority = origin.as_deref().and_then(|origin| origin.split_once("://"));
    match (authority, host) {
        (Some((_, authority)), Some(host)) => !authority.eq_ignore_ascii_case(&host),
        _ => true,
    }
}
