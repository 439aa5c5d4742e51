//! `vigie demo`: a small datacenter that sends genuine packets and samples over loopback, and
//! breaks.
//!
//! In: how long, which seed. Out: a story on the terminal, and a verdict: whether every fault that
//! was staged became an incident with the right root, and whether the ledger adds up. The daemon
//! beside it is the real one, with the built-in defaults; nothing of it knows that this is a play.
//!
//! Reading order: [`plan`] (what there is), [`inventory`] (the same as an operator writes it),
//! [`notice`] (what a device says) and [`packets`] (as bytes), [`faults`] and [`noise`] (who says
//! what when something breaks or nothing does), [`telemetry`] (what is measured), [`script`] (which
//! fault next), [`sender`] and [`courier`] (the ways to the daemon), [`judge`] (whether vigie
//! understood), [`news`] (what changed in the view), [`screen`], [`show`] (one act after the
//! other), [`stage`] (the daemon's settings, ports and folder), [`run`] (all of it, in time),
//! [`summary`] (what came of it).

mod courier;
mod daemon;
mod faults;
#[cfg(test)]
mod inside;
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
mod summary;
mod telemetry;
#[cfg(test)]
mod tests;

pub use run::{DemoError, DemoOptions, run};
pub use summary::DemoSummary;
