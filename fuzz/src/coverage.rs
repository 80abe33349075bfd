//! The targets under libFuzzer, which looks for inputs that reach new code. `BINDERY_FUZZ_TARGET` names the target.
//!
//! One program for all of them: they share nearly all code, and instrumenting and linking it takes minutes.
//!
//! ```text
//! BINDERY_FUZZ_TARGET=tree RUSTC_BOOTSTRAP=1 cargo fuzz run --features libfuzzer -s none coverage -- -max_total_time=60
//! ```
//!
//! # Not here
//!
//! Which target runs for how long, and what becomes of its corpus (`fuzz/long`).

#![no_main]

use std::sync::LazyLock;

use bindery_fuzz::memory::bounded;
use bindery_fuzz::{Target, targets};

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("BINDERY_FUZZ_TARGET").unwrap_or_default();
    targets::ALL
        .iter()
        .find(|target| target.name == name)
        .expect("because `fuzz/long` takes the names from the list of targets")
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (_verdict, _peak_bytes) = bounded(data.len(), || (TARGET.run)(data));
});
