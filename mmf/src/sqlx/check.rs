//! Whether a database answers.

use sqlx::{Connection, Database, Pool};

/// Asks the database for a sign of life, by a connection of the pool: for a health check.
///
/// # Errors
///
/// Where the pool has no connection in time, or the database does not answer. The pool's own `acquire_timeout` bounds the
/// first; a check has a limit for all of it.
pub async fn check<DB: Database>(pool: &Pool<DB>) -> Result<(), sqlx::Error> {
    pool.acquire().await?.ping().await
}
