//! Contracts by hand, of OpenAPI documents, of Pact files and of gRPC services, against servers on loopback.

mod app;
mod by_hand;
mod client;
#[cfg(feature = "openapi")]
mod constructs;
#[cfg(feature = "grpc")]
mod grpc;
#[cfg(feature = "openapi")]
mod openapi;
#[cfg(feature = "pact")]
mod pact;
#[cfg(feature = "openapi")]
mod pet_store;
