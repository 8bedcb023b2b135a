//! Routes for what looks after a service: the probes of Kubernetes, and Prometheus.

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};

use crate::health::{Probe, livez, readyz, startupz};

/// `/livez`, `/readyz` and `/startupz`, and with the feature `metrics` `/metrics`, beside a [`ServiceLayer`](super::ServiceLayer), so that they are neither logged nor
/// shed. Merge the service into them: of two routers the second says what answers paths that nobody serves.
///
/// ```
/// use axum::{Router, routing::get};
/// use mmf::axum::{ServiceLayer, probes};
///
/// let app: Router = Router::new()
///     .route("/users/{id}", get(|| async { "Ada" }))
///     .layer(ServiceLayer::new("user-service"));
/// let app = probes().merge(app);
/// ```
pub fn probes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let routes = Router::new()
        .route("/livez", get(|| async { answer(livez()) }))
        .route("/readyz", get(|| async { answer(readyz()) }))
        .route("/startupz", get(|| async { answer(startupz()) }));
    #[cfg(feature = "metrics")]
    let routes = {
        crate::metrics::enable();
        routes.route("/metrics", get(metrics))
    };
    routes
}

#[cfg(feature = "metrics")]
async fn metrics(headers: http::HeaderMap) -> Response {
    let accept = headers.get(http::header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let (kind, text) = crate::metrics::accepted_by(accept);
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn answer(probe: Probe) -> Response {
    let status = StatusCode::from_u16(probe.http_status());
    let mut response = Response::new(Body::from(probe.body));
    *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(Probe::CONTENT_TYPE));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
