//! What was measured before, kept under version control, and whether a run is slower than that.
//!
//! Two single numbers never decide: on a busy machine one of them is off by more than any regression that
//! matters. The lower quartile of a run is compared with those of up to ten runs before it, and a run that is
//! above the limit has to be so again, three times out of three.

use std::io;
use std::path::Path;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::testing::results::{Outcome, Record, now_ms};

/// So many runs are remembered.
const REMEMBERED: usize = 10;
/// A larger file is no baseline.
const MOST_BYTES: u64 = 16 << 20;
/// With fewer, nothing is decided.
const ENOUGH: usize = 5;
/// A run that is too slow has to be so in so many fresh ones.
pub(super) const CONFIRMATIONS: usize = 3;

/// The runs that a new one is compared with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PerformanceBaseline {
    /// The oldest first.
    pub runs: Vec<BaselineRun>,
}

/// One run of a baseline.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BaselineRun {
    /// The lower quartile of the times.
    pub p25_ms: f64,
    /// How long the calibration took there and then.
    pub calibration_ms: f64,
    /// The machine.
    pub machine: String,
    /// When it was measured, in milliseconds since 1970: no run is accepted twice.
    #[serde(default)]
    pub at_ms: u64,
}

/// What a baseline says of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Comparison {
    /// There are too few runs to say anything.
    TooFew,
    /// Within the limit.
    Kept,
    /// Above it.
    Slower {
        /// By this share of the median: 0.2 is a fifth slower.
        by: f64,
        /// The limit, as this machine would measure it.
        limit_ms: f64,
    },
}

impl BaselineRun {
    /// A run on this machine, calibrated now.
    pub fn here(p25_ms: f64) -> Self {
        Self { p25_ms, calibration_ms: calibrate(), machine: machine(), at_ms: now_ms() }
    }

    /// The run of a record, by the machine that measured it; nothing where it was compared with no baseline.
    pub fn of_record(record: &Record) -> Option<Self> {
        let Outcome::Performance(measured) = &record.outcome else { return None };
        Some(Self {
            p25_ms: measured.p25_ms,
            calibration_ms: measured.calibration_ms?,
            machine: measured.machine.clone()?,
            at_ms: record.at_ms,
        })
    }
}

