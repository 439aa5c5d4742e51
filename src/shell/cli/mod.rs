//! The command line: what can be asked ([`args`]), `vigie check` ([`check`]), and what `vigie
//! inventory adopt` writes ([`adopt`]).

pub mod adopt;
pub mod args;
pub mod check;
pub mod commands;
pub mod heard;
mod journal;
pub mod run;
