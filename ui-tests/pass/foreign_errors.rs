//! An error type of another crate: the attribute says how a refusal becomes one.
#![allow(dead_code)]

use std::error::Error;
use std::fmt;
use std::io;

use mmf::{ResilienceError, resilient};

fn refused(refusal: ResilienceError) -> fmt::Error {
    let _ = refusal;
    fmt::Error
}

#[resilient(timeout = "1s", retry, breaker, refused(io::Error::other))]
async fn by_path(host: &str) -> io::Result<usize> {
    Ok(host.len())
}

#[resilient(timeout = "1s", refused(|refusal| io::Error::new(io::ErrorKind::TimedOut, refusal)))]
async fn by_closure(host: &str) -> Result<usize, io::Error> {
    Ok(host.len())
}

#[resilient(bulkhead, refused = refused)]
fn by_function() -> fmt::Result {
    Ok(())
}

// With no `From`, `?` keeps inferring.
#[resilient(breaker, refused(Failure::Refused))]
async fn with_question_mark(text: &str) -> Result<u32, Failure> {
    let number: u32 = text.parse()?;
    Ok(number)
}

enum Failure {
    Number(std::num::ParseIntError),
    Refused(ResilienceError),
}

impl From<std::num::ParseIntError> for Failure {
    fn from(error: std::num::ParseIntError) -> Self {
        Self::Number(error)
    }
}

#[resilient(timeout = "1s", fallback(cached), refused(io::Error::other))]
async fn with_fallback(id: u64) -> io::Result<u64> {
    Ok(id)
}

async fn cached(id: u64, _: io::Error) -> io::Result<u64> {
    Ok(id)
}

#[resilient(timeout = "1s", refused(|refusal: ResilienceError| refusal.to_string()))]
async fn generic<T: AsRef<str>>(text: T) -> Result<usize, String> {
    Ok(text.as_ref().len())
}

struct Client {
    name: String,
}

#[resilient(timeout = "1s", breaker, refused(io::Error::other), all)]
impl Client {
    pub async fn get(&self) -> io::Result<usize> {
        Ok(self.name.len())
    }

    #[resilient(refused(|refusal| format!("{}: {}", self.name, refusal)))]
    pub async fn own(&self) -> Result<usize, String> {
        Ok(1)
    }
}

#[async_trait::async_trait]
trait Source {
    async fn read(&self) -> Result<usize, Box<dyn Error + Send + Sync>>;
}

#[async_trait::async_trait]
impl Source for Client {
    #[resilient(timeout = "1s", refused(|refusal| format!("{}: {}", self.name, refusal).into()))]
    async fn read(&self) -> Result<usize, Box<dyn Error + Send + Sync>> {
        Ok(1)
    }
}

fn main() {}
