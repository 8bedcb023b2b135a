use mmf::ResilienceError;
use mmf::resilience::{Refusal, policy};
use mmf::resilient;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn a_function_answers_with_the_arguments_and_the_error() {
    #[resilient(name = "fallback.function", fallback(rescue))]
    async fn f(script: &Script, name: String) -> Result<u32, Error> {
        assert!(!name.is_empty());
        script.play().await
    }
    async fn rescue(_: &Script, name: String, error: Error) -> Result<u32, Error> {
        assert_eq!(error, Error::Busy);
        Ok(name.len() as u32 * 100)
    }
    assert_eq!(f(&Script::failing(), "abc".into()).await, Ok(300));
    assert_eq!(f(&Script::new([Good]), "abc".into()).await, Ok(1));
    let snapshot = policy("fallback.function").unwrap().snapshot();
    assert_eq!((snapshot.successes, snapshot.fallbacks), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn its_own_error_is_the_result() {
    #[resilient(fallback(rescue))]
    async fn f(script: &Script) -> Result<u32, Error> {
        script.play().await
    }
    fn rescue(_: &Script, _: Error) -> Result<u32, Error> {
        Err(Error::Fatal)
    }
    assert_eq!(f(&Script::failing()).await, Err(Error::Fatal));
}

#[tokio::test(start_paused = true)]
async fn a_value_answers_some_errors_only() {
    #[resilient(fallback(
        value(7),
        apply_on(Error::Busy, Error::Status(_)),
        skip_on(Error::Status(404))
    ))]
    async fn f(script: &Script) -> Result<u32, Error> {
        script.play().await
    }
    assert_eq!(f(&Script::failing()).await, Ok(7));
    assert_eq!(f(&Script::new([Fail(Error::Status(500))])).await, Ok(7));
    assert_eq!(f(&Script::new([Fail(Error::Status(404))])).await, Err(Error::Status(404)));
    assert_eq!(f(&Script::new([Fail(Error::Fatal)])).await, Err(Error::Fatal));
}

#[tokio::test(start_paused = true)]
async fn the_last_good_value_answers_until_it_is_too_old() {
    #[resilient(fallback(stale(key(id), max_age = "5m")))]
    async fn f(id: u32, script: &Script) -> Result<String, Error> {
        Ok(format!("{id} at attempt {}", script.play().await?))
    }
    f(1, &Script::new([Good])).await.unwrap();
    assert_eq!(f(1, &Script::failing()).await, Ok("1 at attempt 1".into()));
    assert_eq!(f(2, &Script::failing()).await, Err(Error::Busy), "nothing is known of 2");
    pass(300_001).await;
    assert_eq!(f(1, &Script::failing()).await, Err(Error::Busy));
}

#[tokio::test(start_paused = true)]
async fn a_stale_value_is_told_that_it_is_one() {
    #[derive(Clone, Debug, PartialEq)]
    struct User(u32, Option<std::time::Duration>);
    fn aged(user: &mut User, age: std::time::Duration) {
        user.1 = Some(age);
    }
    #[resilient(fallback(stale(key(id), aged(aged))))]
    async fn f(id: u32, script: &Script) -> Result<User, Error> {
        let number = script.play().await?;
        Ok(User(id + number, None))
    }
    let script = Script::new([Good, Fail(Error::Busy)]);
    assert_eq!(f(1, &script).await, Ok(User(2, None)), "fresh");
    pass(1500).await;
    let age = Some(std::time::Duration::from_millis(1500));
    assert_eq!(f(1, &script).await, Ok(User(2, age)));
    pass(500).await;
    let age = Some(std::time::Duration::from_millis(2000));
    assert_eq!(f(1, &script).await, Ok(User(2, age)), "what is kept is not changed");
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_refusal_is_answered_unless_told_otherwise() {
    macro_rules! refused {
        ($refusal:ident, $($policies:tt)+) => {{
            #[resilient($($policies)+, fallback(value(7)))]
            async fn answered(script: &Script) -> Result<u32, Error> {
                script.play().await
            }
            #[resilient($($policies)+, fallback(value(7), on_refusal("none")))]
            async fn refused(script: &Script) -> Result<u32, Error> {
                script.play().await
            }
            let script = Script::new([Slow(5000)]);
            let results = tokio::join!(biased; answered(&script), answered(&script));
            assert_eq!(results.1, Ok(7), stringify!($refusal));
            let results = tokio::join!(biased; refused(&script), refused(&script));
            let Err(Error::Refused(refusal)) = results.1 else { panic!("{results:?}") };
            assert_eq!(refusal.refusal(), Refusal::$refusal);
        }};
    }
    refused!(Timeout, timeout = "1s");
    refused!(Deadline, deadline = "1s");
    refused!(Bulkhead, bulkhead = 1);
    refused!(RateLimit, rate_limit(permits = 1, period = "1h"));
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_is_answered() {
    #[resilient(name = "fallback.open", breaker, fallback(value(7)))]
    async fn f(script: &Script) -> Result<u32, Error> {
        script.play().await
    }
    policy("fallback.open").unwrap().breaker().unwrap().force_open();
    let script = Script::new([Good]);
    assert_eq!(f(&script).await, Ok(7));
    assert_eq!(script.attempts(), 0);
}

#[test]
fn a_blocking_function_falls_back_too() {
    #[resilient(breaker, fallback(rescue))]
    fn f(id: u32) -> Result<u32, Error> {
        Err(Error::Status(id as u16))
    }
    fn rescue(id: u32, error: Error) -> Result<u32, Error> {
        if error == Error::Status(5) { Ok(id * 2) } else { Err(error) }
    }
    assert_eq!(f(5), Ok(10));
}

#[test]
fn a_refusal_can_be_cloned_and_printed() {
    let refusal = ResilienceError::bulkhead_full("db", 32);
    assert_eq!(refusal.clone().to_string(), "db: bulkhead full, at most 32 run at once");
}
