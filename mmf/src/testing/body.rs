//! The body of a test, run once: a panic is a failure like any other.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;

/// What the body of a test may return.
#[diagnostic::on_unimplemented(
    message = "the body of a test returns nothing or a `Result`, not `{Self}`",
    note = "the error of the `Result` has to be `Debug`"
)]
pub trait Verdict {
    /// Why it failed, where it did.
    fn failure(self) -> Option<String>;
}

impl Verdict for () {
    fn failure(self) -> Option<String> {
        None
    }
}

impl<T, E: fmt::Debug> Verdict for Result<T, E> {
    fn failure(self) -> Option<String> {
        self.err().map(|error| format!("{error:?}"))
    }
}

/// A body that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) panicked: bool,
    reason: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.panicked { "panic: " } else { "" };
        write!(f, "{how}{}", self.reason)
    }
}

/// Runs a body once.
pub(crate) async fn attempt<F, R>(body: impl FnOnce() -> F) -> Result<(), Failure>
where
    F: Future<Output = R>,
    R: Verdict,
{
    match caught(body).await?.failure() {
        None => Ok(()),
        Some(reason) => Err(Failure { panicked: false, reason }),
    }
}

/// What a future gives, or its panic.
pub(crate) async fn caught<F: Future>(body: impl FnOnce() -> F) -> Result<F::Output, Failure> {
    let future = catch_unwind(AssertUnwindSafe(body)).map_err(|panic| panicked(&*panic))?;
    let mut future = Box::pin(future);
    let output = std::future::poll_fn(|context| {
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    });
    output.await.map_err(|panic| panicked(&*panic))
}

fn panicked(panic: &(dyn Any + Send)) -> Failure {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    Failure { panicked: true, reason: text.unwrap_or_else(|| "not a text".into()) }
}
