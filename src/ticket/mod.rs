//! Tickets: the contractual record of an incident, its life cycle and its GTR clock.
//!
//! - [`policy`]: contract ticket, internal ticket or none, each with its reason;
//! - [`decide`]: which of them an incident lacks; opened in portions;
//! - [`record`]: one ticket, its times and its life cycle;
//! - [`clock`]: the part of time that counts against the GTR;
//! - [`event`]: what happens to one;
//! - [`desk`]: all tickets, their numbers and their deadlines;
//! - [`of_incident`]: which tickets an incident has, by contract as well;
//! - [`family`]: one outage, one ticket per contract, when there are several incidents;
//! - [`command`]: what operators say about them.

pub mod clock;
pub mod command;
pub mod decide;
pub mod desk;
pub mod event;
pub mod family;
mod of_incident;
pub mod policy;
pub mod record;
