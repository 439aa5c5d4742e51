//! One ticket: its times, each with author and reason, and its life cycle in the words of TMF621.
//!
//! ```text
//!   opened ──▶ Acknowledged ── taken ──▶ InProgress
//!                  │   │                  │     ▲
//!                  │   └──── restored ────┤     │ relapse
//!         refuted, │                      ▼     │
//!          merged  │                  Resolved ─┘
//!                  ▼                      │ closed
//!              Cancelled                  ▼
//!                                       Closed
//! ```
//! Refuting and merging are possible from Acknowledged and InProgress; merging from Resolved too.

use crate::model::contract::{Contract, GtrStart};
use crate::model::time::{At, EngineTime, Timestamp};
use crate::ticket::clock::GtrClock;
use crate::ticket::event::TicketEvent;
use crate::ticket::policy::Nature;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Where a ticket is in its life.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum State {
    /// Opened; nobody works on it yet.
    Acknowledged,
    /// A named technician took it.
    InProgress,
    /// Service is restored.
    Resolved,
    /// Closure pronounced.
    Closed,
    /// Refuted or merged; the number stays taken.
    Cancelled,
}

impl State {
    /// The word of the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Acknowledged => "acknowledged",
            Self::InProgress => "in-progress",
            Self::Resolved => "resolved",
            Self::Closed => "closed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A step that the life cycle does not have.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("ticket {number} is {}: it cannot be {trigger}", .state.as_str())]
pub struct ImpossibleTransition {
    /// Ticket number.
    pub number: SmolStr,
    /// Where it is.
    pub state: State,
    /// What was asked, as a participle.
    pub trigger: &'static str,
}

/// One value of one of the times. The last one of a name holds; none is overwritten.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Which time.
    pub name: SmolStr,
    /// Its value; none withdraws the one before.
    pub value: Option<Timestamp>,
    /// Who says so.
    pub author: SmolStr,
    /// Why.
    pub reason: String,
    /// When it was entered.
    pub entered_at: Timestamp,
}

/// What a new ticket is made of.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Number.
    pub number: SmolStr,
    /// Incident id.
    pub incident: u64,
    /// Contract, frozen; none for an internal ticket.
    pub contract: Option<Contract>,
    /// Root resource.
    pub root_resource: SmolStr,
    /// Affected services.
    pub services: Vec<SmolStr>,
    /// Nature; none for an internal ticket.
    pub nature: Option<Nature>,
    /// Whether an internal ticket is about a total loss (severity critical).
    pub is_blocking: bool,
    /// See the contract table of times.
    pub detected_at: Timestamp,
    /// See the contract table of times.
    pub occurred_at: Option<Timestamp>,
    /// When the backup failed that had carried the services until then.
    pub carried_until: Option<Timestamp>,
    /// Time of the journal record that opens it.
    pub opened_at: Timestamp,
    /// Quality of the wall clock now.
    pub clock_quality: String,
    /// Rehearsal.
    pub observe: bool,
}

/// One ticket.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ticket {
    /// Number.
    pub number: SmolStr,
    state: State,
    /// Who confirmed it, once it is.
    pub confirmed_by: Option<SmolStr>,
    /// Incident id; changes when incidents merge.
    pub incident: u64,
    /// Contract as it was at the opening.
    pub contract: Option<Contract>,
    /// Root resource.
    pub root_resource: SmolStr,
    /// Affected services.
    pub services: Vec<SmolStr>,
    /// Nature.
    pub nature: Option<Nature>,
    /// Whether it blocks, for an internal ticket.
    pub is_blocking: bool,
    /// The clock.
    pub clock: GtrClock,
    /// Why the clock started where it did.
    pub gtr_start_reason: SmolStr,
    /// Quality of the wall clock at the opening.
    pub clock_quality: String,
    /// Rehearsal.
    pub observe: bool,
    /// Whether the breach was told.
    pub is_breached: bool,
    /// Whether an operator said that it is not real.
    pub is_refuted: bool,
    /// Other incidents whose effect on its services this ticket counts too.
    pub covers: Vec<u64>,
    /// Since when the service has been back, while its stability is awaited.
    pub back_since: Option<Timestamp>,
    /// Whether that follows from another inventory.
    pub is_back_by_inventory: bool,
    /// Engine time of its closure.
    pub closed_at: Option<EngineTime>,
    /// What had happened to it when it was last shown.
    pub shown_as: TicketEvent,
    times: Vec<Entry>,
}

