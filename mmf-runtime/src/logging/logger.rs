//! The events that every service tells of itself, under the same names everywhere.

use std::time::Duration;

use tracing::{info, warn};

/// How bad a security event is; it decides the level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// INFO.
    Low,
    /// WARN.
    Medium,
    /// ERROR.
    High,
    /// ERROR, with `severity: critical`.
    Critical,
}

impl Severity {
    /// As the field `severity` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// Logs what every service tells of itself. Each method is an ordinary `tracing` event of the target
/// `mmf::service`, so that any subscriber sees it; the macros of the same names in the facade take
/// fields of your own.
///
/// ```
/// use std::time::Duration;
/// use mmf_runtime::logging::{ServiceLogger, Severity};
///
/// let logger = ServiceLogger::new("user-service");
/// logger.service_startup("1.2.3", "production");
/// logger.request_start("create", "req-123");
/// logger.request_end("create", "req-123", Duration::from_millis(12), true);
/// logger.performance_metric("queue_depth", 17.0, "items", "gauge");
/// logger.business_event("user_created");
/// logger.security_event("login_failed", Severity::Medium);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ServiceLogger {
    name: &'static str,
}

impl ServiceLogger {
    /// The logger of this service.
    pub const fn new(name: &'static str) -> Self {
        Self { name }
    }

    /// The name of the service.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The service is starting: `status: starting`.
    pub fn service_startup(&self, version: &str, environment: &str) {
        let (host, pid) = (host(), std::process::id());
        info!(
            target: "mmf::service", status = "starting", version, environment, host, pid,
            "{} is starting", self.name
        );
    }

    /// The service takes requests: `status: ready`.
    pub fn service_ready(&self, port: u16) {
        info!(target: "mmf::service", status = "ready", port, "{} is ready", self.name);
    }

    /// The service is about to end: `status: shutting_down`.
    pub fn service_shutdown(&self, reason: &str) {
        info!(
            target: "mmf::service", status = "shutting_down", reason,
            "{} is shutting down", self.name
        );
    }

    /// A request begins: `phase: start`.
    pub fn request_start(&self, operation: &str, request_id: &str) {
        info!(target: "mmf::service", phase = "start", operation, request_id, "{operation} started");
    }

    /// A request has ended: `phase: end`, at WARN where it failed.
    pub fn request_end(
        &self,
        operation: &str,
        request_id: &str,
        duration: Duration,
        success: bool,
    ) {
        let duration_ms = duration.as_secs_f64() * 1000.0;
        if success {
            info!(
                target: "mmf::service", phase = "end", operation, request_id, duration_ms, success,
                "{operation} succeeded"
            );
        } else {
            warn!(
                target: "mmf::service", phase = "end", operation, request_id, duration_ms, success,
                "{operation} failed"
            );
        }
    }

    /// A measured value. [`performance_metric!`](crate::performance_metric) takes more fields.
    pub fn performance_metric(&self, metric_name: &str, value: f64, unit: &str, metric_type: &str) {
        crate::performance_metric!(self, metric_name, value, unit, metric_type);
    }

    /// Something happened that matters to the business: `event_category: business`.
    /// [`business_event!`](crate::business_event) takes more fields.
    pub fn business_event(&self, event_type: &str) {
        crate::business_event!(self, event_type);
    }

    /// Something happened that matters to security: `event_category: security`.
    /// [`security_event!`](crate::security_event) takes more fields.
    pub fn security_event(&self, event_type: &str, severity: Severity) {
        crate::security_event!(self, event_type, severity);
    }
}

/// [`ServiceLogger::performance_metric`] with fields of your own, as `tracing` has them.
///
/// ```
/// # let logger = mmf_runtime::logging::ServiceLogger::new("users");
/// mmf_runtime::performance_metric!(logger, "queue_depth", 17.0, "items", "gauge", queue = "mail");
/// ```
#[macro_export]
macro_rules! performance_metric {
    ($logger:expr, $name:expr, $value:expr, $unit:expr, $kind:expr $(, $($field:tt)*)?) => {{
        let _: &$crate::logging::ServiceLogger = &$logger;
        let (metric_name, value, unit, metric_type): (&str, f64, &str, &str) =
            ($name, $value, $unit, $kind);
        $crate::expansion::tracing::info!(
            target: "mmf::service", metric_name, value, unit, metric_type, $($($field)*,)?
            "{metric_name} is {value} {unit}"
        );
    }};
}

/// [`ServiceLogger::business_event`] with fields of your own, as `tracing` has them.
///
/// ```
/// # let (logger, id) = (mmf_runtime::logging::ServiceLogger::new("users"), 7);
/// mmf_runtime::business_event!(logger, "user_created", user_id = %id, plan = "premium");
/// ```
#[macro_export]
macro_rules! business_event {
    ($logger:expr, $event:expr $(, $($field:tt)*)?) => {{
        let _: &$crate::logging::ServiceLogger = &$logger;
        let event_type: &str = $event;
        $crate::expansion::tracing::info!(
            target: "mmf::service", event_type, event_category = "business", $($($field)*,)?
            "{event_type}"
        );
    }};
}

/// [`ServiceLogger::security_event`] with fields of your own, as `tracing` has them.
///
/// ```
/// use mmf_runtime::logging::{ServiceLogger, Severity};
///
/// # let logger = ServiceLogger::new("users");
/// mmf_runtime::security_event!(logger, "login_failed", Severity::High, ip = "10.0.0.1");
/// ```
#[macro_export]
macro_rules! security_event {
    ($logger:expr, $event:expr, $severity:expr $(, $($field:tt)*)?) => {{
        let _: &$crate::logging::ServiceLogger = &$logger;
        let event_type: &str = $event;
        let how_bad: $crate::logging::Severity = $severity;
        let severity = how_bad.as_str();
        // An event has its level at compile time.
        macro_rules! tell {
            ($level:ident) => {
                $crate::expansion::tracing::$level!(
                    target: "mmf::service", event_type, event_category = "security", severity,
                    $($($field)*,)? "{event_type}"
                )
            };
        }
        match how_bad {
            $crate::logging::Severity::Low => tell!(info),
            $crate::logging::Severity::Medium => tell!(warn),
            $crate::logging::Severity::High | $crate::logging::Severity::Critical => tell!(error),
        }
    }};
}

/// The name of this machine, where the system tells it.
fn host() -> String {
    std::env::var("HOSTNAME")
        .or_else(|_| std::fs::read_to_string("/proc/sys/kernel/hostname"))
        .map(|name| name.trim().to_owned())
        .unwrap_or_default()
}
