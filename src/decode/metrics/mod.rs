//! Metric streams to samples: Prometheus remote write 1.0 and 2.0, OpenTelemetry (OTLP, protobuf
//! and JSON), InfluxDB line protocol.
//!
//! A body goes in, inflated by [`body::inflate`]; series, samples and rejections go to a visitor
//! ([`crate::model::sample::Samples`]) in the order of the body, and a tally comes out. Nothing is
//! allocated for a sample (but by the parser of JSON), and nothing by a length that the sender
//! declares. Total: any bytes give
//! a tally, and a fault rejects the smallest thing that can be told apart (a sample, a series, a
//! line), by name and with the number of samples that are lost.
//!
//! What a series is called, in every format: the label `__name__` holds the name of the metric.
//! Prometheus sends it; OTLP and line protocol say it otherwise, and there it comes first. A
//! histogram is given as `<name>_count` and `<name>_sum`. Names are kept as they are sent: dots
//! stay dots.
//!
//! Reading order: `protobuf` (the wire format), `label_list` and `feed` (what all decoders share),
//! `remote_write_1`, `native_histogram`, `remote_write_2`, `otlp`, `line_protocol`.
//!
//! Absent: exemplars, metadata texts, buckets; the text format of Prometheus, which is fetched and
//! not sent; deciding what a sample means, and whether its time can be believed.

pub mod body;
mod feed;
mod label_list;
pub mod line_protocol;
mod native_histogram;
mod number;
pub mod otlp;
mod protobuf;
pub mod remote_write_1;
pub mod remote_write_2;

#[cfg(test)]
mod tests;
