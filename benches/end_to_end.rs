//! The real daemon under a fixed rate of traps or syslog, next to a bare `recvmmsg` loop that is
//! fed the same datagrams in the same run: CPU per event as a ratio, losses, bytes of journal.
//!
//! `cargo bench --bench end_to_end -- --rate 200000 --seconds 30 --stream repeats --kind trap`

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

#[expect(dead_code, reason = "the other benchmark of the daemon uses more of it")]
mod support;

use clap::Parser;
use std::path::{Path, PathBuf};
use std::time::Duration;
use support::bare::{self, BareLoop};
use support::daemon::{self, Daemon, Ledger};
use support::fleet::{Fleet, Kind, Messages, raise};
use support::process::{self, ratio};
use support::sender::{Sender, pause};
use support::stream::{Mix, Stream};

/// Drives the daemon at a fixed rate.
#[derive(Parser)]
struct Options {
    /// Messages a second
    #[arg(long, default_value_t = 200_000)]
    rate: u64,
    /// For how long
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// How much of it is new
    #[arg(long, value_enum, default_value = "repeats")]
    stream: Mix,
    /// Traps or syslog
    #[arg(long, value_enum, default_value = "trap")]
    kind: Kind,
    /// Devices with an address each
    #[arg(long, default_value_t = 1_000)]
    devices: u32,
    /// Interfaces of each device
    #[arg(long, default_value_t = 48)]
    interfaces: u32,
    /// Scratch folder on the disk to be measured
    #[arg(long, default_value = concat!(env!("CARGO_TARGET_TMPDIR"), "/end_to_end"))]
    dir: PathBuf,
    /// Be the bare loop, with so many microseconds between calls
    #[arg(long, hide = true)]
    bare_loop: Option<u64>,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if let Some(pause_us) = options.bare_loop {
        return bare::run(pause_us);
    }
    let fleet = Fleet { devices: options.devices, interfaces: options.interfaces };
    let messages = Messages::encode(options.kind, fleet);
    println!(
        "{:?}, {:?}: {}/s for {} s from {} devices",
        options.kind, options.stream, options.rate, options.seconds, options.devices
    );
    let prompt = bare_loop(&options, fleet, &messages, 0)?;
    println!("bare loop, woken per call        {prompt:>6} ns per datagram");
    let gathering = bare_loop(&options, fleet, &messages, 250)?;
    println!("bare loop, datagrams gathered    {gathering:>6} ns per datagram");
    let vigie = vigie(&options, fleet, &messages)?;
    println!("vigie                            {vigie:>6} ns per event");
    println!("ratio to the loop woken per call {:>6}", ratio(vigie, prompt));
    println!("ratio to the gathering loop      {:>6}", ratio(vigie, gathering));
    Ok(())
}

/// CPU of a bare loop per datagram, ns.
fn bare_loop(
    options: &Options,
    fleet: Fleet,
    messages: &Messages,
    pause_us: u64,
) -> anyhow::Result<u64> {
    let bare = BareLoop::start(pause_us)?;
    let sender = Sender::to(bare.address)?;
    let mut stream = Stream::new(fleet, options.stream);
    let count = options.rate * options.seconds.min(10);
    let before = bare.cpu_ns()?;
    sender.send(messages, (options.rate, count), || stream.next())?;
    pause(Duration::from_millis(300));
    let taken = bare.cpu_ns()?.saturating_sub(before);
    let received = bare.end()?;
    if received < count {
        println!("the bare loop lost {} of {count}", count - received);
    }
    Ok(taken / received.max(1))
}

/// CPU of the daemon per event, ns; prints the rest.
fn vigie(options: &Options, fleet: Fleet, messages: &Messages) -> anyhow::Result<u64> {
    let daemon = Daemon::start(&options.dir, fleet)?;
    let sender = Sender::to(daemon.address(options.kind))?;
    let alarms = u64::from(fleet.alarms());
    let mut next = 0;
    let each_once = || {
        next += 1;
        raise(next - 1)
    };
    sender.send(messages, (20_000, alarms), each_once)?;
    daemon.settled(alarms)?;
    // The hold-off of the last of them, and what follows from it.
    pause(Duration::from_secs(4));
    let start = daemon.ledger()?;
    let journal_start = journal_bytes(&options.dir)?;
    println!(
        "known before: {} active alarms, {} incidents, {} tickets",
        daemon.metric("vigie_alarms_active")?,
        daemon.metric("vigie_incidents_open")?,
        daemon.metric("vigie_tickets_open")?
    );
    let mut stream = Stream::new(fleet, options.stream);
    let count = options.rate * options.seconds;
    let threads = process::threads_cpu_ns(daemon.pid());
    let before = daemon.cpu_ns()?;
    let took = sender.send(messages, (options.rate, count), || stream.next())?;
    let lag = daemon.ledger()?;
    let after = daemon.settled(start.received + count)?;
    pause(Duration::from_millis(500));
    let taken = daemon.cpu_ns()?.saturating_sub(before);
    let journal = journal_bytes(&options.dir)?.saturating_sub(journal_start);
    report(&start, &after, count);
    // What was lost cost little: the figures are per event that was settled.
    let settled = (after.received - start.received).max(1);
    println!("sent in                          {:>6} ms", took / 1_000_000);
    println!("waiting when the last was sent   {:>6}", count + start.received - lag.received);
    println!("journal                          {:>6} bytes per event", ratio(journal, settled));
    let stall = daemon.sample("vigie_engine_round_seconds{share=\"1\"}")?;
    let worked = daemon.sample("vigie_engine_round_cpu_seconds{share=\"1\"}")?;
    println!("longest round of the engine      {stall:>6} s, of which it worked {worked} s");
    for share in ["0.5", "0.99", "0.999"] {
        let name = format!("vigie_engine_round_cpu_seconds{{share=\"{share}\"}}");
        println!("  the longest of {share:<5} of them    {:>6} s worked", daemon.sample(&name)?);
    }
    println!("CPU of vigie                     {:>6} ms", taken / 1_000_000);
    for (name, now) in process::threads_cpu_ns(daemon.pid()) {
        let spent = now.saturating_sub(threads.get(&name).copied().unwrap_or(0));
        println!("  {name:<15}                {:>6} ns per event", spent / settled);
    }
    let dir = daemon.stop()?;
    print!("{}", daemon::replay(&dir)?);
    Ok(taken / settled)
}

fn report(start: &Ledger, after: &Ledger, sent: u64) {
    let received = after.received - start.received;
    let dropped = after.kernel_dropped - start.kernel_dropped;
    let journaled = after.journaled - start.journaled;
    let ignored = after.ignored - start.ignored;
    let shed = after.shed - start.shed;
    println!("sent {sent}, received {received}, dropped by the kernel {dropped}");
    let is_whole = received == journaled + ignored + shed;
    println!(
        "journaled {journaled} + ignored {ignored} + shed {shed} {} received",
        if is_whole { "=" } else { "IS NOT" }
    );
    println!("lost                             {:>6}", sent - received + shed);
}

/// Bytes that the journal has written.
fn journal_bytes(dir: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir.join("state").join("journal"))? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}
