//! A test that becomes an experiment: the steady state first, then scenarios of faults.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use mmf_runtime::chaos::{ChaosConfig, ChaosKind, Fault, glob, points, scope, seed, why_unable};
use mmf_runtime::resilience;

use super::report::ChaosReport;
use super::scenario::{Expectation, Scenario};
use crate::testing::body::{Failure, Verdict, attempt};
use crate::testing::results::{Chaos, ChaosCase, Outcome, Record};

/// An experiment in code; `#[chaos(…)]` on a test is the same.
///
/// ```
/// use mmf::chaos::{ResilienceTestSuite, Scenario};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(async {
/// let report = ResilienceTestSuite::new("users survive the network")
///     .target("users.*")
///     .seed(42)
///     .scenario(Scenario::named("network").unwrap())
///     .run(|| async { Ok::<_, std::io::Error>(()) })
///     .await;
/// // There is no point `users.*` in this program, and so nothing was proved.
/// assert!(!report.passed);
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct ResilienceTestSuite {
    name: String,
    target: String,
    seed: Option<u64>,
    calls: u32,
    scenarios: Vec<Scenario>,
    expectation: Expectation,
    allow_no_injection: bool,
    max_share: f64,
}

impl ResilienceTestSuite {
    /// Of twenty calls a case, at every point, all of which are to succeed.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            target: "*".into(),
            seed: None,
            calls: 20,
            scenarios: Vec::new(),
            expectation: Expectation::default(),
            allow_no_injection: false,
            max_share: 1.0,
        }
    }

    /// A glob over the names of points. Default: all.
    pub fn target(mut self, glob: impl Into<String>) -> Self {
        self.target = glob.into();
        self
    }

    /// What repeats it. Default: a new one, which a failure prints.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// How often the body runs in each case. Default: 20.
    pub fn calls(mut self, calls: u32) -> Self {
        self.calls = calls;
        self
    }

    /// One more scenario.
    pub fn scenario(mut self, scenario: Scenario) -> Self {
        self.scenarios.push(scenario);
        self
    }

    /// What is expected.
    pub fn expect(mut self, expectation: Expectation) -> Self {
        self.expectation = expectation;
        self
    }

    /// Passes also where nothing was injected.
    pub fn allow_no_injection(mut self) -> Self {
        self.allow_no_injection = true;
        self
    }

    /// At most this share of a point's calls is struck. Default: any.
    pub fn blast_radius(mut self, max_share: f64) -> Self {
        self.max_share = max_share;
        self
    }

    /// Runs the body: once without faults, then in every case.
    pub async fn run<F, R>(self, mut body: impl FnMut() -> F) -> ChaosReport
    where
        F: Future<Output = R>,
        R: Verdict,
    {
        let seed = seed(self.seed);
        // Of the wall: the time of tokio may be paused.
        let started = std::time::Instant::now();
        let mut report = ChaosReport {
            name: self.name.clone(),
            seed,
            passed: true,
            reasons: Vec::new(),
            cases: Vec::new(),
            record: Record::start(&self.name, "chaos"),
        };
        let points = points();
        if !points.iter().any(|point| glob::matches(&self.target, point.name)) {
            let known: Vec<_> = points.iter().map(|point| point.name).collect();
            report.fail(format!(
                "no injection point matches {:?}; there are: {}",
                self.target,
                if known.is_empty() { "none".into() } else { known.join(", ") }
            ));
        } else if let Err(error) = without_faults(&mut body).await {
            report.fail(format!("the steady state does not hold, without any fault: {error}"));
        } else {
            for scenario in &self.scenarios {
                for (name, faults) in &scenario.cases {
                    self.case(&mut report, seed, name, faults, &mut body).await;
                }
            }
            let injected = report.cases.iter().any(|case| !case.injections.is_empty());
            if !injected && !self.allow_no_injection {
                report.fail(
                    "nothing was injected, which proves nothing: more calls, a higher probability, or \
                     allow_no_injection"
                        .into(),
                );
            }
        }
        report.record = self.recorded(&report, started.elapsed());
        report.record.write_or_say();
        report
    }

    /// The same for a body that is not `async`, on a runtime of its own.
    ///
    /// # Panics
    ///
    /// Where that cannot be made.
    pub fn run_blocking<R: Verdict>(self, mut body: impl FnMut() -> R) -> ChaosReport {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap_or_else(|error| panic!("no runtime for the experiment: {error}"));
        runtime.block_on(self.run(|| std::future::ready(body())))
    }

    async fn case<F, R>(
        &self,
        report: &mut ChaosReport,
        seed: u64,
        name: &str,
        faults: &[Fault],
        body: &mut impl FnMut() -> F,
    ) where
        F: Future<Output = R>,
        R: Verdict,
    {
        let faults = faults.iter().cloned().map(Fault::staying_armed);
        let config = faults
            .fold(ChaosConfig::new(), ChaosConfig::fault)
            .target(&self.target)
            .blast_radius(self.max_share, u64::MAX);
        if let Err(error) = config.check() {
            report.fail(format!("{name}: {error}"));
            return;
        }
        let before = counters(&self.target);
        let mut case = ChaosCase { name: name.into(), ..ChaosCase::default() };
        let mut times = Vec::new();
        let mut failures: Vec<String> = Vec::new();
        let calls = async {
            for _ in 0..self.calls {
                let start = Instant::now();
                let outcome = attempt(&mut *body).await;
                times.push(start.elapsed());
                match outcome {
                    Ok(()) => case.successes += 1,
                    Err(failure) => {
                        case.panics += u64::from(failure.panicked);
                        failures.push(failure.to_string());
                    }
                }
            }
        };
        let ((), injector) = scope(config).seed(seed).quiet().run_reported(calls).await;
        case.calls = self.calls.into();
        times.sort();
        let p99 = percentile(&times, 0.99);
        case.p99_ms = p99.as_secs_f64() * 1000.0;
        case.injections = by_point(&injector.counts());
        case.unable = by_point(&injector.unable());
        case.policies = difference(&before, &counters(&self.target));
        let expected = &self.expectation;
        if let Some(limit) = expected.recovers_within {
            match recovery(body, limit).await {
                Ok(taken) => case.recovery_ms = Some(taken.as_secs_f64() * 1000.0),
                Err(error) => {
                    report.fail(format!(
                        "{name}: not recovered within {limit:?} of the faults: {error}"
                    ));
                }
            }
        }
        let rate = case.successes as f64 / f64::from(self.calls.max(1));
        if rate < expected.success_rate {
            let first =
                failures.first().map(|first| format!("; the first: {first}")).unwrap_or_default();
            report.fail(format!(
                "{name}: {} of {} calls succeeded, expected a share of {}{first}",
                case.successes, case.calls, expected.success_rate
            ));
        }
        if expected.no_panics && case.panics > 0 {
            report.fail(format!("{name}: {} calls panicked", case.panics));
        }
        if let Some(limit) = expected.p99.filter(|limit| p99 > *limit) {
            report.fail(format!(
                "{name}: the 99th percentile was {p99:?}, expected at most {limit:?}"
            ));
        }
        for (point, kinds) in &case.unable {
            for (kind, count) in kinds {
                report.fail(format!(
                    "{name}: {kind} was due {count} times at {point}: {}",
                    why_unable(kind)
                ));
            }
        }
        report.cases.push(case);
    }

    fn recorded(&self, report: &ChaosReport, taken: Duration) -> Record {
        let scenarios: Vec<_> =
            self.scenarios.iter().map(|scenario| scenario.name.as_str()).collect();
        let chaos = Chaos {
            scenario: scenarios.join(", "),
            target: self.target.clone(),
            seed: report.seed,
            cases: report.cases.clone(),
            points: points().iter().map(|point| point.name.to_owned()).collect(),
        };
        let taken = taken.as_secs_f64() * 1000.0;
        Record::new(&self.name, report.passed, taken, Outcome::Chaos(chaos))
            .because(&report.reasons)
    }
}

