//! Why: the closed list of reasons that correlation gives, each with its sentence.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Why an alarm is in its incident, why a resource is the root, why an alarm opens nothing.
/// Names are filled in when the reason is shown; slots and ids are enough to keep.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Why {
    /// Nothing upstream of it is at fault: it founds an incident.
    NothingUpstream {
        /// The resource.
        resource: SmolStr,
    },
    /// What it needs is at fault.
    NeedsFailed {
        /// The resource that needs.
        resource: SmolStr,
        /// What it needs.
        upstream: SmolStr,
    },
    /// The other end of its link is at fault.
    OtherEnd {
        /// This end.
        resource: SmolStr,
        /// The other end.
        peer: SmolStr,
    },
    /// Every link to the device is reported down by the other ends, and it says nothing.
    SilentDevice {
        /// The device.
        device: SmolStr,
        /// Links reported down.
        links: u32,
    },
    /// Other parts of the same device failed within the hold-off.
    SameDevice {
        /// The device.
        device: SmolStr,
    },
    /// The same resource has another alarm.
    SameResource {
        /// The resource.
        resource: SmolStr,
    },
    /// A cause came later and took the incident over.
    CauseFound {
        /// The root before.
        before: SmolStr,
        /// The root now.
        root: SmolStr,
    },
    /// Two incidents turned out to be one.
    Merged {
        /// The incident that went on.
        into: SmolStr,
    },
    /// All of it was gone before the hold-off ended.
    ClearedWithinHoldOff,
    /// Another incident took it over before the hold-off ended.
    MergedWithinHoldOff,
    /// Every alarm cleared and stayed so.
    AllClear,
    /// It came back before closure.
    Relapse {
        /// The resource.
        resource: SmolStr,
    },
    /// An administrator shut the resource down.
    AdministrativelyDown {
        /// The resource.
        resource: SmolStr,
    },
    /// Below the severity from which an incident may open an internal ticket.
    BelowMajor,
    /// The inventory does not know the sender, and the configuration opens nothing for those.
    UnknownSender,
    /// It toggles too often to be told one by one.
    Flapping,
    /// Another incident's ticket already counts the outage of the service.
    CoveredByTicket {
        /// Number of that ticket.
        ticket: SmolStr,
    },
    /// An operator refuted the ticket, and it has not got worse since.
    Refuted,
}

impl Why {
    /// Stable kebab-case name.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NothingUpstream { .. } => "nothing-upstream",
            Self::NeedsFailed { .. } => "needs-failed",
            Self::OtherEnd { .. } => "other-end",
            Self::SilentDevice { .. } => "silent-device",
            Self::SameDevice { .. } => "same-device",
            Self::SameResource { .. } => "same-resource",
            Self::CauseFound { .. } => "cause-found",
            Self::Merged { .. } => "merged",
            Self::ClearedWithinHoldOff => "cleared-within-hold-off",
            Self::MergedWithinHoldOff => "merged-within-hold-off",
            Self::AllClear => "all-clear",
            Self::Relapse { .. } => "relapse",
            Self::AdministrativelyDown { .. } => "administratively-down",
            Self::BelowMajor => "below-major",
            Self::UnknownSender => "unknown-sender",
            Self::Flapping => "flapping",
            Self::CoveredByTicket { .. } => "covered-by-ticket",
            Self::Refuted => "refuted",
        }
    }

    /// The reason as a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::NothingUpstream { resource } => {
                format!("nothing that {resource} needs is at fault")
            }
            Self::NeedsFailed { resource, upstream } => {
                format!("{resource} needs {upstream}, which is at fault")
            }
            Self::OtherEnd { resource, peer } => {
                format!("{peer} at the other end of the link of {resource} is at fault")
            }
            Self::SilentDevice { device, links } => format!(
                "all {links} links to {device} are reported down by the other ends and {device} \
                 says nothing"
            ),
            Self::SameDevice { device } => {
                format!("several parts of {device} failed within the hold-off")
            }
            Self::SameResource { resource } => format!("{resource} is already at fault"),
            Self::CauseFound { before, root } => {
                format!("{root} came later and explains {before}")
            }
            Self::Merged { into } => format!("one fault explains both: {into} goes on"),
            Self::ClearedWithinHoldOff => "all of it was gone before the hold-off ended".to_owned(),
            Self::MergedWithinHoldOff => {
                "another incident took it over before the hold-off ended".to_owned()
            }
            Self::AllClear => "every alarm cleared and stayed so".to_owned(),
            Self::Relapse { resource } => format!("{resource} failed again before closure"),
            Self::AdministrativelyDown { resource } => {
                format!("an administrator shut {resource} down")
            }
            Self::BelowMajor => {
                "no service of a contract is affected and the severity is below major".to_owned()
            }
            Self::UnknownSender => "the inventory does not know the sender and \
                                    tickets.unknown_senders_open is false"
                .to_owned(),
            Self::Flapping => "it toggles too often to be told one by one".to_owned(),
            Self::CoveredByTicket { ticket } => {
                format!("{ticket} already counts the outage of the service")
            }
            Self::Refuted => "an operator refuted it and it has not got worse since".to_owned(),
        }
    }
}
