//! `vigie run`: the daemon in the foreground, until SIGTERM or SIGINT; SIGHUP reloads.

use crate::shell::cli::args::ConfigArgs;
use crate::shell::config::{Config, LogFormat, LogLevel};
use crate::shell::daemon::Daemon;
use crate::shell::intake::guard;
use anyhow::bail;
use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Runs until told to stop.
///
/// # Errors
/// What kept it from starting.
pub fn run(arguments: &ConfigArgs) -> anyhow::Result<ExitCode> {
    let config = load(arguments)?;
    start_log(&config);
    abort_on_panic();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Before anything is received: a stop during a long recovery is a stop.
    let mut signals = runtime.block_on(async { Signals::new() })?;
    let mut daemon = Daemon::start(config, None, adopted_sockets())?;
    for (listener, address) in daemon.addresses() {
        tracing::info!(listener, %address, "listening");
    }
    notify(&[sd_notify::NotifyState::Ready]);
    while let Wanted::Reload = runtime.block_on(signals.next()) {
        reload(&mut daemon);
    }
    notify(&[sd_notify::NotifyState::Stopping]);
    let stopped = daemon.stop();
    tracing::info!(position = stopped.position, digest = stopped.digest, "stopped");
    Ok(ExitCode::SUCCESS)
}

fn reload(daemon: &mut Daemon) {
    if let Ok(now) = sd_notify::NotifyState::monotonic_usec_now() {
        notify(&[sd_notify::NotifyState::Reloading, now]);
    }
    match daemon.reload() {
        Ok(()) => tracing::info!("rules, inventory, certificates and secrets reloaded"),
        Err(mistakes) => {
            for mistake in mistakes {
                tracing::error!("{mistake}");
            }
            tracing::error!("reload refused: everything of before stays in force");
        }
    }
    notify(&[sd_notify::NotifyState::Ready]);
}

fn notify(states: &[sd_notify::NotifyState<'_>]) {
    // Without systemd there is nobody to tell.
    let _ = sd_notify::notify(states);
}

enum Wanted {
    Reload,
    Stop,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Wanted {
        tokio::select! {
            _ = self.terminate.recv() => Wanted::Stop,
            _ = self.interrupt.recv() => Wanted::Stop,
            _ = self.hangup.recv() => Wanted::Reload,
        }
    }
}

/// Sockets that systemd hands over, by their `FileDescriptorName=`.
fn adopted_sockets() -> BTreeMap<String, Vec<OwnedFd>> {
    let mut adopted: BTreeMap<String, Vec<OwnedFd>> = BTreeMap::new();
    let Ok(given) = sd_notify::listen_fds_with_names() else { return adopted };
    for (fd, name) in given {
        adopted.entry(name).or_default().push(own(fd));
    }
    adopted
}

#[expect(unsafe_code, reason = "descriptors of the systemd protocol come as bare numbers")]
fn own(fd: std::os::fd::RawFd) -> OwnedFd {
    use std::os::fd::FromRawFd as _;
    // SAFETY: systemd passes each descriptor once, and `listen_fds` took the variables that name
    // them out of the environment, so that nobody else owns it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// A panic anywhere but in the decoding of one message ends the process; systemd starts it again,
/// and the journal has everything.
fn abort_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        if !guard::is_guarded() {
            std::process::abort();
        }
    }));
}

fn start_log(config: &Config) {
    let level = match config.log.level {
        LogLevel::Error => tracing::Level::ERROR,
        LogLevel::Warn => tracing::Level::WARN,
        LogLevel::Info => tracing::Level::INFO,
        LogLevel::Debug => tracing::Level::DEBUG,
        LogLevel::Trace => tracing::Level::TRACE,
    };
    let is_journald = match config.log.format {
        LogFormat::Journald => true,
        LogFormat::Text => false,
        LogFormat::Auto => std::env::var_os("JOURNAL_STREAM").is_some(),
    };
    let log = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none());
    // A second daemon in one process (tests) keeps the first one's log.
    let _ = if is_journald { log.without_time().try_init() } else { log.try_init() };
}

/// The configuration of a run.
fn load(arguments: &ConfigArgs) -> anyhow::Result<Config> {
    let loaded = Config::load(
        arguments.config.as_deref(),
        &arguments.overrides,
        arguments.state_dir.as_deref(),
    );
    let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    let Some(config) = loaded.value else {
        let mistakes: Vec<String> = loaded.errors.iter().map(ToString::to_string).collect();
        bail!("the configuration has mistakes:\n{}", mistakes.join("\n"))
    };
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    Ok(config)
}
