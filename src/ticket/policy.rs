//! What becomes a ticket: contract ticket, internal ticket, or none, each with its reason.

use crate::model::severity::Severity;
use crate::model::time::{EngineTime, Timestamp};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// How the service is affected.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Nature {
    /// Main path down, backup carries the service (secours actif).
    BackupActive,
    /// Service up, below its commitment (dégradé).
    Degraded,
    /// Every redundant path is down (rupture totale).
    TotalOutage,
}

impl Nature {
    /// The word of the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BackupActive => "backup-active",
            Self::Degraded => "degraded",
            Self::TotalOutage => "total-outage",
        }
    }

    /// Severity on the ticket: a total outage blocks (bloquant), the rest is minor (mineure).
    #[must_use]
    pub const fn severity(self) -> &'static str {
        match self {
            Self::TotalOutage => "blocking",
            Self::Degraded | Self::BackupActive => "minor",
        }
    }
}

/// A contract whose services an incident affects.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AffectedContract {
    /// Contract id.
    pub contract: SmolStr,
    /// Its affected services, each once, sorted when its ticket is opened.
    pub services: Vec<SmolStr>,
    /// Worst nature among them.
    pub nature: Nature,
    /// Kernel receive time of the earliest alarm that shows one of them affected.
    pub detected_at: Timestamp,
    /// When the device of that alarm says that it happened.
    pub occurred_at: Option<Timestamp>,
    /// Engine time at which the last of its services failed: whatever the wall clock is set to.
    pub failed_at: EngineTime,
    /// When the backup failed that had carried all of them until then.
    pub carried_until: Option<Timestamp>,
}

/// Affected contracts by their id.
pub type ByContract = BTreeMap<SmolStr, AffectedContract>;

impl AffectedContract {
    /// Another service of the same contract, seen in the same look.
    pub fn take_in(&mut self, other: Self) {
        self.services.extend(other.services);
        self.nature = self.nature.max(other.nature);
        self.failed_at = self.failed_at.max(other.failed_at);
        self.carried_until = self.carried_until.min(other.carried_until);
        if other.detected_at < self.detected_at {
            self.detected_at = other.detected_at;
            self.occurred_at = other.occurred_at;
        }
    }

    /// The same contract in a later look: it may have lost more services, or be worse off; when it
    /// began stays.
    pub fn find_again(&mut self, later: Self) {
        if later.nature > self.nature {
            self.nature = later.nature;
            self.carried_until = later.carried_until;
        }
        self.failed_at = self.failed_at.max(later.failed_at);
        self.services.extend(later.services);
    }
}

/// What is known of an incident when its tickets are decided.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct IncidentFacts {
    /// Incident id.
    pub incident: u64,
    /// Name of the root resource.
    pub root_resource: SmolStr,
    /// Worst severity of its active alarms.
    pub severity: Severity,
    /// Whether the inventory knows the root's device.
    pub is_known: bool,
    /// Engine time at which something of it failed last.
    pub failed_at: EngineTime,
    /// Contracts that it affects.
    pub contracts: ByContract,
    /// Receive time of its earliest alarm.
    pub detected_at: Timestamp,
    /// When the device of that alarm says that it happened.
    pub occurred_at: Option<Timestamp>,
}

/// Which tickets an incident needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TicketDecision {
    /// One ticket for each affected contract.
    Contracts,
    /// One internal ticket.
    Internal,
    /// None.
    None(NoTicket),
}

/// Why an incident opens no ticket.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum NoTicket {
    /// No contract is affected and the severity is below major.
    BelowMajor,
    /// The inventory does not know the sender, and unknown senders open nothing.
    UnknownSender,
    /// An operator refuted it, and it has not got worse since.
    Refuted,
}

/// Decides by domain rules: affected contracts first, then severity and sender.
#[must_use]
pub fn decide(facts: &IncidentFacts, unknown_senders_open: bool) -> TicketDecision {
    if !facts.contracts.is_empty() {
        TicketDecision::Contracts
    } else if facts.severity < Severity::Major {
        TicketDecision::None(NoTicket::BelowMajor)
    } else if !facts.is_known && !unknown_senders_open {
        TicketDecision::None(NoTicket::UnknownSender)
    } else {
        TicketDecision::Internal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contracts_come_first_then_severity_then_the_sender() {
        let facts = |severity, is_known| IncidentFacts {
            incident: 1,
            root_resource: "a".into(),
            severity,
            is_known,
            failed_at: EngineTime(0),
            contracts: ByContract::new(),
            detected_at: Timestamp(0),
            occurred_at: None,
        };
        let minor = facts(Severity::Minor, true);
        assert_eq!(decide(&minor, true), TicketDecision::None(NoTicket::BelowMajor));
        let unknown = facts(Severity::Critical, false);
        assert_eq!(decide(&unknown, false), TicketDecision::None(NoTicket::UnknownSender));
        assert_eq!(decide(&unknown, true), TicketDecision::Internal);
        assert_eq!(decide(&facts(Severity::Major, true), false), TicketDecision::Internal);
        let mut affected = facts(Severity::Warning, false);
        let contract = AffectedContract {
            contract: "c".into(),
            services: vec!["s".into()],
            nature: Nature::BackupActive,
            detected_at: Timestamp(0),
            occurred_at: None,
            failed_at: EngineTime(0),
            carried_until: None,
        };
        affected.contracts.insert("c".into(), contract);
        assert_eq!(decide(&affected, false), TicketDecision::Contracts);
    }
}
