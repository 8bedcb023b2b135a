//! The breaker under all interleavings of a few threads, by loom.

use std::sync::Arc;

use super::{BreakerState, CircuitBreaker};
use crate::resilience::outcome::Counted;
use crate::sync::{AtomicU64, Ordering};

fn half_open(trials: u32, successes: u32) -> Arc<CircuitBreaker> {
    let breaker = CircuitBreaker::builder("model")
        .half_open_max_calls(trials)
        .success_threshold(successes)
        .build();
    breaker.force_half_open();
    Arc::new(breaker)
}

fn on_threads(count: usize, work: impl Fn() + Clone + Send + 'static) {
    let threads: Vec<_> = (0..count).map(|_| loom::thread::spawn(work.clone())).collect();
    work();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn never_more_trials_at_once_than_allowed() {
    loom::model(|| {
        let (breaker, running) = (half_open(1, 9), Arc::new(AtomicU64::new(0)));
        on_threads(2, move || {
            if let Some(mut ticket) = breaker.ticket() {
                assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0);
                running.fetch_sub(1, Ordering::SeqCst);
                ticket.settle(Counted::Success);
            }
        });
    });
}

#[test]
fn a_dropped_trial_frees_its_place() {
    loom::model(|| {
        let breaker = half_open(1, 9);
        let racing = Arc::clone(&breaker);
        on_threads(1, move || drop(racing.ticket()));
        assert!(breaker.ticket().is_some());
    });
}

#[test]
fn a_late_result_is_not_counted_in_the_new_state() {
    loom::model(|| {
        let breaker = Arc::new(CircuitBreaker::builder("model").failure_threshold(1).build());
        let racing = Arc::clone(&breaker);
        let thread = loom::thread::spawn(move || {
            if let Some(mut ticket) = racing.ticket() {
                ticket.settle(Counted::Failure);
            }
        });
        breaker.force_closed();
        thread.join().unwrap();
        let snapshot = breaker.snapshot();
        // Either the failure came first and is forgotten, or it was admitted after and opened it.
        match breaker.state() {
            BreakerState::Closed => assert_eq!(snapshot.failure_rate, 0.0),
            state => assert_eq!((state, snapshot.opened), (BreakerState::Open, 1)),
        }
    });
}

#[test]
fn two_failures_and_a_success_are_all_in_the_window() {
    loom::model(|| {
        let breaker = Arc::new(CircuitBreaker::builder("model").minimum_throughput(100).build());
        let racing = Arc::clone(&breaker);
        let kinds = Arc::new(AtomicU64::new(0));
        on_threads(2, move || {
            let kind = kinds.fetch_add(1, Ordering::SeqCst);
            let counted = if kind == 0 { Counted::Success } else { Counted::Failure };
            racing.ticket().unwrap().settle(counted);
        });
        let snapshot = breaker.snapshot();
        assert_eq!((snapshot.successes, snapshot.failures), (1, 2));
    });
}
