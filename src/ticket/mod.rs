//! Tickets: the contractual record of an incident, its life cycle and its GTR clock.
//!
//! - [`policy`]: contract ticket, internal ticket or none, each with its reason;
//! - [`record`]: one ticket, its times and its life cycle;
//! - [`clock`]: the part of time that counts against the GTR;
//! - [`desk`]: all tickets, their numbers and their deadlines.

pub mod clock;
pub mod desk;
pub mod policy;
pub mod record;
