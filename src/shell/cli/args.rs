//! What can be asked on the command line. In: arguments. Out: [`Arguments`]. Nothing is done here.

use crate::model::time::Timestamp;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

/// Supervision and alarm correlation for NOCs.
///
/// Traps and syslog in; alarms, incidents and tickets out; nothing lost on the way. Begin with
/// `vigie demo`.
#[derive(Parser, Clone, PartialEq, Eq, Debug)]
#[command(name = "vigie", version, arg_required_else_help = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand, Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Run the daemon in the foreground.
    ///
    /// Without --config it runs with built-in defaults: traps on UDP 10162, syslog on UDP and TCP
    /// 10514, HTTP on 8162, all on loopback.
    #[command(
        after_help = "Example:\n  vigie run --config /etc/vigie/vigie.toml --set log.level=debug"
    )]
    Run(ConfigArgs),

    /// Check configuration, inventory and rules, and point at every mistake.
    ///
    /// Ends with 0 when the daemon could start with them, with 1 otherwise. Warnings do not count.
    #[command(after_help = "Example:\n  vigie check --config /etc/vigie/vigie.toml")]
    Check(ConfigArgs),

    /// Show a small datacenter breaking and being mended, with genuine packets over loopback.
    #[command(after_help = "Examples:\n  vigie demo\n  vigie demo --for 60s --seed 7")]
    Demo(DemoArgs),

    /// Run a state folder's journal through the engine again and print the digest.
    ///
    /// The same journal gives the same incidents, tickets and digest, on any machine.
    #[command(after_help = "Example:\n  vigie replay --state-dir /var/lib/vigie")]
    Replay(StateArgs),

    /// Condense a state folder's journal into its next snapshot.
    ///
    /// The daemon starts this by itself; by hand it is safe at any time, the daemon running or not.
    #[command(after_help = "Example:\n  vigie snapshot --state-dir /var/lib/vigie")]
    Snapshot(StateArgs),

    /// Work on the inventory.
    #[command(subcommand)]
    Inventory(InventoryCommand),

    /// Act on a ticket, in the name of an operator.
    #[command(subcommand)]
    Ticket(TicketCommand),

    /// Look into the journal.
    #[command(subcommand)]
    Journal(JournalCommand),
}

/// Where the configuration comes from.
#[derive(Args, Clone, PartialEq, Eq, Debug, Default)]
pub struct ConfigArgs {
    /// Configuration file; without it, the built-in defaults
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Folder of journal, snapshots and history; goes before the configuration's
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,

    /// Lay one value over the configuration: TOML, or else plain text. May be repeated
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    pub overrides: Vec<String>,
}

/// How long and what the demonstration shows.
#[derive(Args, Clone, PartialEq, Eq, Debug, Default)]
pub struct DemoArgs {
    /// End by itself after so long, with a summary (60s, 2m, 1m30s); without it, until Ctrl-C
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub duration: Option<Duration>,

    /// Changes what breaks, and when
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
}

/// Which state folder; it must be named.
#[derive(Args, Clone, PartialEq, Eq, Debug)]
pub struct StateArgs {
    /// Folder of journal, snapshots and history
    #[arg(long, value_name = "DIR")]
    pub state_dir: PathBuf,
}

/// Work on the inventory.
#[derive(Subcommand, Clone, PartialEq, Eq, Debug)]
pub enum InventoryCommand {
    /// Write the senders that were heard and are unknown as a CSV to edit and load.
    #[command(
        after_help = "Example:\n  vigie inventory adopt --output /etc/vigie/inventory/devices.csv"
    )]
    Adopt(AdoptArgs),
}

/// Which daemon is asked, and where the answer goes.
#[derive(Args, Clone, PartialEq, Eq, Debug, Default)]
pub struct AdoptArgs {
    /// State folder of the daemon to ask
    #[arg(long, value_name = "DIR", conflicts_with = "url")]
    pub state_dir: Option<PathBuf>,

    /// HTTP address of the daemon to ask (http://127.0.0.1:8162)
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,

    /// File to write, which must not exist yet; without it, the terminal
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Act on a ticket.
#[derive(Subcommand, Clone, PartialEq, Eq, Debug)]
pub enum TicketCommand {
    /// The ticket is real: let the customer's notice leave.
    #[command(after_help = "Example:\n  vigie ticket confirm VIG-000042")]
    Confirm(TicketArgs),

