//! The limits, as code and `mmf.toml` give them.

use std::fmt;
use std::time::Duration;

use serde::de::Visitor;

/// The limits, with the defaults of the framework that this one follows.
///
/// ```
/// use mmf::testing::QualityGates;
///
/// let gates = QualityGates { min_success_rate: 1.0, ..QualityGates::default() };
/// assert_eq!(gates.min_performance_tests, 1);
/// ```
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QualityGates {
    /// The share of tests that pass. Default: 0.95.
    pub min_success_rate: f64,
    /// How long a test takes on average. Default: 10 s. Written with a unit.
    #[serde(deserialize_with = "duration")]
    pub max_average_duration: Duration,
    /// The share of tests that are experiments. Default: 0.2.
    pub min_chaos_coverage: f64,
    /// How many performance tests there are. Default: 1.
    pub min_performance_tests: usize,
    /// The share of injection points that an experiment struck. Default: not looked at.
    pub min_injection_point_coverage: Option<f64>,
    /// The 99th percentile of every performance test. Default: not looked at. Written with a unit.
    #[serde(deserialize_with = "some_duration")]
    pub max_p99: Option<Duration>,
    /// How many contracts may be broken. Default: none.
    pub max_failed_contracts: usize,
    /// How many tests may begin and never end, because they were killed or their program broke off. Default: none.
    pub max_unended: usize,
    /// How many tests may pass only when they are tried again. Default: not looked at; nextest tells of it.
    pub max_flaky: Option<usize>,
    /// How many tests may have results of an earlier run only. Default: none.
    pub max_stale: usize,
    /// How many Pact files may lie beside those that tests name, and be named by none. Default: none.
    pub max_uncovered_pacts: usize,
    /// The gates, by their keys, that hold where there is nothing to look at. Default: `max_failed_contracts` alone, which
    /// nobody has to ask for; where `mmf.toml` or an option sets that, it does not.
    pub allow_no_data: Vec<String>,
    /// For contracts alone.
    pub contract: KindGates,
    /// For measurements alone.
    pub performance: KindGates,
    /// For experiments alone.
    pub chaos: KindGates,
    /// For plain tests alone.
    pub test: KindGates,
}

/// The gate that holds without a word where there are no contracts.
const CONTRACTS: &str = "max_failed_contracts";

/// The gates over all tests.
const GATES: [&str; 11] = [
    "min_success_rate",
    "max_average_duration",
    "min_chaos_coverage",
    "min_performance_tests",
    "min_injection_point_coverage",
    "max_p99",
    "max_failed_contracts",
    "max_unended",
    "max_flaky",
    "max_stale",
    "max_uncovered_pacts",
];
/// Those over the tests of one kind.
const KIND_GATES: [&str; 3] = ["min_success_rate", "max_average_duration", "min_tests"];

/// What has to hold of the tests of one kind, beside what has to hold of all.
#[derive(Clone, Debug, Default, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KindGates {
    /// The share of them that pass.
    pub min_success_rate: Option<f64>,
    /// How long one takes on average. Written with a unit.
    #[serde(deserialize_with = "some_duration")]
    pub max_average_duration: Option<Duration>,
    /// How many there are.
    pub min_tests: Option<usize>,
}

impl Default for QualityGates {
    fn default() -> Self {
        Self {
            min_success_rate: 0.95,
            max_average_duration: Duration::from_secs(10),
            min_chaos_coverage: 0.2,
            min_performance_tests: 1,
            min_injection_point_coverage: None,
            max_p99: None,
            max_failed_contracts: 0,
            max_unended: 0,
            max_flaky: None,
            max_stale: 0,
            max_uncovered_pacts: 0,
            allow_no_data: vec![CONTRACTS.into()],
            contract: KindGates::default(),
            performance: KindGates::default(),
            chaos: KindGates::default(),
            test: KindGates::default(),
        }
    }
}

