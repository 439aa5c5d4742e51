//! What the daemon holds and how soon it tells: memory with many active alarms, snapshot and
//! start, alarm to durable ticket.
//!
//! `cargo bench --bench capacity`

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

#[expect(dead_code, reason = "the other benchmark of the daemon uses more of it")]
mod support;

use clap::Parser;
use std::path::PathBuf;
use std::time::Duration;
use support::daemon::{self, Daemon};
use support::fleet::{Fleet, Kind, MessageId, Messages, clear, raise};
use support::process::memory_kib;
use support::sender::{Sender, pause};

/// Fills the daemon and looks at it.
#[derive(Parser)]
struct Options {
    /// Active alarms, each on a resource of its own that the inventory lists
    #[arg(long, default_value_t = 100_000)]
    alarms: u32,
    /// Tickets for the measure of latency, opened one after the other
    #[arg(long, default_value_t = 300)]
    tickets: u32,
    /// Devices below one port
    #[arg(long, default_value_t = 10_000)]
    below: u32,
    /// Contracts whose services run over one port
    #[arg(long, default_value_t = 1_000)]
    contracts: u32,
    /// Scratch folder on the disk to be measured
    #[arg(long, default_value = concat!(env!("CARGO_TARGET_TMPDIR"), "/capacity"))]
    dir: PathBuf,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    latency(&options)?;
    one_fault(&options, (options.below, 0))?;
    one_fault(&options, (1, options.contracts))?;
    memory(&options)
}

/// What happens, and the message of an alarm that makes it happen.
type Phase = (&'static str, fn(u32) -> MessageId);

/// One port fails below which thousands of devices lose their way: the alarms of all of them come
/// first, then that of the port; then all is well again. Or it carries the services of many
/// contracts. How long the engine was at it at a time.
fn one_fault(options: &Options, (devices, contracts): (u32, u32)) -> anyhow::Result<()> {
    let fleet = Fleet { devices, interfaces: 1 };
    let messages = Messages::encode(Kind::Trap, fleet);
    let inventory = fleet.inventory_below("sw-0/GigabitEthernet0/1", contracts);
    let daemon = Daemon::start_on(&options.dir, &inventory, None)?;
    let sender = Sender::to(daemon.address(Kind::Trap))?;
    let count = u64::from(devices);
    let phases: [Phase; 2] = [("all raised", raise), ("all cleared", clear)];
    for (phase, message) in phases {
        let mut next = count;
        let root_last = || {
            next -= 1;
            message(u32::try_from(next).unwrap_or(0))
        };
        sender.send(&messages, (10_000, count), root_last)?;
        // The hold-off and the stability time are over.
        pause(Duration::from_secs(8));
        println!("one fault, {count} alarms, {contracts} contracts, {phase}");
        println!("  active alarms                  {}", daemon.metric("vigie_alarms_active")?);
        println!("  open incidents                 {}", daemon.metric("vigie_incidents_open")?);
        println!("  tickets                        {}", daemon.metric("vigie_tickets_open")?);
        let worked = daemon.sample("vigie_engine_round_cpu_seconds{share=\"1\"}")?;
        println!("  longest round, by its work     {worked} s");
    }
    daemon.stop()?;
    Ok(())
}

/// From the receipt of an alarm to its durable ticket, beyond the hold-off of 2 s.
fn latency(options: &Options) -> anyhow::Result<()> {
    let fleet = Fleet { devices: options.tickets, interfaces: 1 };
    let messages = Messages::encode(Kind::Trap, fleet);
    let daemon = Daemon::start(&options.dir, fleet)?;
    let mut next = 0;
    let each_once = || {
        next += 1;
        raise(next - 1)
    };
    let count = u64::from(options.tickets);
    Sender::to(daemon.address(Kind::Trap))?.send(&messages, (50, count), each_once)?;
    pause(Duration::from_secs(4));
    let name = "vigie_detection_to_ticket_seconds";
    println!("tickets                          {}", daemon.metric(&format!("{name}_count"))?);
    for bound in ["2", "2.005", "2.01", "2.02", "2.05", "2.5"] {
        let within = daemon.sample(&format!("{name}_bucket{{le=\"{bound}\"}}"))?;
        println!("  durable within {bound:>5} s         {within}");
    }
    daemon.stop()?;
    Ok(())
}

/// Memory with every alarm active, the snapshot child included; then the start from a snapshot.
fn memory(options: &Options) -> anyhow::Result<()> {
    let fleet = Fleet { devices: options.alarms.div_ceil(100), interfaces: 100 };
    let alarms = u64::from(fleet.alarms());
    let messages = Messages::encode(Kind::Trap, fleet);
    let daemon = Daemon::start(&options.dir, fleet)?;
    let pid = daemon.pid();
    // Gauges are renewed about once a second.
    pause(Duration::from_millis(1_500));
    println!("inventory resources              {}", daemon.metric("vigie_resources")?);
    let mut next = 0;
    let each_once = || {
        next += 1;
        raise(next - 1)
    };
    Sender::to(daemon.address(Kind::Trap))?.send(&messages, (10_000, alarms), each_once)?;
    daemon.settled(alarms)?;
    // A snapshot is taken where a mark is, and marks are ten seconds apart.
    pause(Duration::from_secs(12));
    let (taken_ms, child_kib) = daemon.snapshot()?;
    let own_kib = memory_kib(pid, "VmRSS")?;
    println!("active alarms                    {}", daemon.metric("vigie_alarms_active")?);
    println!("memory of vigie                  {} MiB", own_kib / 1024);
    println!("  at most                        {} MiB", memory_kib(pid, "VmHWM")? / 1024);
    println!("  with the snapshot child        {} MiB", (own_kib + child_kib) / 1024);
    println!("snapshot taken in                {taken_ms} ms");
    let daemon = daemon.restart()?;
    println!("start with that snapshot         {} ms", daemon.ready_after_ns / 1_000_000);
    pause(Duration::from_millis(1_500));
    println!("active alarms                    {}", daemon.metric("vigie_alarms_active")?);
    let dir = daemon.stop()?;
    print!("{}", daemon::replay(&dir)?);
    Ok(())
}
