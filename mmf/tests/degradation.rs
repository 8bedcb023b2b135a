//! Degradation: features of functions, the level by health, and what is told of it. The level is one for the process, so tests take
//! turns.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mmf::degradation::{
    CachedValue, DefaultValue, DegradationLevel, FollowHealth, Provider, Service, feature,
    follow_health, level, release, set_level,
};
use mmf::health::{self, Check, ProbeStatus, readyz, register, unregister};
use mmf::resilience::policy;
use mmf::{ResilienceError, metrics, resilient};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep};

async fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    let turn = TURN.lock().await;
    set_level(DegradationLevel::None, "a test begins");
    release();
    turn
}

static RUNS: AtomicU32 = AtomicU32::new(0);

#[resilient(
    name = "tips.fallback",
    feature = "tips",
    disable_at = "moderate",
    retry,
    fallback(value("none"))
)]
async fn tips() -> Result<&'static str, ResilienceError> {
    RUNS.fetch_add(1, Ordering::Relaxed);
    Ok("tips")
}

#[resilient(
    name = "tips.refused",
    feature = "tips",
    retry(base_delay = "1ms"),
    breaker(failure_threshold = 1)
)]
async fn refused() -> Result<&'static str, ResilienceError> {
    Ok("tips")
}

#[resilient(name = "tips.listed", feature = "tips", fallback(value("none"), on_refusal("breaker")))]
async fn not_listed() -> Result<&'static str, ResilienceError> {
    Ok("tips")
}

#[resilient(
    name = "tips.feature",
    feature = "tips",
    fallback(value("none"), on_refusal("feature"))
)]
fn blocking() -> Result<&'static str, ResilienceError> {
    Ok("tips")
}