impl PerformanceBaseline {
    /// Reads a baseline; one that is not there is empty.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read, or is none.
    pub fn read(file: &Path) -> io::Result<Self> {
        match crate::testing::file::read(file, MOST_BYTES) {
            Ok(text) => Ok(serde_json::from_str(&text)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// Adds a run, and forgets the oldest where there are too many. Whether it was new: a run that is there
    /// already is left out, or it would seem steadier than it is.
    pub fn accept(&mut self, run: BaselineRun) -> bool {
        if run.at_ms != 0 && self.runs.iter().any(|known| known.at_ms == run.at_ms) {
            return false;
        }
        self.runs.push(run);
        let forgotten = self.runs.len().saturating_sub(REMEMBERED);
        self.runs.drain(..forgotten);
        true
    }

    /// Writes it, with its folder.
    ///
    /// # Errors
    ///
    /// Where that cannot be.
    pub fn write(&self, file: &Path) -> io::Result<()> {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        crate::testing::file::replace(file, &(serde_json::to_string_pretty(self)? + "\n"))
    }

    /// Compares a run with the median of those before it: the limit lies three median absolute deviations
    /// above it, five per cent at the least. Runs of other machines are compared by their share of the
    /// calibration.
    pub fn compare(&self, run: &BaselineRun) -> Comparison {
        if self.runs.len() < ENOUGH {
            return Comparison::TooFew;
        }
        let is_home = self.runs.iter().all(|known| known.machine == run.machine);
        let figure = |run: &BaselineRun| match is_home {
            true => run.p25_ms,
            false => run.p25_ms / run.calibration_ms.max(f64::MIN_POSITIVE),
        };
        let known: Vec<_> = self.runs.iter().map(figure).collect();
        let middle = median(known.clone());
        let deviation = median(known.iter().map(|value| (value - middle).abs()).collect());
        let limit = middle + (3.0 * deviation).max(0.05 * middle);
        let value = figure(run);
        if value <= limit {
            return Comparison::Kept;
        }
        // Back from the share of the calibration, where it is one.
        let limit_ms = limit * run.p25_ms / value;
        Comparison::Slower { by: value / middle - 1.0, limit_ms }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        even if even % 2 == 0 => f64::midpoint(values[middle - 1], values[middle]),
        _ => values[middle],
    }
}

/// The processor, how many there are, and the system: what makes figures comparable.
fn machine() -> String {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("unknown", |line| line.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{model}, {cores} cores, {} {}", std::env::consts::OS, std::env::consts::ARCH)
}

/// How long a fixed piece of work takes: the shortest of five.
fn calibrate() -> f64 {
    let once = || {
        let start = Instant::now();
        let mut state = 1_u64;
        for step in 0..2_000_000_u64 {
            state = std::hint::black_box(
                state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(step),
            );
        }
        std::hint::black_box(state);
        start.elapsed().as_secs_f64() * 1000.0
    };
    (0..5).map(|_| once()).fold(f64::INFINITY, f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(p25_ms: f64) -> BaselineRun {
        BaselineRun { p25_ms, calibration_ms: 2.0, machine: "here".into(), at_ms: 0 }
    }

    fn baseline(values: &[f64]) -> PerformanceBaseline {
        let mut baseline = PerformanceBaseline::default();
        for value in values {
            baseline.accept(run(*value));
        }
        baseline
    }

    #[test]
    fn the_limit_is_five_per_cent_or_three_deviations() {
        let steady = baseline(&[10.0; 6]);
        assert_eq!(steady.compare(&run(10.4)), Comparison::Kept);
        assert!(
            matches!(steady.compare(&run(12.0)), Comparison::Slower { by, limit_ms } if (by - 0.2).abs() < 1e-9 && (limit_ms - 10.5).abs() < 1e-9)
        );
        let noisy = baseline(&[9.0, 10.0, 11.0, 9.0, 10.0, 11.0]);
        assert_eq!(noisy.compare(&run(12.9)), Comparison::Kept);
        assert!(matches!(noisy.compare(&run(13.1)), Comparison::Slower { .. }));
    }

    #[test]
    fn few_runs_decide_nothing_and_ten_are_remembered() {
        assert_eq!(baseline(&[10.0; 4]).compare(&run(99.0)), Comparison::TooFew);
        let many: Vec<_> = (0..15).map(f64::from).collect();
        let kept: Vec<_> = baseline(&many).runs.iter().map(|run| run.p25_ms).collect();
        assert_eq!(kept, many[5..]);
    }

    #[test]
    fn another_machine_is_compared_by_its_calibration() {
        let slow =
            |p25_ms| BaselineRun { p25_ms, calibration_ms: 4.0, machine: "there".into(), at_ms: 0 };
        let steady = baseline(&[10.0; 6]);
        assert_eq!(
            steady.compare(&slow(20.0)),
            Comparison::Kept,
            "twice as slow, as is the machine"
        );
        let slower = steady.compare(&slow(24.0));
        assert!(
            matches!(slower, Comparison::Slower { limit_ms, .. } if (limit_ms - 21.0).abs() < 1e-9),
            "{slower:?}"
        );
    }

    #[test]
    fn a_run_is_accepted_once() {
        let mut baseline = PerformanceBaseline::default();
        let measured = |at_ms| BaselineRun { at_ms, ..run(10.0) };
        assert!(baseline.accept(measured(1)) && baseline.accept(measured(2)));
        assert!(!baseline.accept(measured(1)));
        assert_eq!(baseline.runs.len(), 2);
    }

    #[test]
    fn a_file_comes_back_and_one_that_is_not_there_is_empty() {
        let folder = std::env::temp_dir().join(format!("mmf-baseline-{}", std::process::id()));
        let file = folder.join("deep").join("users.json");
        assert_eq!(PerformanceBaseline::read(&file).unwrap(), PerformanceBaseline::default());
        let written = baseline(&[1.0, 2.0]);
        written.write(&file).unwrap();
        assert_eq!(PerformanceBaseline::read(&file).unwrap(), written);
        std::fs::write(&file, "{").unwrap();
        assert!(PerformanceBaseline::read(&file).is_err());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
