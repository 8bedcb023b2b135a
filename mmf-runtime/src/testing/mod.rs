//! What tests leave behind: a record for each, in files that gates and reports read.

pub mod results;
