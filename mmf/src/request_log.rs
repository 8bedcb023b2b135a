//! The log of requests: begin and end of each, with what was asked for, its status and duration.

use std::fmt;
use std::time::Instant;

use tracing::{info, warn};

/// A request between its begin and its end. Dropped before that, its caller has gone.
pub(crate) struct Log {
    protocol: Protocol,
    /// The name of the layer; where it is the service's own, lines leave it out.
    component: &'static str,
    operation: String,
    /// The operation is one of the service's own, and not what a caller thinks of.
    #[cfg_attr(not(feature = "metrics"), expect(dead_code, reason = "metrics alone are told it"))]
    is_own: bool,
    begun: Instant,
    ended: bool,
}

/// What a request speaks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Protocol {
    #[cfg(feature = "axum")]
    Http,
    #[cfg(feature = "tonic")]
    Grpc,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Succeeded,
    /// Its caller was told what was wrong with it.
    Rejected,
    /// That was the fault of the service.
    Failed,
}

/// The status of a request, in the words of its protocol.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Status {
    #[cfg(feature = "axum")]
    Http(u16),
    #[cfg(feature = "tonic")]
    Grpc(&'static str),
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            #[cfg(feature = "axum")]
            Self::Http(status) => status.fmt(f),
            #[cfg(feature = "tonic")]
            Self::Grpc(status) => f.write_str(status),
        }
    }
}

impl Status {
    /// It as a number or as a word: one field of a log has one type.
    fn fields(self) -> (Option<u16>, Option<&'static str>) {
        match self {
            #[cfg(feature = "axum")]
            Self::Http(status) => (Some(status), None),
            #[cfg(feature = "tonic")]
            Self::Grpc(status) => (None, Some(status)),
        }
    }
}

/// A line under the target of its protocol, which has to be known where it stands.
macro_rules! line {
    ($level:ident, $protocol:expr, $($fields:tt)*) => {
        match $protocol {
            #[cfg(feature = "axum")]
            Protocol::Http => $level!(target: "mmf::http", $($fields)*),
            #[cfg(feature = "tonic")]
            Protocol::Grpc => $level!(target: "mmf::grpc", $($fields)*),
        }
    };
}

impl Log {
    pub(crate) fn begin(protocol: Protocol, component: &'static str, operation: String) -> Self {
        line!(info, protocol, operation, phase = "start", component, "{operation} started");
        // Of HTTP it is a route; of gRPC nobody knows before it has answered.
        let is_own = match protocol {
            #[cfg(feature = "axum")]
            Protocol::Http => true,
            #[cfg(feature = "tonic")]
            Protocol::Grpc => false,
        };
        Self { protocol, component, operation, is_own, begun: Instant::now(), ended: false }
    }

    /// What it was named at its begin was not known to be one of the service's own names.
    #[cfg(feature = "tonic")]
    pub(crate) fn rename(&mut self, operation: &str) {
        self.is_own = true;
        if self.operation != operation {
            operation.clone_into(&mut self.operation);
        }
    }

    /// A header that says nothing.
    #[cfg(feature = "axum")]
    pub(crate) fn invalid(&self, why: &impl fmt::Display) {
        let operation = self.operation.as_str();
        line!(warn, self.protocol, operation, component = self.component, "{why}");
    }

    pub(crate) fn end(mut self, ended: Ended, answered: Status, error: Option<&str>) {
        self.ended = true;
        self.measure(&answered);
        let Self { protocol, component, operation, .. } = &self;
        let protocol = *protocol;
        let (operation, duration_ms) = (operation.as_str(), self.duration_ms());
        let (status, grpc_status) = answered.fields();
        match ended {
            Ended::Failed => line!(
                warn,
                protocol,
                operation,
                phase = "end",
                component,
                duration_ms,
                status,
                grpc_status,
                success = false,
                error,
                "{operation} failed"
            ),
            Ended::Rejected => line!(
                info,
                protocol,
                operation,
                phase = "end",
                component,
                duration_ms,
                status,
                grpc_status,
                success = true,
                error,
                "{operation} was answered {answered}"
            ),
            Ended::Succeeded => line!(
                info,
                protocol,
                operation,
                phase = "end",
                component,
                duration_ms,
                status,
                grpc_status,
                success = true,
                "{operation} succeeded"
            ),
        }
    }

    fn measure(&self, _status: &dyn fmt::Display) {
        #[cfg(feature = "metrics")]
        {
            let protocol = match self.protocol {
                #[cfg(feature = "axum")]
                Protocol::Http => "http",
                #[cfg(feature = "tonic")]
                Protocol::Grpc => "grpc",
            };
            let status = _status.to_string();
            let took = self.begun.elapsed();
            let operation = if self.is_own { &self.operation } else { "unmatched" };
            crate::metrics::request_ended(protocol, operation, &status, took);
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
        self.measure(&ending.trim_start_matches("was "));
        let Self { protocol, component, operation, .. } = &*self;
        line!(
            warn,
            *protocol,
            operation = operation.as_str(),
            phase = "end",
            component,
            duration_ms = self.duration_ms(),
            success = false,
            "{operation} {ending}"
        );
    }
}
