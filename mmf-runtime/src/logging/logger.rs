//! The events that every service tells of itself, under the same names everywhere.

use std::time::Duration;

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
/// # use mmf_runtime as mmf;
/// use std::time::Duration;
/// use mmf::logging::{ServiceLogger, Severity};
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
#[doc(alias = "get_unified_logger")]
#[doc(alias = "UnifiedLogger")]
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

    /// The service is starting: `status: starting`. [`service_startup!`](crate::service_startup) takes more
    /// fields.
    pub fn service_startup(&self, version: &str, environment: &str) {
        crate::service_startup!(self, version, environment);
    }

    /// The service takes requests: `status: ready`. [`service_ready!`](crate::service_ready) takes more
    /// fields.
    pub fn service_ready(&self, port: u16) {
        crate::service_ready!(self, port);
    }

    /// The service is about to end: `status: shutting_down`.
    /// [`service_shutdown!`](crate::service_shutdown) takes more fields.
    pub fn service_shutdown(&self, reason: &str) {
        crate::service_shutdown!(self, reason);
    }

    /// A request begins: `phase: start`. [`request_start!`](crate::request_start) takes more fields.
    pub fn request_start(&self, operation: &str, request_id: &str) {
        crate::request_start!(self, operation, request_id);
    }

    /// A request has ended: `phase: end`, at WARN where it failed. [`request_end!`](crate::request_end)
    /// takes more fields.
    pub fn request_end(
        &self,
        operation: &str,
        request_id: &str,
        duration: Duration,
        success: bool,
    ) {
        crate::request_end!(self, operation, request_id, duration, success);
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

/// [`ServiceLogger::service_startup`] with fields of your own, as `tracing` has them.
///
/// ```
/// # use mmf_runtime as mmf;
/// # let logger = mmf::logging::ServiceLogger::new("users");
/// mmf::service_startup!(logger, "1.2.3", "production", region = "eu-west-1");
/// ```
#[macro_export]
macro_rules! service_startup {
    ($logger:expr, $version:expr, $environment:expr $(, $($field:tt)*)?) => {{
        let logger: &$crate::logging::ServiceLogger = &$logger;
        let (version, environment): (&str, &str) = ($version, $environment);
        let (host, pid) = ($crate::logging::host(), ::std::process::id());
        $crate::tracing::info!(
            target: "mmf::service", status = "starting", version, environment, host, pid,
            $($($field)*,)? "{} is starting", logger.name()
        );
    }};
}

/// [`ServiceLogger::service_ready`] with fields of your own, as `tracing` has them.
///
/// ```
/// # use mmf_runtime as mmf;
/// # let logger = mmf::logging::ServiceLogger::new("users");
/// mmf::service_ready!(logger, 8080, protocol = "grpc");
/// ```
#[macro_export]
macro_rules! service_ready {
    ($logger:expr, $port:expr $(, $($field:tt)*)?) => {{
        let logger: &$crate::logging::ServiceLogger = &$logger;
        let port: u16 = $port;
        $crate::tracing::info!(
            target: "mmf::service", status = "ready", port, $($($field)*,)?
            "{} is ready", logger.name()
        );
    }};
}

/// [`ServiceLogger::service_shutdown`] with fields of your own, as `tracing` has them.
///
/// ```
/// # use mmf_runtime as mmf;
/// # let logger = mmf::logging::ServiceLogger::new("users");
/// mmf::service_shutdown!(logger, "deployment", requests_served = 4711);
/// ```
#[macro_export]
macro_rules! service_shutdown {
    ($logger:expr, $reason:expr $(, $($field:tt)*)?) => {{
        let logger: &$crate::logging::ServiceLogger = &$logger;
        let reason: &str = $reason;
        $crate::tracing::info!(
            target: "mmf::service", status = "shutting_down", reason, $($($field)*,)?
            "{} is shutting down", logger.name()
        );
    }};
}

/// [`ServiceLogger::request_start`] with fields of your own, as `tracing` has them.
///
/// ```
/// # use mmf_runtime as mmf;
/// # let logger = mmf::logging::ServiceLogger::new("users");
/// mmf::request_start!(logger, "create", "req-123", tenant = "acme");
/// ```
#[macro_export]
macro_rules! request_start {
    ($logger:expr, $operation:expr, $request_id:expr $(, $($field:tt)*)?) => {{
        let _: &$crate::logging::ServiceLogger = &$logger;
        let (operation, request_id): (&str, &str) = ($operation, $request_id);
        $crate::tracing::info!(
            target: "mmf::service", phase = "start", operation, request_id, $($($field)*,)?
            "{operation} started"
        );
    }};
}

/// [`ServiceLogger::request_end`] with fields of your own, as `tracing` has them.
///
/// ```
/// # use mmf_runtime as mmf;
/// # let logger = mmf::logging::ServiceLogger::new("users");
/// let taken = std::time::Duration::from_millis(12);
/// mmf::request_end!(logger, "create", "req-123", taken, true, status = 201);
/// ```
#[macro_export]
macro_rules! request_end {
    ($logger:expr, $operation:expr, $request_id:expr, $duration:expr, $success:expr
        $(, $($field:tt)*)?) => {{
        let _: &$crate::logging::ServiceLogger = &$logger;
        let (operation, request_id): (&str, &str) = ($operation, $request_id);
        let duration: ::core::time::Duration = $duration;
        let duration_ms = duration.as_secs_f64() * 1000.0;
        let success: bool = $success;
        if success {
            $crate::tracing::info!(
                target: "mmf::service", phase = "end", operation, request_id, duration_ms, success,
                $($($field)*,)? "{operation} succeeded"
            );
        } else {
            $crate::tracing::warn!(
                target: "mmf::service", phase = "end", operation, request_id, duration_ms, success,
                $($($field)*,)? "{operation} failed"
            );
        }
    }};
}

/// [`ServiceLogger::performance_metric`] with fields of your own, as `tracing` has them.
///
/// ```
/// # use mmf_runtime as mmf;
/// # let logger = mmf::logging::ServiceLogger::new("users");
/// mmf::performance_metric!(logger, "queue_depth", 17.0, "items", "gauge", queue = "mail");
/// ```
#[macro_export]
macro_rules! performance_metric {
    ($logger:expr, $name:expr, $value:expr, $unit:expr, $kind:expr $(, $($field:tt)*)?) => {{
        let _: &$crate::logging::ServiceLogger = &$logger;
        let (metric_name, value, unit, metric_type): (&str, f64, &str, &str) =
            ($name, $value, $unit, $kind);
        $crate::tracing::info!(
            target: "mmf::service", metric_name, value, unit, metric_type, $($($field)*,)?
            "{metric_name} is {value} {unit}"
        );
        $crate::logging::measured(metric_name, value, unit, metric_type);
    }};
}

/// [`ServiceLogger::business_event`] with fields of your own, as `tracing` has them.
///
/// ```
/// # use mmf_runtime as mmf;
/// # let (logger, id) = (mmf::logging::ServiceLogger::new("users"), 7);
/// mmf::business_event!(logger, "user_created", user_id = %id, plan = "premium");
/// ```
#[macro_export]
macro_rules! business_event {
    ($logger:expr, $event:expr $(, $($field:tt)*)?) => {{
        let _: &$crate::logging::ServiceLogger = &$logger;
        let event_type: &str = $event;
        $crate::tracing::info!(
            target: "mmf::service", event_type, event_category = "business", $($($field)*,)?
            "{event_type}"
        );
    }};
}

/// [`ServiceLogger::security_event`] with fields of your own, as `tracing` has them.
///
/// ```
/// # use mmf_runtime as mmf;
/// use mmf::logging::{ServiceLogger, Severity};
///
/// # let logger = ServiceLogger::new("users");
/// mmf::security_event!(logger, "login_failed", Severity::High, ip = "10.0.0.1");
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
                $crate::tracing::$level!(
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

/// Hands a measured value to the metrics of OpenTelemetry, where the feature `otel` is on.
#[doc(hidden)]
pub fn measured(name: &str, value: f64, unit: &str, kind: &str) {
    #[cfg(feature = "otel")]
    crate::otel::measure(name, value, unit, kind);
    #[cfg(not(feature = "otel"))]
    let _ = (name, value, unit, kind);
}

/// The name of this machine, where the system tells it.
#[doc(hidden)]
pub fn host() -> String {
    std::env::var("HOSTNAME")
        .or_else(|_| std::fs::read_to_string("/proc/sys/kernel/hostname"))
        .map(|name| name.trim().to_owned())
        .unwrap_or_default()
}
