//! A rule takes the key that the user wrote and its value. Where the value can never work, it says so, and which
//! is the nearest that can.

use std::fmt;
use std::time::Duration;

use crate::duration;
use crate::value::Value;

/// A value that can never work.
#[derive(Clone, Debug, PartialEq)]
pub struct Broken<T> {
    /// The key whose value it is.
    pub key: String,
    /// What is wrong with it, and what to write.
    pub message: String,
    /// The nearest value that works.
    pub nearest: T,
}

impl<T> fmt::Display for Broken<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// What a rule says.
pub type Rule<T> = Result<(), Broken<T>>;

/// The most calls that a window of calls holds: two bits each, so a quarter of a mebibyte.
pub const MOST_CALLS: u32 = 1 << 20;

fn broken<T>(key: &str, nearest: T, message: impl Into<String>) -> Rule<T> {
    Err(Broken { key: key.into(), message: message.into(), nearest })
}

/// A share of calls: 0 to 1.
///
/// # Errors
///
/// Where it is none.
///
/// ```
/// assert!(mmf_rules::share("jitter", 0.1).is_ok());
/// assert_eq!(mmf_rules::share("jitter", f64::NAN).unwrap_err().nearest, 0.0);
/// ```
pub fn share(key: &str, value: f64) -> Rule<f64> {
    if (0.0..=1.0).contains(&value) {
        return Ok(());
    }
    let hint = if value > 1.0 && value <= 100.0 {
        format!(": for {value} % write `{key} = {:?}`", value / 100.0)
    } else {
        String::new()
    };
    let nearest = if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) };
    broken(key, nearest, format!("`{key}` is a share between 0.0 and 1.0{hint}"))
}

/// A factor by which something grows: 1 or more, and finite.
///
/// # Errors
///
/// Where it is less, infinite or no number.
pub fn growth(key: &str, value: f64) -> Rule<f64> {
    if value >= 1.0 && value.is_finite() {
        return Ok(());
    }
    let nearest = if value > 1.0 { f64::MAX } else { 1.0 };
    broken(key, nearest, format!("`{key}` must be at least 1.0"))
}

/// A number of which one is needed.
///
/// # Errors
///
/// Where it is 0.
pub fn at_least_one(key: &str, value: u32) -> Rule<u32> {
    if value == 0 { broken(key, 1, format!("`{key}` must be at least 1")) } else { Ok(()) }
}

/// A time that is longer than none.
///
/// # Errors
///
/// Where it is none; the nearest is a nanosecond.
pub fn positive(key: &str, value: Duration) -> Rule<Duration> {
    if value.is_zero() {
        broken(key, Duration::from_nanos(1), format!("`{key}` must be longer than 0s"))
    } else {
        Ok(())
    }
}

/// A time that may not lie below another: `max_delay` and `base_delay`.
///
/// # Errors
///
/// Where it does; the nearest is the other one.
pub fn not_below(
    (key, value): (&str, Duration),
    (least_key, least): (&str, Duration),
) -> Rule<Duration> {
    if value >= least {
        return Ok(());
    }
    let (value, text) = (duration::text(value), duration::text(least));
    let message = format!(
        "`{key}` of {value} is below `{least_key}` of {text}: raise `{key}` or lower `{least_key}`"
    );
    broken(key, least, message)
}

/// A timeout of attempts at calls that have a deadline.
///
/// # Errors
///
/// Where it is longer; the nearest is the deadline, which was promised to whoever calls.
pub fn timeout(timeout: Duration, deadline: Duration) -> Rule<Duration> {
    if deadline >= timeout {
        return Ok(());
    }
    broken(
        "timeout",
        deadline,
        format!(
            "a `deadline` of {} is shorter than one `timeout` of {}: no attempt could use its timeout",
            duration::text(deadline),
            duration::text(timeout)
        ),
    )
}

/// The calls that a window holds.
///
/// # Errors
///
/// Where there are none, or more than [`MOST_CALLS`].
pub fn window_calls(calls: u32) -> Rule<u32> {
    match calls {
        0 => broken("window", 1, "`window` must hold at least 1 call"),
        1..=MOST_CALLS => Ok(()),
        _ => broken(
            "window",
            MOST_CALLS,
            format!(
                "a `window` of {calls} calls is too large, at most {MOST_CALLS}: write a time such as \
                 `window = \"60s\"` for more"
            ),
        ),
    }
}

/// The time that a window covers.
///
/// # Errors
///
/// Where it is none.
pub fn window_time(time: Duration) -> Rule<Duration> {
    if time < Duration::from_nanos(10) {
        broken("window", Duration::from_nanos(10), "`window` must be longer than 0s")
    } else {
        Ok(())
    }
}

/// The calls after which a rate counts, in a window of so many.
///
/// # Errors
///
/// Where the window never holds as many.
pub fn throughput(minimum: u32, window: u32) -> Rule<u32> {
    if minimum <= window {
        return Ok(());
    }
    broken(
        "minimum_throughput",
        window,
        format!(
            "`minimum_throughput` of {minimum} is above the window of {window} calls: the rate would \
             never count; lower `minimum_throughput` or widen `window`"
        ),
    )
}

