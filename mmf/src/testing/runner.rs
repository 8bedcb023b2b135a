//! Tests in code: for programs that run them by themselves, without a test harness.

use std::pin::Pin;

use super::body::Verdict;
use super::contract::{ContractResponse, ContractTest};
use super::gates::QualityGates;
use super::performance::PerformanceTest;
use super::report::{QualityReport, Sums};
use super::results::{Record, Results};

type Job = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = Record>>>>;

/// Runs contracts, experiments and measurements, and judges them by gates.
///
/// ```
/// use mmf::testing::{PerformanceTest, QualityGates, TestRunner};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let gates = QualityGates { min_chaos_coverage: 0.0, ..QualityGates::default() };
/// let mut runner = TestRunner::new()
///     .gates(gates)
///     .performance(PerformanceTest::new("nothing").iterations(10), || async {});
/// runner.run_contract_tests().await;
/// runner.run_chaos_tests().await;
/// runner.run_performance_tests().await;
/// assert_eq!(runner.summary().passed, 1);
/// assert!(runner.quality_report().all_gates_passed);
/// # });
/// ```
#[derive(Default)]
#[doc(alias = "EnhancedTestRunner")]
pub struct TestRunner {
    gates: QualityGates,
    contracts: Vec<Job>,
    experiments: Vec<Job>,
    measurements: Vec<Job>,
    results: Results,
}

impl TestRunner {
    /// Without any test, and with the gates' defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// What has to hold.
    pub fn gates(mut self, gates: QualityGates) -> Self {
        self.gates = gates;
        self
    }

    /// One more contract, and what its answer has to be beside.
    pub fn contract<F, R>(
        mut self,
        test: ContractTest,
        body: impl FnOnce(ContractResponse) -> F + 'static,
    ) -> Self
    where
        F: Future<Output = R> + 'static,
        R: Verdict + 'static,
    {
        self.contracts.push(Box::new(move || Box::pin(async move { test.run(body).await.record })));
        self
    }

    /// One more measurement.
    pub fn performance<F, R>(
        mut self,
        test: PerformanceTest,
        body: impl Fn() -> F + Clone + Send + 'static,
    ) -> Self
    where
        F: Future<Output = R> + Send + 'static,
        R: Verdict + 'static,
    {
        self.measurements
            .push(Box::new(move || Box::pin(async move { test.run(body).await.record })));
        self
    }

    /// One more experiment.
    #[cfg(feature = "chaos")]
    pub fn chaos<F, R>(
        mut self,
        test: crate::chaos::ResilienceTestSuite,
        body: impl FnMut() -> F + 'static,
    ) -> Self
    where
        F: Future<Output = R> + 'static,
        R: Verdict + 'static,
    {
        self.experiments
            .push(Box::new(move || Box::pin(async move { test.run(body).await.record })));
        self
    }

    /// Runs the contracts that have not run yet, one after the other; their records.
    pub async fn run_contract_tests(&mut self) -> Vec<Record> {
        let jobs = std::mem::take(&mut self.contracts);
        self.run(jobs).await
    }

    /// Runs the experiments that have not run yet, one after the other; their records. Without the feature
    /// `chaos` there are none.
    pub async fn run_chaos_tests(&mut self) -> Vec<Record> {
        let jobs = std::mem::take(&mut self.experiments);
        self.run(jobs).await
    }

    /// Runs the measurements that have not run yet, one after the other; their records.
    pub async fn run_performance_tests(&mut self) -> Vec<Record> {
        let jobs = std::mem::take(&mut self.measurements);
        self.run(jobs).await
    }

    /// How many there were, and how many passed.
    pub fn summary(&self) -> Sums {
        self.quality_report().sums
    }

    /// What the gates say of all that has run.
    pub fn quality_report(&self) -> QualityReport {
        self.gates.judge(&self.results)
    }

    async fn run(&mut self, jobs: Vec<Job>) -> Vec<Record> {
        let mut records = Vec::new();
        for job in jobs {
            let mut record = job().await;
            let (name, mut number) = (record.test.clone(), 1);
            while self.results.records.contains_key(&record.test) {
                number += 1;
                record.test = format!("{name} ({number})");
            }
            self.results.records.insert(record.test.clone(), record.clone());
            records.push(record);
        }
        records
    }
}

impl std::fmt::Debug for TestRunner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let left = self.contracts.len() + self.experiments.len() + self.measurements.len();
        f.debug_struct("TestRunner")
            .field("gates", &self.gates)
            .field("not run yet", &left)
            .field("results", &self.results)
            .finish()
    }
}
