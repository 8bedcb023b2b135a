//! The log of requests: begin and end of each, with method, route, status and duration.

use std::time::Instant;

use http::StatusCode;
use tracing::{info, warn};

use crate::http::InvalidTimeout;

/// A request between its begin and its end. Dropped before that, its caller has gone.
pub(super) struct Log {
    service: &'static str,
    operation: String,
    request_id: String,
    begun: Instant,
    ended: bool,
}

impl Log {
    pub(super) fn begin(service: &'static str, operation: String, request_id: &str) -> Self {
        info!(
            target: "mmf::http", operation, phase = "start", service, request_id,
            "{operation} started"
        );
        let request_id = request_id.to_owned();
        Self { service, operation, request_id, begun: Instant::now(), ended: false }
    }

    /// A header that says nothing, for which the default deadline holds.
    pub(super) fn invalid(&self, timeout: InvalidTimeout) {
        let (operation, request_id) = (self.operation.as_str(), self.request_id.as_str());
        warn!(target: "mmf::http", operation, request_id, "{timeout}");
    }

    pub(super) fn end(mut self, status: StatusCode) {
        self.ended = true;
        self.tell(Some(status));
    }

    fn tell(&self, status: Option<StatusCode>) {
        let Self { service, operation, request_id, .. } = self;
        let (operation, request_id) = (operation.as_str(), request_id.as_str());
        let duration_ms = self.begun.elapsed().as_micros() as f64 / 1000.0;
        match status.map(|status| status.as_u16()) {
            Some(status @ ..500) => info!(
                target: "mmf::http", operation, phase = "end", service, request_id, duration_ms, status,
                success = true, "{operation} succeeded"
            ),
            status => warn!(
                target: "mmf::http", operation, phase = "end", service, request_id, duration_ms, status,
                success = false, "{operation} {}", ending(status)
            ),
        }
    }
}

/// How a request ended that did not succeed.
fn ending(status: Option<u16>) -> &'static str {
    match status {
        Some(_) => "failed",
        None if std::thread::panicking() => "panicked",
        None => "cancelled",
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if !self.ended {
            self.tell(None);
        }
    }
}
