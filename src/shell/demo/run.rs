//! The demonstration from curtain to summary.

use super::courier::Courier;
use super::daemon::House;
use super::interrupt::Interrupt;
use super::inventory;
use super::packets::{Packet, Report};
use super::plan::Datacenter;
use super::screen::{Screen, Tone};
use super::sender::Sender;
use super::show::{Moment, Show, ShowError, World};
use super::stage::{self, Folder};
use super::summary::{DemoSummary, LedgerLine, SampleLine, tell_summary};
use crate::model::diagnostic::Diagnostic;
use crate::shell::api::view::View;
use crate::shell::clock;
use crate::shell::daemon::StartError;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
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
    let courier = Courier::start(find(&addresses, "http")?);
    let courier = courier.map_err(system("starting a thread"))?;
    let mut theatre = Theatre { house, sender, courier };
    let end_ms = options.duration.map(millis);
    let mut show = Show::new(&plan, options.seed, end_ms);
    let shown = header(&plan, options, (&addresses, &settings.remarks), &mut screen)
        .map_err(ShowError::from)
        .and_then(|()| play(&mut show, &mut theatre, &interrupt, (&mut screen, end_ms)));
    let view = theatre.view();
    let Theatre { house, sender, courier } = theatre;
    let delivered = courier.finish();
    let (ledger, samples) = (house.ledger(), house.samples());
    house.close();
    let mut summary = DemoSummary::of(&show, &view);
    summary.sent = sender.sent();
    summary.ledger =
        ledger.iter().map(|(name, counters)| LedgerLine::read(name, counters)).collect();
    summary.samples_sent = delivered.acknowledged;
    summary.samples_lost = delivered.lost;
    summary.samples = samples.iter().filter_map(SampleLine::read).collect();
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
    courier: Courier,
}

impl World for Theatre {
    fn view(&self) -> Arc<View> {
        self.house.view().load_full()
    }

    fn deliver(&mut self, packet: &Packet) -> io::Result<()> {
        self.sender.send(packet)
    }

    fn report(&mut self, report: Report) {
        self.courier.post(report);
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
         and samples are genuine",
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

/// How often the play looks at the clock and the view.
const TICK: Duration = Duration::from_millis(20);
