//! The running daemon among senders and receivers that nobody here wrote: net-snmp, util-linux,
//! rsyslog, Kafka, Prometheus and OpenTelemetry; and what becomes of it when it is killed or
//! misused.
//!
//! One test program for all of them, since each one links the whole product. Each test has a
//! daemon of its own, on ports of its own. `tests/run` installs what they need.

#[path = "../support/mod.rs"]
mod support;

mod access;
mod alertmanager;
mod crash;
mod exporters;
mod faults;
mod fd_store;
mod full_disk;
mod kafka;
mod kafka_samples;
mod operator;
mod otlp;
#[cfg(debug_assertions)]
mod poison;
mod prometheus;
mod reload;
mod repair;
mod sample_crash;
mod samples;
mod syslog;
mod traps;
