//! The vocabulary: what every stage talks about. Imports nothing of ours.
//!
//! Time ([`time`]), severity ([`severity`]), the event that intake produces ([`event`]), alerts of
//! others ([`alert`], [`fingerprint`]), samples of metrics ([`sample`]) and what their values mean
//! ([`threshold`]), the alarm types and their policies ([`alarm_type`]), what is supervised
//! ([`inventory`]), what is promised ([`contract`]), what nobody wants to be told of ([`silence`],
//! [`matcher`]), the settings as the engine sees them ([`settings`]), bounds ([`limits`]), the two
//! containers that the pure folders share ([`index`], [`paged`]), memory asked for ahead ([`near`])
//! and what is wrong with a text ([`diagnostic`]).

pub mod alarm_type;
pub mod alert;
pub mod contract;
pub mod diagnostic;
pub mod event;
pub mod fault;
pub mod fingerprint;
pub mod index;
pub mod inventory;
pub mod limits;
pub mod matcher;
pub mod near;
pub mod paged;
pub mod sample;
pub mod settings;
pub mod severity;
pub mod silence;
pub mod syslog;
pub mod threshold;
pub mod time;
pub mod timer;
pub mod trap;
