//! The code that a user gives to the policies; each piece panics now and then.

use std::fmt;
use std::time::Duration;

use mmf::resilience::RetryEvent;

use crate::subject::Error;
use crate::traps;

/// A key.
#[derive(Hash)]
pub(crate) struct Host(u64);

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        traps::KEY_DEBUG.step();
        write!(f, "host {}", self.0)
    }
}

/// The number of a job's host: half of the calls go to forty of five thousand.
pub(crate) fn host(job: u64) -> u64 {
    let number = job / 2;
    if job.is_multiple_of(2) { number % 40 } else { number % 5000 }
}

pub(crate) fn host_of(job: u64) -> Host {
    traps::KEY.step();
    Host(host(job))
}

/// A value that is kept.
pub(crate) struct Page(pub(crate) u64);

impl Clone for Page {
    fn clone(&self) -> Self {
        traps::STALE_CLONE.step();
        Self(self.0)
    }
}

pub(crate) fn page_of(job: u64) -> u64 {
    traps::STALE_KEY.step();
    job % 128
}

pub(crate) fn is_worth_it(error: &Error) -> bool {
    traps::RETRY_IF.step();
    matches!(error, Error::Failed | Error::Busy)
}

pub(crate) fn is_empty(answer: &u64) -> bool {
    traps::RETRY_IF_OK.step();
    answer.is_multiple_of(50)
}

pub(crate) fn hint(error: &Error) -> Option<Duration> {
    traps::RETRY_AFTER.step();
    matches!(error, Error::Busy).then_some(Duration::from_millis(2))
}

pub(crate) fn told(_: &RetryEvent) {
    traps::BEFORE_RETRY.step();
}

pub(crate) fn pause(retry: u32) -> Duration {
    traps::BACKOFF.step();
    Duration::from_millis(1) * retry
}

pub(crate) fn is_a_fault(error: &Error) -> bool {
    traps::FAIL_IF.step();
    matches!(error, Error::Failed)
}

pub(crate) fn is_empty_for_the_breaker(answer: &u64) -> bool {
    traps::FAIL_IF_OK.step();
    answer.is_multiple_of(50)
}

/// Answers, but for some of the jobs.
pub(crate) async fn answer_instead(job: u64, error: Error) -> Result<u64, Error> {
    traps::FALLBACK.step();
    tokio::task::yield_now().await;
    if job.is_multiple_of(16) { Err(error) } else { Ok(job) }
}

pub(crate) fn spare() -> u64 {
    traps::VALUE.step();
    0
}
