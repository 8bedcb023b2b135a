//! `"1h30m"`: a duration as it is written.

use std::time::Duration;

const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60 * 1_000_000_000),
    ("h", 3_600 * 1_000_000_000),
    ("d", 86_400 * 1_000_000_000),
];

/// Parses numbers with units, largest first by habit: `"250us"`, `"2s"`, `"1h30m"`.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let mut total = 0_u64;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err("empty duration, write for example `\"2s\"`".into());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let after = after.trim_start();
        let letters = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        if let Some(whole) = in_whole_numbers(text) {
            return Err(format!("whole numbers only: write `\"{whole}\"`"));
        }
        if number.is_empty() {
            return Err(format!(
                "`{text}` is not a duration, write whole numbers with units, for example `\"1h30m\"` \
                 or `\"250ms\"`"
            ));
        }
        if unit.is_empty() {
            return Err(format!(
                "`{number}` has no unit, write `\"{number}s\"` or `\"{number}ms\"`"
            ));
        }
        let Some((_, nanos)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(format!(
                "unknown unit `{unit}`, expected one of `ns`, `us`, `ms`, `s`, `m`, `h`, `d`"
            ));
        };
        total = number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(*nanos))
            .and_then(|nanos| total.checked_add(nanos))
            .ok_or_else(|| format!("`{text}` is too long a duration"))?;
        rest = after.trim_start();
    }
    Ok(Duration::from_nanos(total))
}

/// `1.5s` as one would write it.
fn in_whole_numbers(text: &str) -> Option<String> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(end);
    let (whole, fraction) = number.split_once('.')?;
    let (_, nanos) = UNITS.iter().find(|(name, _)| *name == unit.trim_start())?;
    let digits = |text: &str| if text.is_empty() { Ok(0) } else { text.parse::<u64>() };
    // More digits than nanoseconds have say nothing.
    let fraction: String = fraction.chars().take(18).collect();
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let part = u128::from(digits(&fraction).ok()?) * u128::from(*nanos) / scale;
    let whole = digits(whole).ok()?.checked_mul(*nanos)?;
    let nanos = whole.checked_add(u64::try_from(part).ok()?)?;
    Some(self::text(Duration::from_nanos(nanos)))
}

/// The shortest text for a duration, as one would write it.
pub(crate) fn text(duration: Duration) -> String {
    let mut nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    if nanos == 0 {
        return "0s".into();
    }
    let mut text = String::new();
    for (unit, size) in UNITS.iter().rev().filter(|(unit, _)| *unit != "µs") {
        if nanos >= *size {
            text.push_str(&format!("{}{unit}", nanos / size));
            nanos %= size;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_units_add_up() {
        assert_eq!(parse("250us"), Ok(Duration::from_micros(250)));
        assert_eq!(parse("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse("2s 5ms"), Ok(Duration::from_millis(2005)));
        assert_eq!(parse("0s"), Ok(Duration::ZERO));
    }

    #[test]
    fn mistakes_say_what_to_write() {
        assert_eq!(parse("5").unwrap_err(), "`5` has no unit, write `\"5s\"` or `\"5ms\"`");
        assert!(parse("5 parsecs").unwrap_err().contains("unknown unit `parsecs`"));
        assert!(parse("5sec").unwrap_err().contains("unknown unit `sec`"));
        for (written, meant) in
            [("1.5s", "1s500ms"), (".5s", "500ms"), ("0.25 h", "15m"), ("2.s", "2s")]
        {
            let message = format!("whole numbers only: write `\"{meant}\"`");
            assert_eq!(parse(written).unwrap_err(), message);
        }
        assert!(parse("1.5.2s").is_err() && parse("1.5").is_err());
        assert!(parse("-5s").unwrap_err().contains("is not a duration"));
        assert!(parse("999999999999d").unwrap_err().contains("too long"));
        assert!(parse("").is_err());
    }

    #[test]
    fn the_text_parses_to_the_same() {
        for written in ["1h30m", "250us", "2s", "1d1ns", "0s"] {
            assert_eq!(text(parse(written).unwrap()), written);
        }
    }
}
