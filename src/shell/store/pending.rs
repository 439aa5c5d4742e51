//! Effects that wait to be written: the newest image of each object only.
//!
//! While the database cannot be written, what waits grows with the number of objects that change,
//! not with the number of changes.

use crate::engine::effect::Effect;
use crate::shell::publish::Published;
use crate::shell::publish::feed::Handed;
use std::collections::BTreeMap;

/// Effects by object, and how far they reach.
#[derive(Debug)]
pub(super) struct Pending {
    newest: BTreeMap<(Kind, Box<str>), Published>,
    reached: u64,
    has_hole: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Kind {
    Alarm,
    Incident,
    Ticket,
    Resource,
}

impl Pending {
    /// Nothing waits; everything up to `cursor` is written.
    pub(super) const fn new(cursor: u64) -> Self {
        Self { newest: BTreeMap::new(), reached: cursor, has_hole: false }
    }

    /// Takes a batch in. Behind a hole (a batch that the full queue refused) effects are taken,
    /// but the cursor stays: the next start applies from there again.
    pub(super) fn take(&mut self, handed: &Handed) {
        if handed.previous > self.reached {
            self.has_hole = true;
        }
        for published in handed.batch.iter() {
            if let Some(key) = key_of(&published.effect) {
                self.newest.insert(key, published.clone());
            }
            if !self.has_hole {
                self.reached = self.reached.max(published.position);
            }
        }
    }

    /// What is to be written, ordered by object.
    pub(super) fn effects(&self) -> impl Iterator<Item = &Published> {
        self.newest.values()
    }

    /// Number of objects that wait.
    pub(super) fn len(&self) -> usize {
        self.newest.len()
    }

    /// Position below which nothing is missing once the effects are written.
    pub(super) const fn reached(&self) -> u64 {
        self.reached
    }

    /// Whether a batch was refused since the start.
    pub(super) const fn has_hole(&self) -> bool {
        self.has_hole
    }

    /// The effects are written.
    pub(super) fn clear(&mut self) {
        self.newest.clear();
    }
}

fn key_of(effect: &Effect) -> Option<(Kind, Box<str>)> {
    let (kind, id) = match effect {
        Effect::Alarm(image) => (Kind::Alarm, &image.id),
        Effect::Incident(image) => (Kind::Incident, &image.id),
        Effect::Ticket(image) => (Kind::Ticket, &image.number),
        Effect::Resource(image) => (Kind::Resource, &image.name),
        Effect::Silence(_) | Effect::Answer(_) | Effect::Withdrawn(_) => return None,
    };
    Some((kind, id.as_str().into()))
}
