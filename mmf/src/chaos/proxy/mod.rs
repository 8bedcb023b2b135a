//! A network that really fails: a TCP proxy on loopback, in this process, between a real client and a real
//! server. What it does to connections is changed while it runs, by direction, and counted.
//!
//! The toxics are those of Shopify's Toxiproxy, by their names: `latency`, `bandwidth`, `slow_close`,
//! `timeout`, `reset_peer`, `slicer`, `limit_data`, each with a toxicity, and `down`.
//!
//! `toxic` is what can be done, `pump` does it to the bytes of one direction, `connection` to one connection, `server`
//! accepts them, and `shared` is what they share.

mod connection;
mod pump;
mod server;
mod shared;
mod toxic;

pub use server::{Proxy, ProxyCounts};
pub use toxic::{Direction, Toxic};
