//! What log lines cost a whole process: a million of them from eight threads to a file and to a pipe,
//! by MMF, by `tracing-subscriber` with the writer of `tracing-appender` that waits rather than loses,
//! and by `tracing-subscriber` alone. Each contender is a child process: wall time is from its start to
//! its end, processor time its own, user and system. The best of interleaved rounds, and ratios to MMF.
//!
//! Every line is parsed at the other end. Where one is lost or torn in any round, that is told, and the
//! program ends with 1. The file is in the temporary folder, which `TMPDIR` chooses.
//!
//! `cargo run --release -p mmf-benches --bin lines_of_a_process [-- --rounds N --lines N --threads N]`

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use cpu_time::ProcessTime;
use mmf::logging::LoggingConfig;
use mmf_benches::table::{option, rounds};
use serde_json::Value;
use tracing_appender::non_blocking::NonBlockingBuilder;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// So many lines from so many threads, each of which logs its share.
#[derive(Clone, Copy)]
struct Load {
    threads: usize,
    share: usize,
}

impl Load {
    fn lines(self) -> usize {
        self.threads * self.share
    }

    fn log(self) {
        std::thread::scope(|scope| {
            for thread in 0..self.threads {
                scope.spawn(move || (0..self.share).for_each(|sequence| line(thread, sequence)));
            }
        });
    }
}

/// Sets up logging to standard output, logs, and flushes.
type Logs = fn(Load) -> Result<()>;

/// Those that log, MMF first. The parent names one of them to its child.
const CONTENDERS: [(&str, Logs); 3] = [
    ("MMF", mmf),
    ("tracing-appender", tracing_appender),
    ("tracing-subscriber", tracing_subscriber),
];

/// Where the standard output of a child goes.
#[derive(Clone, Copy)]
enum Output {
    File,
    Pipe,
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::File => "file",
            Self::Pipe => "pipe",
        })
    }
}

/// The best of a contender's rounds, and what all of them lost or tore.
struct Row {
    to: Output,
    by: &'static str,
    /// Seconds from start to end.
    wall: f64,
    /// Seconds of the processor.
    processor: f64,
    lost: usize,
    torn: usize,
}

fn main() -> Result<ExitCode> {
    let threads = option("--threads").unwrap_or(8).max(1);
    let lines = option("--lines").unwrap_or(1_000_000);
    let load = Load { threads, share: lines / threads };
    let arguments: Vec<_> = std::env::args().collect();
    let Some(by) = arguments.windows(2).find(|pair| pair[0] == "--by") else {
        return compare(load);
    };
    let (_, logs) =
        CONTENDERS.into_iter().find(|(name, _)| *name == by[1]).ok_or("no contender")?;
    logs(load)?;
    eprintln!("{}", ProcessTime::try_now()?.as_duration().as_secs_f64());
    Ok(ExitCode::SUCCESS)
}

fn line(thread: usize, sequence: usize) {
    tracing::info!(
        user_id = 4711,
        plan = "premium",
        amount = 12.5,
        thread,
        sequence,
        "user created"
    );
}

fn mmf(load: Load) -> Result<()> {
    let _logging = mmf::logging::init(LoggingConfig::new("bench"))?;
    load.log();
    Ok(())
}

fn tracing_appender(load: Load) -> Result<()> {
    let (writer, _guard) = NonBlockingBuilder::default().lossy(false).finish(io::stdout());
    tracing_subscriber::fmt().json().flatten_event(true).with_writer(writer).try_init()?;
    load.log();
    Ok(())
}

fn tracing_subscriber(load: Load) -> Result<()> {
    tracing_subscriber::fmt().json().flatten_event(true).with_writer(io::stdout).try_init()?;
    load.log();
    Ok(())
}

