//! The play: one act after the other, by the time that it is given.
//!
//! ```text
//!   Pause ── time, and enough left ──▶ Broken ── judged, seen ──▶ Mending ── restored ──▶ Pause
//!     └───── not enough time left ───▶ Over
//! ```
//!
//! It reads no clock and opens no socket: [`World`] stands for the daemon and the network, so that
//! a test plays hours in a moment.

use super::faults::Fault;
use super::judge::{Judge, Staged, Verdict};
use super::news::{News, Newsroom};
use super::noise::Noise;
use super::notice::Notice;
use super::packets::{Packet, Report, packet};
use super::plan::{Datacenter, Place};
use super::random::Random;
use super::screen::{self, Screen, Tone};
use super::script::Script;
use super::telemetry::{Condition, Telemetry};
use crate::engine::effect::{AlarmImage, IncidentStatus, TicketState};
use crate::model::time::Timestamp;
use crate::shell::api::view::View;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

/// The daemon and the network between.
pub(super) trait World {
    /// What the API shows now.
    fn view(&self) -> Arc<View>;
    /// Puts a datagram on the wire.
    fn deliver(&mut self, packet: &Packet) -> io::Result<()>;
    /// Posts samples.
    fn report(&mut self, report: Report);
    /// Closes a ticket in the name of an operator; `false` when that was refused.
    fn close_ticket(&mut self, number: &str) -> io::Result<bool>;
}

/// Why the play cannot go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum ShowError {
    /// Nobody reads the terminal.
    #[error("the terminal is gone: {0}")]
    Screen(#[from] io::Error),
    /// A datagram cannot be sent.
    #[error("cannot send from {from}: {source}")]
    Send {
        /// Which device.
        from: std::net::Ipv4Addr,
        /// What the system said.
        source: io::Error,
    },
}

/// One moment, on the clock of the play and on the wall.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// Milliseconds since the curtain rose.
    pub(super) ms: u64,
    pub(super) wall: Timestamp,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Act {
    Pause { until_ms: u64 },
    Broken { faults: Vec<usize>, since_ms: u64, is_judged: bool },
    Mending { faults: Vec<usize>, since_ms: u64 },
    Over,
}

/// The play.
pub(super) struct Show<'p> {
    plan: &'p Datacenter,
    script: Script,
    noise: Noise,
    telemetry: Telemetry,
    random: Random,
    act: Act,
    end_ms: Option<u64>,
    /// What is to be said, by time and order.
    queue: BTreeMap<(u64, u64), Notice>,
    queued: u64,
    next_noise_ms: u64,
    rate: Rate,
    said_ms: u64,
    lines_left: Lines,
    pub(super) judge: Judge,
    pub(super) news: Newsroom,
    pub(super) restored: usize,
}

/// What happened since the last line that gave figures.
#[derive(Clone, Copy, Default)]
struct Rate {
    since_ms: u64,
    sent: u64,
    samples: u64,
    raised_before: u64,
}

/// Lines that one act may still take, by kind: a thousand alarms are no story.
#[derive(Clone, Copy, Default)]
struct Lines {
    alarms: usize,
    tickets: usize,
}

impl<'p> Show<'p> {
    /// A play of that seed; with an end, no fault is staged too late to be judged.
    pub(super) fn new(plan: &'p Datacenter, seed: u64, end_ms: Option<u64>) -> Self {
        Self {
            plan,
            script: Script::new(seed),
            noise: Noise::new(seed ^ NOISE_SEED),
            telemetry: Telemetry::new(seed ^ TELEMETRY_SEED),
            random: Random::new(seed ^ PAUSE_SEED),
            act: Act::Pause { until_ms: OVERTURE_MS },
            end_ms,
            queue: BTreeMap::new(),
            queued: 0,
            next_noise_ms: 0,
            rate: Rate::default(),
            said_ms: 0,
            lines_left: Lines::default(),
            judge: Judge::default(),
            news: Newsroom::default(),
            restored: 0,
        }
    }

