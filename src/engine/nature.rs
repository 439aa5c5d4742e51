//! How a ticket calls the state of a service, and back.

use crate::correlate::topology::NodeState;
use crate::ticket::policy::Nature;

/// How a service in that state is affected; none when it is up.
pub(super) fn nature_of(state: NodeState) -> Option<Nature> {
    match state {
        NodeState::Up => None,
        NodeState::Backup => Some(Nature::BackupActive),
        NodeState::Degraded => Some(Nature::Degraded),
        NodeState::Down => Some(Nature::TotalOutage),
    }
}

/// The state of a service that is affected in that way.
pub(super) fn state_of(nature: Nature) -> NodeState {
    match nature {
        Nature::BackupActive => NodeState::Backup,
        Nature::Degraded => NodeState::Degraded,
        Nature::TotalOutage => NodeState::Down,
    }
}
