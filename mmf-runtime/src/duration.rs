//! `1m30s`: a duration as variables and files have it, with the units of the attributes; and as reports tell it.

use std::time::Duration;

/// Whole numbers with units; nothing where it is none.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let (number, after) = rest.split_at(digits);
        let end = after.find(|letter: char| letter.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let number: u64 = number.parse().ok()?;
        let one = match unit.trim() {
            "us" => Duration::from_micros(number),
            "ms" => Duration::from_millis(number),
            "s" => Duration::from_secs(number),
            "m" => Duration::from_secs(number.checked_mul(60)?),
            "h" => Duration::from_secs(number.checked_mul(3600)?),
            _ => return None,
        };
        total = total.checked_add(one)?;
        rest = after;
    }
    Some(total)
}

/// Milliseconds of a record as people read them: `1.5ms`.
#[cfg(feature = "testing")]
pub(crate) fn text_of_ms(ms: f64) -> String {
    format!("{:.1?}", Duration::from_secs_f64(ms / 1000.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_units() {
        assert_eq!(parse("1m30s"), Some(Duration::from_secs(90)));
        assert_eq!(parse(" 250 ms "), Some(Duration::from_millis(250)));
        for wrong in ["", "5", "s", "5 parsecs", "-1s", "99999999999999999999s"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