    /// Does what is due.
    pub(super) fn tick(
        &mut self,
        now: Moment,
        world: &mut dyn World,
        screen: &mut Screen<'_>,
    ) -> Result<(), ShowError> {
        self.make_noise(now);
        self.send_due(now, world)?;
        self.measure(now, world);
        let view = world.view();
        for news in self.news.read(&view, now.wall) {
            self.tell(now, &news, screen)?;
        }
        self.advance(now, &view, world, screen)?;
        self.tell_figures(now, &view, screen)?;
        Ok(())
    }

    /// Whether the last act is over.
    pub(super) fn is_over(&self) -> bool {
        self.act == Act::Over
    }

    fn make_noise(&mut self, now: Moment) {
        if now.ms < self.next_noise_ms || self.is_over() {
            return;
        }
        let pause = u64::try_from(self.random.below(600)).unwrap_or(0);
        self.next_noise_ms = now.ms.saturating_add(150).saturating_add(pause);
        let silent = self.silent();
        let said = self.noise.next(self.plan, &silent);
        self.enqueue(now, said);
    }

    fn silent(&self) -> BTreeSet<Place> {
        let (Act::Broken { faults, .. } | Act::Mending { faults, .. }) = &self.act else {
            return BTreeSet::new();
        };
        self.faults(faults).flat_map(|fault| fault.silent.iter().copied()).collect()
    }

    fn faults(&self, numbers: &[usize]) -> impl Iterator<Item = &Fault> {
        let staged = numbers.iter().filter_map(|number| self.judge.staged.get(*number));
        staged.map(|staged| &staged.fault)
    }

    fn measure(&mut self, now: Moment, world: &mut dyn World) {
        if self.is_over() {
            return;
        }
        let condition = self.condition(now);
        for report in self.telemetry.due(self.plan, now, &condition) {
            self.rate.samples = self.rate.samples.saturating_add(report.samples);
            world.report(report);
        }
    }

    /// What the faults of this act do to what is measured.
    fn condition(&self, now: Moment) -> Condition {
        let mut condition = Condition::default();
        let Act::Broken { faults, since_ms, .. } = &self.act else { return condition };
        let age_ms = now.ms.saturating_sub(*since_ms);
        for fault in self.faults(faults) {
            condition.fading.extend(fault.fades.map(|end| (end, age_ms)));
            if age_ms >= fault.smoulders_ms() {
                condition.silent.extend(&fault.silent);
                condition.dark.extend(fault.dark());
            }
        }
        condition
    }

    /// How long the slowest of the faults takes to show, ms.
    fn smoulders_ms(&self, faults: &[usize]) -> u64 {
        self.faults(faults).map(Fault::smoulders_ms).max().unwrap_or(0)
    }

    /// What the background says is counted, not listed.
    fn is_of_this_act(&self, image: &AlarmImage) -> bool {
        let Act::Broken { faults, .. } = &self.act else { return false };
        let identity = (&*image.resource, &*image.alarm_type, &*image.qualifier);
        let staged = faults.iter().filter_map(|number| self.judge.staged.get(*number));
        staged.into_iter().any(|staged| staged.is_about(identity))
    }

    fn enqueue(&mut self, now: Moment, notices: Vec<Notice>) {
        for notice in notices {
            self.queued = self.queued.saturating_add(1);
            self.queue.insert((now.ms.saturating_add(notice.after_ms), self.queued), notice);
        }
    }

    fn send_due(&mut self, now: Moment, world: &mut dyn World) -> Result<(), ShowError> {
        while let Some(entry) = self.queue.first_entry() {
            if entry.key().0 > now.ms {
                break;
            }
            let packet = packet(self.plan, &entry.remove(), now.wall);
            let from = packet.from;
            world.deliver(&packet).map_err(|source| ShowError::Send { from, source })?;
            self.rate.sent = self.rate.sent.saturating_add(1);
        }
        Ok(())
    }

