use std::sync::LazyLock;
use std::time::Duration;

use mmf::resilience::{BreakerState, CircuitBreaker, policy};
use mmf::resilient;

use crate::support::*;

/// Declares a function under policies, and `breaker`, its breaker.
macro_rules! declare {
    ($policy:literal, $f:ident, $breaker:ident: $($policies:tt)+) => {
        #[resilient(name = $policy, $($policies)+)]
        async fn $f(script: &Script) -> Result<u32, Error> {
            script.play().await
        }
        let policy = policy($policy).unwrap();
        #[allow(unused_variables)]
        let $breaker = policy.breaker().unwrap();
    };
}

async fn fail(times: usize, call: impl AsyncFn(&Script) -> Result<u32, Error>) {
    let script = Script::failing();
    for _ in 0..times {
        call(&script).await.unwrap_err();
    }
}

async fn succeed(times: usize, call: impl AsyncFn(&Script) -> Result<u32, Error>) {
    let script = Script::new([Good]);
    for _ in 0..times {
        call(&script).await.unwrap();
    }
}

use BreakerState::{Closed, HalfOpen, Open};

#[tokio::test(start_paused = true)]
async fn five_failures_in_a_row_open_it() {
    declare!("breaker.row", f, breaker: breaker);
    fail(4, f).await;
    succeed(1, f).await;
    fail(4, f).await;
    assert_eq!(breaker.state(), Closed);
    fail(1, f).await;
    assert_eq!(breaker.state(), Open);
    let script = Script::new([Good]);
    assert!(f(&script).await.unwrap_err().is_refusal());
    assert_eq!(script.attempts(), 0);
    assert_eq!(breaker.snapshot().refused, 1);
}

#[tokio::test(start_paused = true)]
async fn half_of_ten_calls_open_it_and_a_success_can_be_the_tenth() {
    declare!("breaker.rate", f, breaker: breaker(failure_threshold = 0));
    fail(5, f).await;
    succeed(4, f).await;
    assert_eq!(breaker.state(), Closed, "nine calls are below the minimum");
    succeed(1, f).await;
    assert_eq!(breaker.state(), Open);
}

#[tokio::test(start_paused = true)]
async fn below_the_rate_it_stays_closed() {
    declare!("breaker.below", f, breaker: breaker(failure_threshold = 0, failure_rate_threshold = 0.07, minimum_throughput = 100));
    succeed(94, f).await;
    fail(6, f).await;
    assert_eq!(breaker.state(), Closed, "6 of 100");
    fail(1, f).await;
    assert_eq!(breaker.state(), Open, "7 of the last 100");
}

#[tokio::test(start_paused = true)]
async fn a_time_window_forgets() {
    declare!("breaker.time", f, breaker: breaker(failure_threshold = 0, window = "10s", minimum_throughput = 4));
    fail(2, f).await;
    pass(11_000).await;
    succeed(2, f).await;
    fail(1, f).await;
    assert_eq!(breaker.state(), Closed, "1 of 3 in the last ten seconds");
    fail(1, f).await;
    assert_eq!(breaker.state(), Open, "2 of 4");
}

#[tokio::test(start_paused = true)]
async fn slow_calls_open_it() {
    declare!("breaker.slow", f, breaker: breaker(
        failure_threshold = 0, failure_rate_threshold = 0.0, minimum_throughput = 4,
        slow_call_threshold = "100ms", slow_call_rate_threshold = 0.5
    ));
    let script = Script::new([Slow(99), Slow(99), Slow(100), Slow(100)]);
    for _ in 0..3 {
        f(&script).await.unwrap();
    }
    assert_eq!((breaker.state(), breaker.snapshot().slow), (Closed, 1));
    f(&script).await.unwrap();
    assert_eq!(breaker.state(), Open);
}

#[tokio::test(start_paused = true)]
async fn three_good_trials_close_it_and_the_window_is_empty_again() {
    declare!("breaker.close", f, breaker: breaker(failure_threshold = 2));
    fail(2, f).await;
    pass(59_999).await;
    assert!(f(&Script::new([Good])).await.is_err());
    pass(1).await;
    succeed(2, f).await;
    assert_eq!(breaker.state(), HalfOpen);
    succeed(1, f).await;
    assert_eq!(breaker.state(), Closed);
    assert_eq!(breaker.snapshot().failure_rate, 0.0);
    fail(1, f).await;
    assert_eq!(breaker.state(), Closed, "counting starts anew");
    assert_eq!(breaker.snapshot().opened, 1);
}

