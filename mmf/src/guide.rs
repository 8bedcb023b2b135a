//! The guide: how MMF is used, page by page.
//!
//! - [`getting_started`]: ten minutes, from an empty program to a function that survives.
//! - [`recipes`]: a function to start from for each common need.
//! - [`resilient`](mod@resilient): the attribute, policy by policy, with the table of its keys and recipes; and the same
//!   without it.
//! - [`order`]: what stands inside what, and what follows of it.
//! - [`errors`]: how a refusal becomes your error.
//! - [`pipelines`]: policies at run time, by key, limits that are found, and the hook that watches.
//! - [`adapters`]: layers and middleware for tower, axum and reqwest.
//! - [`grpc`]: layers for clients and servers of tonic.
//! - [`databases`]: what is safe to repeat and what is not, and transactions, with sqlx.
//! - [`chains`]: deadlines, ids and retries through several services.
//! - [`tuning`]: which numbers to write, from what you measure.
//! - [`testing`]: tests that do not sleep.
//! - [`service`](mod@service): the life of a service, its log lines, and the ids that follow a request.
//! - [`configuration`]: values from a file and a variable, while the program runs.
//! - [`operating`]: checks, probes, readiness that goes first, metrics, degradation.
//! - [`admin`]: a page of the process itself, with switches.
//! - [`chaos`](mod@chaos): faults on demand, experiments, a network that really fails.
//! - [`contracts`]: what an endpoint has to answer, by hand, JSON Schema, OpenAPI, Pact, gRPC.
//! - [`measurements`]: limits of time, memory and processor, and baselines.
//! - [`gates`]: what has to hold of all tests, and the report.
//! - [`cost`]: what a call costs, beside the peers.
//! - [`from_python`]: migrating from the Python framework, name by name.
//! - [`from_others`]: migrating from tower-resilience, backon, Resilience4j and Polly, concept by concept.

/// A page, which is a file of `guide/`. Its code is tested where the features that the guide shows are on.
macro_rules! pages {
    ($($page:ident),* $(,)?) => {
        $(
            #[cfg(any(
                not(doctest),
                all(
                    feature = "admin",
                    feature = "axum",
                    feature = "chaos",
                    feature = "config",
                    feature = "degradation",
                    feature = "grpc",
                    feature = "health",
                    feature = "metrics",
                    feature = "openapi",
                    feature = "otel",
                    feature = "pact",
                    feature = "reqwest",
                    feature = "sqlx",
                    feature = "tonic",
                    feature = "tower",
                ),
            ))]
            #[doc = include_str!(concat!("../guide/", stringify!($page), ".md"))]
            pub mod $page {}
        )*
    };
}

pages! {
    getting_started, recipes, resilient, order, errors, pipelines, adapters, grpc, databases, chains, tuning, testing, service,
    configuration, operating, admin, chaos,
    contracts, measurements, gates, cost, from_python, from_others,
}
