//! What both services have on the wire: a request is served under the id and the trace that it came with.

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use mmf::correlation;
use tokio::net::TcpListener;

/// Serves until the service is asked to end.
pub(crate) async fn serve(service: mmf::Service, app: Router) -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    service.ready(listener.local_addr()?.port());
    axum::serve(listener, app.layer(from_fn(as_request)))
        .with_graceful_shutdown(service.shutdown_requested())
        .await
}

async fn as_request(request: Request, next: Next) -> Response {
    let context = correlation::from_headers(request.headers());
    correlation::scope(context, next.run(request)).await
}
