//! The demonstration from curtain to summary.

use super::daemon::House;
use super::interrupt::Interrupt;
use super::inventory;
use super::judge::Verdict;
use super::packets::Packet;
use super::plan::Datacenter;
use super::screen::{Screen, Tone};
use super::sender::Sender;
use super::show::{Moment, Show, ShowError, World};
use super::stage::{self, Folder};
use crate::model::diagnostic::Diagnostic;
use crate::shell::api::view::View;
use crate::shell::clock;
use crate::shell::daemon::StartError;
use crate::shell::observe::counters::ListenerCounters;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How long and what is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DemoOptions {
    /// Ends by itself after so long; until Ctrl-C otherwise.
    pub duration: Option<Duration>,
    /// Decides what breaks.
    pub seed: u64,
    /// Whether lines are coloured.
    pub color: bool,
}

/// Why there was no demonstration.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The built-in settings do not load.
    #[error("the built-in settings have mistakes:\n{}", list(.0))]
    Mistakes(Vec<Diagnostic>),
    /// The system refused something.
    #[error("{doing}: {source}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The daemon did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The daemon has no listener of that kind.
    #[error("the daemon does not listen for {0}")]
    NotListening(&'static str),
    /// It could not go on.
    #[error("{0}")]
    Broken(String),
}

fn list(mistakes: &[Diagnostic]) -> String {
    mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

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
    fn read(name: &str, counters: &ListenerCounters) -> Self {
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
}

impl DemoSummary {
    /// Whether vigie did what it promises.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.roots_right == self.faults && self.strays == 0 && self.adds_up()
    }

    /// Whether every listener's ledger adds up and nothing that was sent is missing.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        let known = |line: &LedgerLine| line.received.saturating_add(line.kernel_dropped);
        let known: u64 = self.ledger.iter().map(known).sum();
        known >= self.sent && self.ledger.iter().all(LedgerLine::adds_up)
    }
}

/// Shows the demonstration. Gives what it showed; the caller turns that into an exit code.
///
/// # Errors
/// Whatever keeps it from being shown. A terminal that is closed is the end of it, not an error.
pub fn run(options: &DemoOptions, out: &mut dyn Write) -> Result<DemoSummary, DemoError> {
    let system = |doing| move |source| DemoError::System { doing, source };
    let plan = Datacenter::new();
    let supervised = inventory::supervised(&plan).map_err(DemoError::Mistakes)?;
    let mark = clock::boot_ns() & 0xffff;
    let folder = Folder::new(mark).map_err(system("making a temporary folder"))?;
    let mut settings = stage::settings(folder.path()).map_err(DemoError::Mistakes)?;
    let interrupt = Interrupt::listen().map_err(system("listening for Ctrl-C"))?;
    let opened = match House::open(settings.config.clone(), supervised.clone()) {
        // Somebody took a port between our look and our listening.
        Err(StartError::Listen(_)) => {
            settings.take_any_ports();
            House::open(settings.config.clone(), supervised)
        }
        other => other,
    };
    let house = opened?;
    let addresses = house.addresses();
    let sender = Sender::new(find(&addresses, "snmp-trap")?, find(&addresses, "syslog-udp")?);
    let mut screen = Screen::new(out, options.color);
    let mut theatre = Theatre { house, sender };
    let end_ms = options.duration.map(millis);
    let mut show = Show::new(&plan, options.seed, end_ms);
    let shown = header(&plan, options, (&addresses, &settings.remarks), &mut screen)
        .map_err(ShowError::from)
        .and_then(|()| play(&mut show, &mut theatre, &interrupt, (&mut screen, end_ms)));
    let view = theatre.view();
    let sent = theatre.sender.sent();
    let ledger = theatre.house.ledger();
    theatre.house.close();
    let mut summary = count(&show, &view);
    summary.sent = sent;
    summary.ledger =
        ledger.iter().map(|(name, counters)| LedgerLine::read(name, counters)).collect();
    match shown {
        Ok(()) => {
            // A terminal that closes now has seen everything but this.
            let _ = tell_summary(&summary, &show, &view, &mut screen);
            Ok(summary)
        }
        Err(ShowError::Screen(_)) => Ok(summary),
        Err(error @ ShowError::Send { .. }) => Err(DemoError::Broken(error.to_string())),
    }
}

/// The daemon and the way to it.
struct Theatre {
    house: House,
    sender: Sender,
}

impl World for Theatre {
    fn view(&self) -> Arc<View> {
        self.house.view().load_full()
    }

    fn deliver(&mut self, packet: &Packet) -> io::Result<()> {
        self.sender.send(packet)
    }

    fn close_ticket(&mut self, number: &str) -> io::Result<bool> {
        self.house.close_ticket(number)
    }
}

fn find(
    addresses: &[(String, SocketAddr)],
    listener: &'static str,
) -> Result<SocketAddr, DemoError> {
    let found = addresses.iter().find(|(name, _)| name == listener);
    found.map(|(_, address)| *address).ok_or(DemoError::NotListening(listener))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Until the end, the last act, or Ctrl-C.
fn play(
    show: &mut Show<'_>,
    theatre: &mut Theatre,
    interrupt: &Interrupt,
    (screen, end_ms): (&mut Screen<'_>, Option<u64>),
) -> Result<(), ShowError> {
    let began_ns = clock::boot_ns();
    loop {
        let ms = clock::boot_ns().saturating_sub(began_ns) / 1_000_000;
        show.tick(Moment { ms, wall: clock::wall() }, theatre, screen)?;
        let is_over = show.is_over() || end_ms.is_some_and(|end_ms| ms >= end_ms);
        if is_over || interrupt.within(TICK) {
            return Ok(());
        }
    }
}

fn header(
    plan: &Datacenter,
    options: &DemoOptions,
    (addresses, remarks): (&[(String, SocketAddr)], &[String]),
    screen: &mut Screen<'_>,
) -> io::Result<()> {
    let text = format!(
        "vigie demo: {} racks, {} devices, {} services under contract; all simulated, the packets \
         are genuine",
        plan.racks.len(),
        plan.devices.len(),
        plan.services.len()
    );
    screen.line(Tone::Heading, &text)?;
    for (name, address) in addresses {
        if name == "http" {
            for path in ["/", "/api/v1/incidents", "/api/v1/tickets", "/metrics"] {
                screen.line(Tone::Plain, &format!("  http://{address}{path}"))?;
            }
        } else {
            screen.line(Tone::Plain, &format!("  {name:<10} {address}"))?;
        }
    }
    for remark in remarks {
        screen.line(Tone::Faint, &format!("  {remark}"))?;
    }
    let end = match options.duration {
        Some(duration) => format!("ends by itself within {} s", duration.as_secs()),
        None => "Ctrl-C ends it".to_owned(),
    };
    screen.line(Tone::Faint, &format!("  seed {} decides what breaks; {end}", options.seed))
}

fn count(show: &Show<'_>, view: &View) -> DemoSummary {
    let mut summary = DemoSummary {
        restored: show.restored,
        incidents: show.news.opened,
        strays: show.judge.strays(view).len(),
        tickets: show.news.tickets(),
        ..DemoSummary::default()
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

fn tell_summary(
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

/// How often the play looks at the clock and the view.
const TICK: Duration = Duration::from_millis(20);
