//! Operations whose errors live as long as what they borrow, or are any type of the caller's.
#![allow(dead_code)]

use std::error::Error as StdError;
use std::fmt;

use mmf::{resilient, service};

#[derive(Debug)]
struct Error;

impl From<mmf::ResilienceError> for Error {
    fn from(_: mmf::ResilienceError) -> Self {
        Self
    }
}

#[derive(Debug)]
struct Parse<'a>(&'a str);

impl fmt::Display for Parse<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl StdError for Parse<'_> {}

struct Users;

#[service(name = "users")]
impl Users {
    pub async fn tx<T, X: StdError>(&self, work: impl Fn() -> Result<T, X>) -> Result<T, X> {
        work()
    }

    pub async fn parse<'a>(&self, text: &'a str) -> Result<u64, Parse<'a>> {
        text.parse().map_err(|_| Parse(text))
    }

    pub async fn boxed<'a>(&self, text: &'a str) -> Result<u64, Box<dyn StdError + 'a>> {
        Err(Box::new(Parse(text)))
    }

    #[operation]
    pub fn sent(&self, text: &'static str) -> Result<u64, Box<dyn StdError + Send>> {
        Err(Box::new(Parse(text)))
    }
}

struct Client;

#[service(name = "client")]
#[resilient(all, retry, timeout = "1s")]
impl Client {
    pub async fn send(&self, body: String) -> Result<usize, Error> {
        Ok(body.len())
    }
}

struct Blocking;

#[service(name = "blocking")]
impl Blocking {
    #[operation]
    #[resilient(retry)]
    pub fn send(&self, body: String) -> Result<usize, Error> {
        Ok(body.len())
    }

    #[resilient(retry)]
    #[operation]
    pub fn send_again(&self, body: String) -> Result<usize, Error> {
        Ok(body.len())
    }
}

fn main() {}
