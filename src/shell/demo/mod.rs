//! `vigie demo`: a small datacenter that sends genuine packets over loopback and breaks.
//!
//! In: how long, which seed. Out: a story on the terminal, and a verdict: whether every fault that
//! was staged became an incident with the right root, and whether the ledger adds up. The daemon
//! beside it is the real one, with the built-in defaults; nothing of it knows that this is a play.
//!
//! Reading order: [`plan`] (what there is), [`inventory`] (the same as an operator writes it),
//! [`notice`] (what a device says) and [`packets`] (as bytes), [`faults`] and [`noise`] (who says
//! what when something breaks or nothing does), [`script`] (which fault next), [`sender`],
//! [`judge`] (whether vigie understood), [`news`] (what changed in the view), [`screen`],
//! [`show`] (one act after the other),
//! [`stage`] (the daemon's settings, ports and folder), [`run`] (all of it, in time).

mod daemon;
mod faults;
mod interrupt;
mod inventory;
mod judge;
mod news;
mod noise;
mod notice;
mod packets;
mod plan;
mod random;
mod run;
mod screen;
mod script;
mod sender;
mod show;
mod stage;
#[cfg(test)]
mod tests;

pub use run::{DemoError, DemoOptions, DemoSummary, run};
