//! The settings as the engine sees them: the whole normalised content of rules, inventory and
//! contracts. Journaled at every change, so that replay decides by what was in force.

use crate::model::alarm_type::AlarmType;
use crate::model::contract::Contracts;
use crate::model::inventory::Inventory;
use crate::model::threshold::ThresholdRule;
use serde::{Deserialize, Serialize};

/// One configuration epoch.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Settings {
    /// Alarm types by id, sorted.
    pub alarm_types: Vec<AlarmType>,
    /// What values of series mean, sorted by name.
    pub thresholds: Vec<ThresholdRule>,
    /// Sites, devices, services.
    pub inventory: Inventory,
    /// Contracts, sorted by id.
    pub contracts: Contracts,
    /// How alarms become incidents.
    pub correlation: CorrelationSettings,
    /// How incidents become tickets.
    pub tickets: TicketSettings,
}

/// How alarms become incidents. Durations run on engine time.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CorrelationSettings {
    /// How long a new incident waits for its root before it may open tickets, ms.
    pub hold_off_ms: u64,
    /// Toggles within the window that make an alarm flapping.
    pub flap_toggles: u32,
    /// The flap window, ms.
    pub flap_window_ms: u64,
    /// Quiet time after which a flapping alarm takes its last state, ms.
    pub flap_quiet_ms: u64,
    /// Messages about one alarm that reach different listeners closer together than this count as
    /// simultaneous: the more severe state holds, ms.
    pub simultaneous_ms: u64,
    /// How long after its end the final record of an incident is withdrawn from where only the last
    /// record of each is kept, hours. More than the hour for which the incident stays in memory.
    pub withdraw_after_h: u32,
}

impl Default for CorrelationSettings {
    fn default() -> Self {
        Self {
            hold_off_ms: 10_000,
            flap_toggles: 6,
            flap_window_ms: 60_000,
            flap_quiet_ms: 60_000,
            simultaneous_ms: 50,
            withdraw_after_h: 168,
        }
    }
}

/// How incidents become tickets.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TicketSettings {
    /// Prefix of ticket numbers (`VIG` gives `VIG-000001`).
    pub series: String,
    /// Prefix in observe mode.
    pub observe_series: String,
    /// Whether a sender that the inventory does not know may open internal tickets.
    pub unknown_senders_open: bool,
    /// Observe mode for everything.
    pub observe: bool,
    /// Minutes without a relapse after which an incident without contract counts as restored.
    pub stable_min: u32,
    /// Minutes after which an unconfirmed internal ticket confirms itself.
    pub confirmation_delay_min: u32,
}

impl Default for TicketSettings {
    fn default() -> Self {
        Self {
            series: "VIG".to_owned(),
            observe_series: "OBS".to_owned(),
            unknown_senders_open: false,
            observe: false,
            stable_min: 3,
            confirmation_delay_min: 10,
        }
    }
}
