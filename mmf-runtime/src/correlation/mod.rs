//! Which request is being served: an id that follows it through tasks and out to other services, and
//! its place in a trace.
//!
//! [`scope`] runs a future under an id, [`spawn`](crate::task::spawn) carries it over to a new task,
//! and [`from_headers`] and [`inject`] carry it over the wire as `x-correlation-id`, with the trace as
//! W3C `traceparent` and `tracestate`.

mod id;
mod trace;

use std::sync::OnceLock;

use http::header::AsHeaderName;
use http::{HeaderMap, HeaderName, HeaderValue};

pub use id::{CorrelationId, UnsafeId};
pub use trace::Trace;

/// The header of the correlation id, unless [`set_header`] says another.
pub const HEADER: HeaderName = HeaderName::from_static("x-correlation-id");
/// The headers of the trace, by W3C Trace Context.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

static OTHER_HEADER: OnceLock<HeaderName> = OnceLock::new();

/// Has the correlation id travel in another header than `x-correlation-id`, in this process.
///
/// # Errors
///
/// Where one was set before; it comes back.
///
/// ```
/// # use mmf_runtime as mmf;
/// use http::HeaderName;
/// use mmf::correlation::{header, set_header};
///
/// set_header(HeaderName::from_static("x-request-id")).unwrap();
/// assert_eq!(header(), "x-request-id");
/// assert!(set_header(HeaderName::from_static("x-other")).is_err());
/// ```
pub fn set_header(name: HeaderName) -> Result<(), HeaderName> {
    OTHER_HEADER.set(name)
}

/// The header that the correlation id travels in.
pub fn header() -> &'static HeaderName {
    static DEFAULT: HeaderName = HEADER;
    OTHER_HEADER.get().unwrap_or(&DEFAULT)
}

tokio::task_local! {
    static CURRENT: Context;
}

/// What a request carries: its id, and its place in a trace where it has one.
#[derive(Clone, Debug)]
pub struct Context {
    /// The correlation id.
    pub id: CorrelationId,
    /// The trace.
    pub trace: Option<Trace>,
}

impl Context {
    /// A new id in a new trace.
    pub fn new() -> Self {
        Self { id: CorrelationId::new(), trace: Some(Trace::new()) }
    }

    /// Runs a future as this request.
    pub async fn scope<F: Future>(self, future: F) -> F::Output {
        #[cfg(feature = "otel")]
        let future = crate::otel::in_trace(self.trace.as_ref(), future);
        CURRENT.scope(self, future).await
    }

    /// Runs a closure as this request.
    pub fn sync_scope<T>(self, work: impl FnOnce() -> T) -> T {
        #[cfg(feature = "otel")]
        let _trace = crate::otel::enter_trace(self.trace.as_ref());
        CURRENT.sync_scope(self, work)
    }
}

impl Default for Context {
    fn default() -> Self {
        Self::new()
    }
}

impl From<CorrelationId> for Context {
    /// In a trace of its own.
    fn from(id: CorrelationId) -> Self {
        Self { id, trace: Some(Trace::new()) }
    }
}

/// The id of the request that is being served, where one is.
pub fn current() -> Option<CorrelationId> {
    with_current(|context| context.map(|context| context.id.clone()))
}

/// The request that is being served, where one is.
pub fn current_context() -> Option<Context> {
    CURRENT.try_with(Context::clone).ok()
}

/// Runs a future under an id, or a whole [`Context`].
///
/// ```
/// # use mmf_runtime as mmf;
/// use mmf::correlation::{self, CorrelationId};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let id = CorrelationId::parse("req-123").unwrap();
/// correlation::scope(id.clone(), async {
///     assert_eq!(correlation::current(), Some(id));
/// }).await;
/// assert_eq!(correlation::current(), None);
/// # });
/// ```
pub async fn scope<F: Future>(request: impl Into<Context>, future: F) -> F::Output {
    request.into().scope(future).await
}

/// The request that incoming headers name: its id and trace are taken over, and made where they are
/// missing. An id that is not safe is replaced, which is logged. So are several: nothing tells which of them
/// is meant. For the same reason none of several traces is taken over.
pub fn from_headers(headers: &HeaderMap) -> Context {
    let id = said_once(headers, header()).and_then(|id| CorrelationId::parse(id).ok());
    let is_unsafe = headers.contains_key(header()) && id.is_none();
    let id = id.unwrap_or_default();
    let traceparent = said_once(headers, TRACEPARENT);
    let trace = traceparent.and_then(Trace::continued).map(|trace| {
        let states = headers.get_all(TRACESTATE).iter();
        let states: Result<Vec<_>, _> = states.map(HeaderValue::to_str).collect();
        match states {
            Ok(states) if !states.is_empty() => trace.with_state(&states.join(",")),
            _ => trace,
        }
    });
    let is_traced = trace.is_some();
    let context = Context { id, trace: Some(trace.unwrap_or_default()) };
    let is_invalid = headers.contains_key(TRACEPARENT) && !is_traced;
    if is_unsafe || is_invalid {
        // Told as part of the request that it is about.
        context.clone().sync_scope(|| {
            if is_unsafe && headers.get_all(header()).iter().nth(1).is_some() {
                tracing::warn!(
                    target: "mmf::correlation", "incoming ids are replaced: there are several"
                );
            } else if is_unsafe {
                tracing::warn!(target: "mmf::correlation", "an incoming id is replaced: {UnsafeId}");
            }
            if is_invalid {
                tracing::debug!(target: "mmf::correlation", "an incoming traceparent is not valid");
            }
        });
    }
    context
}

