//! A body that is run many times and measured.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::baseline::{Baseline, BaselineRun, CONFIRMATIONS, Comparison};
use super::body::{Verdict, attempt};
use super::results::{Outcome, Performance, Record};
use super::usage::Usage;

/// What must not be exceeded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    /// Of the time, at the percentile.
    pub max_response_time: Option<Duration>,
    /// Of resident memory above the start, in bytes.
    pub max_memory: Option<u64>,
    /// Of the processor, in per cent of one.
    pub max_cpu: Option<f64>,
    /// How many end a second, at the least.
    pub min_throughput: Option<f64>,
    /// The share of failures. Without, none is allowed.
    pub max_error_rate: Option<f64>,
}

/// A body that is run many times and measured; `#[performance_test(…)]` in code.
///
/// ```
/// use std::time::Duration;
/// use mmf_runtime::testing::{Limits, PerformanceTest};
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
    percentile: f64,
    limits: Limits,
    baseline: Option<PathBuf>,
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
            percentile: 95.0,
            limits: Limits::default(),
            baseline: None,
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
    /// time of each counts from when it was to start, so that a stall counts for all that it kept waiting.
    pub fn rate(mut self, a_second: f64) -> Self {
        self.rate = Some(a_second);
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
    /// [`Baseline::compare`](super::Baseline::compare); with fewer than five runs there nothing is decided.
    pub fn baseline(mut self, file: impl Into<PathBuf>) -> Self {
        self.baseline = Some(file.into());
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
        super::run(self.run(body))
    }

    /// Runs the body, measures, and records the result.
    pub async fn run<F, R>(self, body: impl Fn() -> F + Clone + Send + 'static) -> PerformanceReport
    where
        F: Future<Output = R> + Send + 'static,
        R: Verdict + 'static,
    {
        Record::start(&self.name);
        let started = Instant::now();
        let mut report = PerformanceReport {
            name: self.name.clone(),
            passed: true,
            reasons: Vec::new(),
            measured: Performance::default(),
        };
        let mut failed_warm_up = None;
        for _ in 0..self.warm_up {
            if let Err(failure) = attempt(&body).await {
                failed_warm_up = Some(failure.to_string());
                break;
            }
        }
        match failed_warm_up.filter(|_| self.limits.max_error_rate.is_none()) {
            Some(failure) => report.fail(format!("the warm-up failed: {failure}")),
            None => {
                let all = self.measure(&mut report, &body).await;
                self.judge(&mut report, &all);
                self.compare(&mut report, &body).await;
            }
        }
        let taken = started.elapsed().as_secs_f64() * 1000.0;
        let outcome = Outcome::Performance(report.measured.clone());
        let passed = report.passed != self.should_fail;
        let mut record = Record::new(&self.name, passed, taken, outcome);
        record.reasons.clone_from(&report.reasons);
        record.write_or_say();
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
        let baseline = match Baseline::read(file) {
            Ok(baseline) => baseline,
            Err(error) => {
                return report.fail(format!("the baseline {}: {error}", file.display()));
            }
        };
        let mut by = match baseline.compare(&BaselineRun::here(report.measured.p25_ms)) {
            Comparison::Slower { by } => by,
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
                Comparison::Slower { by: again } => by = by.min(again),
                Comparison::Kept | Comparison::TooFew => return,
            }
        }
        let runs = CONFIRMATIONS + 1;
        report.fail(format!(
            "slower than its baseline by {:.0} % or more, in {runs} runs out of {runs}",
            by * 100.0
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
        let usage = Usage::start();
        let start = Instant::now();
        let plan = Arc::new(Plan {
            next: AtomicU64::new(0),
            start,
            iterations: if self.duration.is_some() { u64::MAX } else { self.iterations },
            until: self.duration.map(|duration| start + duration),
            rate: self.rate,
        });
        let mut workers = JoinSet::new();
        for _ in 0..self.concurrency {
            workers.spawn(work(Arc::clone(&plan), body.clone()));
        }
        let mut all = Worked::new();
        while let Some(worked) = workers.join_next().await {
            match worked {
                Ok(worked) => all.add(worked),
                Err(error) => report.fail(format!("a worker was lost: {error}")),
            }
        }
        let elapsed = start.elapsed().as_secs_f64();
        report.measured = self.measured(&all, elapsed, &usage);
        all
    }

    fn measured(&self, all: &Worked, elapsed: f64, usage: &Usage) -> Performance {
        let at = |percentile| all.times.value_at_percentile(percentile) as f64 / 1000.0;
        let limits = &self.limits;
        let limits = [
            (
                "max_response_time_ms",
                limits.max_response_time.map(|time| time.as_secs_f64() * 1000.0),
            ),
            ("max_memory_bytes", limits.max_memory.map(|bytes| bytes as f64)),
            ("max_cpu_percent", limits.max_cpu),
            ("min_throughput", limits.min_throughput),
            ("max_error_rate", limits.max_error_rate),
        ];
        let limits: BTreeMap<_, _> = limits
            .into_iter()
            .filter_map(|(name, limit)| Some((name.to_owned(), limit?)))
            .collect();
        Performance {
            endpoint: self.endpoint.clone(),
            iterations: all.times.len(),
            errors: all.errors,
            concurrency: self.concurrency as u64,
            rate: self.rate,
            mean_ms: all.times.mean() / 1000.0,
            p25_ms: at(25.0),
            baseline: None,
            p50_ms: at(50.0),
            p90_ms: at(90.0),
            p95_ms: at(95.0),
            p99_ms: at(99.0),
            max_ms: all.times.max() as f64 / 1000.0,
            throughput: all.times.len() as f64 / elapsed.max(1e-9),
            peak_memory_bytes: usage.peak_memory(),
            cpu_percent: usage.cpu(),
            limits,
        }
    }

    fn judge(&self, report: &mut PerformanceReport, all: &Worked) {
        let (measured, limits) = (report.measured.clone(), &self.limits);
        let rate = measured.errors as f64 / measured.iterations.max(1) as f64;
        if rate > limits.max_error_rate.unwrap_or(0.0) {
            let first = all.first_error.as_deref().unwrap_or_default();
            report.fail(format!(
                "{} of {} runs failed; the first: {first}",
                measured.errors, measured.iterations
            ));
        }
        if let Some(limit) = limits.max_response_time {
            let micros = all.times.value_at_percentile(self.percentile);
            if Duration::from_micros(micros) > limit {
                report.fail(format!(
                    "the {}th percentile took {:.1} ms, at most {limit:?} was allowed",
                    self.percentile,
                    micros as f64 / 1000.0
                ));
            }
        }
        if let Some(limit) = limits.max_memory {
            match measured.peak_memory_bytes {
                Some(peak) if peak > limit => report.fail(format!(
                    "memory rose by {:.1} MiB, at most {:.1} was allowed",
                    peak as f64 / 1_048_576.0,
                    limit as f64 / 1_048_576.0
                )),
                Some(_) => {}
                None => {
                    report.fail("memory cannot be measured on this system, and is limited".into());
                }
            }
        }
        if let Some(limit) = limits.max_cpu.filter(|limit| measured.cpu_percent > *limit) {
            report.fail(format!(
                "the processor was busy for {:.0} %, at most {limit} was allowed",
                measured.cpu_percent
            ));
        }
        if let Some(limit) = limits.min_throughput.filter(|limit| measured.throughput < *limit) {
            report.fail(format!(
                "{:.1} runs a second, at least {limit} were expected",
                measured.throughput
            ));
        }
    }
}

/// Which run is next, and when.
struct Plan {
    next: AtomicU64,
    start: Instant,
    iterations: u64,
    until: Option<Instant>,
    rate: Option<f64>,
}

impl Plan {
    /// When the next run is to start; nothing where there is none.
    fn take(&self) -> Option<Instant> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let due = match self.rate {
            Some(rate) => self.start + Duration::from_secs_f64(number as f64 / rate),
            None => Instant::now(),
        };
        (number < self.iterations && self.until.is_none_or(|until| due < until)).then_some(due)
    }
}

/// What a worker has measured, in microseconds.
struct Worked {
    times: Histogram<u64>,
    errors: u64,
    first_error: Option<String>,
}

impl Worked {
    fn new() -> Self {
        // Up to an hour, by three digits; what takes longer counts as one.
        let times =
            Histogram::new_with_bounds(1, 3_600_000_000, 3).expect("these bounds are allowed");
        Self { times, errors: 0, first_error: None }
    }

    fn add(&mut self, other: Self) {
        self.times += other.times;
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
    }
}

async fn work<F, R>(plan: Arc<Plan>, body: impl Fn() -> F + Clone) -> Worked
where
    F: Future<Output = R>,
    R: Verdict,
{
    let mut worked = Worked::new();
    while let Some(due) = plan.take() {
        if plan.rate.is_some() {
            tokio::time::sleep_until(due).await;
        }
        let outcome = attempt(body.clone()).await;
        let micros = u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX);
        worked.times.saturating_record(micros.max(1));
        if let Err(failure) = outcome {
            worked.errors += 1;
            worked.first_error.get_or_insert_with(|| failure.to_string());
        }
    }
    worked
}

