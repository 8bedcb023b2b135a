//! The page at three in the morning: which policy is bad, since when, and a switch, served by the program itself.
//!
//! ```no_run
//! # #[tokio::main] async fn main() -> std::io::Result<()> {
//! mmf::admin::serve("127.0.0.1:9100").await
//! # }
//! ```
//!
//! or [`router`] in a server of one's own. The page is at `/`, and what it shows is JSON under `/api`. Reading is open to this
//! machine; from elsewhere it takes `MMF_ADMIN_READ_TOKEN` or `MMF_ADMIN_TOKEN` as a bearer token, as error texts may tell secrets.
//! Changing takes `MMF_ADMIN_TOKEN`, and each change is a security event.

mod access;
mod api;
mod change;
mod faults;
mod given;
mod health;
mod latency;
mod page;
mod process;
mod recorder;
mod serve;
mod time;
mod view;
mod viewers;

#[doc(hidden)]
pub use serve::serve_admin;
pub use serve::{router, serve};
