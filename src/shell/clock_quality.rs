//! How good the wall clock is, by `adjtimex`: a start time is worth what its clock is worth.

use crate::engine::input::ClockQuality;

/// The kernel's own opinion of the wall clock now.
#[must_use]
#[expect(unsafe_code, reason = "adjtimex fills a local struct; no std function reads it")]
pub fn read() -> ClockQuality {
    // SAFETY: all zeros is a valid `timex`, and with `modes` 0 the call only reads.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: `state` is a valid, exclusively borrowed timex for the whole call.
    let status = unsafe { libc::adjtimex(&raw mut state) };
    if status < 0 {
        return ClockQuality {
            is_synchronised: false,
            error_us: 0,
            source: "kernel gives no clock state".to_owned(),
        };
    }
    ClockQuality {
        is_synchronised: status != libc::TIME_ERROR && state.status & libc::STA_UNSYNC == 0,
        error_us: u64::try_from(state.maxerror).unwrap_or(0),
        source: "kernel clock (adjtimex)".to_owned(),
    }
}
