//! One pass over a line for the literals of all rules together (Aho–Corasick). Each rule is
//! anchored at its longest literal; only rules whose anchor occurs are looked at further.

use aho_corasick::automaton::{Automaton, OverlappingState};
use aho_corasick::{Input, MatchKind, dfa};
use std::collections::BTreeMap;

/// From literals to rules.
#[derive(Default)]
pub(super) struct LiteralIndex {
    literals: Vec<String>,
    places: BTreeMap<String, usize>,
    /// Rules by literal.
    rules: Vec<Vec<usize>>,
    automaton: Option<dfa::DFA>,
}

impl LiteralIndex {
    /// Anchors a rule at a literal.
    pub(super) fn add(&mut self, literal: &str, rule: usize) {
        let next = self.literals.len();
        let place = *self.places.entry(literal.to_owned()).or_insert(next);
        if place == next {
            self.literals.push(literal.to_owned());
            self.rules.push(Vec::new());
        }
        if let Some(rules) = self.rules.get_mut(place) {
            rules.push(rule);
        }
    }

    /// Builds the automaton.
    pub(super) fn finish(&mut self) {
        let mut builder = dfa::Builder::new();
        builder.match_kind(MatchKind::Standard);
        self.automaton = builder.build(&self.literals).ok();
    }

    /// The rules of which the anchor is in the line, in the order of their declaration.
    pub(super) fn candidates(&self, line: &[u8], found: &mut Vec<usize>) {
        found.clear();
        let Some(automaton) = &self.automaton else { return };
        let input = Input::new(line);
        let mut state = OverlappingState::start();
        while automaton.try_find_overlapping(&input, &mut state).is_ok() {
            let Some(hit) = state.get_match() else { break };
            if let Some(rules) = self.rules.get(hit.pattern().as_usize()) {
                found.extend_from_slice(rules);
            }
            if found.len() > FOUND_MAX {
                found.sort_unstable();
                found.dedup();
            }
        }
        found.sort_unstable();
        found.dedup();
    }
}

/// Hits kept before repeats are taken out; a hostile line repeats one literal many times.
const FOUND_MAX: usize = 256;
