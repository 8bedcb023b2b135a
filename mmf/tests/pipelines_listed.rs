//! Pipelines on the list of policies, which is one for the whole process: whoever looks at it holds what it lists for a
//! moment, so these are not beside other tests.

use std::time::Duration;

use mmf::resilience::{Pipeline, policies, policy};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn pipelines_are_listed_while_they_live_each_under_a_name_of_its_own() {
    it_is_listed_from_its_build_until_its_last_handle_is_gone();
    of_two_that_carry_one_name_each_is_listed();
}

fn it_is_listed_from_its_build_until_its_last_handle_is_gone() {
    let pipeline = Pipeline::builder(String::from("pipeline.listed")).timeout(secs(2)).build();
    let listed = policy("pipeline.listed").unwrap();
    assert!(listed.location().contains("pipelines_listed.rs:"), "{}", listed.location());
    assert_eq!(listed.describe(), "timeout = \"2s\"");
    drop(listed);
    let clone = pipeline.clone();
    drop(pipeline);
    assert!(policies().iter().any(|policy| policy.name() == "pipeline.listed"));
    drop(clone);
    assert!(policy("pipeline.listed").is_none());
}

fn of_two_that_carry_one_name_each_is_listed() {
    let first = Pipeline::builder("pipeline.twice").timeout(secs(1)).build();
    let second = Pipeline::builder("pipeline.twice").timeout(secs(2)).build();
    assert_eq!((first.name(), second.name()), ("pipeline.twice", "pipeline.twice#2"));
    assert_eq!(policy("pipeline.twice#2").unwrap().describe(), "timeout = \"2s\"");
    drop(first);
    let third = Pipeline::builder("pipeline.twice").timeout(secs(3)).build();
    assert_eq!(third.name(), "pipeline.twice", "the name is free again");
}
