//! Bytes to messages and samples. Total: nothing panics. A message is never rejected, and what is
//! wrong with it is named in [`crate::model::fault::Faults`]; a sample that cannot be believed is
//! rejected by name, [`crate::model::sample::SampleFault`], and counted.

pub mod alerts;
pub mod metrics;
pub mod snmp;
pub mod syslog;
