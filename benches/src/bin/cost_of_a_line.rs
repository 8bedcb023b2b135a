//! What a log line costs: an event of four fields and a message inside a span of two, to a sink that
//! counts bytes. Nanoseconds a line, the median over interleaved rounds on one thread, and allocations.
//!
//! `cargo run --release -p mmf-benches --bin cost_of_a_line [-- --rounds N --json FILE --svg FILE]`

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use mmf::correlation::{Context, CorrelationId};
use mmf::logging::{LoggingConfig, json_layer};
use mmf_benches::table::{Table, rounds};
use slog::{Drain, o};
use tracing::subscriber::with_default;
use tracing::{Dispatch, Subscriber};
use tracing_subscriber::layer::SubscriberExt;

const LINES: u32 = 5_000;

static BYTES: AtomicU64 = AtomicU64::new(0);

/// Counts what is written to it.
#[derive(Clone, Copy)]
struct Sink;

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        BYTES.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn sink() -> Sink {
    Sink
}

fn line(id: u64) {
    tracing::info!(user_id = id, plan = "premium", amount = 12.5, retried = false, "user created");
}

/// Times one round of a contender, and counts the allocations of a line.
fn round(table: &mut Table, by: &'static str, line: impl Fn(u64)) {
    let what = "event in a span";
    let start = Instant::now();
    (0..LINES).for_each(|id| line(id.into()));
    table.add(what, by, start.elapsed().as_nanos() as f64 / f64::from(LINES));
    let counted = allocation_counter::measure(|| line(0));
    table.note(what, by, "allocations", counted.count_total as f64);
}

/// A round within a span of two fields.
fn in_span(table: &mut Table, by: &'static str, subscriber: &Dispatch) {
    tracing::dispatcher::with_default(subscriber, || {
        let _span = tracing::info_span!("request", tenant = "acme", request = 4711).entered();
        round(table, by, line);
    });
}

fn dispatch(subscriber: impl Subscriber + Send + Sync) -> Dispatch {
    Dispatch::new(subscriber)
}

fn main() -> io::Result<()> {
    let config = LoggingConfig::new("users");
    let ours = dispatch(tracing_subscriber::registry().with(json_layer(&config, sink)));
    let theirs =
        dispatch(tracing_subscriber::fmt().json().flatten_event(true).with_writer(sink).finish());
    let json_subscriber = dispatch(tracing_subscriber::registry().with({
        let mut layer = json_subscriber::JsonLayer::new(sink);
        layer.with_flattened_event();
        layer.with_timer("timestamp", tracing_subscriber::fmt::time::SystemTime);
        layer.with_level("level");
        layer.with_flattened_span_fields("span_fields");
        layer
    }));
    let bunyan = dispatch(
        tracing_subscriber::registry()
            .with(tracing_bunyan_formatter::JsonStorageLayer)
            .with(tracing_bunyan_formatter::BunyanFormattingLayer::new("users".into(), sink)),
    );
    let slog_json = slog_json::Json::default(Sink);
    let root =
        slog::Logger::root(std::sync::Mutex::new(slog_json).fuse(), o!("service" => "users"));
    let slog = root.new(o!("tenant" => "acme", "request" => 4711));

    let mut table = Table::new("a log line", "ns/line");
    for _ in 0..rounds(31) {
        in_span(&mut table, "MMF", &ours);
        let request = Context::from(CorrelationId::parse("req-123").map_err(io::Error::other)?);
        request.sync_scope(|| in_span(&mut table, "MMF, with trace ids", &ours));
        in_span(&mut table, "tracing-subscriber", &theirs);
        in_span(&mut table, "json-subscriber", &json_subscriber);
        in_span(&mut table, "tracing-bunyan-formatter", &bunyan);
        round(&mut table, "slog-json", |id| {
            slog::info!(slog, "user created"; "user_id" => id, "plan" => "premium",
                "amount" => 12.5, "retried" => false);
        });
    }
    with_default(tracing::subscriber::NoSubscriber::new(), || table.publish())
}
