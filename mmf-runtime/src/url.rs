//! URLs as we print them: without the user and the password that they may carry.

use std::borrow::Cow;

/// The longest name of a host, by RFC 1035, with a port.
const LONGEST_HOST: usize = 253 + 6;

/// A text with the credentials of each URL in it cut out: `https://[redacted]@host/path`.
pub fn without_credentials(text: &str) -> Cow<'_, str> {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(place) = rest.find("://") {
        let (before, authority) = rest.split_at(place + 3);
        shown.push_str(before);
        let ends = |letter: char| matches!(letter, '/' | '?' | '#') || letter.is_whitespace();
        let end = authority.find(ends).unwrap_or(authority.len());
        // A password may have an `@` of its own: the last one ends it.
        rest = match authority[..end].rfind('@') {
            Some(at) => {
                shown.push_str("[redacted]");
                &authority[at..]
            }
            // So long an authority is none, or one whose end is missing.
            None if end == authority.len() && end > LONGEST_HOST => {
                shown.push_str("[redacted]");
                ""
            }
            None => authority,
        };
    }
    if shown.is_empty() {
        return Cow::Borrowed(text);
    }
    shown.push_str(rest);
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_passwords_of_urls_are_cut() {
        for (text, shown) in [
            ("http://ada:s3cr3t@host:80/x?y=a@b", "http://[redacted]@host:80/x?y=a@b"),
            (
                "at https://token@host, or ftp://a:p@ss@h",
                "at https://[redacted]@host, or ftp://[redacted]@h",
            ),
            ("postgres://u:p@db/x#y", "postgres://[redacted]@db/x#y"),
            ("http://host/a@b", "http://host/a@b"),
            ("mail ada@example.org", "mail ada@example.org"),
            ("://", "://"),
            ("", ""),
        ] {
            assert_eq!(without_credentials(text), shown);
        }
    }
}
