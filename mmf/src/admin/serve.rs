//! The routes, and a server of one's own for them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request};
use axum::middleware::from_fn;
use axum::routing::{get, post};
use http::StatusCode;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::sync::Semaphore;
use tower_service::Service as _;
use tracing::{debug, error, info, warn};

use super::{access, api, change, page, process, recorder, viewers};
use crate::axum::Problem;

/// The most that a change may be.
const MOST_BYTES: usize = 64 << 10;
/// So many connections at once, of which not all can be of who looks.
const MOST_CONNECTIONS: usize = viewers::MOST_VIEWERS + 100;
/// One that has not sent a request by then has none.
const LONGEST_HEAD: Duration = Duration::from_secs(10);

/// The page at `/` and its JSON under `/api`, to be nested or merged into a router of one's own. Where requests do not carry the
/// address of who asks (`into_make_service_with_connect_info`), reading takes a token from everywhere.
///
/// ```
/// let app: axum::Router = axum::Router::new().nest("/admin", mmf::admin::router());
/// ```
pub fn router() -> Router {
    recorder::record();
    process::begin();
    Router::new()
        .route("/", get(page::page))
        .route("/page.css", get(page::style))
        .route("/page.js", get(page::script))
        .route("/icon.svg", get(page::icon))
        .nest("/api", api())
}

fn api() -> Router {
    Router::new()
        .route("/policies", get(api::list))
        .route("/policies/{name}", get(api::details))
        .route("/policies/{name}/breaker", post(change::breaker))
        .route("/events", get(api::events))
        .route("/health", get(api::health))
        .route("/features/{name}", post(change::turn))
        .route("/level", post(change::degrade))
        .route("/log-level", post(change::log_level))
        .route("/faults/{number}", post(change::fault))
        .route("/configuration", get(api::configuration).post(change::configure))
        .route("/stream", get(page::stream))
        .route("/openapi.json", get(page::openapi))
        .method_not_allowed_fallback(async || Problem::new(StatusCode::METHOD_NOT_ALLOWED))
        .fallback(async || Problem::new(StatusCode::NOT_FOUND).detail("see /api/openapi.json"))
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .layer(from_fn(access::guard))
}

/// Serves [`router`] at an address, until it fails. A connection that sends no whole request in ten seconds is closed, and so is one
/// that reads nothing for half a minute; at most 1100 are served at once.
///
/// # Errors
///
/// Where the address is taken.
pub async fn serve(address: impl ToSocketAddrs) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    info!(target: "mmf::admin", address = %listener.local_addr()?, "the page is served");
    let (router, room) = (router(), Arc::new(Semaphore::new(MOST_CONNECTIONS)));
    loop {
        let permit = Arc::clone(&room).acquire_owned().await;
        match listener.accept().await {
            Ok((stream, peer)) => {
                let connection = connection(stream, peer, router.clone());
                tokio::spawn(async move {
                    connection.await;
                    drop(permit);
                });
            }
            Err(error) => {
                // Of one connection, or of all while the process has no descriptor left.
                warn!(target: "mmf::admin", %error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, router: Router) {
    drops_who_does_not_read(&stream);
    let served = service_fn(move |request: http::Request<Incoming>| {
        let mut request: Request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().call(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(LONGEST_HEAD);
    if let Err(error) = http.serve_connection(TokioIo::new(stream), served).await {
        debug!(target: "mmf::admin", %error, %peer, "a connection broke off");
    }
}

/// Where a system knows no such limit, one that does not read is shown nothing more, and that is all.
fn drops_who_does_not_read(stream: &TcpStream) {
    #[cfg(any(target_os = "android", target_os = "linux"))]
    if let Err(error) =
        socket2::SockRef::from(stream).set_tcp_user_timeout(Some(Duration::from_secs(30)))
    {
        debug!(target: "mmf::admin", %error, "a connection has no limit for who does not read");
    }
    #[cfg(not(any(target_os = "android", target_os = "linux")))]
    let _ = stream;
}

/// What `#[service(admin = …)]` begins: a page that cannot be served is no reason for a service not to run.
pub fn serve_admin<A>(address: A)
where
    A: ToSocketAddrs + Send + 'static,
{
    tokio::spawn(async move {
        if let Err(error) = serve(address).await {
            error!(target: "mmf::admin", %error, "the page is not served");
        }
    });
}
