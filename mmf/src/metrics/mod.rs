//! What is measured of policies, requests, checks and logs, for Prometheus: as its own text (0.0.4) and as OpenMetrics (1.0).
//!
//! ```
//! use std::time::Duration;
//! use mmf::{metrics, resilient};
//!
//! #[resilient(name = "metrics.fetch", timeout = "1s", breaker)]
//! async fn fetch() -> Result<u64, mmf::ResilienceError> { Ok(7) }
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
//! metrics::enable();
//! fetch().await.unwrap();
//! let text = metrics::prometheus();
//! assert!(text.contains(r#"mmf_policy_calls_total{policy="metrics.fetch",outcome="success"} 1"#), "{text}");
//! assert!(text.contains(r#"mmf_policy_call_duration_seconds_count{policy="metrics.fetch",outcome="success"} 1"#));
//! # }
//! ```
//!
//! Counters are read where they are when somebody asks. How long calls took is measured from [`enable`] on, which `mmf::axum::probes()`
//! calls: two readings of the clock a call, and a histogram in words of the thread.

mod collect;
mod encode;
#[cfg(feature = "otel")]
pub(crate) mod export;
mod family;
mod histogram;

#[cfg(feature = "admin")]
use std::collections::HashMap;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use mmf_runtime::resilience::{CallEnded, Event, Measuring, Observer, observe_on_demand};

use encode::Format;
#[cfg(feature = "admin")]
pub(crate) use histogram::Counts;
#[cfg(any(feature = "admin", feature = "otel"))]
use histogram::OUTCOMES;
use histogram::{Of, record_call};

static ENABLED: AtomicBool = AtomicBool::new(false);
static MAX_POLICIES: AtomicUsize = AtomicUsize::new(1000);

/// Has it measured how long calls and requests take, from now on.
pub fn enable() {
    static ONCE: Once = Once::new();
    observe_times();
    ONCE.call_once(|| {
        Measuring::begin().for_ever();
        // Relaxed, here and below: values of their own.
        ENABLED.store(true, Ordering::Relaxed);
    });
}

/// Times are counted here whenever they are measured.
fn observe_times() {
    #[derive(Debug)]
    struct Times;

    impl Observer for Times {
        fn event(&self, _: &Event<'_>) {}

        fn measures_calls(&self) -> bool {
            true
        }

        fn call_ended(&self, call: &CallEnded<'_>) {
            let outcome = match call.succeeded {
                Some(true) => 0,
                Some(false) => 1,
                None => 2,
            };
            record_call(call.policy, outcome, call.latency);
            #[cfg(feature = "otel")]
            export::took("mmf_policy_call_duration_seconds", call.latency, || {
                vec![("policy", call.policy.to_owned()), ("outcome", OUTCOMES[outcome].to_owned())]
            });
        }
    }

    static TIMES: Times = Times;
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        observe_on_demand(&TIMES);
    });
}

/// Has it measured how long calls take, for as long as this lives.
#[cfg(feature = "admin")]
pub(crate) fn while_shown() -> Measuring {
    observe_times();
    Measuring::begin()
}

/// How the calls of each policy ended, and how long they took.
#[cfg(feature = "admin")]
pub(crate) fn call_times() -> HashMap<Box<str>, [Counts; OUTCOMES.len()]> {
    let mut times: HashMap<_, [Counts; OUTCOMES.len()]> = HashMap::new();
    for ([policy, outcome, ..], counts) in histogram::read(Of::Call) {
        if let Some(place) = OUTCOMES.iter().position(|own| **own == *outcome) {
            times.entry(policy).or_default()[place].add(&counts);
        }
    }
    times
}

/// So many policies are told by name; those beyond are counted under `other`. Default: 1000.
pub fn set_max_policies(most: usize) {
    MAX_POLICIES.store(most, Ordering::Relaxed);
    // Each has three outcomes.
    histogram::set_most(Of::Call, most.saturating_mul(3));
}

fn families() -> Vec<family::Family> {
    collect::families(MAX_POLICIES.load(Ordering::Relaxed))
}

/// All metrics, as the text of Prometheus, version 0.0.4.
pub fn prometheus() -> String {
    enable();
    encode::encode(&families(), Format::Prometheus)
}

/// All metrics, as OpenMetrics 1.0.
pub fn openmetrics() -> String {
    enable();
    encode::encode(&families(), Format::OpenMetrics)
}

/// All metrics in the format that a scraper accepts by its header, and the type of that.
///
/// ```
/// let (kind, text) = mmf::metrics::accepted_by(Some("application/openmetrics-text"));
/// assert!(kind.starts_with("application/openmetrics-text") && text.ends_with("# EOF\n"));
/// ```
pub fn accepted_by(accept: Option<&str>) -> (&'static str, String) {
    enable();
    let format = Format::accepted(accept);
    (format.content_type(), encode::encode(&families(), format))
}

/// A request has ended.
#[cfg(any(feature = "axum", feature = "tonic"))]
pub(crate) fn request_ended(
    protocol: &str,
    operation: &str,
    status: &str,
    took: std::time::Duration,
) {
    if ENABLED.load(Ordering::Relaxed) {
        // `GET /users/{id}`, or `users.v1.Users/Get`, whose route is the service.
        let (method, route) = match operation.split_once(' ') {
            Some(of_http) => of_http,
            None => {
                (operation, operation.split_once('/').map_or(operation, |(service, _)| service))
            }
        };
        histogram::record(Of::Request, [protocol, method, route, status], took);
        #[cfg(feature = "otel")]
        export::took("mmf_request_duration_seconds", took, || {
            let labels =
                [("protocol", protocol), ("method", method), ("route", route), ("status", status)];
            labels.into_iter().map(|(name, value)| (name, value.to_owned())).collect()
        });
    }
}

/// What a metric of the table has now.
#[cfg(feature = "otel")]
pub(crate) fn samples(name: &str) -> Vec<(export::Labels, f64)> {
    export::samples(families(), name)
}

/// Has times told from now on.
#[cfg(feature = "otel")]
pub(crate) fn tell_times(takes: fn(&'static str, std::time::Duration, export::Labels)) {
    export::tell_times(takes);
    enable();
}
