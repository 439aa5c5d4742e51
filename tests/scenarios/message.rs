//! A classified message that owns its text, as scripts and generators make it.

use vigie::model::event::{Channel, Lane, Verb};
use vigie::model::settings::Settings;
use vigie::model::severity::Severity;

/// A classified message with text of its own.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// Verb.
    pub(crate) verb: Verb,
    /// Severity of a raise.
    pub(crate) severity: Severity,
    /// Channel.
    pub(crate) channel: Channel,
    /// Listener.
    pub(crate) listener: u16,
    /// Kernel time, ns after the start.
    pub(crate) arrived_ns: u64,
    /// Device time, ns after the start.
    pub(crate) occurred_ns: Option<u64>,
    /// sysUpTime of the sender, 1/100 s.
    pub(crate) uptime_cs: Option<u32>,
    /// Value of a sample.
    pub(crate) value: Option<f64>,
    /// Until when an alert holds, ns after the start.
    pub(crate) lease_ns: Option<u64>,
    /// Rule that decided.
    pub(crate) rule: String,
    /// Address of the sender, if it is not the device's own.
    pub(crate) peer: Option<std::net::IpAddr>,
    /// Whether the inventory knows the sender.
    pub(crate) is_known: bool,
    /// Whether it says that no administrator shut the resource.
    pub(crate) is_in_service: bool,
    /// Device.
    pub(crate) device: String,
    /// Component.
    pub(crate) component: String,
    /// Other name of the component.
    pub(crate) alias: String,
    /// Alarm type.
    pub(crate) alarm_type: String,
    /// Qualifier.
    pub(crate) qualifier: String,
}

impl Message {
    /// Lane of its alarm type.
    pub(crate) fn lane(&self, settings: &Settings) -> Lane {
        settings
            .alarm_types
            .iter()
            .find(|kind| kind.id == self.alarm_type)
            .map_or(Lane::Low, vigie::model::alarm_type::AlarmType::lane)
    }
}
