//! A stale value is told that it is one.
#![allow(dead_code)]

use std::time::Duration;

use mmf::resilient;

#[derive(Debug)]
struct Error;

impl From<mmf::ResilienceError> for Error {
    fn from(_: mmf::ResilienceError) -> Self {
        Self
    }
}

#[derive(Clone)]
struct User {
    age: Option<Duration>,
}

impl User {
    fn aged(&mut self, age: Duration) {
        self.age = Some(age);
    }
}

#[resilient(timeout = "1s", fallback(stale(key(id), aged(User::aged))))]
async fn by_path(id: u64) -> Result<User, Error> {
    let _ = id;
    Ok(User { age: None })
}

#[resilient(timeout = "1s", fallback(stale(key(id), aged(|user, age| user.age = Some(age)))))]
async fn by_closure(id: u64) -> Result<User, Error> {
    let _ = id;
    Ok(User { age: None })
}

fn main() {}
