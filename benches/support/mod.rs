//! What the benchmarks of the whole daemon share: the fleet that sends, the daemon that is
//! measured, the bare loop and the Prometheus that it is measured against.

pub(crate) mod bare;
pub(crate) mod daemon;
pub(crate) mod exporters;
pub(crate) mod fleet;
pub(crate) mod informer;
pub(crate) mod process;
pub(crate) mod prometheus;
pub(crate) mod remote_write;
pub(crate) mod sender;
pub(crate) mod stream;
pub(crate) mod writer;
