//! Progress: a bar on standard error for work that takes long.
//!
//! # Invariants
//!
//! - Nothing is drawn in the first [`PATIENCE`], and nothing stays on the screen afterwards.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bindery::base::progress::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::{Bars, Output};

/// How long work may take before a bar is drawn.
const PATIENCE: Duration = Duration::from_secs(1);

/// A bar that counts bytes.
#[derive(Debug)]
pub struct Bar {
    drawn: ProgressBar,
    /// Where notes go.
    output: Output,
    started: Instant,
    /// Whether it was decided that nothing more has to be shown: the bar is drawn, or never will be.
    settled: AtomicBool,
}

impl Bar {
    /// Starts work called `verb`, such as `staging`.
    pub fn start(verb: &'static str, output: &Output) -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
        let form = "{msg} {decimal_bytes}/{decimal_total_bytes} [{bar:30}] {eta}";
        if let Ok(style) = ProgressStyle::with_template(form) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(verb);
        Self {
            drawn: bar,
            started: Instant::now(),
            settled: AtomicBool::new(output.bars == Bars::Off),
            output: output.clone(),
        }
    }
}

impl Progress for Bar {
    fn expect(&self, bytes: u64) {
        self.drawn.inc_length(bytes);
    }

    fn advance(&self, bytes: u64) {
        self.drawn.inc(bytes);
        let due = !self.settled.load(Ordering::Relaxed) && self.started.elapsed() >= PATIENCE;
        if due && !self.settled.swap(true, Ordering::Relaxed) {
            self.drawn.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    fn note(&self, words: &dyn Display) {
        self.drawn.suspend(|| self.output.note(words));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.drawn.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::colour::Colours;
    use crate::output::{Format, Notes};

    #[test]
    fn what_is_expected_and_done_adds_up() {
        let quiet = Output {
            format: Format::Text,
            notes: Notes::Off,
            answer_colours: Colours::Off,
            error_colours: Colours::Off,
            bars: Bars::Off,
        };
        let bar = Bar::start("staging", &quiet);
        bar.expect(10);
        bar.expect(20);
        bar.advance(7);
        bar.advance(8);
        assert_eq!((bar.drawn.length(), bar.drawn.position()), (Some(30), 15));
        assert!(bar.drawn.is_hidden());
    }
}
