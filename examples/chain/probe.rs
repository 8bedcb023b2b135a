//! One order that is looked at on its whole way: by its id, its trace, and what each service logs of it.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use mmf::logging::{LoggingConfig, json_layer};
use serde_json::Value;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

pub(crate) const ID: &str = "order-looked-at";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// The lines of that one order; the others are thousands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<Value>>>);

impl Lines {
    /// Has them kept, of what this program logs.
    pub(crate) fn kept() -> Self {
        let lines = Self::default();
        let layer = json_layer(&LoggingConfig::new("chain"), lines.clone());
        tracing_subscriber::registry().with(layer.with_filter(LevelFilter::INFO)).init();
        lines
    }

    fn all(&self) -> Vec<Value> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Ok(line) = serde_json::from_slice::<Value>(bytes)
            && line["correlation_id"] == ID
        {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// What was seen of it.
pub(crate) struct Seen {
    /// How long each service had, in milliseconds.
    pub(crate) left_ms: Vec<u64>,
    /// The services that logged its begin and its end under its id and its trace.
    pub(crate) services: Vec<String>,
    /// What the database has of it.
    pub(crate) row: Option<(String, String)>,
}

pub(crate) async fn order(base: &str, lines: &Lines, pool: &sqlx::PgPool) -> Seen {
    let request = reqwest::Client::new()
        .post(format!("{base}/orders/looked-at"))
        .header("x-request-timeout-ms", "1000")
        .header("x-correlation-id", ID)
        .header("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01"));
    let left_ms = match request.send().await {
        Ok(answer) => answer.json().await.unwrap_or_default(),
        Err(_) => Vec::new(),
    };
    let lines = lines.all();
    println!("what was logged of one order:");
    let mut services = Vec::new();
    for line in &lines {
        let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        println!("  {:<8} {:<30} {}", text("component"), text("message"), text("trace_id"));
        if line["phase"] == "end" && line["success"] == true && line["trace_id"] == TRACE {
            services.push(text("component"));
        }
    }
    let row = sqlx::query_as("SELECT id, trace FROM reservations WHERE key = 'looked-at'");
    let row: Option<(String, String)> = row.fetch_optional(pool).await.ok().flatten();
    println!("  database {row:?}");
    println!("milliseconds left: {left_ms:?}");
    Seen { left_ms, services, row: row.filter(|(id, trace)| id == ID && trace == TRACE) }
}
