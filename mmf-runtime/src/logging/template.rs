//! What is known of the fields of a place in the code before anything is recorded there: how each key is
//! written, and whether its value may be shown. Found out once for each place and kept by each thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::Metadata;
use tracing::field::Field;

use super::config::{Format, LoggingConfig};
use super::escape::escape;

/// The fields of one event or span of the code, as one layer writes them.
#[derive(Debug)]
pub(super) struct Template {
    pub(super) format: Format,
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
    /// In an event, the message of the line.
    Message,
    /// In a record of the `log` crate, where it came from.
    Target,
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
    redacted: Arc<[String]>,
    /// Tells the templates of this layer from another's in the memory of a thread.
    id: u64,
}

impl Style {
    pub(super) fn new(config: &LoggingConfig) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            format: config.format,
            redacted: config.redacted.iter().cloned().collect(),
            // Relaxed: only that each number is given once matters.
            id: NEXT.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// The number of the layer.
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    fn template(&self, metadata: &'static Metadata<'static>) -> Template {
        let keys = metadata.fields().iter().map(|field| self.key(field.name())).collect();
        Template { format: self.format, keys }
    }

    fn key(&self, name: &'static str) -> Key {
        let name = name.strip_prefix("r#").unwrap_or(name);
        let used = match name {
            "message" => Use::Message,
            "log.target" => Use::Target,
            "log.module_path" | "log.file" | "log.line" => Use::Nowhere,
            _ if self.redacted.iter().any(|word| is_whole_word(name, word)) => Use::Redacted,
            _ => Use::Shown,
        };
        let reserved = self.format.reserved().iter().find(|(reserved, _)| *reserved == name);
        let name = reserved.map_or(name, |(_, instead)| instead);
        let mut prefix = String::new();
        match self.format {
            Format::Text => {
                prefix.push(' ');
                escape(name, &mut prefix);
                prefix.push('=');
            }
            Format::Json | Format::Ecs | Format::Otel => {
                prefix.push_str(",\"");
                escape(name, &mut prefix);
                prefix.push_str("\":");
            }
        }
        Key { name, prefix: prefix.into(), bit: bit(name), used }
    }
}

/// FNV-1a, of which the top six bits choose.
fn bit(name: &str) -> u64 {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    1 << (hash >> 58)
}

/// Whether a word stands in a key between characters that are no letters or digits: `password` is in
/// `Password` and `user_password`, not in `passwordless`.
fn is_whole_word(key: &str, word: &str) -> bool {
    let (key, word) = (key.as_bytes(), word.as_bytes());
    let is_boundary = |byte: Option<&u8>| byte.is_none_or(|byte| !byte.is_ascii_alphanumeric());
    !word.is_empty()
        && key.windows(word.len()).enumerate().any(|(at, window)| {
            window.eq_ignore_ascii_case(word)
                && is_boundary(at.checked_sub(1).and_then(|before| key.get(before)))
                && is_boundary(key.get(at + word.len()))
        })
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
            for (name, instead) in format.reserved() {
                assert_ne!(name, instead);
                assert!(!format.reserved().iter().any(|(name, _)| name == instead), "{instead}");
            }
        }
    }

    #[test]
    fn keys_are_redacted_by_whole_words() {
        for key in ["password", "PASSWORD", "user_password", "user.password", "password-hash"] {
            assert!(is_whole_word(key, "password"), "{key}");
        }
        for key in ["passwordless", "mypassword", "pass", ""] {
            assert!(!is_whole_word(key, "password"), "{key}");
        }
        assert!(is_whole_word("stripe_api_key", "api_key"));
    }
}
