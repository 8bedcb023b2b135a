//! What the demonstration prints: acts, what is seen, and ticks. Coloured on a terminal, plain elsewhere.

use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Instant;

const WIDTH: usize = 100;

pub(crate) struct Stage {
    began: Instant,
    coloured: bool,
    ticks: usize,
    failed: usize,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let coloured = wanted && std::io::stdout().is_terminal();
        Self { began: Instant::now(), coloured, ticks: 0, failed: 0 }
    }

    /// The begin of an act.
    pub(crate) fn act(&self, number: u8, title: &str) {
        let at = format!("{:5.1} s", self.began.elapsed().as_secs_f64());
        let line = "─".repeat(WIDTH.saturating_sub(title.chars().count() + at.chars().count() + 6));
        Self::print("");
        Self::print(&self.painted("1", &format!("{number}  {title} {line} {at}")));
    }

    /// What is seen.
    pub(crate) fn note(&self, text: impl Display) {
        Self::print(&cut(&format!("   {text}"), WIDTH));
    }

    /// Something named, and its value.
    pub(crate) fn value(&self, name: &str, value: impl Display) {
        Self::print(&cut(&format!("   {name:<34}{value}"), WIDTH));
    }

    /// A check.
    pub(crate) fn tick(&mut self, what: &str, holds: bool) {
        self.ticks += 1;
        self.failed += usize::from(!holds);
        let mark =
            if holds { self.painted("32", "✓") } else { self.painted("31;1", "✗ FAILED:") };
        Self::print(&format!("   {mark} {}", cut(what, WIDTH - 14)));
    }

    /// How it ended, and what a shell is told.
    pub(crate) fn end(&self) -> ExitCode {
        let well = self.failed == 0;
        let took = self.began.elapsed().as_secs();
        let (ticks, failed) = (self.ticks, self.failed);
        let text = if well {
            format!("{ticks} ticks, all hold")
        } else {
            format!("{failed} of {ticks} ticks failed")
        };
        Self::print("");
        Self::print(
            &self.painted(if well { "32;1" } else { "31;1" }, &format!("{text}, in {took} s")),
        );
        if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn painted(&self, code: &str, text: &str) -> String {
        if self.coloured { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// Without a word where nobody reads.
    fn print(line: &str) {
        let _ = writeln!(std::io::stdout(), "{line}");
    }
}

/// No wider than this.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width - 1).collect::<String>() + "…"
}
