//! What chaos costs where nothing is armed: a call at an injection point beside the plain call, and bytes
//! through the untroubled proxy beside a plain copy loop, in the same run.
//!
//! `cargo run --release -p mmf-benches --features chaos --bin chaos [-- --rounds N]`

use std::hint::black_box;
use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use mmf::chaos::proxy::Proxy;
use mmf_benches::table::{Table, rounds};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

const CALLS: u32 = 100_000;
const MEGABYTES: usize = 64;

#[inline(never)]
async fn plain(number: u64) -> Result<u64, io::Error> {
    Ok(black_box(number) + 1)
}

#[mmf::chaos]
#[inline(never)]
async fn point(number: u64) -> Result<u64, io::Error> {
    Ok(black_box(number) + 1)
}

#[inline(never)]
fn plain_blocking(number: u64) -> Result<u64, io::Error> {
    Ok(black_box(number) + 1)
}

#[mmf::chaos]
#[inline(never)]
fn point_blocking(number: u64) -> Result<u64, io::Error> {
    Ok(black_box(number) + 1)
}

fn per_call(start: Instant) -> f64 {
    start.elapsed().as_nanos() as f64 / f64::from(CALLS)
}

/// One round of each function.
async fn calls(table: &mut Table) -> io::Result<()> {
    let start = Instant::now();
    for number in 0..CALLS {
        black_box(plain(number.into()).await?);
    }
    table.add("async fn", "the function itself", per_call(start));
    let start = Instant::now();
    for number in 0..CALLS {
        black_box(point(number.into()).await?);
    }
    table.add("async fn", "MMF", per_call(start));
    let start = Instant::now();
    for number in 0..CALLS {
        black_box(plain_blocking(number.into())?);
    }
    table.add("fn", "the function itself", per_call(start));
    let start = Instant::now();
    for number in 0..CALLS {
        black_box(point_blocking(number.into())?);
    }
    table.add("fn", "MMF", per_call(start));
    Ok(())
}

/// A server that swallows what it gets and says so at the end.
async fn sink() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = vec![0; 256 * 1024];
                while stream.read(&mut buffer).await? > 0 {}
                stream.write_all(b"!").await
            });
        }
    });
    Ok(address)
}

/// The relay that anybody would write.
async fn copy_loop(upstream: SocketAddr) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut server = TcpStream::connect(upstream).await?;
                copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    Ok(address)
}

/// Microseconds for a megabyte.
async fn transfer(address: SocketAddr) -> io::Result<f64> {
    let mut stream = TcpStream::connect(address).await?;
    let megabyte = vec![7; 1 << 20];
    let start = Instant::now();
    for _ in 0..MEGABYTES {
        stream.write_all(&megabyte).await?;
    }
    stream.shutdown().await?;
    stream.read_exact(&mut [0]).await?;
    Ok(start.elapsed().as_micros() as f64 / MEGABYTES as f64)
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> io::Result<()> {
    let mut points = Table::new("a point that is not armed", "ns/call");
    // The first call at a point reads MMF_CHAOS.
    point(1).await?;
    let server = sink().await?;
    let (proxy, relay) = (Proxy::start(server).await?, copy_loop(server).await?);
    let mut bytes = Table::new("an untroubled proxy", "us/MiB");
    for _ in 0..rounds(31) {
        calls(&mut points).await?;
        bytes.add("64 MiB", "a copy loop", transfer(relay).await?);
        bytes.add("64 MiB", "MMF", transfer(proxy.address()).await?);
    }
    print!("{}\n{}", points.text(), bytes.text());
    Ok(())
}