/// Whether a breaker with these rules can never open; then, what to write.
pub fn never_opens(failures: u32, failure_rate: f64, by_slowness: bool) -> Option<String> {
    (failures == 0 && failure_rate == 0.0 && !by_slowness).then(|| {
        "this breaker can never open: turn on `failure_threshold`, `failure_rate_threshold` or \
         `slow_call_threshold`"
            .into()
    })
}

/// What is wrong with a share of slow calls, where nothing says what slow is.
pub fn slow_rate(has_threshold: bool) -> Option<String> {
    (!has_threshold).then(|| {
        "`slow_call_rate_threshold` does nothing without `slow_call_threshold`, which says what slow is"
            .into()
    })
}

/// A percentile that something can be longer than, and shorter.
///
/// # Errors
///
/// Where it is 0, 100 or none.
pub fn percentile(value: f64) -> Rule<f64> {
    if value > 0.0 && value < 100.0 {
        return Ok(());
    }
    let nearest = if value >= 100.0 { 99.99 } else { 0.01 };
    broken("percentile", nearest, "`percentile` must be above 0 and below 100, for example 95")
}

/// So many permits in a period: at most one a nanosecond, which is what clocks tell.
///
/// # Errors
///
/// Where it is more; the nearest is what the period has room for.
pub fn rate(permits: u32, period: Duration) -> Rule<u32> {
    if u128::from(permits) <= period.as_nanos() {
        return Ok(());
    }
    let most = u32::try_from(period.as_nanos()).unwrap_or(u32::MAX);
    broken(
        "permits",
        most.max(1),
        format!(
            "{permits} `permits` in a `period` of {} are more than one a nanosecond, which is no limit: \
             leave the rate limit out",
            duration::text(period)
        ),
    )
}

/// The greatest limit that an adaptive bulkhead may find, where the least is given.
///
/// # Errors
///
/// Where it is less; the nearest is the least.
pub fn limits(min: u32, max: u32) -> Rule<u32> {
    if max >= min {
        return Ok(());
    }
    broken("max", min, format!("`max` of {max} is below `min` of {min}"))
}

/// Where an adaptive bulkhead begins.
///
/// # Errors
///
/// Where that is outside of what it may find; the nearest is the nearer end.
pub fn begin(calls: u32, min: u32, max: u32) -> Rule<u32> {
    if (min..=max).contains(&calls) {
        return Ok(());
    }
    broken(
        "max_concurrent",
        calls.clamp(min, max.max(min)),
        format!(
            "an adaptive bulkhead begins at its `max_concurrent`, here {calls}, which is not between `min` of {min} \
             and `max` of {max}"
        ),
    )
}

/// The longest time from one permit to the next.
pub const LONGEST_INTERVAL: Duration = Duration::from_secs(30 * 86_400);

/// A period of so many permits, whose interval is not longer than what is kept of times.
///
/// # Errors
///
/// Where it is longer than [`LONGEST_INTERVAL`]; the nearest is the period of that.
pub fn interval(permits: u32, period: Duration) -> Rule<Duration> {
    let most = LONGEST_INTERVAL.saturating_mul(permits.max(1));
    if period <= most {
        return Ok(());
    }
    broken(
        "period",
        most,
        format!(
            "{permits} `permits` in a `period` of {} are more than 30 days apart, which no process waits for: \
             shorten `period`",
            duration::text(period)
        ),
    )
}

