//! `vigie check`: whether the daemon could start with these files, and if not, every reason.

use crate::model::diagnostic::Diagnostic;
use crate::shell::api::access::Access;
use crate::shell::cli::args::ConfigArgs;
use crate::shell::config::{Checked, Config, Rules, Supervised, Text, Unready};
use crate::shell::kafka_link::Links;
use std::io::{self, Write};

/// Exit status when the daemon could start.
pub const STATUS_FITS: u8 = 0;
/// Exit status when it could not.
pub const STATUS_MISTAKES: u8 = 1;

/// Loads everything, prints warnings, then mistakes or one line of counts, and gives the exit
/// status.
///
/// `compile_rules` compiles the rule texts, with the built-in library if the configuration wants
/// it, and gives the number of rules. It is called only if the configuration and the rule files
/// could be read.
///
/// # Errors
/// The output cannot be written.
pub fn check(
    arguments: &ConfigArgs,
    compile_rules: impl FnOnce(&Rules, &[Text]) -> Result<usize, Vec<Diagnostic>>,
    out: &mut dyn Write,
) -> io::Result<u8> {
    let mut report = Report::default();
    let loaded = Config::load(
        arguments.config.as_deref(),
        &arguments.overrides,
        arguments.state_dir.as_deref(),
    );
    let Some(config) = report.take(loaded) else { return report.print(out, "") };
    report.check_access(&config);
    let supervised = report.take(config.load_inventory());
    let rules = match report.take(config.read_rules()) {
        None => None,
        Some(texts) => match compile_rules(&config.rules, &texts) {
            Ok(count) => Some(count),
            Err(mistakes) => {
                report.errors.extend(mistakes);
                None
            }
        },
    };
    let counts = match (supervised, rules) {
        (Some(supervised), Some(rules)) => counts(&config, &supervised, rules),
        _ => String::new(),
    };
    report.print(out, &counts)
}

#[derive(Default)]
struct Report {
    warnings: Vec<Diagnostic>,
    errors: Vec<Diagnostic>,
}

impl Report {
    fn take<T>(&mut self, checked: Checked<T>) -> Option<T> {
        self.warnings.extend(checked.warnings);
        self.errors.extend(checked.errors);
        checked.value
    }

    /// Whether the certificates, tokens and passwords that the configuration names can be used.
    fn check_access(&mut self, config: &Config) {
        for listener in &config.listeners {
            let Some(access) = listener.transport.access() else { continue };
            self.take_unready(Access::load(access).err());
        }
        self.take_unready(Links::load(config).err());
    }

    fn take_unready(&mut self, found: Option<Vec<Unready>>) {
        for unready in found.into_iter().flatten() {
            let list = if unready.is_only_here { &mut self.warnings } else { &mut self.errors };
            list.push(unready.diagnostic);
        }
    }

    fn print(&self, out: &mut dyn Write, counts: &str) -> io::Result<u8> {
        for warning in &self.warnings {
            writeln!(out, "warning: {warning}")?;
        }
        for error in &self.errors {
            writeln!(out, "error: {error}")?;
        }
        if self.errors.is_empty() {
            writeln!(out, "{counts}")?;
            return Ok(STATUS_FITS);
        }
        let place = if self.errors.len() == 1 { "mistake" } else { "mistakes" };
        writeln!(out, "{} {place}: vigie would not start with this", self.errors.len())?;
        Ok(STATUS_MISTAKES)
    }
}

fn counts(config: &Config, supervised: &Supervised, rules: usize) -> String {
    let inventory = &supervised.inventory;
    let components: usize = inventory.devices.iter().map(|device| device.components.len()).sum();
    format!(
        "{}: fits ({} listeners, {} sites, {} devices, {components} components, {} services, {} \
         contracts, {rules} rules)",
        config.origin,
        config.listeners.len(),
        inventory.sites.len(),
        inventory.devices.len(),
        inventory.services.len(),
        supervised.contracts.len(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(overrides: &[&str], rules: Result<usize, Vec<Diagnostic>>) -> (u8, String) {
        let arguments = ConfigArgs {
            overrides: overrides.iter().map(|each| (*each).to_owned()).collect(),
            ..ConfigArgs::default()
        };
        let mut out = Vec::new();
        let status = check(&arguments, |_, _| rules, &mut out).expect("a vector takes all");
        (status, String::from_utf8(out).expect("text"))
    }

    #[test]
    fn what_fits_is_one_line_of_counts() {
        let (status, out) = run(&[], Ok(12));
        assert_eq!(status, STATUS_FITS);
        assert_eq!(
            out,
            "built-in defaults (config/minimal.toml): fits (4 listeners, 0 sites, 0 devices, \
             0 components, 0 services, 0 contracts, 12 rules)\n"
        );
    }

    #[test]
    fn mistakes_of_configuration_and_of_rules_are_listed_and_counted() {
        let (status, out) = run(&["tickets.series=vig", "log.level=loud"], Ok(0));
        assert_eq!(status, STATUS_MISTAKES);
        assert!(
            out.contains("error: --set log.level=loud: `loud` is no value of `level`"),
            "{out}"
        );
        assert!(out.contains("error: --set tickets.series=vig: `vig` is no series"), "{out}");
        assert!(out.ends_with("2 mistakes: vigie would not start with this\n"), "{out}");
        let mistake = Diagnostic::file("rules/a.toml", "no alarm type", "name one");
        let (status, out) = run(&[], Err(vec![mistake]));
        assert_eq!(status, STATUS_MISTAKES);
        assert_eq!(
            out,
            "error: rules/a.toml: no alarm type\n    remedy: name one\n\
             1 mistake: vigie would not start with this\n"
        );
    }
}
