//! What the tests share: an error type, and functions that act by a script.

use std::sync::Mutex;
use std::time::Duration;

use mmf::ResilienceError;
use tokio::time::Instant;

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum Error {
    #[error("busy")]
    Busy,
    #[error("fatal")]
    Fatal,
    #[error("status {0}")]
    Status(u16),
    #[error("come back in {0:?}")]
    After(Duration),
    #[error(transparent)]
    Refused(#[from] ResilienceError),
}

impl Error {
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused(_))
    }
}

/// What an attempt does.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Ok,
    Fail(Error),
    /// Succeeds after so many milliseconds.
    Slow(u64),
    /// Fails after so many milliseconds.
    SlowFail(u64),
    Hang,
    Panic,
}

pub(crate) use Step::{Fail, Hang, Ok as Good, Panic, Slow, SlowFail};

/// Plays its steps, one an attempt, the last one for ever; remembers when each attempt began.
#[derive(Debug)]
pub(crate) struct Script {
    steps: Vec<Step>,
    begun: Mutex<Vec<Instant>>,
}

impl Script {
    pub(crate) fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: steps.into_iter().collect(), begun: Mutex::default() }
    }

    pub(crate) fn failing() -> Self {
        Self::new([Fail(Error::Busy)])
    }

    /// Plays the next step; a success gives the number of the attempt.
    pub(crate) async fn play(&self) -> Result<u32, Error> {
        let attempt = {
            let mut begun = self.begun.lock().unwrap();
            begun.push(Instant::now());
            begun.len()
        };
        let number = u32::try_from(attempt).unwrap();
        match self.steps.get(attempt - 1).or(self.steps.last()).unwrap().clone() {
            Good => Ok(number),
            Fail(error) => Err(error),
            Slow(millis) => {
                tokio::time::sleep(Duration::from_millis(millis)).await;
                Ok(number)
            }
            SlowFail(millis) => {
                tokio::time::sleep(Duration::from_millis(millis)).await;
                Err(Error::Busy)
            }
            Hang => std::future::pending().await,
            Panic => panic!("as the script says"),
        }
    }

    pub(crate) fn attempts(&self) -> usize {
        self.begun.lock().unwrap().len()
    }

    /// Milliseconds from each attempt's begin to the next.
    pub(crate) fn gaps(&self) -> Vec<u128> {
        let begun = self.begun.lock().unwrap();
        begun.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect()
    }
}

/// Lets paused time pass.
pub(crate) async fn pass(millis: u64) {
    tokio::time::advance(Duration::from_millis(millis)).await;
}
