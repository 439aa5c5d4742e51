//! An allocator that tells of every call, for tests of what something costs. Each such test is a
//! process of its own and includes this file by its path.

use std::alloc::{GlobalAlloc, Layout, System};

/// The system's allocator; the function is told how many bytes each call takes and gives back. It
/// must not allocate.
pub(crate) struct Counting(pub(crate) fn(taken: usize, given_back: usize));

#[expect(unsafe_code, reason = "an allocator that counts has to be one")]
// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        (self.0)(layout.size(), 0);
        // SAFETY: the caller keeps the contract, and so does the system's allocator.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        (self.0)(0, layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        (self.0)(new_size, layout.size());
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}
