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
