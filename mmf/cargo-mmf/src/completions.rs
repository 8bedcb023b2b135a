//! `cargo mmf completions`

use clap::Args;
use clap_complete::Shell;

use crate::end::End;
use crate::say::say;

#[derive(Args)]
pub(crate) struct Completions {
    /// For which shell
    shell: Shell,
}

impl Completions {
    /// Prints them of this command.
    pub(crate) fn run(self, mut command: clap::Command) -> End {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "cargo-mmf", &mut script);
        say(format_args!("{}", String::from_utf8_lossy(&script)));
        End::Passed
    }
}