/// The author of what vigie itself enters.
pub const VIGIE: &str = "vigie";

impl Ticket {
    /// Opens a ticket; its clock runs from the start that the contract names, unless the backup
    /// carries the service and that stops the contract's clock.
    #[must_use]
    pub fn open(opening: Opening) -> Self {
        let (start, reason) = gtr_start(&opening);
        let mut ticket = Self {
            number: opening.number,
            state: State::Acknowledged,
            confirmed_by: None,
            incident: opening.incident,
            contract: opening.contract,
            root_resource: opening.root_resource,
            services: opening.services,
            nature: opening.nature,
            is_blocking: opening.is_blocking,
            clock: GtrClock::standing(start),
            gtr_start_reason: reason.into(),
            clock_quality: opening.clock_quality,
            observe: opening.observe,
            is_breached: false,
            is_refuted: false,
            covers: Vec::new(),
            back_since: None,
            is_back_by_inventory: false,
            closed_at: None,
            shown_as: TicketEvent::Opened,
            times: Vec::new(),
        };
        let at = opening.opened_at;
        if let Some(occurred) = opening.occurred_at {
            ticket.enter("occurred_at", Some(occurred), (VIGIE, "said by the device"), at);
        }
        let detected = Some(opening.detected_at);
        ticket.enter("detected_at", detected, (VIGIE, "kernel receive time"), at);
        ticket.enter("incident_started_at", detected, (VIGIE, "detected"), at);
        ticket.enter("opened_at", Some(at), (VIGIE, "journal record"), at);
        ticket.enter("gtr_started_at", Some(start), (VIGIE, reason), at);
        if !ticket.is_carried_by_backup() {
            ticket.clock.resume(start);
        }
        ticket
    }

    /// Whether its clock stands because the service works on its backup.
    fn is_carried_by_backup(&self) -> bool {
        self.nature == Some(Nature::BackupActive)
            && self.contract.as_ref().is_some_and(|contract| contract.backup_stops_clock)
    }

    /// How the service is affected since `since`. What the backup carried so far and carries no
    /// more starts the clock.
    pub fn set_nature(&mut self, nature: Nature, since: Timestamp, at: Timestamp) {
        let was_carried = self.is_carried_by_backup();
        self.nature = Some(nature);
        let is_out = matches!(self.state, State::Acknowledged | State::InProgress);
        if !is_out || !was_carried || self.is_carried_by_backup() {
            return;
        }
        let is_first = self.clock.elapsed_ns(at) == 0;
        self.clock.resume(since);
        if is_first {
            self.gtr_start_reason = SmolStr::new_static(BACKUP_FAILED);
            let start = self.clock.started_at();
            self.enter("gtr_started_at", Some(start), (VIGIE, BACKUP_FAILED), at);
        }
    }

