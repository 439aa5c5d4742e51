//! Who is called what: every device, component and service under its names, and what a reference
//! means. Duplicates and unknown references end here, with the place of the other one.

use crate::model::inventory::{service_name, service_resource};
use crate::model::limits::NAME_BYTES_MAX;
use crate::shell::config::findings::{Findings, Located, Place, quoted};
use crate::shell::config::suggest::nearest;
use std::collections::BTreeMap;

/// Number of a node.
pub(super) type NodeId = usize;

/// What a node is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// A device.
    Device,
    /// A part of that device.
    Component(NodeId),
    /// A service.
    Service,
}

/// A device, component or service.
#[derive(Debug)]
pub(super) struct Node {
    /// Its full name: `device`, `device/component`, `service:NAME`.
    pub(super) name: String,
    /// What it is.
    pub(super) kind: Kind,
    /// Where it was declared.
    pub(super) place: Place,
}

/// Every node, by all of its names.
#[derive(Debug, Default)]
pub(super) struct Names {
    nodes: Vec<Node>,
    by_name: BTreeMap<String, NodeId>,
}

impl Names {
    /// The node with that number.
    pub(super) fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id)
    }

    /// Every node; the index is its number.
    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Declares a node, unless its name is taken.
    pub(super) fn declare(
        &mut self,
        name: String,
        kind: Kind,
        place: Place,
        findings: &mut Findings,
    ) -> Option<NodeId> {
        if let Some(other) = self.by_name.get(&name) {
            self.report_taken(&name, *other, place, findings);
            return None;
        }
        let id = self.nodes.len();
        self.by_name.insert(name.clone(), id);
        self.nodes.push(Node { name, kind, place });
        Some(id)
    }

    /// Gives a node a further name; one that it already has is passed over.
    pub(super) fn add_alias(
        &mut self,
        id: NodeId,
        alias: &str,
        place: Place,
        findings: &mut Findings,
    ) -> bool {
        match self.by_name.get(alias) {
            Some(other) if *other == id => false,
            Some(other) => {
                self.report_taken(alias, *other, place, findings);
                false
            }
            None => {
                self.by_name.insert(alias.to_owned(), id);
                true
            }
        }
    }

    /// The node of that name, if there is one.
    pub(super) fn find(&self, name: &str) -> Option<NodeId> {
        self.by_name.get(name).copied()
    }

    /// The node that a reference means, or a mistake.
    pub(super) fn resolve(
        &self,
        reference: &Located<String>,
        findings: &mut Findings,
    ) -> Option<NodeId> {
        let found = self.find(&reference.value);
        if found.is_none() {
            let message = format!("nothing is called {}", quoted(&reference.value));
            let remedy = self.unknown_remedy(&reference.value, findings);
            findings.error(reference.place, message, remedy);
        }
        found
    }

    fn unknown_remedy(&self, written: &str, findings: &Findings) -> String {
        if findings.is_worth_suggesting()
            && let Some(meant) = nearest(written, self.by_name.keys().map(String::as_str))
        {
            return format!("did you mean {}?", quoted(meant));
        }
        match written.split_once('/') {
            Some((device, part)) if self.find(device).is_some() => format!(
                "declare {} as a [[device.component]] of {}, or by a [[link]]",
                quoted(part),
                quoted(device)
            ),
            _ if self.find(&service_resource(written)).is_some() => {
                format!("a service is referred to as {}", quoted(&service_resource(written)))
            }
            _ => "declare it as a [[device]], or correct the name".to_owned(),
        }
    }

    fn report_taken(&self, name: &str, other: NodeId, place: Place, findings: &mut Findings) {
        let Some(node) = self.nodes.get(other) else { return };
        let there = findings.show(node.place);
        let (message, remedy) = if node.name == name {
            (
                format!("{} is declared twice", quoted(name)),
                format!("the first is at {there}: rename or remove one"),
            )
        } else {
            (
                format!("{} is already another name of {}", quoted(name), quoted(&node.name)),
                format!("that one is at {there}: a name must lead to one resource only"),
            )
        };
        findings.error(place, message, remedy);
    }
}

/// What a name may not hold, besides control characters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Alphabet {
    /// Anything: the name of a component.
    Any,
    /// No `/`, no `service:`: it stands before a component, or beside services.
    NoSlash,
}

/// Whether a text can be a name; if not, says why.
pub(super) fn is_name(
    what: &str,
    name: &Located<String>,
    alphabet: Alphabet,
    findings: &mut Findings,
) -> bool {
    let Some((why, remedy)) = refusal(&name.value, alphabet) else { return true };
    findings.error(name.place, format!("{} is no {what}: {why}", quoted(&name.value)), remedy);
    false
}

/// Why a text can be no name, and what to do.
fn refusal(name: &str, alphabet: Alphabet) -> Option<(&'static str, &'static str)> {
    if name.is_empty() {
        return Some(("it is empty", "give it a name"));
    }
    if name.len() > NAME_BYTES_MAX {
        return Some(("it is longer than 255 bytes", "shorten it"));
    }
    if name.chars().any(char::is_control) {
        return Some(("it holds a control character", "remove it"));
    }
    if name.trim() != name {
        return Some(("it begins or ends with a space", "remove the space"));
    }
    if alphabet == Alphabet::NoSlash && name.contains('/') {
        return Some((
            "it holds a `/`",
            "replace it, for example by `-`: `/` stands between a device and its component",
        ));
    }
    if alphabet == Alphabet::NoSlash && service_name(name).is_some() {
        return Some(("it begins with `service:`", "leave that out: it marks references"));
    }
    None
}

/// Whether a text heard from the network can be the name of a device.
#[must_use]
pub fn is_device_name(name: &str) -> bool {
    refusal(name, Alphabet::NoSlash).is_none()
}

/// Whether a text heard from the network can be the name of a component.
#[must_use]
pub fn is_component_name(name: &str) -> bool {
    refusal(name, Alphabet::Any).is_none()
}
