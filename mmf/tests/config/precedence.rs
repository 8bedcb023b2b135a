//! Which of several values holds. The rows of MicroProfile Fault Tolerance 4.1, "Configuration", have their counterparts here:
//! a method is a policy, a class a glob, the global property `[defaults]`, and the annotation the attribute.

use std::time::Duration;

use mmf::resilience::{Pipeline, RetryPolicy};
use mmf::{config, resilient};

use super::{Error, alone, value, wrong};

#[resilient(name = "precedence.a.get", timeout = "1s", retry(max_attempts = 2))]
async fn a_get() -> Result<u8, Error> {
    Ok(1)
}

#[resilient(name = "precedence.a.put", timeout = "1s", retry)]
async fn a_put() -> Result<u8, Error> {
    Ok(1)
}

#[resilient(name = "precedence.b", breaker)]
async fn b() -> Result<u8, Error> {
    Ok(1)
}

#[resilient(
    name = "precedence.c",
    bulkhead(adaptive(min = 1)),
    fallback(stale(key(id), max_age = "5m"))
)]
async fn c(id: u8) -> Result<u8, Error> {
    Ok(id)
}

const GET: &str = "precedence.a.get";
const PUT: &str = "precedence.a.put";

fn attempts(policy: &str) -> (String, String) {
    value(policy, "retry.max_attempts").unwrap()
}

fn is(value: &str, origin: &str) -> (String, String) {
    (value.into(), origin.into())
}

#[test]
fn without_a_configuration_the_attribute_holds_and_then_the_default() {
    alone(async {
        assert_eq!(attempts(GET), is("2", "code"));
        assert_eq!(attempts(PUT), is("3", "default"));
        assert_eq!(value("precedence.b", "breaker.window"), Some(is("100", "default")));
        assert_eq!(value("precedence.b", "timeout"), None);
        let all = config::effective();
        let location = all.iter().find(|v| &*v.policy == GET && v.key == "timeout").unwrap();
        assert!(location.origin.to_string().contains("precedence.rs:"), "{location:?}");
    });
}

#[test]
fn what_is_written_as_the_default_is_written_and_what_follows_from_another_value_is_not() {
    alone(async {
        let [min, max, algorithm] =
            ["min", "max", "algorithm"].map(|own| format!("bulkhead.adaptive.{own}"));
        let (age, capacity) = ("fallback.stale.max_age", "fallback.stale.capacity");
        let value = |key: &str| value("precedence.c", key).unwrap();
        assert_eq!((value(&min), value(&max)), (is("1", "code"), is("200", "default")));
        assert_eq!(value(&algorithm), is("\"gradient\"", "default"));
        assert_eq!((value(age), value(capacity)), (is("\"5m\"", "code"), is("1000", "default")));
        config::apply(
            "[policies.\"precedence.c\"]\nbulkhead.adaptive.min = 5\nfallback.stale.capacity = 7",
        )
        .unwrap();
        assert_eq!((value(&min), value(&max)), (is("5", "text:2:19"), is("200", "default")));
        assert_eq!((value(age), value(capacity)), (is("\"5m\"", "code"), is("7", "text:3:16")));
    });
}

#[test]
fn defaults_are_above_the_attribute_and_for_whoever_has_the_group() {
    alone(async {
        config::apply("[defaults]\nretry.max_attempts = 4").unwrap();
        assert_eq!(attempts(GET), is("4", "text:2:7"));
        assert_eq!(attempts(PUT), is("4", "text:2:7"));
        assert_eq!(value("precedence.b", "retry.max_attempts"), None);
    });
}

#[test]
fn a_glob_is_above_the_defaults_and_a_name_above_that() {
    alone(async {
        let defaults = "[defaults]\nretry.max_attempts = 4\n";
        let glob = "[policies.\"precedence.a.*\"]\nretry.max_attempts = 5\n";
        let name = "[policies.\"precedence.a.get\"]\nretry.max_attempts = 6\n";
        // In whatever order they are written.
        config::apply(&format!("{name}{glob}{defaults}")).unwrap();
        assert_eq!((attempts(GET), attempts(PUT)), (is("6", "text:2:7"), is("5", "text:4:7")));
        config::apply(&format!("{glob}{defaults}")).unwrap();
        assert_eq!((attempts(GET), attempts(PUT)), (is("5", "text:2:7"), is("5", "text:2:7")));
    });
}

