//! Random numbers from a seed (SplitMix64), so that a failure can be repeated.
//!
//! The seed is fixed, or taken from `VIGIE_TEST_SEED`; a test that draws shows its seed or the
//! input that it drew.

/// A reproducible stream of numbers.
#[derive(Clone, Debug)]
pub(crate) struct Random {
    state: u64,
}

impl Random {
    /// The stream of `VIGIE_TEST_SEED`, or of `seed` when that is not set; and the seed in use.
    pub(crate) fn from_environment(seed: u64) -> (Self, u64) {
        let seed = std::env::var("VIGIE_TEST_SEED")
            .ok()
            .map_or(seed, |text| text.parse().expect("VIGIE_TEST_SEED is a whole number"));
        (Self { state: seed }, seed)
    }

    /// The next number.
    pub(crate) fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound
    }
}
