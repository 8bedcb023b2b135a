//! What the dependency does with each request, by its number.

use crate::given::host;
use crate::subject::Step;

/// A hundredth hangs, some requests are slow, some fail; of every five hundred a dozen in a row fail, so
/// that breakers open.
pub(crate) fn usual(request: u64, _: u64) -> Step {
    if request % 500 >= 488 {
        return Step::Fail;
    }
    match request % 100 {
        7 => Step::Hang,
        11 | 31 | 51 | 71 => Step::Slow,
        3 | 23 | 43 | 63 | 83 => Step::Fail,
        17 | 67 => Step::Busy,
        rest if rest.is_multiple_of(4) => Step::Yield,
        _ => Step::Fine,
    }
}

/// Of every two hundred, forty in a row are slow.
pub(crate) fn often_slow(request: u64, _: u64) -> Step {
    match request % 200 {
        160.. => Step::Slow,
        7 => Step::Hang,
        23 => Step::Fail,
        rest if rest.is_multiple_of(4) => Step::Yield,
        _ => Step::Fine,
    }
}

/// Of everything more.
pub(crate) fn rough(request: u64, _: u64) -> Step {
    match request % 300 {
        288.. => Step::Fail,
        50 | 150 => Step::Hang,
        100..140 => Step::Slow,
        170 | 190 | 210 => Step::Busy,
        rest if rest.is_multiple_of(4) => Step::Yield,
        _ => Step::Fine,
    }
}

/// Every eighth host is down half of the time.
pub(crate) fn by_host(request: u64, job: u64) -> Step {
    if host(job) % 8 == 3 && request % 4000 < 2000 { Step::Fail } else { usual(request, job) }
}
