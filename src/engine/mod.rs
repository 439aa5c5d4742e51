//! The engine: a pure function of the journal. `step(at, position, input)` gives effects; nothing
//! else changes it. No clock, no I/O, no thread, no randomness, no unordered iteration.

pub mod effect;
pub mod input;

/// Version of the engine's decisions: digests compare within one version only. It changes together
/// with the digest of the golden journal.
pub const ENGINE_VERSION: u32 = 1;