    /// Where it is.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Whether work on it may still be needed.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Acknowledged | State::InProgress | State::Resolved)
    }

    /// The value that holds of one of the times.
    #[must_use]
    pub fn time(&self, name: &str) -> Option<Timestamp> {
        self.times.iter().rev().find(|entry| entry.name == name)?.value
    }

    /// Every value that the times have had, oldest first.
    #[must_use]
    pub fn times(&self) -> &[Entry] {
        &self.times
    }

    /// GTR target, s.
    #[must_use]
    pub fn target_s(&self) -> Option<i64> {
        let contract = self.contract.as_ref()?;
        Some(i64::from(contract.gtr_target_min).saturating_mul(60))
    }

    /// Whether more time counts against the target than it allows.
    #[must_use]
    pub fn is_over_target(&self, now: Timestamp) -> bool {
        let target_ns = self.target_s().map(|target| target.saturating_mul(1_000_000_000));
        target_ns.is_some_and(|target| self.clock.elapsed_ns(now) > target)
    }

    /// Enters a value of one of the times.
    pub fn enter(
        &mut self,
        name: &str,
        value: Option<Timestamp>,
        (author, reason): (&str, &str),
        entered_at: Timestamp,
    ) {
        self.times.push(Entry {
            name: name.into(),
            value,
            author: author.into(),
            reason: reason.to_owned(),
            entered_at,
        });
    }

    /// A named technician takes it.
    ///
    /// # Errors
    /// Unless nobody has it yet.
    pub fn take(&mut self, author: &str, at: Timestamp) -> Result<(), ImpossibleTransition> {
        self.step(&[State::Acknowledged], State::InProgress, "taken")?;
        self.enter("treatment_started_at", Some(at), (author, "taken"), at);
        Ok(())
    }

    /// Service is back since `restored_at`.
    ///
    /// # Errors
    /// Unless it is being worked on or waits for that.
    pub fn restore(
        &mut self,
        restored_at: Timestamp,
        said: (&str, &str),
        at: Timestamp,
    ) -> Result<(), ImpossibleTransition> {
        self.step(&[State::Acknowledged, State::InProgress], State::Resolved, "restored")?;
        self.clock.stop(restored_at);
        self.back_since = None;
        self.enter("restored_at", Some(restored_at), said, at);
        Ok(())
    }

    /// It failed again before closure: the clock goes on from `since`.
    ///
    /// # Errors
    /// Unless it is restored.
    pub fn relapse(&mut self, since: Timestamp, at: Timestamp) -> Result<(), ImpossibleTransition> {
        let was_taken = self.time("treatment_started_at").is_some();
        let to = if was_taken { State::InProgress } else { State::Acknowledged };
        self.step(&[State::Resolved], to, "reopened")?;
        if !self.is_carried_by_backup() {
            self.clock.resume(since);
        }
        self.enter("restored_at", None, (VIGIE, "failed again before closure"), at);
        Ok(())
    }

    /// Closure is pronounced.
    ///
    /// # Errors
    /// Unless it is restored.
    pub fn close(&mut self, said: (&str, &str), at: At) -> Result<(), ImpossibleTransition> {
        self.step(&[State::Resolved], State::Closed, "closed")?;
        self.closed_at = Some(at.engine);
        self.enter("closed_at", Some(at.wall), said, at.wall);
        Ok(())
    }

    /// It is not real, or another goes on in its place. Its clock stops.
    ///
    /// # Errors
    /// When it is closed or cancelled already.
    pub fn cancel(
        &mut self,
        said: (&str, &str),
        at: Timestamp,
    ) -> Result<(), ImpossibleTransition> {
        let from = [State::Acknowledged, State::InProgress, State::Resolved];
        self.step(&from, State::Cancelled, "cancelled")?;
        self.clock.stop(at);
        self.back_since = None;
        self.enter("cancelled_at", Some(at), said, at);
        Ok(())
    }

    fn step(
        &mut self,
        from: &[State],
        to: State,
        trigger: &'static str,
    ) -> Result<(), ImpossibleTransition> {
        if !from.contains(&self.state) {
            let number = self.number.clone();
            return Err(ImpossibleTransition { number, state: self.state, trigger });
        }
        self.state = to;
        Ok(())
    }
}

/// Why a clock starts after its ticket: until then the backup carried the service.
const BACKUP_FAILED: &str = "backup-carried-the-service-before";

