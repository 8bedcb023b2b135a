//! What a function returned, whatever its type: how its error is printed, and whether it failed. Of several traits the
//! first that applies is used, by how often its receiver is borrowed.

use std::fmt::{self, Debug, Display, Formatter};

/// An error that may or may not be printable: the first of the traits below that applies is used.
pub struct Printed<'e, E>(pub &'e E);

/// By `Display`.
pub trait ByDisplay {
    /// Writes the error.
    ///
    /// # Errors
    ///
    /// The formatter's.
    fn write(&self, f: &mut Formatter<'_>) -> fmt::Result;
}

impl<E: Display> ByDisplay for &&Printed<'_, E> {
    fn write(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// By `Debug`, where there is no `Display`.
pub trait ByDebug {
    /// Writes the error.
    ///
    /// # Errors
    ///
    /// The formatter's.
    fn write(&self, f: &mut Formatter<'_>) -> fmt::Result;
}

impl<E: Debug> ByDebug for &Printed<'_, E> {
    fn write(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// By the name of the type, where there is neither.
pub trait ByName {
    /// Writes the name.
    ///
    /// # Errors
    ///
    /// The formatter's.
    fn write(&self, f: &mut Formatter<'_>) -> fmt::Result;
}

impl<E> ByName for Printed<'_, E> {
    fn write(&self, f: &mut Formatter<'_>) -> fmt::Result {
        crate::resilience::events::type_name_only(self.0, f)
    }
}

/// The [`ErrorText`](crate::resilience::events::ErrorText) of whatever type the error has.
#[doc(hidden)]
#[macro_export]
macro_rules! error_text {
    () => {
        |error, f| {
            use $crate::returned::{ByDebug as _, ByDisplay as _, ByName as _};
            (&&&$crate::returned::Printed(error)).write(f)
        }
    };
}

/// What a function returned, which may be a result: the first of the traits below that applies is used.
pub struct Returned<'r, T>(pub &'r T);

/// A result, which fails.
pub trait MayFail<E> {
    /// The error.
    fn failure(&self) -> Option<&E>;
}

impl<'r, T, E> MayFail<E> for &Returned<'r, Result<T, E>> {
    fn failure(&self) -> Option<&'r E> {
        self.0.as_ref().err()
    }
}

/// Anything else, which does not.
pub trait NeverFails {
    /// Nothing.
    fn failure(&self) -> Option<&std::convert::Infallible> {
        None
    }
}

impl<T> NeverFails for Returned<'_, T> {}

/// Whether what a function returned is a failure, whatever its type.
#[doc(hidden)]
#[macro_export]
macro_rules! failed {
    ($output:expr) => {{
        use $crate::returned::{MayFail as _, NeverFails as _, Returned};
        (&&Returned($output)).failure().is_some()
    }};
}

#[cfg(all(test, not(mmf_loom)))]
mod tests {
    #[test]
    #[expect(unused_imports, reason = "of the macro, which is silent in another crate")]
    fn a_failure_is_told_from_whatever_else() {
        struct QueryResult;
        assert!(failed!(&Err::<(), _>("x")));
        assert!(!failed!(&Ok::<_, ()>(1)));
        assert!(!failed!(&QueryResult));
    }
}
