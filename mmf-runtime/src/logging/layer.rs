//! The layer that writes a line for each event.

use std::cell::RefCell;
use std::io::Write;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::config::LoggingConfig;
use super::fields::{Fields, Heard, Recorder, Seen};
#[cfg(feature = "otel")]
use super::line::ActiveSpan;
use super::line::{Heading, Parts, TraceIds};
use super::queue::Queue;
use super::template::{Style, Templates};
use crate::correlation;
use crate::tally::Tally;

/// The layer alone, over any writer, for those who compose their own subscriber. Filters and other
/// layers stand beside it as beside any layer.
///
/// ```
/// # use mmf_runtime as mmf;
/// use mmf::logging::{LoggingConfig, json_layer};
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
    // Made before anybody logs: it has a lock, which may be held in the moment of a fork.
    LazyLock::force(&LINES);
    JsonLayer {
        heading: Heading::new(config),
        style: Style::new(config),
        writer,
        gathering: None,
        failures: AtomicU64::new(0),
    }
}

impl JsonLayer<Queue> {
    /// Leaves repeats to the thread of the queue.
    pub(super) fn gathering(self) -> Self {
        Self { gathering: Some(self.writer.clone()), ..self }
    }
}

/// Writes each event as one line; see [`json_layer`].
#[derive(Debug)]
pub struct JsonLayer<W> {
    heading: Heading,
    style: Style,
    writer: W,
    /// Where repeats are left.
    gathering: Option<Queue>,
    failures: AtomicU64,
}

/// What a thread renders into, kept from one event to the next.
#[derive(Default)]
struct Scratch {
    templates: Templates,
    fields: Fields,
    heard: Heard,
    seen: Seen,
    line: String,
}

/// Lines that were written, by level from `ERROR` to `TRACE`.
static LINES: LazyLock<[Tally; 5]> = LazyLock::new(|| std::array::from_fn(|_| Tally::new()));

fn count(level: Level) {
    if let Some(lines) = LEVELS.iter().position(|known| *known == level) {
        LINES[lines].add_one(0);
    }
}

const LEVELS: [Level; 5] = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];

/// How many lines the layers of this process have written, by level.
pub fn written_lines() -> [(Level, u64); 5] {
    std::array::from_fn(|place| (LEVELS[place], LINES[place].sum(0)))
}

/// A thread keeps so much memory from one line to the next, and gives back what a longer one took.
const KEPT: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Runs with the memory of the thread; with new one where a value logs while it is printed.
fn with_scratch(work: impl FnOnce(&mut Scratch)) {
    let mut work = Some(work);
    let _ = SCRATCH.try_with(|scratch| {
        if let Ok(mut scratch) = scratch.try_borrow_mut()
            && let Some(work) = work.take()
        {
            work(&mut scratch);
        }
    });
    // The memory is in use, or gone with its thread, whose last destructors log.
    if let Some(work) = work {
        work(&mut Scratch::default());
    }
}

/// The fields of a span, by the layer that renders them: a subscriber may have several.
struct OfSpan(Vec<(u64, Fields)>);

impl OfSpan {
    fn of(&self, style: &Style) -> Option<&Fields> {
        self.0.iter().find(|(id, _)| *id == style.id()).map(|(_, fields)| fields)
    }
}

impl<S, W> Layer<S> for JsonLayer<W>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    W: for<'w> MakeWriter<'w> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        with_scratch(|scratch| {
            let template = scratch.templates.of(&self.style, attributes.metadata());
            attributes.record(&mut Recorder { fields: &mut fields, template, heard: None });
        });
        let mut extensions = span.extensions_mut();
        let of_this_layer = (self.style.id(), fields);
        match extensions.get_mut::<OfSpan>() {
            Some(known) => known.0.push(of_this_layer),
            None => extensions.insert(OfSpan(vec![of_this_layer])),
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        // Rendered before the span is locked: values are the user's, and may log or panic.
        let mut recorded = Fields::default();
        with_scratch(|scratch| {
            let template = scratch.templates.of(&self.style, span.metadata());
            values.record(&mut Recorder { fields: &mut recorded, template, heard: None });
        });
        let mut extensions = span.extensions_mut();
        let Some(known) = extensions.get_mut::<OfSpan>() else { return };
        if let Some((_, fields)) = known.0.iter_mut().find(|(id, _)| *id == self.style.id()) {
            fields.take_over(&recorded);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        with_scratch(|scratch| self.log(event, &context, scratch));
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
        let Scratch { templates, fields, heard, seen, line } = scratch;
        fields.clear();
        heard.clear();
        seen.clear();
        line.clear();
        let metadata = event.metadata();
        let template = templates.of(&self.style, metadata);
        event.record(&mut Recorder { fields, template, heard: Some(heard) });
        let target = if heard.target.is_empty() { metadata.target() } else { &heard.target };
        if let Some(queue) = &self.gathering
            && queue.takes_as_repeat(event, target, &heard.message, fields.text())
        {
            return;
        }

        // Each key once: the event's before its spans', an inner span's before an outer one's.
        let append = |line: &mut String| {
            seen.append(fields, line);
            let mut next = context.event_span(event);
            while let Some(span) = next {
                if let Some(known) = span.extensions().get::<OfSpan>()
                    && let Some(fields) = known.of(&self.style)
                {
                    seen.append(fields, line);
                }
                next = span.parent();
            }
        };
        #[cfg(feature = "otel")]
        let active = crate::otel::active_span();
        correlation::with_current(|request| {
            let trace = request.and_then(|request| request.trace.as_ref()).map(TraceIds::from);
            #[cfg(feature = "otel")]
            let trace = active.as_ref().map(ActiveSpan::ids).or(trace);
            let parts = Parts {
                at: SystemTime::now(),
                level: *metadata.level(),
                target,
                trace,
                correlation_id: request.map(|request| request.id.as_str()),
                message: &heard.message,
                source: heard.source(metadata),
            };
            self.heading.write(&parts, append, line);
        });
        let written = self.writer.make_writer_for(metadata).write_all(line.as_bytes());
        if written.is_ok() {
            count(*metadata.level());
        }
        if let Err(error) = written
            // Relaxed: a statistic, and the first one tells.
            && self.failures.fetch_add(1, Ordering::Relaxed) == 0
        {
            crate::stderr::tell(format_args!(
                "a log line could not be written, and more may follow: {error}"
            ));
        }
        if line.capacity() > KEPT {
            *scratch = Scratch::default();
        }
    }
}
