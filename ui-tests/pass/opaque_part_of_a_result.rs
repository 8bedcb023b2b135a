//! A part of the result is opaque, and is only known from what the body awaits.
#![allow(dead_code)]

use std::future::Future;

use mmf::{chaos, resilient, service};

#[derive(Debug)]
struct Error;

impl From<mmf::ResilienceError> for Error {
    fn from(_: mmf::ResilienceError) -> Self {
        Self
    }
}

struct Connection(u8);

impl Connection {
    #[resilient(timeout = "1s", refused(|_| Error))]
    async fn new(id: u8) -> Result<(Self, impl Future<Output = ()>), Error> {
        Self::with_config(id).await
    }

    #[resilient(timeout = "1s", retry, breaker)]
    async fn with_config(id: u8) -> Result<(Self, impl Future<Output = ()>), Error> {
        let driver = async move {
            let _ = id;
        };
        Ok((Self(id), driver))
    }

    #[resilient(retry)]
    fn blocking(id: u8) -> Result<(Self, impl Iterator<Item = u8>), Error> {
        Ok((Self(id), std::iter::once(id)))
    }
}

#[resilient(timeout = "1s", fallback(value((Connection(1), ()))))]
async fn with_value(id: u8) -> Result<(Connection, impl Send), Error> {
    Ok((Connection(id), ()))
}

#[chaos(high_latency)]
async fn struck(id: u8) -> Result<(Connection, impl Future<Output = ()>), Error> {
    Connection::new(id).await
}

#[service(name = "connections")]
impl Connection {
    pub async fn operation(&self) -> Result<(Self, impl Future<Output = ()>), Error> {
        Self::new(self.0).await
    }
}

fn main() {}
