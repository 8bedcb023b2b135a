//! The id of a request.

use std::fmt;
use std::sync::Arc;

/// The longest id that is taken over.
const LONGEST: usize = 128;

/// The id of a request: 1 to 128 characters out of letters, digits and `._-:/+=@`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CorrelationId(Arc<str>);

/// An id from outside that is not taken over: too long, empty, or with characters that do not belong
/// into a log line or a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a correlation id has 1 to 128 characters out of letters, digits and ._-:/+=@")]
pub struct UnsafeId;

impl CorrelationId {
    /// A new one: 32 random hexadecimal digits.
    pub fn new() -> Self {
        Self(format!("{:032x}", rand::random::<u128>()).into())
    }

    /// Takes an id over.
    ///
    /// # Errors
    ///
    /// Where it is too long, empty, or has other characters.
    ///
    /// ```
    /// # use mmf_runtime as mmf;
    /// use mmf::correlation::CorrelationId;
    /// assert!(CorrelationId::parse("req-123").is_ok());
    /// assert!(CorrelationId::parse("a\nb").is_err());
    /// ```
    pub fn parse(id: &str) -> Result<Self, UnsafeId> {
        let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:/+=@".contains(&byte);
        if id.is_empty() || id.len() > LONGEST || !id.bytes().all(is_safe) {
            return Err(UnsafeId);
        }
        Ok(Self(id.into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for CorrelationId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CorrelationId({self})")
    }
}
