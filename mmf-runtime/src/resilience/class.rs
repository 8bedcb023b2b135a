//! Which outcome is what, for adapters: what their classifier says of a response or an error.

use std::fmt;
use std::time::Duration;

use mmf_rules::duration;

use super::outcome::Counted;

/// What an outcome is to the breaker and to the retry.
///
/// | class | breaker | retry |
/// | --- | --- | --- |
/// | `Success` | success | no |
/// | `Transient` | failure | yes, not before the hint |
/// | `Failure` | failure | no |
/// | `Ignored` | neither | no |
///
/// ```
/// # use mmf_runtime as mmf;
/// use mmf::resilience::Class;
///
/// fn of_status(status: u16) -> Class {
///     match status {
///         429 | 503 => Class::TRANSIENT,
///         500.. => Class::Failure,
///         _ => Class::Success,
///     }
/// }
/// assert!(of_status(503).is_transient() && !of_status(500).is_transient());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// It worked, or failed in a way that says nothing against the dependency.
    Success,
    /// It failed, and may work when it is tried again.
    Transient {
        /// When to come back, by the server's own word.
        retry_after: Option<Duration>,
    },
    /// It failed, and would again.
    Failure,
    /// It counts as nothing: somebody else gave it up.
    Ignored,
}

impl Class {
    /// [`Transient`](Self::Transient) without a hint.
    pub const TRANSIENT: Self = Self::Transient { retry_after: None };

    /// Where nobody says otherwise: a response is a success, an error transient.
    pub fn by_result<T, E>(result: Result<&T, &E>) -> Self {
        if result.is_ok() { Self::Success } else { Self::TRANSIENT }
    }

    /// Whether it is worth another attempt.
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Transient { .. })
    }

    /// Whether it says something against the dependency.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Transient { .. } | Self::Failure)
    }

    /// When to come back, by the server's own word.
    pub fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Transient { retry_after } => retry_after,
            _ => None,
        }
    }

    /// For the breaker.
    #[doc(hidden)]
    pub fn counted(self) -> Counted {
        match self {
            Self::Success => Counted::Success,
            Self::Transient { .. } | Self::Failure => Counted::Failure,
            Self::Ignored => Counted::Neither,
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Success => f.write_str("success"),
            Self::Transient { retry_after: None } => f.write_str("transient"),
            Self::Transient { retry_after: Some(after) } => {
                write!(f, "transient, retry after {}", duration::text(*after))
            }
            Self::Failure => f.write_str("failure"),
            Self::Ignored => f.write_str("ignored"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_is_what_the_table_says() {
        let hint = Some(Duration::from_secs(3));
        let table = [
            (Class::Success, Counted::Success, false, None),
            (Class::Transient { retry_after: hint }, Counted::Failure, true, hint),
            (Class::TRANSIENT, Counted::Failure, true, None),
            (Class::Failure, Counted::Failure, false, None),
            (Class::Ignored, Counted::Neither, false, None),
        ];
        for (class, counted, transient, hint) in table {
            assert_eq!(class.counted(), counted, "{class:?}");
            assert_eq!((class.is_transient(), class.retry_after()), (transient, hint), "{class:?}");
            assert_eq!(class.is_failure(), counted == Counted::Failure, "{class:?}");
        }
        assert_eq!(Class::Transient { retry_after: hint }.to_string(), "transient, retry after 3s");
        assert_eq!(Class::by_result::<_, ()>(Ok(&1)), Class::Success);
        assert_eq!(Class::by_result::<(), _>(Err(&1)), Class::TRANSIENT);
    }
}
