//! Results and gates, told: `quality` holds them, `sums` and `origin` say how many tests there are and of which run,
//! `history` keeps the runs before it, `html` makes a page of all that.

mod history;
mod html;
mod origin;
mod quality;
mod sums;

pub use history::Run;
pub use quality::QualityReport;
pub use sums::Sums;
