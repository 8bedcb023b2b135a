//! Sixty-four tasks call a dependency in this process through every policy for a minute, drop, abort and
//! outrun many of their calls, and every piece of code that they give to a policy panics now and then.
//! At the end every permit must be back and every count must add up; exits with 1 otherwise.
//!
//! `soak [SECONDS]`, or `SOAK_SECONDS`, sets another length.
//!
//! `functions` has what is called, `scripts` what the dependency does, `given` the code that policies are given and
//! `traps` its panics; `callers` are the tasks, `watched` what they see, `sampler` looks on meanwhile, and
//! `checks` is what must hold.

mod callers;
mod checks;
mod count;
mod functions;
mod given;
mod sampler;
mod scripts;
mod subject;
mod traps;
mod watched;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use checks::Check;
use functions::SUBJECTS;
use sampler::Sampler;

const CALLERS: u64 = 64;
/// How long callers may take to end what they began.
const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> ExitCode {
    let Some(length) = length() else {
        eprintln!("usage: soak [SECONDS]");
        return ExitCode::from(2);
    };
    traps::silence();
    let (began, sampler) = (Instant::now(), Sampler::start());
    let callers: Vec<_> =
        (0..CALLERS).map(|number| tokio::spawn(callers::call_until_told(number))).collect();
    tokio::time::sleep(length / 4).await;
    let early_memory = sampler::resident();
    tokio::time::sleep(length - length / 4).await;
    wait_for_proofs().await;
    callers::stop();

    let all_end = async {
        let mut well = true;
        for caller in callers {
            well &= caller.await.is_ok();
        }
        well
    };
    let ended = tokio::time::timeout(PATIENCE, all_end).await.unwrap_or(false);
    let mut table = checks::proofs();
    let still_running = (!ended).then(|| "a caller hangs or has panicked".to_owned());
    table.push(Check::new("nothing runs any more within ten seconds", still_running));
    traps::heal();
    let healed = tokio::time::timeout(PATIENCE, checks::healed()).await;
    table.extend(healed.unwrap_or_else(|_| {
        vec![Check::new("good calls are over at once", ["one hangs".to_owned()])]
    }));
    table.push(Check::new("no counter ever went back", sampler.end()));
    table.extend(checks::sums(began, early_memory));
    print(&table);
    if table.iter().all(Check::holds) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The argument, or the variable, or a minute; nothing where it is no number.
fn length() -> Option<Duration> {
    let written = std::env::args().nth(1).or_else(|| std::env::var("SOAK_SECONDS").ok());
    match written {
        Some(seconds) => seconds.parse().ok().map(Duration::from_secs),
        None => Some(Duration::from_mins(1)),
    }
}

/// A short run, or a slow machine, gets half a minute more until all has happened that must have.
async fn wait_for_proofs() {
    let patience = Instant::now() + Duration::from_secs(30);
    while Instant::now() < patience && !checks::proofs().iter().all(Check::holds) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn print(table: &[Check]) {
    for subject in SUBJECTS {
        let seen = &subject.seen;
        println!(
            "{:<14} {:>9} ok {:>8} failed {:>6} panicked {:>7} cancelled; its body ran {} times",
            subject.name,
            seen.ok.get(),
            seen.failed.get(),
            seen.panicked.get(),
            seen.cancelled.get(),
            subject.runs.get()
        );
    }
    let sprung = |trap: &&traps::Trap| format!("{} {}", trap.name, trap.sprung.get());
    let panics: Vec<_> = traps::ALL.iter().map(sprung).collect();
    println!("panics: {}", panics.join(", "));
    for check in table {
        println!("{check}");
    }
}
