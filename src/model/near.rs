//! Asking for memory before it is needed, so that waits for it overlap.

/// Has the processor fetch the first cache line of a value. Changes nothing that a program can see;
/// where the processor has no such instruction it does nothing.
#[inline]
pub fn fetch<T: ?Sized>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    #[expect(unsafe_code, reason = "the instruction has no safe wrapper")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing into the program and faults nowhere; the address is
        // that of a live value besides.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(value).cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}
