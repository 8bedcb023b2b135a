//! Operations: what `#[service]` on an `impl` block makes of its methods. Start and end are logged, under
//! the id of the request, in a span that carries the fields of the operation.

use std::error::Error;
use std::fmt::{self, Formatter};
use std::ops::Deref;
use std::pin::Pin;
use std::time::Instant;

use tracing::{Instrument, Level, Span};

use crate::correlation::{self, Context};
use crate::logging::Chain;
use crate::service::{RUNNING, Running};

/// An operation about to run.
#[derive(Debug)]
pub struct Operation {
    request: Context,
    span: Span,
    facts: Facts,
}

/// What its lines say.
#[derive(Clone, Copy, Debug)]
struct Facts {
    name: &'static str,
    level: Level,
}

/// Begins an operation; one outside a request begins a request. `span` has the fields `operation`,
/// `request_id` and `component`, of which the last two are recorded here.
pub fn begin(
    name: &'static str,
    component: Option<&'static str>,
    level: Level,
    span: Span,
) -> Operation {
    let request = correlation::current_context().unwrap_or_default();
    span.record("request_id", request.id.as_str());
    if let Some(component) = component {
        span.record("component", component);
    }
    Operation { request, span, facts: Facts { name, level } }
}

impl Operation {
    /// Runs its body, whose output `failure` judges.
    pub async fn run<F: Future>(
        self,
        body: Pin<&mut F>,
        failure: fn(&F::Output) -> Option<String>,
    ) -> F::Output {
        let Self { request, span, facts } = self;
        let id = request.id.clone();
        let work = async move {
            let run = Run::start(facts, id.as_str());
            let output = body.await;
            run.end(failure(&output));
            output
        };
        request.scope(work.instrument(span)).await
    }

    /// Runs a body that is not `async`.
    pub fn run_blocking<T>(self, body: impl FnOnce() -> T, failure: fn(&T) -> Option<String>) -> T {
        let Self { request, span, facts } = self;
        let id = request.id.clone();
        let work = || {
            let run = Run::start(facts, id.as_str());
            let output = body();
            run.end(failure(&output));
            output
        };
        request.sync_scope(|| span.in_scope(work))
    }
}

/// An operation between its start and its end. Dropped early, it was cancelled or has panicked.
struct Run<'r> {
    facts: Facts,
    request_id: &'r str,
    started: Instant,
    ended: bool,
    _running: Running,
}

/// An event of a level that is known at run time only.
macro_rules! at {
    ($level:expr, $($event:tt)*) => {
        match $level {
            Level::TRACE => tracing::trace!(target: "mmf::service", $($event)*),
            Level::DEBUG => tracing::debug!(target: "mmf::service", $($event)*),
            Level::INFO => tracing::info!(target: "mmf::service", $($event)*),
            Level::WARN => tracing::warn!(target: "mmf::service", $($event)*),
            Level::ERROR => tracing::error!(target: "mmf::service", $($event)*),
        }
    };
}

impl<'r> Run<'r> {
    fn start(facts: Facts, request_id: &'r str) -> Self {
        let Facts { name: operation, level } = facts;
        at!(level, phase = "start", operation, request_id, "{operation} started");
        let started = Instant::now();
        Self { facts, request_id, started, ended: false, _running: RUNNING.begin() }
    }

    fn end(mut self, failure: Option<String>) {
        self.ended = true;
        #[cfg(feature = "otel")]
        crate::otel::operation_ended(self.facts.name, self.started.elapsed(), failure.is_none());
        let Facts { name: operation, level } = self.facts;
        let Some(error) = failure else {
            let (request_id, duration_ms) = (self.request_id, self.duration_ms());
            at!(
                level,
                phase = "end",
                operation,
                request_id,
                duration_ms,
                success = true,
                "{operation} succeeded"
            );
            return;
        };
        self.failed(&error);
    }

    fn failed(&self, error: &str) {
        let (operation, request_id) = (self.facts.name, self.request_id);
        let duration_ms = self.duration_ms();
        // An operation that logs its start at ERROR wants no quieter end.
        at!(
            self.facts.level.min(Level::WARN),
            phase = "end",
            operation,
            request_id,
            duration_ms,
            success = false,
            error,
            "{operation} failed"
        );
    }

    fn duration_ms(&self) -> f64 {
        // Microseconds are what a clock and a scheduler are good for.
        self.started.elapsed().as_micros() as f64 / 1000.0
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        if !self.ended {
            #[cfg(feature = "otel")]
            crate::otel::operation_ended(self.facts.name, self.started.elapsed(), false);
            self.failed(if std::thread::panicking() { "panic" } else { "cancelled" });
        }
    }
}

/// An error, printed with its causes, before the ways of
/// [`Printed`](crate::returned::Printed) that know less.
pub trait ByCauses {
    /// Writes the error and its causes.
    ///
    /// # Errors
    ///
    /// The formatter's.
    fn write(&self, f: &mut Formatter<'_>) -> fmt::Result;
}

impl<E: Error> ByCauses for &&&&crate::returned::Printed<'_, E> {
    fn write(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Chain(self.0))
    }
}

/// A box of an error, which is none itself: `Box<dyn Error>` and its likes.
pub trait ByCausesInside {
    /// Writes the error and its causes.
    ///
    /// # Errors
    ///
    /// The formatter's.
    fn write(&self, f: &mut Formatter<'_>) -> fmt::Result;
}

impl<E: Deref<Target: AnyError>> ByCausesInside for &&&crate::returned::Printed<'_, E> {
    fn write(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Chain(self.0.deref().any_error()))
    }
}

/// `dyn Error` with or without what it is marked with.
pub trait AnyError {
    /// Without.
    fn any_error(&self) -> &(dyn Error + '_);
}

impl AnyError for dyn Error + '_ {
    fn any_error(&self) -> &(dyn Error + '_) {
        self
    }
}

impl AnyError for dyn Error + Send + '_ {
    fn any_error(&self) -> &(dyn Error + '_) {
        self
    }
}

impl AnyError for dyn Error + Send + Sync + '_ {
    fn any_error(&self) -> &(dyn Error + '_) {
        self
    }
}

/// The text of an error.
pub fn text(write: impl Fn(&mut Formatter<'_>) -> fmt::Result) -> String {
    fmt::from_fn(write).to_string()
}

/// The text of the failure that an operation returned, where it did.
#[doc(hidden)]
#[macro_export]
macro_rules! failure {
    ($output:expr) => {{
        use $crate::operation::{ByCauses as _, ByCausesInside as _, text};
        use $crate::returned::{
            ByDebug as _, ByDisplay as _, ByName as _, MayFail as _, NeverFails as _, Printed,
            Returned,
        };
        match (&&Returned($output)).failure() {
            ::core::option::Option::None => ::core::option::Option::None,
            ::core::option::Option::Some(error) => {
                ::core::option::Option::Some(text(|f| (&&&&&Printed(error)).write(f)))
            }
        }
    }};
}
