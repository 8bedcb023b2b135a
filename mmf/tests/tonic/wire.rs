//! Over loopback.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mmf::ResilienceError;
use mmf::resilience::{Bulkhead, CircuitBreaker, Pipeline, RetryPolicy};
use mmf::tonic::{Client, ClientLayer, ServerLayer, refusal};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::Code;
use tonic::transport::{Channel, Endpoint, Server};
use tower::Layer;

use crate::echo::{Caller, Echo, all, snapshot};

async fn serve(name: &'static str) -> (SocketAddr, Echo, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, echo) = (listener.local_addr().unwrap(), Echo::default());
    // Around one service: it is named as that is.
    let server = Server::builder().add_service(ServerLayer::new(name).layer(echo.clone()));
    let task = tokio::spawn(async move {
        server.serve_with_incoming(TcpListenerStream::new(listener)).await.unwrap();
    });
    (address, echo, task)
}

fn channel(address: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy()
}

fn call(address: SocketAddr, pipeline: Pipeline) -> Caller<Client<Channel>> {
    Caller(ClientLayer::new(pipeline).layer(channel(address)))
}

/// A way to a server that can be cut.
async fn cuttable(to: SocketAddr) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let (mut from, _) = listener.accept().await.unwrap();
        drop(listener);
        let mut to = TcpStream::connect(to).await.unwrap();
        let _ = copy_bidirectional(&mut from, &mut to).await;
    });
    (address, task)
}

#[tokio::test]
async fn calls_of_all_kinds_get_through() {
    let (address, ..) = serve("wire.served").await;
    let pipeline = Pipeline::builder("wire.kinds").deadline(Duration::from_secs(30)).build();
    let caller = call(address, pipeline);
    assert_eq!(caller.unary("hello").await.unwrap(), "hello");
    assert_eq!(caller.up(tokio_stream::iter(["a".into(), "b".into()])).await.unwrap(), "a+b");
    assert_eq!(all(caller.down("3 OK").await.unwrap()).await.0.len(), 3);
    assert_eq!(all(caller.both(tokio_stream::iter(["x".into()])).await.unwrap()).await.0, ["x"]);
    assert_eq!(caller.unary("NOT_FOUND").await.unwrap_err().code(), Code::NotFound);
    let left = caller.unary("left").await.unwrap();
    assert!(left.starts_with("Some(29."), "the deadline arrives shrunk: {left}");
    let counts = snapshot("wire.kinds");
    assert_eq!((counts.successes, counts.failures, counts.cancelled), (6, 0, 0));
    let served = snapshot("wire.served");
    assert_eq!((served.successes, served.failures, served.cancelled), (6, 0, 0));
}

#[tokio::test]
async fn nobody_there_is_unavailable_and_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let retry = RetryPolicy::builder().max_attempts(3).base_delay(Duration::from_millis(1)).build();
    let breaker = CircuitBreaker::builder("wire.nobody").failure_threshold(100).build();
    let pipeline = Pipeline::builder("wire.nobody").retry(retry).breaker(breaker).build();
    let caller = call(address, pipeline);
    assert_eq!(caller.unary("hello").await.unwrap_err().code(), Code::Unavailable);
    let counts = snapshot("wire.nobody");
    assert_eq!((counts.attempts, counts.breaker.unwrap().failures), (3, 3));
}

#[tokio::test]
async fn a_clients_cancel_is_seen_on_the_server() {
    let (address, echo, _task) = serve("wire.cancelled").await;
    let caller = call(address, Pipeline::builder("wire.cancel").build());
    caller.unary("hello").await.unwrap();
    let mut slowest = Duration::ZERO;
    for script in ["unary", "down", "up", "both"] {
        let dropped = echo.until_dropped();
        let before = echo.attempts();
        let own = caller.clone();
        let hanging = tokio::spawn(async move {
            let never = tokio_stream::pending();
            match script {
                "unary" => drop(own.unary("hang").await),
                "down" => drop(all(own.down("1 hang").await.unwrap()).await),
                "up" => drop(own.up(never).await),
                _ => drop(all(own.both(never).await.unwrap()).await),
            }
        });
        while echo.attempts() == before {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        let cancelled = Instant::now();
        hanging.abort();
        tokio::time::timeout(Duration::from_secs(10), dropped).await.expect(script).unwrap();
        slowest = slowest.max(cancelled.elapsed());
    }
    println!("the slowest cancel took {slowest:?} to be seen");
    let counts = snapshot("wire.cancelled");
    assert_eq!((counts.cancelled, counts.successes), (4, 1));
    assert_eq!(snapshot("wire.cancel").cancelled, 4);
}

#[tokio::test]
async fn a_connection_that_is_cut_is_counted_once_and_gives_all_back() {
    let name = "wire.cut";
    let (address, ..) = serve("wire.cut_server").await;
    let bulkhead = Bulkhead::builder(name).max_concurrent(1).build();
    let breaker = CircuitBreaker::builder(name).failure_threshold(100).build();
    let pipeline = Pipeline::builder(name).bulkhead(bulkhead).breaker(breaker).build();
    for (number, (script, heads)) in
        [("unary", false), ("up", false), ("down", true), ("both", true)].into_iter().enumerate()
    {
        let (way, cut) = cuttable(address).await;
        let caller = call(way, pipeline.clone());
        let never = || tokio_stream::pending();
        let (said, saying) = tokio::sync::oneshot::channel::<()>();
        let hanging = tokio::spawn(async move {
            match script {
                "unary" => {
                    drop(said);
                    caller.unary("hang").await.map(drop)
                }
                "up" => {
                    drop(said);
                    caller.up(never()).await.map(drop)
                }
                "down" => {
                    let mut stream = caller.down("1 hang").await?;
                    stream.message().await?;
                    drop(said);
                    stream.message().await.map(drop)
                }
                _ => {
                    let messages =
                        tokio_stream::StreamExt::chain(tokio_stream::once("a".to_owned()), never());
                    let mut stream = caller.both(messages).await?;
                    stream.message().await?;
                    drop(said);
                    stream.message().await.map(drop)
                }
            }
        });
        let _ = saying.await;
        if !heads {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        cut.abort();
        let status = hanging.await.unwrap().unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{script}: {status:?}");
        let counts = snapshot(name);
        let seen = number as u64 + 1;
        assert_eq!((counts.failures, counts.successes, counts.cancelled), (seen, 0, 0), "{script}");
        assert_eq!(counts.breaker.unwrap().failures, seen, "{script}");
        assert_eq!(counts.bulkhead.unwrap().running, 0, "{script}");
    }
}

#[tokio::test]
async fn whose_timer_is_ahead_makes_no_difference() {
    let name = "wire.timers";
    let (address, ..) = serve("wire.timed").await;
    let breaker =
        CircuitBreaker::builder(name).minimum_throughput(1000).failure_threshold(1000).build();
    let pipeline =
        Pipeline::builder(name).timeout(Duration::from_millis(20)).breaker(breaker).build();
    let caller = call(address, pipeline);
    for _ in 0..20 {
        let status = caller.unary("hang").await.unwrap_err();
        assert!(matches!(refusal(&status), Some(ResilienceError::Timeout { .. })), "{status:?}");
    }
    let counts = snapshot(name);
    assert_eq!((counts.timeouts, counts.breaker.unwrap().failures), (20, 20));
}
