//! Prints the events of the policies as a timeline, and their snapshots as a table.

use std::fmt::{self, Write};
use std::time::Instant;

use mmf::resilience::{PolicySnapshot, policies};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// The clock of the timeline.
#[derive(Clone, Copy)]
pub(crate) struct Timeline(Instant);

/// Starts the clock and listens to the policies.
pub(crate) fn start() -> Timeline {
    let timeline = Timeline(Instant::now());
    tracing_subscriber::registry().with(timeline).init();
    timeline
}

impl Timeline {
    pub(crate) fn scene(self, title: &str) {
        println!("\n== {title}");
    }

    pub(crate) fn note(self, text: &str) {
        self.line("", text);
    }

    fn line(self, policy: &str, text: &str) {
        println!("{:7.3} s  {policy:22} {text}", self.0.elapsed().as_secs_f64());
    }

    pub(crate) fn snapshots(self) {
        println!("\n== what was counted");
        println!(
            "{:22} {:>5} {:>4} {:>6} {:>8} {:>7} {:>8} {:>6} {:>9}  state",
            "policy",
            "calls",
            "ok",
            "failed",
            "attempts",
            "retries",
            "timeouts",
            "hedges",
            "fallbacks"
        );
        for policy in policies() {
            let PolicySnapshot {
                name,
                calls,
                successes,
                failures,
                attempts,
                retries,
                timeouts,
                hedges,
                fallbacks,
                breaker,
                bulkhead,
                ..
            } = policy.snapshot();
            let mut state = String::new();
            if let Some(breaker) = breaker {
                let _ = write!(
                    state,
                    "{}, opened {}x, refused {}",
                    breaker.state, breaker.opened, breaker.refused
                );
            }
            if let Some(bulkhead) = bulkhead {
                let _ = write!(state, "bulkhead refused {}", bulkhead.refused);
            }
            println!(
                "{name:22} {calls:5} {successes:4} {failures:6} {attempts:8} {retries:7} \
                 {timeouts:8} {hedges:6} {fallbacks:9}  {state}"
            );
        }
    }
}

impl<S: Subscriber> Layer<S> for Timeline {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != "mmf::resilience" {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        self.line(&fields.policy, &format!("{}{}", fields.message, fields.rest));
    }
}

/// The fields of an event: policy and message apart, the rest in order.
#[derive(Default)]
struct Fields {
    policy: String,
    message: String,
    rest: String,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = match field.name() {
            "policy" => write!(self.policy, "{value:?}"),
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.rest, "  {name}={value:?}"),
        };
    }
}
