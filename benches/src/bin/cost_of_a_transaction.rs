//! What `transaction!` costs beside the transactions of sqlx itself: microseconds a transaction of one statement in a
//! database of SQLite in memory, the median over interleaved rounds of one run.
//!
//! `cargo run --release -p mmf-benches --features edge --bin cost_of_a_transaction [-- --rounds N --json FILE --svg FILE]`

use std::error::Error;
use std::time::Instant;

use mmf::sqlx::{TransactionOptions, transaction};
use mmf_benches::table::{Table, rounds};
use sqlx::SqlitePool;
use sqlx::sqlite::SqlitePoolOptions;

const TRANSACTIONS: u32 = 1_000;
const STATEMENT: &str = "UPDATE counters SET value = value + 1";

async fn by_sqlx(pool: &SqlitePool) -> Result<(), sqlx::Error> {
    let mut tx = pool.begin().await?;
    sqlx::query(STATEMENT).execute(&mut *tx).await?;
    tx.commit().await
}

async fn by_mmf(pool: &SqlitePool) -> Result<(), sqlx::Error> {
    transaction!(pool, TransactionOptions::new(), |tx| {
        sqlx::query(STATEMENT).execute(&mut **tx).await.map(drop)
    })
}

async fn time(work: impl AsyncFn() -> Result<(), sqlx::Error>) -> Result<f64, sqlx::Error> {
    let start = Instant::now();
    for _ in 0..TRANSACTIONS {
        work().await?;
    }
    Ok(start.elapsed().as_secs_f64() * 1e6 / f64::from(TRANSACTIONS))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
    sqlx::query("CREATE TABLE counters (value integer)").execute(&pool).await?;
    sqlx::query("INSERT INTO counters VALUES (0)").execute(&pool).await?;
    let mut table = Table::new("cost of a transaction", "us/transaction");
    for _ in 0..rounds(41) {
        table.add("a transaction of SQLite", "sqlx", time(|| by_sqlx(&pool)).await?);
        table.add("a transaction of SQLite", "MMF", time(|| by_mmf(&pool)).await?);
    }
    table.publish()?;
    Ok(())
}