#[test]
fn of_globs_the_one_with_the_longest_beginning_wins_and_then_the_longest() {
    alone(async {
        let glob = |glob: &str, attempts: u32| {
            format!("[policies.{glob:?}]\nretry.max_attempts = {attempts}\n")
        };
        config::apply(&(glob("precedence.a*", 5) + &glob("*.a.get*precedence.a.get", 6)))
            .unwrap_err();
        config::apply(&(glob("precedence.a*", 5) + &glob("*edence.a.get", 6))).unwrap();
        assert_eq!(attempts(GET).0, "5");
        config::apply(&(glob("precedence.a*get", 6) + &glob("precedence.a*", 5))).unwrap();
        assert_eq!(attempts(GET).0, "6");
        assert_eq!(attempts(PUT).0, "5");
        let tie = glob("precedence.a*et", 6) + &glob("precedence.a*t*", 5);
        assert_eq!(
            wrong(&tie),
            "text:4:7: `precedence.a*et` and `precedence.a*t*` both match `precedence.a.get`, and neither is the more \
             exact: write its `retry.max_attempts` under its own name"
        );
        config::apply(&(tie.clone() + &glob("precedence.a.get", 7))).unwrap();
        assert_eq!(attempts(GET).0, "7");
        // Without a key in common there is nothing to decide.
        config::apply("[policies.\"precedence.a*et\"]\nretry = 6\n[policies.\"precedence.a*t*\"]\ntimeout = \"2s\"")
            .unwrap();
    });
}

#[test]
fn keys_of_weaker_tables_that_a_stronger_one_does_not_name_hold() {
    alone(async {
        config::apply(
            "[defaults]\nretry.jitter = 0.3\n[policies.\"precedence.a*\"]\nretry.base_delay = \"2s\"\n\
             [policies.\"precedence.a.get\"]\nretry.max_attempts = 6",
        )
        .unwrap();
        assert_eq!(value(GET, "retry.jitter").unwrap().0, "0.3");
        assert_eq!(value(GET, "retry.base_delay").unwrap().0, "\"2s\"");
        assert_eq!(attempts(GET).0, "6");
    });
}

#[test]
fn what_is_turned_off_for_all_is_turned_on_for_one() {
    alone(async {
        config::apply(
            "[defaults]\nretry.enabled = false\n[policies.\"precedence.a.get\"]\nretry.enabled = true",
        )
        .unwrap();
        assert_eq!(value(GET, "retry.enabled"), Some(is("true", "text:4:7")));
        assert_eq!(value(PUT, "retry.enabled"), Some(is("false", "text:2:7")));
    });
}

#[resilient(name = "precedence.hedged", hedge(delay = "1s"))]
async fn hedged() -> Result<u8, Error> {
    Ok(1)
}

#[test]
fn of_a_delay_and_a_percentile_the_stronger_holds() {
    alone(async {
        config::apply(
            "[defaults]\nhedge.percentile = 90\n[policies.\"precedence.hedged\"]\nhedge.delay = \"3s\"",
        )
        .unwrap();
        assert_eq!(value("precedence.hedged", "hedge.delay"), Some(is("\"3s\"", "text:4:7")));
        assert_eq!(value("precedence.hedged", "hedge.percentile"), None);
        config::apply("[defaults]\nhedge.percentile = 90").unwrap();
        assert_eq!(value("precedence.hedged", "hedge.percentile").unwrap().0, "90.0");
        let both = wrong("[defaults]\nhedge = { percentile = 90, delay = \"3s\" }");
        assert!(both.contains("`delay` and `percentile` exclude each other"), "{both}");
    });
}

#[test]
fn a_pipeline_has_its_values_whenever_it_is_built() {
    alone(async {
        let retry = || RetryPolicy::builder().max_attempts(2).build();
        let build = |name: &'static str| {
            Pipeline::builder(name).timeout(Duration::from_secs(1)).retry(retry()).build()
        };
        let before = build("precedence.p.before");
        config::apply("[policies.\"precedence.p.*\"]\ntimeout = \"3s\"\nretry.max_attempts = 1")
            .unwrap();
        let after = build("precedence.p.after");
        for pipeline in [&before, &after] {
            assert_eq!(pipeline.timeout(), Some(Duration::from_secs(3)), "{pipeline:?}");
            assert!(!pipeline.repeats());
            assert_eq!(value(pipeline.name(), "timeout"), Some(is("\"3s\"", "text:2:1")));
        }
        config::apply("").unwrap();
        for pipeline in [&before, &after] {
            assert_eq!(pipeline.timeout(), Some(Duration::from_secs(1)));
            assert!(pipeline.repeats());
        }
    });
}
