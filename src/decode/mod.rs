//! Bytes to messages. Total: nothing is rejected and nothing panics; what is wrong is named in
//! [`crate::model::fault::Faults`].

pub mod snmp;
pub mod syslog;
