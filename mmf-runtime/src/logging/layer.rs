//! The layer that writes a line for each event.

use std::cell::RefCell;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::config::LoggingConfig;
use super::fields::{Fields, Recorder, Redaction};
use super::line::{Heading, Parts};
use crate::correlation;

/// The layer alone, over any writer, for those who compose their own subscriber. Filters and other
/// layers stand beside it as beside any layer.
///
/// ```
/// use mmf_runtime::logging::{LoggingConfig, json_layer};
/// use tracing_subscriber::layer::SubscriberExt;
///
/// let config = LoggingConfig::new("user-service");
/// let subscriber = tracing_subscriber::registry().with(json_layer(&config, std::io::stderr));
/// tracing::subscriber::with_default(subscriber, || tracing::info!(user_id = 7, "created"));
/// ```
pub fn json_layer<W>(config: &LoggingConfig, writer: W) -> JsonLayer<W>
where
    W: for<'w> MakeWriter<'w> + 'static,
{
    JsonLayer {
        heading: Heading::new(config),
        redaction: config.redaction.clone(),
        writer,
        failures: AtomicU64::new(0),
    }
}

/// Writes each event as one line; see [`json_layer`].
#[derive(Debug)]
pub struct JsonLayer<W> {
    heading: Heading,
    redaction: Redaction,
    writer: W,
    failures: AtomicU64,
}

/// What a thread renders into, kept from one event to the next.
#[derive(Default)]
struct Scratch {
    fields: Fields,
    message: String,
    /// The keys of the line, and its fields.
    keys: Vec<&'static str>,
    all: String,
    line: String,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl<S, W> Layer<S> for JsonLayer<W>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    W: for<'w> MakeWriter<'w> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        let redaction = &self.redaction;
        attributes.record(&mut Recorder { fields: &mut fields, redaction, message: None });
        span.extensions_mut().replace(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut extensions = span.extensions_mut();
        if let Some(fields) = extensions.get_mut::<Fields>() {
            values.record(&mut Recorder { fields, redaction: &self.redaction, message: None });
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        SCRATCH.with(|scratch| match scratch.try_borrow_mut() {
            Ok(mut scratch) => self.log(event, &context, &mut scratch),
            // A value logs while it is printed.
            Err(_) => self.log(event, &context, &mut Scratch::default()),
        });
    }
}

impl<W> JsonLayer<W>
where
    W: for<'w> MakeWriter<'w> + 'static,
{
    fn log<S>(&self, event: &Event<'_>, context: &Context<'_, S>, scratch: &mut Scratch)
    where
        S: Subscriber + for<'s> LookupSpan<'s>,
    {
        let Scratch { fields, message, keys, all, line } = scratch;
        fields.clear();
        message.clear();
        let redaction = &self.redaction;
        event.record(&mut Recorder { fields, redaction, message: Some(message) });

        // Each key once: the event's before its spans', an inner span's before an outer one's.
        all.clear();
        keys.clear();
        fields.append_to(all, keys);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(fields) = span.extensions().get::<Fields>() {
                fields.append_to(all, keys);
            }
        }

        line.clear();
        let metadata = event.metadata();
        correlation::with_current(|context| {
            let parts = Parts {
                at: SystemTime::now(),
                level: *metadata.level(),
                target: metadata.target(),
                context,
                message,
                fields: all,
            };
            self.heading.write(&parts, line);
        });
        let written = self.writer.make_writer_for(metadata).write_all(line.as_bytes());
        if let Err(error) = written
            // Relaxed: a statistic, and the first one tells.
            && self.failures.fetch_add(1, Ordering::Relaxed) == 0
        {
            eprintln!("a log line could not be written, and more may follow: {error}");
        }
    }
}
