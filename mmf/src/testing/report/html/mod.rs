//! The report as one page: no script, no request, light and dark, readable on a phone. `page` is all of it, `sections`
//! its tables and cards, `plots` its drawings, `parts` what several need.

mod page;
mod parts;
mod plots;
mod sections;
