//! vigie: traps and syslog in, incidents and tickets out, nothing lost on the way.

pub mod classify;
pub mod correlate;
pub mod decode;
pub mod engine;
pub mod model;
pub mod shell;
pub mod ticket;