/// The text of a header that may stand once, where it does.
fn said_once(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    value.to_str().ok()
}

/// Puts the current id and trace into outgoing headers; outside a request, nothing.
pub fn inject(headers: &mut HeaderMap) {
    with_current(|context| {
        let Some(context) = context else { return };
        if let Ok(id) = HeaderValue::from_str(context.id.as_str()) {
            headers.insert(header(), id);
        }
        let Some((traceparent, tracestate)) = outgoing_trace(context) else { return };
        for (name, value) in [(TRACEPARENT, Some(traceparent)), (TRACESTATE, tracestate)] {
            if let Some(Ok(value)) = value.map(HeaderValue::try_from) {
                headers.insert(name, value);
            }
        }
    });
}

/// `traceparent` and `tracestate` for a call to another service: of the span that is active by
/// OpenTelemetry, or of the request.
fn outgoing_trace(context: &Context) -> Option<(String, Option<String>)> {
    #[cfg(feature = "otel")]
    if let Some(active) = crate::otel::outgoing_trace() {
        return Some(active);
    }
    let trace = context.trace.as_ref()?;
    Some((trace.traceparent(), trace.tracestate().map(ToOwned::to_owned)))
}

/// Looks at the current request without copying it.
pub(crate) fn with_current<T>(look: impl FnOnce(Option<&Context>) -> T) -> T {
    let mut look = Some(look);
    let found = CURRENT.try_with(|context| look.take().map(|look| look(Some(context))));
    match (found, look) {
        (Ok(Some(seen)), _) => seen,
        (_, Some(look)) => look(None),
        (_, None) => unreachable!("either looked at or not"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_traces_go_over_the_wire() {
        let context = Context::from(CorrelationId::parse("req-123").unwrap());
        let trace = context.trace.clone().unwrap();
        let mut headers = HeaderMap::new();
        context.sync_scope(|| inject(&mut headers));
        let received = from_headers(&headers);
        assert_eq!(received.id.as_str(), "req-123");
        let received = received.trace.unwrap();
        assert_eq!(received.trace_id(), trace.trace_id());
        assert_ne!(received.span_id(), trace.span_id());
    }

    #[test]
    fn the_state_of_a_trace_goes_on_with_it() {
        let mut headers = HeaderMap::new();
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        headers.insert(TRACEPARENT, HeaderValue::from_static(parent));
        headers.append(TRACESTATE, HeaderValue::from_static("congo=1"));
        headers.append(TRACESTATE, HeaderValue::from_static("rojo=2"));
        let mut outgoing = HeaderMap::new();
        from_headers(&headers).sync_scope(|| inject(&mut outgoing));
        assert_eq!(outgoing[TRACESTATE], "congo=1,rojo=2");
        headers.insert(TRACEPARENT, HeaderValue::from_static("nonsense"));
        assert_eq!(from_headers(&headers).trace.unwrap().tracestate(), None);
    }

    #[test]
    fn of_two_ids_or_traces_none_is_taken_over() {
        let parent =
            HeaderValue::from_static("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_static("req-1"));
        headers.insert(TRACEPARENT, parent.clone());
        headers.insert(TRACESTATE, HeaderValue::from_static("congo=1"));
        let two_ids = |second| {
            let mut headers = headers.clone();
            headers.append(HEADER, HeaderValue::from_static(second));
            from_headers(&headers)
        };
        for second in ["req-1", "req-2", "", "a b"] {
            let request = two_ids(second);
            assert_eq!(request.id.as_str().len(), 32, "{second:?}");
            assert_eq!(request.trace.unwrap().trace_id(), "0af7651916cd43dd8448eb211c80319c");
        }
        for second in [parent, HeaderValue::from_static("nonsense")] {
            let mut headers = headers.clone();
            headers.append(TRACEPARENT, second);
            let request = from_headers(&headers);
            assert_eq!(request.id.as_str(), "req-1");
            let trace = request.trace.unwrap();
            assert_ne!(trace.trace_id(), "0af7651916cd43dd8448eb211c80319c");
            assert_eq!(trace.tracestate(), None);
        }
    }

    #[test]
    fn an_unsafe_id_is_replaced() {
        for id in ["", "a b", "a\"b", &"x".repeat(129)] {
            assert_eq!(CorrelationId::parse(id), Err(UnsafeId), "{id:?}");
            let mut headers = HeaderMap::new();
            headers.insert(HEADER, HeaderValue::from_str(id).unwrap());
            assert_eq!(from_headers(&headers).id.as_str().len(), 32);
        }
        assert!(CorrelationId::parse(&"x".repeat(128)).is_ok());
    }
}