#[tokio::test(start_paused = true)]
async fn what_is_off_goes_to_its_fallback_or_is_refused() {
    let _alone = alone().await;
    assert_eq!((tips().await, refused().await), (Ok("tips"), Ok("tips")));
    let runs = RUNS.load(Ordering::Relaxed);
    let before = policy("tips.refused").unwrap().snapshot();
    feature("tips").disable();
    assert_eq!(tips().await, Ok("none"));
    assert_eq!(RUNS.load(Ordering::Relaxed), runs, "without an attempt");
    for _ in 0..3 {
        let error = refused().await.unwrap_err();
        assert_eq!(error, ResilienceError::feature_disabled("tips.refused", "tips"));
    }
    let snapshot = policy("tips.refused").unwrap().snapshot();
    assert_eq!((snapshot.feature_disabled, snapshot.retries), (3, 0));
    assert_eq!(snapshot.attempts, before.attempts, "the function was not run");
    assert_eq!(snapshot.breaker.unwrap().failures, 0, "it says nothing against anybody");
    assert!(not_listed().await.is_err(), "its fallback answers other refusals");
    assert_eq!(blocking(), Ok("none"));
    let text = metrics::prometheus();
    let series = r#"mmf_policy_refusals_total{policy="tips.refused",reason="feature_disabled"} 3"#;
    assert!(text.contains(series), "{text}");
    feature("tips").follow_level();
    assert_eq!(refused().await, Ok("tips"));
    let policy = policy("tips.fallback").unwrap();
    let configuration = policy.describe();
    assert!(
        configuration.contains(r#"feature = "tips", disable_at = "moderate""#),
        "{configuration}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_function_does_without_from_its_own_level_on() {
    let _alone = alone().await;
    for (level, answer) in [
        (DegradationLevel::Minor, "tips"),
        (DegradationLevel::Moderate, "none"),
        (DegradationLevel::Critical, "none"),
    ] {
        set_level(level, "a test");
        assert_eq!(tips().await, Ok(answer), "{level}");
        assert_eq!(refused().await, Ok("tips"), "it has no level of its own");
    }
    assert_eq!(readyz().status, ProbeStatus::Warn);
    assert!(readyz().body.contains("degradation level: critical"));
    assert!(metrics::prometheus().contains("mmf_degradation_level 4\n"));
}

#[tokio::test(start_paused = true)]
async fn what_was_not_asked_yet_is_not_down() {
    let _alone = alone().await;
    let slow = Check::new("slow", || async {
        sleep(Duration::from_secs(4)).await;
        Ok::<_, String>(())
    });
    register(slow.timeout(Duration::from_secs(9)).critical());
    let following = follow_health(FollowHealth::default());
    for _ in 0..80 {
        sleep(Duration::from_millis(100)).await;
        assert_eq!(level(), DegradationLevel::None);
    }
    following.stop();
    assert!(unregister("slow"));
}

#[tokio::test(start_paused = true)]
async fn the_level_follows_health_where_it_should_and_does_not_flap() {
    let _alone = alone().await;
    // Ten checks of one weight: each that is down takes a tenth.
    let down = Arc::new(AtomicU32::new(0));
    for number in 0..10 {
        let down = Arc::clone(&down);
        let check = Check::new(format!("part {number}"), move || {
            let is_up = down.load(Ordering::Relaxed) <= number;
            async move { if is_up { Ok(()) } else { Err("down") } }
        });
        register(check.every(Duration::from_millis(100)));
    }
    sleep(Duration::from_millis(1)).await;
    assert_eq!(health::score(), 1.0);
    let following = follow_health(FollowHealth::default());
    let settled = async |number: u32| {
        down.store(number, Ordering::Relaxed);
        sleep(Duration::from_secs(12)).await;
        level()
    };
    use DegradationLevel::{Critical, Minor, Moderate, None, Severe};
    for (number, expected) in [
        (2, None),
        (3, Minor),
        (4, Minor),
        (5, Moderate),
        (6, Moderate),
        (7, Severe),
        (9, Critical),
        (8, Critical),
        (7, Severe),
        (6, Severe),
        (5, Moderate),
        (4, Moderate),
        (3, Minor),
        (2, Minor),
        (1, None),
    ] {
        assert_eq!(settled(number).await, expected, "{number} down");
    }

    // A score that jumps each second changes the level each ten.
    let (began, mut changes, mut before) = (Instant::now(), Vec::new(), level());
    for second in 0..60 {
        down.store(if second % 2 == 0 { 9 } else { 0 }, Ordering::Relaxed);
        for _ in 0..10 {
            sleep(Duration::from_millis(100)).await;
            if level() != before {
                before = level();
                changes.push(began.elapsed());
            }
        }
    }
    assert!(
        changes.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_secs(10)),
        "{changes:?}"
    );
    assert!((2..=6).contains(&changes.len()), "{changes:?}");

    set_level(Minor, "by hand");
    assert_eq!(settled(9).await, Minor, "hands go before health");
    release();
    assert_eq!(settled(9).await, Critical);
    following.stop();
    assert_eq!(settled(0).await, Critical, "nobody follows any more");
    (0..10).for_each(|number| assert!(unregister(&format!("part {number}"))));
}

static PRICES: Provider<Vec<u64>> = Provider::new("prices");
static BROKEN: AtomicU32 = AtomicU32::new(0);

#[derive(Debug, PartialEq)]
enum PriceError {
    Broken,
    Unknown,
    Refused,
}

impl From<ResilienceError> for PriceError {
    fn from(_: ResilienceError) -> Self {
        Self::Refused
    }
}

#[resilient(name = "prices", feature = "prices", fallback(provider(&PRICES), skip_on(PriceError::Unknown)))]
async fn prices(of: u64) -> Result<Vec<u64>, PriceError> {
    match BROKEN.load(Ordering::Relaxed) {
        0 => Ok(vec![of]),
        1 => Err(PriceError::Broken),
        _ => Err(PriceError::Unknown),
    }
}

#[tokio::test(start_paused = true)]
async fn a_fallback_takes_its_value_from_where_it_is_told() {
    let _alone = alone().await;
    let call = || tokio::spawn(prices(7));
    BROKEN.store(1, Ordering::Relaxed);
    assert_eq!(call().await.unwrap(), Err(PriceError::Broken), "nothing provides it yet");
    PRICES.provide(DefaultValue(vec![1]));
    assert_eq!(call().await.unwrap(), Ok(vec![1]));
    PRICES.provide(Service(|| async { Err::<Vec<u64>, _>("away") }));
    assert_eq!(call().await.unwrap(), Err(PriceError::Broken));
    PRICES.provide(Service(|| async { Ok::<_, String>(vec![2]) }));
    assert_eq!(call().await.unwrap(), Ok(vec![2]));
    PRICES.provide(CachedValue::new().max_age(Duration::from_secs(60)));
    assert_eq!(call().await.unwrap(), Err(PriceError::Broken), "nothing was seen yet");
    BROKEN.store(0, Ordering::Relaxed);
    assert_eq!(call().await.unwrap(), Ok(vec![7]));
    BROKEN.store(1, Ordering::Relaxed);
    assert_eq!(prices(8).await, Ok(vec![7]), "the last one that was good");
    feature("prices").disable();
    assert_eq!(prices(8).await, Ok(vec![7]));
    sleep(Duration::from_secs(61)).await;
    assert_eq!(prices(8).await, Err(PriceError::Refused), "too old by now");
    feature("prices").follow_level();
    BROKEN.store(2, Ordering::Relaxed);
    PRICES.provide(DefaultValue(vec![1]));
    assert_eq!(prices(8).await, Err(PriceError::Unknown), "which it does not answer");
    let snapshot = policy("prices").unwrap().snapshot();
    assert_eq!(snapshot.fallbacks, 4);
}
