//! Which request is being served: an id that follows it through tasks and out to other services, and
//! its place in a trace.
//!
//! [`scope`] runs a future under an id, [`spawn`](crate::task::spawn) carries it over to a new task,
//! and [`from_headers`] and [`inject`] carry it over the wire as `x-correlation-id`, with the trace as
//! W3C `traceparent`.

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header of the correlation id.
pub const HEADER: HeaderName = HeaderName::from_static("x-correlation-id");
/// The header of the trace, by W3C Trace Context.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The longest id that is taken over.
const LONGEST: usize = 128;

tokio::task_local! {
    static CURRENT: Context;
}

/// The id of a request: 1 to 128 characters out of letters, digits and `._-:/+=@`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CorrelationId(Arc<str>);

/// An id from outside that is not taken over: too long, empty, or with characters that do not belong
/// into a log line or a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a correlation id has 1 to 128 characters out of letters, digits and ._-:/+=@")]
pub struct UnsafeId;

impl CorrelationId {
    /// A new one: 32 random hexadecimal digits.
    pub fn new() -> Self {
        Self(format!("{:032x}", rand::random::<u128>()).into())
    }

    /// Takes an id over.
    ///
    /// # Errors
    ///
    /// Where it is too long, empty, or has other characters.
    ///
    /// ```
    /// use mmf_runtime::correlation::CorrelationId;
    /// assert!(CorrelationId::parse("req-123").is_ok());
    /// assert!(CorrelationId::parse("a\nb").is_err());
    /// ```
    pub fn parse(id: &str) -> Result<Self, UnsafeId> {
        let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:/+=@".contains(&byte);
        if id.is_empty() || id.len() > LONGEST || !id.bytes().all(is_safe) {
            return Err(UnsafeId);
        }
        Ok(Self(id.into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for CorrelationId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CorrelationId({self})")
    }
}

/// A place in a trace, by W3C Trace Context level 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// `TRACE_ID-SPAN_ID`, in hexadecimal digits.
    ids: Arc<str>,
    flags: u8,
}

impl Trace {
    const TRACE_DIGITS: usize = 32;

    /// A new trace, sampled.
    pub fn new() -> Self {
        Self::of(&format!("{:032x}", rand::random::<u128>().max(1)), 1)
    }

    fn of(trace_id: &str, flags: u8) -> Self {
        let span = rand::random::<u64>().max(1);
        Self { ids: format!("{trace_id}-{span:016x}").into(), flags }
    }

    /// A new span of the trace that a `traceparent` names; nothing where the header is not valid.
    pub fn continued(traceparent: &str) -> Option<Self> {
        let mut parts = traceparent.split('-');
        let [version, trace, parent, flags] =
            [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
        let is_hex = |text: &str, digits: usize| {
            text.len() == digits
                && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let is_zero = |text: &str| text.bytes().all(|byte| byte == b'0');
        // Version ff is not one; a later version may have more parts, version 00 has these four.
        let known = is_hex(version, 2)
            && version != "ff"
            && (version != "00" || parts.next().is_none())
            && is_hex(trace, 32)
            && !is_zero(trace)
            && is_hex(parent, 16)
            && !is_zero(parent)
            && is_hex(flags, 2);
        if !known {
            return None;
        }
        Some(Self::of(trace, u8::from_str_radix(flags, 16).ok()?))
    }

    /// 32 hexadecimal digits.
    pub fn trace_id(&self) -> &str {
        &self.ids[..Self::TRACE_DIGITS]
    }

    /// 16 hexadecimal digits.
    pub fn span_id(&self) -> &str {
        &self.ids[Self::TRACE_DIGITS + 1..]
    }

    /// The trace flags; 1 says sampled.
    pub fn flags(&self) -> u8 {
        self.flags
    }

    /// The `traceparent` for a call to another service.
    pub fn traceparent(&self) -> String {
        format!("00-{}-{:02x}", self.ids, self.flags)
    }
}

impl Default for Trace {
    fn default() -> Self {
        Self::new()
    }
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
        CURRENT.scope(self, future).await
    }

    /// Runs a closure as this request.
    pub fn sync_scope<T>(self, work: impl FnOnce() -> T) -> T {
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
/// use mmf_runtime::correlation::{self, CorrelationId};
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
/// missing. An id that is not safe is replaced, which is logged.
pub fn from_headers(headers: &HeaderMap) -> Context {
    let id = headers.get(HEADER).map(|value| value.to_str().map(CorrelationId::parse));
    let id = match id {
        Some(Ok(Ok(id))) => id,
        None => CorrelationId::new(),
        Some(_) => {
            let new = CorrelationId::new();
            tracing::warn!(replaced_by = %new, "an incoming correlation id is not safe: {UnsafeId}");
            new
        }
    };
    let traceparent = headers.get(TRACEPARENT).and_then(|value| value.to_str().ok());
    let trace = traceparent.and_then(Trace::continued).unwrap_or_default();
    Context { id, trace: Some(trace) }
}

/// Puts the current id and trace into outgoing headers; outside a request, nothing.
pub fn inject(headers: &mut HeaderMap) {
    with_current(|context| {
        let Some(context) = context else { return };
        if let Ok(id) = HeaderValue::from_str(context.id.as_str()) {
            headers.insert(HEADER, id);
        }
        if let Some(trace) = &context.trace
            && let Ok(traceparent) = HeaderValue::from_str(&trace.traceparent())
        {
            headers.insert(TRACEPARENT, traceparent);
        }
    });
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
    fn an_unsafe_id_is_replaced() {
        for id in ["", "a b", "a\"b", &"x".repeat(129)] {
            assert_eq!(CorrelationId::parse(id), Err(UnsafeId), "{id:?}");
            let mut headers = HeaderMap::new();
            headers.insert(HEADER, HeaderValue::from_str(id).unwrap());
            assert_eq!(from_headers(&headers).id.as_str().len(), 32);
        }
        assert!(CorrelationId::parse(&"x".repeat(128)).is_ok());
    }

    #[test]
    fn only_a_valid_traceparent_is_continued() {
        let valid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let trace = Trace::continued(valid).unwrap();
        assert_eq!(trace.trace_id(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!((trace.span_id().len(), trace.flags()), (16, 1));
        assert!(
            Trace::continued(&valid.replacen("00", "cc", 1).replace("-01", "-01-more")).is_some()
        );
        for wrong in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        ] {
            assert_eq!(Trace::continued(wrong), None, "{wrong}");
        }
    }
}
