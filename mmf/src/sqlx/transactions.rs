//! A transaction that is repeated as a whole where it lost against another one.

use std::error::Error as StdError;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::LazyLock;
use std::time::Duration;

use mmf_runtime::resilience::{Backoff, Delays, RetryPolicy, time_left};
use sqlx::{Database, Pool, Transaction};
use tracing::Instrument;

use super::error::{CommitUnknown, is_conflict};
use super::options::TransactionOptions;

/// Runs a block in a transaction: commits it where it succeeds, rolls it back where it fails, and does all of it again where
/// it lost against another transaction (a serialization failure or a deadlock), up to
/// [`max_attempts`](crate::sqlx::TransactionOptions::max_attempts) times. A commit whose outcome is unknown is never repeated:
/// it comes back as [`CommitUnknown`](crate::sqlx::CommitUnknown).
///
/// `transaction!(pool, |tx| { … })` or `transaction!(pool, options, |tx| { … })`, within an `async` function. The block is
/// `async` and ends in a `Result` whose error is an [`Error`](std::error::Error) that is `From<sqlx::Error>` and keeps it as a
/// source, by which a conflict is known; `?` and `return` leave the block, and not the function around it. `tx` is a `&mut
/// Transaction`. What the block does elsewhere than in the database it does in each attempt.
///
/// PostgreSQL gives a transaction up with the first statement that fails in it: a block that takes such an error for a success
/// ends in `Ok`, and nothing is committed. Try such a statement within a savepoint, `tx.begin()`.
///
/// No attempt begins when the deadline that the call is under is over.
#[doc(hidden)]
#[macro_export]
macro_rules! __transaction {
    ($pool:expr, |$tx:ident| $body:block) => {
        $crate::__transaction!($pool, $crate::sqlx::TransactionOptions::new(), |$tx| $body)
    };
    ($pool:expr, $options:expr, |$tx:ident| $body:block) => {{
        let mut transactions = $crate::sqlx::Transactions::new($pool, $options);
        loop {
            let mut transaction = match transactions.begin().await {
                ::core::result::Result::Ok(transaction) => transaction,
                ::core::result::Result::Err(error) => {
                    break ::core::result::Result::Err(::core::convert::From::from(error));
                }
            };
            let result = async {
                let $tx = &mut transaction;
                $body
            }
            .await;
            if let ::core::ops::ControlFlow::Break(result) =
                transactions.end(transaction, result).await
            {
                break result;
            }
        }
    }};
}

/// Those that have met would meet again, did they not wait for different times.
static DELAYS: LazyLock<RetryPolicy> = LazyLock::new(|| {
    RetryPolicy::builder()
        .unlimited_attempts()
        .backoff(Backoff::JitteredExponential)
        .base_delay(Duration::from_millis(10))
        .max_delay(Duration::from_secs(1))
        .build()
});

/// The attempts at one transaction: what [`transaction!`](crate::sqlx::transaction) expands to a loop over, for those who
/// write it themselves.
pub struct Transactions<'p, DB: Database> {
    pool: &'p Pool<DB>,
    options: TransactionOptions,
    /// Begun so far.
    attempts: u32,
    delays: Delays<'static>,
}

impl<DB: Database> fmt::Debug for Transactions<'_, DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { options, attempts, .. } = self;
        f.debug_struct("Transactions")
            .field("options", options)
            .field("attempts", attempts)
            .finish_non_exhaustive()
    }
}

impl<'p, DB: Database> Transactions<'p, DB> {
    /// No attempt yet.
    pub fn new(pool: &'p Pool<DB>, options: TransactionOptions) -> Self {
        Self { pool, options, attempts: 0, delays: DELAYS.delays() }
    }

