//! What the attributes share: values with units, patterns, functions, and errors.

pub(crate) mod anatomy;
pub(crate) mod arguments;
pub(crate) mod block;
pub(crate) mod body;
pub(crate) mod errors;
pub(crate) mod function;
pub(crate) mod future;
pub(crate) mod keys;
pub(crate) mod names;
pub(crate) mod pattern;
pub(crate) mod shell;
pub(crate) mod size;
pub(crate) mod source;
pub(crate) mod test;
pub(crate) mod value;
