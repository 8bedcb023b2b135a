//! Any event in any spans, made of bytes, and what its line must say: by a model that knows the rules and
//! none of the code. Property tests and the fuzzer hand the bytes over.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};

use arbitrary::{Arbitrary, Unstructured};
use mmf::logging::{Format, LoggingConfig, json_layer};
use serde_json::Value as Json;
use tracing::field::{FieldSet, Value, debug};
use tracing::metadata::Kind;
use tracing::span::{Attributes, Record};
use tracing::{Dispatch, Event, Level, Metadata, callsite};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;

use super::support::{is_special, parse};

/// How many fields an event or a span has at most.
const FIELDS: usize = 6;

/// Keys that have a meaning, or nearly one, and what of them is hidden where passwords are.
const KEYS: [(&str, Hidden); 20] = [
    ("message", Hidden::Nothing),
    ("level", Hidden::Nothing),
    ("field.level", Hidden::Nothing),
    ("timestamp", Hidden::Nothing),
    ("service", Hidden::Nothing),
    ("trace_id", Hidden::Nothing),
    ("password", Hidden::Everything),
    ("Password.x", Hidden::Everything),
    ("userPassword2", Hidden::Everything),
    ("passwords", Hidden::Text),
    ("HTTPPasswords", Hidden::Text),
    ("passwordless", Hidden::Nothing),
    ("log.target", Hidden::Nothing),
    ("log.line", Hidden::Nothing),
    ("r#type", Hidden::Nothing),
    ("file", Hidden::Nothing),
    ("user_id", Hidden::Nothing),
    ("a", Hidden::Nothing),
    ("b", Hidden::Nothing),
    ("\"\\\n\u{7f}\u{9b}\u{2028}\u{202e}", Hidden::Nothing),
];

/// Which values of a key are not printed.
#[derive(Clone, Copy, Debug)]
enum Hidden {
    Nothing,
    Everything,
    Text,
}

#[derive(Arbitrary, Debug)]
struct Story<'s> {
    event: Vec<(Key<'s>, Written<'s>)>,
    /// From the outermost to the innermost, each with what is recorded at once and what later.
    spans: Vec<(Vec<(Key<'s>, Written<'s>)>, Later<'s>)>,
}

/// What is recorded of a span afterwards, by the place of the field.
type Later<'s> = Vec<(u8, Written<'s>)>;

#[derive(Arbitrary, Debug)]
enum Key<'s> {
    Known(u8),
    Any(&'s str),
}

#[derive(Arbitrary, Clone, Debug)]
enum Written<'s> {
    Text(&'s str),
    Debug(&'s str),
    Signed(i64),
    Unsigned(u64),
    Wide(i128),
    Float(f64),
    Bool(bool),
}

impl Written<'_> {
    fn value(&self) -> Box<dyn Value + '_> {
        match self {
            Self::Text(text) => Box::new(*text),
            Self::Debug(text) => Box::new(debug(text)),
            Self::Signed(number) => Box::new(*number),
            Self::Unsigned(number) => Box::new(*number),
            Self::Wide(number) => Box::new(*number),
            Self::Float(number) => Box::new(*number),
            Self::Bool(truth) => Box::new(*truth),
        }
    }

    fn is_written_as(&self, json: &Json) -> bool {
        match self {
            Self::Text(text) => json == text,
            Self::Debug(text) => *json == format!("{text:?}"),
            Self::Signed(number) => json.as_i64() == Some(*number),
            Self::Unsigned(number) => json.as_u64() == Some(*number),
            // What fits into no integer of the parser is read as a float.
            Self::Wide(number) => json.as_f64() == Some(*number as f64),
            Self::Float(number) if number.is_finite() => json.as_f64() == Some(*number),
            Self::Float(number) if number.is_nan() => json == "NaN",
            Self::Float(number) if *number > 0.0 => json == "Infinity",
            Self::Float(_) => json == "-Infinity",
            Self::Bool(truth) => json.as_bool() == Some(*truth),
        }
    }
}