/// Where the clock starts, and why there: where the contract says, but not while the backup carried
/// the service if that stops the clock.
fn gtr_start(opening: &Opening) -> (Timestamp, &'static str) {
    let (start, reason) = named_start(opening);
    let counts_backup = opening.contract.as_ref().is_none_or(|one| !one.backup_stops_clock);
    match opening.carried_until.filter(|until| *until > start && !counts_backup) {
        Some(until) => (until, BACKUP_FAILED),
        None => (start, reason),
    }
}

fn named_start(opening: &Opening) -> (Timestamp, &'static str) {
    let opened = (opening.opened_at, "opened");
    // A device's clock is not ours: what it says may not move the start anywhere.
    let is_too_early =
        |occurred: Timestamp| opening.detected_at.ns_since(occurred) > OCCURRED_BEFORE_NS_MAX;
    let Some(contract) = &opening.contract else { return opened };
    match (contract.gtr_start, opening.occurred_at) {
        (GtrStart::Default, _) => opened,
        (GtrStart::Detected, _) => (opening.detected_at, "contract-says-detected"),
        (GtrStart::Occurred, Some(occurred)) if occurred > opening.detected_at => {
            (opening.detected_at, "detected-since-occurred-is-later")
        }
        (GtrStart::Occurred, Some(occurred)) if is_too_early(occurred) => {
            (opening.detected_at, "detected-since-occurred-is-implausible")
        }
        (GtrStart::Occurred, Some(occurred)) => (occurred, "contract-says-occurred"),
        (GtrStart::Occurred, None) => (opening.detected_at, "detected-since-occurred-is-unknown"),
        (GtrStart::Earliest, occurred) => {
            let plausible = occurred.filter(|occurred| !is_too_early(*occurred));
            let known = plausible.map_or(opening.detected_at, |at| at.min(opening.detected_at));
            let reason = if plausible == occurred {
                "contract-says-earliest"
            } else {
                "earliest-but-occurred-is-implausible"
            };
            (known.min(opening.opened_at), reason)
        }
    }
}