#[tokio::test(start_paused = true)]
async fn the_first_failed_trial_opens_it_again_and_the_time_grows() {
    declare!("breaker.grow", f, breaker: breaker(
        failure_threshold = 1, recovery_timeout = "1s", recovery_multiplier = 3.0,
        max_recovery_timeout = "5s"
    ));
    fail(1, f).await;
    for seconds in [1, 3, 5, 5] {
        pass(seconds * 1000 - 1).await;
        assert!(f(&Script::failing()).await.unwrap_err().is_refusal(), "{seconds} s");
        pass(1).await;
        assert_eq!(f(&Script::failing()).await, Err(Error::Busy), "{seconds} s");
        assert_eq!(breaker.state(), Open);
    }
    assert_eq!(breaker.snapshot().opened, 1, "closed to open, once");
}

#[tokio::test(start_paused = true)]
async fn so_many_trials_at_once_and_a_cancelled_one_frees_its_place() {
    declare!("breaker.trials", f, breaker: breaker(half_open_max_calls = 2, success_threshold = 2));
    breaker.force_half_open();
    let hanging = Script::new([Hang]);
    let mut first = Box::pin(f(&hanging));
    let mut second = Box::pin(f(&hanging));
    for call in [&mut first, &mut second] {
        assert!(tokio::time::timeout(Duration::ZERO, call).await.is_err());
    }
    assert!(f(&Script::new([Good])).await.unwrap_err().is_refusal());
    drop(first);
    succeed(1, f).await;
    assert_eq!(breaker.state(), HalfOpen);
    drop(second);
    succeed(1, f).await;
    assert_eq!(breaker.state(), Closed);
}

#[tokio::test(start_paused = true)]
async fn a_result_from_before_the_change_is_not_counted_after_it() {
    declare!("breaker.late", f, breaker: breaker(failure_threshold = 1));
    let slow = Script::new([SlowFail(1000)]);
    let ((), result) = tokio::join!(
        async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            breaker.force_closed();
        },
        f(&slow)
    );
    assert_eq!(result, Err(Error::Busy));
    assert_eq!((breaker.state(), breaker.snapshot().failures), (Closed, 0));
}

#[tokio::test(start_paused = true)]
async fn which_errors_count() {
    declare!("breaker.which", f, breaker: breaker(
        failure_threshold = 2, fail_on(Error::Busy), fail_if(|error: &Error| *error == Error::Status(500)),
        skip_on(Error::Fatal)
    ));
    let script = Script::new([
        Fail(Error::Busy),
        Fail(Error::Fatal),
        Fail(Error::Status(404)),
        Fail(Error::Status(500)),
        Fail(Error::Fatal),
        Fail(Error::Busy),
    ]);
    for _ in 0..5 {
        f(&script).await.unwrap_err();
    }
    let snapshot = breaker.snapshot();
    assert_eq!((snapshot.state, snapshot.failures, snapshot.successes), (Closed, 2, 1));
    f(&script).await.unwrap_err();
    assert_eq!(breaker.state(), Open, "500 and busy in a row, with a skipped one between");
}

#[tokio::test(start_paused = true)]
async fn timeouts_open_it_and_refusals_of_the_bulkhead_do_not() {
    declare!("breaker.timeout", f, breaker: timeout = "1s", breaker(failure_threshold = 2));
    let script = Script::new([Hang]);
    f(&script).await.unwrap_err();
    assert_eq!(breaker.state(), Closed);
    f(&script).await.unwrap_err();
    assert_eq!(breaker.state(), Open);

    declare!("breaker.bulkhead", g, breaker: bulkhead = 1, breaker(failure_threshold = 1));
    let hanging = Script::new([Slow(10)]);
    let (_, refused) = tokio::join!(biased; g(&hanging), g(&hanging));
    assert!(refused.unwrap_err().is_refusal());
    assert_eq!(breaker.state(), Closed);
}

#[tokio::test(start_paused = true)]
async fn it_can_be_steered_by_hand() {
    declare!("breaker.hand", f, breaker: breaker(failure_threshold = 1));
    breaker.force_open();
    pass(3_600_000).await;
    assert!(f(&Script::new([Good])).await.unwrap_err().is_refusal());
    assert_eq!(breaker.state(), BreakerState::ForcedOpen);
    breaker.disable();
    fail(10, f).await;
    assert_eq!((breaker.state(), breaker.snapshot().failures), (BreakerState::Disabled, 0));
    breaker.reset();
    fail(1, f).await;
    assert_eq!(breaker.state(), Open);
}

