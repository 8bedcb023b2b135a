//! The header by which a caller says how long it waits, in milliseconds.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use mmf_runtime::resilience::time_left;

use super::once::said_once;

/// What the header of a request says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Nothing,
    Time(Duration),
    /// No number of milliseconds, or several headers.
    Nonsense,
}

/// How [`Said::Nonsense`] is told.
pub(crate) const NONSENSE: &str =
    "the timeout header is no number of milliseconds: the default deadline holds";

/// A year: nobody waits longer, and what says so means something else.
const LONGEST: u64 = 365 * 86_400 * 1000;

/// The header of this name.
///
/// # Panics
///
/// Where that is no name of a header.
pub(crate) fn header(name: &str) -> HeaderName {
    HeaderName::try_from(name).expect("the name of a header")
}

pub(crate) fn said(headers: &HeaderMap, name: &HeaderName) -> Said {
    if !headers.contains_key(name) {
        return Said::Nothing;
    }
    let text = said_once(headers, name).map(str::trim);
    let digits = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    match digits.map(str::parse::<u64>) {
        Some(Ok(millis)) if millis <= LONGEST => Said::Time(Duration::from_millis(millis)),
        _ => Said::Nonsense,
    }
}

/// Says it to whoever is asked next: what is left of the deadline that the running code is under, where it is under one.
pub(crate) fn tell(headers: &mut HeaderMap, name: &HeaderName) {
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
            super::said(&headers, &name)
        };
        assert_eq!(said(&[]), Said::Nothing);
        assert_eq!(said(&["0"]), Said::Time(Duration::ZERO));
        assert_eq!(said(&["1500"]), Said::Time(Duration::from_millis(1500)));
        for nonsense in
            ["", "+5", "-1", "1.5", "NaN", "2s", "99999999999", "99999999999999999999999"]
        {
            assert_eq!(said(&[nonsense]), Said::Nonsense, "{nonsense}");
        }
        assert_eq!(said(&["1", "1"]), Said::Nonsense, "nothing tells which");
    }
}
