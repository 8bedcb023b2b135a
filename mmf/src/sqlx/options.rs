//! How a transaction is begun, and how often.

use sqlx::Database;

/// How much transactions see of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Isolation {
    /// Each statement sees what was committed before it.
    ReadCommitted,
    /// All statements see what was committed before the first.
    RepeatableRead,
    /// As if there were no others.
    Serializable,
}

/// How a transaction is begun, and how often it is tried.
///
/// ```
/// use mmf::sqlx::{Isolation, TransactionOptions};
///
/// let options = TransactionOptions::new().isolation(Isolation::Serializable).max_attempts(5);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "does nothing until a transaction is begun by it"]
pub struct TransactionOptions {
    isolation: Option<Isolation>,
    read_only: bool,
    pub(super) max_attempts: u32,
}

impl TransactionOptions {
    /// As the database begins one, three attempts.
    pub const fn new() -> Self {
        Self { isolation: None, read_only: false, max_attempts: 3 }
    }

    /// How much it sees of others. Default: that of the database. PostgreSQL has all of them; transactions of SQLite are
    /// serializable, and more than asked for is right.
    pub const fn isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = Some(isolation);
        self
    }

    /// Whether it changes nothing. Default: it may. SQLite cannot be told so: there it is an error.
    pub const fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// How often it is tried, the first time included, where it loses against another one; 0 means 1. Default: 3.
    pub const fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = if attempts == 0 { 1 } else { attempts };
        self
    }

    /// The statement that begins it; none, where the driver's own will do.
    pub(super) fn statement<DB: Database>(self) -> Result<Option<&'static str>, sqlx::Error> {
        let Self { isolation, read_only, .. } = self;
        match DB::NAME {
            "PostgreSQL" => Ok(match (isolation, read_only) {
                (None, false) => None,
                (None, true) => Some("BEGIN READ ONLY"),
                (Some(Isolation::ReadCommitted), false) => {
                    Some("BEGIN ISOLATION LEVEL READ COMMITTED")
                }
                (Some(Isolation::ReadCommitted), true) => {
                    Some("BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY")
                }
                (Some(Isolation::RepeatableRead), false) => {
                    Some("BEGIN ISOLATION LEVEL REPEATABLE READ")
                }
                (Some(Isolation::RepeatableRead), true) => {
                    Some("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                }
                (Some(Isolation::Serializable), false) => {
                    Some("BEGIN ISOLATION LEVEL SERIALIZABLE")
                }
                (Some(Isolation::Serializable), true) => {
                    Some("BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY")
                }
            }),
            // Otherwise a transaction that reads first and writes then cannot wait for its turn.
            "SQLite" if !read_only => Ok(isolation.map(|_| "BEGIN IMMEDIATE")),
            _ if isolation.is_none() && !read_only => Ok(None),
            other => {
                let message =
                    format!("isolation and read-only transactions of {other} are not known to mmf");
                Err(sqlx::Error::Configuration(message.into()))
            }
        }
    }
}

impl Default for TransactionOptions {
    fn default() -> Self {
        Self::new()
    }
}