/// Runs the body in a scope without any fault, which keeps those of the process away.
async fn without_faults<F, R>(body: &mut impl FnMut() -> F) -> Result<(), Failure>
where
    F: Future<Output = R>,
    R: Verdict,
{
    scope(ChaosConfig::new()).seed(0).quiet().run(attempt(&mut *body)).await
}

/// How long it takes until the body succeeds, tried again every 100 ms.
async fn recovery<F, R>(body: &mut impl FnMut() -> F, limit: Duration) -> Result<Duration, Failure>
where
    F: Future<Output = R>,
    R: Verdict,
{
    let start = Instant::now();
    loop {
        match without_faults(body).await {
            Ok(()) => return Ok(start.elapsed()),
            Err(failure) if start.elapsed() >= limit => return Err(failure),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// The value at a share of sorted ones, by the nearest rank.
fn percentile(sorted: &[Duration], share: f64) -> Duration {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

type Counts = BTreeMap<String, BTreeMap<String, u64>>;

fn by_point(counts: &BTreeMap<(&'static str, ChaosKind), u64>) -> Counts {
    let mut points = Counts::new();
    for ((point, kind), count) in counts {
        points.entry((*point).into()).or_default().insert(kind.name().into(), *count);
    }
    points
}

/// What the policies of the target have counted.
fn counters(target: &str) -> Counts {
    let policies = resilience::try_policies().into_iter().flatten();
    policies
        .filter(|policy| glob::matches(target, policy.name()))
        .map(|policy| {
            let seen = policy.snapshot();
            let refused = seen.breaker.as_ref().map_or(0, |breaker| breaker.refused);
            let full = seen.bulkhead.as_ref().map_or(0, |bulkhead| bulkhead.refused);
            let counts = [
                ("calls", seen.calls),
                ("failures", seen.failures),
                ("attempts", seen.attempts),
                ("retries", seen.retries),
                ("timeouts", seen.timeouts),
                ("refused by the breaker", refused),
                ("refused by the bulkhead", full),
                ("fallbacks", seen.fallbacks),
                ("hedges", seen.hedges),
            ];
            let counts = counts.map(|(name, count)| (name.to_owned(), count));
            (policy.name().to_owned(), counts.into_iter().collect())
        })
        .collect()
}

fn difference(before: &Counts, after: &Counts) -> Counts {
    let mut grown = Counts::new();
    for (policy, counts) in after {
        for (name, count) in counts {
            let old = before.get(policy).and_then(|counts| counts.get(name)).unwrap_or(&0);
            if count > old {
                grown.entry(policy.clone()).or_default().insert(name.clone(), count - old);
            }
        }
    }
    grown
}
