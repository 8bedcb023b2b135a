//! One test of several that a file makes.

use crate::common::keys::Text;

/// An operation or an interaction.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) name: String,
    /// Its place in the file.
    pub(super) number: usize,
    /// Why its test cannot be run.
    pub(super) ignored: Option<String>,
    /// The Pact file that it is of.
    pub(super) pact: Option<Text>,
}