impl Key<'_> {
    fn name(&self) -> String {
        match self {
            Self::Known(number) => KEYS[usize::from(*number) % KEYS.len()].0.into(),
            // The keys of a program are few, and this one keeps each for ever.
            Self::Any(text) => text.chars().take(4).collect(),
        }
    }
}

/// What a line is to say of a field, and under which name; nothing of some.
fn expected<'w, 's>(key: &str, written: &'w Written<'s>) -> Option<(String, Expected<'w, 's>)> {
    let key = key.strip_prefix("r#").unwrap_or(key);
    if matches!(key, "log.target" | "log.module_path" | "log.file" | "log.line") {
        return None;
    }
    let reserved =
        ["timestamp", "level", "service", "trace_id", "span_id", "correlation_id", "message"];
    let name = if reserved.contains(&key) { format!("field.{key}") } else { key.into() };
    // A key that is not known has no room for the word.
    let is_hidden = match KEYS.iter().find(|(known, _)| *known == key) {
        Some((_, Hidden::Everything)) => true,
        Some((_, Hidden::Text)) => matches!(written, Written::Text(_) | Written::Debug(_)),
        Some((_, Hidden::Nothing)) | None => false,
    };
    Some((name, if is_hidden { Expected::Redacted } else { Expected::Value(written) }))
}

#[derive(Clone, Copy, Debug)]
enum Expected<'w, 's> {
    Value(&'w Written<'s>),
    Redacted,
}

impl Expected<'_, '_> {
    fn is(self, json: &Json) -> bool {
        match self {
            Self::Value(written) => written.is_written_as(json),
            Self::Redacted => json == "[redacted]",
        }
    }
}

/// A place in a program that was never written.
struct Place(OnceLock<Metadata<'static>>);

impl callsite::Callsite for Place {
    fn set_interest(&self, _: tracing::subscriber::Interest) {}

    fn metadata(&self) -> &Metadata<'_> {
        self.0.get().expect("set when it was made")
    }
}

/// A place of this kind with these keys; the same one each time.
fn place(is_span: bool, keys: Vec<String>) -> &'static Metadata<'static> {
    type Places = Mutex<HashMap<(bool, Vec<String>), &'static Place>>;
    static PLACES: OnceLock<Places> = OnceLock::new();
    let mut places = PLACES.get_or_init(Mutex::default).lock().expect("no test panics inside");
    let place = *places.entry((is_span, keys)).or_insert_with_key(|(_, keys)| {
        let names = keys.iter().map(|key| &*Box::leak(key.clone().into_boxed_str()));
        let names: &'static [&'static str] = Box::leak(names.collect::<Vec<_>>().into());
        let place: &'static Place = Box::leak(Box::new(Place(OnceLock::new())));
        let fields = FieldSet::new(names, callsite::Identifier(place));
        let kind = if is_span { Kind::SPAN } else { Kind::EVENT };
        let metadata = Metadata::new("any", "fuzz", Level::INFO, None, None, None, fields, kind);
        assert!(place.0.set(metadata).is_ok());
        place
    });
    place.0.get().expect("set when it was made")
}

/// The keys of a place: six, of which some are not recorded.
fn keys(fields: &[(Key<'_>, Written<'_>)]) -> Vec<String> {
    let named = fields.iter().take(FIELDS).map(|(key, _)| key.name());
    let unused = (fields.len()..FIELDS).map(|number| format!("unused{number}"));
    named.chain(unused).collect()
}

