//! A line of each format, field by field against what its schema says.

use mmf::correlation::{Context, CorrelationId};
use mmf::logging::Format;
use serde_json::{Value, json};
use tracing::{error, info, info_span};

use crate::support::{config, is_special, keys, lines_of, parse};

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

/// Controls of ASCII and of ISO 6429, ends of lines, and what changes the direction of text: in a message, a
/// value, a key, a target and the text of an error.
#[test]
fn no_format_lets_a_special_character_through() {
    const EVIL: &str =
        "a\0\u{1b}\u{7f}\u{80}\u{9b}\u{2028}\u{2029}\u{202a}\u{202e}\u{2066}\u{2069}\u{200f}é’z";
    let evil = || {
        let _span = info_span!("request", "of\u{202e}span" = EVIL).entered();
        let failure = std::io::Error::other(EVIL);
        let failure = &failure as &dyn std::error::Error;
        info!(target: "users\u{9b}::\u{2028}", failure, shown = %EVIL, "key\u{7f}" = EVIL, "{EVIL}");
    };
    for format in [Format::Json, Format::Ecs, Format::Otel] {
        let lines = lines_of(&config().format(format), evil);
        assert!(!lines[0].contains(is_special), "{:?}", lines[0]);
        assert!(lines[0].contains(r"a\u0000\u001b\u007f\u0080\u009b\u2028"), "{}", lines[0]);
        let line = parse(&lines[0]);
        let (message, fields) = match format {
            Format::Otel => (&line["Body"], &line["Attributes"]),
            _ => (&line["message"], &line),
        };
        assert_eq!(message, EVIL);
        for key in ["failure", "shown", "key\u{7f}", "of\u{202e}span"] {
            assert_eq!(fields[key], EVIL, "{key:?}");
        }
    }
    let lines = lines_of(&config().format(Format::Text), evil);
    assert!(!lines[0].contains(is_special), "{:?}", lines[0]);
    for part in [
        r": a\u{0}\u{1b}\u{7f}\u{80}\u{9b}\u{2028}\u{2029}\u{202a}\u{202e}\u{2066}\u{2069}\u{200f}é’z ",
        r#" shown="a\u{0}\u{1b}\u{7f}\u{80}\u{9b}\u{2028}"#,
        r" users\u{9b}::\u{2028}:",
        r#" of\u{202e}span=""#,
    ] {
        assert!(lines[0].contains(part), "{part} in {}", lines[0]);
    }
}

#[test]
fn a_line_tells_where_in_the_code_it_comes_from() {
    let here = || info!(file = "mine", line = 1, "code.line.number" = 2, "here"); // This line.
    let text = include_str!("formats.rs");
    let number = text.lines().position(|line| line.ends_with("// This line.")).unwrap() + 1;
    for (format, keys, moved) in [
        (Format::Json, ["file", "line"], "field.file"),
        (Format::Ecs, ["log.origin.file.name", "log.origin.file.line"], "file"),
        (Format::Otel, ["code.file.path", "code.line.number"], "field.code.line.number"),
    ] {
        let line = parse(&lines_of(&config().format(format).with_source(true), here)[0]);
        let fields = if format == Format::Otel { &line["Attributes"] } else { &line };
        assert_eq!(fields[keys[0]], file!());
        assert_eq!(fields[keys[1]], number);
        assert!(!fields[moved].is_null(), "{line}");
        let line = parse(&lines_of(&config().format(format), here)[0]);
        let fields = if format == Format::Otel { &line["Attributes"] } else { &line };
        assert_eq!((&fields["file"], &fields["line"]), (&json!("mine"), &json!(1)));
        assert!(fields["log.origin.file.name"].is_null() && fields["code.file.path"].is_null());
    }
    let line = &lines_of(&config().format(Format::Text).with_source(true), here)[0];
    let end = format!(
        r#" field.file="mine" field.line=1 code.line.number=2 file="{}" line={number}"#,
        file!()
    );
    assert!(line.ends_with(&end), "{line}");
}

/// As `tracing-log` hands it over.
#[test]
fn a_record_of_the_log_crate_comes_from_where_it_was_logged() {
    let record = || {
        info!(
            log.target = "a::library",
            log.module_path = "a::library",
            log.file = "library/src/lib.rs",
            log.line = 7_u32,
            "hello"
        );
    };
    let line = parse(&lines_of(&config().with_source(true), record)[0]);
    assert_eq!((&line["file"], &line["line"]), (&json!("library/src/lib.rs"), &json!(7)));
    assert_eq!(line.as_object().unwrap().len(), 6, "{line}");
    let line = parse(&lines_of(&config(), record)[0]);
    assert_eq!(line.as_object().unwrap().len(), 4, "{line}");
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
