//! What policies are called, and the labels of their keys.

use std::borrow::{Borrow, Cow};
use std::fmt::{self, Write};
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// The name of a policy: a text of the program, or one made at run time, which is kept for as long as
/// something carries it and no longer.
///
/// It derefs to `str` and compares with texts.
///
/// ```
/// use mmf_runtime::resilience::PolicyName;
///
/// const USERS: PolicyName = PolicyName::new("users.fetch");
/// assert_eq!(USERS, "users.fetch");
/// assert!(PolicyName::from(format!("tenant.{}", 7)).starts_with("tenant."));
/// ```
#[derive(Clone)]
pub struct PolicyName(Text);

#[derive(Clone)]
enum Text {
    Static(&'static str),
    Shared(Arc<str>),
}

impl PolicyName {
    /// A name that stands in the program.
    pub const fn new(name: &'static str) -> Self {
        Self(Text::Static(name))
    }

    /// The name as text.
    #[inline]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Text::Static(name) => name,
            Text::Shared(name) => name,
        }
    }
}

impl Deref for PolicyName {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for PolicyName {
    fn as_ref(&self) -> &str {
        self
    }
}

impl Borrow<str> for PolicyName {
    fn borrow(&self) -> &str {
        self
    }
}

impl Default for PolicyName {
    fn default() -> Self {
        Self::new("")
    }
}

impl fmt::Display for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl fmt::Debug for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl PartialEq for PolicyName {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for PolicyName {}

impl PartialEq<str> for PolicyName {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for PolicyName {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl PartialEq<String> for PolicyName {
    fn eq(&self, other: &String) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<PolicyName> for str {
    fn eq(&self, other: &PolicyName) -> bool {
        self == other.as_str()
    }
}

impl PartialEq<PolicyName> for &str {
    fn eq(&self, other: &PolicyName) -> bool {
        *self == other.as_str()
    }
}

impl PartialOrd for PolicyName {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PolicyName {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for PolicyName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl From<&'static str> for PolicyName {
    fn from(name: &'static str) -> Self {
        Self::new(name)
    }
}

impl From<String> for PolicyName {
    fn from(name: String) -> Self {
        Self(Text::Shared(name.into()))
    }
}

impl From<Arc<str>> for PolicyName {
    fn from(name: Arc<str>) -> Self {
        Self(Text::Shared(name))
    }
}

impl From<Cow<'static, str>> for PolicyName {
    fn from(name: Cow<'static, str>) -> Self {
        match name {
            Cow::Borrowed(name) => name.into(),
            Cow::Owned(name) => name.into(),
        }
    }
}

impl From<&PolicyName> for PolicyName {
    fn from(name: &PolicyName) -> Self {
        name.clone()
    }
}

impl Serialize for PolicyName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

/// The most characters of a key that events, errors and snapshots show.
const LONGEST_LABEL: usize = 64;

/// A key as events, errors and snapshots show it: what its `Debug` writes, without the quotes of a text, cut
/// and escaped, since keys come from outside.
pub(crate) fn label(key: &dyn fmt::Debug) -> Arc<str> {
    let mut label = Label(String::new());
    // Fails where the label is full; a key whose `Debug` fails has written what it could.
    let _ = write!(label, "{key:?}");
    let text = label.0;
    let text =
        text.strip_prefix('"').map_or(text.as_str(), |text| text.strip_suffix('"').unwrap_or(text));
    text.chars().take(LONGEST_LABEL).collect::<String>().into()
}

/// Takes so much of a text as a label can show, with its quotes.
struct Label(String);

impl Write for Label {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for letter in text.chars() {
            if self.0.chars().count() > LONGEST_LABEL + 1 {
                return Err(fmt::Error);
            }
            if is_harmless(letter) {
                self.0.push(letter);
            } else {
                self.0.extend(letter.escape_unicode());
            }
        }
        Ok(())
    }
}

/// Whether a character neither commands a terminal, nor ends a line, nor turns the direction of text.
fn is_harmless(letter: char) -> bool {
    !letter.is_control()
        && !matches!(letter, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_texts_wherever_they_come_from() {
        let names: [PolicyName; 4] = [
            "a".into(),
            String::from("a").into(),
            Arc::<str>::from("a").into(),
            Cow::Borrowed("a").into(),
        ];
        for name in &names {
            assert_eq!((name, name.len()), (&names[0], 1));
            assert!(*name == "a" && "a" == *name && *name == *"a" && *name == String::from("a"));
        }
        assert_eq!(format!("{} {:?}", names[1], names[1]), "a \"a\"");
    }

    #[test]
    fn a_label_is_short_and_harmless() {
        assert_eq!(&*label(&"a.example"), "a.example");
        assert_eq!(&*label(&7), "7");
        assert_eq!(&*label(&("a", 1)), "(\"a\", 1)");
        assert_eq!(label(&"x".repeat(1 << 20)).len(), 64);
        let hostile = label(&"a\u{1b}[31m\n\u{202e}b\u{9b}");
        assert!(hostile.chars().all(|letter| is_harmless(letter)), "{hostile}");
    }

    struct Raw;
    impl fmt::Debug for Raw {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a\u{7f}\u{2028}b\nc")
        }
    }

    #[test]
    fn what_a_debug_of_the_users_writes_raw_is_escaped_too() {
        assert_eq!(&*label(&Raw), "a\\u{7f}\\u{2028}b\\u{a}c");
    }
}
