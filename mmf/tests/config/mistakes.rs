//! What cannot be is told, all of it, where it stands, and nothing has changed.

use std::sync::LazyLock;
use std::time::Duration;

use mmf::resilience::{CircuitBreaker, Pipeline};
use mmf::{config, resilient};

use super::{Error, alone, value, wrong};

#[resilient(name = "mistakes.client", timeout = "1s", retry(max_attempts = 2, base_delay = "1s"))]
async fn client() -> Result<u8, Error> {
    Ok(1)
}

#[resilient(name = "mistakes.windowed", breaker(window = 50, minimum_throughput = 20), bulkhead)]
async fn windowed() -> Result<u8, Error> {
    Ok(1)
}

#[derive(Debug)]
struct Plain;

#[resilient(name = "mistakes.plain", retry(max_attempts = 2))]
async fn plain() -> Result<u8, Plain> {
    Err(Plain)
}

#[resilient(name = "mistakes.local", timeout = limit, retry(base_delay = limit))]
async fn local(limit: Duration) -> Result<u8, Error> {
    let _ = limit;
    Ok(1)
}

fn said(policy: &str, values: &str) -> String {
    wrong(&format!("[policies.{policy:?}]\n{values}"))
}

#[test]
fn with_one_mistake_nothing_changes() {
    alone(async {
        config::apply("[policies.\"mistakes.client\"]\ntimeout = \"3s\"").unwrap();
        let mistakes = config::apply(
            "[policies.\"mistakes.client\"]\ntimeout = \"4s\"\nretry.max_attempts = 0\nretry.jitter = 7\n\
             [policies.\"mistakes.clent\"]\n",
        )
        .unwrap_err();
        assert_eq!(
            mistakes.to_string(),
            "text:3:7: `max_attempts` must be at least 1\n\
             text:4:7: `jitter` is a share between 0.0 and 1.0: for 7 % write `jitter = 0.07`\n\
             text:5:11: unknown policy `mistakes.clent`, did you mean `mistakes.client`?"
        );
        let first = &mistakes.mistakes()[0];
        assert_eq!((first.source.as_str(), first.line, first.column), ("text", 3, 7));
        assert_eq!(value("mistakes.client", "timeout").unwrap().0, "\"3s\"");
        let unknown = wrong("[policies.\"mistakes.clent\"]\n[policies.\"no.such.*\"]");
        assert_eq!(
            unknown,
            "text:1:11: unknown policy `mistakes.clent`, did you mean `mistakes.client`?\n\
             text:2:11: no policy is called `no.such.*`"
        );
        assert_eq!(value("mistakes.client", "timeout").unwrap().0, "\"3s\"");
    });
}

#[test]
fn what_the_attribute_does_not_have_is_written_there() {
    alone(async {
        for (policy, values, words) in [
            (
                "mistakes.client",
                "breaker.failure_threshold = 3",
                "`mistakes.client` has no `breaker`: write `breaker(failure_threshold = …)` in its attribute",
            ),
            (
                "mistakes.client",
                "hedge.enabled = false",
                "has no `hedge`: write `hedge` in its attribute",
            ),
            ("mistakes.client", "deadline = \"9s\"", "has no `deadline`: write `deadline = …` in"),
            ("mistakes.client", "fallback.enabled = false", "has no `fallback`"),
            (
                "mistakes.client",
                "disable_at = \"minor\"",
                "has no `feature`: write `feature = \"recommendations\", disable_at = …` in its attribute",
            ),
            (
                "mistakes.windowed",
                "breaker.max_keys = 5",
                "`max_keys` does nothing without `key(…)`",
            ),
            (
                "mistakes.windowed",
                "bulkhead.adaptive.max = 5",
                "has no `adaptive`: write `bulkhead(adaptive)`",
            ),
            ("mistakes.plain", "enabled = false", "so write `refused(…)` in its attribute"),
            ("mistakes.local", "timeout = \"1s\"", "depends on each call"),
            ("mistakes.local", "retry.max_attempts = 1", "depends on each call"),
        ] {
            let said = said(policy, values);
            assert!(said.starts_with("text:2:") && said.contains(words), "{values}: {said}");
        }
        assert!(
            said("mistakes.client", "breaker = 3").contains("mistakes.rs:"),
            "its place is told"
        );
        assert!(plain().await.is_err());
        config::apply("[policies.\"mistakes.local\"]\nretry.enabled = false").unwrap();
    });
}

