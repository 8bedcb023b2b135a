//! Two functions with one explicit name: a binary of its own, since no other listing works beside it.

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
    for listing in [
        std::panic::catch_unwind(|| policies().is_empty()),
        std::panic::catch_unwind(|| policy("doubled").is_some()),
    ] {
        let panic = listing.unwrap_err();
        assert_eq!(panic.downcast_ref::<String>(), Some(&message));
    }
}
