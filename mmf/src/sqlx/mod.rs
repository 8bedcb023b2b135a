//! Databases by [sqlx](https://docs.rs/sqlx): which of its errors may go away, transactions that are repeated where that is
//! safe, and a check of a pool.
//!
//! ```no_run
//! use mmf::sqlx::{Isolation, TransactionOptions, transaction};
//!
//! # async fn transfer(pool: sqlx::PgPool) -> Result<i64, sqlx::Error> {
//! let options = TransactionOptions::new().isolation(Isolation::Serializable);
//! transaction!(&pool, options, |tx| {
//!     sqlx::query("UPDATE accounts SET cents = cents - 100 WHERE id = 1").execute(&mut **tx).await?;
//!     sqlx::query("UPDATE accounts SET cents = cents + 100 WHERE id = 2").execute(&mut **tx).await?;
//!     sqlx::query_scalar("SELECT cents FROM accounts WHERE id = 1").fetch_one(&mut **tx).await
//! })
//! # }
//! ```

mod check;
mod error;
mod options;
mod transactions;

pub use check::check;
pub use error::{CommitUnknown, is_transient};
pub use options::{Isolation, TransactionOptions};
pub use transactions::Transactions;

pub use crate::__transaction as transaction;
