//! Tests of the decoders of metrics, against messages that prost encodes and decodes, against the
//! corpora of others, and against damage.

mod line_protocol;
mod messages;
mod otlp;
mod properties;
mod recorder;
mod remote_write;
mod work;
