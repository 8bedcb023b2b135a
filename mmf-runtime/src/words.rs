//! Words of keys whose values are secrets.

use std::iter::once;
use std::sync::Arc;

/// What is printed in place of a secret.
pub const REDACTED: &str = "[redacted]";

/// The words of keys whose values are not printed, unless a service says others. Those of two are here also
/// for keys in which they are written as one, as `accesstoken`.
pub const WORDS: [&str; 22] = [
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "secret",
    "token",
    "authorization",
    "cookie",
    "api_key",
    "credential",
    "private_key",
    "bearer",
    "session",
    "otp",
    "pin",
    "ssn",
    "iban",
    "card_number",
    "cvv",
    "access_token",
    "refresh_token",
    "client_secret",
];

/// Words that are looked for in keys.
#[derive(Clone, Debug)]
pub struct Words(Arc<[Word]>);

/// How a key names one of the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Named {
    /// As it was given, or as one of several that were: `token`.
    Itself,
    /// As several: `tokens`, which may also be a number of them.
    Several,
}

#[derive(Debug)]
struct Word {
    forms: Vec<(String, Named)>,
    /// Where its parts end, but for the last: of `api_key` behind `api`.
    inner_ends: Vec<usize>,
}

impl Words {
    pub fn new(words: &[String]) -> Self {
        Self(words.iter().filter_map(|word| Word::new(word)).collect())
    }

    /// How a key names one of the words, where it does.
    pub fn named_in(&self, key: &str) -> Option<Named> {
        let key = Parts::of(key);
        self.0.iter().filter_map(|word| word.named_in(&key)).min()
    }
}

impl Word {
    /// Nothing where there is neither a letter nor a digit.
    fn new(word: &str) -> Option<Self> {
        let Parts { letters, ends } = Parts::of(word);
        let (_, inner_ends) = ends.split_last()?;
        let mut forms = vec![(plural(&letters), Named::Several)];
        forms.extend(singulars(&letters).into_iter().map(|one| (one, Named::Itself)));
        let inner_ends = inner_ends.to_vec();
        forms.push((letters, Named::Itself));
        Some(Self { forms, inner_ends })
    }

    fn named_in(&self, key: &Parts) -> Option<Named> {
        let starts = || once(0).chain(key.ends.iter().copied());
        let is_at = |start: usize, form: &str| {
            key.letters[start..].starts_with(form)
                && self.is_named_by(key, start, start + form.len())
        };
        let forms = self.forms.iter();
        forms
            .filter(|(form, _)| starts().any(|start| is_at(start, form)))
            .map(|(_, named)| *named)
            .min()
    }

    /// Whether parts of a key that have the letters of this word are it: as one part, as those that the word
    /// has, or as parts that are words themselves. `pass_word` is `password`, `p_in` is not `pin`.
    fn is_named_by(&self, key: &Parts, start: usize, end: usize) -> bool {
        if !key.ends.contains(&end) {
            return false;
        }
        let inner = key.ends.iter().copied().filter(|place| (start + 1..end).contains(place));
        let starts = once(start).chain(inner.clone());
        let are_words =
            starts.zip(inner.clone().chain(once(end))).all(|(start, end)| end - start >= 3);
        let are_its_own =
            inner.clone().map(|place| place - start).eq(self.inner_ends.iter().copied());
        are_words || are_its_own || inner.count() == 0
    }
}

/// The parts of a key one behind the other, in small letters, and where each ends.
#[derive(Debug)]
struct Parts {
    letters: String,
    ends: Vec<usize>,
}

impl Parts {
    // Input: `HTTPToken`, `x-api-key2`, `userIDs`
    // Output: http token, x api key 2, user ids
    fn of(key: &str) -> Self {
        let given: Vec<char> = key.chars().collect();
        let kind = |place: usize| given.get(place).map_or(Kind::Gap, |letter| Kind::of(*letter));
        let (mut letters, mut ends) = (String::with_capacity(key.len()), Vec::new());
        for (place, letter) in given.iter().enumerate() {
            let is_end = match (kind(place), kind(place + 1)) {
                (Kind::Gap, _) => continue,
                (Kind::Small | Kind::Capital, Kind::Small) | (Kind::Digit, Kind::Digit) => false,
                // The last capital of several begins a word, unless an `s` is all that follows it.
                (Kind::Capital, Kind::Capital) => {
                    let is_plural =
                        given.get(place + 2) == Some(&'s') && kind(place + 3) != Kind::Small;
                    kind(place + 2) == Kind::Small && !is_plural
                }
                _ => true,
            };
            letters.extend(letter.to_lowercase());
            if is_end {
                ends.push(letters.len());
            }
        }
        Self { letters, ends }
    }
}

/// What a character is in a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Small,
    Capital,
    Digit,
    /// A letter of a script without capitals: each is a part of its own.
    Sign,
    /// What stands between words.
    Gap,
}

