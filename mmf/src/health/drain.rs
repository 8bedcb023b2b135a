//! The end of a service, as probes see it: readiness goes first.

use std::sync::Once;
use std::time::Duration;

use mmf_runtime::service;

/// How long it is from SIGTERM to the end of [`shutdown_requested`](crate::Service::shutdown_requested), so that whoever
/// sends requests here has seen that the service is not ready any more. Default: 3 s, from the first check or probe on;
/// without either there is nobody to wait for, and no delay.
pub fn set_drain_delay(delay: Duration) {
    EXPECTED.call_once(|| {});
    service::set_drain_delay(delay);
}

/// Who is first sets the delay.
static EXPECTED: Once = Once::new();

/// Somebody asks for readiness, or is about to.
pub(super) fn expect_probes() {
    EXPECTED.call_once(|| service::set_drain_delay(Duration::from_secs(3)));
}
