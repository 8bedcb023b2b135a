//! Under `#[async_trait]`, attributes stand in any order, and so do those of the block.
#![allow(dead_code)]

use async_trait::async_trait;
use mmf::{chaos, resilient, service};

#[derive(Debug)]
struct Error;

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an error")
    }
}

impl From<mmf::ResilienceError> for Error {
    fn from(_: mmf::ResilienceError) -> Self {
        Self
    }
}

#[async_trait]
trait Source {
    async fn read(&self, name: String) -> Result<usize, Error>;
    async fn ping(&mut self);
}

struct Instrumented;

#[async_trait]
impl Source for Instrumented {
    #[tracing::instrument(skip(self))]
    #[resilient(retry, timeout = "1s")]
    async fn read(&self, name: String) -> Result<usize, Error> {
        Ok(name.len())
    }

    #[tracing::instrument(skip(self))]
    #[chaos(hang)]
    async fn ping(&mut self) {}
}

struct InstrumentedInside;

#[async_trait]
impl Source for InstrumentedInside {
    #[resilient(retry, timeout = "1s", clone(name))]
    #[tracing::instrument(skip(self), err)]
    async fn read(&self, mut name: String) -> Result<usize, Error> {
        name.push('!');
        Ok(name.len())
    }

    #[chaos(hang)]
    #[tracing::instrument(skip(self))]
    async fn ping(&mut self) {}
}

struct Struck;

#[async_trait]
impl Source for Struck {
    #[chaos(network_delay)]
    #[resilient(retry, timeout = "1s")]
    #[tracing::instrument(skip(self))]
    async fn read(&self, name: String) -> Result<usize, Error> {
        Ok(name.len())
    }

    #[tracing::instrument(skip(self))]
    #[chaos(hang)]
    async fn ping(&mut self) {}
}

struct StruckInside;

#[async_trait]
impl Source for StruckInside {
    #[tracing::instrument(skip(self))]
    #[resilient(retry, timeout = "1s")]
    #[chaos(network_delay)]
    async fn read(&self, name: String) -> Result<usize, Error> {
        Ok(name.len())
    }

    async fn ping(&mut self) {}
}

#[async_trait]
trait Reader {
    async fn read(&self, (first, second): (String, u64)) -> Result<usize, Error>;
    async fn iter(&self) -> Result<Box<dyn Iterator<Item = u8> + Send>, Error>;
}

struct All;

#[async_trait]
#[resilient(timeout = "1s", retry, all)]
impl Reader for All {
    async fn read(&self, (first, second): (String, u64)) -> Result<usize, Error> {
        Ok(first.len() + second as usize)
    }

    async fn iter(&self) -> Result<Box<dyn Iterator<Item = u8> + Send>, Error> {
        Ok(Box::new(std::iter::once(1)))
    }
}

struct AllBelow;

#[resilient(timeout = "1s", retry, all)]
#[async_trait]
impl Reader for AllBelow {
    async fn read(&self, (first, second): (String, u64)) -> Result<usize, Error> {
        Ok(first.len() + second as usize)
    }

    async fn iter(&self) -> Result<Box<dyn Iterator<Item = u8> + Send>, Error> {
        Ok(Box::new(std::iter::once(1)))
    }
}

struct Operations;

#[async_trait]
#[service(name = "reader")]
#[resilient(timeout = "1s", retry, all)]
impl Reader for Operations {
    async fn read(&self, (first, second): (String, u64)) -> Result<usize, Error> {
        Ok(first.len() + second as usize)
    }

    async fn iter(&self) -> Result<Box<dyn Iterator<Item = u8> + Send>, Error> {
        Ok(Box::new(std::iter::once(1)))
    }
}

struct OperationsAbove;

#[service(name = "source")]
#[async_trait]
impl Source for OperationsAbove {
    #[resilient(timeout = "1s")]
    #[operation(name = "read")]
    async fn read(&self, name: String) -> Result<usize, Error> {
        Ok(name.len())
    }

    async fn ping(&mut self) {}
}

fn main() {}