    fn advance(
        &mut self,
        now: Moment,
        view: &View,
        world: &mut dyn World,
        screen: &mut Screen<'_>,
    ) -> Result<(), ShowError> {
        match self.act.clone() {
            Act::Pause { until_ms } if now.ms >= until_ms => {
                let faults = self.script.next_act(self.plan);
                let smoulders_ms = faults.iter().map(Fault::smoulders_ms).max().unwrap_or(0);
                let over_ms = now.ms.saturating_add(smoulders_ms).saturating_add(ACT_MS);
                if self.end_ms.is_none_or(|end_ms| over_ms <= end_ms) {
                    self.stage(now, faults, screen)?;
                } else {
                    self.act = Act::Over;
                }
            }
            Act::Broken { faults, since_ms, is_judged: false } => {
                let shown_ms = since_ms.saturating_add(self.smoulders_ms(&faults));
                let age_ms = now.ms.saturating_sub(shown_ms);
                let is_seen = faults.iter().all(|number| {
                    let staged = self.judge.staged.get(*number);
                    staged.is_some_and(|staged| staged.judge(view) != Verdict::NoIncident)
                });
                if age_ms >= JUDGE_LATEST_MS || (is_seen && age_ms >= JUDGE_AFTER_MS) {
                    self.give_verdicts(now, &faults, view, screen)?;
                    self.act = Act::Broken { faults, since_ms, is_judged: true };
                }
            }
            Act::Broken { faults, since_ms, is_judged: true } => {
                let shown_ms = since_ms.saturating_add(self.smoulders_ms(&faults));
                if now.ms.saturating_sub(shown_ms) >= MEND_AFTER_MS {
                    self.mend(now, faults, screen)?;
                }
            }
            Act::Mending { faults, since_ms } => {
                let age_ms = now.ms.saturating_sub(since_ms);
                let is_back = age_ms >= MEND_EARLIEST_MS && self.is_restored(&faults, view);
                if is_back || age_ms >= MEND_LATEST_MS {
                    self.end_act(now, &faults, is_back, view, (world, screen))?;
                }
            }
            Act::Pause { .. } | Act::Over => {}
        }
        Ok(())
    }

    fn stage(
        &mut self,
        now: Moment,
        faults: Vec<Fault>,
        screen: &mut Screen<'_>,
    ) -> Result<(), ShowError> {
        self.lines_left = Lines { alarms: ALARM_LINES, tickets: TICKET_LINES };
        screen.line(Tone::Plain, "")?;
        let mut numbers = Vec::new();
        for fault in faults {
            self.say(now, (Tone::Broken, "BREAK"), &fault.title, screen)?;
            self.enqueue(now, fault.breaks.clone());
            numbers.push(self.judge.stage(Staged::new(fault, self.plan, now.wall)));
        }
        self.act = Act::Broken { faults: numbers, since_ms: now.ms, is_judged: false };
        Ok(())
    }

    fn give_verdicts(
        &mut self,
        now: Moment,
        faults: &[usize],
        view: &View,
        screen: &mut Screen<'_>,
    ) -> Result<(), ShowError> {
        for number in faults {
            let Some(verdict) = self.judge.decide(*number, view) else { continue };
            let Some(staged) = self.judge.staged.get(*number) else { continue };
            let wanted: Vec<&str> = staged.fault.roots.iter().map(String::as_str).collect();
            let wanted = wanted.join(" or ");
            let (tone, text) = match verdict {
                Verdict::Right { incidents } => {
                    let named: Vec<String> =
                        incidents.iter().map(|(id, root)| format!("{id} names {root}")).collect();
                    (Tone::Good, format!("{}: right", named.join(" and ")))
                }
                Verdict::Wrong { incident, root } => (
                    Tone::Broken,
                    format!("{incident} names {root} as its root; the fault is at {wanted}"),
                ),
                Verdict::NoIncident => {
                    (Tone::Broken, format!("no incident for the fault at {wanted}"))
                }
            };
            let first_sign = staged.first_sign(self.plan, view);
            self.say(now, (tone, "judged"), &text, screen)?;
            if let Some(first_sign) = first_sign {
                screen.below(&first_sign)?;
            }
        }
        Ok(())
    }

