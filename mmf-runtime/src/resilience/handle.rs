//! The ways to hand a policy over: by value, by reference, in an `Arc` or in a `static` `LazyLock`.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

/// A policy that a call holds or borrows; everything that accepts one takes `impl Into<Held<_>>`.
pub enum Held<'a, P> {
    /// By value.
    Owned(P),
    /// By reference.
    Borrowed(&'a P),
    /// Shared.
    Shared(Arc<P>),
}

impl<P> Deref for Held<'_, P> {
    type Target = P;

    #[inline]
    fn deref(&self) -> &P {
        match self {
            Self::Owned(policy) => policy,
            Self::Borrowed(policy) => policy,
            Self::Shared(policy) => policy,
        }
    }
}

impl<P: fmt::Debug> fmt::Debug for Held<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<P> From<P> for Held<'_, P> {
    fn from(policy: P) -> Self {
        Self::Owned(policy)
    }
}

impl<'a, P> From<&'a P> for Held<'a, P> {
    fn from(policy: &'a P) -> Self {
        Self::Borrowed(policy)
    }
}

impl<P> From<Arc<P>> for Held<'_, P> {
    fn from(policy: Arc<P>) -> Self {
        Self::Shared(policy)
    }
}

impl<'a, P> From<&'a Arc<P>> for Held<'a, P> {
    fn from(policy: &'a Arc<P>) -> Self {
        Self::Borrowed(policy)
    }
}

impl<'a, P, F: FnOnce() -> P> From<&'a LazyLock<P, F>> for Held<'a, P> {
    fn from(policy: &'a LazyLock<P, F>) -> Self {
        Self::Borrowed(policy)
    }
}
