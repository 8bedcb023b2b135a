//! `grpc-timeout`: how long a caller waits, in the form of the
//! [protocol](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md): at most eight digits and a unit.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::malformed::TIMEOUTS;
use crate::http::once::said_once;

pub(super) const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The most that fits.
const MOST: u128 = 99_999_999;

/// How long the caller waits, where it says so; what is no time is noted.
pub(super) fn timeout_of(headers: &HeaderMap) -> Option<Duration> {
    if !headers.contains_key(TIMEOUT) {
        return None;
    }
    let timeout = said_once(headers, &TIMEOUT).and_then(parsed);
    if timeout.is_none() {
        TIMEOUTS.note();
    }
    timeout
}

fn parsed(text: &str) -> Option<Duration> {
    let unit = text.chars().next_back()?;
    let digits = &text[..text.len() - unit.len_utf8()];
    if digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        'H' => Duration::from_secs(number * 3600),
        'M' => Duration::from_secs(number * 60),
        'S' => Duration::from_secs(number),
        'm' => Duration::from_millis(number),
        'u' => Duration::from_micros(number),
        'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

/// A time as it is told: in the finest unit that it fits, rounded down, as the other side has no more than this one.
pub(super) fn told(time: Duration) -> HeaderValue {
    let units = [
        (time.as_nanos(), b'n'),
        (time.as_micros(), b'u'),
        (time.as_millis(), b'm'),
        (u128::from(time.as_secs()), b'S'),
        (u128::from(time.as_secs() / 60), b'M'),
    ];
    let hours = (u128::from(time.as_secs() / 3600).min(MOST), b'H');
    let (mut number, unit) = units.into_iter().find(|(number, _)| *number <= MOST).unwrap_or(hours);
    let mut text = [0; 9];
    let mut begin = text.len() - 1;
    text[begin] = unit;
    loop {
        begin -= 1;
        text[begin] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    HeaderValue::from_bytes(&text[begin..]).unwrap_or_else(|_| HeaderValue::from_static("0n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_unit_is_a_time_and_all_else_is_none() {
        for (text, nanos) in [
            ("1n", 1_u128),
            ("2u", 2_000),
            ("3m", 3_000_000),
            ("4S", 4_000_000_000),
            ("5M", 300_000_000_000),
            ("6H", 21_600_000_000_000),
            ("0S", 0),
            ("99999999H", 359_999_996_400_000_000_000),
        ] {
            assert_eq!(parsed(text).map(|time| time.as_nanos()), Some(nanos), "{text}");
        }
        for text in
            ["", "S", "5", "5s", "-1S", "+1S", " 1S", "1 S", "1.5S", "100000000n", "1S1", "1ß"]
        {
            assert_eq!(parsed(text), None, "{text:?}");
        }
    }

    #[test]
    fn it_is_told_in_the_finest_unit_and_never_as_more_than_it_is() {
        let told = |time| told(time).to_str().unwrap().to_owned();
        assert_eq!(told(Duration::ZERO), "0n");
        assert_eq!(told(Duration::from_nanos(99_999_999)), "99999999n");
        assert_eq!(told(Duration::from_nanos(100_000_999)), "100000u");
        assert_eq!(told(Duration::from_micros(99_999_999)), "99999999u");
        assert_eq!(told(Duration::from_micros(100_000_999)), "100000m");
        assert_eq!(told(Duration::from_millis(100_000_000)), "100000S");
        assert_eq!(told(Duration::from_secs(100_000_059)), "1666667M");
        assert_eq!(told(Duration::from_secs(60 * 100_000_001)), "1666666H");
        assert_eq!(told(Duration::MAX), "99999999H");
    }

    #[test]
    fn several_say_nothing_and_are_counted() {
        let before = TIMEOUTS.total();
        let mut headers = HeaderMap::new();
        assert_eq!(timeout_of(&headers), None);
        assert_eq!(TIMEOUTS.total(), before);
        headers.insert(TIMEOUT, HeaderValue::from_static("5S"));
        assert_eq!(timeout_of(&headers), Some(Duration::from_secs(5)));
        headers.append(TIMEOUT, HeaderValue::from_static("6S"));
        assert_eq!(timeout_of(&headers), None);
        assert!(TIMEOUTS.total() > before);
    }
}