    /// The ticket is not real: cancel it. Its number stays taken.
    #[command(after_help = "Example:\n  vigie ticket refute VIG-000042 --reason \"test on bench\"")]
    Refute {
        /// Which and who.
        #[command(flatten)]
        ticket: TicketArgs,
        /// Why it is not real
        #[arg(long)]
        reason: String,
    },

    /// A named technician takes the ticket: treatment starts.
    #[command(after_help = "Example:\n  vigie ticket take VIG-000042 --author \"S. Amrani\"")]
    Take(TicketArgs),

    /// Service is back, by the operator's word.
    #[command(
        after_help = "Example:\n  vigie ticket restore VIG-000042 --at 2026-11-24T09:30:00+01:00 \
                      --reason \"customer confirms by phone\""
    )]
    Restore {
        /// Which and who.
        #[command(flatten)]
        ticket: TicketArgs,
        /// On what grounds
        #[arg(long)]
        reason: String,
        /// When it came back (RFC 3339); without it, now
        #[arg(long, value_name = "RFC3339", value_parser = instant)]
        at: Option<Timestamp>,
    },

    /// Pronounce the closure.
    #[command(
        after_help = "Example:\n  vigie ticket close VIG-000042 --reason \"agreed with Ms Roy\""
    )]
    Close {
        /// Which and who.
        #[command(flatten)]
        ticket: TicketArgs,
        /// Note of closure
        #[arg(long, default_value = "")]
        reason: String,
    },
}

/// Which ticket, who acts, and which daemon is told.
#[derive(Args, Clone, PartialEq, Eq, Debug)]
pub struct TicketArgs {
    /// Ticket number, such as VIG-000042
    #[arg(value_parser = ticket_number)]
    pub number: String,

    /// Who acts; without it, the user's name
    #[arg(long, value_name = "NAME")]
    pub author: Option<String>,

    /// State folder of the daemon that is told; without it, the default one
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
}

impl TicketCommand {
    /// Which ticket, who acts, and which daemon is told.
    #[must_use]
    pub const fn ticket(&self) -> &TicketArgs {
        match self {
            Self::Confirm(ticket)
            | Self::Take(ticket)
            | Self::Refute { ticket, .. }
            | Self::Restore { ticket, .. }
            | Self::Close { ticket, .. } => ticket,
        }
    }
}

/// Look into the journal.
#[derive(Subcommand, Clone, PartialEq, Eq, Debug)]
pub enum JournalCommand {
    /// Check every checksum and the hash chain.
    #[command(after_help = "Example:\n  vigie journal verify --state-dir /var/lib/vigie")]
    Verify(StateArgs),

    /// Print the records, one a line.
    #[command(after_help = "Example:\n  vigie journal dump --state-dir /var/lib/vigie | tail")]
    Dump(StateArgs),

    /// Take what can still be read of a damaged journal into a new one.
    ///
    /// For what `vigie journal verify` finds wrong and what keeps the daemon from starting. The
    /// daemon must not run. The old journal is kept whole beside the new one.
    #[command(after_help = "Example:\n  vigie journal repair --state-dir /var/lib/vigie")]
    Repair(StateArgs),
}

fn duration(text: &str) -> Result<Duration, String> {
    let advice = "write a number with its unit: 60s, 2m, 1m30s";
    let parsed: jiff::SignedDuration = text.parse().map_err(|_| advice.to_owned())?;
    match Duration::try_from(parsed) {
        Ok(positive) if !positive.is_zero() => Ok(positive),
        Ok(_) | Err(_) => Err(format!("it must be longer than nothing; {advice}")),
    }
}

fn instant(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| {
        "write date, time and offset: 2026-11-24T09:30:00+01:00, or …Z for UTC".to_owned()
    })
}

