//! The page itself, and the stream that it listens to: one view a second for all who look, and none while nobody does.

use std::convert::Infallible;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use tokio::sync::watch;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::WatchStream;

use super::view;
use crate::axum::Problem;

/// So many may look at once.
const MOST_VIEWERS: usize = 1000;
const EVERY: Duration = Duration::from_secs(1);

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

fn of(kind: &'static str, text: &'static str) -> Response {
    let headers = [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
    ];
    (headers, text).into_response()
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

pub(super) async fn openapi() -> Response {
    of("application/openapi+json", include_str!("page/openapi.json"))
}

/// What all who look are shown.
static SHOWN: LazyLock<watch::Sender<String>> = LazyLock::new(|| watch::Sender::new(String::new()));
/// Whether somebody makes it. Under its lock there is this alone.
static MADE: Mutex<bool> = Mutex::new(false);

fn made() -> std::sync::MutexGuard<'static, bool> {
    MADE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The first hundred, the worst first, each second while anybody looks. Who does not read misses views, and none are kept for it.
pub(super) async fn stream() -> Result<Response, Problem> {
    if SHOWN.receiver_count() >= MOST_VIEWERS {
        let detail = format!("{MOST_VIEWERS} pages are open already");
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE).detail(detail));
    }
    let views = SHOWN.subscribe();
    let mut is_made = made();
    if !*is_made {
        *is_made = true;
        tokio::spawn(make());
    }
    drop(is_made);
    let views = WatchStream::from_changes(views);
    let events = views.map(|view| Ok::<_, Infallible>(Event::default().data(view)));
    Ok(Sse::new(events).into_response())
}

async fn make() {
    loop {
        let view = view::list("", 0, 100);
        let text = serde_json::to_string(&view).unwrap_or_default();
        SHOWN.send_if_modified(|shown| {
            // Also where nothing has changed: that it comes says that the process lives.
            *shown = text;
            true
        });
        tokio::time::sleep(EVERY).await;
        let mut is_made = made();
        if SHOWN.receiver_count() == 0 {
            *is_made = false;
            return;
        }
    }
}
