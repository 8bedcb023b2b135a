//! What is measured: values that the service names itself, operations, and the counters of policies.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter};
use opentelemetry::{KeyValue, global};

use mmf_runtime::resilience::{self, PolicySnapshot};

fn meter() -> Meter {
    global::meter("mmf")
}

/// An instrument that a service named.
#[derive(Clone)]
enum Instrument {
    Counter(Counter<f64>),
    Gauge(Gauge<f64>),
    Histogram(Histogram<f64>),
}

impl Instrument {
    fn new(name: &str, unit: &str, kind: &str) -> Self {
        let (meter, name, unit) = (meter(), name.to_owned(), unit.to_owned());
        match kind {
            "counter" => Self::Counter(meter.f64_counter(name).with_unit(unit).build()),
            "histogram" | "timer" => {
                Self::Histogram(meter.f64_histogram(name).with_unit(unit).build())
            }
            _ => Self::Gauge(meter.f64_gauge(name).with_unit(unit).build()),
        }
    }

    fn measure(&self, value: f64) {
        match self {
            Self::Counter(counter) => counter.add(value, &[]),
            Self::Gauge(gauge) => gauge.record(value, &[]),
            Self::Histogram(histogram) => histogram.record(value, &[]),
        }
    }
}

/// Takes the value of a `performance_metric`: a `counter` adds, a `histogram` or `timer` collects, anything
/// else is a gauge.
pub(super) fn measure(name: &str, value: f64, unit: &str, kind: &str) {
    /// Under its lock: the map alone. What makes an instrument and measures by it may log.
    static KNOWN: LazyLock<Mutex<HashMap<String, Instrument>>> = LazyLock::new(Mutex::default);
    let lock = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = lock().get(name).cloned();
    let instrument = known.unwrap_or_else(|| {
        let new = Instrument::new(name, unit, kind);
        lock().entry(name.to_owned()).or_insert(new).clone()
    });
    instrument.measure(value);
}

/// Takes the duration of an operation.
pub(super) fn operation_ended(operation: &'static str, taken: Duration, success: bool) {
    static DURATIONS: OnceLock<Histogram<f64>> = OnceLock::new();
    let durations = DURATIONS
        .get_or_init(|| meter().f64_histogram("mmf.operation.duration").with_unit("s").build());
    let labels = [KeyValue::new("operation", operation), KeyValue::new("success", success)];
    durations.record(taken.as_secs_f64(), &labels);
}

/// A counter of policies.
type Count = (&'static str, fn(&PolicySnapshot) -> u64);

/// What is counted of each policy, under the names of its snapshot.
const COUNTS: [Count; 9] = [
    ("mmf.policy.calls", |policy| policy.calls),
    ("mmf.policy.successes", |policy| policy.successes),
    ("mmf.policy.failures", |policy| policy.failures),
    ("mmf.policy.attempts", |policy| policy.attempts),
    ("mmf.policy.retries", |policy| policy.retries),
    ("mmf.policy.timeouts", |policy| policy.timeouts),
    ("mmf.policy.rate_limited", |policy| policy.rate_limited),
    ("mmf.policy.fallbacks", |policy| policy.fallbacks),
    ("mmf.policy.hedges", |policy| policy.hedges),
];

/// Has the counters of all policies read whenever metrics go out.
pub(super) fn observe_policies() {
    for (name, count) in COUNTS {
        meter()
            .u64_observable_counter(name)
            .with_callback(move |observer| {
                for policy in resilience::policies() {
                    let label = KeyValue::new("policy", policy.name().to_owned());
                    observer.observe(count(&policy.snapshot()), &[label]);
                }
            })
            .build();
    }
}
