//! The only place that reads a clock.

use crate::model::time::{At, EngineTime, Timestamp};

/// Wall clock now.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
pub fn wall() -> Timestamp {
    match std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH) {
        Ok(since) => Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)),
        Err(before) => Timestamp(-i64::try_from(before.duration().as_nanos()).unwrap_or(i64::MAX)),
    }
}

/// Nanoseconds of the boot clock, which counts suspended time and does not step.
#[must_use]
pub fn boot_ns() -> u64 {
    read(libc::CLOCK_BOOTTIME)
}

/// Nanoseconds that the calling thread has worked: what others took from it is not in them.
#[must_use]
pub fn worked_ns() -> u64 {
    read(libc::CLOCK_THREAD_CPUTIME_ID)
}

#[expect(unsafe_code, reason = "clock_gettime writes into a local; no std function reads it")]
fn read(clock: libc::clockid_t) -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a valid timespec for the whole call.
    let status = unsafe { libc::clock_gettime(clock, &raw mut now) };
    if status != 0 {
        return 0;
    }
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(now.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

/// Engine time of this run: the boot clock, moved so that it continues after the last journaled
/// instant.
#[derive(Clone, Copy, Debug)]
pub struct EngineClock {
    offset_ns: i128,
}

impl EngineClock {
    /// A clock that reads `start` now.
    #[must_use]
    pub fn starting_at(start: EngineTime) -> Self {
        Self { offset_ns: i128::from(start.0) - i128::from(boot_ns()) }
    }

    /// Engine time now.
    #[must_use]
    pub fn now(&self) -> EngineTime {
        let now = i128::from(boot_ns()).saturating_add(self.offset_ns);
        EngineTime(u64::try_from(now).unwrap_or(0))
    }

    /// Both clocks now.
    #[must_use]
    pub fn at(&self) -> At {
        At { engine: self.now(), wall: wall() }
    }

    /// Engine time of a wall instant of the recent past, given both clocks now.
    #[must_use]
    pub fn engine_of(now: At, instant: Timestamp) -> EngineTime {
        let age = u64::try_from(now.wall.ns_since(instant)).unwrap_or(0);
        EngineTime(now.engine.0.saturating_sub(age))
    }
}
