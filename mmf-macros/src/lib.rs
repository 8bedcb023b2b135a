//! The attributes of MMF. Use them through the `mmf` facade, which also carries what they expand to.
//!
//! Each attribute goes parse → check → expand: `args.rs` says what was written, `check.rs` what it
//! means and everything that is wrong with it, `expand.rs` prints the code.

mod chaos;
mod common;
mod contract_test;
mod performance_test;
mod resilient;
mod service;

use proc_macro::TokenStream;

/// Gives an `async fn` or a `fn` that returns a `Result` the behaviour of resilience policies; on an
/// `impl` block, gives its policies to the methods.
///
/// ```ignore
/// #[mmf::resilient(
///     deadline = "10s",                                       // the whole call
///     timeout = "2s",                                         // one attempt
///     retry(max_attempts = 5, backoff = "jittered_exponential", base_delay = "100ms"),
///     breaker(failure_threshold = 5, recovery_timeout = "60s"),
///     rate_limit(permits = 100, period = "1s"),
///     bulkhead(max_concurrent = 32, max_queue = 64),
///     hedge(delay = "80ms"),
///     fallback(Self::cached),
/// )]
/// async fn fetch_user(&self, id: UserId) -> Result<User, ApiError> { todo!() }
/// ```
///
/// The groups are `retry`, `breaker`, `rate_limit`, `bulkhead`, `hedge` and `fallback`; beside them
/// stand `name`, `deadline`, `timeout`, `feature`, `disable_at`, `refused(…)`, `clone(…)`, `keep(…)` and `crate`, on an `impl` block `all`, and
/// on a method of one `skip`. Every key with its default is in the table of the guide, on the front page of `mmf`.
///
/// A group alone takes its defaults, and an expression is a ready policy: `breaker = &PAYMENTS`, or
/// `bulkhead = Bulkhead::builder("db").build()`, which is built once. Values that can never work do not compile;
/// expressions are held against the same rules when the program runs, cut to the nearest that works, and told by
/// a warning.
///
/// # Errors
///
/// Where a policy can refuse a call, `refused(…)` says how a refusal becomes an error of the function's, or its error
/// type implements `From<mmf::ResilienceError>`. When retries run out, the caller gets the last error itself. It does so at once
/// where the next attempt would start at or past `max_duration` or the deadline.
///
/// # Cancelling and panics
///
/// Dropping the future gives every permit back and counts as no failure; a wait that is dropped has taken
/// nothing. A panic counts as a failure, gives the permits back and unwinds on.
#[proc_macro_attribute]
pub fn resilient(args: TokenStream, item: TokenStream) -> TokenStream {
    resilient::resilient(args.into(), &item.into()).into()
}

/// On a function: makes it a place where faults can be injected. On a test: makes it an experiment.
///
/// ```ignore
/// #[mmf::chaos(
///     network_delay(probability = 0.3, min = "50ms", max = "2s"),
///     network_failure(probability = 0.1, error(io::Error::from(io::ErrorKind::ConnectionReset))),
/// )]
/// async fn fetch(&self, id: UserId) -> Result<User, ApiError> { todo!() }
///
/// #[mmf::chaos(
///     target = "users.*",
///     seed = 42,
///     scenarios("network", "latency", "errors"),
///     calls = 50,
///     expect(success_rate >= 0.95, p99 <= "2s", no_panics, recovers_within = "30s"),
/// )]
/// #[tokio::test(start_paused = true)]
/// async fn survives_the_network() { todo!() }
/// ```
///
/// The kinds are `network_delay`, `network_failure`, `service_unavailable`, `high_latency`,
/// `memory_pressure`, `cpu_spike`, `disk_full`, `random_errors`, `intermittent_failures`, `hang` and `panic`,
/// each with `probability` (0.3), `duration` (10 s), `intensity` (1.0), `target`, `enabled` and, where it
/// fails a call, `error(…)`.
///
/// Nothing happens until a test, `mmf::chaos::scope`, `mmf::chaos::arm` or `MMF_CHAOS` arms it, and without the
/// feature `chaos` a function is left as it was. Every `#[resilient]` function is a point as well, inside its policies.
///
/// Of a test it makes a module with a test for each scenario: the body runs once without faults, then
/// `calls` times (20) under each case.
#[proc_macro_attribute]
pub fn chaos(args: TokenStream, item: TokenStream) -> TokenStream {
    chaos::chaos(args.into(), &item.into(), chaos::ENABLED).into()
}

/// Makes a test of a function that checks what endpoints answer, and how soon.
///
/// ```ignore
/// #[mmf::contract_test(service = "user-service", endpoints("/users" = "2s", "/health" = "500ms"))]
/// async fn answers_in_time(endpoint: &str) -> Result<(), reqwest::Error> { todo!() }
///
/// #[mmf::contract_test(
///     service = "user-service",
///     base_url(spawn_app().await),            // or the variable MMF_BASE_URL_USER_SERVICE
///     health_check_endpoints("/health"),      // asked first
///     wait_ready = "10s",
///     timeout = "30s",                        // of one request; the default
///     max_body = "64MiB",                     // of an answer; the default
///     endpoint = "GET /users/1",
///     status = 200,                           // default: any of success
///     header("content-type" = "application/json"),
///     schema = "schemas/user.json",           // beside Cargo.toml; feature `schema`
///     sla = "2s",
///     samples = 20,                           // default: 1
///     percentile = 95,
/// )]
/// async fn get_user(response: ContractResponse) { assert_eq!(response.json()["name"], "Ada"); }
/// ```
///
/// What says what is right, and needs which feature of the facade beside `testing`:
///
/// | key | feature | tests | the function takes |
/// | --- | --- | --- | --- |
/// | `endpoint = "GET /users/1"` | | one | the response |
/// | `endpoints("/users" = "2s")` | | one for each, which the body asks itself | the endpoint |
/// | `schema = "user.json"` | `schema` | with any that takes the response | |
/// | `openapi = "openapi.yaml"` | `openapi` | one for each operation with examples, or with `generate = true` for each; with `operation` or `endpoint` one | the response |
/// | `pact = "pacts/web-users.json"`, `provider_states(function)` | `pact` | one for each interaction | the response |
/// | `pacts("pacts/*.json")` | `pact` | those of each file of the folder | the response |
/// | `grpc_services("users.v1.Users")` | `grpc` | one; beside another of these, none of its own | nothing |
/// | `consumer = "web", provider = "users", writes = "pacts/"` | `pact` | one, of the consumer | a `ConsumerPact` |
///
/// `request_headers("authorization" = token())` and `request_json(json!({…}))` go out with the request. Files lie
/// beside `Cargo.toml`. `#[ignore]` and `#[should_panic]` are kept.
#[proc_macro_attribute]
pub fn contract_test(args: TokenStream, item: TokenStream) -> TokenStream {
    contract_test::contract_test(args.into(), &item.into()).into()
}

