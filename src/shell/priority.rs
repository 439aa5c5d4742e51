//! Who waits when the processors are short: snapshots and history before intake and engine.

/// How far the thread that writes the history stands back. Receiving comes first: what the kernel
/// drops is lost, while history that is late is only late.
pub const HISTORY: i32 = 10;
/// How far a snapshot stands back: as far as there is.
pub const SNAPSHOT: i32 = 19;

/// Lets the calling thread stand back, `nice` from 0 to 19. Threads that it starts inherit that.
#[expect(unsafe_code, reason = "setpriority has no std function")]
pub fn stand_back(nice: i32) {
    // SAFETY: plain integers. On Linux the process 0 is the calling thread, and nothing but its
    // priority changes. More nice is always allowed.
    let _ = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) };
}
