//! What is known of the fields of a place in the code before anything is recorded there: how each key is
//! written, and whether its value may be shown. Found out once for each place and kept by each thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::Metadata;
use tracing::field::Field;

use super::config::{Format, LoggingConfig};
use super::escape::{Notation, escape};
use super::redaction::{Named, Patterns, Words};
use crate::hash::fnv1a;

/// The fields of one event or span of the code, as one layer writes them.
#[derive(Debug)]
pub(super) struct Template {
    /// How a message is written.
    pub(super) message: Notation,
    /// How a value is.
    pub(super) value: Notation,
    /// What is left out of both.
    pub(super) patterns: Patterns,
    /// The service, which is no component of itself.
    pub(super) service: Arc<str>,
    keys: Box<[Key]>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Key {
    /// As it stands in the line.
    pub(super) name: &'static str,
    /// The name with what stands around it.
    pub(super) prefix: Box<str>,
    /// One bit of 64, by the name.
    pub(super) bit: u64,
    pub(super) used: Use,
}

/// What a field is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    Shown,
    /// Its value is not printed.
    Redacted,
    /// A number is, since the key may say of how many; another value is not.
    Count,
    /// In an event, the message of the line.
    Message,
    /// It is shown where it is not the service.
    Component,
    /// In a record of the `log` crate, the target of the line.
    Target,
    /// There, where it stands in the code.
    File,
    /// There, in which line of that.
    Line,
    /// What the metadata say already.
    Nowhere,
}

impl Template {
    pub(super) fn key(&self, field: &Field) -> Option<&Key> {
        self.keys.get(field.index())
    }
}

/// How a layer writes keys.
#[derive(Clone, Debug)]
pub(super) struct Style {
    format: Format,
    redacted: Words,
    patterns: Patterns,
    service: Arc<str>,
    /// Lines tell where they come from.
    source: bool,
    /// Tells the templates of this layer from another's in the memory of a thread.
    id: u64,
}

impl Style {
    pub(super) fn new(config: &LoggingConfig) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            format: config.format,
            redacted: Words::new(&config.redacted),
            patterns: Patterns::new(&config.patterns),
            service: Arc::from(&*config.service),
            source: config.source,
            // Relaxed: only that each number is given once matters.
            id: NEXT.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// What stands before the value of a key that is a number.
    pub(super) fn prefix(&self, name: &'static str) -> Box<str> {
        self.key(name).prefix
    }

    /// The number of the layer.
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    fn template(&self, metadata: &'static Metadata<'static>) -> Template {
        let keys = metadata.fields().iter().map(|field| self.key(field.name())).collect();
        Template {
            message: Notation::of_messages(self.format),
            value: Notation::of_values(self.format),
            patterns: self.patterns.clone(),
            service: Arc::clone(&self.service),
            keys,
        }
    }

    fn key(&self, name: &'static str) -> Key {
        let name = name.strip_prefix("r#").unwrap_or(name);
        let used = match name {
            "message" => Use::Message,
            "component" => Use::Component,
            "log.target" => Use::Target,
            "log.file" if self.source => Use::File,
            "log.line" if self.source => Use::Line,
            "log.module_path" | "log.file" | "log.line" => Use::Nowhere,
            _ => match self.redacted.named_in(name) {
                Some(Named::Itself) => Use::Redacted,
                Some(Named::Several) => Use::Count,
                None => Use::Shown,
            },
        };
        let of_source = if self.source { self.format.reserved_for_source() } else { &[] };
        let mut reserved = self.format.reserved().iter().chain(of_source);
        let reserved = reserved.find(|(reserved, _)| *reserved == name);
        let name = reserved.map_or(name, |(_, instead)| instead);
        let mut prefix = String::new();
        match self.format {
            Format::Text => {
                prefix.push(' ');
                escape(Notation::Quoted, name, &mut prefix);
                prefix.push('=');
            }
            Format::Json | Format::Ecs | Format::Otel => {
                prefix.push_str(",\"");
                escape(Notation::Json, name, &mut prefix);
                prefix.push_str("\":");
            }
        }
        Key { name, prefix: prefix.into(), bit: bit(name), used }
    }
}

/// The top six bits of its hash choose.
fn bit(name: &str) -> u64 {
    1 << (fnv1a(name) >> 58)
}

/// Places in the code are few and static, so a thread finds their templates by address: two that fall
/// on one slot take it from each other.
const SLOTS: usize = 256;

/// The templates that a thread knows.
#[derive(Default)]
pub(super) struct Templates(Vec<Option<Known>>);

struct Known {
    style: u64,
    metadata: &'static Metadata<'static>,
    template: Template,
}

impl Templates {
    /// How this layer writes the fields of this place.
    #[inline]
    pub(super) fn of(&mut self, style: &Style, metadata: &'static Metadata<'static>) -> &Template {
        if self.0.is_empty() {
            self.0.resize_with(SLOTS, || None);
        }
        let address = std::ptr::from_ref(metadata) as usize;
        let slot = &mut self.0[(address >> 4 ^ address >> 12) % SLOTS];
        if slot
            .as_ref()
            .is_none_or(|known| known.style != style.id || !std::ptr::eq(known.metadata, metadata))
        {
            *slot = None;
        }
        let template = || Known { style: style.id, metadata, template: style.template(metadata) };
        &slot.get_or_insert_with(template).template
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserved_key_is_moved_aside() {
        let key = Style::new(&LoggingConfig::new("users")).key("level");
        assert_eq!((key.name, &*key.prefix), ("field.level", ",\"field.level\":"));
    }

    #[test]
    fn each_reserved_key_is_moved_to_one_that_is_not() {
        for format in [Format::Json, Format::Text, Format::Ecs, Format::Otel] {
            let reserved = || format.reserved().iter().chain(format.reserved_for_source());
            for (name, instead) in reserved() {
                assert_ne!(name, instead);
                assert!(!reserved().any(|(name, _)| name == instead), "{instead}");
            }
        }
    }

    #[test]
    fn the_keys_of_the_source_are_reserved_where_lines_tell_it() {
        for (format, file) in [
            (Format::Json, "file"),
            (Format::Text, "file"),
            (Format::Ecs, "log.origin.file.name"),
            (Format::Otel, "code.file.path"),
        ] {
            let config = LoggingConfig::new("users").format(format);
            assert_eq!(Style::new(&config).key(file).name, file);
            let moved = Style::new(&config.with_source(true)).key(file);
            assert_eq!(moved.name, format!("field.{file}"));
        }
    }

    #[test]
    fn a_number_under_a_redacted_word_in_the_plural_says_how_many() {
        let style = Style::new(&LoggingConfig::new("users"));
        for (key, used) in [
            ("accessToken", Use::Redacted),
            ("token_count", Use::Redacted),
            ("tokens_used", Use::Count),
            ("max_tokens", Use::Count),
            ("tokenizer", Use::Shown),
        ] {
            assert_eq!(style.key(key).used, used, "{key}");
        }
    }
}
