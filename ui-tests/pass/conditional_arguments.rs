//! Arguments that are there on one platform, or with one feature.
#![allow(dead_code, unexpected_cfgs)]

use mmf::resilient;

#[derive(Debug)]
struct Error;

impl From<mmf::ResilienceError> for Error {
    fn from(_: mmf::ResilienceError) -> Self {
        Self
    }
}

async fn cached(
    #[cfg(unix)] _: u32,
    _: &str,
    #[cfg(not(unix))] _: u64,
    #[cfg(feature = "none")] _: u8,
    _: Error,
) -> Result<u32, Error> {
    Ok(0)
}

#[resilient(timeout = "1s", fallback(cached))]
async fn call(
    #[cfg(unix)] id: u32,
    name: &str,
    #[cfg(not(unix))] id: u64,
    #[cfg(feature = "none")] more: u8,
) -> Result<u32, Error> {
    Ok(id as u32 + name.len() as u32)
}

#[resilient(retry, clone(list), fallback(of_list))]
async fn push(#[cfg(unix)] mut list: Vec<u8>, #[cfg(not(unix))] list: u64) -> Result<u32, Error> {
    #[cfg(unix)]
    list.push(1);
    let _ = list;
    Ok(1)
}

async fn of_list(
    #[cfg(unix)] _: Vec<u8>,
    #[cfg(not(unix))] _: u64,
    _: Error,
) -> Result<u32, Error> {
    Ok(0)
}

fn main() {}
