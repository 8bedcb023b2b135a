//! `cargo mmf completions`

use clap::{Args, CommandFactory as _, Parser};
use clap_complete::Shell;

use crate::{Command, End, say};

#[derive(Args)]
pub(crate) struct Completions {
    /// For which shell
    shell: Shell,
}

/// The command by the name of its program, as shells look it up.
#[derive(Parser)]
#[command(name = "cargo-mmf")]
struct Program {
    #[command(subcommand)]
    command: Command,
}

impl Completions {
    pub(crate) fn run(self) -> End {
        let mut command = Program::command();
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "cargo-mmf", &mut script);
        say(format_args!("{}", String::from_utf8_lossy(&script)));
        End::Passed
    }
}
