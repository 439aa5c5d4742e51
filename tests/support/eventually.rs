//! Waiting for a condition: the one sanctioned pause of the tests.
//!
//! In: a question that is asked again until it is answered. Out: the answer, or a failure that
//! shows what was seen last. Nothing here waits a fixed time for something to have happened.

use std::time::{Duration, Instant};

/// How long a test waits for what should take a moment, on a machine that is busy compiling.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Asks `probe` until it answers `Ok`, and fails with its last `Err` when `within` has passed.
pub(crate) fn eventually<T>(
    what: &str,
    within: Duration,
    mut probe: impl FnMut() -> Result<T, String>,
) -> T {
    let deadline = now() + within;
    loop {
        match probe() {
            Ok(answer) => return answer,
            Err(seen) => {
                assert!(now() < deadline, "{what}: not within {within:?}; last seen: {seen}");
                pause(Duration::from_millis(20));
            }
        }
    }
}

/// Asks until `is_true` says so. For conditions that have nothing to show.
pub(crate) fn eventually_true(what: &str, within: Duration, mut is_true: impl FnMut() -> bool) {
    eventually(what, within, || if is_true() { Ok(()) } else { Err("not yet".to_owned()) });
}

/// Lets time pass between two questions, or before a blow that must fall at a random moment.
#[expect(clippy::disallowed_methods, reason = "the one sanctioned pause of the tests")]
pub(crate) fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

#[expect(clippy::disallowed_methods, reason = "a deadline of the test, not of the product")]
fn now() -> Instant {
    Instant::now()
}
