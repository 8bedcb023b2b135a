//! The log of requests: begin and end of each, with method, route, status and duration.

use std::time::Instant;

use axum::response::Response;
use tracing::{info, warn};

use super::problem::Told;
use crate::http::InvalidTimeout;

/// A request between its begin and its end. Dropped before that, its caller has gone.
pub(super) struct Log {
    /// The name of the layer; where it is the service's own, lines leave it out.
    component: &'static str,
    operation: String,
    begun: Instant,
    ended: bool,
}

impl Log {
    pub(super) fn begin(component: &'static str, operation: String) -> Self {
        info!(target: "mmf::http", operation, phase = "start", component, "{operation} started");
        Self { component, operation, begun: Instant::now(), ended: false }
    }

    /// A header that says nothing.
    pub(super) fn invalid(&self, timeout: InvalidTimeout) {
        let operation = self.operation.as_str();
        warn!(target: "mmf::http", operation, component = self.component, "{timeout}");
    }

    pub(super) fn end(mut self, response: &Response) {
        self.ended = true;
        let Self { component, operation, .. } = &self;
        let (operation, duration_ms) = (operation.as_str(), self.duration_ms());
        let status = response.status().as_u16();
        // Of a refusal: which policy, and why.
        let error = response.extensions().get::<Told>().map(|told| &*told.0);
        match status {
            500.. => warn!(
                target: "mmf::http", operation, phase = "end", component, duration_ms, status,
                success = false, error, "{operation} failed"
            ),
            400.. => info!(
                target: "mmf::http", operation, phase = "end", component, duration_ms, status,
                success = true, error, "{operation} was answered {status}"
            ),
            _ => info!(
                target: "mmf::http", operation, phase = "end", component, duration_ms, status,
                success = true, "{operation} succeeded"
            ),
        }
    }

    fn duration_ms(&self) -> f64 {
        self.begun.elapsed().as_micros() as f64 / 1000.0
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let ending = if std::thread::panicking() { "panicked" } else { "was cancelled" };
        let Self { component, operation, .. } = &*self;
        warn!(
            target: "mmf::http", operation = operation.as_str(), phase = "end", component,
            duration_ms = self.duration_ms(), success = false, "{operation} {ending}"
        );
    }
}
