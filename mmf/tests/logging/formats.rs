//! A line of each format, field by field against what its schema says.

use mmf::correlation::{Context, CorrelationId};
use mmf::logging::Format;
use serde_json::{Value, json};
use tracing::{error, info, info_span};

use crate::support::{config, keys, lines_of, parse};

fn line(format: Format) -> String {
    let config = config().version("1.2.3").environment("test").format(format);
    let mut lines = lines_of(&config, || {
        let request = Context::from(CorrelationId::parse("req-123").unwrap());
        request.sync_scope(|| {
            let _span = info_span!("request", tenant = "acme").entered();
            info!(target: "users::store", user_id = 7, plan = "pre\"mium", "created \"ada\"\n");
        });
    });
    lines.remove(0)
}

/// Elastic Common Schema 8.11 (field reference) and the specification of its logging libraries.
#[test]
fn ecs() {
    let text = line(Format::Ecs);
    let line = parse(&text);
    assert_eq!(keys(&text)[..3], ["@timestamp", "log.level", "message"]);
    assert_eq!(line["ecs.version"], "8.11.0");
    assert_eq!(line["log.level"], "info");
    assert_eq!(line["log.logger"], "users::store");
    assert_eq!(line["message"], "created \"ada\"\n");
    assert_eq!(line["service.name"], "users");
    assert_eq!(line["service.version"], "1.2.3");
    assert_eq!(line["service.environment"], "test");
    assert!(is_hex(&line["trace.id"], 32) && is_hex(&line["span.id"], 16));
    assert_eq!(line["labels.correlation_id"], "req-123");
    assert_eq!((&line["user_id"], &line["tenant"]), (&json!(7), &json!("acme")));
    assert!(is_date(&line["@timestamp"]));
}

/// No field of the user's may be an object and a value at once in an index.
#[test]
fn ecs_keeps_its_objects_free_of_values() {
    let lines = lines_of(&config().format(Format::Ecs), || {
        error!(service = 1, trace = 2, log = 3, error = "broken", "log.level" = 4, "oh");
    });
    let line = parse(&lines[0]);
    assert_eq!((&line["field.service"], &line["field.trace"]), (&json!(1), &json!(2)));
    assert_eq!((&line["field.log"], &line["field.log.level"]), (&json!(3), &json!(4)));
    assert_eq!((&line["error.message"], &line["log.level"]), (&json!("broken"), &json!("error")));
}

/// The log data model of OpenTelemetry, its top-level fields and the types of each.
#[test]
fn otel() {
    let text = line(Format::Otel);
    let line = parse(&text);
    let allowed = [
        "Timestamp",
        "ObservedTimestamp",
        "TraceId",
        "SpanId",
        "TraceFlags",
        "SeverityText",
        "SeverityNumber",
        "Body",
        "Resource",
        "InstrumentationScope",
        "Attributes",
        "EventName",
    ];
    assert!(
        keys(&text)
            .iter()
            .all(|key| { allowed.contains(&key.as_str()) || key.contains('.') || key == "Name" })
    );
    for key in line.as_object().unwrap().keys() {
        assert!(allowed.contains(&key.as_str()), "{key}");
    }
    let nanos: u64 = line["Timestamp"].as_str().unwrap().parse().unwrap();
    assert!(nanos > 1_700_000_000_000_000_000);
    assert!(is_hex(&line["TraceId"], 32) && is_hex(&line["SpanId"], 16));
    assert_eq!((&line["TraceFlags"], &line["SeverityNumber"]), (&json!(1), &json!(9)));
    assert_eq!(
        (&line["SeverityText"], &line["Body"]),
        (&json!("INFO"), &json!("created \"ada\"\n"))
    );
    assert_eq!(
        line["Resource"],
        json!({ "service.name": "users", "service.version": "1.2.3", "deployment.environment.name": "test" })
    );
    assert_eq!(line["InstrumentationScope"], json!({ "Name": "users::store" }));
    assert_eq!(
        line["Attributes"],
        json!({ "correlation_id": "req-123", "user_id": 7, "plan": "pre\"mium", "tenant": "acme" })
    );
}

/// By the levels of the data model: 1 to 4 are TRACE, 5 to 8 DEBUG, and so on.
#[test]
fn otel_numbers_severities() {
    let lines = lines_of(&config().format(Format::Otel), || {
        tracing::trace!("");
        tracing::debug!("");
        tracing::info!("");
        tracing::warn!("");
        tracing::error!("");
    });
    let numbers: Vec<_> =
        lines.iter().map(|line| parse(line)["SeverityNumber"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 5, 9, 13, 17]);
}

/// The life cycle of a service has names of its own in both.
#[test]
fn host_and_process_have_their_names() {
    let start = || mmf::logging::ServiceLogger::new("users").service_startup("1", "test");
    for (format, part) in [(Format::Ecs, None), (Format::Otel, Some("Attributes"))] {
        let line = parse(&lines_of(&config().format(format), start)[0]);
        let fields = part.map_or(&line, |part| &line[part]);
        assert!(fields["host.name"].is_string() && fields["process.pid"].is_u64(), "{line}");
    }
}

#[test]
fn text() {
    let line = line(Format::Text);
    let (time, rest) = line.split_once(' ').unwrap();
    assert!(is_date(&json!(time)));
    let ids = rest.find(" correlation_id=").unwrap();
    assert_eq!(
        &rest[..ids],
        " INFO users::store: created \"ada\"\\n user_id=7 plan=\"pre\\\"mium\" tenant=\"acme\""
    );
    let ids: Vec<_> = rest[ids + 1..].split(' ').map(|id| id.split_once('=').unwrap()).collect();
    assert_eq!(ids[0], ("correlation_id", "req-123"));
    assert!(ids[1].0 == "trace_id" && is_hex(&json!(ids[1].1), 32));
    assert!(ids[2].0 == "span_id" && is_hex(&json!(ids[2].1), 16));
}

#[test]
fn text_redacts_and_cannot_move_the_cursor() {
    let lines = lines_of(&config().format(Format::Text), || {
        info!(password = "p", name = "\u{1b}[2J", "\u{1b}[31m{}", "\r\u{9b}x");
    });
    assert!(lines[0].contains("password=\"[redacted]\""), "{}", lines[0]);
    assert!(!lines[0].chars().any(char::is_control), "{:?}", lines[0]);
}

fn is_hex(value: &Value, digits: usize) -> bool {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    value.as_str().is_some_and(|text| text.len() == digits && text.bytes().all(is_digit))
}

/// RFC 3339 in UTC with microseconds.
fn is_date(value: &Value) -> bool {
    let shape = "0000-00-00T00:00:00.000000Z";
    let text = value.as_str().unwrap_or_default();
    text.len() == shape.len()
        && text.bytes().zip(shape.bytes()).all(|(byte, wanted)| match wanted {
            b'0' => byte.is_ascii_digit(),
            other => byte == other,
        })
}
