//! OpenTelemetry metrics: an `ExportMetricsServiceRequest` in protobuf ([`binary`]) or in OTLP/JSON
//! ([`json`]) to samples. Both give the same series for the same request.
//!
//! Labels come in this order: `__name__`, the attributes of the data point, the attributes of the
//! resource (`service.name` among them) as far as the point has none of the same name. What the
//! instrumentation scope says is passed over. An attribute that is no text is written out: numbers
//! in decimals, bytes in base64, lists and maps as JSON.
//!
//! | sent | given |
//! |---|---|
//! | gauge, sum | `<name>` |
//! | histogram, exponential histogram | `<name>_count` and, if there is one, `<name>_sum` |
//! | summary | `<name>_count`, `<name>_sum`, `<name>{quantile="0.99"}` |
//!
//! The kind of a series tells delta from cumulative, and a sample when its counting started. A
//! point with the no-recorded-value flag is stale.

mod attribute;
pub mod binary;
pub mod json;
mod point;