fn duration<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    struct Text;

    impl Visitor<'_> for Text {
        type Value = Duration;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a duration with its unit, such as \"250ms\" or \"10s\"")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Duration, E> {
            mmf_rules::duration::parse(text).map_err(E::custom)
        }
    }

    deserializer.deserialize_str(Text)
}

fn some_duration<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    duration(deserializer).map(Some)
}

impl QualityGates {
    /// The kinds of tests that have limits of their own, by the name of their table.
    pub(super) fn kinds(&self) -> [(&'static str, &KindGates); 4] {
        [
            ("contract", &self.contract),
            ("performance", &self.performance),
            ("chaos", &self.chaos),
            ("test", &self.test),
        ]
    }

    /// Looks for limits that nothing could reach, and for gates that are none.
    ///
    /// # Errors
    ///
    /// Which one is none.
    pub fn check(&self) -> Result<(), String> {
        for allowed in &self.allow_no_data {
            let (kind, gate) = allowed.split_once('.').unwrap_or(("", allowed));
            let known: &[&str] = match kind {
                "" => &GATES,
                kind if self.kinds().iter().any(|(known, _)| *known == kind) => &KIND_GATES,
                _ => &[],
            };
            if !known.contains(&gate) {
                let known = GATES.join(", ");
                return Err(format!(
                    "allow_no_data: {allowed:?} is no gate; there are {known}, and those of one kind"
                ));
            }
        }
        let own = [
            ("min_success_rate", Some(self.min_success_rate)),
            ("min_chaos_coverage", Some(self.min_chaos_coverage)),
            ("min_injection_point_coverage", self.min_injection_point_coverage),
        ];
        let own = own.map(|(gate, share)| (gate.to_owned(), share));
        let of_kinds = self
            .kinds()
            .map(|(kind, gates)| (format!("{kind}.min_success_rate"), gates.min_success_rate));
        for (gate, share) in own.into_iter().chain(of_kinds) {
            if let Some(share) = share.filter(|share| !(0.0..=1.0).contains(share)) {
                return Err(format!("{gate} lies between 0 and 1, and is {share}"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_the_units_of_the_attributes() {
        let read = |text: &str| {
            let limits = serde_json::json!({ "max_average_duration": text, "max_p99": text });
            serde_json::from_value::<QualityGates>(limits)
        };
        for (text, duration) in [
            ("1d", Duration::from_secs(86_400)),
            ("5µs", Duration::from_micros(5)),
            ("7ns", Duration::from_nanos(7)),
            ("1m30s", Duration::from_secs(90)),
        ] {
            let gates = read(text).unwrap();
            assert_eq!((gates.max_average_duration, gates.max_p99), (duration, Some(duration)));
        }
        let why = read("10").unwrap_err().to_string();
        assert!(why.contains("`10` has no unit, write `\"10s\"`"), "{why}");
    }

    #[test]
    fn a_share_lies_between_nothing_and_all() {
        assert_eq!(QualityGates::default().check(), Ok(()));
        let wrong = QualityGates { min_success_rate: 95.0, ..QualityGates::default() };
        assert_eq!(wrong.check().unwrap_err(), "min_success_rate lies between 0 and 1, and is 95");
        let contract = KindGates { min_success_rate: Some(-1.0), ..KindGates::default() };
        let wrong = QualityGates { contract, ..QualityGates::default() };
        assert!(wrong.check().unwrap_err().starts_with("contract.min_success_rate lies"));
        let allowing = |gate: &str| {
            QualityGates { allow_no_data: vec![gate.into()], ..QualityGates::default() }.check()
        };
        assert_eq!(allowing("max_p99"), Ok(()));
        assert_eq!(allowing("chaos.min_tests"), Ok(()));
        for wrong in ["max_p9", "chaos.max_p99", "chos.min_tests", ""] {
            assert!(allowing(wrong).unwrap_err().contains("is no gate"), "{wrong}");
        }
    }
}
