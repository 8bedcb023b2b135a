//! What the service depends on: prices, which come at once, late, or not at all.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use http::StatusCode;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Well,
    Slow,
    Failing,
}

static MODE: AtomicU8 = AtomicU8::new(Mode::Well as u8);

pub(crate) fn is(mode: Mode) {
    MODE.store(mode as u8, Ordering::Relaxed);
}

async fn price() -> Result<&'static str, StatusCode> {
    let mode = MODE.load(Ordering::Relaxed);
    if mode == Mode::Slow as u8 {
        tokio::time::sleep(Duration::from_millis(120)).await;
    }
    if mode == Mode::Failing as u8 { Err(StatusCode::SERVICE_UNAVAILABLE) } else { Ok("42") }
}

pub(crate) fn app() -> Router {
    Router::new().route("/price", get(price))
}
