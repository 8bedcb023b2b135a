//! Which schema a value is held against, and who sends the value.

use std::collections::BTreeSet;

/// Names of properties that only the other side sends.
pub(super) type Foreign = BTreeSet<String>;

/// Who sends the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub(super) enum Direction {
    /// `readOnly` properties are not required.
    Request,
    /// `writeOnly` properties are not required, nor allowed.
    Response,
}

impl Direction {
    /// What marks a property of the other direction.
    pub(super) fn foreign(self) -> &'static str {
        match self {
            Self::Request => "readOnly",
            Self::Response => "writeOnly",
        }
    }
}

/// Which schema: the file and the place in it, who sends the value, and which properties need not be there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub(super) struct Key {
    pub(super) file: usize,
    pub(super) pointer: String,
    pub(super) direction: Direction,
    pub(super) foreign: Foreign,
}