/// Runs every contender, prints the table, and fails where lines are missing.
fn compare(load: Load) -> Result<ExitCode> {
    let row =
        |to, by| Row { to, by, wall: f64::INFINITY, processor: f64::INFINITY, lost: 0, torn: 0 };
    let mut rows: Vec<Row> = [Output::File, Output::Pipe]
        .into_iter()
        .flat_map(|to| CONTENDERS.map(|(by, _)| row(to, by)))
        .collect();
    let rounds = rounds(3).max(1);
    // One for all, so that its pages are the process's own when it is filled again.
    let mut written = Vec::new();
    for _ in 0..rounds {
        for row in &mut rows {
            row.round(load, &mut written)?;
        }
    }

    println!("{} lines of {} threads, the best of {rounds}", load.lines(), load.threads);
    println!(
        "{:6} {:20} {:>10} {:>6} {:>8} {:>6} {:>7} {:>7}",
        "to", "by", "lines/s", "ratio", "CPU s", "ratio", "lost", "torn"
    );
    for rows in rows.chunks(CONTENDERS.len()) {
        for row in rows {
            row.print(load, &rows[0]);
        }
    }
    let whole = rows.iter().all(|row| row.lost == 0 && row.torn == 0);
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Row {
    /// Runs the contender as a child; what it writes goes into `written`.
    fn round(&mut self, load: Load, written: &mut Vec<u8>) -> Result<()> {
        written.clear();
        let file = match self.to {
            Output::File => Some(unnamed_file()?),
            Output::Pipe => None,
        };
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--by", self.by]);
        command.args(["--threads", &load.threads.to_string()]);
        command.args(["--lines", &load.lines().to_string()]);
        // Variables could change what MMF logs.
        command.env_clear().stdin(Stdio::null()).stderr(Stdio::piped());
        command.stdout(match &file {
            Some(file) => Stdio::from(file.try_clone()?),
            None => Stdio::piped(),
        });

        let start = Instant::now();
        let mut child = command.spawn()?;
        let ended = std::thread::scope(|scope| {
            if let Some(mut pipe) = child.stdout.take() {
                let written = &mut *written;
                scope.spawn(move || pipe.read_to_end(written).expect("a pipe that can be read"));
            }
            child.wait_with_output()
        })?;
        let wall = start.elapsed().as_secs_f64();

        let told = String::from_utf8_lossy(&ended.stderr);
        let processor = told.trim().parse::<f64>().ok().filter(|_| ended.status.success());
        let processor =
            processor.ok_or_else(|| format!("{} ended by {}: {told}", self.by, ended.status))?;
        if let Some(mut file) = file {
            file.rewind()?;
            file.read_to_end(written)?;
        }
        let (lost, torn) = self.missing(load, written);
        self.wall = self.wall.min(wall);
        self.processor = self.processor.min(processor);
        self.lost += lost;
        self.torn += torn;
        Ok(())
    }

    /// How many lines never came, and how many are none of ours or came before.
    fn missing(&self, load: Load, written: &[u8]) -> (usize, usize) {
        let mut came = vec![false; load.lines()];
        let mut torn = 0;
        for line in written.split_inclusive(|byte| *byte == b'\n') {
            match place(line, load) {
                Some(place) if !came[place] => came[place] = true,
                _ => {
                    if torn == 0 {
                        let line = String::from_utf8_lossy(line);
                        eprintln!("{} to a {}, torn: {line:?}", self.by, self.to);
                    }
                    torn += 1;
                }
            }
        }
        let lost = came.iter().filter(|came| !**came).count();
        if lost > 0 {
            eprintln!("{} to a {}, lost: {lost} lines", self.by, self.to);
        }
        (lost, torn)
    }

    /// Prints it beside MMF's at the same output.
    fn print(&self, load: Load, ours: &Row) {
        println!(
            "{:6} {:20} {:10.0} {:6.2} {:8.2} {:6.2} {:7} {:7}",
            self.to,
            self.by,
            load.lines() as f64 / self.wall,
            ours.wall / self.wall,
            self.processor,
            self.processor / ours.processor,
            self.lost,
            self.torn
        );
    }
}

/// Where among all lines a whole one belongs.
fn place(line: &[u8], load: Load) -> Option<usize> {
    let event: Value = serde_json::from_slice(line.strip_suffix(b"\n")?).ok()?;
    let number = |key: &str, below: usize| {
        usize::try_from(event[key].as_u64()?).ok().filter(|number| *number < below)
    };
    let whole = event["message"] == "user created"
        && event["user_id"] == 4711
        && event["plan"] == "premium"
        && event["amount"] == 12.5;
    let place = number("thread", load.threads)? * load.share + number("sequence", load.share)?;
    whole.then_some(place)
}

/// A file of the temporary folder that has no name any more: once closed it is gone, and what is not on
/// the disk by then is not written there while the next contender runs.
fn unnamed_file() -> io::Result<File> {
    let path = std::env::temp_dir().join(format!("lines_of_a_process.{}", std::process::id()));
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(path)?;
    Ok(file)
}
