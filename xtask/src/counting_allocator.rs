//! The allocator of the product, with a count of the bytes in use while one is wanted.

use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering};

use mimalloc::MiMalloc;

/// mimalloc, as in the `neargate` binary.
pub(crate) struct Counting;

static WANTED: AtomicBool = AtomicBool::new(false);
static BYTES: AtomicIsize = AtomicIsize::new(0);

/// Bytes that `make` allocates and its result still holds.
pub(crate) fn bytes_held<T>(make: impl FnOnce() -> T) -> (T, usize) {
    BYTES.store(0, Ordering::Relaxed);
    WANTED.store(true, Ordering::Relaxed);
    let made = make();
    WANTED.store(false, Ordering::Relaxed);
    (made, usize::try_from(BYTES.load(Ordering::Relaxed)).unwrap_or(0))
}

fn count(bytes: usize, sign: isize) {
    if WANTED.load(Ordering::Relaxed) {
        BYTES.fetch_add(sign * bytes as isize, Ordering::Relaxed);
    }
}

// SAFETY: every call goes to mimalloc unchanged, which keeps the contract; counting allocates
// nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { MiMalloc.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(layout.size(), -1);
        // SAFETY: the pointer came from `alloc` above, so from mimalloc, with this layout.
        unsafe { MiMalloc.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(layout.size(), -1);
        count(size, 1);
        // SAFETY: the pointer came from `alloc` above, so from mimalloc, with this layout.
        unsafe { MiMalloc.realloc(pointer, layout, size) }
    }
}