#[tokio::test(start_paused = true)]
async fn a_release_takes_back_what_was_made_by_hand_and_nothing_else() {
    declare!("breaker.release", f, breaker: breaker(failure_threshold = 2, success_threshold = 1));
    breaker.release();
    assert_eq!(breaker.state(), Closed);
    fail(1, f).await;
    breaker.release();
    fail(1, f).await;
    assert_eq!(breaker.state(), Open, "what it counted is still there");
    breaker.release();
    assert_eq!(breaker.state(), Open);
    breaker.force_open();
    breaker.release();
    assert_eq!(breaker.state(), BreakerState::HalfOpen, "trials decide");
    breaker.release();
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    f(&Script::new([Good])).await.unwrap();
    assert_eq!(breaker.state(), Closed);
    breaker.disable();
    fail(3, f).await;
    breaker.release();
    assert_eq!(breaker.state(), Closed);
    fail(2, f).await;
    assert_eq!(breaker.state(), Open, "by its own rules again");
}

#[tokio::test(start_paused = true)]
async fn a_panic_counts_as_a_failure_and_goes_on() {
    declare!("breaker.panic", f, breaker: breaker(failure_threshold = 1), bulkhead = 1);
    let script = std::sync::Arc::new(Script::new([Panic]));
    let call = tokio::spawn({
        let script = std::sync::Arc::clone(&script);
        async move { f(&script).await }
    });
    assert!(call.await.unwrap_err().is_panic());
    let snapshot = policy("breaker.panic").unwrap().snapshot();
    assert_eq!(breaker.state(), Open);
    assert_eq!((snapshot.calls, snapshot.failures), (1, 1));
    assert_eq!(snapshot.bulkhead.unwrap().running, 0);
}

#[tokio::test(start_paused = true)]
async fn a_shared_breaker_opens_for_all_who_share_it() {
    #[resilient(breaker(shared = "breaker.db", failure_threshold = 2))]
    async fn read(script: &Script) -> Result<u32, Error> {
        script.play().await
    }
    #[resilient(name = "breaker.write", breaker(shared = "breaker.db"))]
    async fn write(script: &Script) -> Result<u32, Error> {
        script.play().await
    }
    // The function without configuration is asked first: that of the other holds all the same.
    fail(1, write).await;
    fail(1, read).await;
    assert!(write(&Script::new([Good])).await.unwrap_err().is_refusal());
    assert_eq!(policy("breaker.write").unwrap().breaker().unwrap().state(), Open);
}

#[tokio::test(start_paused = true)]
async fn a_keyed_breaker_opens_for_its_key_alone() {
    #[resilient(name = "breaker.keyed", breaker(key(host), failure_threshold = 1))]
    async fn fetch(host: &str, script: &Script) -> Result<u32, Error> {
        assert!(!host.is_empty());
        script.play().await
    }
    fetch("a", &Script::failing()).await.unwrap_err();
    assert!(fetch("a", &Script::new([Good])).await.unwrap_err().is_refusal());
    assert_eq!(fetch("b", &Script::new([Good])).await, Ok(1));
    let keys = policy("breaker.keyed").unwrap().keyed_breakers().unwrap().breakers();
    let states: Vec<_> =
        keys.iter().map(|(key, breaker)| (key.as_str(), breaker.state())).collect();
    assert_eq!(states, [("a", Open), ("b", Closed)]);
}

#[tokio::test(start_paused = true)]
async fn a_breaker_built_at_run_time_serves_annotated_functions() {
    static OUTER: LazyLock<CircuitBreaker> =
        LazyLock::new(|| CircuitBreaker::builder("outer").failure_threshold(1).build());
    #[resilient(breaker = &OUTER)]
    async fn f(script: &Script) -> Result<u32, Error> {
        script.play().await
    }
    fail(1, f).await;
    assert_eq!(OUTER.state(), Open);
    assert!(f(&Script::new([Good])).await.unwrap_err().is_refusal());
}

#[tokio::test(start_paused = true)]
async fn refusals_of_inner_policies_count_by_their_list() {
    declare!("breaker.limited", f, breaker: breaker(failure_threshold = 1, on_refusal("rate_limit")), rate_limit(permits = 1));
    succeed(1, &f).await;
    fail(1, &f).await;
    assert_eq!((breaker.state(), breaker.snapshot().failures), (Open, 1));
    declare!("breaker.full", g, breaker: breaker(failure_threshold = 1, on_refusal("bulkhead")), bulkhead = 1);
    let policy = mmf::resilience::policy("breaker.full").unwrap();
    let _held = policy.bulkhead().unwrap().acquire().await.unwrap();
    fail(1, &g).await;
    assert_eq!(breaker.state(), Open);
    declare!("breaker.unlisted", h, breaker: breaker(failure_threshold = 1, on_refusal("none")), timeout = "1s", rate_limit(permits = 1, period = "1h"));
    assert!(h(&Script::new([Hang])).await.unwrap_err().is_refusal());
    fail(1, &h).await;
    assert_eq!((breaker.state(), breaker.snapshot().failures), (Closed, 0));
    declare!("breaker.all", i, breaker: breaker(failure_threshold = 2, on_refusal("all")), timeout = "1s", rate_limit(permits = 1, period = "1h"));
    assert!(i(&Script::new([Hang])).await.unwrap_err().is_refusal());
    fail(1, &i).await;
    assert_eq!(breaker.state(), Open);
}

