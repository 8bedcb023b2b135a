//! What is set on the layer.

use std::time::Duration;

use axum::extract::Request;
use http::HeaderName;
use mmf_runtime::resilience::Key;

use crate::limits::Limits;

type KeyFn = Box<dyn Fn(&Request) -> Option<Key> + Send + Sync>;

pub(super) struct Settings {
    pub(super) name: &'static str,
    pub(super) timeout_header: Option<HeaderName>,
    pub(super) max_deadline: Option<Duration>,
    /// Whom a request belongs to, where there is a limit for each.
    pub(super) key: Option<KeyFn>,
    pub(super) limits: Limits,
}

impl Settings {
    #[track_caller]
    pub(super) fn new(name: &'static str) -> Self {
        let limits = Limits::new(name);
        Self { name, timeout_header: None, max_deadline: None, key: None, limits }
    }
}
