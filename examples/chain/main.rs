//! A chain of four: HTTP (axum) → gRPC (tonic) → HTTP (reqwest, axum) → PostgreSQL, over loopback, under load, and in the
//! middle of it the database is killed for five seconds. What came of it is printed, and the program exits with 1 where a
//! figure is not what it should be. `chain 60` takes a minute before and after.

mod gateway;
mod hops;
mod load;
mod orders;
#[path = "../../mmf/tests/sqlx/postgres.rs"]
mod postgres;
mod probe;
mod stock;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use mmf::resilience::{BreakerState, Event, Observer, PolicySnapshot, observe, policy};
use mmf::tonic::ServerLayer;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Endpoint, Server};

/// Changes of the breakers, with when they came.
#[derive(Debug)]
struct Changes(Mutex<Vec<(Instant, String, BreakerState)>>);

static CHANGES: Changes = Changes(Mutex::new(Vec::new()));

impl Observer for Changes {
    fn event(&self, event: &Event<'_>) {
        if let Event::BreakerChanged { policy, to, .. } = event {
            let change = (Instant::now(), (*policy).to_owned(), *to);
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(change);
        }
    }
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port of loopback");
    let address = listener.local_addr().expect("its address");
    (listener, address)
}

async fn serve(app: Router) -> String {
    let (listener, address) = listener().await;
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}")
}

fn snapshot(name: &str) -> PolicySnapshot {
    policy(name).map(|policy| policy.snapshot()).unwrap_or_default()
}

/// Calls that a policy has seen, however they ended.
fn calls(name: &str) -> u64 {
    let snapshot = snapshot(name);
    snapshot.calls + snapshot.cancelled
}

#[tokio::main]
async fn main() -> ExitCode {
    let seconds = std::env::args().nth(1).map_or(Ok(3), |seconds| seconds.parse());
    let Ok(seconds) = seconds.map(Duration::from_secs) else {
        eprintln!("usage: chain [SECONDS], before and after the outage; 3 where nothing is said");
        return ExitCode::from(2);
    };
    let Some(mut database) = postgres::Server::start().await else {
        eprintln!("install it (Debian: postgresql) and run this again");
        return ExitCode::from(2);
    };
    let pool = database.pool(16);
    let table = "CREATE TABLE reservations (key text PRIMARY KEY, id text, trace text)";
    sqlx::query(table).execute(&pool).await.expect("a table");
    let lines = probe::Lines::kept();
    observe(&CHANGES);

    let stock = serve(stock::app(pool.clone())).await;
    let (grpc, address) = listener().await;
    let service = orders::OrdersServer::new(orders::OrderService::new(stock));
    let server = Server::builder().layer(ServerLayer::new("orders")).add_service(service);
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(grpc)));
    let channel = Endpoint::from_shared(format!("http://{address}")).expect("an address");
    let gateway = serve(gateway::app(channel.connect_lazy())).await;

    let seen = probe::order(&gateway, &lines, &pool).await;

    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let began = Instant::now();
    let load = tokio::spawn(load::orders(gateway, Arc::clone(&stop), Arc::clone(&done)));
    tokio::time::sleep(seconds).await;
    let before = done.load(Ordering::Relaxed);
    println!("{:>6.1} s  the database is killed", began.elapsed().as_secs_f64());
    database.kill();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let outage = done.load(Ordering::Relaxed);
    database.run().await;
    println!("{:>6.1} s  the database is back", began.elapsed().as_secs_f64());
    tokio::time::sleep(Duration::from_secs(2)).await;
    let recovering = done.load(Ordering::Relaxed);
    tokio::time::sleep(seconds).await;
    let after = done.load(Ordering::Relaxed);
    stop.store(true, Ordering::Relaxed);
    let orders = load.await.expect("the load does not panic");

    let changes = CHANGES.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for (at, name, state) in &changes {
        let at = at.saturating_duration_since(began).as_secs_f64();
        println!("{at:>6.1} s  {name}: {state}");
    }
    let kept: Vec<String> = sqlx::query_scalar("SELECT key FROM reservations")
        .fetch_all(&pool)
        .await
        .expect("the table is still there");

    println!(
        "\n{:<18} {:>8} {:>9} {:>9} {:>9} {:>8}",
        "", "calls", "attempts", "well", "badly", "retries"
    );
    for name in ["gateway", "gateway.orders", "orders", "orders.stock", "stock", "stock.database"] {
        let PolicySnapshot { attempts, successes, failures, retries, .. } = snapshot(name);
        println!(
            "{name:<18} {:>8} {attempts:>9} {successes:>9} {failures:>9} {retries:>8}",
            calls(name)
        );
    }
    println!(
        "\n{} orders: {} placed, {} unavailable, {} late; the slowest took {:?}\n",
        orders.all(),
        orders.placed.len(),
        orders.unavailable,
        orders.late,
        orders.slowest
    );

    let mut well = true;
    let mut expect = |what: &str, holds: bool| {
        println!("{} {what}", if holds { "ok:    " } else { "FAILED:" });
        well &= holds;
    };
    expect(
        "one id and one trace through all four",
        seen.services.len() == 3
            && ["gateway", "orders", "stock"]
                .iter()
                .all(|name| seen.services.iter().any(|seen| seen == name))
            && seen.row.is_some(),
    );
    expect(
        "the deadline shrinks at each hop",
        seen.left_ms.len() == 3
            && seen.left_ms[0] <= 1000
            && seen.left_ms.windows(2).all(|pair| pair[1] <= pair[0])
            && seen.left_ms[2] < seen.left_ms[0]
            && seen.left_ms[2] > 0,
    );
    expect("each order ends in an answer or a stated error", orders.strange.is_empty());
    for strange in orders.strange.iter().take(5) {
        println!("         {strange}");
    }
    expect(
        "no order hangs past its deadline",
        orders.slowest < load::DEADLINE + Duration::from_millis(500),
    );
    let of = |state| changes.iter().any(|(_, name, to)| name == "stock.database" && *to == state);
    expect("the breaker of the database opens", of(BreakerState::Open));
    expect(
        "and all are closed again at the end",
        of(BreakerState::Closed)
            && ["gateway.orders", "orders.stock", "stock.database"].iter().all(|name| {
                snapshot(name).breaker.is_some_and(|breaker| breaker.state == BreakerState::Closed)
            }),
    );
    expect("it serves before and after the outage", before > 0 && after > recovering);
    expect("and not in the midst of it", outage - before <= before);
    let requests = orders.all() + 1;
    expect("the gateway has counted what its caller sent", calls("gateway") == requests);
    expect("each of them is one call to the second", calls("gateway.orders") == requests);
    expect(
        "the second has counted what the first has sent",
        calls("orders") == snapshot("gateway.orders").attempts,
    );
    expect("each of them is one call to the third", calls("orders.stock") == calls("orders"));
    expect(
        "the third has counted what the second has sent",
        calls("stock") == snapshot("orders.stock").attempts,
    );
    let attempts = snapshot("stock.database").attempts;
    println!(
        "       attempts at the database: {attempts} for {requests} orders, {:.3} each",
        attempts as f64 / requests as f64
    );
    expect(
        "attempts at the database do not multiply: at most 1.2 for each order",
        attempts * 5 <= requests * 6,
    );
    let placed = orders.placed.iter().filter(|key| kept.contains(key)).count();
    expect("what was answered well is in the database", placed == orders.placed.len());
    let unanswered = kept.len() as u64 - 1 - placed as u64;
    expect(
        "what is there without an answer was told as an error",
        unanswered <= orders.unavailable + orders.late,
    );
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
