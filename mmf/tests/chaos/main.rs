//! Faults on demand: what is injected, where, how often, and that it can be repeated.

mod experiments;
mod proxy;
mod shapes;

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use mmf::chaos::{ChaosConfig, ChaosKind, Distribution, Fault, InjectedFault, history, scope};
use mmf::resilience::policy;
use mmf::{ResilienceError, chaos, resilient};
use tokio::sync::oneshot;
use tokio::time::Instant;

#[derive(Debug, thiserror::Error)]
enum ApiError {
    #[error(transparent)]
    Injected(#[from] InjectedFault),
    #[error(transparent)]
    Refused(#[from] ResilienceError),
}

#[chaos(name = "plain.fetch", network_failure(error(io::Error::from(io::ErrorKind::TimedOut))))]
async fn fetch() -> Result<u32, io::Error> {
    Ok(7)
}

#[chaos(name = "plain.answer")]
async fn answer() -> Result<u32, ApiError> {
    Ok(7)
}

#[chaos(name = "plain.number")]
async fn number() -> u32 {
    7
}

#[chaos(name = "plain.blocking")]
fn blocking() -> Result<u32, io::Error> {
    Ok(7)
}

#[resilient(name = "policy.read", timeout = "1s", retry(max_attempts = 5, base_delay = "10ms"))]
async fn read() -> Result<u32, ApiError> {
    Ok(7)
}

const TOO_OFTEN: f64 = 30.0;

#[chaos(name = "mistaken.number", hang(probability = TOO_OFTEN))]
async fn mistaken() -> u32 {
    7
}

fn only(kind: ChaosKind, probability: f64) -> ChaosConfig {
    ChaosConfig::new().fault(Fault::new(kind).probability(probability))
}

#[tokio::test(start_paused = true)]
async fn without_a_scope_nothing_happens() {
    assert_eq!(answer().await.unwrap(), 7);
    assert!(history().is_empty());
}

#[tokio::test(start_paused = true)]
async fn errors_are_the_points_own_or_made_of_the_fault() {
    scope(only(ChaosKind::NetworkFailure, 1.0))
        .seed(1)
        .run(async {
            assert_eq!(fetch().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
            let ApiError::Injected(fault) = answer().await.unwrap_err() else { panic!("injected") };
            assert_eq!(
                (fault.kind, fault.point, fault.call),
                (ChaosKind::NetworkFailure, "plain.answer", 1)
            );
            assert_eq!(history().len(), 2);
        })
        .await;
    scope(only(ChaosKind::ServiceUnavailable, 1.0))
        .seed(1)
        .run(async {
            let ApiError::Injected(fault) = answer().await.unwrap_err() else { panic!("injected") };
            assert_eq!(fault.status(), Some(503));
        })
        .await;
    scope(only(ChaosKind::DiskFull, 1.0))
        .seed(1)
        .run(async {
            assert_eq!(fetch().await.unwrap_err().kind(), io::ErrorKind::StorageFull);
            assert_eq!(blocking().unwrap_err().kind(), io::ErrorKind::StorageFull);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_function_that_cannot_carry_an_error_goes_on_and_is_told_of() {
    let run = scope(only(ChaosKind::RandomErrors, 1.0)).seed(1).run_reported(async {
        assert_eq!(number().await, 7);
    });
    let unable = run.await.1.unable();
    assert_eq!(unable[&("plain.number", ChaosKind::RandomErrors)], 1);
}

#[tokio::test(start_paused = true)]
async fn delays_are_slept_in_the_time_of_tokio() {
    let (min, max) = (Duration::from_millis(500), Duration::from_secs(2));
    let config = ChaosConfig::new()
        .fault(Fault::new(ChaosKind::NetworkDelay).probability(1.0).delay(min, max));
    scope(config)
        .seed(7)
        .run(async {
            let start = Instant::now();
            answer().await.unwrap();
            let taken = start.elapsed();
            assert!((min..=max + Duration::from_millis(1)).contains(&taken), "{taken:?}");
            let noted = history()[0].delay.unwrap();
            assert!(taken >= noted && taken - noted < Duration::from_millis(2));
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn policies_ride_out_what_is_injected_inside_them() {
    let before = policy("policy.read").unwrap().snapshot();
    scope(only(ChaosKind::RandomErrors, 0.3))
        .seed(3)
        .run(async {
            for _ in 0..20 {
                assert_eq!(read().await.unwrap(), 7);
            }
        })
        .await;
    let after = policy("policy.read").unwrap().snapshot();
    assert!(after.retries > before.retries);
}

#[tokio::test(start_paused = true)]
async fn a_hang_takes_a_timeout_to_leave() {
    scope(only(ChaosKind::Hang, 1.0))
        .seed(3)
        .run(async {
            let start = Instant::now();
            assert!(matches!(read().await.unwrap_err(), ApiError::Refused(_)));
            assert!(start.elapsed() >= Duration::from_secs(5), "five attempts of a second");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_unwinds_through_the_call() {
    let call = mmf::spawn(scope(only(ChaosKind::Panic, 1.0)).seed(3).run(answer()));
    let panic = call.await.unwrap_err().into_panic();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.contains("injected fault: panic") && text.contains("plain.answer"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn targets_choose_points_and_a_scope_keeps_to_itself() {
    let config = only(ChaosKind::RandomErrors, 1.0).target("plain.*");
    scope(config)
        .seed(1)
        .run(async {
            assert!(answer().await.is_err());
            assert_eq!(read().await.unwrap(), 7);
            // A task of the scope belongs to it, another does not.
            assert!(mmf::spawn(async { answer().await.is_err() }).await.unwrap());
            assert!(tokio::spawn(async { answer().await.is_ok() }).await.unwrap());
        })
        .await;
    assert!(answer().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_task_is_struck_no_longer_than_the_scope_lives_that_it_was_spawned_in() {
    let (begun, has_begun) = oneshot::channel();
    let (end, has_ended) = oneshot::channel::<()>();
    #[expect(clippy::async_yields_async, reason = "the task outlives the scope")]
    let spawn = async {
        let task = mmf::spawn(async move {
            begun.send(answer().await.is_err()).unwrap();
            has_ended.await.unwrap();
            let own = answer().await.is_err();
            let spawned = mmf::spawn(async { answer().await.is_err() });
            (own, spawned.await.unwrap())
        });
        assert!(has_begun.await.unwrap());
        task
    };
    let run = scope(only(ChaosKind::RandomErrors, 1.0)).seed(1).run_reported(spawn);
    let (task, injector) = run.await;
    end.send(()).unwrap();
    assert_eq!(task.await.unwrap(), (false, false));
    assert_eq!(injector.injections(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_longest_durations_there_are_only_take_long() {
    let longest = Duration::MAX;
    for distribution in [Distribution::Uniform, Distribution::Normal, Distribution::Pareto] {
        let late = Fault::new(ChaosKind::NetworkDelay).probability(1.0).distribution(distribution);
        let late = late.delay(longest, longest).duration(longest);
        let config = ChaosConfig::new().fault(late.clone()).fault(late.min(Duration::ZERO));
        scope(config)
            .seed(1)
            .run(async {
                let day = Duration::from_secs(86_400);
                assert!(tokio::time::timeout(day, answer()).await.is_err());
                assert_eq!(
                    history().iter().filter_map(|injection| injection.delay).max(),
                    Some(longest)
                );
            })
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_is_over_after_its_duration() {
    let fault = Fault::new(ChaosKind::RandomErrors).probability(1.0);
    let config = ChaosConfig::new().fault(fault.duration(Duration::from_secs(10)));
    scope(config)
        .seed(1)
        .run(async {
            assert!(answer().await.is_err());
            tokio::time::advance(Duration::from_secs(11)).await;
            assert!(answer().await.is_ok());
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn the_blast_radius_caps_share_and_number() {
    let errors = |config: ChaosConfig| async move {
        let run = async {
            let mut errors = 0;
            for _ in 0..1000 {
                errors += u32::from(answer().await.is_err());
            }
            errors
        };
        scope(config).seed(5).run(run).await
    };
    let all = only(ChaosKind::RandomErrors, 1.0);
    assert_eq!(errors(all.clone().blast_radius(0.25, u64::MAX)).await, 250);
    assert_eq!(errors(all.blast_radius(1.0, 17)).await, 17);
}

#[tokio::test(start_paused = true)]
async fn an_error_rate_that_is_too_high_ends_it_early() {
    let config = only(ChaosKind::RandomErrors, 1.0).stop_if_error_rate_above(0.5);
    let run = scope(config).seed(5).run_reported(async {
        let mut errors = 0;
        for _ in 0..100 {
            errors += u32::from(answer().await.is_err());
        }
        errors
    });
    let (errors, injector) = run.await;
    assert_eq!(errors, 20, "looked at from the twentieth call on");
    assert!(injector.was_stopped());
}

/// The rate of each kind over 100 000 calls lies within four standard deviations of its probability.
#[tokio::test(start_paused = true)]
async fn rates_are_what_was_asked_for() {
    for probability in [0.01, 0.3, 0.9] {
        let config = only(ChaosKind::RandomErrors, probability);
        let calls = 100_000_u32;
        let run = async {
            let mut errors = 0;
            for _ in 0..calls {
                errors += u32::from(answer().await.is_err());
            }
            errors
        };
        let errors = f64::from(scope(config).seed(11).run(run).await);
        let calls = f64::from(calls);
        let deviation = (calls * probability * (1.0 - probability)).sqrt();
        assert!((errors - calls * probability).abs() < 4.0 * deviation, "{probability}: {errors}");
    }
}

#[tokio::test(start_paused = true)]
async fn bursts_have_their_mean_length_and_their_share() {
    let fault = Fault::new(ChaosKind::IntermittentFailures).probability(0.2).mean_burst(8.0);
    let run = async {
        let mut bursts = Vec::new();
        let mut length = 0_u32;
        for _ in 0..100_000 {
            match answer().await {
                Err(_) => length += 1,
                Ok(_) if length > 0 => bursts.push(std::mem::take(&mut length)),
                Ok(_) => {}
            }
        }
        bursts
    };
    let bursts = scope(ChaosConfig::new().fault(fault)).seed(2).run(run).await;
    let failed: u32 = bursts.iter().sum();
    let (count, failed) = (bursts.len() as f64, f64::from(failed));
    // A geometric length of mean 8 has the deviation sqrt(8 × 7); the share follows from both lengths.
    assert!(
        (failed / count - 8.0).abs() < 4.0 * 56_f64.sqrt() / count.sqrt(),
        "{}",
        failed / count
    );
    assert!((failed / 100_000.0 - 0.2).abs() < 0.03, "{failed}");
}

/// What was injected, by point and call.
fn pattern() -> BTreeMap<(&'static str, u64), ChaosKind> {
    history()
        .into_iter()
        .map(|injection| ((injection.point, injection.call), injection.kind))
        .collect()
}

#[test]
fn the_same_seed_gives_the_same_faults_on_one_thread_and_on_eight() {
    let run = |threads: usize, seed: u64| {
        let mut builder = match threads {
            1 => tokio::runtime::Builder::new_current_thread(),
            _ => tokio::runtime::Builder::new_multi_thread(),
        };
        if threads > 1 {
            builder.worker_threads(threads);
        }
        let config = ChaosConfig::new()
            .fault(Fault::new(ChaosKind::RandomErrors).probability(0.2))
            .fault(Fault::new(ChaosKind::IntermittentFailures).probability(0.1))
            .fault(
                Fault::new(ChaosKind::NetworkDelay)
                    .probability(0.3)
                    .max(Duration::from_micros(10))
                    .distribution(Distribution::Pareto),
            );
        builder.enable_time().build().unwrap().block_on(scope(config).seed(seed).run(async {
            let tasks: Vec<_> = (0..8)
                .map(|_| {
                    mmf::spawn(async {
                        for _ in 0..50 {
                            let _ = answer().await;
                            let _ = fetch().await;
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
            pattern()
        }))
    };
    let one = run(1, 42);
    assert!(one.len() > 100);
    for threads in [1, 2, 8, 8] {
        assert_eq!(run(threads, 42), one, "{threads}");
    }
    assert_ne!(run(1, 43), one);
}

#[tokio::test]
async fn a_small_disk_is_soon_full() {
    let Ok(disk) = mmf::chaos::SmallDisk::new(64 << 10) else {
        println!("skipped: a file system can be mounted by a privileged user only");
        return;
    };
    let error = std::fs::write(disk.path().join("file"), vec![1; 1 << 20]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    let place = disk.path().to_owned();
    drop(disk);
    assert!(!place.exists());
}

#[test]
fn every_resilient_function_is_a_point() {
    let names: Vec<_> = mmf::chaos::points().iter().map(|point| point.name).collect();
    for name in ["plain.answer", "plain.blocking", "plain.fetch", "plain.number", "policy.read"] {
        assert_eq!(names.iter().filter(|known| **known == name).count(), 1, "{name}: {names:?}");
    }
    let fetch = mmf::chaos::points().into_iter().find(|point| point.name == "plain.fetch").unwrap();
    assert!(fetch.location.starts_with("mmf/tests/chaos/main.rs:"), "{}", fetch.location);
}

#[test]
fn configs_that_can_never_work_are_refused() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for config in [
        only(ChaosKind::Hang, 1.5),
        ChaosConfig::new().blast_radius(2.0, 1),
        ChaosConfig::new().stop_if_error_rate_above(-0.1),
    ] {
        assert!(config.check().is_err());
        assert!(mmf::chaos::arm(config.clone(), None).is_err());
        let run = || runtime.block_on(scope(config).run(async {}));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err());
    }
}

#[tokio::test]
async fn what_strikes_the_process_is_listed_until_it_is_disarmed() {
    let named = |name: &str| {
        mmf::chaos::armed().into_iter().find(|one| one.config().to_string().starts_with(name))
    };
    let fault = |kind| mmf::chaos::Fault::new(kind).probability(1.0);
    let config = ChaosConfig::new().target("listed.*").fault(fault(ChaosKind::NetworkFailure));
    let config = config.fault(fault(ChaosKind::Hang).enabled(false));
    assert!(named("listed").is_none());
    let armed = mmf::chaos::arm(config.clone(), Some(7)).unwrap();
    let other = mmf::chaos::arm(config, Some(8)).unwrap();
    let found = named("listed").unwrap();
    assert_eq!(found.number(), armed.injector().number());
    assert!(found.number() != other.injector().number() && found.number() > 0);
    assert_eq!(found.config().to_string(), "listed.*: network_failure(p=1)");
    let left = found.left();
    assert!(!left.is_zero() && left <= std::time::Duration::from_secs(10), "{left:?}");
    assert!(listed().await.is_err());
    found.disarm();
    assert_eq!(named("listed").unwrap().number(), other.injector().number());
    assert!(listed().await.is_err(), "the other one strikes still");
    drop(other);
    assert!(named("listed").is_none());
    assert!(listed().await.is_ok());
    drop(armed);
}

#[chaos(name = "listed.fetch")]
async fn listed() -> Result<u32, std::io::Error> {
    Ok(7)
}

#[tokio::test(start_paused = true)]
async fn what_a_point_names_itself_is_checked_when_it_is_armed() {
    let own = ChaosConfig::annotated().target("mistaken.*");
    let error = mmf::chaos::arm(own, None).unwrap_err().to_string();
    assert!(error.contains("mistaken.number") && error.contains("not 30"), "{error}");
    assert_eq!(mistaken().await, 7);
}
