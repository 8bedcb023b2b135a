//! `cargo mmf`: runs the tests, checks the gates over what they left, and reports.

mod baseline;
mod completions;
mod dashboards;
mod end;
mod gate;
mod junit;
mod limits;
mod new;
mod progress;
mod report;
mod results;
mod say;
mod suite;
mod test;
mod write;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use end::End;
use say::say;

/// The command as cargo starts it: `cargo-mmf mmf …`.
#[derive(Parser)]
#[command(name = "cargo", bin_name = "cargo")]
enum Cargo {
    #[command(subcommand, about = "Tests, gates and reports of MMF", version)]
    Mmf(Command),
}

/// The same by the name of its program, as shells look it up.
#[derive(Parser)]
#[command(name = "cargo-mmf")]
struct Program {
    #[command(subcommand)]
    _command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs all tests with `cargo nextest run` or `cargo test`, after clearing old results
    #[command(
        after_help = "Examples:\n  cargo mmf test\n  cargo mmf test -- --workspace --all-features\n  \
                      cargo mmf test --no-nextest -- -p users --test contracts"
    )]
    Test(test::Test),
    /// Checks the gates of mmf.toml over the results, says what to do and writes the report; 1 where one fails,
    /// 2 where it cannot decide
    #[command(
        after_help = "Examples:\n  cargo mmf gate\n  cargo mmf gate --min-chaos-coverage 0 --markdown gate.md\n  \
                      cargo mmf gate --min-success-rate contract=1.0 --max-average-duration test=100ms"
    )]
    Gate(gate::Gate),
    /// Writes the report alone, as one page of HTML with the history of the last runs
    #[command(after_help = "Examples:\n  cargo mmf report\n  cargo mmf report --html quality.html")]
    Report(report::Report),
    /// Makes a service that compiles and passes its tests at once
    #[command(
        after_help = "Examples:\n  cargo mmf new user-service\n  cargo mmf new user-service --grpc --database postgres\n  \
                      cargo mmf new user-service --dry-run"
    )]
    New(new::New),
    /// Adds a part to the service in whose folder it runs
    #[command(
        after_help = "Examples:\n  cargo mmf add client billing\n  cargo mmf add check queue\n  \
                      cargo mmf add experiment slow-billing --dry-run"
    )]
    Add(new::Add),
    /// Keeps what was measured, for later runs to be compared with
    #[command(after_help = "Examples:\n  cargo mmf baseline accept")]
    Baseline(baseline::Command),
    /// Writes a dashboard of Grafana and alert rules of Prometheus, for what the metrics of a program have
    #[command(
        after_help = "Examples:\n  cargo mmf dashboards --from http://localhost:8080/metrics\n  \
                      cargo mmf dashboards --from metrics.txt --output ops"
    )]
    Dashboards(dashboards::Dashboards),
    /// Prints the JSON Schema of a result, which is one line of a file under target/mmf/results
    #[command(after_help = "Examples:\n  cargo mmf schema > record.schema.json")]
    Schema,
    /// Prints completions of `cargo-mmf`, which is this command by the name of its program
    #[command(
        after_help = "Examples:\n  cargo mmf completions bash > ~/.local/share/bash-completion/completions/cargo-mmf\n  \
                      cargo mmf completions zsh > ~/.zfunc/_cargo-mmf"
    )]
    Completions(completions::Completions),
}

fn main() -> ExitCode {
    // Started as `cargo mmf` or as itself.
    let mut arguments: Vec<_> = std::env::args_os().collect();
    if arguments.get(1).is_none_or(|first| first != "mmf") {
        arguments.insert(1, "mmf".into());
    }
    let Cargo::Mmf(command) = Cargo::parse_from(arguments);
    let end = match command {
        Command::Test(test) => test.run(),
        Command::Gate(gate) => gate.run(),
        Command::Report(report) => report.run(),
        Command::New(new) => new.run(),
        Command::Add(add) => add.run(),
        Command::Baseline(baseline) => baseline.run(),
        Command::Dashboards(dashboards) => dashboards.run(),
        Command::Schema => {
            say(format_args!("{}", mmf::testing::results::JSON_SCHEMA));
            End::Passed
        }
        Command::Completions(completions) => completions.run(Program::command()),
    };
    end.code()
}
