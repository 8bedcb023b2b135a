//! What is soaked: a function behind policies, the dependency that its body stands for, and what is known
//! of it apart from the policies.

use std::pin::Pin;
use std::time::Duration;

use mmf::ResilienceError;
use mmf::resilience::{PolicySnapshot, Refusal, policy};

use crate::count::Count;
use crate::traps;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("it failed")]
    Failed,
    #[error("it is busy")]
    Busy,
    #[error(transparent)]
    Refused(#[from] ResilienceError),
}

/// A call that has not begun.
pub(crate) type Call = Pin<Box<dyn Future<Output = Result<u64, Error>> + Send>>;

/// What the dependency does with a request.
pub(crate) enum Step {
    Fine,
    /// Fine, but not when it is polled first.
    Yield,
    /// Fine after [`SLOW`].
    Slow,
    Fail,
    Busy,
    /// It never answers.
    Hang,
}

/// How long a slow request takes.
const SLOW: Duration = Duration::from_millis(12);

/// A function behind policies.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    /// What the dependency does, by the number of the request and the job.
    script: fn(u64, u64) -> Step,
    pub(crate) call: fn(u64) -> Call,
    /// How often the body has begun to run.
    pub(crate) runs: Count,
    /// How many bodies are running, and the most that ever were.
    pub(crate) running: Count,
    pub(crate) most_running: Count,
    pub(crate) seen: Seen,
}

/// What callers saw of their calls.
pub(crate) struct Seen {
    pub(crate) ok: Count,
    pub(crate) failed: Count,
    pub(crate) panicked: Count,
    pub(crate) cancelled: Count,
    /// Among those that failed, by the refusal: in the order of [`REFUSALS`].
    refused: [Count; REFUSALS.len()],
}

const REFUSALS: [Refusal; 5] =
    [Refusal::Breaker, Refusal::Timeout, Refusal::Deadline, Refusal::Bulkhead, Refusal::RateLimit];

impl Subject {
    pub(crate) const fn new(
        name: &'static str,
        script: fn(u64, u64) -> Step,
        call: fn(u64) -> Call,
    ) -> Self {
        Self {
            name,
            script,
            call,
            runs: Count::new(),
            running: Count::new(),
            most_running: Count::new(),
            seen: Seen {
                ok: Count::new(),
                failed: Count::new(),
                panicked: Count::new(),
                cancelled: Count::new(),
                refused: [const { Count::new() }; REFUSALS.len()],
            },
        }
    }

    /// The body of the function: a request to the dependency, which is in process.
    pub(crate) async fn work(&self, job: u64) -> Result<u64, Error> {
        let request = self.runs.add();
        let _running = Running::begin(self);
        traps::BODY.step();
        if traps::is_healed() {
            return Ok(job);
        }
        match (self.script)(request, job) {
            Step::Fine => {}
            Step::Yield => tokio::task::yield_now().await,
            Step::Slow => tokio::time::sleep(SLOW).await,
            Step::Fail => return Err(Error::Failed),
            Step::Busy => return Err(Error::Busy),
            Step::Hang => std::future::pending().await,
        }
        Ok(job)
    }

    /// What its policies counted, where it is an annotated function.
    pub(crate) fn snapshot(&self) -> Option<PolicySnapshot> {
        policy(self.name).map(|policy| policy.snapshot())
    }
}

impl Seen {
    /// How often callers were refused so.
    pub(crate) fn refused(&self, refusal: Refusal) -> Option<&Count> {
        let place = REFUSALS.iter().position(|kind| *kind == refusal)?;
        self.refused.get(place)
    }
}

/// A body that runs, until it is dropped.
struct Running<'s>(&'s Subject);

impl<'s> Running<'s> {
    fn begin(subject: &'s Subject) -> Self {
        subject.most_running.raise(subject.running.add());
        Self(subject)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.sub();
    }
}
