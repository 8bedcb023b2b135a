//! A bulkhead that finds its limit.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use mmf::resilience::{AdaptiveLimit, Bulkhead, LimitAlgorithm, Pipeline, call, policy};
use mmf::resilient;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::support::*;

/// A dependency that serves so many at once, 10 ms each, and has the others wait.
#[derive(Default)]
struct Dependency {
    capacity: usize,
    busy: usize,
    waiting: VecDeque<oneshot::Sender<()>>,
    served: u32,
}

async fn serve(dependency: &Rc<RefCell<Dependency>>) {
    let turn = {
        let mut state = dependency.borrow_mut();
        if state.busy < state.capacity {
            state.busy += 1;
            None
        } else {
            let (sender, turn) = oneshot::channel();
            state.waiting.push_back(sender);
            Some(turn)
        }
    };
    if let Some(turn) = turn {
        turn.await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(10)).await;
    let mut state = dependency.borrow_mut();
    state.served += 1;
    state.busy -= 1;
    while state.busy < state.capacity
        && let Some(next) = state.waiting.pop_front()
    {
        state.busy += usize::from(next.send(()).is_ok());
    }
}

/// Three times the load of a capacity for so many seconds: the mean of the limit and what was served, both as a share
/// of the capacity, without the first second, in which the limit is found.
async fn overload(
    bulkhead: &Rc<Bulkhead>,
    dependency: &Rc<RefCell<Dependency>>,
    capacity: usize,
    seconds: u32,
) -> (f64, f64) {
    dependency.borrow_mut().capacity = capacity;
    let (mut limits, mut served_before) = (Vec::new(), 0);
    // Every millisecond 0.3 of the capacity arrive.
    for millis in 0..seconds * 1000 {
        for _ in 0..capacity * 3 / 10 {
            let (bulkhead, dependency) = (Rc::clone(bulkhead), Rc::clone(dependency));
            tokio::task::spawn_local(async move {
                let work = call("overload").bulkhead(&*bulkhead).run(|| async {
                    serve(&dependency).await;
                    Ok::<_, Error>(())
                });
                drop(work.await);
            });
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        if millis == 1000 {
            served_before = dependency.borrow().served;
        }
        if millis > 1000 {
            limits.push(bulkhead.limit() as f64);
        }
    }
    let served = f64::from(dependency.borrow().served - served_before);
    let possible = capacity as f64 * 100.0 * f64::from(seconds - 1);
    (limits.iter().sum::<f64>() / limits.len() as f64 / capacity as f64, served / possible)
}

#[tokio::test(start_paused = true)]
async fn the_limit_stays_near_the_capacity_and_follows_it() {
    let bulkhead = Rc::new(Bulkhead::builder("a").adaptive(AdaptiveLimit::new()).build());
    let dependency = Rc::new(RefCell::new(Dependency::default()));
    let run = async {
        for capacity in [10, 40, 10] {
            let (limit, served) = overload(&bulkhead, &dependency, capacity, 4).await;
            assert!((0.7..=1.3).contains(&limit), "{capacity}: a mean limit of {limit}");
            assert!(served >= 0.95, "{capacity}: {served} served");
        }
    };
    tokio::task::LocalSet::new().run_until(run).await;
}

#[tokio::test(start_paused = true)]
async fn an_hour_without_calls_changes_nothing() {
    let bulkhead = Bulkhead::builder("a").max_concurrent(33).adaptive(AdaptiveLimit::new()).build();
    let run = |millis| {
        call("idle").bulkhead(&bulkhead).run(move || async move {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            Ok::<_, Error>(())
        })
    };
    for _ in 0..50 {
        run(10).await.unwrap();
    }
    tokio::time::advance(Duration::from_secs(3600)).await;
    for _ in 0..50 {
        run(10).await.unwrap();
    }
    assert_eq!(bulkhead.limit(), 33);
}

#[tokio::test(start_paused = true)]
async fn timeouts_lead_to_the_least_limit() {
    #[resilient(
        name = "adaptive.timeouts",
        timeout = "1s",
        bulkhead(max_concurrent = 50, adaptive(min = 2, max = 60, algorithm = "aimd"))
    )]
    async fn hang() -> Result<(), Error> {
        std::future::pending().await
    }
    let limit = || policy("adaptive.timeouts").unwrap().snapshot().bulkhead.unwrap().limit;
    assert_eq!(limit(), 50);
    for _ in 0..60 {
        assert!(hang().await.unwrap_err().is_refusal());
    }
    assert_eq!(limit(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_algorithm_is_what_was_written() {
    #[resilient(name = "adaptive.aimd", bulkhead(adaptive(algorithm = "aimd")))]
    async fn by_failures() -> Result<(), Error> {
        Err(Error::Busy)
    }
    #[resilient(name = "adaptive.gradient", bulkhead(adaptive(algorithm = "gradient")))]
    async fn by_latency() -> Result<(), Error> {
        Err(Error::Busy)
    }
    for _ in 0..100 {
        drop(by_failures().await);
        drop(by_latency().await);
    }
    let limit = |name| policy(name).unwrap().bulkhead().unwrap().limit();
    assert_eq!((limit("adaptive.aimd"), limit("adaptive.gradient")), (1, 10));
}

#[tokio::test(start_paused = true)]
async fn what_says_nothing_for_the_breaker_says_nothing_for_the_limit() {
    #[resilient(
        name = "adaptive.skipped",
        breaker(skip_on(Error::Fatal), fail_on(Error::Busy), failure_threshold = 0),
        bulkhead(adaptive(algorithm = "aimd"))
    )]
    async fn fail(error: Error) -> Result<(), Error> {
        Err(error)
    }
    let limit = || policy("adaptive.skipped").unwrap().bulkhead().unwrap().limit();
    for _ in 0..100 {
        drop(fail(Error::Fatal).await);
        drop(fail(Error::Status(404)).await);
    }
    assert_eq!(limit(), 10);
    drop(fail(Error::Busy).await);
    assert_eq!(limit(), 9);
}

