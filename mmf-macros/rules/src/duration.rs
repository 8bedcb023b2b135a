//! `"1h30m"`: a duration as it is written, in attributes, files and variables alike.

use std::time::Duration;

/// The shortest first; of two names for one, that by which it is told comes last.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("µs", 1_000),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60 * 1_000_000_000),
    ("h", 3_600 * 1_000_000_000),
    ("d", 86_400 * 1_000_000_000),
];

/// Whole numbers with units, largest first by habit: `"250us"`, `"2s"`, `"1h30m"`. The units are `ns`, `us` or `µs`, `ms`,
/// `s`, `m`, `h` and `d`.
///
/// # Errors
///
/// Where it is none: what is wrong, and what to write.
///
/// ```
/// use std::time::Duration;
/// assert_eq!(mmf_rules::duration::parse("1m30s"), Ok(Duration::from_secs(90)));
/// assert!(mmf_rules::duration::parse("5").unwrap_err().contains("`\"5s\"`"));
/// ```
pub fn parse(text: &str) -> Result<Duration, String> {
    let mut total = 0_u64;
    let mut is_whole = true;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err("empty duration, write for example `\"2s\"`".into());
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(end);
        let after = after.trim_start();
        let letters = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
            return Err(format!(
                "`{text}` is not a duration, write whole numbers with units, for example `\"1h30m\"` \
                 or `\"250ms\"`"
            ));
        }
        if unit.is_empty() {
            let with = |unit: &str, one| match nanos(whole, fraction, one) {
                Some(nanos) if !fraction.is_empty() => self::text(Duration::from_nanos(nanos)),
                _ => format!("{whole}{unit}"),
            };
            let (seconds, millis) = (with("s", 1_000_000_000), with("ms", 1_000_000));
            return Err(format!("`{number}` has no unit, write `\"{seconds}\"` or `\"{millis}\"`"));
        }
        let Some((_, one)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(format!(
                "unknown unit `{unit}`, expected one of `ns`, `us`, `ms`, `s`, `m`, `h`, `d`"
            ));
        };
        total = nanos(whole, fraction, *one)
            .and_then(|nanos| total.checked_add(nanos))
            .ok_or_else(|| format!("`{text}` is too long a duration"))?;
        is_whole &= !number.contains('.');
        rest = after.trim_start();
    }
    let total = Duration::from_nanos(total);
    if !is_whole {
        return Err(format!("whole numbers only: write `\"{}\"`", self::text(total)));
    }
    Ok(total)
}

/// The shortest text for a duration, as one would write it: `1h30m`.
pub fn text(duration: Duration) -> String {
    let mut nanos = duration.as_nanos();
    if nanos == 0 {
        return "0s".into();
    }
    let mut text = String::new();
    for (unit, size) in UNITS.into_iter().rev() {
        let size = u128::from(size);
        if nanos >= size {
            text.push_str(&format!("{}{unit}", nanos / size));
            nanos %= size;
        }
    }
    text
}

/// A number of units in nanoseconds, what is smaller left out; nothing where it is too large.
fn nanos(whole: &str, fraction: &str, unit: u64) -> Option<u64> {
    let digits =
        |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse::<u64>().ok() };
    // More digits than nanoseconds have say nothing.
    let fraction = &fraction[..fraction.len().min(18)];
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let part = u128::from(digits(fraction)?) * u128::from(unit) / scale;
    digits(whole)?.checked_mul(unit)?.checked_add(u64::try_from(part).ok()?)
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
        for (written, meant) in [
            ("1.5s", "1s500ms"),
            (".5s", "500ms"),
            ("0.25 h", "15m"),
            ("2.s", "2s"),
            ("1h30.5m", "1h30m30s"),
        ] {
            let message = format!("whole numbers only: write `\"{meant}\"`");
            assert_eq!(parse(written).unwrap_err(), message);
        }
        for wrong in ["1.5.2s", ".s", ".5.s", "-5s"] {
            assert!(parse(wrong).unwrap_err().contains("is not a duration"), "{wrong}");
        }
        assert_eq!(
            parse("1.5").unwrap_err(),
            "`1.5` has no unit, write `\"1s500ms\"` or `\"1ms500us\"`"
        );
        assert!(parse("999999999999d").unwrap_err().contains("too long"));
        assert!(parse("").is_err());
    }

    #[test]
    fn the_text_parses_to_the_same() {
        for written in ["1h30m", "250us", "2s", "1d1ns", "0s"] {
            assert_eq!(text(parse(written).unwrap()), written);
        }
    }

    #[test]
    fn a_duration_is_told_as_one_would_write_it() {
        for (duration, written) in [
            (Duration::ZERO, "0s"),
            (Duration::from_secs(5400), "1h30m"),
            (Duration::from_micros(250), "250us"),
            (Duration::new(86_400, 1), "1d1ns"),
        ] {
            assert_eq!(text(duration), written);
        }
        assert!(text(Duration::MAX).ends_with("ns"));
    }
}
