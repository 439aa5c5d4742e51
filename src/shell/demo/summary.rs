//! What came of the demonstration: the faults that were found, and the accounts that add up.

use super::judge::Verdict;
use super::screen::{Screen, Tone};
use super::show::Show;
use crate::shell::api::view::View;
use crate::shell::observe::counters::ListenerCounters;
use crate::shell::series::{Protocol, Shown};
use std::io;
use std::sync::atomic::Ordering;

/// What a listener counted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LedgerLine {
    /// Listener.
    pub name: String,
    /// Messages received.
    pub received: u64,
    /// Of those, journaled.
    pub journaled: u64,
    /// Of those, ignored for a reason.
    pub ignored: u64,
    /// Of those, shed for a reason.
    pub shed: u64,
    /// Dropped by the kernel before.
    pub kernel_dropped: u64,
}

impl LedgerLine {
    pub(super) fn read(name: &str, counters: &ListenerCounters) -> Self {
        Self {
            name: name.to_owned(),
            received: counters.received.load(Ordering::Relaxed),
            journaled: counters.journaled.load(Ordering::Relaxed),
            ignored: counters.ignored().map(|(_, count)| count).sum(),
            shed: counters.shed().map(|(_, _, count)| count).sum(),
            kernel_dropped: counters.kernel_dropped.load(Ordering::Relaxed),
        }
    }

    /// Whether received = journaled + ignored + shed.
    #[must_use]
    pub const fn adds_up(&self) -> bool {
        let settled = self.journaled.saturating_add(self.ignored).saturating_add(self.shed);
        self.received == settled
    }
}

/// What a protocol of samples counted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SampleLine {
    /// Protocol.
    pub name: &'static str,
    /// Samples received.
    pub received: u64,
    /// Of those, looked at by a rule.
    pub applied: u64,
    /// Of those, of series that no rule looks at.
    pub unmatched: u64,
    /// Of those, not taken for a reason.
    pub rejected: u64,
}

impl SampleLine {
    /// Nothing for a protocol that nobody speaks here.
    pub(super) fn read((protocol, shown): &(Protocol, Shown)) -> Option<Self> {
        (shown.received > 0).then(|| Self {
            name: protocol.as_str(),
            received: shown.received,
            applied: shown.applied,
            unmatched: shown.unmatched,
            rejected: shown.rejected.iter().map(|(_, count)| count).sum(),
        })
    }

    /// Whether received = applied + unmatched + rejected.
    #[must_use]
    pub const fn adds_up(&self) -> bool {
        let settled = self.applied.saturating_add(self.unmatched).saturating_add(self.rejected);
        self.received == settled
    }
}

/// What the demonstration showed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DemoSummary {
    /// Faults staged and judged.
    pub faults: usize,
    /// Of those, with an incident of the right root.
    pub roots_right: usize,
    /// Of those, with an incident of a wrong root.
    pub roots_wrong: usize,
    /// Of those, without an incident.
    pub without_incident: usize,
    /// Of those, restored while the audience watched.
    pub restored: usize,
    /// Incidents opened.
    pub incidents: u64,
    /// Of those, explained by no fault that was staged.
    pub strays: usize,
    /// Tickets opened.
    pub tickets: usize,
    /// Datagrams sent.
    pub sent: u64,
    /// What each listener counted.
    pub ledger: Vec<LedgerLine>,
    /// Samples posted and acknowledged.
    pub samples_sent: u64,
    /// Samples posted and not taken.
    pub samples_lost: u64,
    /// What each protocol of samples counted.
    pub samples: Vec<SampleLine>,
}

impl DemoSummary {
    /// What of it the play knows itself.
    pub(super) fn of(show: &Show<'_>, view: &View) -> Self {
        let mut summary = Self {
            restored: show.restored,
            incidents: show.news.opened,
            strays: show.judge.strays(view).len(),
            tickets: show.news.tickets(),
            ..Self::default()
        };
        for staged in &show.judge.staged {
            let counter = match &staged.verdict {
                // Ctrl-C came before it could be judged.
                None => continue,
                Some(Verdict::Right { .. }) => &mut summary.roots_right,
                Some(Verdict::Wrong { .. }) => &mut summary.roots_wrong,
                Some(Verdict::NoIncident) => &mut summary.without_incident,
            };
            *counter = counter.saturating_add(1);
            summary.faults = summary.faults.saturating_add(1);
        }
        summary
    }

    /// Whether vigie did what it promises.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.roots_right == self.faults && self.strays == 0 && self.adds_up()
    }

    /// Whether every account adds up and nothing that was sent is missing.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        let known = |line: &LedgerLine| line.received.saturating_add(line.kernel_dropped);
        let known: u64 = self.ledger.iter().map(known).sum();
        let is_complete = known >= self.sent && self.ledger.iter().all(LedgerLine::adds_up);
        let measured: u64 = self.samples.iter().map(|line| line.received).sum();
        let has_samples = measured >= self.samples_sent && self.samples_lost == 0;
        is_complete && has_samples && self.samples.iter().all(SampleLine::adds_up)
    }
}

/// The last lines.
pub(super) fn tell_summary(
    summary: &DemoSummary,
    show: &Show<'_>,
    view: &View,
    screen: &mut Screen<'_>,
) -> io::Result<()> {
    screen.line(Tone::Plain, "")?;
    screen.line(Tone::Heading, "Summary")?;
    let text = format!(
        "  faults staged {}, roots right {}, wrong {}, without incident {}, restored {}",
        summary.faults,
        summary.roots_right,
        summary.roots_wrong,
        summary.without_incident,
        summary.restored
    );
    screen.line(Tone::Plain, &text)?;
    let text = format!(
        "  incidents {}, tickets {}, datagrams sent {}",
        summary.incidents, summary.tickets, summary.sent
    );
    screen.line(Tone::Plain, &text)?;
    for line in &summary.ledger {
        let (sign, tone) = if line.adds_up() { ("=", Tone::Plain) } else { ("≠", Tone::Broken) };
        let text = format!(
            "  {:<10} received {} {sign} journaled {} + ignored {} + shed {}",
            line.name, line.received, line.journaled, line.ignored, line.shed
        );
        screen.line(tone, &text)?;
    }
    tell_samples(summary, screen)?;
    for stray in show.judge.strays(view) {
        let text = format!("  no fault explains {} at {}", stray.id, stray.root_resource);
        screen.line(Tone::Broken, &text)?;
    }
    if summary.faults == 0 {
        screen.line(Tone::Plain, "  too short to stage a fault: give it 20 s at least")?;
    }
    let (tone, verdict) = if summary.is_success() {
        (Tone::Good, "Everything that broke was found, and nothing was lost.")
    } else {
        (Tone::Broken, "vigie did not do what it promises: see above.")
    };
    screen.line(tone, verdict)
}

fn tell_samples(summary: &DemoSummary, screen: &mut Screen<'_>) -> io::Result<()> {
    let text = match summary.samples_lost {
        0 => format!("  samples sent {}, every one acknowledged", summary.samples_sent),
        lost => format!("  samples acknowledged {}, not taken {lost}", summary.samples_sent),
    };
    let tone = if summary.samples_lost == 0 { Tone::Plain } else { Tone::Broken };
    screen.line(tone, &text)?;
    for line in &summary.samples {
        let (sign, tone) = if line.adds_up() { ("=", Tone::Plain) } else { ("≠", Tone::Broken) };
        let text = format!(
            "  {:<14} received {} {sign} applied {} + unmatched {} + rejected {}",
            line.name, line.received, line.applied, line.unmatched, line.rejected
        );
        screen.line(tone, &text)?;
    }
    Ok(())
}
