//! Memory, counted: what one input may make the program ask for.
//!
//! # Invariants
//!
//! - While [`bounded`] runs, what is asked for above its limit is refused, as if the machine had no more. So the program
//!   ends then, and the input that did it is the one that was fed last.
//!
//! # Not here
//!
//! What C code asks for: the contexts of zstd, of which each thread keeps one for each direction.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{self, Write};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Bytes that every input may take: some decoders expand a frame, which has 16 MiB at most, beside a table of its
/// objects, which takes 40 MiB at most.
pub const BYTES_FREE: usize = 64 << 20;
/// Bytes that may be taken for each byte of input: an error names what is wrong for each of many small objects.
pub const BYTES_PER_INPUT_BYTE: usize = 64;

/// Bytes that are in use.
static LIVE: AtomicUsize = AtomicUsize::new(0);
/// The most that were since the last call of [`bounded`].
static PEAK: AtomicUsize = AtomicUsize::new(0);
/// The most that may be.
static CEILING: AtomicUsize = AtomicUsize::new(usize::MAX);

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

#[allow(
    unsafe_code,
    reason = "an allocator is unsafe by its trait; each function hands its arguments on to the system's"
)]
// SAFETY: every pointer comes from `System`, with the layout that was asked for, or is null.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !take(layout.size()) {
            return ptr::null_mut();
        }
        // SAFETY: the caller's promise.
        let given = unsafe { System.alloc(layout) };
        give_if(given.is_null(), layout.size());
        given
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !take(layout.size()) {
            return ptr::null_mut();
        }
        // SAFETY: the caller's promise.
        let given = unsafe { System.alloc_zeroed(layout) };
        give_if(given.is_null(), layout.size());
        given
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) };
        LIVE.fetch_sub(layout.size(), Relaxed);
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let more = new_size.saturating_sub(layout.size());
        if !take(more) {
            return ptr::null_mut();
        }
        // SAFETY: the caller's promise.
        let given = unsafe { System.realloc(pointer, layout, new_size) };
        give_if(given.is_null(), more);
        give_if(!given.is_null(), layout.size().saturating_sub(new_size));
        given
    }
}

/// Counts `bytes` as used, unless that is too much.
fn take(bytes: usize) -> bool {
    let live = LIVE.fetch_add(bytes, Relaxed).saturating_add(bytes);
    PEAK.fetch_max(live, Relaxed);
    if live <= CEILING.load(Relaxed) {
        return true;
    }
    LIVE.fetch_sub(bytes, Relaxed);
    CEILING.store(usize::MAX, Relaxed);
    // Nothing is left to tell if stderr is closed.
    writeln!(
        io::stderr(),
        "{bytes} more bytes of memory are above the limit"
    )
    .ok();
    false
}

fn give_if(condition: bool, bytes: usize) {
    if condition {
        LIVE.fetch_sub(bytes, Relaxed);
    }
}

/// Lifts the limit, also when a panic passes by.
struct Limited;

impl Drop for Limited {
    fn drop(&mut self) {
        CEILING.store(usize::MAX, Relaxed);
    }
}

/// Runs what is fed with `input_bytes` bytes, within [`BYTES_FREE`] and [`BYTES_PER_INPUT_BYTE`] for each of them; gives
/// its answer, and the most bytes it used at once.
pub fn bounded<T>(input_bytes: usize, run: impl FnOnce() -> T) -> (T, usize) {
    let before = LIVE.load(Relaxed);
    let allowed = BYTES_FREE.saturating_add(input_bytes.saturating_mul(BYTES_PER_INPUT_BYTE));
    PEAK.store(before, Relaxed);
    CEILING.store(before.saturating_add(allowed), Relaxed);
    let _limited = Limited;
    let answer = run();
    (answer, PEAK.load(Relaxed).saturating_sub(before))
}

#[test]
fn memory_above_the_limit_is_refused() {
    let reserve = |bytes| Vec::<u8>::new().try_reserve_exact(bytes);
    let (taken, peak) = bounded(0, || reserve(BYTES_FREE / 2));
    assert!(taken.is_ok() && peak >= BYTES_FREE / 2);
    let (refused, _) = bounded(0, || reserve(BYTES_FREE * 2));
    assert!(refused.is_err());
    let (of_input, _) = bounded(BYTES_FREE, || reserve(BYTES_FREE * 2));
    assert!(of_input.is_ok());
}
