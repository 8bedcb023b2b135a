//! A line of each format, put together from what was recorded.

use std::cell::Cell;
use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use tracing::Level;

use super::config::{Format, LoggingConfig};
use super::escape::{Notation, escape, quoted, string};
use crate::correlation::Trace;

/// What a line is made of.
pub(super) struct Parts<'l> {
    pub(super) at: SystemTime,
    pub(super) level: Level,
    pub(super) target: &'l str,
    pub(super) trace: Option<TraceIds<'l>>,
    pub(super) correlation_id: Option<&'l str>,
    /// File and line in the code.
    pub(super) source: Option<(&'l str, u32)>,
    /// As the format has it.
    pub(super) message: &'l str,
}

/// The place in a trace, in hexadecimal digits.
#[derive(Clone, Copy)]
pub(super) struct TraceIds<'l> {
    pub(super) trace_id: &'l str,
    pub(super) span_id: &'l str,
    pub(super) flags: u8,
}

/// The ids of a span that is not a request's own, as text.
#[cfg(feature = "otel")]
pub(crate) struct ActiveSpan {
    trace_id: [u8; 32],
    span_id: [u8; 16],
    flags: u8,
}

#[cfg(feature = "otel")]
impl ActiveSpan {
    pub(crate) fn new(trace_id: [u8; 16], span_id: [u8; 8], flags: u8) -> Self {
        fn hex<const N: usize>(bytes: &[u8]) -> [u8; N] {
            let digit = |place: usize| {
                let half = bytes[place / 2] >> (4 * (1 - place % 2)) & 15;
                b"0123456789abcdef"[usize::from(half)]
            };
            std::array::from_fn(digit)
        }
        Self { trace_id: hex(&trace_id), span_id: hex(&span_id), flags }
    }

    pub(super) fn ids(&self) -> TraceIds<'_> {
        TraceIds {
            trace_id: ascii(&self.trace_id),
            span_id: ascii(&self.span_id),
            flags: self.flags,
        }
    }
}

impl<'l> From<&'l Trace> for TraceIds<'l> {
    fn from(trace: &'l Trace) -> Self {
        Self { trace_id: trace.trace_id(), span_id: trace.span_id(), flags: trace.flags() }
    }
}

impl Format {
    /// Keys that a line has of its own, and what a field of such a name is called instead.
    pub(super) fn reserved(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Json => &[
                ("timestamp", "field.timestamp"),
                ("level", "field.level"),
                ("service", "field.service"),
                ("trace_id", "field.trace_id"),
                ("span_id", "field.span_id"),
                ("correlation_id", "field.correlation_id"),
                ("message", "field.message"),
            ],
            // Beside the keys of the line the names of objects that it has fields of: an index cannot
            // hold both `service` and `service.name`.
            Self::Ecs => &[
                ("@timestamp", "field.@timestamp"),
                ("log.level", "field.log.level"),
                ("log.logger", "field.log.logger"),
                ("message", "field.message"),
                ("ecs.version", "field.ecs.version"),
                ("service.name", "field.service.name"),
                ("service.version", "field.service.version"),
                ("service.environment", "field.service.environment"),
                ("trace.id", "field.trace.id"),
                ("span.id", "field.span.id"),
                ("labels.correlation_id", "field.labels.correlation_id"),
                ("ecs", "field.ecs"),
                ("labels", "field.labels"),
                ("log", "field.log"),
                ("service", "field.service"),
                ("span", "field.span"),
                ("trace", "field.trace"),
                ("error", "error.message"),
                ("host", "host.name"),
                ("pid", "process.pid"),
                ("process", "field.process"),
            ],
            // The last three by the semantic conventions.
            Self::Otel => &[
                ("correlation_id", "field.correlation_id"),
                ("error", "exception.message"),
                ("host", "host.name"),
                ("pid", "process.pid"),
            ],
            Self::Text => &[
                ("correlation_id", "field.correlation_id"),
                ("trace_id", "field.trace_id"),
                ("span_id", "field.span_id"),
            ],
        }
    }

    /// The same of lines that tell where in the code they come from.
    pub(super) fn reserved_for_source(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Json | Self::Text => &[("file", "field.file"), ("line", "field.line")],
            Self::Ecs => &[
                ("log.origin.file.name", "field.log.origin.file.name"),
                ("log.origin.file.line", "field.log.origin.file.line"),
                ("log.origin.file", "field.log.origin.file"),
                ("log.origin", "field.log.origin"),
            ],
            Self::Otel => &[
                ("code.file.path", "field.code.file.path"),
                ("code.line.number", "field.code.line.number"),
            ],
        }
    }
}

