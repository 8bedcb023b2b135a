//! How a fault becomes the error of a function.

use std::io;
use std::marker::PhantomData;

use super::kind::InjectedFault;
use crate::resilience::error::CallResult;

/// Asks for the error of a fault as a function's result: the first of the traits below that applies is used.
#[derive(Debug)]
pub struct Convert<R>(PhantomData<R>);

impl<R> Convert<R> {
    /// Asks for a result of this type.
    #[expect(clippy::new_without_default, reason = "made by the attribute only")]
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

/// By `From<InjectedFault>`.
pub trait ByFault<R> {
    /// The result.
    fn result(&self, fault: InjectedFault) -> Option<R>;
}

impl<T, E: From<InjectedFault>> ByFault<Result<T, E>> for &&Convert<Result<T, E>> {
    fn result(&self, fault: InjectedFault) -> Option<Result<T, E>> {
        Some(Err(E::from(fault)))
    }
}

/// By `From<io::Error>`.
pub trait ByIo<R> {
    /// The result.
    fn result(&self, fault: InjectedFault) -> Option<R>;
}

impl<T, E: From<io::Error>> ByIo<Result<T, E>> for &Convert<Result<T, E>> {
    fn result(&self, fault: InjectedFault) -> Option<Result<T, E>> {
        Some(Err(E::from(io::Error::from(fault))))
    }
}

/// Not at all.
pub trait ByNothing<R> {
    /// Nothing.
    fn result(&self, fault: InjectedFault) -> Option<R>;
}

impl<R> ByNothing<R> for Convert<R> {
    fn result(&self, _: InjectedFault) -> Option<R> {
        None
    }
}

/// An error type that a fault can become.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot carry an injected fault",
    label = "no error can be made of this fault",
    note = "write `error(…)` in the kind, or implement `From<mmf::chaos::InjectedFault>` for the error type"
)]
pub trait CarriesFault {
    /// The fault as this error.
    fn carry(fault: InjectedFault) -> Self;
}

impl<E: From<InjectedFault>> CarriesFault for E {
    fn carry(fault: InjectedFault) -> Self {
        fault.into()
    }
}

/// The return type of a function that a fault can fail.
#[diagnostic::on_unimplemented(
    message = "a function that returns `{Self}` cannot fail",
    label = "this fault needs a `Result` to fail with",
    note = "return a `Result`, or name a kind that is late, hangs or panics"
)]
pub trait CanFail: CallResult {}

#[diagnostic::do_not_recommend]
impl<R: CallResult> CanFail for R {}

/// The result of a function whose attribute names a kind that fails.
pub fn failing<R: CanFail>(result: Result<R::Value, R::Error>) -> R {
    R::from_result(result)
}

/// The fault as such a result.
///
/// # Errors
///
/// The fault, always.
pub fn carried<T, E: CarriesFault>(fault: InjectedFault) -> Result<T, E> {
    Err(E::carry(fault))
}
