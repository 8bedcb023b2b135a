//! Where everything is forbidden that can be.
// `inventory`, by which functions are listed, allows one of its lints for itself.
#![deny(nonstandard_style)]
#![forbid(
    deprecated_safe,
    keyword_idents,
    let_underscore,
    missing_copy_implementations,
    missing_debug_implementations,
    missing_docs,
    refining_impl_trait,
    rust_2018_idioms,
    single_use_lifetimes,
    trivial_casts,
    trivial_numeric_casts,
    unit_bindings,
    unreachable_code,
    unreachable_pub,
    unsafe_code,
    unused,
    unused_import_braces,
    unused_lifetimes,
    unused_qualifications,
    unused_results,
    variant_size_differences
)]
#![forbid(
    clippy::all,
    clippy::complexity,
    clippy::correctness,
    clippy::nursery,
    clippy::pedantic,
    clippy::perf,
    clippy::style,
    clippy::suspicious
)]
#![forbid(
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::let_underscore_must_use,
    clippy::let_underscore_untyped,
    clippy::mem_forget,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm
)]

use std::pin::Pin;

use mmf::{ResilienceError, chaos, resilient};

/// Of every function here.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// A status.
    Status(u16),
    /// A refusal.
    Refused(ResilienceError),
}

impl From<ResilienceError> for Error {
    fn from(refusal: ResilienceError) -> Self {
        Self::Refused(refusal)
    }
}

impl Error {
    /// Whether it is worth another attempt.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        matches!(self, Self::Status(503))
    }
}

async fn wait() {
    std::future::ready(()).await;
}

async fn cached(_name: &str, _id: u64, error: Error) -> Result<usize, Error> {
    wait().await;
    Err(error)
}

/// Every policy.
///
/// # Errors
///
/// Where it fails.
#[resilient(
    name = concat!("lints.", "everything"),
    deadline = "9s",
    timeout = "1s",
    retry(
        max_attempts = 2,
        retry_on(Error::Status(code @ 500..=599)),
        abort_on(Error::Refused(_)),
        retry_if(Error::is_busy),
        retry_if_ok(|length| *length == 0),
        before_retry(|event| drop(event.clone()))
    ),
    breaker(failure_threshold = 5, skip_on(Error::Refused(_)), fail_if(|error| !error.is_busy())),
    rate_limit(permits = 9, period = "1s"),
    bulkhead(max_concurrent = 8, max_queue = 8),
    hedge(delay = "80ms"),
    fallback(cached)
)]
pub async fn everything(name: &str, id: u64) -> Result<usize, Error> {
    wait().await;
    if id == 0 {
        return Err(Error::Status(503));
    }
    Ok(name.len())
}

/// The cheapest.
///
/// # Errors
///
/// Where it fails.
#[resilient(timeout = "1s")]
pub async fn timed(name: String) -> Result<usize, Error> {
    wait().await;
    Ok(name.len())
}

/// By key, and the last good value.
///
/// # Errors
///
/// Where it fails.
#[resilient(breaker(key(name), max_keys = 8), fallback(stale(key(id), aged(|_, _| ()))))]
pub async fn keyed(name: &str, id: u64) -> Result<u64, Error> {
    wait().await;
    if name.is_empty() { Err(Error::Status(400)) } else { Ok(id) }
}

/// Arguments of its own.
///
/// # Errors
///
/// Where it fails.
#[resilient(retry, clone(list), keep(conn))]
pub async fn given(mut list: Vec<u8>, conn: &mut String, (a, b): (u8, u8)) -> Result<usize, Error> {
    list.push(a);
    conn.push(char::from(b));
    wait().await;
    Ok(list.len())
}

/// On the thread.
///
/// # Errors
///
/// Where it fails.
#[resilient(retry, breaker, bulkhead, fallback(value(7)), refused(Error::Refused))]
pub fn blocking(id: u64) -> Result<u64, Error> {
    if id == 0 { Err(Error::Status(503)) } else { Ok(id) }
}

/// Without an end.
///
/// # Errors
///
/// Never.
#[resilient(retry, timeout = "1s")]
pub async fn endless() -> Result<u64, Error> {
    loop {
        wait().await;
    }
}

/// Ends the program.
///
/// # Errors
///
/// Never.
#[resilient(retry, timeout = "1s", breaker)]
pub async fn ends(code: i32) -> Result<u64, Error> {
    wait().await;
    std::process::exit(code)
}

/// Generic.
///
/// # Errors
///
/// Where it fails.
#[resilient(retry, timeout = "1s")]
pub async fn generic<T: AsRef<str> + Sync, const N: usize>(text: &T) -> Result<[usize; N], Error> {
    wait().await;
    Ok([text.as_ref().len(); N])
}

/// May be struck.
///
/// # Errors
///
/// Where it is.
#[chaos(high_latency, random_errors(error(Error::Status(500))))]
pub async fn struck(id: u64) -> Result<u64, Error> {
    wait().await;
    Ok(id)
}

/// May be struck as well.
#[must_use]
#[chaos(high_latency)]
pub fn struck_now(id: u64) -> u64 {
    id + u64::from(std::process::id())
}

/// With methods.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Client {
    count: u64,
}

#[resilient(retry, timeout = "1s", all)]
impl Client {
    /// A method.
    ///
    /// # Errors
    ///
    /// Where it fails.
    pub async fn get(&self) -> Result<u64, Error> {
        wait().await;
        Ok(self.count)
    }

    /// One that changes what it is of.
    ///
    /// # Errors
    ///
    /// Where it fails.
    #[resilient(keep(self))]
    pub async fn count(&mut self) -> Result<u64, Error> {
        self.count += 1;
        wait().await;
        Ok(self.count)
    }

    /// One that has its own.
    ///
    /// # Errors
    ///
    /// Where it fails.
    #[resilient(clone(self))]
    pub async fn own(mut self) -> Result<u64, Error> {
        self.count += 1;
        wait().await;
        Ok(self.count)
    }

    /// One that is pinned.
    ///
    /// # Errors
    ///
    /// Where it fails.
    #[resilient(keep(self))]
    pub async fn pinned(self: Pin<&mut Self>) -> Result<u64, Error> {
        wait().await;
        Ok(self.count)
    }
}
