//! Alarm life cycle, topology, incidents.
//!
//! In: events in journal order, deadlines, settings. Out: [`changes::Changes`]: what is to be
//! shown, and which incidents are due for a ticket decision. [`correlator::Correlator`] owns the
//! state; the files beside it are its parts:
//!
//! - [`alarm`], [`alarm_table`], [`flap`], [`sent`]: the life of one alarm, and all of them;
//! - [`resource`], [`topology`], [`slot_set`]: what there is, and what needs what;
//! - [`unsettled`]: the states that follow, in slices;
//! - [`renewal`], [`naming`]: how new settings come into force, and what they call things;
//! - [`activity`]: what follows when an alarm becomes active or ceases to be;
//! - [`administrator`]: what was taken out of service on purpose;
//! - [`twin`]: parts that are known by two names;
//! - [`session`]: routing sessions that only some messages name in full;
//! - [`cause`], [`spread`]: what explains an alarm, and what a fault explains;
//! - [`reach`]: which services are below what is at fault;
//! - [`silence`]: devices that only their neighbours tell of;
//! - [`incident`], [`grouping`]: the life of one incident, and which alarm goes into which;
//! - [`muting`]: silences, which mute notices and nothing else;
//! - [`threshold`], [`crossing`], [`lease`]: samples that cross limits, series and alerts that
//!   nobody tells any more;
//! - [`deadline`]: what happens when time passes;
//! - [`withdrawal`]: what is told when an incident has been over for long;
//! - [`reason`]: the closed list of reasons.

pub mod activity;
pub mod administrator;
pub mod alarm;
pub mod alarm_table;
pub mod cause;
pub mod changes;
pub mod correlator;
pub mod crossing;
pub mod deadline;
pub mod flap;
pub mod grouping;
pub mod incident;
pub mod lease;
pub mod muting;
pub mod naming;
pub mod reach;
pub mod reason;
pub mod renewal;
pub mod resource;
pub mod sent;
pub mod session;
pub mod silence;
pub mod slot_set;
pub mod spread;
pub mod threshold;
pub mod topology;
pub mod twin;
pub mod unsettled;
pub mod withdrawal;

#[cfg(test)]
mod renewal_tests;
#[cfg(test)]
mod tests;
