use mmf::resilience::{policies, policy, try_policies};
use mmf::resilient;

use crate::support::*;

#[resilient(name = "registry.never_called", timeout = "2s", retry = 5, breaker)]
async fn never_called(script: &Script) -> Result<u32, Error> {
    script.play().await
}

#[resilient(timeout = "2s")]
async fn unnamed(script: &Script) -> Result<u32, Error> {
    script.play().await
}

struct One;
struct Two;

impl One {
    #[resilient(retry)]
    async fn get(&self) -> Result<u32, Error> {
        Ok(1)
    }
}

impl Two {
    #[resilient(retry)]
    async fn get(&self) -> Result<u32, Error> {
        Ok(2)
    }
}

#[test]
fn a_function_that_was_never_called_is_listed() {
    let policy = policies().into_iter().find(|policy| policy.name() == "registry.never_called");
    let policy = policy.unwrap();
    assert!(policy.location().ends_with("tests/it/registry.rs:7"), "{}", policy.location());
    assert!(policy.describe().starts_with("timeout = \"2s\", retry(max_attempts = 5, backoff"));
    assert_eq!(policy.snapshot().calls, 0);
    assert_eq!(policy.breaker().unwrap().name(), "registry.never_called");
}

#[tokio::test]
async fn the_default_name_is_module_path_and_function() {
    unnamed(&Script::new([Good])).await.unwrap();
    let policy = policy(concat!(module_path!(), "::unnamed")).unwrap();
    assert_eq!(policy.snapshot().calls, 1);
}

#[tokio::test]
async fn two_functions_with_one_default_name_are_told_apart_by_their_line() {
    One.get().await.unwrap();
    Two.get().await.unwrap();
    Two.get().await.unwrap();
    let prefix = concat!(module_path!(), "::get@");
    let calls: Vec<_> = try_policies()
        .unwrap()
        .into_iter()
        .filter(|policy| policy.name().starts_with(prefix))
        .map(|policy| policy.snapshot().calls)
        .collect();
    assert_eq!(calls, [1, 2]);
}

#[tokio::test]
async fn a_snapshot_serialises() {
    #[resilient(name = "registry.json", breaker, bulkhead)]
    async fn f(script: &Script) -> Result<u32, Error> {
        script.play().await
    }
    f(&Script::new([Good])).await.unwrap();
    let json = serde_json::to_value(policy("registry.json").unwrap().snapshot()).unwrap();
    assert_eq!(json["calls"], 1);
    assert_eq!(json["breaker"]["state"], "closed");
    assert_eq!(json["breaker"]["successes"], 1);
    assert_eq!(json["bulkhead"]["running"], 0);
}
