//! What it costs to be operated: nanoseconds and allocations of a call under four policies without and with metrics and a
//! configuration in force, beside the same joined by hand, each round in a process of its own, as metrics cannot be turned off
//! again; the time of a scrape and of a reload of a thousand policies, and the longest call meanwhile.
//!
//! `cargo run --release -p mmf-benches --features operating --bin cost_of_operating [-- --rounds N --json FILE --svg FILE]`

use std::error::Error;
use std::hint::black_box;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use backon::ConstantBuilder;
use mmf::resilience::{Bulkhead, CircuitBreaker, Pipeline, RetryPolicy};
use mmf_benches::by_hand::by_hand;
use mmf_benches::functions::{self, CONFIGURATION, all_four};
use mmf_benches::table::{Table, rounds};
use recloser::{AsyncRecloser, Recloser};
use tokio::sync::Semaphore;

const CALLS: u64 = 400_000;
const POLICIES: usize = 1000;
const SCRAPES: u32 = 20;
const RELOADS: u32 = 20;

/// Nanoseconds a call, and its allocations.
async fn calls(call: impl AsyncFn(u64) -> Result<u64, functions::Error>) -> (f64, u64) {
    let round = async |calls: u64| {
        let start = Instant::now();
        for id in 0..calls {
            black_box(call(id).await).expect("it succeeds");
        }
        start.elapsed().as_nanos() as f64 / calls as f64
    };
    round(CALLS / 10).await;
    let nanos = tokio::task::unconstrained(round(CALLS)).await;
    let counted = allocation_counter::measure(|| {
        let mut call = std::pin::pin!(call(0));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(call.as_mut().poll(&mut context).is_ready(), "it waits");
    });
    (nanos, counted.count_total)
}

fn pipelines(prefix: &str) -> Vec<Pipeline> {
    let pipeline = |number| {
        let name = format!("{prefix} {number}");
        Pipeline::builder(name.clone())
            .timeout(Duration::from_secs(5))
            .retry(RetryPolicy::builder().build())
            .breaker(CircuitBreaker::builder(name.clone()).build())
            .bulkhead(Bulkhead::builder(name).build())
            .build()
    };
    (0..POLICIES).map(pipeline).collect()
}

/// Microseconds a scrape of so many policies.
fn scrape() -> f64 {
    let policies = pipelines("scraped");
    black_box(mmf::metrics::prometheus());
    let start = Instant::now();
    for _ in 0..SCRAPES {
        black_box(mmf::metrics::prometheus());
    }
    drop(policies);
    start.elapsed().as_secs_f64() * 1e6 / f64::from(SCRAPES)
}

/// Microseconds a reload of so many policies, if there are reloads, and of the longest call beside it; none may fail.
fn reload(policies: &[Pipeline], reloads: bool) -> Result<(f64, f64), Box<dyn Error>> {
    let (stop, longest) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut took = Duration::ZERO;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
            runtime.expect("a runtime").block_on(async {
                for pipeline in policies.iter().cycle() {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let start = Instant::now();
                    let answer = pipeline.call().run(|| functions::work(1)).await;
                    black_box(answer).expect("no call fails");
                    longest.fetch_max(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
                }
            });
        });
        for number in 0..RELOADS {
            let text = format!(
                "[policies.\"reloaded *\"]\ntimeout = \"{}s\"\nretry.max_attempts = {}\n\
                 breaker.failure_threshold = {}\nbulkhead.max_concurrent = {}",
                6 + number,
                4 + number,
                9 + number,
                50 + number
            );
            let start = Instant::now();
            if reloads {
                mmf::config::apply(&text)?;
            } else {
                // As busy a thread that changes nothing: what two of them cost each other on one machine is not the reload's.
                while start.elapsed() < Duration::from_millis(35) {
                    black_box(policies.len());
                }
            }
            took += start.elapsed();
            std::thread::sleep(Duration::from_millis(20));
        }
        stop.store(true, Ordering::Relaxed);
        Ok::<_, mmf::config::ConfigError>(())
    })?;
    mmf::config::apply("")?;
    let longest = longest.into_inner() as f64 / 1000.0;
    Ok((took.as_secs_f64() * 1e6 / f64::from(RELOADS), longest))
}

async fn role(role: &str) -> Result<(), Box<dyn Error>> {
    let recloser = AsyncRecloser::from(Recloser::default());
    let (semaphore, backoff) = (Semaphore::new(10), ConstantBuilder::default());
    let (nanos, allocations) = match role {
        "by hand" => calls(async |id| by_hand(&recloser, &semaphore, backoff, id).await).await,
        role => {
            black_box(all_four(0).await)?;
            if role.contains("metrics") {
                mmf::metrics::enable();
            }
            if role.contains("configuration") {
                mmf::config::apply(CONFIGURATION)?;
            }
            calls(async |id| all_four(id).await).await
        }
    };
    println!("{nanos} {allocations}");
    Ok(())
}

/// What a process in this role prints.
fn numbers_of<const N: usize>(role: &str) -> Result<[f64; N], Box<dyn Error>> {
    let output = Command::new(std::env::current_exe()?).env("MMF_BENCH_ROLE", role).output()?;
    let text = String::from_utf8(output.stdout)?;
    let numbers = text.split_whitespace().map(str::parse).collect::<Result<Vec<f64>, _>>()?;
    numbers.try_into().map_err(|other| format!("{role} printed {other:?}").into())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    match std::env::var("MMF_BENCH_ROLE").as_deref() {
        Ok("scrape and reload") => {
            let scrape = scrape();
            let policies = pipelines("reloaded");
            let (_, alone) = reload(&policies, false)?;
            let (reload, longest) = reload(&policies, true)?;
            println!("{scrape} {reload} {longest} {alone}");
            return Ok(());
        }
        Ok(own) => return role(own).await,
        Err(_) => {}
    }
    let mut table = Table::new("cost of operating", "ns/call");
    let mut beside = [const { Vec::new() }; 4];
    for _ in 0..rounds(11) {
        for (role, by) in [
            ("without", "MMF"),
            ("configuration", "MMF, configured"),
            ("metrics", "MMF, with metrics"),
            ("metrics, configuration", "MMF, configured, with metrics"),
            ("by hand", "backon, recloser, tokio"),
        ] {
            let [nanos, allocations] = numbers_of(role)?;
            table.add("all four policies", by, nanos);
            table.note("all four policies", by, "allocations", allocations);
        }
        let numbers: [f64; 4] = numbers_of("scrape and reload")?;
        beside.iter_mut().zip(numbers).for_each(|(all, number)| all.push(number));
    }
    table.publish()?;
    let [scrape, reload, longest, alone] = beside.map(|mut all| {
        all.sort_by(f64::total_cmp);
        all[all.len() / 2] / 1000.0
    });
    println!("a scrape of {POLICIES} policies: {scrape:.2} ms");
    println!(
        "a reload of {POLICIES} policies: {reload:.2} ms; the longest call beside it: {longest:.3} ms, beside a thread as busy: \
         {alone:.3} ms"
    );
    Ok(())
}
