//! What is measured: values that the service names itself, operations, and all that `mmf::metrics` has.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter};
use opentelemetry::{KeyValue, global};

use crate::metrics::export::{COUNTERS, GAUGES, Labels, dotted};
use crate::metrics::{samples, tell_times};

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

/// Has all that is measured read whenever metrics go out, under the names that Prometheus knows it by, with dots.
pub(super) fn observe_all() {
    for name in COUNTERS {
        let read =
            move || samples(name).into_iter().map(|(labels, value)| (attributes(labels), value));
        meter()
            .u64_observable_counter(dotted(name))
            .with_callback(move |observer| {
                read().for_each(|(labels, value)| observer.observe(value as u64, &labels));
            })
            .build();
    }
    for name in GAUGES {
        let read =
            move || samples(name).into_iter().map(|(labels, value)| (attributes(labels), value));
        meter()
            .f64_observable_gauge(dotted(name))
            .with_callback(move |observer| {
                read().for_each(|(labels, value)| observer.observe(value, &labels));
            })
            .build();
    }
    tell_times(took);
}

fn attributes(labels: Labels) -> Vec<KeyValue> {
    labels.into_iter().map(|(label, value)| KeyValue::new(label, value)).collect()
}

fn took(name: &'static str, took: Duration, labels: Labels) {
    /// Under its lock: the map alone.
    static KNOWN: LazyLock<Mutex<HashMap<&'static str, Histogram<f64>>>> =
        LazyLock::new(Mutex::default);
    let lock = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = lock().get(name).cloned();
    let histogram = known.unwrap_or_else(|| {
        let new = meter().f64_histogram(dotted(name)).with_unit("s").build();
        lock().entry(name).or_insert(new).clone()
    });
    histogram.record(took.as_secs_f64(), &attributes(labels));
}
