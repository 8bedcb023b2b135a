//! Scenarios of faults, and what is expected of the calls meanwhile.

use std::time::Duration;

use mmf_runtime::chaos::{ChaosKind, Fault};

/// Faults that belong together, case by case.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub(super) name: String,
    pub(super) cases: Vec<(String, Vec<Fault>)>,
}

impl Scenario {
    /// A scenario of your own, without a case.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), cases: Vec::new() }
    }

    /// One more case: these faults at once.
    pub fn case(
        mut self,
        name: impl Into<String>,
        faults: impl IntoIterator<Item = Fault>,
    ) -> Self {
        self.cases.push((name.into(), faults.into_iter().collect()));
        self
    }

    /// A ready one: `network`, `latency` and `errors` with three cases each, `resources` with two, `all` with
    /// every one of them.
    pub fn named(name: &str) -> Option<Self> {
        use ChaosKind::{
            CpuSpike, HighLatency, IntermittentFailures, MemoryPressure, NetworkDelay,
            NetworkFailure, RandomErrors, ServiceUnavailable,
        };
        let ms = Duration::from_millis;
        let fault = Fault::new;
        Some(match name {
            "network" => Self::new(name)
                .case("network_delay", [fault(NetworkDelay).delay(ms(50), ms(500))])
                .case("network_failure", [fault(NetworkFailure).probability(0.2)])
                .case(
                    "network_delay and network_failure",
                    [
                        fault(NetworkDelay).delay(ms(50), ms(500)),
                        fault(NetworkFailure).probability(0.1),
                    ],
                ),
            "latency" => Self::new(name)
                .case("high_latency at 0.05", [fault(HighLatency).intensity(0.05)])
                .case("high_latency at 0.2", [fault(HighLatency).intensity(0.2)])
                .case(
                    "high_latency at 0.5, rarely",
                    [fault(HighLatency).intensity(0.5).probability(0.1)],
                ),
            "errors" => Self::new(name)
                .case("random_errors", [fault(RandomErrors).probability(0.2)])
                .case("service_unavailable", [fault(ServiceUnavailable).probability(0.2)])
                .case(
                    "intermittent_failures",
                    [fault(IntermittentFailures).probability(0.2).mean_burst(2.0)],
                ),
            "resources" => Self::new(name)
                .case("memory_pressure", [fault(MemoryPressure).probability(1.0).size(64 << 20)])
                .case("cpu_spike", [fault(CpuSpike).probability(1.0).intensity(0.5)]),
            "all" => ["network", "latency", "errors", "resources"]
                .into_iter()
                .filter_map(Self::named)
                .fold(Self::new(name), |all, part| Self {
                    cases: all.cases.into_iter().chain(part.cases).collect(),
                    ..all
                }),
            _ => return None,
        })
    }
}

/// What is expected of the calls of each case.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    /// The least share of calls that succeed. Default: all.
    pub success_rate: f64,
    /// The 99th percentile of a call's time. Default: any.
    pub p99: Option<Duration>,
    /// Whether a panic fails the experiment even where the success rate allows one. Default: no.
    pub no_panics: bool,
    /// How soon after the faults a call succeeds again. Default: not looked at.
    pub recovers_within: Option<Duration>,
}

impl Default for Expectation {
    fn default() -> Self {
        Self { success_rate: 1.0, p99: None, no_panics: false, recovers_within: None }
    }
}
