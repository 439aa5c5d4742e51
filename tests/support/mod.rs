//! What the tests of the running daemon stand on: the daemon itself, the programs around it that
//! nobody here wrote, and a way to wait for what they do.

pub(crate) mod components;
pub(crate) mod daemon;
pub(crate) mod eventually;
pub(crate) mod exporters;
pub(crate) mod http;
pub(crate) mod kafka;
pub(crate) mod metrics;
pub(crate) mod opentelemetry;
pub(crate) mod ports;
pub(crate) mod process;
pub(crate) mod prometheus;
pub(crate) mod random;
pub(crate) mod rsyslog;
pub(crate) mod rules;
pub(crate) mod scratch;
pub(crate) mod sender;
pub(crate) mod service_manager;
pub(crate) mod small_disk;