impl Kind {
    fn of(letter: char) -> Self {
        match letter {
            _ if letter.is_lowercase() => Self::Small,
            _ if letter.is_uppercase() => Self::Capital,
            _ if letter.is_numeric() => Self::Digit,
            _ if letter.is_alphabetic() => Self::Sign,
            _ => Self::Gap,
        }
    }
}

/// As English forms it.
fn plural(word: &str) -> String {
    let is_vowel = |letter: char| matches!(letter, 'a' | 'e' | 'i' | 'o' | 'u');
    match word.strip_suffix('y') {
        Some(stem) if !stem.ends_with(is_vowel) => format!("{stem}ies"),
        _ if ["s", "x", "z", "ch", "sh"].iter().any(|end| word.ends_with(end)) => {
            format!("{word}es")
        }
        _ => format!("{word}s"),
    }
}

/// What a word may be the plural of: `cookies` of `cookie`, `identities` of `identity`.
fn singulars(word: &str) -> Vec<String> {
    let stem = word.strip_suffix('s').filter(|stem| !stem.is_empty() && !stem.ends_with('s'));
    let other = stem.and_then(|stem| stem.strip_suffix("ie")).map(|stem| format!("{stem}y"));
    stem.map(ToOwned::to_owned).into_iter().chain(other).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(words: &[&str], key: &str) -> Option<Named> {
        let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
        Words::new(&words).named_in(key)
    }

    #[test]
    fn a_word_is_found_in_any_spelling_of_a_key() {
        for key in [
            "password",
            "PASSWORD",
            "user_password",
            "user.password",
            "password-hash",
            "userPassword",
            "UserPassword",
            "HTTPPassword",
            "passwordV2",
            "password2",
            "db:password",
            "the password",
            "pass_word",
            "passWord",
            "用户password",
        ] {
            assert_eq!(named(&["password"], key), Some(Named::Itself), "{key}");
        }
        for key in ["passwordless", "mypassword", "pass", "pa_ss_word", "_", ""] {
            assert_eq!(named(&["password"], key), None, "{key}");
        }
    }

    #[test]
    fn a_word_of_two_parts_is_found_together_and_apart() {
        for word in ["api_key", "apiKey", "API-KEY", "api key", "apikey"] {
            for key in
                ["api_key", "apiKey", "x-api-key", "APIKey", "stripe.apikey", "ApiKEY", "apiKey2"]
            {
                assert_eq!(named(&[word], key), Some(Named::Itself), "{word} in {key}");
            }
            for key in ["api_keys", "apiKeys", "APIKeys", "apikeys"] {
                assert_eq!(named(&[word], key), Some(Named::Several), "{word} in {key}");
            }
            for key in ["api", "key", "key_api", "api_monkey", "rapikey", "api_v2_key"] {
                assert_eq!(named(&[word], key), None, "{word} in {key}");
            }
        }
    }

    #[test]
    fn a_word_is_found_where_there_are_several() {
        for (word, key) in [
            ("secret", "secrets"),
            ("cookie", "requestCookies"),
            ("pin", "PINs"),
            ("identity", "identities"),
            ("pass", "passes"),
        ] {
            assert_eq!(named(&[word], key), Some(Named::Several), "{word} in {key}");
        }
        assert_eq!(named(&["cookies"], "cookies"), Some(Named::Itself));
        assert_eq!(named(&["cookies"], "cookie"), Some(Named::Itself));
        assert_eq!(named(&["identities"], "identity"), Some(Named::Itself));
        assert_eq!(named(&["cookie"], "cookies.cookie"), Some(Named::Itself));
        assert_eq!(named(&["-", ""], "-"), None);
    }

    #[test]
    fn the_words_of_the_beginning_find_what_is_secret_and_little_else() {
        let names = |key| named(&WORDS, key).is_some();
        for key in [
            "accessToken",
            "apiKey",
            "x-api-key",
            "secrets",
            "cookies",
            "clientSecret",
            "HTTPToken",
            "accesstoken",
            "set-cookie",
            "Proxy-Authorization",
            "DB_PASSWD",
            "creditCardNumber",
            "privatekey",
            "session_id",
            "cvv2",
            "token_count",
        ] {
            assert!(names(key), "{key}");
        }
        for key in [
            "tokenizer",
            "secretary",
            "pinned",
            "spinner",
            "opinion",
            "cardinality",
            "passenger",
            "discard_number",
            "p_in",
            "o_tp",
            "public_key",
            "mission",
            "obsession",
            "keyboard",
            "author",
            "pint",
        ] {
            assert!(!names(key), "{key}");
        }
    }

    #[test]
    fn words_are_found_in_scripts_without_capitals() {
        assert_eq!(named(&["密码"], "用户密码"), Some(Named::Itself));
        assert_eq!(named(&["contraseña"], "usuario_CONTRASEÑA"), Some(Named::Itself));
        assert_eq!(named(&["密码"], "密"), None);
    }
}
