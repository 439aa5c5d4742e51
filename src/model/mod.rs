//! The vocabulary: what every stage talks about. Imports nothing of ours.
//!
//! Time ([`time`]), severity ([`severity`]), the event that intake produces ([`event`]), samples of
//! metrics ([`sample`]), what their values mean ([`threshold`]), the alarm types and their policies
//! ([`alarm_type`]), what is supervised ([`inventory`]), what is promised ([`contract`]), the
//! settings as the engine sees them ([`settings`]), bounds ([`limits`]), the two containers that
//! the pure folders share ([`index`], [`diagnostic`]).

pub mod alarm_type;
pub mod contract;
pub mod diagnostic;
pub mod event;
pub mod fault;
pub mod index;
pub mod inventory;
pub mod limits;
pub mod sample;
pub mod settings;
pub mod severity;
pub mod syslog;
pub mod threshold;
pub mod time;
pub mod timer;
pub mod trap;