/// What is wrong with a value whatever the others are, where the rules say so.
///
/// ```
/// use mmf_rules::value::Value;
/// assert!(mmf_rules::alone("jitter", &Value::Number(2.0)).is_some());
/// assert_eq!(mmf_rules::alone("jitter", &Value::Number(0.2)), None);
/// ```
pub fn alone(key: &str, value: &Value) -> Option<String> {
    fn said<T>(rule: Rule<T>) -> Option<String> {
        rule.err().map(|broken| broken.message)
    }
    match (key, value) {
        ("window", Value::Count(calls)) => said(window_calls(*calls)),
        ("window", Value::Time(time)) => said(window_time(*time)),
        (
            "burst"
            | "capacity"
            | "half_open_max_calls"
            | "max_attempts"
            | "max_concurrent"
            | "max_hedges"
            | "max_keys"
            | "min"
            | "minimum_throughput"
            | "permits"
            | "success_threshold",
            Value::Count(count),
        ) => said(at_least_one(key, *count)),
        (
            "budget" | "failure_rate_threshold" | "jitter" | "slow_call_rate_threshold",
            Value::Number(number),
        ) => said(share(key, *number)),
        ("multiplier" | "recovery_multiplier", Value::Number(number)) => said(growth(key, *number)),
        ("percentile", Value::Number(number)) => said(percentile(*number)),
        (
            "deadline" | "max_age" | "max_duration" | "period" | "slow_call_threshold" | "timeout",
            Value::Time(time),
        ) => said(positive(key, *time)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nearest<T: std::fmt::Debug>(rule: Rule<T>) -> T {
        rule.expect_err("broken").nearest
    }

    #[test]
    fn both_sides_of_each_limit() {
        assert!(share("k", 0.0).is_ok() && share("k", 1.0).is_ok());
        assert_eq!([-0.1, 1.1, f64::INFINITY].map(|v| nearest(share("k", v))), [0.0, 1.0, 1.0]);
        assert!(growth("k", 1.0).is_ok());
        assert_eq!(
            [-1.0, 0.99, f64::NAN, f64::INFINITY].map(|v| nearest(growth("k", v))),
            [1.0, 1.0, 1.0, f64::MAX]
        );
        assert!(at_least_one("k", 1).is_ok());
        assert_eq!(nearest(at_least_one("k", 0)), 1);
        assert!(positive("k", Duration::from_nanos(1)).is_ok());
        assert_eq!(nearest(positive("k", Duration::ZERO)), Duration::from_nanos(1));
        assert!(window_calls(1).is_ok() && window_calls(MOST_CALLS).is_ok());
        assert_eq!(
            [0, MOST_CALLS + 1, u32::MAX].map(|c| nearest(window_calls(c))),
            [1, MOST_CALLS, MOST_CALLS]
        );
        assert!(window_time(Duration::from_nanos(10)).is_ok());
        assert_eq!(nearest(window_time(Duration::from_nanos(9))), Duration::from_nanos(10));
        assert!(throughput(5, 5).is_ok());
        assert_eq!(nearest(throughput(6, 5)), 5);
        assert!(percentile(0.1).is_ok() && percentile(99.9).is_ok());
        assert_eq!([0.0, 100.0, f64::NAN].map(|p| nearest(percentile(p))), [0.01, 99.99, 0.01]);
        assert!(rate(1_000_000_000, Duration::from_secs(1)).is_ok());
        assert_eq!(nearest(rate(2_000_000_000, Duration::from_secs(1))), 1_000_000_000);
        assert_eq!(nearest(rate(1, Duration::ZERO)), 1);
        assert!(interval(2, LONGEST_INTERVAL * 2).is_ok());
        let longer = LONGEST_INTERVAL * 2 + Duration::from_nanos(1);
        assert_eq!(nearest(interval(2, longer)), LONGEST_INTERVAL * 2);
        assert!(limits(2, 2).is_ok());
        assert_eq!(nearest(limits(3, 2)), 3);
        assert!(begin(2, 2, 4).is_ok() && begin(4, 2, 4).is_ok());
        assert_eq!([1, 5].map(|calls| nearest(begin(calls, 2, 4))), [2, 4]);
        assert_eq!(nearest(begin(1, 3, 2)), 3);
        assert!(never_opens(0, 0.0, false).is_some());
        for (failures, rate, slow) in [(1, 0.0, false), (0, 0.1, false), (0, 0.0, true)] {
            assert_eq!(never_opens(failures, rate, slow), None);
        }
        let (one, two) = (Duration::from_secs(1), Duration::from_secs(2));
        assert!(not_below(("a", two), ("b", two)).is_ok());
        assert_eq!(nearest(not_below(("a", one), ("b", two))), two);
        assert!(timeout(two, two).is_ok());
        assert_eq!(nearest(timeout(two, one)), one);
    }

    #[test]
    fn a_value_is_held_against_its_own_rule() {
        let (none, number) = (Value::Count(0), Value::Number(-0.5));
        for key in [
            "burst",
            "capacity",
            "half_open_max_calls",
            "max_attempts",
            "max_concurrent",
            "max_hedges",
            "max_keys",
            "min",
            "minimum_throughput",
            "permits",
            "success_threshold",
            "window",
        ] {
            assert!(alone(key, &none).is_some_and(|said| said.contains(key)), "{key}");
            assert_eq!(alone(key, &Value::Count(1)), None, "{key}");
        }
        for key in ["failure_threshold", "max_queue"] {
            assert_eq!(alone(key, &none), None, "{key}");
        }
        for key in [
            "budget",
            "failure_rate_threshold",
            "jitter",
            "slow_call_rate_threshold",
            "multiplier",
            "recovery_multiplier",
            "percentile",
        ] {
            assert!(alone(key, &number).is_some_and(|said| said.contains(key)), "{key}");
            assert_eq!(alone(key, &Value::Number(1.0)), None, "{key}");
        }
        for key in [
            "deadline",
            "max_age",
            "max_duration",
            "period",
            "slow_call_threshold",
            "timeout",
            "window",
        ] {
            let wrong = alone(key, &Value::Time(Duration::ZERO));
            assert!(wrong.is_some_and(|said| said.contains(key)), "{key}");
            assert_eq!(alone(key, &Value::Time(Duration::from_secs(1))), None, "{key}");
        }
        assert_eq!(alone("max_wait", &Value::Time(Duration::ZERO)), None);
    }

    #[test]
    fn a_share_in_percent_is_told_how_it_is_written() {
        assert!(share("jitter", 50.0).unwrap_err().message.ends_with("write `jitter = 0.5`"));
        assert!(!share("jitter", 101.0).unwrap_err().message.contains('%'));
    }
}
