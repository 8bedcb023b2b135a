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
        self.print("");
        self.print(&self.painted("1", &format!("{number}  {title} {line} {at}")));
    }

    /// What is seen.
    pub(crate) fn note(&self, text: impl Display) {
        self.print(&format!("   {text}"));
    }

    /// Something named, and its value.
    pub(crate) fn value(&self, name: &str, value: impl Display) {
        self.print(&format!("   {name:<34}{value}"));
    }

    /// A check.
    pub(crate) fn tick(&mut self, what: &str, holds: bool) {
        self.ticks += 1;
        self.failed += usize::from(!holds);
        let mark =
            if holds { self.painted("32", "✓") } else { self.painted("31;1", "✗ FAILED:") };
        self.print(&format!("   {mark} {what}"));
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
        self.print("");
        self.print(
            &self.painted(if well { "32;1" } else { "31;1" }, &format!("{text}, in {took} s")),
        );
        if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn painted(&self, code: &str, text: &str) -> String {
        if self.coloured { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// No wider than the stage, and without a word where nobody reads.
    fn print(&self, line: &str) {
        let is_wide = !self.coloured && line.chars().count() > WIDTH;
        let cut = line.chars().take(WIDTH - 1).collect::<String>() + "…";
        let _ = writeln!(std::io::stdout(), "{}", if is_wide { &cut } else { line });
    }
}
