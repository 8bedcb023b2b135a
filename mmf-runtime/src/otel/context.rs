//! The span that is active, and the trace that a request came with.

use std::cell::Cell;

use opentelemetry::context::{FutureExt, WithContext};
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use opentelemetry::{Context, ContextGuard};

use crate::correlation::Trace;
use crate::logging::ActiveSpan;

/// The ids of the active span of this process, where there is one.
pub(crate) fn active_span() -> Option<ActiveSpan> {
    of_active_span(|span| {
        ActiveSpan::new(
            span.trace_id().to_bytes(),
            span.span_id().to_bytes(),
            span.trace_flags().to_u8(),
        )
    })
}

/// `traceparent` and `tracestate` of the active span.
pub(crate) fn outgoing_trace() -> Option<(String, Option<String>)> {
    of_active_span(|span| {
        let (trace, id, flags) = (span.trace_id(), span.span_id(), span.trace_flags().to_u8());
        let state = span.trace_state().header();
        (format!("00-{trace:032x}-{id:016x}-{flags:02x}"), Some(state).filter(|s| !s.is_empty()))
    })
}

fn of_active_span<T>(look: impl FnOnce(&SpanContext) -> T) -> Option<T> {
    look_at_current(|context| {
        let span = context.has_active_span().then(|| context.span())?;
        let span = span.span_context();
        (span.is_valid() && !span.is_remote()).then(|| look(span))
    })?
}

/// Whether this thread exports: what is traced there would be exported again, and so on.
pub(crate) fn is_exporting() -> bool {
    look_at_current(Context::is_telemetry_suppressed).unwrap_or(false)
}

/// Looks at the current context; not where the thread is ending, whose last destructors may log: asking for a
/// context that is gone panics.
fn look_at_current<T>(look: impl FnOnce(&Context) -> T) -> Option<T> {
    struct Ending;
    impl Drop for Ending {
        fn drop(&mut self) {
            IS_ENDING.set(true);
        }
    }
    thread_local! {
        static IS_ENDING: Cell<bool> = const { Cell::new(false) };
        static IS_WATCHED: Cell<bool> = const { Cell::new(false) };
        static ENDING: Ending = const { Ending };
    }
    if IS_ENDING.get() {
        return None;
    }
    let seen = Context::map_current(look);
    if !IS_WATCHED.replace(true) {
        // Only now: what is made last is dropped first, while the context is still there.
        let _ = ENDING.try_with(|_| ());
    }
    Some(seen)
}

/// Polls a future where spans without a parent have that of the request's trace.
pub(crate) fn in_trace<F: Future>(trace: Option<&Trace>, future: F) -> WithContext<F> {
    future.with_context(context_of(trace))
}

/// The same for what is not a future.
pub(crate) fn enter_trace(trace: Option<&Trace>) -> ContextGuard {
    context_of(trace).attach()
}

/// The current context; where the request came with a trace that is not the current one, its caller's.
fn context_of(trace: Option<&Trace>) -> Context {
    let current = Context::current();
    match trace.and_then(remote) {
        Some(caller) if caller.trace_id() != current.span().span_context().trace_id() => {
            current.with_remote_span_context(caller)
        }
        _ => current,
    }
}

fn remote(trace: &Trace) -> Option<SpanContext> {
    let state = trace.tracestate().and_then(|state| state.parse().ok());
    Some(SpanContext::new(
        TraceId::from_hex(trace.trace_id()).ok()?,
        SpanId::from(trace.parent()?),
        TraceFlags::new(trace.flags()),
        true,
        state.unwrap_or(TraceState::NONE),
    ))
}
