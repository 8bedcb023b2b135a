//! Lines as a service writes them. A process of their own, in which every thread that logs has a
//! subscriber: see `events.rs` for why.
#![cfg(feature = "logging")]

mod any_event;
mod formats;
mod operations;
mod support;

use mmf::correlation::{self, Context, CorrelationId};
use mmf::logging::{Redacted, ServiceLogger, Severity, json_layer};
use proptest::prelude::*;
use serde_json::{Value, json};
use tracing::field::Empty;
use tracing::{debug, error, info, info_span};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, registry};

use support::{Memory, config, keys, line_of, lines_of, parse};

#[test]
fn a_line_is_flat_and_in_its_order() {
    let lines = lines_of(&config(), || {
        let request = Context::from(CorrelationId::parse("req-123").unwrap());
        request.sync_scope(|| {
            let _outer = info_span!("outer", tenant = "acme", user_id = 1).entered();
            let _inner = info_span!("inner", step = 2).entered();
            info!(user_id = 7, plan = %"premium", "created");
        });
    });
    assert_eq!(
        keys(&lines[0]),
        [
            "timestamp",
            "level",
            "service",
            "trace_id",
            "span_id",
            "correlation_id",
            "message",
            "user_id",
            "plan",
            "step",
            "tenant"
        ]
    );
    let line = parse(&lines[0]);
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["service"], "users");
    assert_eq!(line["correlation_id"], "req-123");
    assert_eq!(line["message"], "created");
    assert_eq!((&line["user_id"], &line["tenant"]), (&json!(7), &json!("acme")));
    assert_eq!(line["trace_id"].as_str().unwrap().len(), 32);
}

#[test]
fn outside_a_request_there_are_no_ids() {
    let line = line_of(|| info!("alone"));
    let object = line.as_object().unwrap();
    assert_eq!(object.keys().len(), 4, "{line}");
}

#[test]
fn a_field_recorded_later_replaces_the_earlier_one() {
    let line = line_of(|| {
        let span = info_span!("request", status = 0, user = Empty);
        span.record("status", 200);
        span.record("user", "ada");
        span.record("status", 201);
        span.in_scope(|| info!("done"));
    });
    assert_eq!((&line["status"], &line["user"]), (&json!(201), &json!("ada")));
}

#[test]
fn reserved_keys_are_moved_aside() {
    let line = line_of(|| {
        let _span = info_span!("request", message = "of the span", level = 9).entered();
        info!(service = "mine", timestamp = 1, "hello");
    });
    assert_eq!((&line["service"], &line["field.service"]), (&json!("users"), &json!("mine")));
    assert_eq!(
        (&line["message"], &line["field.message"]),
        (&json!("hello"), &json!("of the span"))
    );
    assert_eq!((&line["field.level"], &line["field.timestamp"]), (&json!(9), &json!(1)));
}

#[test]
fn numbers_that_json_has_not_come_as_text() {
    let line = line_of(|| {
        info!(
            a = f64::NAN,
            b = f64::INFINITY,
            c = f64::NEG_INFINITY,
            d = 1.5,
            e = u128::MAX,
            f = i64::MIN
        );
    });
    assert_eq!(line["a"], "NaN");
    assert_eq!(line["b"], "Infinity");
    assert_eq!(line["c"], "-Infinity");
    assert_eq!(line["d"], 1.5);
    assert_eq!(line["f"], i64::MIN);
    assert_eq!(line["message"], "");
}

