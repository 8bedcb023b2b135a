//! Subscribers that write to memory, and lines taken apart.

use std::io::Write;
use std::sync::{Arc, Mutex};

use mmf::logging::{LoggingConfig, json_layer};
use serde_json::{Map, Value};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;

#[derive(Clone, Default)]
pub(crate) struct Memory(pub(crate) Arc<Mutex<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Memory {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

pub(crate) fn config() -> LoggingConfig {
    LoggingConfig::new("users")
}

/// The lines that `work` logs.
pub(crate) fn lines_of(config: &LoggingConfig, work: impl FnOnce()) -> Vec<String> {
    let memory = Memory::default();
    let subscriber = registry().with(json_layer(config, memory.clone()));
    tracing::subscriber::with_default(subscriber, work);
    let bytes = memory.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap().lines().map(ToOwned::to_owned).collect()
}

/// The one line that `work` logs.
pub(crate) fn line_of(work: impl FnOnce()) -> Value {
    let lines = lines_of(&config(), work);
    assert_eq!(lines.len(), 1, "{lines:?}");
    parse(&lines[0])
}

/// The line as an object, in which no key may come twice.
pub(crate) fn parse(line: &str) -> Value {
    struct Once;
    impl<'de> serde::de::Visitor<'de> for Once {
        type Value = Map<String, Value>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object without doubled keys")
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(
            self,
            mut map: A,
        ) -> Result<Self::Value, A::Error> {
            let mut object = Map::new();
            while let Some((key, value)) = map.next_entry::<String, Value>()? {
                if object.insert(key.clone(), value).is_some() {
                    return Err(serde::de::Error::custom(format!("{key} comes twice")));
                }
            }
            Ok(object)
        }
    }
    let mut parser = serde_json::Deserializer::from_str(line);
    let object = serde::Deserializer::deserialize_map(&mut parser, Once);
    Value::Object(object.unwrap_or_else(|error| panic!("{error}: {line}")))
}

pub(crate) fn keys(line: &str) -> Vec<String> {
    // The objects of serde_json are sorted, so the order is read off the line.
    let object = parse(line);
    let mut keys: Vec<_> = object.as_object().unwrap().keys().cloned().collect();
    keys.sort_by_key(|key| line.find(&format!("\"{key}\":")));
    keys
}

/// Whether a character may not stand in a line as it is: it ends one, commands a terminal, or shows text in
/// another order than it has.
pub(crate) fn is_special(letter: char) -> bool {
    let changes_direction = matches!(
        letter,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}') || changes_direction
}

/// The lines that a future logs.
pub(crate) fn lines_of_future(
    config: &LoggingConfig,
    work: impl Future<Output = ()>,
) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    lines_of(config, || runtime.block_on(work))
}
