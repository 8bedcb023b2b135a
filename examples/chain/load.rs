//! The load: so many orders a second, each of which ends in an answer or a stated error.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

/// How long each order may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(1);
const WORKERS: u32 = 40;
const PAUSE: Duration = Duration::from_millis(100);

/// What came of the orders.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    /// Keys of those that were answered well.
    pub(crate) placed: Vec<String>,
    /// Refused or failed, as problem details that say so, by status.
    pub(crate) unavailable: u64,
    pub(crate) late: u64,
    /// Neither: what should not be.
    pub(crate) strange: Vec<String>,
    pub(crate) slowest: Duration,
}

impl Orders {
    pub(crate) fn all(&self) -> u64 {
        let (placed, strange) = (self.placed.len() as u64, self.strange.len() as u64);
        placed + self.unavailable + self.late + strange
    }

    fn add(&mut self, more: Self) {
        self.placed.extend(more.placed);
        self.unavailable += more.unavailable;
        self.late += more.late;
        self.strange.extend(more.strange);
        self.slowest = self.slowest.max(more.slowest);
    }
}

/// Orders until it is told to stop; `done` counts those that were answered well, for who watches.
pub(crate) async fn orders(base: String, stop: Arc<AtomicBool>, done: Arc<AtomicU64>) -> Orders {
    let client = reqwest::Client::new();
    let mut workers = JoinSet::new();
    for worker in 0..WORKERS {
        let (client, base) = (client.clone(), base.clone());
        let (stop, done) = (Arc::clone(&stop), Arc::clone(&done));
        workers.spawn(async move {
            let mut orders = Orders::default();
            // Spread over the pause, so that they do not come all at once.
            tokio::time::sleep(PAUSE * worker / WORKERS).await;
            for number in 0_u32.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                one(&client, &base, format!("order-{worker}-{number}"), &mut orders, &done).await;
                tokio::time::sleep(PAUSE).await;
            }
            orders
        });
    }
    let mut all = Orders::default();
    while let Some(orders) = workers.join_next().await {
        all.add(orders.expect("a worker does not panic"));
    }
    all
}

async fn one(
    client: &reqwest::Client,
    base: &str,
    key: String,
    orders: &mut Orders,
    done: &AtomicU64,
) {
    let began = Instant::now();
    let millis = DEADLINE.as_millis().to_string();
    let request = client.post(format!("{base}/orders/{key}"));
    let sent = request.header("x-request-timeout-ms", millis).send();
    // A hang would otherwise end the program without a word of why.
    let answer = tokio::time::timeout(DEADLINE * 10, sent).await;
    orders.slowest = orders.slowest.max(began.elapsed());
    let answer = match answer {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return orders.strange.push(format!("{key}: {error}")),
        Err(_) => return orders.strange.push(format!("{key}: it hangs")),
    };
    let is_stated =
        answer.headers().get("content-type").is_some_and(|kind| kind == "application/problem+json");
    match answer.status().as_u16() {
        200 => {
            done.fetch_add(1, Ordering::Relaxed);
            orders.placed.push(key);
        }
        503 if is_stated => orders.unavailable += 1,
        504 if is_stated => orders.late += 1,
        other => orders.strange.push(format!("{key}: {other}")),
    }
}
