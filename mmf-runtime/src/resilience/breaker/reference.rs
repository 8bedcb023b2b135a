//! The breaker against a plain model of its documentation, over random histories.

use std::collections::VecDeque;
use std::time::Duration;

use proptest::prelude::*;
use tokio::time::advance;

use super::{BreakerState, CircuitBreaker, Ticket};
use crate::clock;
use crate::resilience::outcome::Counted;

#[derive(Clone, Copy, Debug)]
struct Settings {
    failure_threshold: u32,
    rate: u32,
    minimum: u32,
    window: usize,
    time_window: bool,
    slow_rate: Option<u32>,
    trials: u32,
    successes: u32,
}

/// Milliseconds: of recovery, of a slow call, and of one bucket of a time window.
const RECOVERY: u64 = 1000;
const SLOW: u64 = 100;
const BUCKET: u64 = 200;

/// The model keeps every call in a list and counts anew each time it is asked.
struct Model {
    settings: Settings,
    now: u64,
    state: BreakerState,
    generation: u32,
    calls: VecDeque<(u64, bool, bool)>,
    consecutive: u32,
    until: u64,
    /// When each trial began that is running.
    trials: Vec<u64>,
    succeeded: u32,
    opened: u64,
    late: u64,
}

#[derive(Clone, Copy)]
struct Admitted {
    generation: u32,
    trial: bool,
    at: u64,
}

impl Model {
    fn enter(&mut self, state: BreakerState) {
        self.state = state;
        self.generation += 1;
        self.calls.clear();
        (self.consecutive, self.succeeded) = (0, 0);
        self.trials.clear();
        if state == BreakerState::Open {
            self.until = self.now + RECOVERY;
        }
    }

    fn state_at_rest(&self) -> BreakerState {
        match self.state {
            BreakerState::Open if self.now >= self.until => BreakerState::HalfOpen,
            state => state,
        }
    }

    fn admit(&mut self) -> Option<Admitted> {
        if self.state == BreakerState::Open && self.now >= self.until {
            self.enter(BreakerState::HalfOpen);
        }
        let trial = match self.state {
            BreakerState::Closed => false,
            BreakerState::HalfOpen if self.trials.iter().any(|at| self.now - at >= RECOVERY) => {
                self.enter(BreakerState::Open);
                return None;
            }
            BreakerState::HalfOpen if self.trials.len() < self.settings.trials as usize => true,
            _ => return None,
        };
        if trial {
            self.trials.push(self.now);
        }
        Some(Admitted { generation: self.generation, trial, at: self.now })
    }

