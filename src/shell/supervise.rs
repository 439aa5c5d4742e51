//! From configuration files to what runs: the classifier for intake and the settings for the
//! engine. Used at start, at reload and by `vigie check`.

use crate::classify::{Classifier, Directory, library, rules};
use crate::model::diagnostic::Diagnostic;
use crate::model::inventory::Inventory;
use crate::model::settings::Settings;
use crate::shell::config::{Config, Rules, Supervised, Text};
use jiff::tz::TimeZone;
use std::sync::Arc;

/// Both products of one configuration epoch.
pub struct Supervision {
    /// For intake.
    pub classifier: Arc<Classifier>,
    /// For the engine.
    pub settings: Arc<Settings>,
}

/// Compiles the built-in library, if it is wanted, and the rule texts.
///
/// # Errors
/// Every mistake in the rules.
pub fn compile(rules: &Rules, texts: &[Text]) -> Result<rules::RuleSet, Vec<Diagnostic>> {
    let mut sources: Vec<rules::RuleSource<'_>> = Vec::new();
    if rules.builtin {
        sources.extend(
            library::sources().map(|one| rules::RuleSource { file: one.file, text: one.text }),
        );
    }
    // A copy of the library beside the configuration is the library, not a second one.
    let is_copy =
        |text: &&Text| rules.builtin && library::sources().any(|one| *one.text == *text.text);
    let own = texts.iter().filter(|text| !is_copy(text));
    sources.extend(own.map(|text| rules::RuleSource { file: &text.file, text: &text.text }));
    rules::compile(&sources)
}

/// Loads rules and inventory of a configuration. `given` replaces the inventory files.
///
/// # Errors
/// Every mistake in any of the files.
pub fn load(
    config: &Config,
    given: Option<Supervised>,
    epoch: u32,
) -> Result<Supervision, Vec<Diagnostic>> {
    let mut mistakes = Vec::new();
    let texts = config.read_rules();
    warn(&texts.warnings);
    mistakes.extend(texts.errors);
    let supervised = given.or_else(|| {
        let loaded = config.load_inventory();
        warn(&loaded.warnings);
        mistakes.extend(loaded.errors);
        loaded.value
    });
    let compiled = texts.value.map(|texts| compile(&config.rules, &texts));
    let ruleset = match compiled {
        Some(Ok(ruleset)) => Some(ruleset),
        Some(Err(found)) => {
            mistakes.extend(found);
            None
        }
        None => None,
    };
    let (Some(ruleset), Some(supervised)) = (ruleset, supervised) else { return Err(mistakes) };
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    Ok(supervision(config, ruleset, supervised, epoch))
}

fn supervision(
    config: &Config,
    ruleset: rules::RuleSet,
    supervised: Supervised,
    epoch: u32,
) -> Supervision {
    let directory = directory(&supervised.inventory);
    let settings = Settings {
        alarm_types: ruleset.alarm_types().to_vec(),
        thresholds: ruleset.thresholds(),
        inventory: supervised.inventory,
        contracts: supervised.contracts.into(),
        correlation: config.correlation.clone(),
        tickets: config.tickets.clone(),
    };
    let classifier = Classifier::new(Arc::new(ruleset), Arc::new(directory), epoch);
    Supervision { classifier: Arc::new(classifier), settings: Arc::new(settings) }
}

fn directory(inventory: &Inventory) -> Directory {
    Directory::build(inventory, &|name| TimeZone::get(name).ok())
}

fn warn(warnings: &[Diagnostic]) {
    for warning in warnings {
        tracing::warn!("{warning}");
    }
}
