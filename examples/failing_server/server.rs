//! A real HTTP server on loopback whose endpoints fail in different ways, each by a script, so that
//! every run is the same.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// The running server.
pub(crate) struct Server {
    pub(crate) http: SocketAddr,
    /// Where connections break.
    pub(crate) breaking: SocketAddr,
    script: Arc<Script>,
}

/// What happens next at each endpoint.
#[derive(Default)]
struct Script {
    bursts: AtomicU32,
    hanging: AtomicU32,
    slow: AtomicU32,
    limited: Mutex<Option<Instant>>,
    down_until: Mutex<Option<Instant>>,
}

impl Server {
    /// Refuses recommendations for a while.
    pub(crate) fn go_down(&self, time: Duration) {
        *self.script.down_until.lock().expect("not poisoned") = Some(Instant::now() + time);
    }
}

pub(crate) async fn start() -> io::Result<Server> {
    let script = Arc::new(Script::default());
    let app = Router::new()
        .route("/bursts", get(bursts))
        .route("/catalogue", get(|| async { "tea, coffee, and whatever else is in stock today" }))
        .route("/hanging", get(hanging))
        .route("/slow", get(slow))
        .route("/limited", get(limited))
        .route("/busy", get(busy))
        .route("/down", get(down))
        .with_state(Arc::clone(&script));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let http = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, app).await });

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let breaking = listener.local_addr()?;
    tokio::spawn(break_connections(listener));
    Ok(Server { http, breaking, script })
}

/// Three errors, then one success, again and again.
async fn bursts(State(script): State<Arc<Script>>) -> Response {
    match script.bursts.fetch_add(1, Ordering::Relaxed) % 4 {
        3 => "orders".into_response(),
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Every third request, the first included, is never answered.
async fn hanging(State(script): State<Arc<Script>>) -> &'static str {
    if script.hanging.fetch_add(1, Ordering::Relaxed).is_multiple_of(3) {
        std::future::pending::<()>().await;
    }
    "item"
}

/// Every other request, the first included, takes 600 ms.
async fn slow(State(script): State<Arc<Script>>) -> &'static str {
    if script.slow.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
        tokio::time::sleep(Duration::from_millis(600)).await;
    }
    "price"
}

/// Refuses for one second from the first request on, and says so.
async fn limited(State(script): State<Arc<Script>>) -> Response {
    let first = *script.limited.lock().expect("not poisoned").get_or_insert_with(Instant::now);
    if first.elapsed() < Duration::from_millis(900) {
        (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, "1")]).into_response()
    } else {
        "review".into_response()
    }
}

async fn busy() -> &'static str {
    tokio::time::sleep(Duration::from_millis(400)).await;
    "report"
}

async fn down(State(script): State<Arc<Script>>) -> Response {
    let until = *script.down_until.lock().expect("not poisoned");
    if until.is_some_and(|until| Instant::now() < until) {
        StatusCode::SERVICE_UNAVAILABLE.into_response()
    } else {
        "fresh recommendations".into_response()
    }
}

/// Breaks the first two connections in the middle of an answer, and answers the third.
async fn break_connections(listener: TcpListener) -> io::Result<()> {
    for connection in 0_u32.. {
        let (mut stream, _) = listener.accept().await?;
        let mut request = [0; 1024];
        let _ = stream.read(&mut request).await?;
        if connection < 2 {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nst").await?;
            // Without lingering, the close is a reset.
            stream.set_zero_linger()?;
            continue;
        }
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nstock")
            .await?;
        stream.shutdown().await?;
    }
    Ok(())
}
