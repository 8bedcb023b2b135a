//! A transaction that is repeated as a whole where it lost against another one.

use std::error::Error as StdError;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::LazyLock;
use std::time::Duration;

use mmf_runtime::resilience::{Backoff, Delays, RetryPolicy, time_left};
use sqlx::{Database, Pool, Transaction};

use super::error::{CommitUnknown, is_conflict};
use super::options::TransactionOptions;

/// Runs a block in a transaction: commits it where it succeeds, rolls it back where it fails, and does all of it again where
/// it lost against another transaction (a serialization failure or a deadlock), up to
/// [`max_attempts`](crate::sqlx::TransactionOptions::max_attempts) times. A commit whose outcome is unknown is never repeated:
/// it comes back as [`CommitUnknown`](crate::sqlx::CommitUnknown).
///
/// `transaction!(pool, |tx| { … })` or `transaction!(pool, options, |tx| { … })`, within an `async` function. The block is
/// `async` and ends in a `Result` whose error is `From<sqlx::Error>`; `?` and `return` leave the block, and not the function
/// around it. `tx` is a `&mut Transaction`. What the block does elsewhere than in the database it does in each attempt.
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

    /// Begins the next attempt.
    ///
    /// # Errors
    ///
    /// Where the database does not, or does not know the options.
    pub async fn begin(&mut self) -> Result<Transaction<'static, DB>, sqlx::Error> {
        let statement = self.options.statement::<DB>()?;
        loop {
            self.attempts += 1;
            let begun = match statement {
                Some(statement) => self.pool.begin_with(statement).await,
                None => self.pool.begin().await,
            };
            match begun {
                // SQLite says here that it is busy.
                Err(error) if self.is_repeated(&error).await => {}
                begun => return begun,
            }
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
        let error = match result {
            Ok(value) => match transaction.commit().await {
                Ok(()) => return ControlFlow::Break(Ok(value)),
                Err(error) => E::from(CommitUnknown::unless_told(error)),
            },
            Err(error) => {
                // Where that fails as well, its connection is closed, and the database rolls back. The error of the
                // block is what the caller has to know.
                let _ = transaction.rollback().await;
                error
            }
        };
        if self.is_repeated(&error).await {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(Err(error))
        }
    }

    /// Whether what failed is done again: then after a delay.
    async fn is_repeated<E: StdError + 'static>(&mut self, error: &E) -> bool {
        let Some(delay) = self.delay_after(error) else { return false };
        tracing::debug!(
            target: "mmf::sqlx", attempt = self.attempts, delay_ms = delay.as_millis() as u64, error = %error,
            "transaction is repeated"
        );
        tokio::time::sleep(delay).await;
        true
    }

    /// How long it waits for the next attempt, where there is one.
    fn delay_after<E: StdError + 'static>(&mut self, error: &E) -> Option<Duration> {
        if self.attempts >= self.options.max_attempts || !is_conflict(error) {
            return None;
        }
        let delay = self.delays.next().unwrap_or_default();
        time_left().is_none_or(|left| delay < left).then_some(delay)
    }
}

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
            while transactions.is_repeated(&lost).await {
                repeated += 1;
            }
            Ok::<_, ResilienceError>(repeated)
        });
        assert!(repeated.await.unwrap() > 10);
        assert!(begun.elapsed() < limit && begun.elapsed() > limit - Duration::from_secs(2));
    }
}
