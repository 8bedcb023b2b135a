//! The lines that a request logs, for tests of request logs.

use std::io;
use std::sync::{Arc, Mutex, Once};

use mmf::logging::{LoggingConfig, json_layer};
use serde_json::Value;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
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

/// The lines of the request with this id, from where it began.
pub(crate) async fn lines_of(id: &str, request: impl Future) -> Vec<Value> {
    static LINES: Mutex<Option<Lines>> = Mutex::new(None);
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let lines = Lines::default();
        let layer = json_layer(&LoggingConfig::new("users"), lines.clone());
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer))
            .unwrap();
        *LINES.lock().unwrap() = Some(lines);
    });
    request.await;
    let lines = LINES.lock().unwrap().clone().unwrap();
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["correlation_id"] == id).collect()
}
