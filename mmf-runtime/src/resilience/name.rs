//! What policies are called, and the labels of their keys.

use std::borrow::{Borrow, Cow};
use std::fmt::{self, Write};
use std::ops::Deref;
use std::sync::Arc;

use arcstr::ArcStr;
use serde::{Serialize, Serializer};

use crate::text::is_harmless;

/// A text that is shared by whatever carries it, and kept no longer: one word wide, so that a refusal which
/// carries one is not larger than it must be.
macro_rules! shared_text {
    ($(#[$attribute:meta])* $name:ident) => {
        $(#[$attribute])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(ArcStr);

        impl $name {
            /// As text.
            #[inline]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Deref for $name {
            type Target = str;

            #[inline]
            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                self
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self.as_str(), f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.as_str(), f)
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.as_str() == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.as_str() == *other
            }
        }

        impl PartialEq<String> for $name {
            fn eq(&self, other: &String) -> bool {
                self.as_str() == other
            }
        }

        impl PartialEq<$name> for str {
            fn eq(&self, other: &$name) -> bool {
                self == other.as_str()
            }
        }

        impl PartialEq<$name> for &str {
            fn eq(&self, other: &$name) -> bool {
                *self == other.as_str()
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl From<Arc<str>> for $name {
            fn from(text: Arc<str>) -> Self {
                Self(text.into())
            }
        }

        impl From<Cow<'_, str>> for $name {
            fn from(text: Cow<'_, str>) -> Self {
                Self(text.into())
            }
        }

        impl From<&$name> for $name {
            fn from(text: &$name) -> Self {
                text.clone()
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self)
            }
        }
    };
}

shared_text! {
    /// The name of a policy, kept for as long as something carries it and no longer.
    ///
    /// It derefs to `str` and compares with texts.
    ///
    /// ```
    /// # use mmf_runtime as mmf;
    /// use mmf::resilience::PolicyName;
    ///
    /// assert_eq!(PolicyName::from("users.fetch"), "users.fetch");
    /// assert!(PolicyName::from(format!("tenant.{}", 7)).starts_with("tenant."));
    /// ```
    PolicyName
}

shared_text! {
    /// A key as events, errors and snapshots show it: at most 64 characters, none of which turns text around or
    /// ends a line.
    KeyLabel
}

impl PolicyName {
    /// The name of a function, which is there for as long as the program runs: handing it on counts nothing.
    pub(crate) fn of_program(name: &'static str) -> Self {
        let name = ArcStr::from(name);
        name.leak();
        Self(name)
    }
}

impl Default for PolicyName {
    fn default() -> Self {
        Self(ArcStr::new())
    }
}

/// What a call is named by: a text of the program, which is not copied before a refusal carries it, or the name
/// of a policy.
#[derive(Clone, Debug)]
pub struct CallName(Named);

#[derive(Clone, Debug)]
enum Named {
    Static(&'static str),
    Policy(PolicyName),
}

impl CallName {
    #[inline]
    pub(crate) fn as_str(&self) -> &str {
        match &self.0 {
            Named::Static(name) => name,
            Named::Policy(name) => name,
        }
    }

    /// As a refusal carries it.
    pub(crate) fn to_policy(&self) -> PolicyName {
        match &self.0 {
            Named::Static(name) => PolicyName::from(*name),
            Named::Policy(name) => name.clone(),
        }
    }
}

impl From<&'static str> for CallName {
    fn from(name: &'static str) -> Self {
        Self(Named::Static(name))
    }
}

impl From<PolicyName> for CallName {
    fn from(name: PolicyName) -> Self {
        Self(Named::Policy(name))
    }
}

impl From<&PolicyName> for CallName {
    fn from(name: &PolicyName) -> Self {
        name.clone().into()
    }
}

impl From<String> for CallName {
    fn from(name: String) -> Self {
        PolicyName::from(name).into()
    }
}

impl From<Arc<str>> for CallName {
    fn from(name: Arc<str>) -> Self {
        PolicyName::from(name).into()
    }
}

impl From<Cow<'static, str>> for CallName {
    fn from(name: Cow<'static, str>) -> Self {
        match name {
            Cow::Borrowed(name) => name.into(),
            Cow::Owned(name) => name.into(),
        }
    }
}

/// The most characters of a key that events, errors and snapshots show.
const LONGEST_LABEL: usize = 64;

/// A key as events, errors and snapshots show it: what its `Debug` writes, without the quotes of a text.
pub(crate) fn label<K: fmt::Debug + ?Sized>(key: &K) -> KeyLabel {
    let text = written(format_args!("{key:?}"));
    let inner = text.strip_prefix('"').map(|text| text.strip_suffix('"').unwrap_or(text));
    cut(inner.unwrap_or(&text))
}

/// A key as its `Display` writes it.
pub(crate) fn shown<K: fmt::Display + ?Sized>(key: &K) -> KeyLabel {
    cut(&written(format_args!("{key}")))
}

fn cut(text: &str) -> KeyLabel {
    text.chars().take(LONGEST_LABEL).collect::<String>().into()
}

/// What a key writes of itself, escaped, since keys come from outside.
fn written(key: fmt::Arguments<'_>) -> String {
    let mut label = Label(String::new());
    // Fails where the label is full; a key that fails to write itself has written what it could.
    let _ = label.write_fmt(key);
    // A URL shows no password, also where its end is too far away to be seen.
    crate::url::without_credentials(&label.0).into_owned()
}

/// Takes more of a text than a label can show, and not all of a huge one.
struct Label(String);

impl Label {
    const MOST: usize = 4096;
}

impl Write for Label {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for letter in text.chars() {
            if self.0.len() > Self::MOST {
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
            assert!(*name == "a" && *name == *"a");
            assert!("a" == *name && *"a" == *name);
            let owned = String::from("a");
            assert!(*name == owned);
        }
        assert_eq!(format!("{} {:?}", names[1], names[1]), "a \"a\"");
    }

    #[test]
    fn a_label_is_short_and_harmless() {
        assert_eq!(&*label(&"a.example"), "a.example");
        assert_eq!(&*label(&7), "7");
        assert_eq!(&*label(&("a", 1)), "(\"a\", 1)");
        assert_eq!(label(&"x".repeat(1 << 20)).len(), 64);
        assert_eq!(&*label(&"https://ada:s3cr3t@host/x"), "https://[redacted]@host/x");
        let long = format!("https://ada:{}@host/x", "s3cr3t".repeat(100));
        assert_eq!(&*label(&long), "https://[redacted]@host/x");
        let endless = format!("https://ada:{}@host/x", "s3cr3t".repeat(10_000));
        assert!(!label(&endless).contains("s3cr3t"), "{}", label(&endless));
        let hostile = label(&"a\u{1b}[31m\n\u{202e}b\u{9b}");
        assert!(hostile.chars().all(is_harmless), "{hostile}");
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
