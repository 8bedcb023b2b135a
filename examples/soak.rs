//! Eight tasks call a failing server through every policy for twenty seconds, and drop some of their
//! calls half-way. At the end every permit must be back and every count must add up; exits with 1
//! otherwise. `SOAK_SECONDS` sets another length.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use mmf::resilience::policy;
use mmf::{ResilienceError, resilient};

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("status {0}")]
    Status(u16),
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    #[error(transparent)]
    Refused(#[from] ResilienceError),
}

/// How often the function itself was run: counted apart from the policies.
static RUNS: AtomicU64 = AtomicU64::new(0);

#[resilient(
    name = "soak.fetch",
    deadline = "2s",
    timeout = "100ms",
    retry(max_attempts = 3, base_delay = "5ms", backoff = "jittered_exponential"),
    breaker(failure_threshold = 12, failure_rate_threshold = 0.9, recovery_timeout = "50ms"),
    rate_limit(permits = 800, burst = 10, max_wait = "1ms"),
    hedge(delay = "40ms"),
    bulkhead(max_concurrent = 6, max_queue = 2, max_wait = "20ms"),
    fallback(value(String::from("nothing")), apply_on(Error::Status(503)), on_refusal("none"))
)]
async fn fetch(http: &reqwest::Client, url: &str) -> Result<String, Error> {
    RUNS.fetch_add(1, Ordering::Relaxed);
    let response = http.get(url).send().await?;
    match response.status() {
        status if status.is_success() => Ok(response.text().await?),
        status => Err(Error::Status(status.as_u16())),
    }
}

/// Of every twenty requests: three errors, one 503, two slow ones, one that hangs. Of every 2000, 60
/// in a row are errors, so that the breaker opens.
async fn answer() -> Response {
    static REQUESTS: AtomicU64 = AtomicU64::new(0);
    let request = REQUESTS.fetch_add(1, Ordering::Relaxed);
    if request % 2000 > 1940 {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    match request % 20 {
        3 | 9 | 15 => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        5 => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        7 | 17 => {
            tokio::time::sleep(Duration::from_millis(60)).await;
            "slow".into_response()
        }
        13 => std::future::pending().await,
        _ => "fine".into_response(),
    }
}

#[derive(Default)]
struct Seen {
    issued: u64,
    ok: u64,
    failed: u64,
    dropped: u64,
}

async fn task(number: u64, url: String, until: Instant) -> Seen {
    let http = reqwest::Client::new();
    let mut seen = Seen::default();
    while Instant::now() < until {
        seen.issued += 1;
        // Every seventh call is dropped where it stands after a few milliseconds.
        let patience = match (seen.issued + number) % 7 {
            0 => Duration::from_millis(seen.issued % 9),
            _ => Duration::from_secs(60),
        };
        match tokio::time::timeout(patience, fetch(&http, &url)).await {
            Ok(Ok(_)) => seen.ok += 1,
            Ok(Err(_)) => {
                seen.failed += 1;
                // A refusal is ready at once: without a pause, callers would keep the runtime from
                // the server that shares it.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Err(_) => seen.dropped += 1,
        }
    }
    seen
}

#[tokio::main]
async fn main() -> ExitCode {
    let seconds = std::env::var("SOAK_SECONDS").ok().and_then(|text| text.parse().ok());
    let until = Instant::now() + Duration::from_secs(seconds.unwrap_or(20));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/", listener.local_addr().expect("bound"));
    let app = Router::new().route("/", get(answer));
    tokio::spawn(async move { axum::serve(listener, app).await });

    let tasks: Vec<_> =
        (0..8).map(|number| tokio::spawn(task(number, url.clone(), until))).collect();
    let mut seen = Seen::default();
    for task in tasks {
        let one = task.await.expect("a task that does not panic");
        seen.issued += one.issued;
        seen.ok += one.ok;
        seen.failed += one.failed;
        seen.dropped += one.dropped;
    }

    let counted = policy("soak.fetch").expect("annotated above").snapshot();
    let bulkhead = counted.bulkhead.expect("has a bulkhead");
    let breaker = counted.breaker.expect("has a breaker");
    println!("{counted:#?}");
    println!(
        "seen by the callers: {} issued, {} ok, {} failed, {} dropped; the function ran {} times",
        seen.issued,
        seen.ok,
        seen.failed,
        seen.dropped,
        RUNS.load(Ordering::Relaxed)
    );

    let runs = RUNS.load(Ordering::Relaxed);
    let refused = breaker.refused + counted.rate_limited + bulkhead.refused;
    let sums = [
        (
            "the calls that ended are those the callers saw end",
            counted.calls == seen.ok + seen.failed,
        ),
        ("calls = successes + failures", counted.calls == counted.successes + counted.failures),
        ("successes are those the callers saw", counted.successes == seen.ok),
        ("dropped calls are those the callers dropped", counted.cancelled == seen.dropped),
        // What was given up while it waited is neither an attempt nor refused.
        (
            "attempts = calls + retries + hedges - refused and given up",
            counted.attempts + refused <= counted.calls + counted.retries + counted.hedges,
        ),
        // The run that a dropped call was in is counted with no call.
        (
            "the function ran as often as attempts say, but for dropped calls",
            runs.abs_diff(counted.attempts) <= counted.cancelled,
        ),
        ("every permit is back", (bulkhead.running, bulkhead.queued) == (0, 0)),
        ("calls were retried and hedged", counted.retries > 0 && counted.hedges > 0),
        ("the breaker opened and refused", breaker.opened > 0 && breaker.refused > 0),
        ("the rate limit refused", counted.rate_limited > 0),
        ("the bulkhead refused", bulkhead.refused > 0),
        ("the fallback answered", counted.fallbacks > 0),
    ];
    let mut held = true;
    for (sum, holds) in sums {
        println!("{} {sum}", if holds { "ok:    " } else { "FAILED:" });
        held &= holds;
    }
    if held { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
