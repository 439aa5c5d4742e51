//! What `vigie inventory adopt` writes: the senders that were heard, as a CSV of devices that can
//! be edited in a spreadsheet and loaded as inventory.
//!
//! Everything in it came from the network, so nothing is trusted: what cannot be a name in an
//! inventory is left out and told, and no cell can be taken for a formula.

use crate::shell::config::inventory::{NO_INDEX, SHIELDED, is_component_name, is_device_name};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// A sender as it was heard.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct HeardSender {
    /// Addresses that it sent from.
    pub addresses: Vec<IpAddr>,
    /// Names by which it or a relay called it, the most frequent first.
    pub names: Vec<String>,
    /// Interfaces that its messages named.
    pub interfaces: Vec<HeardInterface>,
}

/// An interface as it was heard.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct HeardInterface {
    /// Its name.
    pub name: String,
    /// Its ifIndex, if a trap told it.
    pub if_index: Option<u32>,
}

/// A CSV of devices, and what did not fit into it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Adopted {
    /// The text of the file.
    pub csv: String,
    /// What was left out, one sentence each, control characters escaped.
    pub left_out: Vec<String>,
}

/// Title row of the file.
const HEADER: &str = "name,site,kind,addresses,aliases,interfaces,depends_on\n";

/// Writes the senders as an inventory that loads without mistakes.
///
/// A device is named by the first of its names that is free and can be one, else by its first
/// address; its other names are aliases. A name or an address that an earlier sender has is left
/// out, and so is a sender for which nothing remains.
#[must_use]
pub fn adopt(senders: &[HeardSender]) -> Adopted {
    let mut writer = Writer::default();
    writer.adopted.csv.push_str(HEADER);
    for sender in senders {
        writer.add(sender);
    }
    writer.adopted
}

#[derive(Default)]
struct Writer {
    adopted: Adopted,
    names: BTreeSet<String>,
    addresses: BTreeSet<IpAddr>,
}

impl Writer {
    fn add(&mut self, sender: &HeardSender) {
        let first = sender.addresses.first();
        let who = first.map_or_else(|| "a sender without address".to_owned(), ToString::to_string);
        let mut addresses = Vec::new();
        for address in &sender.addresses {
            let address = address.to_canonical();
            if address.is_unspecified() || address.is_multicast() {
                self.leave_out(&who, &address.to_string(), "no device sends from it");
            } else if self.addresses.insert(address) {
                addresses.push(address.to_string());
            } else {
                self.leave_out(&who, &address.to_string(), "an earlier sender has that address");
            }
        }
        let mut names = Vec::new();
        for name in &sender.names {
            match refusal(name) {
                Some(why) => self.leave_out(&who, name, why),
                None if self.names.insert(name.clone()) => names.push(name.clone()),
                None if names.contains(name) => {}
                None => self.leave_out(&who, name, "an earlier sender has that name"),
            }
        }
        if names.is_empty() {
            let free = addresses.iter().find(|address| !self.names.contains(*address)).cloned();
            let Some(name) = free else {
                self.leave_out(&who, "the sender", "neither a name nor an address remains");
                return;
            };
            self.names.insert(name.clone());
            names.push(name);
        }
        let interfaces = self.interfaces(&who, &sender.interfaces);
        let (name, aliases) = names.split_first().map_or(("", &[][..]), |(n, a)| (n.as_str(), a));
        let row = [
            cell(name),
            String::new(),
            String::new(),
            cell(&list(&addresses)),
            cell(&list(aliases)),
            cell(&list(&interfaces)),
            String::new(),
        ];
        self.adopted.csv.push_str(&row.join(","));
        self.adopted.csv.push('\n');
    }

    /// Names and numbers, each once: `GigabitEthernet0/1@3`.
    fn interfaces(&mut self, who: &str, heard: &[HeardInterface]) -> Vec<String> {
        let (mut names, mut indices) = (BTreeSet::new(), BTreeSet::new());
        let mut list = Vec::new();
        for interface in heard {
            let name = &interface.name;
            if !is_component_name(name) || name.contains(';') {
                self.leave_out(who, name, "it cannot be the name of an interface");
                continue;
            }
            if !names.insert(name) {
                continue;
            }
            let index = interface
                .if_index
                .filter(|index| (1..=2_147_483_647).contains(index) && indices.insert(*index));
            list.push(match index {
                Some(index) => format!("{name}@{index}"),
                None if seems_indexed(name) => format!("{name}{NO_INDEX}"),
                None => name.clone(),
            });
        }
        list
    }

    fn leave_out(&mut self, who: &str, what: &str, why: &str) {
        let what: String = what.chars().take(80).flat_map(char::escape_debug).collect();
        self.adopted.left_out.push(format!("{who}: left out `{what}`: {why}"));
    }
}

/// Why a name that was heard cannot be written as that of a device.
fn refusal(name: &str) -> Option<&'static str> {
    if !is_device_name(name) {
        return Some("it cannot be the name of a device");
    }
    if name.contains(';') {
        return Some("`;` separates the items of a cell");
    }
    if name.starts_with('#') {
        return Some("a row that begins with # is a comment");
    }
    None
}

/// Whether the loader would take the end of a name for an ifIndex.
fn seems_indexed(name: &str) -> bool {
    name.rsplit_once('@')
        .is_some_and(|(_, end)| !end.is_empty() && end.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Items separated by `;`. A single one that holds a space is followed by `;`, so that it is not
/// taken for two; and so is one that a spreadsheet would turn into a date (`1/1/1`).
fn list(items: &[String]) -> String {
    match items {
        [single] if single.contains(char::is_whitespace) || looks_like_date(single) => {
            format!("{single};")
        }
        _ => items.join(";"),
    }
}

fn looks_like_date(text: &str) -> bool {
    text.contains(['/', '-'])
        && text.bytes().all(|byte| byte.is_ascii_digit() || b"/-".contains(&byte))
}

/// A cell that no spreadsheet takes for a formula, quoted where CSV asks for it.
fn cell(text: &str) -> String {
    let shielded = if text.starts_with(SHIELDED) { format!("'{text}") } else { text.to_owned() };
    if shielded.contains([',', ';', '"', '\'', ' ']) {
        format!("\"{}\"", shielded.replace('"', "\"\""))
    } else {
        shielded
    }
}

#[cfg(test)]
mod tests;
