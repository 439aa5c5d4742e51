//! Metric streams through the real daemon: CPU per sample next to a Prometheus that receives the
//! same requests in the same run, what rules and series cost, and what a load of metrics does to
//! the latency of a critical alarm.
//!
//! `cargo bench --bench streams -- cpu` (or `rules`, `memory`, `latency`)

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

#[expect(dead_code, reason = "the other benchmarks of the daemon use more of it")]
mod support;

use anyhow::ensure;
use clap::Parser;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::daemon::Daemon;
use support::exporters::{self, Rounds};
use support::fleet::Kind;
use support::informer::{Informer, percentile};
use support::process::{cpu_ns, memory_kib, ratio, threads_cpu_ns};
use support::prometheus::Prometheus;
use support::sender::pause;
use support::writer::{Writer, deliver};
use vigie::shell::clock::{boot_ns, wall};
use vigie::shell::priority::{SNAPSHOT, stand_back};

/// Sends metric streams.
#[derive(Parser)]
struct Options {
    /// What to measure
    #[arg(value_enum)]
    mode: Mode,
    /// Series; 1,000,000 where memory is measured, else 100,000
    #[arg(long)]
    series: Option<u32>,
    /// Rounds that are measured: in each, every series has a sample, a second after the one before
    #[arg(long, default_value_t = 40)]
    rounds: u32,
    /// Send the series in another order in each round (over one connection)
    #[arg(long)]
    shuffled: bool,
    /// Connections that send
    #[arg(long, default_value_t = 2)]
    connections: usize,
    /// How often everything is measured
    #[arg(long, default_value_t = 2)]
    repeat: u32,
    /// The Prometheus to compare with
    #[arg(long, default_value = "/usr/bin/prometheus")]
    prometheus: PathBuf,
    /// Scratch folder on the disk to be measured
    #[arg(long, default_value = concat!(env!("CARGO_TARGET_TMPDIR"), "/streams"))]
    dir: PathBuf,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

/// What to measure.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Mode {
    /// CPU per sample, next to Prometheus
    Cpu,
    /// The same with ten rules and with ten thousand
    Rules,
    /// Memory of many series
    Memory,
    /// A critical alarm with and without a load of metrics
    Latency,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    ensure!(options.rounds <= 120, "samples of more than two minutes would be too old");
    // Two connections would mix up the samples of a series.
    ensure!(!options.shuffled || options.connections == 1, "--shuffled needs --connections 1");
    match options.mode {
        Mode::Cpu => cpu(&options),
        Mode::Rules => rules(&options),
        Mode::Memory => memory(&options),
        Mode::Latency => latency(&options),
    }
}

impl Options {
    fn series(&self) -> u32 {
        self.series.unwrap_or(if self.mode == Mode::Memory { 1_000_000 } else { 100_000 })
    }

    /// A first round, which makes the series known, and those that are measured. The last is of
    /// some seconds ago.
    fn encode(&self) -> anyhow::Result<Rounds> {
        let now_ms = u64::try_from(wall().0 / 1_000_000)?;
        let times = (now_ms - u64::from(self.rounds) * 1_000 - 5_000, 1_000);
        let encode = if self.shuffled { Rounds::encode_shuffled } else { Rounds::encode };
        Ok(encode(self.series(), self.rounds + 1, times))
    }

    fn daemon(&self, rules: u32) -> anyhow::Result<Daemon> {
        let fleet = exporters::fleet(self.series());
        Daemon::start_with(&self.dir.join("vigie"), fleet, Some(&exporters::rules(rules)))
    }
}

/// What receiving cost.
struct Cost {
    /// CPU for each series of the first round, ns.
    new_ns: u64,
    /// CPU for each sample of the others, ns.
    steady_ns: u64,
    /// Samples a second, all cores and the sender together.
    per_second: u64,
}

impl Cost {
    /// Sends the rounds to whoever listens.
    fn measure(
        options: &Options,
        rounds: &Rounds,
        (target, pid): (SocketAddr, u32),
    ) -> anyhow::Result<Self> {
        let before = cpu_ns(pid)?;
        let first = (&rounds.bodies[..rounds.per_round], rounds.per_round);
        deliver(target, first, options.connections)?;
        pause(Duration::from_secs(3));
        let known = cpu_ns(pid)?;
        let steady = (rounds.from(1), rounds.per_round);
        let took = deliver(target, steady, options.connections)?;
        pause(Duration::from_millis(500));
        let after = cpu_ns(pid)?;
        let samples = u64::from(rounds.samples) * u64::from(options.rounds);
        Ok(Self {
            new_ns: (known - before) / u64::from(rounds.samples),
            steady_ns: (after - known) / samples,
            per_second: samples * 1_000_000 / (took / 1_000).max(1),
        })
    }
}

