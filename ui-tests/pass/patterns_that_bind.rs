//! Patterns of errors may bind what they match, each its own.
#![forbid(unused)]
#![deny(warnings)]

use mmf::resilient;

pub enum Error {
    Status(u16),
    Busy { after: u32 },
    Refused,
}

const LATE: u16 = 599;

impl From<mmf::ResilienceError> for Error {
    fn from(_: mmf::ResilienceError) -> Self {
        Self::Refused
    }
}

#[resilient(
    retry(retry_on(Error::Status(code @ 500..=LATE), Error::Busy { after }), abort_on(Error::Refused)),
    breaker(fail_on(Error::Status(_) | Error::Busy { .. }), skip_on(Error::Status(LATE))),
    fallback(value(7), apply_on(Error::Busy { after: late }), skip_on(Error::Refused))
)]
pub async fn call() -> Result<u8, Error> {
    Err(Error::Busy { after: 1 })
}

pub fn main() {
    let _ = Error::Status(1);
}
