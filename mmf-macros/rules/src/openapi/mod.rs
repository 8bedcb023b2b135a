//! OpenAPI 3.0 and 3.1, read: by the attribute when tests are compiled, and by the tests when they run. What requests
//! and answers have to be is said by the tests, in `mmf::testing`.
//!
//! `text` makes values of JSON and YAML, `files` those of one document, `names` what its schemas name themselves by,
//! `sources` both; `place` is the way through it, references followed. `document` knows its operations, `operation`
//! what is said of one, `schema` looks through what schemas are composed of, `example` finds what a request is made of, and `references` looks whether all lead somewhere.

mod document;
mod example;
mod files;
mod names;
mod operation;
mod place;
mod references;
mod schema;
mod sources;
mod text;

pub use document::Document;
pub use example::{Needed, example, is_said_elsewhere, is_writable, needed};
pub use files::in_folder;
pub use names::Version;
pub use operation::Operation;
pub use place::Place;
pub use schema::{Kinds, is_free_form, item, kinds, parts, properties, property, subschemas};
pub use sources::Sources;