/// What is the same on every line, rendered once.
#[derive(Debug)]
pub(super) struct Heading {
    format: Format,
    /// What stands behind the time, for each level.
    levels: [String; 5],
    /// The part of the line that names the service.
    service: String,
    traces: bool,
    correlation: bool,
    source: bool,
    colours: bool,
}

impl Heading {
    pub(super) fn new(config: &LoggingConfig) -> Self {
        let service = service(config);
        let levels = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];
        let levels = levels.map(|level| match config.format {
            Format::Json => format!("\",\"level\":\"{level}\"{service}"),
            Format::Ecs => {
                let level = level.as_str().to_ascii_lowercase();
                format!("\",\"log.level\":\"{level}\",\"message\":\"")
            }
            Format::Otel => {
                let number = severity_number(level);
                format!("\",\"SeverityText\":\"{level}\",\"SeverityNumber\":{number}")
            }
            Format::Text if config.colours => {
                format!(" \x1b[{}m{level:>5}\x1b[0m ", colour(level))
            }
            Format::Text => format!(" {level:>5} "),
        });
        Self {
            format: config.format,
            levels,
            service,
            traces: config.traces,
            correlation: config.correlation,
            source: config.source,
            colours: config.colours,
        }
    }

    /// Appends a line with its end; `fields` appends those of the event and its spans, each with what
    /// stands before it.
    pub(super) fn write(
        &self,
        parts: &Parts<'_>,
        fields: impl FnOnce(&mut String),
        line: &mut String,
    ) {
        match self.format {
            Format::Json => self.json(parts, fields, line),
            Format::Ecs => self.ecs(parts, fields, line),
            Format::Otel => self.otel(parts, fields, line),
            Format::Text => self.text(parts, fields, line),
        }
    }

    fn json(&self, parts: &Parts<'_>, fields: impl FnOnce(&mut String), line: &mut String) {
        line.push_str("{\"timestamp\":\"");
        timestamp(parts.at, line);
        line.push_str(self.level(parts));
        self.ids(parts, [",\"trace_id\":\"", ",\"span_id\":\"", ",\"correlation_id\":\""], line);
        line.push_str(",\"message\":\"");
        line.push_str(parts.message);
        line.push('"');
        self.source(parts, Notation::Json, [",\"file\":", ",\"line\":"], line);
        fields(line);
        line.push_str("}\n");
    }

    /// By the field names of the Elastic Common Schema, the first three in the order that its logging
    /// libraries keep.
    fn ecs(&self, parts: &Parts<'_>, fields: impl FnOnce(&mut String), line: &mut String) {
        line.push_str("{\"@timestamp\":\"");
        timestamp(parts.at, line);
        line.push_str(self.level(parts));
        line.push_str(parts.message);
        line.push_str("\",\"ecs.version\":\"8.11.0\",\"log.logger\":");
        string(parts.target, line);
        let names = [",\"log.origin.file.name\":", ",\"log.origin.file.line\":"];
        self.source(parts, Notation::Json, names, line);
        line.push_str(&self.service);
        let names = [",\"trace.id\":\"", ",\"span.id\":\"", ",\"labels.correlation_id\":\""];
        self.ids(parts, names, line);
        fields(line);
        line.push_str("}\n");
    }

    /// By the field names of the log data model of OpenTelemetry.
    fn otel(&self, parts: &Parts<'_>, fields: impl FnOnce(&mut String), line: &mut String) {
        line.push_str("{\"Timestamp\":\"");
        line.push_str(itoa::Buffer::new().format(since_epoch(parts.at).as_nanos()));
        line.push_str(self.level(parts));
        if let Some(trace) = parts.trace.filter(|_| self.traces) {
            let TraceIds { trace_id, span_id, flags } = trace;
            let _ = write!(
                line,
                ",\"TraceId\":\"{trace_id}\",\"SpanId\":\"{span_id}\",\"TraceFlags\":{flags}"
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
        if let Some(id) = parts.correlation_id.filter(|_| self.correlation) {
            line.push_str(",\"correlation_id\":");
            string(id, line);
        }
        let names = [",\"code.file.path\":", ",\"code.line.number\":"];
        self.source(parts, Notation::Json, names, line);
        fields(line);
        // Each attribute begins with its comma.
        if line.len() > start {
            line.remove(start);
        }
        line.push_str("}}\n");
    }

    /// For people: time, level, target, message, fields, place in the code, ids.
    fn text(&self, parts: &Parts<'_>, fields: impl FnOnce(&mut String), line: &mut String) {
        let (dim, plain) = if self.colours { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
        line.push_str(dim);
        timestamp(parts.at, line);
        line.push_str(plain);
        line.push_str(self.level(parts));
        line.push_str(dim);
        escape(Notation::Plain, parts.target, line);
        line.push(':');
        line.push_str(plain);
        if !parts.message.is_empty() {
            line.push(' ');
            line.push_str(parts.message);
        }
        line.push_str(dim);
        fields(line);
        self.source(parts, Notation::Quoted, [" file=", " line="], line);
        if let Some(id) = parts.correlation_id.filter(|_| self.correlation) {
            let _ = write!(line, " correlation_id={id}");
        }
        if let Some(trace) = parts.trace.filter(|_| self.traces) {
            let _ = write!(line, " trace_id={} span_id={}", trace.trace_id, trace.span_id);
        }
        line.push_str(plain);
        line.push('\n');
    }

    fn level(&self, parts: &Parts<'_>) -> &str {
        let place = match parts.level {
            Level::ERROR => 0,
            Level::WARN => 1,
            Level::INFO => 2,
            Level::DEBUG => 3,
            Level::TRACE => 4,
        };
        &self.levels[place]
    }

    /// Where the event stands in the code, file and line each behind its opening.
    fn source(
        &self,
        parts: &Parts<'_>,
        notation: Notation,
        openings: [&str; 2],
        line: &mut String,
    ) {
        let Some((file, number)) = parts.source.filter(|_| self.source) else { return };
        line.push_str(openings[0]);
        quoted(notation, file, line);
        line.push_str(openings[1]);
        line.push_str(itoa::Buffer::new().format(number));
    }

    /// The ids of trace, span and correlation, each behind its opening. They are hexadecimal digits, or
    /// the safe characters of a correlation id: nothing to escape.
    fn ids(&self, parts: &Parts<'_>, openings: [&str; 3], line: &mut String) {
        let mut id = |opening: &str, id: &str| {
            line.push_str(opening);
            line.push_str(id);
            line.push('"');
        };
        if let Some(trace) = parts.trace.filter(|_| self.traces) {
            id(openings[0], trace.trace_id);
            id(openings[1], trace.span_id);
        }
        if let Some(correlation_id) = parts.correlation_id.filter(|_| self.correlation) {
            id(openings[2], correlation_id);
        }
    }
}

/// What a format says of the service.
fn service(config: &LoggingConfig) -> String {
    let keys: &[&str] = match config.format {
        Format::Json => &["service"],
        Format::Ecs => &["service.name", "service.version", "service.environment"],
        Format::Otel => &["service.name", "service.version", "deployment.environment.name"],
        Format::Text => &[],
    };
    let facts = [Some(&config.service), config.version.as_ref(), config.environment.as_ref()];
    let mut text = String::new();
    for (key, fact) in keys.iter().zip(facts) {
        let Some(fact) = fact else { continue };
        // An object of its own begins without a comma.
        let comma = if config.format == Format::Otel && text.is_empty() { "" } else { "," };
        let _ = write!(text, "{comma}\"{key}\":");
        string(fact, &mut text);
    }
    text
}

/// By the log data model of OpenTelemetry.
fn severity_number(level: Level) -> u8 {
    match level {
        Level::TRACE => 1,
        Level::DEBUG => 5,
        Level::INFO => 9,
        Level::WARN => 13,
        Level::ERROR => 17,
    }
}

/// The code of a colour on terminals: red, yellow, green, blue, magenta.
fn colour(level: Level) -> u8 {
    match level {
        Level::ERROR => 31,
        Level::WARN => 33,
        Level::INFO => 32,
        Level::DEBUG => 34,
        Level::TRACE => 35,
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
