//! What each command does. In: parsed arguments. Out: an exit status; text on standard output.

use crate::engine::input::Action;
use crate::shell::cli::adopt::adopt;
use crate::shell::cli::args::{
    AdoptArgs, Arguments, Command, ConfigArgs, DemoArgs, InventoryCommand, JournalCommand,
    StateArgs, TicketCommand,
};
use crate::shell::cli::heard;
use crate::shell::cli::journal;
use crate::shell::cli::run;
use crate::shell::config::default_state_dir;
use crate::shell::control::{self, Request};
use crate::shell::demo::{self, DemoOptions};
use crate::shell::journal::{Kind, RealDisk, read_from, verify};
use crate::shell::priority;
use crate::shell::recover::{self, Replay};
use crate::shell::repair::{self, Outcome};
use crate::shell::supervise;
use anyhow::{Context as _, bail};
use std::io::{self, IsTerminal as _, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Does what was asked.
///
/// # Errors
/// What kept it from being done, with the remedy where there is one.
pub fn execute(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let only_writes = !matches!(arguments.command, Command::Run(_) | Command::Ticket(_));
    match done(arguments) {
        // Whoever reads (`head`) has seen enough.
        Err(error) if only_writes && is_reader_gone(&error) => Ok(ExitCode::SUCCESS),
        other => other,
    }
}

fn is_reader_gone(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn done(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    match arguments.command {
        Command::Run(arguments) => {
            drop(out);
            run::run(&arguments)
        }
        Command::Check(arguments) => check(&arguments, &mut out),
        Command::Demo(arguments) => demo(&arguments, &mut out),
        Command::Replay(state) => replay(&state, &mut out),
        Command::Snapshot(state) => snapshot(&state, &mut out),
        Command::Inventory(InventoryCommand::Adopt(arguments)) => inventory(&arguments, &mut out),
        Command::Ticket(command) => ticket(&command, &mut out),
        Command::Journal(JournalCommand::Verify(state)) => verify_journal(&state, &mut out),
        Command::Journal(JournalCommand::Dump(state)) => dump_journal(&state, &mut out),
        Command::Journal(JournalCommand::Repair(state)) => repair_journal(&state, &mut out),
    }
}

fn check(arguments: &ConfigArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let compile = |rules: &_, texts: &[_]| {
        supervise::compile(rules, texts).map(|ruleset| ruleset.rule_count())
    };
    Ok(ExitCode::from(crate::shell::cli::check::check(arguments, compile, out)?))
}

/// Fails when vigie did not find what broke, or when the ledger does not add up.
fn demo(arguments: &DemoArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let is_plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
    let options = DemoOptions {
        duration: arguments.duration,
        seed: arguments.seed,
        color: io::stdout().is_terminal() && !is_plain,
    };
    let summary = demo::run(&options, out)?;
    Ok(if summary.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn replay(state: &StateArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let dir = &state.state_dir;
    let journal = existing_journal(state)?;
    let begun = crate::shell::clock::boot_ns();
    let mut replay = Replay::from_nothing().passing_over(recover::skips(&journal)?);
    let mut reader = read_from(journal.clone(), Arc::new(RealDisk), 0);
    if let Err(recover::RecoverError::Gap { .. }) = replay.run(&mut reader) {
        replay = Replay::begin(dir, u64::MAX)?;
        let from = replay.read.saturating_add(1);
        replay.run(&mut read_from(journal, Arc::new(RealDisk), from))?;
    }
    let taken_ns = crate::shell::clock::boot_ns().saturating_sub(begun).max(1);
    let per_second = u128::from(replay.inputs).saturating_mul(1_000_000_000) / u128::from(taken_ns);
    writeln!(out, "position={}", replay.applied)?;
    writeln!(out, "inputs={} in {} ms ({per_second}/s)", replay.inputs, taken_ns / 1_000_000)?;
    writeln!(out, "digest={}", replay.digest_hex())?;
    for position in &replay.passed_over {
        writeln!(out, "passed over: {position}")?;
    }
    for hole in &replay.holes {
        writeln!(out, "hole: {hole}")?;
    }
    for difference in &replay.differences {
        writeln!(out, "differs at position {}: {}", difference.position, difference.what)?;
    }
    let is_whole = replay.holes.is_empty() && replay.differences.is_empty();
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Snapshots are taken where a mark is, so that whoever begins there gives the same marks.
fn snapshot(state: &StateArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    priority::stand_back(priority::SNAPSHOT);
    let dir = &state.state_dir;
    let journal = existing_journal(state)?;
    let mut replay = Replay::begin(dir, u64::MAX)?;
    let from = replay.read.saturating_add(1);
    let mut last_mark = None;
    let mut reader = read_from(journal.clone(), Arc::new(RealDisk), from);
    // The replay names damage.
    while let Some(record) = reader.next_readable()? {
        if record.kind == Kind::Mark {
            last_mark = Some(record.position);
        }
    }
    let Some(mark) = last_mark else {
        writeln!(out, "nothing new since position {}", replay.applied)?;
        return Ok(ExitCode::SUCCESS);
    };
    replay.run_until(&mut read_from(journal, Arc::new(RealDisk), from), mark)?;
    if let Some(difference) = replay.differences.first() {
        bail!("no snapshot: at position {} {}", difference.position, difference.what);
    }
    let position = replay.applied;
    let path = recover::write_snapshot(dir, &replay.into_snapshot())?;
    writeln!(out, "position={position} {}", path.display())?;
    Ok(ExitCode::SUCCESS)
}

fn state_dir(given: Option<&PathBuf>) -> PathBuf {
    given.cloned().unwrap_or_else(default_state_dir)
}

fn inventory(arguments: &AdoptArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let heard = match &arguments.url {
        Some(url) => heard::from_api(url)?,
        None => heard::from_state(&state_dir(arguments.state_dir.as_ref()))?,
    };
    let adopted = adopt(&heard);
    for left_out in &adopted.left_out {
        tracing::warn!("{left_out}");
    }
    match &arguments.output {
        Some(path) => {
            // What an operator has edited is never overwritten.
            let mut file = std::fs::File::create_new(path).with_context(|| {
                format!("{}: give a file that does not exist yet", path.display())
            })?;
            file.write_all(adopted.csv.as_bytes())?;
            writeln!(out, "{} senders written to {}", heard.len(), path.display())?;
        }
        None => out.write_all(adopted.csv.as_bytes())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Who runs this, by the environment or by the system: what is said of a ticket is signed.
fn user_name() -> anyhow::Result<String> {
    let named = ["USER", "LOGNAME"].into_iter().filter_map(|name| std::env::var(name).ok());
    if let Some(name) = named.into_iter().find(|name| !name.is_empty()) {
        return Ok(name);
    }
    let uid = std::fs::metadata("/proc/self").context("asking for the user")?.uid().to_string();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let of_uid = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    };
    Ok(users.lines().find_map(of_uid).unwrap_or_else(|| format!("uid {uid}")))
}

fn ticket(command: &TicketCommand, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let ticket = command.ticket();
    let dir = state_dir(ticket.state_dir.as_ref());
    let author = ticket.author.clone().map_or_else(user_name, Ok)?;
    let request = Request { author, action: action(command) };
    let response = control::ask(&dir, &request).with_context(|| {
        format!(
            "no daemon answers at {}; is it running? name its folder with --state-dir",
            control::socket_path(&dir).display()
        )
    })?;
    if !response.accepted {
        bail!("{}", response.message);
    }
    writeln!(out, "{}", response.message)?;
    Ok(ExitCode::SUCCESS)
}

fn action(command: &TicketCommand) -> Action {
    let number = command.ticket().number.clone();
    match command {
        TicketCommand::Confirm(_) => Action::ConfirmTicket { number },
        TicketCommand::Take(_) => Action::TakeTicket { number },
        TicketCommand::Refute { reason, .. } => {
            Action::RefuteTicket { number, reason: reason.clone() }
        }
        TicketCommand::Restore { reason, at, .. } => {
            Action::RestoreTicket { number, restored_at: *at, reason: reason.clone() }
        }
        TicketCommand::Close { reason, .. } => {
            Action::CloseTicket { number, reason: reason.clone() }
        }
    }
}

fn existing_journal(state: &StateArgs) -> anyhow::Result<PathBuf> {
    journal::existing(&state.state_dir, "give the --state-dir of a daemon")
}

fn verify_journal(state: &StateArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    existing_journal(state)?;
    let report = verify(recover::journal_dir(&state.state_dir), Arc::new(RealDisk))?;
    writeln!(
        out,
        "{} segments ({} retired), {} records, positions {} to {}, root {}",
        report.segments, report.retired, report.records, report.first, report.last, report.root
    )?;
    if report.torn_bytes > 0 {
        writeln!(out, "{} bytes of a torn end, never durable", report.torn_bytes)?;
    }
    for problem in &report.problems {
        writeln!(out, "{}:{}: {}", problem.file, problem.offset, problem.what)?;
    }
    Ok(if report.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn dump_journal(state: &StateArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let dir = existing_journal(state)?;
    let mut reader = read_from(dir, Arc::new(RealDisk), 0);
    loop {
        match reader.next() {
            Ok(Some(record)) => writeln!(out, "{record}")?,
            Ok(None) => return Ok(ExitCode::SUCCESS),
            Err(error) => writeln!(out, "{error}")?,
        }
    }
}

fn repair_journal(state: &StateArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    existing_journal(state)?;
    let repaired = match repair::repair(&state.state_dir)? {
        Outcome::Sound => {
            writeln!(out, "nothing is wrong; nothing was changed")?;
            return Ok(ExitCode::SUCCESS);
        }
        Outcome::Repaired(repaired) => repaired,
    };
    for wrong in &repaired.wrong {
        writeln!(out, "wrong: {wrong}")?;
    }
    for lost in &repaired.lost {
        writeln!(out, "lost: {lost}")?;
    }
    if repaired.lost.is_empty() {
        writeln!(out, "lost: nothing that the newest snapshot does not cover")?;
    }
    writeln!(out, "read: {} inputs since that snapshot", repaired.inputs)?;
    writeln!(out, "taken along: {} decisions that Kafka may not have", repaired.carried)?;
    writeln!(
        out,
        "new journal {} from position {}; the old one is in {}",
        repaired.journal_uuid,
        repaired.first,
        repaired.old.display()
    )?;
    Ok(ExitCode::SUCCESS)
}