    /// Begins the next attempt; where the database is too busy for that, again after a delay.
    ///
    /// # Errors
    ///
    /// Where the database does not, or does not know the options; where no time is left of the deadline, as a pool that timed
    /// out.
    ///
    /// # Panics
    ///
    /// Outside of a runtime of tokio.
    pub async fn begin(&mut self) -> Result<Transaction<'static, DB>, sqlx::Error> {
        let statement = self.options.statement::<DB>()?;
        loop {
            if time_left().is_some_and(|left| left.is_zero()) {
                return Err(sqlx::Error::PoolTimedOut);
            }
            self.attempts += 1;
            // SQLite says here that it is busy.
            let error = match begun(self.pool.clone(), statement).await {
                Ok(transaction) => return Ok(transaction),
                Err(error) => error,
            };
            let Some(delay) = self.delay_after(is_conflict(&error), &error) else {
                return Err(error);
            };
            tokio::time::sleep(delay).await;
        }
    }

    /// Ends an attempt by what came of it: with its result, or with the word that it is to be done again.
    pub async fn end<T, E>(
        &mut self,
        transaction: Transaction<'static, DB>,
        result: Result<T, E>,
    ) -> ControlFlow<Result<T, E>>
    where
        E: StdError + From<sqlx::Error> + 'static,
    {
        let (conflict, error) = match result {
            Ok(value) => match transaction.commit().await {
                Ok(()) => return ControlFlow::Break(Ok(value)),
                Err(error) => {
                    let error = CommitUnknown::unless_told(error);
                    (is_conflict(&error), E::from(error))
                }
            },
            Err(error) => {
                // Where that fails as well, or takes long, the transaction is dropped, and the driver rolls it back before
                // its connection is used again. The error of the block is what the caller has to know.
                let limit = time_left().unwrap_or(ROLLBACK).min(ROLLBACK);
                let _ = tokio::time::timeout(limit, transaction.rollback()).await;
                (is_conflict(&error), error)
            }
        };
        let Some(delay) = self.delay_after(conflict, &error) else {
            return ControlFlow::Break(Err(error));
        };
        drop(error);
        tokio::time::sleep(delay).await;
        ControlFlow::Continue(())
    }

    /// How long it waits for the next attempt, where what failed is done again.
    fn delay_after(&mut self, conflict: bool, error: &dyn StdError) -> Option<Duration> {
        if !conflict || self.attempts >= self.options.max_attempts {
            return None;
        }
        let delay = self.delays.next().unwrap_or_default();
        if time_left().is_some_and(|left| delay >= left) {
            return None;
        }
        tracing::debug!(
            target: "mmf::sqlx", attempt = self.attempts, delay_ms = delay.as_millis() as u64, error = %error,
            "transaction is repeated"
        );
        Some(delay)
    }
}

/// Begins a transaction in a task of its own: given up between the statement and its answer, sqlx would put the connection
/// back into the pool with a transaction that nobody ends (transact-rs/sqlx#4385). The task goes on, and rolls it back.
async fn begun<DB: Database>(
    pool: Pool<DB>,
    statement: Option<&'static str>,
) -> Result<Transaction<'static, DB>, sqlx::Error> {
    let begin = async move {
        match statement {
            Some(statement) => pool.begin_with(statement).await,
            None => pool.begin().await,
        }
    };
    match tokio::spawn(begin.in_current_span()).await {
        Ok(begun) => begun,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime ends.
            Err(_) => Err(sqlx::Error::PoolClosed),
        },
    }
}

/// How long a rollback is waited for.
const ROLLBACK: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use mmf_runtime::resilience::{ResilienceError, call};

    #[tokio::test(start_paused = true)]
    async fn no_attempt_begins_past_the_deadline() {
        let pool = sqlx::SqlitePool::connect_lazy("sqlite::memory:").unwrap();
        let options = TransactionOptions::new().max_attempts(u32::MAX);
        let begun = tokio::time::Instant::now();
        let limit = Duration::from_secs(20);
        let lost = crate::sqlx::error::tests::coded("40001");
        let repeated = call("sqlx.deadline").deadline(limit).run(|| async {
            let mut transactions = Transactions::new(&pool, options);
            let mut repeated = 0;
            while let Some(delay) = transactions.delay_after(true, &lost) {
                tokio::time::sleep(delay).await;
                repeated += 1;
            }
            Ok::<_, ResilienceError>(repeated)
        });
        assert!(repeated.await.unwrap() > 10);
        assert!(begun.elapsed() < limit && begun.elapsed() > limit - Duration::from_secs(2));
    }
}
