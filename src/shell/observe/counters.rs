//! The ledger of every listener: received = journaled + ignored + shed, at any quiet moment.

use crate::model::event::Lane;
use std::sync::atomic::{AtomicU64, Ordering};

/// Why a message was taken note of and not journaled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IgnoreReason {
    /// A syslog line that no rule knows.
    NoRule,
    /// A rule says that it does not matter.
    RuleIgnores,
    /// The community is not among those that the listener accepts.
    Community,
    /// An empty datagram or frame.
    Empty,
    /// An SNMP request that is no notification (a poller pointed at the trap port).
    NotANotification,
    /// An alert that is none: without labels, or with times that cannot be.
    Invalid,
}

impl IgnoreReason {
    /// Every reason; the index is the discriminant.
    pub const ALL: [Self; 6] = [
        Self::NoRule,
        Self::RuleIgnores,
        Self::Community,
        Self::Empty,
        Self::NotANotification,
        Self::Invalid,
    ];

    /// The label value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoRule => "no_rule",
            Self::RuleIgnores => "rule_ignores",
            Self::Community => "community",
            Self::Empty => "empty",
            Self::NotANotification => "not_a_notification",
            Self::Invalid => "invalid",
        }
    }
}

/// Why a message was lost on purpose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ShedReason {
    /// Its lane was full.
    LaneFull,
    /// The journal could not take it (disk full).
    JournalFull,
    /// The daemon stopped before it could be journaled.
    Stopping,
}

impl ShedReason {
    /// Every reason; the index is the discriminant.
    pub const ALL: [Self; 3] = [Self::LaneFull, Self::JournalFull, Self::Stopping];

    /// The label value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LaneFull => "lane_full",
            Self::JournalFull => "journal_full",
            Self::Stopping => "stopping",
        }
    }
}

/// Why a request or a connection was refused on an HTTP listener.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HttpRefusal {
    /// It did not say who it is.
    NoCredentials,
    /// A token, password or certificate that is none of those known.
    BadCredentials,
    /// It is known and may not do that.
    Role,
    /// A browser sent it for a page of somebody else.
    ForeignOrigin,
    /// Too many passwords wait to be compared.
    Busy,
    /// TLS did not come about: no TLS, no version in common, a certificate of another authority.
    Tls,
    /// As many connections as one client may have.
    Connections,
    /// What it speaks is not HTTP/2 where nothing else is spoken, or breaks the rules of it.
    Protocol,
}

impl HttpRefusal {
    /// Every reason; the index is the discriminant.
    pub const ALL: [Self; 8] = [
        Self::NoCredentials,
        Self::BadCredentials,
        Self::Role,
        Self::ForeignOrigin,
        Self::Busy,
        Self::Tls,
        Self::Connections,
        Self::Protocol,
    ];

    /// The label value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoCredentials => "no_credentials",
            Self::BadCredentials => "bad_credentials",
            Self::Role => "role",
            Self::ForeignOrigin => "foreign_origin",
            Self::Busy => "busy",
            Self::Tls => "tls",
            Self::Connections => "connections",
            Self::Protocol => "protocol",
        }
    }
}

/// What an HTTP listener refused.
#[derive(Debug, Default)]
pub struct HttpCounters {
    refused: [AtomicU64; HttpRefusal::ALL.len()],
}

impl HttpCounters {
    /// Counts one refusal; gives how many there were for that reason.
    pub fn add_refused(&self, reason: HttpRefusal) -> u64 {
        let mut count = 0;
        for (known, cell) in HttpRefusal::ALL.iter().zip(&self.refused) {
            if *known == reason {
                count = cell.fetch_add(1, Ordering::Relaxed).saturating_add(1);
            }
        }
        count
    }

    /// Refusals by reason.
    pub fn refused(&self) -> impl Iterator<Item = (HttpRefusal, u64)> {
        HttpRefusal::ALL
            .into_iter()
            .zip(&self.refused)
            .map(|(reason, cell)| (reason, cell.load(Ordering::Relaxed)))
    }
}

/// Counters of one listener. Writers add once per batch, relaxed; readers may see a sum that is a
/// batch behind while messages flow.
#[derive(Debug, Default)]
pub struct ListenerCounters {
    /// Messages (datagrams, frames) received.
    pub received: AtomicU64,
    /// Datagrams that the kernel dropped before vigie could read them; not part of `received`.
    pub kernel_dropped: AtomicU64,
    /// Messages journaled; repeats count each.
    pub journaled: AtomicU64,
    /// Panics of decoders and rules that were caught; the messages are events all the same.
    pub decoder_panics: AtomicU64,
    /// Failed reads of the socket, and failed accepts of connections.
    pub receive_errors: AtomicU64,
    /// Answers (to INFORMs) that were sent.
    pub answers_sent: AtomicU64,
    /// Answers that the socket refused.
    pub answers_failed: AtomicU64,
    /// Connections accepted.
    pub connections_accepted: AtomicU64,
    /// Sources that are moved to the low lane now, since they send too much.
    pub sources_demoted: AtomicU64,
    /// Times that a source was moved to the low lane.
    pub demotions: AtomicU64,
    /// Connections closed at once, since the limit was reached.
    pub connections_refused: AtomicU64,
    ignored: [AtomicU64; 6],
    shed: [[AtomicU64; 3]; 3],
}

impl ListenerCounters {
    /// Counts ignored messages.
    pub fn add_ignored(&self, reason: IgnoreReason, count: u64) {
        for (known, cell) in IgnoreReason::ALL.iter().zip(&self.ignored) {
            if *known == reason {
                cell.fetch_add(count, Ordering::Relaxed);
            }
        }
    }

    /// Counts messages lost on purpose.
    pub fn add_shed(&self, reason: ShedReason, lane: Lane, count: u64) {
        for (known, cells) in ShedReason::ALL.iter().zip(&self.shed) {
            if *known == reason
                && let Some(cell) = cells.get(lane.index())
            {
                cell.fetch_add(count, Ordering::Relaxed);
            }
        }
    }

    /// Ignored messages by reason.
    pub fn ignored(&self) -> impl Iterator<Item = (IgnoreReason, u64)> {
        IgnoreReason::ALL
            .into_iter()
            .zip(&self.ignored)
            .map(|(reason, cell)| (reason, cell.load(Ordering::Relaxed)))
    }

    /// Messages lost on purpose by reason and lane.
    pub fn shed(&self) -> impl Iterator<Item = (ShedReason, Lane, u64)> {
        ShedReason::ALL.into_iter().zip(&self.shed).flat_map(|(reason, cells)| {
            Lane::ALL
                .into_iter()
                .zip(cells)
                .map(move |(lane, cell)| (reason, lane, cell.load(Ordering::Relaxed)))
        })
    }
}
