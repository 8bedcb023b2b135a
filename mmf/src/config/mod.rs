//! Values of policies from outside, by name, while the program runs: a file, a variable, or a text.
//!
//! ```standalone_crate
//! use mmf::{ResilienceError, config, resilient};
//!
//! #[resilient(name = "users.fetch", timeout = "2s", retry(max_attempts = 3))]
//! async fn fetch(id: u64) -> Result<String, ResilienceError> {
//!     Ok(format!("user {id}"))
//! }
//!
//! config::apply(r#"
//!     [defaults]                        # every policy that has the group
//!     retry.max_attempts = 4
//!     [policies."users.*"]              # a glob
//!     timeout = "3s"
//! "#)?;
//! let timeout = config::effective().into_iter().find(|value| value.key == "timeout").unwrap();
//! assert_eq!((timeout.value.as_str(), timeout.origin.to_string().as_str()), ("\"3s\"", "text:5:5"));
//!
//! let wrong = config::apply(r#"policies."users.fetch".retry.max_atempts = 5"#).unwrap_err();
//! assert_eq!(
//!     wrong.to_string(),
//!     "text:1:30: unknown key `max_atempts`, did you mean `max_attempts`?",
//! );
//! # Ok::<(), config::ConfigError>(())
//! ```
//!
//! Of several values for one key the strongest is in force: the default, the attribute or the builder, `[defaults]`, a glob,
//! the exact name, and above all the same in the variable `MMF_POLICIES`. All or nothing: with one mistake nothing changes.
//! State lives on: an open breaker stays open, counters go on, and a bulkhead that shrinks lets those inside finish.

mod document;
pub(crate) mod effective;
mod mistake;
mod resolve;
mod state;
mod watch;

pub use effective::{EffectiveValue, effective};
pub use mistake::{ConfigError, ConfigMistake};
pub use resolve::{Origin, Scope};
pub use state::{Change, applied, apply, check, check_file, load, preview};
pub use watch::{Watch, watch};
