//! A body that is run many times and measured.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::baseline::{BaselineRun, CONFIRMATIONS, Comparison, PerformanceBaseline};
use super::limits::Limits;
use super::load::{Plan, Worked, work};
use super::report::PerformanceReport;
use super::usage::Usage;
use crate::testing::body::{Verdict, attempt};
use crate::testing::results::{Outcome, Performance, Record};

/// Below this share of its rate, an open model has not held it.
const HELD: f64 = 0.9;
/// Times are kept in nanoseconds and told in milliseconds.
const NANOS_A_MS: f64 = 1e6;

/// A body that is run many times and measured; `#[performance_test(…)]` in code.
///
/// ```
/// use std::time::Duration;
/// use mmf::testing::{Limits, PerformanceTest};
///
/// let limits = Limits { max_response_time: Some(Duration::from_secs(1)), ..Limits::default() };
/// let report = PerformanceTest::new("a loop").iterations(200).limits(limits).run_blocking(|| async {});
/// assert!(report.passed && report.measured.iterations == 200);
/// ```
#[derive(Clone, Debug)]
pub struct PerformanceTest {
    name: String,
    endpoint: String,
    iterations: u64,
    duration: Option<Duration>,
    warm_up: u64,
    concurrency: usize,
    rate: Option<f64>,
    allow_missed_rate: bool,
    percentile: f64,
    limits: Limits,
    baseline: Option<PathBuf>,
    pid: Option<u32>,
    should_fail: bool,
}

