//! What open pages cost the requests of a service: the time of a request with none and with many of them, the two taking turns in one
//! run. The server is a process of its own that serves its requests and the page on the same threads; who looks is another.
//!
//! `cargo run --release -p mmf-benches --features operating --bin cost_of_pages [-- --rounds N --json FILE --svg FILE]`

use std::error::Error;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use mmf_benches::functions::all_four;
use mmf_benches::table::{Table, rounds};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const PAGES: usize = 200;
const CONNECTIONS: u64 = 5;
/// Of each connection: far from what the server could do, so that what is measured is a request and no queue.
const EACH: Duration = Duration::from_millis(5);
const TURN: Duration = Duration::from_secs(2);

async fn server() -> Result<(), Box<dyn Error>> {
    let handler = async || all_four(7).await.map_or_else(|_| "refused".into(), |id| id.to_string());
    let app = Router::new().route("/", get(handler)).nest("/admin", mmf::admin::router());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}

/// Reads so many pages' streams until it is killed.
async fn viewers(port: u16) -> Result<(), Box<dyn Error>> {
    for _ in 0..PAGES {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(b"GET /admin/api/stream HTTP/1.1\r\nhost: page\r\n\r\n").await?;
        let mut bytes = [0; 16 << 10];
        // Its head and the first view.
        let _head = stream.read(&mut bytes).await?;
        tokio::spawn(
            async move { while stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {} },
        );
    }
    println!("all look");
    std::future::pending().await
}

/// A request after the other, each at its time; how long each took, in nanoseconds.
async fn requests(port: u16, offset: Duration) -> std::io::Result<Vec<u64>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let mut bytes = [0; 4 << 10];
    let mut took = Vec::new();
    let mut every = tokio::time::interval_at(tokio::time::Instant::now() + offset, EACH);
    let begin = Instant::now();
    while begin.elapsed() < TURN {
        every.tick().await;
        let start = Instant::now();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: page\r\n\r\n").await?;
        let read = stream.read(&mut bytes).await?;
        took.push(start.elapsed().as_nanos() as u64);
        assert!(bytes[..read].starts_with(b"HTTP/1.1 200"), "a request failed");
    }
    Ok(took)
}

async fn turn(port: u16) -> Result<Vec<u64>, Box<dyn Error>> {
    let offset = |place: u64| EACH * u32::try_from(place).unwrap_or(0) / CONNECTIONS as u32;
    let all: Vec<_> =
        (0..CONNECTIONS).map(|place| tokio::spawn(requests(port, offset(place)))).collect();
    let mut took = Vec::new();
    for one in all {
        took.extend(one.await??);
    }
    Ok(took)
}

fn role(role: &str, port: u16) -> Result<(Child, String), Box<dyn Error>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.env("MMF_BENCH_ROLE", role).env("PORT", port.to_string()).stdout(Stdio::piped());
    let mut child = command.spawn()?;
    let mut said = String::new();
    BufReader::new(child.stdout.take().ok_or("it says nothing")?).read_line(&mut said)?;
    Ok((child, said.trim().to_owned()))
}

/// In microseconds, that of this share.
fn micros(sorted: &[u64], share: f64) -> f64 {
    let place = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(place).map_or(f64::NAN, |nanos| *nanos as f64 / 1000.0)
}

async fn measure() -> Result<(), Box<dyn Error>> {
    let (mut server, port) = role("server", 0)?;
    let port = port.parse()?;
    turn(port).await?;
    let [mut without, mut with] = [const { Vec::new() }; 2];
    for _ in 0..rounds(40) {
        without.extend(turn(port).await?);
        let (mut viewers, _) = role("viewers", port)?;
        // A view for each first.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        with.extend(turn(port).await?);
        viewers.kill()?;
        viewers.wait()?;
        // Their places are given up with the next view.
        tokio::time::sleep(Duration::from_millis(1500)).await;
    }
    server.kill()?;
    server.wait()?;
    let mut table = Table::new("a request of a service", "µs");
    for (by, took) in [("no page open", &mut without), ("200 pages open", &mut with)] {
        took.sort_unstable();
        for (work, share) in
            [("half take at most", 0.5), ("99 of 100", 0.99), ("999 of 1000", 0.999)]
        {
            table.add(work, by, micros(took, share));
        }
    }
    table.publish()?;
    let change = micros(&with, 0.99) / micros(&without, 0.99) - 1.0;
    println!(
        "p99 with {PAGES} pages open: {:+.1} % ({} and {} requests)",
        change * 100.0,
        with.len(),
        without.len()
    );
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = || std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(0);
    match std::env::var("MMF_BENCH_ROLE").as_deref() {
        Ok("server") => server().await,
        Ok(_) => viewers(port()).await,
        Err(_) => measure().await,
    }
}
