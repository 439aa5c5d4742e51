//! Inventory files, in TOML and CSV, as the model's [`Inventory`] and [`Contract`]s.
//!
//! Both formats are read into the same written form (`written`), and only that is checked
//! (`check`, `names`, `order`), so that a device may stand in a spreadsheet, its links in another,
//! and what depends on it in a TOML file. Nothing here knows which messages a device sends.

mod check;
mod csv_file;
mod names;
mod order;
mod toml_file;
mod written;

use crate::model::contract::Contract;
use crate::model::inventory::Inventory;
use crate::shell::config::Checked;
use crate::shell::config::findings::Findings;
use crate::shell::config::inventory::written::Written;
use crate::shell::config::texts::{self, Text};
use std::path::PathBuf;
use std::sync::Arc;

pub use crate::shell::config::inventory::csv_file::{NO_INDEX, SHIELDED};
pub use crate::shell::config::inventory::names::{is_component_name, is_device_name};

/// What is supervised, and what is promised about it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Supervised {
    /// Sites, devices and services, each in name order.
    pub inventory: Inventory,
    /// Contracts, by id.
    pub contracts: Vec<Contract>,
}

/// Reads and checks every file that the patterns name.
pub(super) fn load(patterns: &[PathBuf]) -> Checked<Supervised> {
    let mut findings = Findings::default();
    let texts = texts::read_all(patterns, texts::INVENTORY_BYTES_MAX, &mut findings);
    checked(&texts, findings)
}

/// Reads and checks inventory texts that are already in memory.
#[must_use]
pub fn read(texts: &[Text]) -> Checked<Supervised> {
    checked(texts, Findings::default())
}

/// Reads and checks one file's bytes, whatever they are.
#[must_use]
pub fn read_bytes(file: &str, bytes: &[u8]) -> Checked<Supervised> {
    let mut findings = Findings::default();
    let text = texts::decode(file, bytes, &mut findings);
    let texts: Vec<_> = text.into_iter().map(|text| Text { file: file.to_owned(), text }).collect();
    checked(&texts, findings)
}

fn checked(texts: &[Text], mut findings: Findings) -> Checked<Supervised> {
    let mut written = Written::default();
    for Text { file, text } in texts {
        let whole = findings.add_source(file, Arc::clone(text));
        match file.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()) {
            Some(extension) if extension == "toml" => {
                toml_file::read(whole, text, &mut written, &mut findings);
            }
            Some(extension) if extension == "csv" => {
                csv_file::read(whole, text, &mut written, &mut findings);
            }
            _ => findings.error(
                whole,
                "neither TOML nor CSV by its name",
                "let its name end in .toml or .csv",
            ),
        }
    }
    let supervised = check::check(written, &mut findings);
    Checked::new(findings, Some(supervised))
}

#[cfg(test)]
mod tests;
