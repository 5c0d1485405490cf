//! How much memory something takes: an allocator that counts, for each thread
//! by itself, because tests run side by side.
#![allow(unsafe_code, reason = "an allocator cannot be written without; see the proof below")]
#![allow(unreachable_pub, reason = "the fuzz targets have this file in a library")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(change: isize) {
    let held = HELD.get() + change;
    HELD.set(held);
    PEAK.set(PEAK.get().max(held));
}

fn size(layout: Layout) -> isize {
    // `Layout` promises it: no size is above `isize::MAX`.
    layout.size().cast_signed()
}

// SAFETY: each method hands its arguments on to the same method of `System`
// and returns what that returns, so whatever callers promise to us they promise
// to `System`, and `System`'s promises are ours. What is done besides, counting,
// touches two cells of this thread that are initialised by constants and have no
// destructor: that allocates nothing, and works while a thread begins and ends.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(size(layout));
        // SAFETY: the caller's promises, handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(size(layout));
        // SAFETY: the caller's promises, handed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        count(-size(layout));
        // SAFETY: the caller's promises, handed on.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, new: usize) -> *mut u8 {
        count(new.cast_signed() - size(layout));
        // SAFETY: the caller's promises, handed on.
        unsafe { System.realloc(place, layout, new) }
    }
}

/// What `act` returns, and how many bytes more than before it held at once.
pub fn peak_of<T>(act: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.get();
    PEAK.set(before);
    let result = act();
    (result, (PEAK.get() - before).max(0).cast_unsigned())
}

/// What `act` returns, and how many bytes more than before are held after it.
pub fn growth_of<T>(act: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.get();
    let result = act();
    (result, (HELD.get() - before).max(0).cast_unsigned())
}