/// How long before its detection a fault may have occurred, ns: 31 days. What a device dates
/// earlier comes from a clock that was never set.
const OCCURRED_BEFORE_NS_MAX: i64 = 31 * 24 * 3_600 * 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    type Trigger = fn(&mut Ticket) -> Result<(), ImpossibleTransition>;

    fn opening(gtr_start: GtrStart) -> Opening {
        let contract = Contract { gtr_start, ..Contract::new("c", "Customer", 240) };
        Opening {
            number: "VIG-000001".into(),
            incident: 7,
            contract: Some(contract),
            root_resource: "a".into(),
            services: vec!["s".into()],
            nature: Some(Nature::TotalOutage),
            is_blocking: true,
            detected_at: Timestamp(50),
            occurred_at: Some(Timestamp(40)),
            carried_until: None,
            opened_at: Timestamp(100),
            clock_quality: String::new(),
            observe: false,
        }
    }

    #[test]
    fn every_state_takes_the_steps_of_the_diagram_and_no_other() {
        let triggers: [(&str, Trigger); 5] = [
            ("take", |ticket| ticket.take("ann", Timestamp(1))),
            ("restore", |ticket| ticket.restore(Timestamp(1), (VIGIE, ""), Timestamp(1))),
            ("relapse", |ticket| ticket.relapse(Timestamp(1), Timestamp(1))),
            ("close", |ticket| ticket.close((VIGIE, ""), At::default())),
            ("cancel", |ticket| ticket.cancel((VIGIE, ""), Timestamp(1))),
        ];
        let allowed = [
            (State::Acknowledged, vec!["take", "restore", "cancel"]),
            (State::InProgress, vec!["restore", "cancel"]),
            (State::Resolved, vec!["relapse", "close", "cancel"]),
            (State::Closed, vec![]),
            (State::Cancelled, vec![]),
        ];
        for (state, expected) in allowed {
            let mut taken = Vec::new();
            for (name, trigger) in triggers {
                let mut ticket = Ticket::open(opening(GtrStart::Default));
                ticket.state = state;
                if trigger(&mut ticket).is_ok() {
                    taken.push(name);
                }
            }
            assert_eq!(taken, expected, "{state:?}");
        }
    }

    #[test]
    fn the_contract_names_the_start_of_the_clock_and_the_reason_is_kept() {
        for (start, at, reason) in [
            (GtrStart::Default, 100, "opened"),
            (GtrStart::Detected, 50, "contract-says-detected"),
            (GtrStart::Occurred, 40, "contract-says-occurred"),
            (GtrStart::Earliest, 40, "contract-says-earliest"),
        ] {
            let ticket = Ticket::open(opening(start));
            assert_eq!(ticket.time("gtr_started_at"), Some(Timestamp(at)));
            assert_eq!(ticket.clock.started_at(), Timestamp(at));
            assert_eq!(ticket.gtr_start_reason, reason);
        }
    }

    #[test]
    fn a_foreign_clock_that_is_wrong_does_not_start_the_contracts() {
        let detected = 100 * OCCURRED_BEFORE_NS_MAX;
        for (start, occurred, at, reason) in [
            (GtrStart::Occurred, detected + 1, detected, "detected-since-occurred-is-later"),
            (GtrStart::Occurred, 5, detected, "detected-since-occurred-is-implausible"),
            (GtrStart::Occurred, detected - 7, detected - 7, "contract-says-occurred"),
            (GtrStart::Earliest, detected + 1, detected, "contract-says-earliest"),
            (GtrStart::Earliest, 5, detected, "earliest-but-occurred-is-implausible"),
            (GtrStart::Earliest, detected - 7, detected - 7, "contract-says-earliest"),
        ] {
            let mut opening = opening(start);
            opening.detected_at = Timestamp(detected);
            opening.opened_at = Timestamp(detected + 9);
            opening.occurred_at = Some(Timestamp(occurred));
            let ticket = Ticket::open(opening);
            assert_eq!(ticket.clock.started_at(), Timestamp(at), "{start:?} {occurred}");
            assert_eq!(ticket.gtr_start_reason, reason);
            assert_eq!(ticket.time("occurred_at"), Some(Timestamp(occurred)), "as it was said");
        }
    }

    #[test]
    fn the_clock_stands_while_the_backup_carries_the_service_if_the_contract_says_so() {
        for (stops, elapsed, started) in [(true, 0, 100), (false, 400, 100)] {
            let mut opening = opening(GtrStart::Default);
            opening.nature = Some(Nature::BackupActive);
            let contract = Contract { backup_stops_clock: stops, ..Contract::new("c", "C", 240) };
            opening.contract = Some(contract);
            let mut ticket = Ticket::open(opening);
            assert_eq!(ticket.clock.elapsed_ns(Timestamp(500)), elapsed);
            assert_eq!(ticket.clock.started_at(), Timestamp(started));
            ticket.set_nature(Nature::TotalOutage, Timestamp(500), Timestamp(500));
            assert_eq!(ticket.clock.elapsed_ns(Timestamp(600)), elapsed + 100);
            let start = if stops { 500 } else { started };
            assert_eq!(ticket.time("gtr_started_at"), Some(Timestamp(start)));
            assert_eq!(ticket.clock.started_at(), Timestamp(start));
        }
    }

    #[test]
    fn no_time_is_overwritten() {
        let mut ticket = Ticket::open(opening(GtrStart::Default));
        ticket.restore(Timestamp(200), (VIGIE, "stable"), Timestamp(300)).expect("open");
        ticket.relapse(Timestamp(400), Timestamp(400)).expect("restored");
        assert_eq!(ticket.time("restored_at"), None);
        let kept: Vec<_> =
            ticket.times().iter().filter(|entry| entry.name == "restored_at").collect();
        assert_eq!(kept.len(), 2);
    }
}
