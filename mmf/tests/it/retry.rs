use std::time::Duration;

use mmf::resilient;
use tokio::time::Instant;

use crate::support::*;

/// Declares a function that plays a script under policies.
macro_rules! under {
    ($name:ident, $($policies:tt)+) => {
        #[resilient($($policies)+)]
        async fn $name(script: &Script) -> Result<u32, Error> {
            script.play().await
        }
    };
}

#[tokio::test(start_paused = true)]
async fn three_attempts_by_default_and_the_last_error_comes_back() {
    under!(f, retry(jitter = 0.0));
    let script = Script::new([Fail(Error::Busy), Fail(Error::Busy), Fail(Error::Status(7))]);
    assert_eq!(f(&script).await, Err(Error::Status(7)));
    assert_eq!(script.gaps(), [1000, 2000]);
}

#[tokio::test(start_paused = true)]
async fn one_attempt_never_retries() {
    under!(f, retry = 1);
    let script = Script::failing();
    assert_eq!(f(&script).await, Err(Error::Busy));
    assert_eq!(script.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn each_back_off_waits_by_its_formula() {
    under!(
        constant,
        retry(max_attempts = 5, backoff = "constant", base_delay = "100ms", jitter = 0.0)
    );
    under!(linear, retry(max_attempts = 5, backoff = "linear", base_delay = "100ms", jitter = 0.0));
    under!(
        exponential,
        retry(max_attempts = 5, base_delay = "100ms", multiplier = 3.0, jitter = 0.0)
    );
    under!(
        fibonacci,
        retry(max_attempts = 7, backoff = "fibonacci", base_delay = "100ms", jitter = 0.0)
    );
    under!(
        capped,
        retry(max_attempts = 5, base_delay = "100ms", max_delay = "250ms", jitter = 0.0)
    );
    under!(
        custom,
        retry(max_attempts = 4, backoff = |n: u32| Duration::from_millis(7) * n, jitter = 0.0)
    );
    macro_rules! gaps {
        ($f:ident) => {{
            let script = Script::failing();
            $f(&script).await.unwrap_err();
            script.gaps()
        }};
    }
    assert_eq!(gaps!(constant), [100, 100, 100, 100]);
    assert_eq!(gaps!(linear), [100, 200, 300, 400]);
    assert_eq!(gaps!(exponential), [100, 300, 900, 2700]);
    assert_eq!(gaps!(fibonacci), [100, 100, 200, 300, 500, 800]);
    assert_eq!(gaps!(capped), [100, 200, 250, 250]);
    assert_eq!(gaps!(custom), [7, 14, 21]);
}

#[tokio::test(start_paused = true)]
async fn random_back_offs_stay_within_their_bounds() {
    under!(
        random,
        retry(max_attempts = 40, backoff = "random", base_delay = "100ms", max_delay = "300ms")
    );
    under!(
        jittered,
        retry(
            max_attempts = 40,
            backoff = "jittered_exponential",
            base_delay = "100ms",
            multiplier = 1.0
        )
    );
    under!(
        decorrelated,
        retry(max_attempts = 40, backoff = "decorrelated", base_delay = "100ms", max_delay = "1s")
    );
    macro_rules! between {
        ($f:ident, $low:literal, $high:literal) => {{
            let script = Script::failing();
            $f(&script).await.unwrap_err();
            let gaps = script.gaps();
            assert!(gaps.iter().all(|gap| ($low..=$high).contains(gap)), "{gaps:?}");
            assert!(gaps.iter().any(|gap| *gap != gaps[0]), "not random: {gaps:?}");
        }};
    }
    // A timer of tokio is exact to the millisecond.
    between!(random, 100, 301);
    between!(jittered, 50, 151);
    between!(decorrelated, 100, 1001);
}

#[tokio::test(start_paused = true)]
async fn patterns_choose_and_abort_is_asked_first() {
    under!(
        f,
        retry(
            max_attempts = 9,
            retry_on(Error::Busy, Error::Status(500..=599)),
            abort_on(Error::Status(501))
        )
    );
    let script =
        Script::new([Fail(Error::Busy), Fail(Error::Status(500)), Fail(Error::Status(501))]);
    assert_eq!(f(&script).await, Err(Error::Status(501)));
    assert_eq!(script.attempts(), 3);
    let script = Script::new([Fail(Error::Status(499)), Good]);
    assert_eq!(f(&script).await, Err(Error::Status(499)));
}

#[tokio::test(start_paused = true)]
async fn a_predicate_stands_beside_the_patterns() {
    under!(
        f,
        retry(
            max_attempts = 9,
            retry_on(Error::Busy),
            retry_if(|error: &Error| *error == Error::Status(1))
        )
    );
    let script = Script::new([Fail(Error::Busy), Fail(Error::Status(1)), Fail(Error::Fatal)]);
    assert_eq!(f(&script).await, Err(Error::Fatal));
    assert_eq!(script.attempts(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_success_can_count_as_a_failure() {
    under!(f, retry(max_attempts = 3, retry_if_ok(|attempt: &u32| *attempt < 2)));
    assert_eq!(f(&Script::new([Good])).await, Ok(2));
    under!(g, retry(max_attempts = 3, retry_if_ok(|_: &u32| true)));
    assert_eq!(g(&Script::new([Good])).await, Ok(3), "the last success is the result");
}

#[tokio::test(start_paused = true)]
async fn the_servers_hint_replaces_the_delay_up_to_max_delay() {
    fn hint(error: &Error) -> Option<Duration> {
        match error {
            Error::After(delay) => Some(*delay),
            _ => None,
        }
    }
    under!(f, retry(max_attempts = 4, max_delay = "5s", jitter = 0.0, retry_after(hint)));
    let after = |seconds| Fail(Error::After(Duration::from_secs(seconds)));
    let script = Script::new([after(3), after(60), Fail(Error::Busy), Good]);
    assert_eq!(f(&script).await, Ok(4));
    assert_eq!(script.gaps(), [3000, 5000, 4000]);
}

#[tokio::test(start_paused = true)]
async fn no_attempt_starts_past_max_duration_and_no_delay_is_slept_for_it() {
    under!(f, retry(max_attempts = 9, backoff = "constant", jitter = 0.0, max_duration = "2s"));
    let (script, start) = (Script::failing(), Instant::now());
    assert_eq!(f(&script).await, Err(Error::Busy));
    assert_eq!(script.attempts(), 3, "at 0 s, 1 s and exactly 2 s");
    assert_eq!(start.elapsed().as_millis(), 2000);
}

#[tokio::test(start_paused = true)]
async fn a_running_attempt_is_not_cut_by_max_duration() {
    under!(f, retry(max_duration = "1s"));
    assert_eq!(f(&Script::new([Slow(5000)])).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn an_empty_budget_gives_the_last_error_at_once() {
    under!(
        f,
        name = "retry.budget",
        retry(max_attempts = 2, backoff = "constant", base_delay = "1ms", budget = 0.2)
    );
    // Ten retries a second are always allowed; each of these calls deposits a fifth of another.
    let start = Instant::now();
    let mut retries = 0;
    for _ in 0..100 {
        let script = Script::failing();
        f(&script).await.unwrap_err();
        retries += script.attempts() - 1;
    }
    assert!(start.elapsed() < Duration::from_millis(100));
    assert_eq!(retries, 30, "10 in reserve, and one for every five calls");
}

#[tokio::test(start_paused = true)]
async fn refusals_are_retried_by_their_list_alone() {
    under!(f, timeout = "1s", retry(backoff = "constant", jitter = 0.0, retry_on(Error::Fatal)));
    let script = Script::new([Hang, Good]);
    assert_eq!(f(&script).await, Ok(2), "a timeout is retried though no pattern names it");
    under!(g, timeout = "1s", retry(on_refusal("none")));
    assert!(g(&Script::new([Hang, Good])).await.unwrap_err().is_refusal());
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_is_not_retried_unless_asked_for() {
    under!(f, retry(max_attempts = 5, jitter = 0.0), breaker(failure_threshold = 2));
    let script = Script::failing();
    assert!(f(&script).await.unwrap_err().is_refusal());
    assert_eq!(script.attempts(), 2, "the third attempt is refused, and that ends it");
    under!(
        g,
        retry(max_attempts = 5, backoff = "constant", jitter = 0.0, on_refusal("breaker")),
        breaker(failure_threshold = 1, recovery_timeout = "2s")
    );
    let script = Script::new([Fail(Error::Busy), Good]);
    assert_eq!(g(&script).await, Ok(2));
    assert_eq!(script.gaps(), [2000]);
}

#[tokio::test(start_paused = true)]
async fn a_retry_counts_when_its_attempt_starts() {
    under!(f, name = "retry.counts", retry(max_attempts = 3, jitter = 0.0));
    let retries = || mmf::resilience::policy("retry.counts").unwrap().snapshot().retries;
    let script = Script::failing();
    {
        let mut call = std::pin::pin!(f(&script));
        assert!(tokio::time::timeout(Duration::from_millis(999), &mut call).await.is_err());
        assert_eq!(retries(), 0);
        assert!(tokio::time::timeout(Duration::from_millis(10), &mut call).await.is_err());
        assert_eq!(retries(), 1);
    }
    let snapshot = mmf::resilience::policy("retry.counts").unwrap().snapshot();
    assert_eq!((snapshot.calls, snapshot.cancelled), (0, 1));
}

#[test]
fn a_blocking_function_sleeps_on_its_thread() {
    #[resilient(
        retry(max_attempts = 3, backoff = "constant", base_delay = "1ms"),
        breaker,
        bulkhead
    )]
    fn f(attempts: &std::cell::Cell<u32>) -> Result<u32, Error> {
        attempts.set(attempts.get() + 1);
        if attempts.get() < 3 { Err(Error::Busy) } else { Ok(attempts.get()) }
    }
    assert_eq!(f(&std::cell::Cell::new(0)), Ok(3));
}
