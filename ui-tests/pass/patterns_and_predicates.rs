#![allow(dead_code)]

use mmf::resilient;

#[derive(Debug)]
struct Error;

impl From<mmf::ResilienceError> for Error {
    fn from(_: mmf::ResilienceError) -> Self {
        Self
    }
}

use std::time::Duration;

enum Api {
    Timeout,
    Status(u16),
    Auth { user: String },
    Refused,
}

impl From<mmf::ResilienceError> for Api {
    fn from(_: mmf::ResilienceError) -> Self {
        Self::Refused
    }
}

impl Api {
    fn is_busy(&self) -> bool {
        matches!(self, Self::Status(429))
    }

    fn hint(&self) -> Option<Duration> {
        None
    }
}

#[resilient(
    retry(
        retry_on(Api::Timeout | Api::Refused, Api::Status(500..=599)),
        abort_on(Api::Auth { .. }),
        retry_if(Api::is_busy),
        retry_if_ok(|number: &u32| *number == 0),
        retry_after = Api::hint,
        on_refusal("timeout", "breaker")
    ),
    breaker(fail_on(Api::Timeout), skip_on(Api::Auth { user }), fail_if = |e| e.is_busy()),
    fallback(value(7), apply_on(Api::Status(_)), skip_on(Api::Auth { .. })),
)]
async fn call(id: u32) -> Result<u32, Api> {
    match id {
        0 => Err(Api::Timeout),
        1 => Err(Api::Status(500)),
        2 => Err(Api::Auth { user: String::new() }),
        _ => Ok(id),
    }
}

fn main() {}
