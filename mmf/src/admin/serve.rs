//! The routes, and a server of one's own for them.

use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn;
use axum::routing::{get, post};
use http::StatusCode;
use tokio::net::{TcpListener, ToSocketAddrs};
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
        // Browsers ask for it by themselves.
        .route("/favicon.ico", get(async || StatusCode::NO_CONTENT))
        .route("/api/policies", get(api::list))
        .route("/api/policies/{name}", get(api::details))
        .route("/api/policies/{name}/breaker", post(change::breaker))
        .route("/api/events", get(api::events))
        .route("/api/health", get(api::health))
        .route("/api/features/{name}", post(change::turn))
        .route("/api/level", post(change::degrade))
        .route("/api/configuration", get(api::configuration).post(change::configure))
        .route("/api/stream", get(page::stream))
        .route("/api/openapi.json", get(page::openapi))
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
    axum::serve(listener, app).await
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
