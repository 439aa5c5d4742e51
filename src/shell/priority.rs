//! Who waits when the processors are short: snapshots, history and requests before datagrams and
//! the engine.

/// How far the threads that serve connections stand back: a sender that waits for its answer slows
/// down, and what the kernel drops of datagrams is lost. So a load of metrics does not keep a trap
/// waiting.
pub const REQUESTS: i32 = 8;
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
