//! The table of whoever comes from Python: every name is in it, and has something on our side, whose links rustdoc follows.

const PAGE: &str = include_str!("../../guide/from_python.md");

/// What is imported from the framework's packages.
const NAMES: &str = "AdvancedRetryConfig max_attempts backoff_strategy base_delay max_delay retryable_exceptions BackoffStrategy \
    async_retry_with_advanced_policy EnhancedCircuitBreaker EnhancedCircuitBreakerConfig failure_threshold recovery_timeout \
    failure_rate_threshold minimum_throughput ChaosConfig ChaosType chaos_context ChaosInjector async_call_with_resilience \
    DegradationLevel FeatureToggle DefaultValueProvider CachedValueProvider ServiceFallbackProvider \
    GracefulDegradationManager HealthBasedDegradationMonitor ResilienceClientInterceptor \
    AsyncResilienceClientInterceptor EnhancedResilienceServerInterceptor CompositeResilienceInterceptor \
    ResilienceHealthCheck ResilienceMonitor generate_resilience_health_report EnhancedTestRunner run_contract_tests \
    run_chaos_tests run_performance_tests generate_quality_report ContractTestConfig service_name endpoints \
    expected_response_times PerformanceBaseline endpoint max_response_time max_memory_usage max_cpu_usage \
    min_throughput get_unified_logger setup_unified_logging log_level enable_json enable_trace enable_correlation \
    log_service_startup log_request_start log_performance_metric log_business_event log_security_event AuditConfig \
    AuditContext AuditEventType AuditSeverity AuditOutcome audit_context log_auth_event log_api_event log_data_event \
    AuditEventBuilder DatabaseManager TransactionManager transaction retry_transaction bulk_transaction \
    savepoint_transaction IsolationLevel transactional DeadlockError marty_common.resilience.CircuitBreaker \
    retry_with_advanced_policy marty_common.logging.consolidated_logging.ServiceLogger \
    tests.e2e.test_chaos_engineering.ChaosInjector";

/// Both sides of each row of a table of two columns.
fn rows() -> Vec<(&'static str, &'static str)> {
    let rows = PAGE.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let rows = rows.filter_map(|row| row.split_once(" | "));
    rows.filter(|(left, right)| !left.starts_with("---") && !right.contains(" | ")).collect()
}

#[test]
fn every_name_of_the_python_framework_is_mapped() {
    let rows = rows();
    for name in NAMES.split_whitespace() {
        let name = format!("`{name}`");
        assert!(rows.iter().any(|(left, _)| left.contains(&name)), "{name} is not in the table");
    }
    let mapped = rows.iter().filter(|(left, _)| left.starts_with('`'));
    for (left, right) in mapped {
        let says =
            right.contains("](crate::") || right.contains("](macro@crate::") || right.contains('`');
        let says = says
            || right.contains("](mod@crate::")
            || right.starts_with("none")
            || right.contains("the same keys");
        let says = says || right.starts_with("the function's own");
        assert!(says, "{left} has nothing on our side: {right}");
    }
}