/// Hands the values for the fields of a place over, by their place in it.
fn with_values<T>(
    metadata: &'static Metadata<'static>,
    written: &[Option<&Written<'_>>; FIELDS],
    take: impl FnOnce(&tracing::field::ValueSet<'_>) -> T,
) -> T {
    let values: Vec<_> = written.iter().map(|written| written.map(Written::value)).collect();
    let fields: Vec<_> = metadata.fields().iter().collect();
    let pairs: [_; FIELDS] =
        std::array::from_fn(|place| (&fields[place], values[place].as_deref()));
    take(&metadata.fields().value_set(&pairs))
}

fn first_six<'w, 's>(fields: &'w [(Key<'s>, Written<'s>)]) -> [Option<&'w Written<'s>>; FIELDS] {
    std::array::from_fn(|place| fields.get(place).map(|(_, written)| written))
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no writer panics").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Logs the event of these bytes in its spans, in each format, and checks the lines.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(story) = Story::arbitrary_take_rest(Unstructured::new(bytes)) else { return };
    for format in [Format::Json, Format::Ecs, Format::Otel] {
        let line = logged(&story, format);
        assert_eq!(line.matches(is_special).collect::<Vec<_>>(), ["\n"], "one line: {line:?}");
        let object = parse(line.trim_end());
        if format == Format::Json {
            compare(&story, &object);
        }
    }
    let line = logged(&story, Format::Text);
    assert_eq!(line.matches(is_special).collect::<Vec<_>>(), ["\n"], "one line: {line:?}");
}

fn logged(story: &Story<'_>, format: Format) -> String {
    let lines = Lines::default();
    let config = LoggingConfig::new("users").redact(["password"]).format(format);
    let layer = json_layer(&config, lines.clone());
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
    let mut entered = Vec::new();
    for (at_once, later) in &story.spans {
        let metadata = place(true, keys(at_once));
        let id = with_values(metadata, &first_six(at_once), |values| {
            dispatch.new_span(&Attributes::new(metadata, values))
        });
        for (place, written) in later {
            let mut one = [None; FIELDS];
            one[usize::from(*place) % FIELDS] = Some(written);
            with_values(metadata, &one, |values| dispatch.record(&id, &Record::new(values)));
        }
        dispatch.enter(&id);
        entered.push(id);
    }
    let metadata = place(false, keys(&story.event));
    with_values(metadata, &first_six(&story.event), |values| {
        dispatch.event(&Event::new(metadata, values));
    });
    while let Some(id) = entered.pop() {
        dispatch.exit(&id);
        dispatch.try_close(id);
    }
    let bytes = lines.0.lock().expect("no writer panics").clone();
    String::from_utf8(bytes).expect("JSON is text")
}

/// The model: the event's fields before those of its spans, from the innermost out; of one key in one
/// place the last value.
fn compare(story: &Story<'_>, object: &Json) {
    let mut message = String::new();
    let mut wanted = BTreeMap::new();
    let mut of_event = BTreeMap::new();
    for (key, written) in story.event.iter().take(FIELDS) {
        match written {
            Written::Text(text) if key.name() == "message" => message = (*text).into(),
            Written::Debug(text) if key.name() == "message" => message = format!("{text:?}"),
            _ => of_event.extend(expected(&key.name(), written)),
        }
    }
    wanted.extend(of_event);
    for (at_once, later) in story.spans.iter().rev() {
        let names = keys(at_once);
        let at_once = at_once.iter().take(FIELDS).map(|(key, written)| (key.name(), written));
        let later = later
            .iter()
            .map(|(place, written)| (names[usize::from(*place) % FIELDS].clone(), written));
        let of_span: BTreeMap<_, _> =
            at_once.chain(later).filter_map(|(key, written)| expected(&key, written)).collect();
        for (name, value) in of_span {
            wanted.entry(name).or_insert(value);
        }
    }
    assert_eq!(object["message"], message);
    let own = ["timestamp", "level", "service", "message"];
    let object = object.as_object().expect("an object");
    assert_eq!(object.len(), own.len() + wanted.len(), "{object:?} is not {wanted:?}");
    for (name, value) in wanted {
        assert!(value.is(&object[&name]), "{name}: {:?} is not {value:?}", object[&name]);
    }
}