#[test]
fn an_error_comes_with_its_causes() {
    #[derive(Debug, thiserror::Error)]
    #[error("the request failed")]
    struct Failed(#[source] std::fmt::Error);
    let failure = Failed(std::fmt::Error);
    let line = line_of(|| error!(error = &failure as &dyn std::error::Error, "oh"));
    let cause = std::fmt::Error.to_string();
    assert_eq!(line["error"], format!("the request failed: {cause}"));
}

#[test]
fn secrets_are_not_printed() {
    let line = line_of(|| {
        info!(password = "p", user_token = 7, card = %Redacted("4111"), passwordless = true);
    });
    assert_eq!(
        (&line["password"], &line["user_token"]),
        (&json!("[redacted]"), &json!("[redacted]"))
    );
    assert_eq!((&line["card"], &line["passwordless"]), (&json!("[redacted]"), &json!(true)));
    let more = lines_of(&config().redact_also(["plan"]), || info!(plan = "x", password = "p"));
    assert_eq!(more[0].matches("[redacted]").count(), 2, "{}", more[0]);
    let own = lines_of(&config().redact(["plan"]), || info!(plan = "x", password = "p"));
    assert_eq!(
        (&parse(&own[0])["plan"], &parse(&own[0])["password"]),
        (&json!("[redacted]"), &json!("p"))
    );
}

#[test]
fn secrets_are_not_printed_in_any_spelling_of_their_keys() {
    let line = line_of(|| {
        let _span = info_span!("request", sessionId = "s", "x-api-key" = 7).entered();
        info!(
            accessToken = "s",
            apiKey = "s",
            secrets = "s",
            cookies = ?Some("s"),
            clientSecret = %"s",
            tokens_used = 17,
            tokenizer = "bpe",
            "created"
        );
    });
    let hidden =
        ["accessToken", "apiKey", "secrets", "cookies", "clientSecret", "sessionId", "x-api-key"];
    for key in hidden {
        assert_eq!(line[key], "[redacted]", "{key}");
    }
    assert_eq!((&line["tokens_used"], &line["tokenizer"]), (&json!(17), &json!("bpe")));
}

#[test]
fn what_a_pattern_matches_is_not_printed() {
    let config = config().redact_values([r"[\w.]+@[\w.]+", r"\b\d{4}-\d{4}\b"]);
    let mails = ["ada@example.org", "grace@example.org"];
    let work = || {
        let _span = info_span!("request", of_span = mails[0], "ada@example.org" = 1).entered();
        let failure = std::io::Error::other(mails[0]);
        info!(
            text = "card 1234-5678.",
            debug = ?mails,
            display = %mails[1],
            failure = &failure as &dyn std::error::Error,
            number = 12_345_678,
            harmless = "\"quoted\"",
            "{} wrote to {}@{}", mails[0], "grace", "example.org"
        );
    };
    let line = parse(&lines_of(&config, work)[0]);
    assert_eq!(line["message"], "[redacted] wrote to [redacted]");
    assert_eq!(line["text"], "card [redacted].");
    assert_eq!(line["debug"], "[\"[redacted]\", \"[redacted]\"]");
    for key in ["display", "failure", "of_span"] {
        assert_eq!(line[key], "[redacted]", "{key}");
    }
    assert_eq!((&line["number"], &line["harmless"]), (&json!(12_345_678), &json!("\"quoted\"")));
    assert_eq!(line["ada@example.org"], 1);
    let text = &lines_of(&config.format(mmf::logging::Format::Text), work)[0];
    assert!(text.contains(": [redacted] wrote to [redacted] text=\"card [redacted].\""), "{text}");
}

#[test]
fn an_incoming_id_that_is_replaced_is_told() {
    for ids in [&["req-1", "req-1"][..], &["a b"]] {
        let mut headers = axum::http::HeaderMap::new();
        for &id in ids {
            headers.append("x-correlation-id", axum::http::HeaderValue::from_static(id));
        }
        let line = line_of(|| {
            let request = correlation::from_headers(&headers);
            assert!(!ids.contains(&request.id.as_str()));
        });
        assert_eq!(line["level"], "WARN");
        assert!(line["message"].as_str().unwrap().contains("replaced"), "{line}");
    }
}

#[test]
fn a_value_that_logs_while_it_is_printed_does_no_harm() {
    struct Talking;
    impl std::fmt::Debug for Talking {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            // Not delivered: `tracing` itself keeps events out of the handling of an event.
            info!("inner");
            f.write_str("talking")
        }
    }
    assert_eq!(line_of(|| info!(value = ?Talking, "outer"))["value"], "talking");
}

#[test]
fn a_filter_of_this_layer_is_obeyed() {
    let memory = Memory::default();
    let layer = json_layer(&config(), memory.clone()).with_filter(LevelFilter::INFO);
    tracing::subscriber::with_default(registry().with(layer), || {
        debug!("not for this layer");
        info!("for it");
    });
    assert_eq!(String::from_utf8(memory.0.lock().unwrap().clone()).unwrap().lines().count(), 1);
}

