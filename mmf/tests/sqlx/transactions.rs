//! Transactions, against PostgreSQL and SQLite.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mmf::chaos::proxy::{Direction, Proxy, Toxic};
use mmf::sqlx::{CommitUnknown, Isolation, TransactionOptions, is_transient, transaction};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{PgPool, Row, SqlitePool};
use tokio::sync::Barrier;

use super::postgres::Server;

#[derive(Debug, thiserror::Error)]
enum BankError {
    #[error("not enough")]
    NotEnough,
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

async fn accounts(pool: &PgPool) {
    for statement in [
        "DROP TABLE IF EXISTS accounts",
        "CREATE TABLE accounts (id INT PRIMARY KEY, cents BIGINT NOT NULL)",
        "INSERT INTO accounts VALUES (1, 0), (2, 1000)",
    ] {
        sqlx::query(statement).execute(pool).await.unwrap();
    }
}

async fn cents(pool: &PgPool, id: i32) -> i64 {
    let row =
        sqlx::query("SELECT cents FROM accounts WHERE id = $1").bind(id).fetch_one(pool).await;
    row.unwrap().get(0)
}

/// Reads and writes again what it has read: without isolation the other's addition would be lost.
async fn add(
    pool: &PgPool,
    options: TransactionOptions,
    cents: i64,
    met: &Barrier,
    attempts: &AtomicU32,
) -> Result<i64, sqlx::Error> {
    transaction!(pool, options, |tx| {
        let first = attempts.fetch_add(1, Ordering::Relaxed) < 2;
        let read: i64 = sqlx::query_scalar("SELECT cents FROM accounts WHERE id = 1")
            .fetch_one(&mut **tx)
            .await?;
        if first {
            met.wait().await;
        }
        sqlx::query("UPDATE accounts SET cents = $1 WHERE id = 1")
            .bind(read + cents)
            .execute(&mut **tx)
            .await?;
        Ok(read + cents)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_that_collide_one_is_repeated_and_nothing_is_lost() {
    let Some(server) = Server::start().await else { return };
    let pool = server.pool(4);
    accounts(&pool).await;
    let options = TransactionOptions::new().isolation(Isolation::Serializable).max_attempts(5);
    let mut repeated = 0;
    for _ in 0..100 {
        let (met, attempts) = (Barrier::new(2), AtomicU32::new(0));
        let (one, other) = tokio::join!(
            add(&pool, options, 1, &met, &attempts),
            add(&pool, options, 10, &met, &attempts)
        );
        one.unwrap();
        other.unwrap();
        repeated += attempts.load(Ordering::Relaxed) - 2;
    }
    assert_eq!(cents(&pool, 1).await, 1100);
    assert!(repeated >= 100, "each pair collided: {repeated}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadlock_is_resolved() {
    let Some(server) = Server::start().await else { return };
    let pool = server.pool(4);
    accounts(&pool).await;
    let (met, attempts) = (Barrier::new(2), AtomicU32::new(0));
    let transfer = async |from: i32, to: i32| -> Result<(), BankError> {
        transaction!(&pool, |tx| {
            let first = attempts.fetch_add(1, Ordering::Relaxed) < 2;
            sqlx::query("UPDATE accounts SET cents = cents - 5 WHERE id = $1")
                .bind(from)
                .execute(&mut **tx)
                .await?;
            if first {
                met.wait().await;
            }
            sqlx::query("UPDATE accounts SET cents = cents + 5 WHERE id = $1")
                .bind(to)
                .execute(&mut **tx)
                .await?;
            Ok(())
        })
    };
    let (one, other) = tokio::join!(transfer(1, 2), transfer(2, 1));
    one.unwrap();
    other.unwrap();
    assert_eq!((cents(&pool, 1).await, cents(&pool, 2).await), (0, 1000));
    assert_eq!(attempts.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn what_fails_is_rolled_back_and_not_repeated() {
    let Some(server) = Server::start().await else { return };
    let pool = server.pool(2);
    accounts(&pool).await;
    let attempts = AtomicU32::new(0);
    let spent: Result<(), BankError> = transaction!(&pool, |tx| {
        attempts.fetch_add(1, Ordering::Relaxed);
        sqlx::query("UPDATE accounts SET cents = cents - 2000 WHERE id = 2")
            .execute(&mut **tx)
            .await?;
        let left: i64 = sqlx::query_scalar("SELECT cents FROM accounts WHERE id = 2")
            .fetch_one(&mut **tx)
            .await?;
        if left < 0 { Err(BankError::NotEnough) } else { Ok(()) }
    });
    assert!(matches!(spent, Err(BankError::NotEnough)));
    let broken: Result<(), BankError> = transaction!(&pool, |tx| {
        attempts.fetch_add(1, Ordering::Relaxed);
        sqlx::query("UPDATE accounts SET cents = 7 WHERE id = 2").execute(&mut **tx).await?;
        sqlx::query("INSERT INTO accounts VALUES (2, 0)").execute(&mut **tx).await?;
        Ok(())
    });
    let Err(BankError::Database(error)) = broken else { panic!("a key that is there") };
    assert!(!is_transient(&error));
    assert_eq!((attempts.load(Ordering::Relaxed), cents(&pool, 2).await), (2, 1000));
}

#[tokio::test]
async fn the_attempts_have_an_end() {
    let Some(server) = Server::start().await else { return };
    let pool = server.pool(2);
    for (most, expected) in [(1, 1), (4, 4), (0, 1)] {
        let attempts = AtomicU32::new(0);
        let options = TransactionOptions::new().max_attempts(most);
        let lost: Result<(), sqlx::Error> = transaction!(&pool, options, |tx| {
            attempts.fetch_add(1, Ordering::Relaxed);
            sqlx::query("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$").execute(&mut **tx).await?;
            Ok(())
        });
        assert!(is_transient(&lost.unwrap_err()));
        assert_eq!(attempts.load(Ordering::Relaxed), expected, "max_attempts = {most}");
    }
}

#[tokio::test]
async fn isolation_and_read_only_are_what_was_asked_for() {
    let Some(server) = Server::start().await else { return };
    let pool = server.pool(2);
    let told = async |options: TransactionOptions| -> Result<(String, String), sqlx::Error> {
        transaction!(&pool, options, |tx| {
            let isolation =
                sqlx::query_scalar("SHOW transaction_isolation").fetch_one(&mut **tx).await?;
            let read_only =
                sqlx::query_scalar("SHOW transaction_read_only").fetch_one(&mut **tx).await?;
            Ok((isolation, read_only))
        })
    };
    for (isolation, name) in [
        (Isolation::ReadCommitted, "read committed"),
        (Isolation::RepeatableRead, "repeatable read"),
        (Isolation::Serializable, "serializable"),
    ] {
        for (read_only, on) in [(false, "off"), (true, "on")] {
            let options = TransactionOptions::new().isolation(isolation).read_only(read_only);
            assert_eq!(told(options).await.unwrap(), (name.into(), on.into()));
        }
    }
    assert_eq!(told(TransactionOptions::new()).await.unwrap().1, "off");
    assert_eq!(told(TransactionOptions::new().read_only(true)).await.unwrap().1, "on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_is_told_as_unknown_and_not_repeated() {
    let Some(server) = Server::start().await else { return };
    let direct = server.pool(2);
    accounts(&direct).await;
    let proxy = Proxy::start_seeded(("127.0.0.1", server.port), 42).await.unwrap();
    let pool = server.pool_at(proxy.address().port(), 1);
    mmf::sqlx::check(&pool).await.unwrap();
    let (attempts, proxy) = (AtomicU32::new(0), &proxy);
    let lost: Result<(), sqlx::Error> = transaction!(&pool, |tx| {
        attempts.fetch_add(1, Ordering::Relaxed);
        sqlx::query("UPDATE accounts SET cents = cents + 1 WHERE id = 1")
            .execute(&mut **tx)
            .await?;
        // The commit goes out, and the connection breaks before its answer is back.
        proxy.down().await;
        Ok(())
    });
    let error = lost.unwrap_err();
    assert!(CommitUnknown::of(&error).is_some(), "{error}");
    assert!(error.to_string().contains("the outcome of a commit is unknown"), "{error}");
    assert!(!is_transient(&error), "whoever repeats it may do it twice");
    assert_eq!(attempts.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_server_that_is_gone_is_an_error_within_its_limits_and_one_that_is_back_serves() {
    let Some(mut server) = Server::start().await else { return };
    let pool = server.pool(2);
    accounts(&pool).await;
    server.kill();
    let read = async || -> Result<i64, sqlx::Error> {
        transaction!(&pool, |tx| {
            sqlx::query_scalar("SELECT cents FROM accounts WHERE id = 2").fetch_one(&mut **tx).await
        })
    };
    let gone =
        tokio::time::timeout(Duration::from_secs(10), read()).await.expect("within its limits");
    assert!(is_transient(&gone.unwrap_err()));
    assert!(mmf::sqlx::check(&pool).await.is_err());
    server.run().await;
    assert_eq!(read().await.unwrap(), 1000);
    mmf::sqlx::check(&pool).await.unwrap();
}

#[tokio::test]
async fn a_pool_without_a_free_connection_is_transient() {
    let pool = sqlite(1, Duration::from_millis(20)).await;
    let _held = pool.acquire().await.unwrap();
    let waited: Result<(), sqlx::Error> = transaction!(&pool, |_tx| { Ok(()) });
    assert!(is_transient(&waited.unwrap_err()));
}

/// A database of its own, in memory, which all connections of its pool share.
async fn sqlite(connections: u32, wait: Duration) -> SqlitePool {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name =
        format!("file:mmf-{}?mode=memory&cache=shared", NEXT.fetch_add(1, Ordering::Relaxed));
    let options = SqliteConnectOptions::new().filename(name).busy_timeout(Duration::ZERO);
    SqlitePoolOptions::new()
        .min_connections(1)
        .max_connections(connections)
        .acquire_timeout(wait)
        .connect_with(options)
        .await
        .unwrap()
}

#[tokio::test]
async fn sqlite_waits_for_its_turn() {
    let pool = sqlite(4, Duration::from_secs(5)).await;
    sqlx::query("CREATE TABLE counts (n INTEGER)").execute(&pool).await.unwrap();
    sqlx::query("INSERT INTO counts VALUES (0)").execute(&pool).await.unwrap();
    let pool = Arc::new(pool);
    let options = TransactionOptions::new().isolation(Isolation::Serializable).max_attempts(100);
    let add = |pool: Arc<SqlitePool>| async move {
        for _ in 0..10 {
            let added: Result<(), sqlx::Error> = transaction!(&pool, options, |tx| {
                let n: i64 =
                    sqlx::query_scalar("SELECT n FROM counts").fetch_one(&mut **tx).await?;
                sqlx::query("UPDATE counts SET n = ?").bind(n + 1).execute(&mut **tx).await?;
                Ok(())
            });
            added.unwrap();
        }
    };
    let tasks: Vec<_> = (0..4).map(|_| tokio::spawn(add(Arc::clone(&pool)))).collect();
    for task in tasks {
        task.await.unwrap();
    }
    let n: i64 = sqlx::query_scalar("SELECT n FROM counts").fetch_one(&*pool).await.unwrap();
    assert_eq!(n, 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_is_given_up_while_it_begins_leaves_its_connection_clean() {
    let Some(server) = Server::start().await else { return };
    let direct = server.pool(1);
    accounts(&direct).await;
    let proxy = Proxy::start_seeded(("127.0.0.1", server.port), 42).await.unwrap();
    let pool = server.pool_at(proxy.address().port(), 1);
    mmf::sqlx::check(&pool).await.unwrap();
    // The answer to BEGIN comes late, and nobody waits for it.
    proxy.add("late", Direction::Downstream, Toxic::latency(Duration::from_millis(200)));
    let given_up = tokio::time::timeout(Duration::from_millis(50), async {
        transaction!(&pool, |_tx| { Ok::<_, sqlx::Error>(()) })
    });
    assert!(given_up.await.is_err());
    proxy.clear();
    sqlx::query("UPDATE accounts SET cents = 7 WHERE id = 1").execute(&pool).await.unwrap();
    assert_eq!(cents(&direct, 1).await, 7, "committed by itself, not within what was given up");
}

#[tokio::test]
async fn what_is_begun_past_the_deadline_is_not() {
    let pool = sqlite(1, Duration::from_secs(5)).await;
    let late =
        mmf::resilience::call("sqlx.late").deadline(Duration::from_millis(5)).run(|| async {
            std::thread::sleep(Duration::from_millis(10));
            let begun: Result<(), sqlx::Error> = transaction!(&pool, |_tx| { Ok(()) });
            Ok::<_, mmf::ResilienceError>(begun.is_ok())
        });
    assert_ne!(late.await, Ok(true));
}

#[tokio::test]
async fn what_a_database_cannot_be_told_is_an_error() {
    let pool = sqlite(1, Duration::from_secs(5)).await;
    let read_only = TransactionOptions::new().read_only(true);
    let begun: Result<(), sqlx::Error> = transaction!(&pool, read_only, |_tx| { Ok(()) });
    assert!(matches!(begun, Err(sqlx::Error::Configuration(_))), "{begun:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_is_not_waited_for_without_an_end() {
    let Some(server) = Server::start().await else { return };
    let pool = server.pool(1);
    let given_up = tokio::time::timeout(Duration::from_secs(15), async {
        let result: Result<(), BankError> = transaction!(&pool, |tx| {
            let sleep = sqlx::query("SELECT pg_sleep(30)").execute(&mut **tx);
            let slept = tokio::time::timeout(Duration::from_millis(50), sleep).await;
            if slept.is_ok() { Ok(()) } else { Err(BankError::NotEnough) }
        });
        result
    });
    assert!(matches!(given_up.await, Ok(Err(BankError::NotEnough))));
}
