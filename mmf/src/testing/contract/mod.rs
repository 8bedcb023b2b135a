//! Contracts: what an endpoint has to answer, and how soon.
//!
//! `test` is what is said of an endpoint, `run` asks and checks it once it is `ready`, `http` is the request and its answer, `report`
//! what was checked. What is right is said by hand, by a JSON Schema (`schema`), by an OpenAPI document (`openapi`) or
//! by a Pact file (`pact`), which a test of the consumer writes; gRPC services are asked for their health (`grpc`).

#[cfg(feature = "grpc")]
mod grpc;
mod http;
#[cfg(feature = "openapi")]
mod openapi;
#[cfg(feature = "pact")]
pub mod pact;
mod ready;
mod report;
mod run;
#[cfg(feature = "schema")]
mod schema;
mod test;

pub use http::ContractResponse;
pub use report::ContractReport;
pub use test::ContractTest;
