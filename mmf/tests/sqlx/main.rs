//! Databases: PostgreSQL for real, where it is installed, and SQLite.

mod postgres;
mod transactions;
