//! OpenTelemetry metrics over gRPC (OTLP/gRPC): `MetricsService/Export`, unary, over HTTP/2, plain
//! with prior knowledge or through TLS.
//!
//! In: connections of anybody who may send. Out: what the series of their samples tell, by the same
//! way as over HTTP ([`crate::shell::intake::http`]), and an answer once all of that is durable; or
//! a status that says whether to try again. It serves nothing else: traces and logs are
//! `UNIMPLEMENTED`.
//!
//! Reading order: `connection` (places, times, the settings of HTTP/2), `preface` (is it HTTP/2?),
//! `call` (one export), `message` (its bytes, bounded), `reply` (answers and their trailers).

mod call;
mod connection;
mod message;
mod preface;
mod reply;

pub use connection::serve;

#[cfg(test)]
mod tests;
