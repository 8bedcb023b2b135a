//! What a command comes to, and its exit code.

use std::process::ExitCode;

/// What a command comes to.
pub(crate) enum End {
    Passed,
    Failed,
    /// It could not be decided.
    Undecided(String),
}

impl End {
    pub(crate) fn code(self) -> ExitCode {
        match self {
            Self::Passed => ExitCode::SUCCESS,
            Self::Failed => ExitCode::from(1),
            Self::Undecided(why) => {
                eprintln!("cargo mmf cannot decide: {why}");
                ExitCode::from(2)
            }
        }
    }
}
