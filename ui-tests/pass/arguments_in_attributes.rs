//! What an attribute names of arguments, and what a fallback makes of them.
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

const NAME: &str = "arguments.named";
const LIMIT: u32 = 5;

struct Options {
    deadline: Duration,
    url: String,
}

async fn call(url: &str) -> Result<usize, Error> {
    Ok(url.len())
}

#[resilient(retry, deadline = options.deadline, timeout = options.deadline / 2)]
async fn of_an_argument(options: Options) -> Result<usize, Error> {
    call(&options.url).await
}

fn cached(_: &Client, _: usize, _: Error) -> Result<usize, Error> {
    Ok(1)
}

struct Client {
    list: Vec<u8>,
}

impl Client {
    #[resilient(timeout = "1s", fallback(Self::rest))]
    async fn lent_on(&mut self, name: &String, list: &Vec<u8>) -> Result<usize, Error> {
        self.list.push(1);
        Ok(name.len() + list.len())
    }

    async fn rest(&self, name: &str, list: &[u8], _: Error) -> Result<usize, Error> {
        Ok(name.len() + list.len())
    }
}

#[resilient(timeout = "1s", fallback(of_pair))]
async fn pair((client, id): (&mut Client, usize)) -> Result<usize, Error> {
    client.list.push(1);
    Ok(id)
}

async fn of_pair(_: (&mut Client, usize), _: Error) -> Result<usize, Error> {
    Ok(1)
}

#[async_trait::async_trait]
trait Source {
    async fn module(&self, id: usize) -> Result<usize, Error>;
    async fn taken_apart(&self, pair: (Vec<u8>, usize)) -> Result<usize, Error>;
    async fn with_fallback(&self, pair: (Vec<u8>, usize)) -> Result<usize, Error>;
}

#[async_trait::async_trait]
impl Source for Client {
    #[resilient(
        name = self::NAME,
        breaker(failure_threshold = self::LIMIT),
        timeout = "1s",
        fallback(self::cached)
    )]
    async fn module(&self, id: usize) -> Result<usize, Error> {
        Ok(id + self.list.len())
    }

    #[resilient(retry, clone(a), keep(b))]
    async fn taken_apart(&self, (mut a, mut b): (Vec<u8>, usize)) -> Result<usize, Error> {
        a.push(1);
        b += 1;
        Ok(a.len() + b)
    }

    #[resilient(timeout = "1s", fallback(of_source))]
    async fn with_fallback(&self, (a, b): (Vec<u8>, usize)) -> Result<usize, Error> {
        Ok(a.len() + b)
    }
}

async fn of_source(_: &Client, _: (Vec<u8>, usize), _: Error) -> Result<usize, Error> {
    Ok(1)
}

fn main() {}
