//! Configuration while the program runs. There is one for the whole program, so each test has it alone.

mod hostile;
mod keys;
mod live;
mod mistakes;
mod model;
mod precedence;
mod reload;
mod watched;

use std::sync::{Mutex, PoisonError};

use mmf::config;

/// Runs a test that has the configuration for itself, and leaves none behind.
fn alone_by(test: impl FnOnce()) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    config::apply("").unwrap();
    test();
    config::apply("").unwrap();
}

/// [`alone_by`] under paused time.
fn alone(test: impl Future<Output = ()>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    alone_by(|| runtime.unwrap().block_on(test));
}

/// The value in force and where it comes from.
fn value(policy: &str, key: &str) -> Option<(String, String)> {
    let found = config::effective().into_iter().find(|v| &*v.policy == policy && v.key == key)?;
    let origin = match &found.origin {
        config::Origin::Code { .. } => "code".to_owned(),
        other => other.to_string(),
    };
    Some((found.value, origin))
}

/// The mistakes of a text, one a line.
fn wrong(text: &str) -> String {
    config::apply(text).expect_err("it is wrong").to_string()
}

#[derive(Debug, PartialEq)]
enum Error {
    Failed,
    Refused(mmf::ResilienceError),
}

impl From<mmf::ResilienceError> for Error {
    fn from(refusal: mmf::ResilienceError) -> Self {
        Self::Refused(refusal)
    }
}
