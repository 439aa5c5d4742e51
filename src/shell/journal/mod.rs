//! The journal: one numbered list of records on disk, from which everything else can be computed
//! again.
//!
//! In: payloads with their kind and instant, from the one writer. Out: positions, the durable
//! position, and the records in order to any number of readers, in this process or another one.
//! The journal does not know what its payloads mean, holds no index and keeps no state beside the
//! segments: what is in the folder is all there is.
//!
//! Reading order: [`record`] and [`segment`] (the format), [`chain`] (the proof that nothing was
//! changed), [`disk`] (the few calls that touch a file), [`writer`], [`sync`], [`recovery`], then
//! [`walk`] and [`reader`]. `docs/journal.md` is the format by bytes, for operators.
//!
//! What holds at every moment, whatever call fails and wherever the power goes:
//!
//! 1. What [`Durable`] reported is read back after a restart, in order, once.
//! 2. A commit is whole or absent.
//! 3. A file whose write or sync failed is never written again.
//! 4. Damage is reported with its place and the positions that are lost; the rest stays readable.

pub mod chain;
pub mod disk;
mod durable;
mod error;
pub mod fault_disk;
mod folder;
mod founding;
mod leading;
mod options;
mod reader;
pub mod record;
mod recovery;
mod reserve;
mod retire;
pub mod segment;
mod survey;
mod sync;
mod verify;
mod walk;
mod writer;

#[cfg(test)]
mod tests;

pub use chain::Root;
pub use disk::{Disk, RealDisk};
pub use durable::{Durable, Waited};
pub(in crate::shell) use error::is_no_room;
pub use error::{AppendError, Failure, JournalError, ReadError};
pub use founding::{Ended, found};
pub use leading::leading;
pub use options::{OnFailure, Options, SyncMode};
pub use reader::{Reader, read_from};
pub use record::{Kind, Record};
pub use recovery::{Corruption, Recovery};
pub use retire::{Retired, Retirement};
pub use segment::Uuid;
pub use verify::{Problem, Report, verify};
pub use writer::Journal;
