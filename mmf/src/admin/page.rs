//! The page itself, which has no secrets, and the stream that it listens to.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::OriginalUri;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use super::viewers;
use crate::axum::Problem;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'self'; form-action 'none'; frame-ancestors 'none'";

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

/// The page. Where it was nested and asked for without a slash at the end, what it names would be looked for a level too high: so it
/// says where it stands.
pub(super) async fn page(OriginalUri(uri): OriginalUri) -> Response {
    let path = uri.path();
    let page = include_str!("page/page.html");
    if path.ends_with('/') {
        return of("text/html; charset=utf-8", page);
    }
    let escaped: String = path
        .chars()
        .map(|letter| match letter {
            '&' => "&amp;".into(),
            '<' => "&lt;".into(),
            '>' => "&gt;".into(),
            '"' => "&quot;".into(),
            letter => letter.to_string(),
        })
        .collect();
    let base = format!("<head>\n<base href=\"{escaped}/\">");
    of("text/html; charset=utf-8", page.replacen("<head>", &base, 1))
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
    let views =
        viewers::join().map_err(|why| Problem::new(StatusCode::SERVICE_UNAVAILABLE).detail(why))?;
    let views = ReceiverStream::new(views).map(Ok::<_, Infallible>);
    Ok(of("text/event-stream", Body::from_stream(views)))
}