fn cpu(options: &Options) -> anyhow::Result<()> {
    for _ in 0..options.repeat {
        let rounds = options.encode()?;
        let bytes: usize = rounds.bodies.iter().map(Vec::len).sum();
        println!(
            "{} series, {} rounds, {} bytes a sample compressed",
            rounds.samples,
            options.rounds,
            bytes / usize::try_from(rounds.samples * (options.rounds + 1))?
        );
        let looked_at = vigie(options, &rounds, 10)?;
        let passed_over = vigie(options, &rounds, 0)?;
        let prometheus = prometheus(options, &rounds)?;
        println!("                        per sample   per core      new series   to Prometheus");
        for (name, cost) in [
            ("vigie, rules look at all", &looked_at),
            ("vigie, no rule looks", &passed_over),
            ("Prometheus", &prometheus),
        ] {
            println!(
                "{name:<24} {:>6} ns {:>9}/s {:>10} ns {:>14}",
                cost.steady_ns,
                1_000_000_000 / cost.steady_ns.max(1),
                cost.new_ns,
                ratio(prometheus.steady_ns, cost.steady_ns)
            );
        }
    }
    Ok(())
}

fn vigie(options: &Options, rounds: &Rounds, rules: u32) -> anyhow::Result<Cost> {
    let daemon = options.daemon(rules)?;
    let threads = threads_cpu_ns(daemon.pid());
    let cost = Cost::measure(options, rounds, (daemon.http(), daemon.pid()))?;
    let sent = u64::from(rounds.samples) * u64::from(options.rounds + 1);
    let name =
        if rules > 0 { "vigie_samples_applied_total" } else { "vigie_samples_unmatched_total" };
    let taken = daemon.metric(name)?;
    ensure!(taken == sent, "{name} is {taken} of {sent}");
    for (name, now) in threads_cpu_ns(daemon.pid()) {
        let spent = now.saturating_sub(threads.get(&name).copied().unwrap_or(0));
        if spent / sent > 0 {
            println!("  {name:<15} {:>6} ns per sample, first round included", spent / sent);
        }
    }
    println!("  {} samples/s with {} connections", cost.per_second, options.connections);
    daemon.stop()?;
    Ok(cost)
}

fn prometheus(options: &Options, rounds: &Rounds) -> anyhow::Result<Cost> {
    let prometheus = Prometheus::start(&options.prometheus, &options.dir.join("prometheus"))?;
    let cost = Cost::measure(options, rounds, (prometheus.http, prometheus.pid()))?;
    let sent = u64::from(rounds.samples) * u64::from(options.rounds + 1);
    let stored = prometheus.samples()?;
    ensure!(stored == sent, "Prometheus has {stored} of {sent} samples");
    Ok(cost)
}

fn rules(options: &Options) -> anyhow::Result<()> {
    println!("     rules   per sample     new series");
    for _ in 0..options.repeat {
        for rules in [10, 10_000] {
            let rounds = options.encode()?;
            let daemon = options.daemon(rules)?;
            let cost = Cost::measure(options, &rounds, (daemon.http(), daemon.pid()))?;
            daemon.stop()?;
            println!("{rules:>10} {:>9} ns {:>11} ns", cost.steady_ns, cost.new_ns);
        }
    }
    Ok(())
}

fn memory(options: &Options) -> anyhow::Result<()> {
    let now_ms = u64::try_from(wall().0 / 1_000_000)?;
    let rounds = Rounds::encode(options.series(), 3, (now_ms - 3_000, 1_000));
    for rules in [10, 0] {
        let daemon = options.daemon(rules)?;
        pause(Duration::from_secs(1));
        let before = memory_kib(daemon.pid(), "VmRSS")?;
        deliver(daemon.http(), (&rounds.bodies, rounds.per_round), options.connections)?;
        pause(Duration::from_secs(5));
        println!("rules {rules}: {} series known", daemon.metric("vigie_series_known")?);
        println!("  memory before                  {:>6} MB", megabytes(before));
        let now = memory_kib(daemon.pid(), "VmRSS")?;
        println!("  memory with the series         {:>6} MB", megabytes(now));
        println!(
            "  at most                        {:>6} MB",
            megabytes(memory_kib(daemon.pid(), "VmHWM")?)
        );
        daemon.stop()?;
    }
    Ok(())
}

