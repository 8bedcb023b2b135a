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
async fn the_servers_hint_replaces_the_delay_and_is_spread() {
    under!(f, retry(max_attempts = 40, max_delay = "4s", jitter = 0.0, retry_after(hint)));
    let script = Script::new([after(3)]);
    assert_eq!(f(&script).await, Err(Error::After(Duration::from_secs(3))));
    let gaps = script.gaps();
    assert!(gaps.iter().all(|gap| (3000..=4001).contains(gap)), "never undercut: {gaps:?}");
    assert!(gaps.iter().any(|gap| *gap > 3500), "up to max_delay: {gaps:?}");
    assert!(gaps.iter().any(|gap| *gap < 3500), "spread: {gaps:?}");
    let script = Script::new([after(3), Fail(Error::Busy), Good]);
    assert_eq!(f(&script).await, Ok(3));
    assert_eq!(script.gaps()[1], 2000, "without a hint by the back-off");
}

fn hint(error: &Error) -> Option<Duration> {
    match error {
        Error::After(delay) => Some(*delay),
        _ => None,
    }
}

fn after(seconds: u64) -> Step {
    Fail(Error::After(Duration::from_secs(seconds)))
}

#[tokio::test(start_paused = true)]
async fn a_hint_above_max_delay_or_past_the_deadline_ends_the_call() {
    under!(f, retry(retry_after(hint)));
    let script = Script::new([after(120), Good]);
    assert_eq!(f(&script).await, Err(Error::After(Duration::from_secs(120))));
    under!(g, deadline = "5s", retry(retry_after(hint)));
    let (script, start) = (Script::new([after(5), Good]), Instant::now());
    assert_eq!(g(&script).await, Err(Error::After(Duration::from_secs(5))), "at it is past it");
    assert_eq!(start.elapsed(), Duration::ZERO);
    // Spread over what is left.
    for _ in 0..20 {
        let script = Script::new([after(4), Good]);
        assert_eq!(g(&script).await, Ok(2));
        assert!((4000..5000).contains(&script.gaps()[0]), "{:?}", script.gaps());
    }
}

#[tokio::test(start_paused = true)]
async fn the_hint_of_a_refusal_is_not_spread() {
    under!(
        f,
        retry(max_attempts = 2, backoff = "constant", base_delay = "1ms"),
        rate_limit(permits = 1, period = "3s")
    );
    let start = Instant::now();
    f(&Script::new([Good])).await.unwrap();
    assert_eq!(f(&Script::new([Good])).await, Ok(1));
    assert_eq!(start.elapsed().as_millis(), 3000);
}

#[tokio::test(start_paused = true)]
async fn as_many_attempts_as_it_takes() {
    under!(f, retry(max_attempts = "unlimited", backoff = "constant", base_delay = "1s"));
    let steps = (0..1000).map(|_| Fail(Error::Busy)).chain([Good]);
    assert_eq!(f(&Script::new(steps)).await, Ok(1001));
    under!(g, retry = "unlimited", deadline = "10s");
    assert_eq!(g(&Script::failing()).await, Err(Error::Busy));
}

#[tokio::test(start_paused = true)]
async fn a_hook_is_told_before_each_delay() {
    use mmf::resilience::RetryEvent;
    use std::sync::Mutex;
    #[resilient(retry(
        jitter = 0.0,
        before_retry(|event: &RetryEvent| told.lock().unwrap().push(event.clone()))
    ))]
    async fn f(script: &Script, told: &Mutex<Vec<RetryEvent>>) -> Result<u32, Error> {
        script.play().await
    }
    let told = Mutex::default();
    let script = Script::new([Fail(Error::Status(500)), Fail(Error::Busy), Good]);
    assert_eq!(f(&script, &told).await, Ok(3));
    let told: Vec<_> = told.into_inner().unwrap();
    let facts: Vec<_> = told.iter().map(|e| (e.attempt, e.delay.as_secs(), &*e.error)).collect();
    assert_eq!(facts, [(1, 1, "status 500"), (2, 2, "busy")]);
}

#[tokio::test(start_paused = true)]
async fn a_hook_may_be_async_or_know_the_receiver() {
    use mmf::resilience::RetryEvent;
    async fn wait(event: &RetryEvent) {
        tokio::time::sleep(event.delay).await;
    }
    under!(f, retry(jitter = 0.0, before_retry(wait)));
    let script = Script::new([Fail(Error::Busy), Good]);
    assert_eq!(f(&script).await, Ok(2));
    assert_eq!(script.gaps(), [2000], "the hook waits as long as the delay that follows");

    #[derive(Default)]
    struct Client(std::sync::atomic::AtomicU32);
    impl Client {
        fn reconnect(&self, event: &RetryEvent) {
            self.0.fetch_add(event.attempt, std::sync::atomic::Ordering::SeqCst);
        }

        #[resilient(retry(before_retry(|event| self.reconnect(event))))]
        async fn get(&self, script: &Script) -> Result<u32, Error> {
            script.play().await
        }

        #[resilient(retry(base_delay = "1ms", before_retry(|event| self.reconnect(event))))]
        fn get_blocking(&self, fails: &std::cell::Cell<u32>) -> Result<u32, Error> {
            fails.set(fails.get() - 1);
            if fails.get() > 0 { Err(Error::Busy) } else { Ok(7) }
        }
    }
    let client = Client::default();
    assert_eq!(client.get(&Script::new([Fail(Error::Busy), Good])).await, Ok(2));
    assert_eq!(client.get_blocking(&std::cell::Cell::new(3)), Ok(7));
    assert_eq!(client.0.into_inner(), 1 + 1 + 2);
}

#[tokio::test]
async fn a_retry_without_a_delay_lets_go_of_its_thread() {
    under!(
        f,
        retry(
            max_attempts = "unlimited",
            base_delay = "0s",
            max_delay = "0s",
            backoff = "constant"
        )
    );
    let script = Script::failing();
    let limited = tokio::time::timeout(Duration::from_millis(20), f(&script)).await;
    assert!(limited.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_budget_holds_where_the_delay_belongs_to_the_call() {
    struct Client(Duration);
    impl Client {
        #[resilient(retry(base_delay = self.0, budget = 0.0))]
        async fn get(&self, script: &Script) -> Result<u32, Error> {
            script.play().await
        }
    }
    let client = Client(Duration::from_millis(1));
    let mut retries = 0;
    for _ in 0..20 {
        let script = Script::failing();
        client.get(&script).await.unwrap_err();
        retries += script.attempts() - 1;
    }
    assert_eq!(retries, 10, "ten a second and no share of calls");
}

#[tokio::test(start_paused = true)]
async fn no_attempt_starts_past_max_duration_and_no_delay_is_slept_for_it() {
    under!(f, retry(max_attempts = 9, backoff = "constant", jitter = 0.0, max_duration = "2s"));
    let (script, start) = (Script::failing(), Instant::now());
    assert_eq!(f(&script).await, Err(Error::Busy));
    assert_eq!(script.attempts(), 2, "at 0 s and 1 s: 2 s is the limit itself");
    assert_eq!(start.elapsed().as_millis(), 1000);
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
