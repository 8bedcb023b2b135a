//! What is wrong with a configuration, all of it, each at its place.

use std::fmt;

use mmf_runtime::text::is_harmless;

/// A configuration that is not put in force, by all that is wrong with it; one mistake a line.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError {
    mistakes: Vec<ConfigMistake>,
}

impl ConfigError {
    /// By its places; of those that say the same at one place, one is left.
    pub(super) fn of(mut mistakes: Vec<ConfigMistake>) -> Self {
        mistakes.sort();
        mistakes.dedup();
        Self { mistakes }
    }

    /// All that is wrong, by file, line and column.
    pub fn mistakes(&self) -> &[ConfigMistake] {
        &self.mistakes
    }
}

/// As text: it is what a `main` or a test that returns it prints.
impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{self}")
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct ConfigMistake {
    /// The file, `MMF_POLICIES`, or `text`.
    pub source: String,
    /// From 1; 0 where it is the whole of it, such as a file that cannot be read.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// What is wrong, and what to write.
    pub message: String,
}

impl ConfigMistake {
    /// Names and values are others' text, which may be told on a terminal: what commands one is left out.
    pub(super) fn new(
        source: &str,
        (line, column): (usize, usize),
        message: impl AsRef<str>,
    ) -> Self {
        let harmless = |text: &str| -> String {
            text.chars()
                .map(|letter| if is_harmless(letter) { letter } else { '\u{fffd}' })
                .collect()
        };
        let (source, message) = (harmless(source), harmless(message.as_ref()));
        Self { source, line, column, message }
    }
}

impl fmt::Display for ConfigMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, line, column, message } = self;
        match line {
            0 => write!(f, "{source}: {message}"),
            _ => write!(f, "{source}:{line}:{column}: {message}"),
        }
    }
}
