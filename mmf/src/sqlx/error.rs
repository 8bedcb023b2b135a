//! What errors of a database mean.

use std::error::Error as StdError;
use std::io;

use sqlx::error::DatabaseError;

/// A transaction was to be committed, and nobody knows whether it was: the answer was lost. It is not repeated, since it
/// may have been done.
///
/// It comes as [`sqlx::Error::AnyDriverError`]; [`of`](Self::of) finds it in an error.
#[derive(Debug, thiserror::Error)]
#[error("the outcome of a commit is unknown: {0}")]
pub struct CommitUnknown(#[source] sqlx::Error);

impl CommitUnknown {
    /// It, where it is an error or one of its sources.
    pub fn of<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e Self> {
        sources(error).find_map(<dyn StdError>::downcast_ref)
    }

    /// Of an error of `COMMIT`, where it leaves open what was done.
    pub(super) fn unless_told(error: sqlx::Error) -> sqlx::Error {
        // An answer of the database says that it has not committed, unless it is about the connection or says that it
        // does not know either (SQL standard: 08007, transaction resolution unknown; 40003, statement completion unknown;
        // of PostgreSQL 57P01 to 57P03: it goes down).
        let is_told = match &error {
            sqlx::Error::Database(error) if is_busy(&**error) || is_constraint(&**error) => true,
            sqlx::Error::Database(error) => state(&**error).is_some_and(|code| {
                !code.starts_with("08") && code != "40003" && !code.starts_with("57P")
            }),
            _ => false,
        };
        if is_told { error } else { sqlx::Error::AnyDriverError(Box::new(Self(error))) }
    }
}

/// Whether an error may go away by itself: not whether it is safe to do again what failed with it.
///
/// It finds the [`sqlx::Error`] among the sources, or what it comes from where an error passes it on as its own
/// (`#[error(transparent)]`, which hides a pool that timed out). Transient are I/O, a pool without a free connection in time, and of the
/// SQL states the classes 08 (connection) but for 08007, 40 (rollback) but for 40003, 53 (resources), 57P01 to 57P03
/// (shutdown) and 25006 (read-only, as after a failover); of SQLite what is busy or locked.
///
/// ```
/// use mmf::sqlx::is_transient;
///
/// #[derive(Debug, thiserror::Error)]
/// #[error("no order")]
/// struct OrderError(#[from] sqlx::Error);
///
/// assert!(is_transient(&OrderError(sqlx::Error::PoolTimedOut)));
/// assert!(!is_transient(&OrderError(sqlx::Error::RowNotFound)));
/// ```
pub fn is_transient(error: &(impl StdError + 'static)) -> bool {
    if CommitUnknown::of(error).is_some() {
        return false;
    }
    let told = |error: &dyn DatabaseError| {
        is_busy(error) || state(error).as_deref().is_some_and(is_transient_state)
    };
    for error in sources(error) {
        match error.downcast_ref() {
            Some(sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut) => return true,
            Some(sqlx::Error::Database(error)) => return told(&**error),
            // What could not be decoded may have failed to be read, which is nothing of the database.
            Some(_) => return false,
            None => {}
        }
        if error.downcast_ref().is_some_and(is_of_a_connection)
            || of_database(error).is_some_and(told)
        {
            return true;
        }
    }
    false
}

/// Whether a transaction has lost against another one, so that all of it may be done again.
pub(super) fn is_conflict(error: &(dyn StdError + 'static)) -> bool {
    let lost = |error: &dyn DatabaseError| {
        is_busy(error) || matches!(state(error).as_deref(), Some("40001" | "40P01"))
    };
    CommitUnknown::of(error).is_none() && sources(error).filter_map(of_database).any(lost)
}

fn is_transient_state(state: &str) -> bool {
    match state {
        "08007" | "40003" => false,
        "57P01" | "57P02" | "57P03" | "25006" => true,
        _ => ["08", "40", "53"].iter().any(|class| state.starts_with(class)),
    }
}

/// The SQL state, where the code of a database is one: five letters or digits.
fn state(error: &dyn DatabaseError) -> Option<String> {
    error.code().filter(|code| code.len() == 5).map(Into::into)
}

/// Codes of SQLite are numbers, whose low byte says what it is: 5 (`SQLITE_BUSY`) or 6 (`SQLITE_LOCKED`).
fn is_busy(error: &dyn DatabaseError) -> bool {
    matches!(sqlite_code(error), Some(5 | 6))
}

/// `SQLITE_CONSTRAINT`, as of a deferred foreign key at the end.
fn is_constraint(error: &dyn DatabaseError) -> bool {
    sqlite_code(error) == Some(19)
}

fn sqlite_code(error: &dyn DatabaseError) -> Option<u16> {
    let code = error.code().filter(|code| code.len() < 5)?;
    Some(code.parse::<u16>().ok()? & 0xff)
}

/// What a database has said: it is a source of [`sqlx::Error::Database`], and all that is seen of it where an error passes
/// it on as its own (`#[error(transparent)]`).
fn of_database<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e dyn DatabaseError> {
    error.downcast_ref::<Box<dyn DatabaseError>>().map(|error| &**error)
}

fn is_of_a_connection(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionRefused
            | Kind::ConnectionReset
            | Kind::ConnectionAborted
            | Kind::NotConnected
            | Kind::BrokenPipe
            | Kind::TimedOut
            | Kind::UnexpectedEof
    )
}

/// An error and what it comes from.
fn sources<'e>(
    error: &'e (dyn StdError + 'static),
) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::borrow::Cow;
    use std::fmt;

    use sqlx::error::ErrorKind;

    /// An error that a database has given this code.
    #[derive(Debug)]
    struct Coded(Option<&'static str>);

    impl fmt::Display for Coded {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("coded")
        }
    }

    impl StdError for Coded {}

    impl DatabaseError for Coded {
        fn message(&self) -> &str {
            "coded"
        }

        fn code(&self) -> Option<Cow<'_, str>> {
            self.0.map(Cow::Borrowed)
        }

        fn as_error(&self) -> &(dyn StdError + Send + Sync + 'static) {
            self
        }

        fn as_error_mut(&mut self) -> &mut (dyn StdError + Send + Sync + 'static) {
            self
        }

        fn into_error(self: Box<Self>) -> Box<dyn StdError + Send + Sync + 'static> {
            self
        }

        fn kind(&self) -> ErrorKind {
            ErrorKind::Other
        }
    }

    pub(crate) fn coded(code: &'static str) -> sqlx::Error {
        sqlx::Error::Database(Box::new(Coded(Some(code))))
    }

    #[derive(Debug, thiserror::Error)]
    #[error("an order that failed")]
    struct Order(#[source] Box<dyn StdError + Send + Sync>);

    #[test]
    fn sql_states_say_it() {
        for code in
            ["08000", "08006", "40001", "40P01", "53300", "57P01", "57P02", "57P03", "25006"]
        {
            assert!(is_transient(&coded(code)), "{code}");
        }
        for code in [
            "08007", "40003", "23505", "42601", "57014", "57P04", "25001", "00000", "0800", "P0001",
        ] {
            assert!(!is_transient(&coded(code)), "{code}");
        }
        assert!(!is_transient(&sqlx::Error::Database(Box::new(Coded(None)))));
    }

    #[test]
    fn what_is_busy_in_sqlite_may_be_free_again() {
        for code in ["5", "6", "261", "517", "262"] {
            assert!(is_transient(&coded(code)), "{code}");
        }
        for code in ["1", "19", "2067", "10", "11"] {
            assert!(!is_transient(&coded(code)), "{code}");
        }
    }

    #[test]
    fn so_do_the_errors_of_sqlx_itself() {
        assert!(is_transient(&sqlx::Error::Io(io::ErrorKind::ConnectionReset.into())));
        assert!(is_transient(&sqlx::Error::PoolTimedOut));
        for error in [
            sqlx::Error::PoolClosed,
            sqlx::Error::RowNotFound,
            sqlx::Error::Protocol("odd".into()),
            sqlx::Error::Decode(Box::new(io::Error::from(io::ErrorKind::UnexpectedEof))),
        ] {
            assert!(!is_transient(&error), "{error}");
        }
    }

    #[test]
    fn the_error_is_found_among_the_sources() {
        let order = |error: sqlx::Error| Order(Box::new(Order(Box::new(error))));
        assert!(is_transient(&order(coded("40001"))));
        assert!(!is_transient(&order(coded("23505"))));
        assert!(!is_transient(&Order(Box::new(io::Error::other("no database")))));
    }

    #[test]
    fn so_it_is_where_an_error_passes_another_on_as_its_own() {
        #[derive(Debug, thiserror::Error)]
        #[error(transparent)]
        struct Passed(#[from] sqlx::Error);

        assert!(is_transient(&Passed(coded("40001"))) && is_conflict(&Passed(coded("40P01"))));
        assert!(!is_transient(&Passed(coded("23505"))));
        assert!(is_transient(&Passed(sqlx::Error::Io(io::ErrorKind::ConnectionReset.into()))));
        let unknown =
            CommitUnknown::unless_told(sqlx::Error::Io(io::ErrorKind::ConnectionReset.into()));
        assert!(CommitUnknown::of(&Passed(unknown)).is_some());
    }

    #[test]
    fn a_commit_is_known_to_have_failed_where_the_database_says_so() {
        for code in ["40001", "23505", "40P01", "P0001", "5", "787"] {
            assert!(
                CommitUnknown::of(&CommitUnknown::unless_told(coded(code))).is_none(),
                "{code}"
            );
        }
        for code in ["08006", "08007", "40003", "57P01", "10"] {
            let unknown = CommitUnknown::unless_told(coded(code));
            assert!(CommitUnknown::of(&unknown).is_some() && !is_transient(&unknown), "{code}");
            assert!(!is_conflict(&unknown), "{code}");
        }
    }
}