impl PerformanceTest {
    /// A hundred runs, one at a time, after ten to warm up.
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        Self {
            endpoint: name.clone(),
            name,
            iterations: 100,
            duration: None,
            warm_up: 10,
            concurrency: 1,
            rate: None,
            allow_missed_rate: false,
            percentile: 95.0,
            limits: Limits::default(),
            baseline: None,
            pid: None,
            should_fail: false,
        }
    }

    /// What is measured, for the report.
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = endpoint.into();
        self
    }

    /// How often the body runs. Default: 100.
    pub fn iterations(mut self, iterations: u64) -> Self {
        self.iterations = iterations;
        self
    }

    /// For how long it runs, in place of how often.
    pub fn duration(mut self, duration: Duration) -> Self {
        self.duration = Some(duration);
        self
    }

    /// How often it runs before it is measured. Default: 10.
    pub fn warm_up(mut self, runs: u64) -> Self {
        self.warm_up = runs;
        self
    }

    /// How many run at once. Default: 1.
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = concurrency.max(1);
        self
    }

    /// How many start a second, whether earlier ones have ended or not, as far as the concurrency allows. The
    /// time of each counts from when it was to start, so that a stall counts for all that it kept waiting. Where fewer
    /// than nine tenths of it ran, it measured something else than was asked for, and fails.
    pub fn rate(mut self, a_second: f64) -> Self {
        self.rate = Some(a_second);
        self
    }

    /// Whether fewer runs a second than [`rate`](Self::rate) says are no failure, and only told. Default: they are one.
    pub fn allow_missed_rate(mut self, yes: bool) -> Self {
        self.allow_missed_rate = yes;
        self
    }

    /// The percentile of the time that `max_response_time` limits. Default: 95.
    pub fn percentile(mut self, percentile: f64) -> Self {
        self.percentile = percentile;
        self
    }

    /// What must not be exceeded.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Fails where it is slower than the runs in this file, which `cargo mmf baseline accept` writes. See
    /// [`PerformanceBaseline::compare`](super::PerformanceBaseline::compare); with fewer than five runs there nothing is
    /// decided.
    pub fn baseline(mut self, file: impl Into<PathBuf>) -> Self {
        self.baseline = Some(file.into());
        self
    }

    /// The process whose memory and processor are measured: a server that the test has started. Default: this one.
    pub fn pid(mut self, pid: u32) -> Self {
        self.pid = Some(pid);
        self
    }

    /// It is a test of `#[should_panic]`: it is recorded as passed where a limit is exceeded.
    #[must_use]
    pub fn should_fail(mut self) -> Self {
        self.should_fail = true;
        self
    }

    /// Runs it on a runtime of its own, with a worker for each core.
    ///
    /// # Panics
    ///
    /// Where that cannot be made.
    pub fn run_blocking<F, R>(
        self,
        body: impl Fn() -> F + Clone + Send + 'static,
    ) -> PerformanceReport
    where
        F: Future<Output = R> + Send + 'static,
        R: Verdict + 'static,
    {
        crate::testing::run::run(self.run(body))
    }

    /// Runs the body, measures, and records the result.
    pub async fn run<F, R>(self, body: impl Fn() -> F + Clone + Send + 'static) -> PerformanceReport
    where
        F: Future<Output = R> + Send + 'static,
        R: Verdict + 'static,
    {
        let started = Instant::now();
        let mut report = PerformanceReport::begin(&self.name);
        let mut failed_warm_up = None;
        for _ in 0..self.warm_up {
            if let Err(failure) = attempt(&body).await {
                failed_warm_up = Some(failure.to_string());
                break;
            }
        }
        match failed_warm_up.filter(|_| self.limits.max_error_rate.is_none()) {
            Some(failure) => report.fail(&format!("the warm-up failed: {failure}")),
            None => {
                let all = self.measure(&mut report, &body).await;
                self.limits.judge(&mut report, &all, self.percentile);
                self.compare(&mut report, &body).await;
            }
        }
        let taken = started.elapsed().as_secs_f64() * 1000.0;
        let outcome = Outcome::Performance(report.measured.clone());
        let passed = report.passed != self.should_fail;
        report.record = Record::new(&self.name, passed, taken, outcome).because(&report.reasons);
        report.record.write_or_say();
        report
    }

    /// Compares with the baseline. What is too slow has to be so again in fresh runs, every time.
    async fn compare<F, R>(
        &self,
        report: &mut PerformanceReport,
        body: &(impl Fn() -> F + Clone + Send + 'static),
    ) where
        F: Future<Output = R> + Send + 'static,
        R: Verdict + 'static,
    {
        let Some(file) = &self.baseline else { return };
        report.measured.baseline = Some(file.display().to_string());
        let baseline = match PerformanceBaseline::read(file) {
            Ok(baseline) => baseline,
            Err(error) => {
                return report.fail(&format!("the baseline {}: {error}", file.display()));
            }
        };
        let p25_ms = report.measured.p25_ms;
        let run = BaselineRun::here(p25_ms);
        report.measured.machine = Some(run.machine.clone());
        report.measured.calibration_ms = Some(run.calibration_ms);
        let (mut by, limit_ms) = match baseline.compare(&run) {
            Comparison::Slower { by, limit_ms } => (by, limit_ms),
            Comparison::Kept => return,
            Comparison::TooFew => {
                println!("the baseline {} has too few runs to compare with", file.display());
                return;
            }
        };
        for _ in 0..CONFIRMATIONS {
            let mut fresh =
                PerformanceReport { measured: Performance::default(), ..report.clone() };
            self.measure(&mut fresh, body).await;
            match baseline.compare(&BaselineRun::here(fresh.measured.p25_ms)) {
                Comparison::Slower { by: again, .. } => by = by.min(again),
                Comparison::Kept | Comparison::TooFew => return,
            }
        }
        let runs = CONFIRMATIONS + 1;
        report.fail(&format!(
            "slower than its baseline by {:.0} % or more, in {runs} runs out of {runs}: the lower quartile was \
             {p25_ms:.3} ms, the limit of {} is {limit_ms:.3} ms",
            by * 100.0,
            file.display()
        ));
    }

    async fn measure<F, R>(
        &self,
        report: &mut PerformanceReport,
        body: &(impl Fn() -> F + Clone + Send + 'static),
    ) -> Worked
    where
        F: Future<Output = R> + Send + 'static,
        R: Verdict + 'static,
    {
        let usage = Usage::start(self.pid);
        let start = Instant::now();
        let plan = Arc::new(Plan::new(self.iterations, self.duration, self.rate));
        let mut workers = JoinSet::new();
        for _ in 0..self.concurrency {
            workers.spawn(work(Arc::clone(&plan), body.clone()));
        }
        let mut all = Worked::new();
        while let Some(worked) = workers.join_next().await {
            match worked {
                Ok(worked) => all.add(worked),
                Err(error) => report.fail(&format!("a worker was lost: {error}")),
            }
        }
        let elapsed = start.elapsed().as_secs_f64();
        if let Some(rate) = self.rate {
            let started = all.times.len() as f64 / elapsed;
            if started < HELD * rate {
                let missed = format!(
                    "the rate of {rate} a second was not held, {started:.1} ran; concurrency allows {} at once",
                    self.concurrency
                );
                match self.allow_missed_rate {
                    true => println!("{}: {missed}", self.name),
                    false => report.fail(&missed),
                }
            }
        }
        let cpu = usage.cpu();
        if let (Some(pid), None) = (self.pid, cpu) {
            report.fail(&format!("the process {pid} is not there, and was to be measured"));
        }
        report.measured = Performance {
            peak_memory_bytes: usage.peak_memory(),
            cpu_percent: cpu.unwrap_or_default(),
            ..self.measured(&all, elapsed)
        };
        all
    }

    fn measured(&self, all: &Worked, elapsed: f64) -> Performance {
        let at = |percentile| all.times.value_at_percentile(percentile) as f64 / NANOS_A_MS;
        Performance {
            endpoint: self.endpoint.clone(),
            iterations: all.times.len(),
            errors: all.errors,
            concurrency: self.concurrency as u64,
            rate: self.rate,
            mean_ms: all.times.mean() / NANOS_A_MS,
            p25_ms: at(25.0),
            p50_ms: at(50.0),
            p90_ms: at(90.0),
            p95_ms: at(95.0),
            p99_ms: at(99.0),
            max_ms: all.times.max() as f64 / NANOS_A_MS,
            throughput: all.times.len() as f64 / elapsed.max(1e-9),
            limits: self.limits.by_key(),
            ..Performance::default()
        }
    }
}