#[test]
fn a_glob_is_wrong_where_none_has_what_it_sets() {
    alone(async {
        config::apply("[policies.\"mistakes.*\"]\nbreaker.window = 40").unwrap();
        assert_eq!(value("mistakes.windowed", "breaker.window").unwrap().0, "40");
        let none = wrong("[policies.\"mistakes.c*\"]\nbreaker.window = 40");
        assert!(none.contains("has no `breaker`"), "{none}");
    });
}

#[test]
fn values_are_held_against_each_other_as_the_attribute_does() {
    alone(async {
        for (policy, values, place, words) in [
            (
                "mistakes.client",
                "retry.base_delay = \"2m\"",
                "text:2:7",
                "`max_delay` of 1m is below `base_delay` of 2m",
            ),
            // The value that is wrong is not in the file: its kin is.
            (
                "mistakes.client",
                "timeout = \"2s\"\nretry.base_delay = \"2m\"",
                "text:3:7",
                "`max_delay` of 1m is below `base_delay` of 2m",
            ),
            (
                "mistakes.windowed",
                "breaker.window = 5",
                "text:2:9",
                "`minimum_throughput` of 20 is above the window of 5",
            ),
            (
                "mistakes.windowed",
                "breaker.recovery_multiplier = 2\nbreaker.max_recovery_timeout = \"30s\"",
                "text:3:9",
                "`max_recovery_timeout` of 30s is below `recovery_timeout` of 1m",
            ),
            (
                "mistakes.windowed",
                "breaker.failure_threshold = 0\nbreaker.failure_rate_threshold = 0",
                "text:2:9",
                "this breaker can never open",
            ),
            (
                "mistakes.windowed",
                "breaker.slow_call_rate_threshold = 0.5",
                "text:2:9",
                "does nothing without `slow_call_threshold`",
            ),
        ] {
            let said = said(policy, values);
            assert!(said.starts_with(place) && said.contains(words), "{values}: {said}");
        }
    });
}

#[resilient(name = "mistakes.shared.one", breaker(shared = "mistakes.db", failure_threshold = 5))]
async fn one() -> Result<u8, Error> {
    Ok(1)
}

#[resilient(name = "mistakes.shared.other", breaker(shared = "mistakes.db"))]
async fn other() -> Result<u8, Error> {
    Ok(1)
}

#[test]
fn two_that_share_a_breaker_agree_on_it() {
    alone(async {
        let text = |one: &str, other: &str| {
            format!(
                "[policies.\"mistakes.shared.one\"]\n{one}\n[policies.\"mistakes.shared.other\"]\n{other}"
            )
        };
        config::apply(&text("breaker = 9", "")).unwrap();
        let other = value("mistakes.shared.other", "breaker.failure_threshold").unwrap();
        assert_eq!(other, ("9".into(), "text:2:1".into()), "by way of the one that wants it");
        config::apply(&text("breaker = 9", "breaker = 9\nbreaker.window = 70")).unwrap_err();
        config::apply(&text("breaker = 9", "breaker = { failure_threshold = 9, window = 70 }"))
            .unwrap();
        assert_eq!(value("mistakes.shared.one", "breaker.window").unwrap().0, "70");
        let disagree = wrong(&text("breaker = 9", "breaker = 8"));
        assert_eq!(
            disagree,
            "text:4:1: `mistakes.shared.one` and `mistakes.shared.other` share one breaker: give both the same \
             `breaker.failure_threshold`, or one of them none"
        );
    });
}

