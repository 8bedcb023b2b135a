//! The middleware.

use std::fmt;
use std::hash::{Hash, Hasher};

use ::reqwest::{Request, Response};
use async_trait::async_trait;
use http::Extensions;
use http::header::HeaderName;
use mmf_runtime::resilience::{self, Class, Key, Pipeline, ResilienceError};
use reqwest_middleware::{Error, Middleware, Next, Result};
use tokio::time::Instant;

use super::body::{is_stream, make_repeatable, mark};
use super::causes::Causes;
use crate::attempt::Attempt;
use crate::copies::Copies;
use crate::http::{Outcome, insert_time_left, may_repeat};
use crate::slot::Slot;

type Classifier = Box<dyn Fn(std::result::Result<&Response, &Error>) -> Class + Send + Sync>;
type KeyFn = Box<dyn Fn(&Request) -> Option<Key> + Send + Sync>;
type RepeatIf = Box<dyn Fn(&Request) -> bool + Send + Sync>;

/// Puts a [`Pipeline`] around each request of a client; see the [module](super).
pub struct Resilience {
    pipeline: Pipeline,
    class: Classifier,
    /// In place of host and port.
    key: Option<KeyFn>,
    repeat_if: RepeatIf,
    replay_limit: usize,
    timeout_header: Option<HeaderName>,
}

impl Resilience {
    /// By the rules of HTTP, what is by key by host and port.
    pub fn new(pipeline: Pipeline) -> Self {
        Self {
            pipeline,
            class: Box::new(|result| match result {
                Ok(response) => response.class(),
                Err(error) => error.class(),
            }),
            key: None,
            repeat_if: Box::new(|request| may_repeat(request.method(), request.headers())),
            replay_limit: 64 << 10,
            timeout_header: Some(HeaderName::from_static("x-request-timeout-ms")),
        }
    }

    /// What a response or an error is to the breaker and to the retry.
    pub fn classify<F>(mut self, class: F) -> Self
    where
        F: Fn(std::result::Result<&Response, &Error>) -> Class + Send + Sync + 'static,
    {
        self.class = Box::new(class);
        self
    }

    /// The key of a request, for what is by key; `None` is no limit. Default: `host:port`.
    pub fn key_by<F>(mut self, key: F) -> Self
    where
        F: Fn(&Request) -> Option<Key> + Send + Sync + 'static,
    {
        self.key = Some(Box::new(key));
        self
    }

    /// Which requests may be sent more than once, by retry or by hedge. Default: [`may_repeat`].
    pub fn repeat_if<F>(mut self, repeat: F) -> Self
    where
        F: Fn(&Request) -> bool + Send + Sync + 'static,
    {
        self.repeat_if = Box::new(repeat);
        self
    }

    /// How many bytes of a streamed body are kept for another attempt; a longer one is sent once. They are read before
    /// the first attempt. Default: 64 KiB.
    pub fn replay_limit(mut self, bytes: usize) -> Self {
        self.replay_limit = bytes;
        self
    }

    /// The header that tells the milliseconds which are left of the deadline, or none. Default:
    /// `x-request-timeout-ms`.
    pub fn timeout_header(mut self, header: impl Into<Option<HeaderName>>) -> Self {
        self.timeout_header = header.into();
        self
    }

    /// What each attempt sends beside the request itself.
    fn complete(&self, request: &mut Request) {
        #[cfg(feature = "logging")]
        crate::correlation::inject(request.headers_mut());
        if let Some(header) = &self.timeout_header {
            insert_time_left(request.headers_mut(), header);
        }
    }
}

impl fmt::Debug for Resilience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resilience").field("pipeline", &self.pipeline).finish_non_exhaustive()
    }
}