fn megabytes(kib: u64) -> u64 {
    kib * 1024 / 1_000_000
}

fn latency(options: &Options) -> anyhow::Result<()> {
    /// INFORMs a second, and how many in each phase.
    const INFORMS: (u64, u64) = (100, 1_000);
    let now_ms = u64::try_from(wall().0 / 1_000_000)?;
    // All of one instant, so that they may be sent again and again.
    let rounds = Rounds::encode(options.series(), 20, (now_ms, 0));
    let daemon = options.daemon(10)?;
    let first = (&rounds.bodies[..rounds.per_round], rounds.per_round);
    deliver(daemon.http(), first, options.connections)?;
    pause(Duration::from_secs(3));
    let before = daemon.cpu_ns()?;
    deliver(daemon.http(), (rounds.from(1), rounds.per_round), options.connections)?;
    let sample_ns = (daemon.cpu_ns()? - before) / (u64::from(rounds.samples) * 19);
    let cores = u64::try_from(std::thread::available_parallelism()?.get())?;
    let rate = cores * 500_000_000 / sample_ns.max(1);
    println!("half of {cores} cores: {rate} samples/s of {sample_ns} ns each");
    println!("load          p50         p99         max   cores in use");
    let mut informer = Informer::to(daemon.address(Kind::Trap), exporters::fleet(options.series()));
    for _ in 0..options.repeat {
        for is_loaded in [false, true] {
            let load = Load { rate: if is_loaded { rate } else { 0 }, target: daemon.http() };
            let ((latencies, hundredths), sent) = load.during(options, &rounds, || {
                pause(Duration::from_secs(1));
                let (started, before) = (boot_ns(), daemon.cpu_ns()?);
                let latencies = informer.send(INFORMS)?;
                let spent = daemon.cpu_ns()?.saturating_sub(before);
                Ok((latencies, spent * 100 / (boot_ns() - started)))
            })?;
            println!(
                "{:<6} {:>7} us {:>8} us {:>8} us {:>10}.{:02}   ({sent} samples sent)",
                if is_loaded { "half" } else { "none" },
                percentile(&latencies, 50) / 1_000,
                percentile(&latencies, 99) / 1_000,
                percentile(&latencies, 100) / 1_000,
                hundredths / 100,
                hundredths % 100
            );
        }
    }
    daemon.stop()?;
    Ok(())
}

/// A load of metrics at a fixed rate.
struct Load {
    /// Samples a second.
    rate: u64,
    target: SocketAddr,
}

impl Load {
    /// Sends while `work` works; gives what it gave, and how many samples were sent.
    fn during<T>(
        &self,
        options: &Options,
        rounds: &Rounds,
        work: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<(T, u64)> {
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let is_over = &is_over;
            let threads: Vec<_> = (0..options.connections)
                .map(|number| scope.spawn(move || self.send(options, rounds, (number, is_over))))
                .collect();
            let made = work();
            is_over.store(true, Ordering::Relaxed);
            let mut sent = 0;
            for thread in threads {
                sent += thread.join().expect("no panic")?;
            }
            Ok((made?, sent))
        })
    }

    fn send(
        &self,
        options: &Options,
        rounds: &Rounds,
        (number, is_over): (usize, &AtomicBool),
    ) -> anyhow::Result<u64> {
        // Who sends the load is elsewhere in earnest: it takes no processor that vigie needs.
        stand_back(SNAPSHOT);
        let bodies = rounds.bodies.iter().skip(number).step_by(options.connections).cycle();
        let each = u64::from(rounds.samples) / u64::try_from(rounds.per_round)?;
        let rate = self.rate / u64::try_from(options.connections)?;
        let mut writer = Writer::to(self.target)?;
        let (started, mut sent) = (boot_ns(), 0);
        for body in bodies.take_while(|_| rate > 0) {
            let due = started + sent * 1_000_000 / rate.div_ceil(1_000);
            while boot_ns() < due && !is_over.load(Ordering::Relaxed) {
                pause(Duration::from_micros(200));
            }
            if is_over.load(Ordering::Relaxed) {
                break;
            }
            writer.write(body)?;
            sent += each;
        }
        Ok(sent)
    }
}
