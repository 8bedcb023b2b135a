//! gRPC by tonic: layers of clients and servers, in one process under paused time, and over loopback.

mod client;
mod echo;
mod hostile;
mod server;
mod wire;
