//! One call: who asks, for what, and what comes of it.

use crate::decode::metrics::otlp::binary;
use crate::shell::api::access::gate::Gate;
use crate::shell::api::connection::Peer;
use crate::shell::config::Role;
use crate::shell::intake::grpc::message;
use crate::shell::intake::grpc::reply::{Reply, Status, failure, no_call, success};
use crate::shell::intake::http::SampleDoor;
use crate::shell::intake::http::exchange::{Terms, check_goes_on, counted, header, tell};
use crate::shell::intake::http::refused::Refused;
use crate::shell::intake::http::rpc;
use crate::shell::series::{Protocol, Settled, Visit};
use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// The one method.
const EXPORT: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// What the calls of a connection share.
pub(super) struct Caller {
    pub(super) door: SampleDoor,
    pub(super) gate: Arc<Gate>,
    pub(super) peer: Peer,
    /// Room for calls, shared by all connections.
    pub(super) calls: Arc<Semaphore>,
    /// How long a message may take to come.
    pub(super) message_time: Duration,
}

impl Caller {
    /// Answers a call.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Reply> {
        if !is_of_protobuf(header(request.headers(), CONTENT_TYPE)) {
            return self.refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        }
        if request.method() != Method::POST {
            return self.refuse(StatusCode::METHOD_NOT_ALLOWED);
        }
        match self.export(request).await {
            Ok(settled) => success(&rpc::export_response(&settled)),
            Err(status) => failure(&status),
        }
    }

    /// Answers and counts what is no call.
    fn refuse(&self, status: StatusCode) -> Response<Reply> {
        self.door.series.counters().refuse_body();
        no_call(status)
    }

    async fn export(&self, request: Request<Incoming>) -> Result<Settled, Status> {
        let path = request.uri().path();
        if path != EXPORT {
            return Err(Status::no_method(path));
        }
        let admitted = self.gate.let_in(request.headers(), &self.peer, Role::Intake).await;
        admitted.map_err(Status::of_gate)?;
        let settled = counted(&self.door, self.take(request).await)?;
        if settled.is_unreadable() {
            return Err(Refused::invalid(settled.complaint().unwrap_or_default()).into());
        }
        Ok(settled)
    }

    /// Takes the samples of a call; returns when all they tell is durable.
    async fn take(&self, request: Request<Incoming>) -> Result<Settled, Refused> {
        check_goes_on(&self.door)?;
        let _place = self.calls.try_acquire().map_err(|_| Refused::crowded())?;
        let (head, body) = request.into_parts();
        let encoding = header(&head.headers, ENCODING);
        check_encoding(encoding)?;
        let message = message::read(&self.door.bodies, Body::new(body));
        let message = tokio::time::timeout(self.message_time, message).await;
        let message = message.unwrap_or_else(|_| Err(Refused::late()))?;
        let is_plain = encoding.is_empty() || encoding.eq_ignore_ascii_case("identity");
        if message.is_compressed && is_plain {
            let reason = "the message is compressed, and grpc-encoding does not say how";
            return Err(Refused::invalid(reason.to_owned()));
        }
        let terms = Terms {
            protocol: Protocol::OtlpGrpc,
            encoding: if message.is_compressed { encoding.to_owned() } else { String::new() },
            peer: self.peer.address.ip().to_canonical(),
        };
        let decode = |bytes: &[u8], visit: &mut Visit<'_>| binary::decode(bytes, visit);
        tell(&self.door, terms, message.held, decode).await
    }
}

/// Whether it is a call whose messages are protobuf.
fn is_of_protobuf(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    ["application/grpc", "application/grpc+proto"]
        .iter()
        .any(|known| kind.eq_ignore_ascii_case(known))
}

fn check_encoding(encoding: &str) -> Result<(), Refused> {
    let is = |name: &str| encoding.eq_ignore_ascii_case(name);
    if encoding.is_empty() || is("identity") || is("gzip") {
        return Ok(());
    }
    let shown: String = encoding.chars().take(32).collect();
    Err(Refused::unsupported(format!("grpc-encoding {shown:?}: use identity or gzip")))
}
