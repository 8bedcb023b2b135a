//! A type whose name ends in `Result` need not be one.
#![allow(dead_code)]

use mmf::{chaos, resilient};

#[derive(Debug)]
struct Error;

impl From<mmf::ResilienceError> for Error {
    fn from(_: mmf::ResilienceError) -> Self {
        Self
    }
}

struct QueryResult;

type Answer<T> = Result<T, Error>;
type ApiResult<T> = Result<T, Error>;

#[chaos(high_latency)]
async fn query() -> QueryResult {
    QueryResult
}

#[chaos(high_latency)]
fn query_now() -> QueryResult {
    QueryResult
}

#[chaos(random_errors(error(Error)))]
async fn answer() -> Answer<u8> {
    Ok(1)
}

struct Client;

#[resilient(all, retry)]
impl Client {
    pub fn new() -> Self {
        Self
    }

    pub fn last(&self) -> QueryResult {
        QueryResult
    }

    pub fn read(&self) -> Result<u8, Error> {
        Ok(1)
    }

    pub fn alias(&self) -> ApiResult<u8> {
        Ok(1)
    }

    #[resilient(skip)]
    pub async fn listen(&self) -> QueryResult {
        QueryResult
    }
}

fn main() {}