/// How a measurement went.
#[derive(Clone, Debug)]
pub struct PerformanceReport {
    /// Its name.
    pub name: String,
    /// Whether it kept within its limits.
    pub passed: bool,
    /// Why it did not.
    pub reasons: Vec<String>,
    /// What was measured.
    pub measured: Performance,
}

impl PerformanceReport {
    fn fail(&mut self, reason: String) {
        self.passed = false;
        self.reasons.push(reason);
    }

    /// Prints it, and fails the test where a limit was exceeded.
    ///
    /// # Panics
    ///
    /// Where one was.
    pub fn assert_passed(&self) {
        println!("{self}");
        assert!(self.passed, "{} failed: {}", self.name, self.reasons.join("; "));
    }
}

impl fmt::Display for PerformanceReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Performance { iterations, errors, p50_ms, p90_ms, p99_ms, max_ms, throughput, .. } =
            &self.measured;
        let verdict = if self.passed { "passed" } else { "FAILED" };
        writeln!(f, "{}: {verdict}", self.name)?;
        writeln!(
            f,
            "  {iterations} runs, {errors} failed, {throughput:.1} a second; p50 {p50_ms:.2} ms, p90 \
             {p90_ms:.2}, p99 {p99_ms:.2}, max {max_ms:.2}"
        )?;
        let memory = self.measured.peak_memory_bytes.map(|bytes| bytes as f64 / 1_048_576.0);
        if let Some(memory) = memory {
            writeln!(f, "  memory +{memory:.1} MiB, processor {:.0} %", self.measured.cpu_percent)?;
        }
        for reason in &self.reasons {
            writeln!(f, "  - {reason}")?;
        }
        Ok(())
    }
}
