//! The load: a few customers who ask for users, one after the other, from the begin to the end.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::task::JoinHandle;

const CUSTOMERS: u64 = 8;
const PAUSE: Duration = Duration::from_millis(20);

/// What customers have seen.
#[derive(Default)]
struct Seen {
    answered: AtomicU64,
    stale: AtomicU64,
    with_tip: AtomicU64,
    failed: AtomicU64,
    /// Milliseconds since the last look.
    took: Mutex<Vec<f64>>,
    is_over: AtomicBool,
}

/// What they have seen up to now.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sums {
    pub(crate) answered: u64,
    pub(crate) stale: u64,
    pub(crate) with_tip: u64,
    pub(crate) failed: u64,
}

impl Sums {
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            answered: self.answered - before.answered,
            stale: self.stale - before.stale,
            with_tip: self.with_tip - before.with_tip,
            failed: self.failed - before.failed,
        }
    }
}

pub(crate) struct Load {
    seen: Arc<Seen>,
    customers: Vec<JoinHandle<()>>,
}

impl Load {
    pub(crate) fn begin(base: &str) -> Self {
        let seen = Arc::<Seen>::default();
        let client = reqwest::Client::new();
        let customers = (0..CUSTOMERS).map(|id| {
            let (seen, client, url) =
                (Arc::clone(&seen), client.clone(), format!("{base}/users/{id}"));
            tokio::spawn(async move {
                while !seen.is_over.load(Ordering::Relaxed) {
                    seen.ask(&client, &url).await;
                    tokio::time::sleep(PAUSE).await;
                }
            })
        });
        Self { customers: customers.collect(), seen }
    }

    pub(crate) fn sums(&self) -> Sums {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let Seen { answered, stale, with_tip, failed, .. } = &*self.seen;
        Sums {
            answered: of(answered),
            stale: of(stale),
            with_tip: of(with_tip),
            failed: of(failed),
        }
    }

    /// In milliseconds, what half and ninety-nine of a hundred of the answers since the last look took at most.
    pub(crate) fn times(&self) -> (f64, f64) {
        let mut took =
            std::mem::take(&mut *self.seen.took.lock().unwrap_or_else(PoisonError::into_inner));
        took.sort_by(f64::total_cmp);
        let at = |share: f64| took.get((took.len() as f64 * share) as usize).copied();
        (at(0.5).unwrap_or_default(), at(0.99).unwrap_or_default())
    }

    /// Ends it: every customer has its last answer.
    pub(crate) async fn end(mut self) -> Sums {
        self.seen.is_over.store(true, Ordering::Relaxed);
        for customer in self.customers.drain(..) {
            let _ = customer.await;
        }
        self.sums()
    }
}

impl Seen {
    async fn ask(&self, client: &reqwest::Client, url: &str) {
        let begin = Instant::now();
        let answer =
            async { client.get(url).send().await?.error_for_status()?.json::<Value>().await };
        match answer.await {
            Ok(user) => {
                self.answered.fetch_add(1, Ordering::Relaxed);
                self.stale.fetch_add(u64::from(user["stale"] == true), Ordering::Relaxed);
                self.with_tip.fetch_add(u64::from(user["tip"].is_string()), Ordering::Relaxed);
            }
            Err(_) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
            }
        }
        let took = begin.elapsed().as_secs_f64() * 1000.0;
        self.took.lock().unwrap_or_else(PoisonError::into_inner).push(took);
    }
}
