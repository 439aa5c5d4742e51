//! What vigie says about itself: counters, latencies, logs.

pub mod counters;
pub mod limiter;
pub mod metrics;
pub mod rounds;