#[tokio::test(start_paused = true)]
async fn a_success_can_count_as_a_failure() {
    declare!("breaker.ok", f, breaker: breaker(failure_threshold = 2, fail_if_ok(|attempt: &u32| *attempt > 1)));
    let script = Script::new([Good]);
    for _ in 0..3 {
        f(&script).await.unwrap();
    }
    assert_eq!((breaker.state(), breaker.snapshot().failures), (Open, 2));
}

#[tokio::test(start_paused = true)]
async fn a_breaker_without_a_recovery_time_tries_at_once() {
    declare!("breaker.zero", f, breaker: breaker(failure_threshold = 1, recovery_timeout = "0s", success_threshold = 1));
    fail(1, &f).await;
    assert_eq!((breaker.state(), breaker.snapshot().opened), (HalfOpen, 1));
    fail(1, &f).await;
    succeed(1, &f).await;
    assert_eq!(breaker.state(), Closed);
}

#[tokio::test(start_paused = true)]
async fn one_whose_time_is_over_says_half_open_before_any_call_comes() {
    declare!("breaker.rest", f, breaker: breaker(failure_threshold = 1, recovery_timeout = "1s"));
    fail(1, &f).await;
    pass(999).await;
    assert_eq!(breaker.state(), Open);
    pass(1).await;
    let snapshot = breaker.snapshot();
    assert_eq!((breaker.state(), snapshot.state), (HalfOpen, HalfOpen));
    assert_eq!((snapshot.failure_rate, snapshot.opened), (0.0, 1), "emptied when it opened");
    succeed(1, &f).await;
    assert_eq!(breaker.state(), HalfOpen);
}

#[tokio::test(start_paused = true)]
async fn a_trial_that_hangs_counts_as_failed_in_the_end() {
    declare!("breaker.hung", f, breaker: breaker(failure_threshold = 1, recovery_timeout = "1s", half_open_max_calls = 1, success_threshold = 1));
    fail(1, &f).await;
    pass(1000).await;
    let hanging = Script::new([Slow(5_000)]);
    let mut trial = Box::pin(f(&hanging));
    assert!(tokio::time::timeout(Duration::from_millis(999), &mut trial).await.is_err());
    fail(1, &f).await;
    assert_eq!(breaker.state(), HalfOpen, "its place is taken, and its time not over");
    pass(1).await;
    fail(1, &f).await;
    assert_eq!((breaker.state(), breaker.snapshot().failures), (Open, 2));
    pass(1000).await;
    succeed(1, &f).await;
    assert_eq!(breaker.state(), Closed);
    assert_eq!(trial.await, Ok(1));
    let snapshot = breaker.snapshot();
    assert_eq!((snapshot.late, snapshot.successes, snapshot.opened), (1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_names_the_key() {
    #[resilient(name = "breaker.labelled", breaker(failure_threshold = 1, key(host)))]
    async fn f(host: &str, script: &Script) -> Result<u32, Error> {
        script.play().await
    }
    f("a.example", &Script::failing()).await.unwrap_err();
    let Err(Error::Refused(refusal)) = f("a.example", &Script::new([Good])).await else {
        panic!("open")
    };
    assert_eq!((refusal.key(), refusal.policy()), (Some("a.example"), "breaker.labelled"));
    assert!(refusal.to_string().starts_with("breaker.labelled [a.example]: circuit open"));
    let mmf::ResilienceError::CircuitOpen { policy, key, .. } = refusal else { panic!("open") };
    assert!(policy == "breaker.labelled" && key.as_deref() == Some("a.example"));
}

#[tokio::test(start_paused = true)]
async fn the_attempts_of_a_policy_never_go_back() {
    #[resilient(name = "breaker.counts", retry(max_attempts = 2), rate_limit(permits = 1))]
    async fn f(script: &Script) -> Result<u32, Error> {
        script.play().await
    }
    let attempts = || policy("breaker.counts").unwrap().snapshot().attempts;
    f(&Script::new([Good])).await.unwrap();
    assert_eq!(attempts(), 1);
    // Refused, and given up in its back-off.
    let waiting = Script::new([Good]);
    assert!(tokio::time::timeout(Duration::from_millis(1), f(&waiting)).await.is_err());
    assert_eq!((attempts(), waiting.attempts()), (1, 0));
    // Given up while it runs.
    pass(1000).await;
    let running = Script::new([Hang]);
    assert!(tokio::time::timeout(Duration::from_millis(1), f(&running)).await.is_err());
    assert_eq!((attempts(), running.attempts()), (2, 1));
}
