//! Versions of the view that a listing in progress still needs.
//!
//! A version is pinned when a cursor for it is given out and let go about a minute after its last
//! use, or earlier when too many are asked for at once: their owners then get *410 Gone* and begin
//! again.

use crate::shell::api::view::View;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How long a version is kept after its last use, ns.
pub const PIN_NS: u64 = 60_000_000_000;
/// How many versions are kept beside the newest.
pub const PINS_MAX: usize = 16;

/// The pinned versions.
#[derive(Debug, Default)]
pub struct Pins {
    pinned: Mutex<BTreeMap<u64, Pin>>,
}

#[derive(Debug)]
struct Pin {
    view: Arc<View>,
    used_ns: u64,
}

impl Pins {
    /// Keeps a version for a while. `now_ns` is the boot clock.
    pub fn pin(&self, view: &Arc<View>, now_ns: u64) {
        let mut pinned = self.lock();
        drop_expired(&mut pinned, now_ns);
        pinned.insert(view.version, Pin { view: Arc::clone(view), used_ns: now_ns });
        while pinned.len() > PINS_MAX {
            let oldest = pinned.iter().min_by_key(|(_, pin)| pin.used_ns);
            let Some(version) = oldest.map(|(version, _)| *version) else { break };
            pinned.remove(&version);
        }
    }

    /// A version that was pinned and is still kept; it counts as used now.
    pub fn find(&self, version: u64, now_ns: u64) -> Option<Arc<View>> {
        let mut pinned = self.lock();
        drop_expired(&mut pinned, now_ns);
        let pin = pinned.get_mut(&version)?;
        pin.used_ns = now_ns;
        Some(Arc::clone(&pin.view))
    }

    /// Lets go of what nobody asked for in time. Called now and then, so that an idle API does not
    /// hold old versions.
    pub fn sweep(&self, now_ns: u64) {
        drop_expired(&mut self.lock(), now_ns);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Pin>> {
        self.pinned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn drop_expired(pinned: &mut BTreeMap<u64, Pin>, now_ns: u64) {
    pinned.retain(|_, pin| now_ns.saturating_sub(pin.used_ns) <= PIN_NS);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(version: u64) -> Arc<View> {
        Arc::new(View { version, ..View::default() })
    }

    #[test]
    fn versions_are_kept_while_used_and_in_bounds() {
        let pins = Pins::default();
        pins.pin(&view(1), 0);
        assert!(pins.find(1, PIN_NS).is_some());
        assert!(pins.find(1, 2 * PIN_NS).is_some(), "the last use counts");
        assert!(pins.find(1, 3 * PIN_NS + 1).is_none());
        for version in 0..100 {
            pins.pin(&view(version), version);
        }
        assert_eq!(pins.lock().len(), PINS_MAX);
        assert!(pins.find(99, 100).is_some());
        pins.sweep(u64::MAX);
        assert!(pins.lock().is_empty());
    }
}
