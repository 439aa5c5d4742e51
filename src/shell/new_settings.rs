//! New settings on their way through the sequencer: encoded before they come to it, journaled a
//! piece in each round, stepped with the last piece, and in force some pulses later.

use crate::model::limits::SETTINGS_PIECE_BYTES;
use crate::model::settings::Settings;
use crate::shell::codec::encode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

/// Settings that are not yet in force.
#[derive(Debug)]
pub struct NewSettings {
    settings: Arc<Settings>,
    bytes: Vec<u8>,
    written: usize,
    in_force: Sender<Vec<u8>>,
}

/// Hears when settings are in force. Whoever keeps it and the settings until then frees what they
/// took in his own time instead of the sequencer's.
pub type InForce = Receiver<Vec<u8>>;

impl NewSettings {
    /// Encodes settings.
    #[must_use]
    pub fn new(settings: Arc<Settings>) -> (Self, InForce) {
        let (in_force, heard) = channel();
        let bytes = encode(&*settings);
        (Self { settings, bytes, written: 0, in_force }, heard)
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings)
    }

    /// What is to be journaled next: whether it is the last piece, and the piece.
    #[must_use]
    pub fn piece(&self) -> (bool, &[u8]) {
        let rest = self.bytes.get(self.written..).unwrap_or_default();
        match rest.get(..SETTINGS_PIECE_BYTES) {
            Some(piece) if piece.len() < rest.len() => (false, piece),
            _ => (true, rest),
        }
    }

    /// The piece is journaled.
    pub fn advance(&mut self) {
        self.written = self.written.saturating_add(self.piece().1.len());
    }

    /// Whether some pieces are journaled, and not all.
    #[must_use]
    pub fn is_begun(&self) -> bool {
        self.written > 0
    }

    /// Tells whoever waits for it. Nobody may.
    pub fn tell_in_force(self) {
        let Self { settings, bytes, in_force, .. } = self;
        drop(settings);
        let _ = in_force.send(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::input::Input;
    use crate::model::inventory::Site;
    use crate::shell::codec::{InputReader, Meaning};
    use crate::shell::journal::Kind;

    #[test]
    fn pieces_are_read_as_the_settings_again_and_those_cut_short_by_a_restart_never_were() {
        let mut settings = Settings::default();
        let site =
            |title: &str| Site { title: title.repeat(SETTINGS_PIECE_BYTES), ..Site::default() };
        settings.inventory.sites = vec![site("a"), site("b"), site("c")];
        let settings = Arc::new(settings);
        let boot = encode(&crate::engine::input::Boot {
            version: "1".to_owned(),
            engine_version: 1,
            hash_seed: 0,
            downtime_ns: 0,
        });
        let mut reader = InputReader::default();
        for is_cut in [true, false] {
            let (mut new, _) = NewSettings::new(Arc::clone(&settings));
            let mut pieces = 0;
            let read = loop {
                let (is_last, piece) = new.piece();
                let payload = [&[u8::from(is_last)], piece].concat();
                pieces += 1;
                let meaning = reader.read(Kind::Settings, &payload).expect("a part");
                if let Meaning::Input(Input::Settings(read)) = meaning {
                    break Some(read);
                }
                assert!(matches!(meaning, Meaning::Part));
                new.advance();
                assert!(new.is_begun());
                if is_cut {
                    break None;
                }
            };
            if is_cut {
                assert!(matches!(reader.read(Kind::Boot, &boot), Ok(Meaning::Input(_))));
            } else {
                assert_eq!((pieces, read), (4, Some(Arc::clone(&settings))));
            }
        }
    }
}
