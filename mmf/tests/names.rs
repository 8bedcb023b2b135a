//! Two functions with one explicit name: a binary of its own, since the conflict is the whole program's.

use mmf::resilience::{NameConflict, policies, policy, try_policies};
use mmf::resilient;

#[resilient(name = "doubled", retry)]
async fn first() -> Result<u32, std::fmt::Error> {
    Ok(1)
}

#[resilient(name = "doubled", retry)]
async fn second() -> Result<u32, std::fmt::Error> {
    Ok(2)
}

#[tokio::test]
async fn both_places_are_named_and_neither_is_merged() {
    assert_eq!((first().await, second().await), (Ok(1), Ok(2)));
    let conflict = try_policies().unwrap_err();
    assert!(matches!(conflict, NameConflict::Policy { name: "doubled", .. }));
    let message = conflict.to_string();
    assert!(message.contains("names.rs:7") && message.contains("names.rs:12"), "{message}");
    let mut names: Vec<_> = policies().iter().map(|policy| policy.name().to_owned()).collect();
    names.sort();
    assert_eq!(names, ["doubled", "doubled@12"]);
    let second = policy("doubled@12").unwrap();
    assert_eq!((second.snapshot().calls, second.snapshot().name), (1, "doubled@12".into()));
    assert!(policy("doubled").unwrap().location().ends_with("names.rs:7"));
}

#[cfg(any(feature = "chaos", feature = "testing"))]
#[test]
#[should_panic(expected = "two functions are named \"doubled\"")]
fn a_test_tells_it() {
    mmf::testing::names_are_unique();
}

/// Whoever records a result records that as well: `cargo mmf test` fails by it.
#[cfg(feature = "testing")]
#[test]
fn a_record_tells_it() {
    use mmf::testing::results::{Outcome, Record, Results};

    let folder = std::env::temp_dir().join(format!("mmf-names-{}", std::process::id()));
    if std::env::var_os("MMF_TEST_CHILD").is_none() {
        // A process of its own, with results of its own.
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["a_record_tells_it", "--exact"])
            .env("MMF_TEST_CHILD", "1")
            .env("MMF_RESULTS", &folder)
            .status();
        assert!(status.unwrap().success());
        let results = Results::read(&folder).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        let record = &results.records["names::names_are_unique"];
        assert!(!record.passed && record.reasons[0].contains("names.rs:12"), "{record:?}");
        return;
    }
    Record::new("names::any", true, 1.0, Outcome::Test).write().unwrap();
}