    fn mend(
        &mut self,
        now: Moment,
        faults: Vec<usize>,
        screen: &mut Screen<'_>,
    ) -> Result<(), ShowError> {
        for number in &faults {
            let Some(staged) = self.judge.staged.get(*number) else { continue };
            let mends = staged.fault.mends.clone();
            self.enqueue(now, mends);
        }
        self.act = Act::Mending { faults, since_ms: now.ms };
        self.say(now, (Tone::Heading, "MEND"), "the field team has repaired it", screen)
    }

    fn is_restored(&self, faults: &[usize], view: &View) -> bool {
        let staged = faults.iter().filter_map(|number| self.judge.staged.get(*number));
        staged.flat_map(|staged| staged.incidents(view)).all(|incident| {
            matches!(incident.status, IncidentStatus::Restored | IncidentStatus::Closed)
        })
    }

    fn end_act(
        &mut self,
        now: Moment,
        faults: &[usize],
        is_back: bool,
        view: &View,
        (world, screen): (&mut dyn World, &mut Screen<'_>),
    ) -> Result<(), ShowError> {
        if is_back {
            self.restored = self.restored.saturating_add(faults.len());
        }
        let mut closed = Vec::new();
        for row in view.tickets.iter() {
            let number = row.fixed.number.as_str();
            // One that stays open goes on being shown as what it is: restored.
            if row.fixed.state == TicketState::Resolved
                && world.close_ticket(number).unwrap_or(false)
            {
                closed.push(number);
            }
        }
        if !closed.is_empty() {
            let text = format!("in agreement with the customer: {}", closed.join(", "));
            self.say(now, (Tone::Faint, "closing"), &text, screen)?;
        }
        self.act = Act::Pause { until_ms: now.ms.saturating_add(PAUSE_MS) };
        Ok(())
    }

    fn tell(&mut self, now: Moment, news: &News, screen: &mut Screen<'_>) -> Result<(), ShowError> {
        match news {
            News::AlarmRaised(image) => {
                if self.lines_left.alarms == 0 || !self.is_of_this_act(image) {
                    return Ok(());
                }
                self.lines_left.alarms = self.lines_left.alarms.saturating_sub(1);
                let severity = screen::severity(image.perceived_severity);
                let text = format!("{severity} {}: {}", image.resource, image.text);
                // When it was raised, as tickets count; it is shown a moment later.
                let raised = Moment { wall: image.last_changed.min(now.wall), ..now };
                self.say(raised, (Tone::Plain, "alarm"), &text, screen)?;
                if self.lines_left.alarms == 0 {
                    screen.below("… further alarms are counted, not listed")?;
                }
            }
            News::IncidentOpened(image) => {
                self.say(now, (Tone::Incident, "INCIDENT"), &screen::incident(image), screen)?;
                screen.below(&format!("why: {}", image.why))?;
            }
            News::IncidentChanged(image) => {
                let text = format!("{}; why: {}", screen::incident(image), image.why);
                self.say(now, (Tone::Incident, "incident"), &text, screen)?;
            }
            News::IncidentRestored(image) => {
                let down_s = image.restored_at.map_or(0, |at| at.ns_since(image.opened_at))
                    / crate::model::time::NS_PER_S;
                let text = format!("{}  {} after {down_s} s", image.id, image.root_resource);
                self.say(now, (Tone::Good, "RESTORED"), &text, screen)?;
            }
            News::TicketOpened(image) => {
                if self.lines_left.tickets == 0 {
                    return Ok(());
                }
                self.lines_left.tickets = self.lines_left.tickets.saturating_sub(1);
                let [first, second] = screen::ticket(image);
                self.say(now, (Tone::Ticket, "TICKET"), &first, screen)?;
                screen.below(&second)?;
                if self.lines_left.tickets == 0 {
                    screen.below("… further tickets are opened, not listed")?;
                }
            }
            News::TicketOtherNature(image) => {
                if self.lines_left.tickets > 0 {
                    self.say(now, (Tone::Ticket, "ticket"), &screen::other_nature(image), screen)?;
                }
            }
            News::TicketRestored(image) => {
                let text = format!("{}  service restored, clock stopped", image.number);
                self.say(now, (Tone::Good, "ticket"), &text, screen)?;
            }
            News::TicketChanged(image) => {
                if image.state != TicketState::Closed {
                    let text = format!("{}  is {:?}", image.number, image.state);
                    self.say(now, (Tone::Ticket, "ticket"), &text, screen)?;
                }
            }
        }
        Ok(())
    }

    fn say(
        &mut self,
        now: Moment,
        head: (Tone, &str),
        text: &str,
        screen: &mut Screen<'_>,
    ) -> Result<(), ShowError> {
        self.said_ms = now.ms;
        Ok(screen.told(now.wall, head, text)?)
    }

    /// Once a second while alarms come in by the dozen, else when nothing was said for a while.
    fn tell_figures(
        &mut self,
        now: Moment,
        view: &View,
        screen: &mut Screen<'_>,
    ) -> Result<(), ShowError> {
        let age_ms = now.ms.saturating_sub(self.rate.since_ms);
        let raised = self.news.raised.saturating_sub(self.rate.raised_before);
        let is_burst = raised >= BURST_ALARMS && age_ms >= 1_000;
        let is_quiet = now.ms.saturating_sub(self.said_ms) >= QUIET_MS;
        if !is_burst && !is_quiet {
            return Ok(());
        }
        let per_second = |count: u64| count.saturating_mul(1_000).div_euclid(age_ms.max(1));
        let mut figures = vec![
            format!("{} messages/s", per_second(self.rate.sent)),
            format!("{} samples/s", per_second(self.rate.samples)),
        ];
        if raised > 0 {
            let noun = if raised == 1 { "alarm" } else { "alarms" };
            figures.push(format!("{raised} {noun} raised"));
        }
        figures.push(format!("{} alarms active", self.news.active()));
        let open = view.tickets.iter().map(|row| row.image(now.wall)).filter(|image| {
            matches!(image.state, TicketState::Acknowledged | TicketState::InProgress)
        });
        figures.extend(open.take(2).map(|image| match image.remaining_s {
            Some(left) => format!("{} {} left", image.number, screen::hours(left)),
            None => format!("{} open", image.number),
        }));
        let text = figures.join(", ");
        let raised_before = self.news.raised;
        self.rate = Rate { since_ms: now.ms, raised_before, ..Rate::default() };
        self.say(now, (Tone::Faint, "·"), &text, screen)
    }
}

/// Before the first fault, ms.
const OVERTURE_MS: u64 = 2_500;
/// An incident has its root and its tickets by then, ms.
const JUDGE_AFTER_MS: u64 = 4_500;
/// If there is none by then, there will be none, ms.
const JUDGE_LATEST_MS: u64 = 7_000;
/// Time to read, ms.
const MEND_AFTER_MS: u64 = 6_500;
/// What is mended has been told by then, ms.
const MEND_EARLIEST_MS: u64 = 1_800;
/// What is not restored by then is not waited for, ms.
const MEND_LATEST_MS: u64 = 6_000;
/// Between two acts, ms.
const PAUSE_MS: u64 = 2_000;
/// Longest act of a fault that shows at once, ms: none is staged with less left.
const ACT_MS: u64 = JUDGE_LATEST_MS + MEND_LATEST_MS + 500;
/// Alarms listed per act.
const ALARM_LINES: usize = 4;
/// Tickets listed per act.
const TICKET_LINES: usize = 6;
/// Alarms in one second that are worth a line with figures.
const BURST_ALARMS: u64 = 12;
/// Longest silence of the terminal, ms.
const QUIET_MS: u64 = 2_000;
/// So that noise and pauses do not repeat the script's choices.
const NOISE_SEED: u64 = 0x006e_6f69_7365;
const PAUSE_SEED: u64 = 0x7061_7573_6500;
const TELEMETRY_SEED: u64 = 0x7465_6c65_6d00;
