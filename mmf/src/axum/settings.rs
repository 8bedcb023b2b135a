//! What is set on the layer.

use std::time::Duration;

use axum::extract::Request;
use http::HeaderName;
use mmf_runtime::resilience::{Bulkhead, Held, Key, KeyedRateLimiters};

type KeyFn = Box<dyn Fn(&Request) -> Option<Key> + Send + Sync>;

pub(super) struct Settings {
    pub(super) name: &'static str,
    pub(super) timeout_header: Option<HeaderName>,
    pub(super) max_deadline: Option<Duration>,
    pub(super) shed: Option<Held<'static, Bulkhead>>,
    pub(super) limit: Option<(Held<'static, KeyedRateLimiters>, KeyFn)>,
}