#[tokio::test(start_paused = true)]
async fn a_ready_bulkhead_learns_as_well() {
    use std::sync::LazyLock;
    static READY: LazyLock<Bulkhead> = LazyLock::new(|| {
        let aimd = AdaptiveLimit::new().algorithm(LimitAlgorithm::Aimd);
        Bulkhead::builder("ready").adaptive(aimd).build()
    });
    #[resilient(bulkhead = &READY)]
    async fn fail() -> Result<(), Error> {
        Err(Error::Busy)
    }
    drop(fail().await);
    assert_eq!(READY.limit(), 9);
}

#[test]
fn a_blocking_function_learns_as_well() {
    #[resilient(name = "adaptive.blocking", bulkhead(adaptive(algorithm = "aimd")))]
    fn fail() -> Result<(), Error> {
        Err(Error::Busy)
    }
    drop(fail());
    assert_eq!(policy("adaptive.blocking").unwrap().bulkhead().unwrap().limit(), 9);
}

#[tokio::test(start_paused = true)]
async fn dropped_calls_teach_nothing_and_leave_nothing_in_flight() {
    let aimd = AdaptiveLimit::new().max(2000).algorithm(LimitAlgorithm::Aimd);
    let bulkhead = Bulkhead::builder("dropped").max_concurrent(1000).adaptive(aimd).build();
    let pipeline = Pipeline::builder("adaptive.dropped").bulkhead(bulkhead).build();
    let hung = Script::new([Hang]);
    let mut calls: Vec<_> =
        (0..1000).map(|_| Box::pin(pipeline.call().run(|| hung.play()))).collect();
    for call in &mut calls {
        assert!(tokio::time::timeout(Duration::ZERO, call).await.is_err());
    }
    let bulkhead = || pipeline.policy().snapshot().bulkhead.unwrap();
    assert_eq!(bulkhead().running, 1000);
    drop(calls);
    assert_eq!((bulkhead().running, bulkhead().limit), (0, 1000));
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_shrinks_lets_those_inside_finish_and_one_that_grows_lets_the_next_in() {
    let aimd = AdaptiveLimit::new().algorithm(LimitAlgorithm::Aimd);
    let builder = Bulkhead::builder("queue").max_concurrent(2).max_queue(9);
    let bulkhead = builder.max_wait(Duration::from_secs(60)).adaptive(aimd).build();
    let (one, two) = (bulkhead.acquire().await.unwrap(), bulkhead.acquire().await.unwrap());
    let start = Instant::now();
    let waiting = async {
        let permit = bulkhead.acquire().await.unwrap();
        (start.elapsed(), permit)
    };
    let leaving = async {
        one.failed();
        assert_eq!((bulkhead.limit(), bulkhead.running()), (1, 1), "nobody came in its place");
        tokio::time::sleep(Duration::from_secs(1)).await;
        two.succeeded();
    };
    let ((waited, permit), ()) = tokio::join!(biased; waiting, leaving);
    assert_eq!((waited, bulkhead.running()), (Duration::from_secs(1), 1));
    permit.succeeded();
    assert_eq!((bulkhead.running(), bulkhead.queued()), (0, 0));
}

#[test]
fn values_that_can_never_work_are_refused_or_cut() {
    let builder = |limit: AdaptiveLimit| Bulkhead::builder("cut").adaptive(limit);
    let limits = |limit: AdaptiveLimit| builder(limit).max_concurrent(10);
    let refused = limits(AdaptiveLimit::new().min(20)).try_build().unwrap_err().to_string();
    assert!(refused.contains("begins at its `max_concurrent`"), "{refused}");
    assert_eq!(limits(AdaptiveLimit::new().min(20)).build().limit(), 20);
    assert_eq!(limits(AdaptiveLimit::new().max(5)).build().limit(), 5);
    let refused = builder(AdaptiveLimit::new().min(9).max(5)).try_build().unwrap_err().to_string();
    assert_eq!(refused, "`max` of 5 is below `min` of 9");
    let refused = builder(AdaptiveLimit::new().min(0)).try_build().unwrap_err().to_string();
    assert_eq!(refused, "`min` must be at least 1");
    assert_eq!(
        builder(AdaptiveLimit::new().min(20)).build().limit(),
        20,
        "nobody said where to begin"
    );
}
