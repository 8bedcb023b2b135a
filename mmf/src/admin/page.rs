//! The page itself, which has no secrets, and the stream that it listens to.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use std::convert::Infallible;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use super::viewers::{self, MOST_VIEWERS};
use crate::axum::Problem;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

fn of(kind: &'static str, body: impl Into<Body>) -> Response {
    let headers = [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
    ];
    (headers, body.into()).into_response()
}

pub(super) async fn page() -> Response {
    of("text/html; charset=utf-8", include_str!("page/page.html"))
}

pub(super) async fn style() -> Response {
    of("text/css; charset=utf-8", include_str!("page/page.css"))
}

pub(super) async fn script() -> Response {
    of("text/javascript; charset=utf-8", include_str!("page/page.js"))
}

pub(super) async fn icon() -> Response {
    of("image/svg+xml", include_str!("page/icon.svg"))
}

pub(super) async fn openapi() -> Response {
    of("application/openapi+json", include_str!("page/openapi.json"))
}

/// What the page shows, each second anew, for as long as it is read.
pub(super) async fn stream() -> Result<Response, Problem> {
    let Some(views) = viewers::join() else {
        let detail = format!("{MOST_VIEWERS} pages are open already");
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE).detail(detail));
    };
    let views = ReceiverStream::new(views).map(Ok::<_, Infallible>);
    Ok(of("text/event-stream", Body::from_stream(views)))
}