/// `SERIES-NNNNNN`. Letters are raised, since numbers are read out over the telephone.
fn ticket_number(text: &str) -> Result<String, String> {
    let number = text.trim().to_ascii_uppercase();
    let fits = number.rsplit_once('-').is_some_and(|(series, counter)| {
        let is_series = !series.is_empty()
            && series.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        is_series && !counter.is_empty() && counter.bytes().all(|byte| byte.is_ascii_digit())
    });
    if fits { Ok(number) } else { Err("a ticket number looks like VIG-000042".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    fn parse(line: &str) -> Result<Command, clap::Error> {
        Arguments::try_parse_from(line.split(' ')).map(|arguments| arguments.command)
    }

    fn refused(line: &str) -> ErrorKind {
        parse(line).expect_err("must be refused").kind()
    }

    #[test]
    fn definition_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn run_takes_a_file_a_folder_and_values() {
        let wanted = ConfigArgs {
            config: Some(PathBuf::from("a.toml")),
            state_dir: Some(PathBuf::from("/tmp/x")),
            overrides: vec!["a.b=1".to_owned(), "c.d=x=y".to_owned()],
        };
        let line = "vigie run --config a.toml --state-dir /tmp/x --set a.b=1 --set c.d=x=y";
        assert_eq!(parse(line).ok(), Some(Command::Run(wanted)));
        assert_eq!(parse("vigie run").ok(), Some(Command::Run(ConfigArgs::default())));
        assert_eq!(refused("vigie run extra"), ErrorKind::UnknownArgument);
    }

    #[test]
    fn demo_reads_durations_with_units() {
        for (text, seconds) in [("60s", 60), ("2m", 120), ("1m30s", 90), ("1h", 3_600)] {
            let wanted = DemoArgs { duration: Some(Duration::from_secs(seconds)), seed: 1 };
            assert_eq!(
                parse(&format!("vigie demo --for {text}")).ok(),
                Some(Command::Demo(wanted))
            );
        }
        for text in ["60", "-60s", "0s", "soon", ""] {
            let line = format!("vigie demo --for={text}");
            assert!(
                matches!(refused(&line), ErrorKind::ValueValidation | ErrorKind::InvalidValue),
                "{line}"
            );
        }
    }

    #[test]
    fn offline_commands_must_be_told_the_folder() {
        let journal = ["vigie journal verify", "vigie journal dump", "vigie journal repair"];
        for line in ["vigie replay", "vigie snapshot"].into_iter().chain(journal) {
            assert_eq!(refused(line), ErrorKind::MissingRequiredArgument, "{line}");
            let full = format!("{line} --state-dir /x");
            assert!(parse(&full).is_ok(), "{full}");
        }
    }

    #[test]
    fn tickets_are_acted_on_with_number_author_and_reason() {
        let ticket = TicketArgs {
            number: "VIG-000042".to_owned(),
            author: Some("amrani".to_owned()),
            state_dir: None,
        };
        let restore = Command::Ticket(TicketCommand::Restore {
            ticket: ticket.clone(),
            reason: "phone".to_owned(),
            at: Timestamp::parse("2026-11-24T08:30:00Z"),
        });
        let line = "vigie ticket restore vig-000042 --author amrani --reason phone \
                    --at 2026-11-24T09:30:00+01:00";
        assert_eq!(parse(line).ok(), Some(restore));
        let take = Command::Ticket(TicketCommand::Take(ticket));
        assert_eq!(parse("vigie ticket take VIG-000042 --author amrani").ok(), Some(take));
        assert_eq!(refused("vigie ticket refute VIG-1"), ErrorKind::MissingRequiredArgument);
        assert_eq!(refused("vigie ticket confirm 42"), ErrorKind::ValueValidation);
        assert_eq!(
            refused("vigie ticket restore VIG-1 --reason x --at yesterday"),
            ErrorKind::ValueValidation
        );
    }

    #[test]
    fn adoption_asks_one_daemon() {
        let wanted = AdoptArgs {
            url: Some("http://127.0.0.1:8162".to_owned()),
            output: Some(PathBuf::from("a.csv")),
            state_dir: None,
        };
        let line = "vigie inventory adopt --url http://127.0.0.1:8162 --output a.csv";
        let command = Command::Inventory(InventoryCommand::Adopt(wanted));
        assert_eq!(parse(line).ok(), Some(command));
        assert_eq!(
            refused("vigie inventory adopt --url x --state-dir y"),
            ErrorKind::ArgumentConflict
        );
    }

    #[test]
    fn every_command_that_does_something_shows_an_example() {
        fn walk(command: &clap::Command) {
            if command.has_subcommands() {
                for each in command.get_subcommands() {
                    walk(each);
                }
            } else {
                let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.contains("  vigie "), "{} has no example", command.get_name());
            }
        }
        walk(&Arguments::command());
        assert_eq!(refused("vigie --version"), ErrorKind::DisplayVersion);
    }
}