#[test]
fn a_service_tells_of_itself() {
    let logger = ServiceLogger::new("users");
    let lines = lines_of(&config(), || {
        logger.service_startup("1.2.3", "production");
        logger.service_ready(8080);
        logger.request_start("create", "req-123");
        logger.request_end("create", "req-123", std::time::Duration::from_millis(12), false);
        logger.performance_metric("queue_depth", 17.0, "items", "gauge");
        logger.business_event("user_created");
        logger.security_event("login_failed", Severity::Critical);
        logger.service_shutdown("signal");
    });
    let expected = [
        json!({ "status": "starting", "version": "1.2.3", "environment": "production" }),
        json!({ "status": "ready", "port": 8080 }),
        json!({ "phase": "start", "operation": "create", "request_id": "req-123" }),
        json!({ "phase": "end", "duration_ms": 12.0, "success": false, "level": "WARN" }),
        json!({ "metric_name": "queue_depth", "value": 17.0, "unit": "items", "metric_type": "gauge" }),
        json!({ "event_type": "user_created", "event_category": "business" }),
        json!({ "event_category": "security", "severity": "critical", "level": "ERROR" }),
        json!({ "status": "shutting_down", "reason": "signal" }),
    ];
    assert_eq!(lines.len(), expected.len());
    for (line, expected) in lines.iter().zip(expected) {
        let line = parse(line);
        for (key, value) in expected.as_object().unwrap() {
            assert_eq!(&line[key], value, "{key} of {line}");
        }
    }
}

#[test]
fn fields_of_your_own_go_beside_those_of_an_event() {
    let logger = ServiceLogger::new("users");
    let line = line_of(|| {
        mmf::business_event!(logger, "user_created", user_id = %7, plan = "premium");
    });
    assert_eq!((&line["user_id"], &line["plan"]), (&json!("7"), &json!("premium")));
    assert_eq!(
        (&line["event_type"], &line["event_category"], &line["message"]),
        (&json!("user_created"), &json!("business"), &json!("user_created"))
    );
    let line = line_of(|| {
        mmf::security_event!(logger, "login_failed", Severity::Critical, ip = "10.0.0.1");
    });
    assert_eq!((&line["level"], &line["severity"]), (&json!("ERROR"), &json!("critical")));
    assert_eq!((&line["ip"], &line["event_category"]), (&json!("10.0.0.1"), &json!("security")));
    let line = line_of(|| {
        mmf::performance_metric!(logger, "depth", 3.0, "items", "gauge", queue = "mail");
    });
    assert_eq!((&line["metric_name"], &line["queue"]), (&json!("depth"), &json!("mail")));
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_requests_keep_their_ids_apart() {
    let memory = Memory::default();
    let subscriber = registry().with(json_layer(&config(), memory.clone()));
    let dispatch = tracing::Dispatch::new(subscriber);
    let requests: Vec<_> = (0..10_000)
        .map(|number| {
            use tracing::instrument::WithSubscriber;
            let id = CorrelationId::parse(&format!("req-{number}")).unwrap();
            let request = correlation::scope(id, async move {
                tokio::task::yield_now().await;
                // A task of the request goes on under its id.
                let inner = async move { info!(number, "in a task") };
                mmf::spawn(inner.with_current_subscriber()).await.unwrap();
                info!(number, "in the request");
            });
            tokio::spawn(request.with_subscriber(dispatch.clone()))
        })
        .collect();
    for request in requests {
        request.await.unwrap();
    }
    let text = String::from_utf8(memory.0.lock().unwrap().clone()).unwrap();
    assert_eq!(text.lines().count(), 20_000);
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["correlation_id"], format!("req-{}", line["number"]));
    }
}

proptest! {
    #[test]
    fn any_event_is_one_object_with_its_fields(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        any_event::check(&bytes);
    }
}

#[test]
fn what_the_fuzzer_kept_holds() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/any_event");
    let files = std::fs::read_dir(corpus).unwrap();
    let checked = files.map(|file| any_event::check(&std::fs::read(file.unwrap().path()).unwrap()));
    assert!(checked.count() > 10);
}
