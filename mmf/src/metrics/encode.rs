//! The table as text: for Prometheus (0.0.4) and as OpenMetrics (1.0).
//!
//! By hand, since prometheus-client writes OpenMetrics alone, whose counters Prometheus' older reader takes for untyped
//! (`client_rust` issues 51 and 293).

use std::fmt::{Display, Write};

use super::family::{Family, Kind, Label, Sample, Value};
use super::histogram::{BOUNDS, Counts};

/// A format of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Prometheus,
    OpenMetrics,
}

impl Format {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// What a scraper asks for: OpenMetrics where it says so, and not that it likes it less.
    pub(super) fn accepted(accept: Option<&str>) -> Self {
        let accept = accept.unwrap_or_default();
        let (open, plain) =
            (quality(accept, "application/openmetrics-text"), quality(accept, "text/plain"));
        if open > 0.0 && open >= plain { Self::OpenMetrics } else { Self::Prometheus }
    }
}

/// How much a header likes a type, at best; 0 where it does not name it.
fn quality(accept: &str, kind: &str) -> f64 {
    let of_range = |range: &str| {
        let mut parts = range.split(';').map(str::trim);
        let is_of = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(kind));
        let q = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let q = q.map_or(Ok(1.0), str::parse);
        is_of.then(|| q.unwrap_or(0.0))
    };
    accept.split(',').filter_map(of_range).fold(0.0, f64::max)
}

pub(super) fn encode(families: &[Family], format: Format) -> String {
    let mut text =
        String::with_capacity(64 * families.iter().map(|f| f.samples.len() + 3).sum::<usize>());
    for family in families {
        of_family(&mut text, family, format);
    }
    if format == Format::OpenMetrics {
        text.push_str("# EOF\n");
    }
    text
}

fn of_family(text: &mut String, family: &Family, format: Format) {
    let Family { name, kind, unit, help, samples } = family;
    let total = if *kind == Kind::Counter { "_total" } else { "" };
    // OpenMetrics names the family, Prometheus its samples.
    let told = if format == Format::OpenMetrics { "" } else { total };
    let kind = match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    // Writing to a text does not fail.
    let _ = writeln!(text, "# HELP {name}{told} {help}");
    let _ = writeln!(text, "# TYPE {name}{told} {kind}");
    if let (Format::OpenMetrics, Some(unit)) = (format, unit) {
        let _ = writeln!(text, "# UNIT {name} {unit}");
    }
    for Sample { labels, value } in samples {
        match value {
            Value::Count(count) => {
                line(text, (name, total), labels, None, count);
            }
            Value::Number(number) => {
                line(text, (name, total), labels, None, number);
            }
            Value::Histogram(counts) => histogram(text, name, labels, counts),
        }
    }
}

fn histogram(text: &mut String, name: &str, labels: &[(&str, Label)], counts: &Counts) {
    let mut sum = 0;
    for (place, count) in counts.buckets.iter().enumerate() {
        sum += count;
        let bound = BOUNDS.get(place).map_or_else(|| "+Inf".to_owned(), written);
        line(text, (name, "_bucket"), labels, Some(&bound), sum);
    }
    let seconds = counts.nanos as f64 / 1e9;
    line(text, (name, "_sum"), labels, None, seconds);
    line(text, (name, "_count"), labels, None, sum);
}

/// A bound: `1.0`, as OpenMetrics has it, which Prometheus reads as well.
fn written(bound: &f64) -> String {
    format!("{bound:?}")
}

fn line(
    text: &mut String,
    (name, suffix): (&str, &str),
    labels: &[(&str, Label)],
    bound: Option<&str>,
    value: impl Display,
) {
    text.push_str(name);
    text.push_str(suffix);
    let all = labels.iter().map(|(label, value)| (*label, &**value));
    let mut separator = '{';
    for (label, value) in all.chain(bound.map(|bound| ("le", bound))) {
        text.push(separator);
        separator = ',';
        text.push_str(label);
        text.push_str("=\"");
        escape(text, value);
        text.push('"');
    }
    if separator == ',' {
        text.push('}');
    }
    let _ = writeln!(text, " {value}");
}

/// As both formats say: backslash, quote and line feed.
fn escape(text: &mut String, value: &str) {
    if !value.contains(['\\', '"', '\n']) {
        return text.push_str(value);
    }
    for letter in value.chars() {
        match letter {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Vec<Family> {
        let mut counter = Family::counter("calls", "Calls.");
        counter.add([("policy", "a \"b\"\\\n".into())], Value::Count(3));
        let mut gauge = Family::gauge("score", "Score.");
        gauge.add([], Value::Number(0.25));
        let mut histogram = Family::histogram("took_seconds", "Took.");
        let mut counts = Counts { nanos: 1_500_000_000, ..Counts::default() };
        (counts.buckets[0], counts.buckets[15]) = (2, 1);
        histogram.add([("policy", "p".into())], Value::Histogram(Box::new(counts)));
        vec![counter, gauge, histogram]
    }

    #[test]
    fn prometheus_names_samples_and_openmetrics_families() {
        let text = encode(&table(), Format::Prometheus);
        let expected = "# HELP calls_total Calls.\n# TYPE calls_total counter\n\
                        calls_total{policy=\"a \\\"b\\\"\\\\\\n\"} 3\n\
                        # HELP score Score.\n# TYPE score gauge\nscore 0.25\n";
        assert!(text.starts_with(expected), "{text}");
        assert!(text.contains("took_seconds_bucket{policy=\"p\",le=\"0.001\"} 2\n"), "{text}");
        assert!(text.contains("took_seconds_bucket{policy=\"p\",le=\"60.0\"} 2\n"), "{text}");
        assert!(text.contains("took_seconds_bucket{policy=\"p\",le=\"+Inf\"} 3\n"), "{text}");
        assert!(
            text.ends_with(
                "took_seconds_sum{policy=\"p\"} 1.5\ntook_seconds_count{policy=\"p\"} 3\n"
            )
        );

        let text = encode(&table(), Format::OpenMetrics);
        let expected = "# HELP calls Calls.\n# TYPE calls counter\ncalls_total{";
        assert!(text.starts_with(expected), "{text}");
        assert!(text.contains("# TYPE took_seconds histogram\n# UNIT took_seconds seconds\n"));
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn who_asks_for_openmetrics_gets_it() {
        for accept in [
            "application/openmetrics-text",
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1",
            "text/html, Application/OpenMetrics-Text; version=0.0.1",
        ] {
            assert_eq!(Format::accepted(Some(accept)), Format::OpenMetrics, "{accept}");
        }
        for accept in [
            None,
            Some(""),
            Some("*/*"),
            Some("text/plain"),
            Some("application/openmetrics-text;q=0"),
            Some("application/openmetrics-text;q=0.2,text/plain"),
            Some("application/openmetrics-text;q=nonsense"),
            Some("application/openmetrics-text;Q=0.1,text/plain;Q=0.9"),
        ] {
            assert_eq!(Format::accepted(accept), Format::Prometheus, "{accept:?}");
        }
    }
}
