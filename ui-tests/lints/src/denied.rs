//! Beside macros that allow for themselves what a `forbid` would refuse them: those of tracing and async-trait.
#![deny(unused, unreachable_code, rust_2018_idioms, nonstandard_style)]
#![deny(clippy::all, clippy::pedantic, clippy::nursery)]

use mmf::{resilient, service};

use crate::forbidden::Error;

/// Its methods are operations.
#[derive(Debug)]
#[non_exhaustive]
pub struct Users;

#[service(name = "users")]
impl Users {
    /// An operation.
    ///
    /// # Errors
    ///
    /// Where it fails.
    #[resilient(retry, timeout = "1s")]
    #[operation(fields(id), level = "debug")]
    pub async fn get(&self, id: u64) -> Result<u64, Error> {
        std::future::ready(()).await;
        Ok(id)
    }

    /// One without an end.
    pub async fn serve(&self) {
        std::future::ready(()).await;
        std::process::exit(0)
    }
}

/// Has a logger.
#[service(name = "users")]
#[derive(Debug)]
#[non_exhaustive]
pub struct Logged;

/// In a span.
///
/// # Errors
///
/// Where it fails.
#[resilient(retry, timeout = "1s")]
#[tracing::instrument]
pub async fn instrumented(name: String) -> Result<usize, Error> {
    std::future::ready(()).await;
    Ok(name.len())
}

/// Of boxed futures.
#[async_trait::async_trait]
pub trait Source {
    /// Reads.
    async fn read(&self, name: String) -> Result<usize, Error>;
}

#[async_trait::async_trait]
impl Source for Users {
    #[resilient(retry, timeout = "1s", clone(name))]
    async fn read(&self, mut name: String) -> Result<usize, Error> {
        name.push('!');
        std::future::ready(()).await;
        Ok(name.len())
    }
}
