//! The header by which a caller says how long it waits.

use std::time::Duration;

use http::{HeaderMap, HeaderName};

/// What the header of a request says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Nothing,
    Time(Duration),
    /// No number of milliseconds, or several headers.
    Nonsense,
}

/// A year: nobody waits longer, and what says so means something else.
const LONGEST: u64 = 365 * 86_400 * 1000;

pub(super) fn timeout(headers: &HeaderMap, name: &HeaderName) -> Said {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Said::Nothing };
    let text = value.to_str().ok().filter(|_| values.next().is_none());
    let digits = text.map(str::trim).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    match digits.map(str::parse::<u64>) {
        Some(Ok(millis)) if millis <= LONGEST => Said::Time(Duration::from_millis(millis)),
        _ => Said::Nonsense,
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
            timeout(&headers, &name)
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
