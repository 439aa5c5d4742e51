//! What the benchmarks of the whole daemon share: the fleet that sends, the daemon that is
//! measured, the bare loop that it is measured against.

pub(crate) mod bare;
pub(crate) mod daemon;
pub(crate) mod fleet;
pub(crate) mod process;
pub(crate) mod sender;
pub(crate) mod stream;