/// Makes a test of a function that is run many times and measured.
///
/// ```ignore
/// #[mmf::performance_test(
///     endpoint = "/users",                    // for the report
///     iterations = 1000,                      // or duration = "10s"; default: 100
///     warm_up = 50,                           // default: 10
///     concurrency = 8,                        // default: 1
///     rate = 500.0,                           // starts a second, in the open model
///     allow_missed_rate = true,               // default: fewer than nine tenths of them fail the test
///     max_response_time = "1s",               // at the percentile, 95 by default
///     max_memory = "512MiB",                  // resident, above the start
///     max_cpu = 80.0,                         // per cent of one processor
///     min_throughput = 100.0,                 // ends a second
///     max_error_rate = 0.01,                  // default: no run may fail
///     baseline = "users-list",                // mmf-baselines/users-list.json beside Cargo.toml
///     pid(SERVER.id()),                       // measures this process; default: that of the test
/// )]
/// async fn list_users() -> Result<(), Error> { todo!() }
/// ```
///
/// It runs on a tokio runtime with a worker for each core. Needs the feature `testing` of the facade.
#[proc_macro_attribute]
pub fn performance_test(args: TokenStream, item: TokenStream) -> TokenStream {
    performance_test::performance_test(args.into(), &item.into()).into()
}

/// On `async fn main`: makes it the main of a service. Sets up logging and the tokio runtime, logs the life
/// cycle, turns SIGTERM and Ctrl-C into `shutdown_requested()`, and waits for running operations.
///
/// ```ignore
/// #[mmf::service(
///     name = "user-service",
///     version = "1.2.3",              // default: that of the package
///     environment = "production",     // default: the variable ENVIRONMENT, or "development"
///     flavor = "multi_thread",        // or "current_thread"
///     worker_threads = 4,             // default: one for each core
///     logging(|config| config.redact_also(["shoe_size"])), // a `LoggingConfig` to another, or a function's path
///     shutdown_timeout = "30s",       // for the whole end, lines that nobody reads included
///     admin = "127.0.0.1:9100",       // where the page is served, with the feature `admin`
/// )]
/// async fn main(service: mmf::Service) -> Result<(), Error> {
///     let listener = TcpListener::bind("127.0.0.1:8080").await?;
///     service.ready(listener.local_addr()?.port());
///     axum::serve(listener, app()).with_graceful_shutdown(service.shutdown_requested()).await?;
///     Ok(())
/// }
/// ```
///
/// `main` takes the `mmf::Service` or nothing, and returns nothing or a `Result<(), E>` whose error is
/// logged with its causes. The process exits with 0, with 1 after an error, with 101 after a panic. A second
/// signal ends it at once, with 1 and without a word, and where it still lives a second after `shutdown_timeout`,
/// that is its end as well.
///
/// On an `impl` block: every `pub async fn` becomes an operation, and every method marked with
/// `#[operation]`. Start and end are logged with `operation`, `request_id`, `duration_ms`, `success` and
/// `error`; an operation outside a request begins one. Arguments are logged where `fields` names them.
///
/// ```ignore
/// #[mmf::service(name = "user-service")]
/// impl Users {
///     #[operation(name = "users.create", fields(user_id = user.id, plan = %user.plan), level = "debug")]
///     pub async fn create(&self, user: NewUser) -> Result<User, Error> { todo!() }
///     #[operation(skip)]
///     pub async fn helper(&self) { todo!() }
/// }
/// ```
///
/// A failure is logged at WARN, whatever the `level`; so is an operation whose future is dropped before its
/// end, as `cancelled`. An operation is a call, whether this stands above `#[resilient]` or below it.
///
/// On a struct: it gets `logger()`, its `mmf::logging::ServiceLogger`.
#[proc_macro_attribute]
pub fn service(args: TokenStream, item: TokenStream) -> TokenStream {
    service::service(args.into(), &item.into()).into()
}

/// On a method of a `#[service]` block: says what of it is logged, or that it is no operation.
///
/// ```ignore
/// #[mmf::service(name = "user-service")]
/// impl Users {
///     #[operation(name = "users.create", fields(plan = %user.plan), level = "debug")]
///     async fn create(&self, user: NewUser) -> Result<User, Error> { todo!() }
///     #[operation(skip)]
///     pub async fn helper(&self) { todo!() }
/// }
/// ```
///
/// Without `#[service]` on the block it has no meaning, and says so.
#[proc_macro_attribute]
pub fn operation(args: TokenStream, item: TokenStream) -> TokenStream {
    service::operation(args.into(), &item.into()).into()
}
