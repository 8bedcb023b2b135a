//! How far a long run is: a bar on a terminal, the lines alone elsewhere.

use std::io::{self, IsTerminal as _};

use indicatif::{ProgressBar, ProgressStyle};

use crate::say::say;

/// A bar under the lines that are printed, where there is a terminal.
pub(crate) struct Progress(Option<ProgressBar>);

impl Progress {
    pub(crate) fn new() -> Self {
        let is_seen = io::stdout().is_terminal() && io::stderr().is_terminal();
        Self(is_seen.then(|| {
            let style = ProgressStyle::with_template("{bar:30} {pos} of {len} tests, {elapsed}");
            let bar = ProgressBar::new(0);
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        }))
    }

    /// Prints a line above the bar.
    pub(crate) fn line(&self, line: &str) {
        match &self.0 {
            Some(bar) => bar.suspend(|| say(format_args!("{line}\n"))),
            None => say(format_args!("{line}\n")),
        }
    }

    /// So many tests of so many.
    pub(crate) fn set(&self, done: usize, all: usize) {
        if let Some(bar) = &self.0 {
            bar.set_length(all as u64);
            bar.set_position(done as u64);
        }
    }

    pub(crate) fn end(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