#[async_trait]
impl Middleware for Resilience {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let mut call = self.pipeline.call::<Tried>();
        if self.pipeline.is_by_key() {
            call = match (&self.key, Authority::of(&request)) {
                (Some(key), _) => call.maybe_key(key(&request)),
                (None, Some(authority)) => call.key_of(&authority),
                (None, None) => call.maybe_key(None),
            };
        }
        let repeats = self.pipeline.repeats() && (self.repeat_if)(&request);
        if is_stream(&request) {
            // What is refused at once is not waited for.
            if !repeats || call.is_open() {
                mark(&mut request);
            } else {
                let begun = Instant::now();
                request = self.read_ahead(request).await?;
                // The time that took is gone.
                if let Some(deadline) = self.pipeline.deadline() {
                    call = call.deadline(deadline.saturating_sub(begun.elapsed()));
                }
            }
        }
        let copies = Copies::of(request, repeats, Request::try_clone);
        if !copies.repeats() {
            call = call.once();
        }
        let given = &*extensions;
        let attempt = || async {
            let mut request = copies.next(Request::try_clone);
            self.complete(&mut request);
            // Of its own, as copies of a hedge run side by side.
            let mut own = given.clone();
            let result = next.clone().run(request, &mut own).await;
            let class = (self.class)(result.as_ref());
            match result {
                Ok(response) => Attempt::of(Ok((response, own)), class),
                Err(error) => Attempt::of(Err((error, own)), class),
            }
        };
        let call = call.classify(Attempt::class).error_text(text).refused(Attempt::Refused);
        let none = |refusal| (Error::middleware(refusal), None);
        let some = |(error, own)| (error, Some(own));
        match Attempt::result(call.run(attempt).await, some, none) {
            Ok((response, own)) => {
                *extensions = own;
                Ok(response)
            }
            Err((error, own)) => {
                if let Some(own) = own {
                    *extensions = own;
                }
                Err(error)
            }
        }
    }
}

impl Resilience {
    /// The request with as much of its body as is kept for another attempt, read within the limits of the whole call
    /// and of an attempt.
    async fn read_ahead(&self, request: Request) -> Result<Request> {
        let request = Slot::new(request);
        let read = || async {
            let mut request = request.take().expect("a body is read once");
            make_repeatable(&mut request, self.replay_limit).await;
            Ok(request)
        };
        let mut call = resilience::call(self.pipeline.name().to_owned()).refused(Error::middleware);
        if let Some(limit) = self.pipeline.deadline() {
            call = call.deadline(limit);
        }
        if let Some(limit) = self.pipeline.timeout() {
            call = call.timeout(limit);
        }
        call.run(read).await
    }
}

/// What came of an attempt, with its extensions.
type Tried = Attempt<(Response, Extensions), (Error, Extensions)>;

/// It in events.
fn text(tried: &Tried, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match tried {
        Attempt::Answered((response, _), _) => write!(f, "status {}", response.status()),
        Attempt::Failed((error, _), _) => write!(f, "{}", Causes(error)),
        Attempt::Refused(refusal) => write!(f, "{refusal}"),
    }
}

/// The refusal of a policy, where an error is one.
pub fn refusal(error: &Error) -> Option<&ResilienceError> {
    match error {
        Error::Middleware(error) => error.chain().find_map(|cause| cause.downcast_ref()),
        Error::Reqwest(_) => None,
    }
}

/// `host:port` of a request, without a text of its own.
struct Authority<'r> {
    host: &'r str,
    port: u16,
}

impl<'r> Authority<'r> {
    fn of(request: &'r Request) -> Option<Self> {
        let url = request.url();
        Some(Self { host: url.host_str()?, port: url.port_or_known_default()? })
    }
}

/// As the text `host:port` hashes, so that a key which somebody writes is the one that requests have.
impl Hash for Authority<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut port = [0; 6];
        let mut rest = self.port;
        let mut begin = port.len();
        loop {
            begin -= 1;
            port[begin] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        begin -= 1;
        port[begin] = b':';
        state.write(self.host.as_bytes());
        state.write(&port[begin..]);
        // What ends a text.
        state.write_u8(0xff);
    }
}

impl fmt::Display for Authority<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}
