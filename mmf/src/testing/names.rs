//! Names of policies, as a test.

use super::results::{Outcome, Record};
use mmf_runtime::resilience::{NameConflict, try_policies};

/// Fails where two functions of this program carry one name, or configure one shared breaker differently, and says
/// where both stand. Worth a test of its own; `cargo mmf test` has it for every program that records a result.
///
/// ```
/// // in a #[test] fn names_are_unique()
/// mmf::testing::names_are_unique();
/// ```
///
/// # Panics
///
/// There.
#[track_caller]
pub fn names_are_unique() {
    if let Err(conflict) = try_policies() {
        panic!("{conflict}");
    }
}

/// The test as a record, where it fails: beside the results of the tests of this program.
pub(super) fn record_of_conflict(program: &str) -> Option<Record> {
    try_policies().err().map(|conflict| of(program, &conflict))
}

fn of(program: &str, conflict: &NameConflict) -> Record {
    let test = format!("{program}::names_are_unique");
    Record::new(test, false, 0.0, Outcome::Test).because(&[conflict.to_string()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conflict_is_a_test_that_failed() {
        names_are_unique();
        assert_eq!(record_of_conflict("it"), None);
        let conflict =
            NameConflict::Policy { name: "users", first: "a.rs:1".into(), second: "b.rs:2".into() };
        let record = of("it", &conflict);
        assert_eq!((record.test.as_str(), record.passed), ("it::names_are_unique", false));
        assert!(record.reasons[0].contains("a.rs:1") && record.reasons[0].contains("b.rs:2"));
    }
}
