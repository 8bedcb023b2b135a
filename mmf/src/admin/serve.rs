//! The routes, and a server of one's own for them.

use std::io;
use std::net::SocketAddr;
#[cfg(any(target_os = "android", target_os = "linux"))]
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn;
use axum::routing::{get, post};
use axum::serve::ListenerExt;
#[cfg(any(target_os = "android", target_os = "linux"))]
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tracing::{error, info};

use super::{access, api, change, page, recorder};

/// The most that a change may be.
const MOST_BYTES: usize = 64 << 10;

/// The page at `/` and its JSON under `/api`, to be nested or merged into a router of one's own. Where requests do not carry the
/// address of who asks (`into_make_service_with_connect_info`), reading takes a token from everywhere.
///
/// ```
/// let app: axum::Router = axum::Router::new().nest("/admin", mmf::admin::router());
/// ```
pub fn router() -> Router {
    recorder::record();
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
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .layer(from_fn(access::guard))
}

/// Serves [`router`] at an address, until it fails.
///
/// # Errors
///
/// Where the address is taken or the server fails.
pub async fn serve(address: impl ToSocketAddrs) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    info!(target: "mmf::admin", address = %listener.local_addr()?, "the page is served");
    let app = router().into_make_service_with_connect_info::<SocketAddr>();
    let listener = listener.tap_io(|stream| drops_who_does_not_read(stream));
    axum::serve(listener, app).await
}

/// One that reads nothing keeps its connection for half a minute. Where a system knows no such limit it is shown nothing more, and
/// that is all.
fn drops_who_does_not_read(stream: &TcpStream) {
    #[cfg(any(target_os = "android", target_os = "linux"))]
    if let Err(error) = SockRef::from(stream).set_tcp_user_timeout(Some(Duration::from_secs(30))) {
        tracing::debug!(target: "mmf::admin", %error, "a connection has no limit for who does not read");
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
