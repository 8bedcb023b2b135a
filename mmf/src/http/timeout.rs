//! The header by which a caller says how long it waits, in milliseconds.

use std::fmt;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use mmf_runtime::resilience::time_left;

use super::once::said_once;

/// A header that should say how long somebody waits, and says nothing of the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidTimeout;

impl fmt::Display for InvalidTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the timeout header is no number of milliseconds: it is left aside")
    }
}

impl std::error::Error for InvalidTimeout {}

/// A year: nobody waits longer, and what says so means something else.
const LONGEST: u64 = 365 * 86_400 * 1000;

/// How long a caller waits, by the header of this name: a whole number of milliseconds, up to a year. Nothing, where the
/// header is not there.
///
/// # Errors
///
/// Where it says anything else, or is there several times.
///
/// ```
/// use std::time::Duration;
/// use http::{HeaderMap, HeaderName};
/// use mmf::http::{InvalidTimeout, timeout_of};
///
/// let name = HeaderName::from_static("x-request-timeout-ms");
/// let mut headers = HeaderMap::new();
/// assert_eq!(timeout_of(&headers, &name), Ok(None));
/// headers.insert(&name, "1500".parse().unwrap());
/// assert_eq!(timeout_of(&headers, &name), Ok(Some(Duration::from_millis(1500))));
/// headers.insert(&name, "-1".parse().unwrap());
/// assert_eq!(timeout_of(&headers, &name), Err(InvalidTimeout));
/// ```
pub fn timeout_of(
    headers: &HeaderMap,
    name: &HeaderName,
) -> Result<Option<Duration>, InvalidTimeout> {
    if !headers.contains_key(name) {
        return Ok(None);
    }
    let text = said_once(headers, name).map(str::trim);
    let digits = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    match digits.map(str::parse::<u64>) {
        Some(Ok(millis)) if millis <= LONGEST => Ok(Some(Duration::from_millis(millis))),
        _ => Err(InvalidTimeout),
    }
}

/// Tells whoever is asked next how long this caller waits: what is left of the deadline that the running code is under, in
/// whole milliseconds, where it is under one.
///
/// ```
/// use std::time::Duration;
/// use http::{HeaderMap, HeaderName};
/// use mmf::http::insert_time_left;
/// use mmf::resilience::{ResilienceError, call};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
/// let name = HeaderName::from_static("x-request-timeout-ms");
/// let asked = call("asked").deadline(Duration::from_secs(2)).run(|| async {
///     let mut headers = HeaderMap::new();
///     insert_time_left(&mut headers, &name);
///     Ok::<_, ResilienceError>(headers)
/// });
/// assert_eq!(asked.await.unwrap()[&name], "2000");
/// # }
/// ```
pub fn insert_time_left(headers: &mut HeaderMap, name: &HeaderName) {
    if let Some(left) = time_left() {
        // Rounded down: the other side has no more than this one.
        let millis = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        headers.insert(name, HeaderValue::from(millis));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn milliseconds_are_a_time_and_all_else_is_told() {
        let name = HeaderName::from_static("x-request-timeout-ms");
        let said = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(&name, HeaderValue::from_str(value).unwrap());
            }
            timeout_of(&headers, &name)
        };
        assert_eq!(said(&[]), Ok(None));
        assert_eq!(said(&["0"]), Ok(Some(Duration::ZERO)));
        assert_eq!(said(&["1500"]), Ok(Some(Duration::from_millis(1500))));
        for nonsense in
            ["", "+5", "-1", "1.5", "NaN", "2s", "99999999999", "99999999999999999999999"]
        {
            assert_eq!(said(&[nonsense]), Err(InvalidTimeout), "{nonsense}");
        }
        assert_eq!(said(&["1", "1"]), Err(InvalidTimeout), "nothing tells which");
    }
}
