//! A line of each format, put together from what was recorded.

use std::cell::Cell;
use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use tracing::Level;

use super::config::Format;
use super::escape::string;
use crate::correlation::Context;

/// What a line is made of.
pub(super) struct Parts<'l> {
    pub(super) at: SystemTime,
    pub(super) level: Level,
    pub(super) target: &'l str,
    /// The ids of the running request.
    pub(super) context: Option<&'l Context>,
    /// Escaped.
    pub(super) message: &'l str,
    /// Of the event and its spans, each with its comma.
    pub(super) fields: &'l str,
}

/// What is the same on every line, rendered once.
#[derive(Debug)]
pub(super) struct Heading {
    format: Format,
    /// The part of the line that names the service.
    service: String,
    traces: bool,
    correlation: bool,
}

impl Heading {
    pub(super) fn new(config: &super::LoggingConfig) -> Self {
        let mut service = String::new();
        let facts = [Some(&config.service), config.version.as_ref(), config.environment.as_ref()];
        let keys = match config.format {
            Format::Otel => ["service.name", "service.version", "deployment.environment.name"],
            _ => ["service.name", "service.version", "service.environment"],
        };
        match config.format {
            Format::Json | Format::Text => {
                service.push_str(",\"service\":");
                string(&config.service, &mut service);
            }
            Format::Ecs => {
                for (key, fact) in keys.iter().zip(facts) {
                    let Some(fact) = fact else { continue };
                    let _ = write!(service, ",\"{key}\":");
                    string(fact, &mut service);
                }
            }
            Format::Otel => {
                for (key, fact) in keys.iter().zip(facts) {
                    let Some(fact) = fact else { continue };
                    let comma = if service.is_empty() { "" } else { "," };
                    let _ = write!(service, "{comma}\"{key}\":");
                    string(fact, &mut service);
                }
            }
        }
        let (traces, correlation) = (config.traces, config.correlation);
        Self { format: config.format, service, traces, correlation }
    }

    /// Appends the line, with its end.
    pub(super) fn write(&self, parts: &Parts<'_>, line: &mut String) {
        match self.format {
            Format::Json | Format::Text => self.json(parts, line),
            Format::Ecs => self.ecs(parts, line),
            Format::Otel => self.otel(parts, line),
        }
        line.push('\n');
    }

    fn json(&self, parts: &Parts<'_>, line: &mut String) {
        line.push_str("{\"timestamp\":\"");
        timestamp(parts.at, line);
        line.push_str("\",\"level\":\"");
        line.push_str(parts.level.as_str());
        line.push('"');
        line.push_str(&self.service);
        self.ids(parts, ["trace_id", "span_id", "correlation_id"], line);
        line.push_str(",\"message\":\"");
        line.push_str(parts.message);
        line.push('"');
        line.push_str(parts.fields);
        line.push('}');
    }

    /// By the field names of the Elastic Common Schema.
    fn ecs(&self, parts: &Parts<'_>, line: &mut String) {
        line.push_str("{\"@timestamp\":\"");
        timestamp(parts.at, line);
        line.push_str("\",\"log.level\":\"");
        line.extend(parts.level.as_str().chars().map(|letter| letter.to_ascii_lowercase()));
        line.push_str("\",\"message\":\"");
        line.push_str(parts.message);
        line.push_str("\",\"ecs.version\":\"8.11.0\",\"log.logger\":");
        string(parts.target, line);
        line.push_str(&self.service);
        self.ids(parts, ["trace.id", "span.id", "labels.correlation_id"], line);
        line.push_str(parts.fields);
        line.push('}');
    }

    /// By the field names of the log data model of OpenTelemetry.
    fn otel(&self, parts: &Parts<'_>, line: &mut String) {
        let number = match parts.level {
            Level::TRACE => 1,
            Level::DEBUG => 5,
            Level::INFO => 9,
            Level::WARN => 13,
            Level::ERROR => 17,
        };
        let nanos = since_epoch(parts.at).as_nanos();
        let _ = write!(
            line,
            "{{\"Timestamp\":\"{nanos}\",\"SeverityText\":\"{}\",\"SeverityNumber\":{number}",
            parts.level
        );
        if let Some(trace) = parts.context.filter(|_| self.traces).and_then(|c| c.trace.as_ref()) {
            let flags = trace.flags();
            let _ = write!(
                line,
                ",\"TraceId\":\"{}\",\"SpanId\":\"{}\",\"TraceFlags\":{flags}",
                trace.trace_id(),
                trace.span_id()
            );
        }
        line.push_str(",\"Body\":\"");
        line.push_str(parts.message);
        line.push_str("\",\"Resource\":{");
        line.push_str(&self.service);
        line.push_str("},\"InstrumentationScope\":{\"Name\":");
        string(parts.target, line);
        line.push_str("},\"Attributes\":{");
        let start = line.len();
        if let Some(context) = parts.context.filter(|_| self.correlation) {
            line.push_str(",\"correlation_id\":");
            string(context.id.as_str(), line);
        }
        line.push_str(parts.fields);
        // Each attribute begins with its comma.
        if line.len() > start {
            line.remove(start);
        }
        line.push_str("}}");
    }

    fn ids(&self, parts: &Parts<'_>, names: [&str; 3], line: &mut String) {
        let Some(context) = parts.context else { return };
        let mut id = |name: &str, value: &str| {
            line.push_str(",\"");
            line.push_str(name);
            line.push_str("\":\"");
            // Hexadecimal digits, or the safe characters of a correlation id: nothing to escape.
            line.push_str(value);
            line.push('"');
        };
        if self.traces
            && let Some(trace) = &context.trace
        {
            id(names[0], trace.trace_id());
            id(names[1], trace.span_id());
        }
        if self.correlation {
            id(names[2], context.id.as_str());
        }
    }
}

fn since_epoch(at: SystemTime) -> Duration {
    // A clock before 1970 is set to it: the line matters more than its date.
    at.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Appends RFC 3339 in UTC with microseconds.
fn timestamp(at: SystemTime, line: &mut String) {
    thread_local! {
        /// The last second that was written on this thread, and its text.
        static LAST: Cell<(u64, [u8; 19])> = const { Cell::new((u64::MAX, [0; 19])) };
    }
    let since = since_epoch(at);
    let (mut second, mut text) = LAST.get();
    if second != since.as_secs() {
        second = since.as_secs();
        text = date_and_time(second);
        LAST.set((second, text));
    }
    line.push_str(ascii(&text));
    let mut micros = [b'.', 0, 0, 0, 0, 0, 0, b'Z'];
    let mut rest = since.subsec_micros();
    for digit in micros[1..7].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    line.push_str(ascii(&micros));
}

fn ascii(digits: &[u8]) -> &str {
    str::from_utf8(digits).unwrap_or_default()
}

/// `2026-11-24T15:04:05`
fn date_and_time(second: u64) -> [u8; 19] {
    let second = i64::try_from(second).unwrap_or(i64::MAX);
    let at = OffsetDateTime::from_unix_timestamp(second).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let text = format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    );
    text.as_bytes().try_into().unwrap_or(*b"9999-12-31T23:59:59")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_rfc_3339() {
        for (second, micros, expected) in [
            (0, 0, "1970-01-01T00:00:00.000000Z"),
            (951_782_400, 7, "2000-02-29T00:00:00.000007Z"),
            (1_795_532_645, 123_456, "2026-11-24T15:04:05.123456Z"),
        ] {
            let mut line = String::new();
            let at = UNIX_EPOCH + Duration::from_secs(second) + Duration::from_micros(micros);
            timestamp(at, &mut line);
            assert_eq!(line, expected);
        }
    }
}
