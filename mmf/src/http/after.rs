//! `Retry-After`, in both of its forms.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};

use super::once::said_once;

/// When to come back, by the headers of a response: seconds, or a date (RFC 9110, 10.2.3). A date counts from the
/// response's own `Date`, so that clocks that differ do not matter. What is past, negative, zero, no number, or there
/// several times is no hint; more seconds than a number holds are as many as it does.
pub fn retry_after_of(headers: &HeaderMap) -> Option<Duration> {
    let text = said_once(headers, &RETRY_AFTER)?.trim();
    let after = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        let at = httpdate::parse_http_date(text).ok()?;
        let sent = said_once(headers, &DATE).and_then(|date| httpdate::parse_http_date(date).ok());
        at.duration_since(sent.unwrap_or_else(SystemTime::now)).ok()?
    };
    (!after.is_zero()).then_some(after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn after(values: &[&str], date: Option<&str>) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(RETRY_AFTER, HeaderValue::from_str(value).unwrap());
        }
        if let Some(date) = date {
            headers.insert(DATE, HeaderValue::from_str(date).unwrap());
        }
        retry_after_of(&headers)
    }

    #[test]
    fn seconds_and_dates_are_hints() {
        assert_eq!(after(&["120"], None), Some(Duration::from_secs(120)));
        assert_eq!(after(&[" 7 "], None), Some(Duration::from_secs(7)));
        let sent = "Sun, 06 Nov 1994 08:49:37 GMT";
        let at = "Sun, 06 Nov 1994 08:50:07 GMT";
        assert_eq!(after(&[at], Some(sent)), Some(Duration::from_secs(30)));
        let in_an_hour = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3600));
        let hint = after(&[&in_an_hour], None).unwrap().as_secs();
        assert!((3590..=3600).contains(&hint), "{hint}");
        let huge = after(&["99999999999999999999999"], None);
        assert_eq!(huge, Some(Duration::from_secs(u64::MAX)));
    }

    #[test]
    fn what_says_nothing_is_no_hint() {
        let past = "Sun, 06 Nov 1994 08:49:37 GMT";
        for values in [
            &[][..],
            &[""],
            &["0"],
            &["-1"],
            &["NaN"],
            &["1.5"],
            &["soon"],
            &[past],
            &["Sun, 99 Nov 1994 08:49:37 GMT"],
            &["1", "2"],
        ] {
            assert_eq!(after(values, None), None, "{values:?}");
        }
        assert_eq!(after(&[past], Some("Sun, 06 Nov 1994 09:00:00 GMT")), None);
    }
}