static LIMITS: LazyLock<Pipeline> = LazyLock::new(|| {
    Pipeline::builder("mistakes.pipeline")
        .deadline(Duration::from_secs(5))
        .timeout(Duration::from_secs(1))
        .breaker(CircuitBreaker::builder("mistakes.pipeline").build())
        .build()
});

#[test]
fn a_pipeline_is_told_what_its_builder_has() {
    alone(async {
        LazyLock::force(&LIMITS);
        let none = said("mistakes.pipeline", "retry.max_attempts = 3");
        assert!(
            none.contains("`mistakes.pipeline` has no `retry`: call `.retry(…)` on its builder"),
            "{none}"
        );
        let long = said("mistakes.pipeline", "timeout = \"9s\"");
        assert!(
            long.starts_with("text:2:1: a `deadline` of 5s is shorter than one `timeout` of 9s"),
            "{long}"
        );
        let short = said("mistakes.pipeline", "deadline = \"500ms\"");
        assert!(short.starts_with("text:2:1: a `deadline` of 500ms is shorter"), "{short}");
        let fallback = said("mistakes.pipeline", "fallback.enabled = false");
        assert!(fallback.contains("a pipeline's fallback is said at each call"), "{fallback}");
    });
}

#[test]
fn a_default_that_several_cannot_have_is_told_once() {
    alone(async {
        let said = wrong("[defaults]\nretry.base_delay = \"2m\"");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains("(`") && said.ends_with("more)"), "{said}");
        let two = "[defaults]\nretry.base_delay = \"2m\"\nbreaker.max_recovery_timeout = \"1ms\"";
        let said = wrong(two);
        assert!(
            said.lines().count() >= 2 && said.contains("text:2:7: ") && said.contains("text:3:9: "),
            "{said}"
        );
    });
}

#[test]
fn a_name_that_is_not_quoted_is_one_mistake_and_others_are_told_beside_it() {
    alone(async {
        let said = wrong("[policies.mistakes.client]\ntimeout = \"1s\"\n[policies.nobody]");
        let [first, second] = said.lines().collect::<Vec<_>>()[..] else { panic!("{said}") };
        assert!(
            first.starts_with("text:1:20: unknown key `client`; a name that has dots is quoted"),
            "{said}"
        );
        assert!(second.starts_with("text:3:11: unknown policy `nobody`"), "{said}");
    });
}

#[test]
fn a_range_that_is_none_is_one_mistake() {
    alone(async {
        let said = said("keys.adaptive", "bulkhead.adaptive.min = 60");
        assert_eq!(said, "text:2:19: `max` of 50 is below `min` of 60");
    });
}

#[test]
fn a_mistake_is_printed_as_text() {
    let wrong = config::check("[policies.\"mistakes.clent\"]").unwrap_err();
    assert_eq!(format!("{wrong:?}"), format!("\n{wrong}"));
    let folder = std::env::temp_dir().join(format!("mmf-checked-{}.toml", std::process::id()));
    std::fs::write(&folder, "[defaults]\ntimeout = 3").unwrap();
    let wrong = config::check_file(&folder).unwrap_err().to_string();
    std::fs::remove_file(&folder).unwrap();
    assert!(wrong.contains(".toml:2:1: a duration needs a unit"), "{wrong}");
    config::check_file(&folder).unwrap_err();
}

#[test]
fn a_text_is_checked_without_being_put_in_force() {
    alone(async {
        config::check("[policies.\"mistakes.client\"]\ntimeout = \"7s\"").unwrap();
        assert_eq!(value("mistakes.client", "timeout").unwrap().0, "\"1s\"");
        config::check("[policies.\"mistakes.client\"]\ntimeout = 7").unwrap_err();
        config::check("[policies.\"mistakes.windowed\"]\nbreaker.window = 5").unwrap_err();
        config::check("[policies.\"mistakes.window\"]").unwrap_err();
    });
}

#[test]
fn a_file_that_is_not_there_is_named() {
    alone(async {
        let missing = config::load("no/such/file.toml").unwrap_err().to_string();
        assert!(missing.starts_with("no/such/file.toml: cannot be read: "), "{missing}");
    });
}