    fn settle(&mut self, admitted: Admitted, counted: Counted) {
        if admitted.generation != self.generation {
            self.late += u64::from(counted != Counted::Neither);
            return;
        }
        if admitted.trial {
            if self.trials.iter().any(|at| self.now - at >= RECOVERY) {
                self.late += u64::from(counted != Counted::Neither);
                return self.enter(BreakerState::Open);
            }
            let place = self.trials.iter().position(|at| *at == admitted.at);
            self.trials.swap_remove(place.unwrap());
            match counted {
                Counted::Failure => self.enter(BreakerState::Open),
                Counted::Success => {
                    self.succeeded += 1;
                    if self.succeeded >= self.settings.successes {
                        self.enter(BreakerState::Closed);
                    }
                }
                Counted::Neither => {}
            }
            return;
        }
        if counted == Counted::Neither {
            return;
        }
        let Settings { failure_threshold, rate, minimum, window, time_window, slow_rate, .. } =
            self.settings;
        let failed = counted == Counted::Failure;
        let slow = slow_rate.is_some() && self.now - admitted.at >= SLOW;
        self.calls.push_back((self.now, failed, slow));
        self.consecutive = if failed { self.consecutive + 1 } else { 0 };
        if !time_window && self.calls.len() > window {
            self.calls.pop_front();
        }
        let tick = |at: u64| at / BUCKET;
        let now = self.now;
        let recent: Vec<_> = self
            .calls
            .iter()
            .filter(|(at, ..)| !time_window || tick(now) - tick(*at) < 10)
            .collect();
        let total = recent.len() as u32;
        let failures = recent.iter().filter(|(_, failed, _)| *failed).count() as u32;
        let slows = recent.iter().filter(|(.., slow)| *slow).count() as u32;
        let by_count = failure_threshold > 0 && self.consecutive >= failure_threshold;
        let by_rate = total >= minimum
            && (rate > 0 && failures * 100 >= rate * total
                || slow_rate.is_some_and(|rate| rate > 0 && slows * 100 >= rate * total));
        if by_count || by_rate {
            self.opened += 1;
            self.enter(BreakerState::Open);
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Begin,
    End(usize, Counted),
    Cancel(usize),
    Pass(u64),
    Force(BreakerState),
}

fn any_step() -> impl Strategy<Value = Step> {
    let counted = prop_oneof![
        4 => Just(Counted::Success),
        3 => Just(Counted::Failure),
        1 => Just(Counted::Neither),
    ];
    let state = prop_oneof![
        Just(BreakerState::Closed),
        Just(BreakerState::HalfOpen),
        Just(BreakerState::ForcedOpen),
    ];
    prop_oneof![
        20 => Just(Step::Begin),
        20 => (0..50_usize, counted).prop_map(|(which, counted)| Step::End(which, counted)),
        2 => (0..50_usize).prop_map(Step::Cancel),
        4 => (1..700_u64).prop_map(Step::Pass),
        1 => Just(Step::Pass(RECOVERY)),
        1 => state.prop_map(Step::Force),
    ]
}

fn any_settings() -> impl Strategy<Value = Settings> {
    (0..6_u32, 0..=100_u32, 1..12_u32, 12..40_usize, any::<bool>()).prop_flat_map(
        |(failure_threshold, rate, minimum, window, time_window)| {
            (proptest::option::of(1..=100_u32), 1..4_u32, 1..4_u32).prop_map(
                move |(slow_rate, trials, successes)| Settings {
                    failure_threshold,
                    rate,
                    minimum,
                    window,
                    time_window,
                    slow_rate,
                    trials,
                    successes,
                },
            )
        },
    )
}

fn build(settings: Settings) -> CircuitBreaker {
    let builder = CircuitBreaker::builder("model")
        .failure_threshold(settings.failure_threshold)
        .failure_rate_threshold(f64::from(settings.rate) / 100.0)
        .minimum_throughput(settings.minimum)
        .recovery_timeout(Duration::from_millis(RECOVERY))
        .half_open_max_calls(settings.trials)
        .success_threshold(settings.successes);
    let builder = match settings.slow_rate {
        Some(rate) => builder
            .slow_call_threshold(Duration::from_millis(SLOW))
            .slow_call_rate_threshold(f64::from(rate) / 100.0),
        None => builder,
    };
    if settings.time_window {
        builder.window(Duration::from_millis(BUCKET * 10)).build()
    } else {
        builder.window(settings.window as u32).build()
    }
}

async fn agree(settings: Settings, steps: Vec<Step>) -> Result<(), TestCaseError> {
    // Both count ticks from the same moment: the breaker's scale is brought to a whole bucket.
    let into_bucket = crate::clock::nanos() % (BUCKET * 1_000_000);
    advance(Duration::from_nanos(BUCKET * 1_000_000 - into_bucket)).await;

    let breaker = build(settings);
    let mut model = Model {
        settings,
        now: 0,
        state: BreakerState::Closed,
        generation: 0,
        calls: VecDeque::new(),
        consecutive: 0,
        until: 0,
        trials: Vec::new(),
        succeeded: 0,
        opened: 0,
        late: 0,
    };
    let mut running: Vec<(Ticket<&CircuitBreaker>, Admitted)> = Vec::new();
    for step in steps {
        match step {
            Step::Begin => {
                let (real, expected) = (breaker.ticket(), model.admit());
                prop_assert_eq!(real.is_some(), expected.is_some());
                running.extend(real.zip(expected));
            }
            Step::End(which, counted) if !running.is_empty() => {
                let (mut ticket, admitted) = running.swap_remove(which % running.len());
                ticket.settle(counted);
                model.settle(admitted, counted);
            }
            Step::Cancel(which) if !running.is_empty() => {
                let (ticket, admitted) = running.swap_remove(which % running.len());
                drop(ticket);
                model.settle(admitted, Counted::Neither);
            }
            Step::Pass(millis) => {
                advance(Duration::from_millis(millis)).await;
                model.now += millis;
            }
            Step::Force(state) => {
                match state {
                    BreakerState::HalfOpen => breaker.force_half_open(),
                    BreakerState::ForcedOpen => breaker.force_open(),
                    _ => breaker.force_closed(),
                }
                model.enter(state);
            }
            Step::End(..) | Step::Cancel(_) => {}
        }
        prop_assert_eq!(breaker.state(), model.state_at_rest());
        let snapshot = breaker.snapshot();
        prop_assert_eq!((snapshot.opened, snapshot.late), (model.opened, model.late));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn agrees_with_the_model(
        settings in any_settings(),
        steps in prop::collection::vec(any_step(), 1..200),
    ) {
        clock::paused(agree(settings, steps))?;
    }
}
