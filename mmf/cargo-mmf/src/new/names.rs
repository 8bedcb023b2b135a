//! What may be a name: one that is a package, a module and a type of Rust.

/// Words that Rust keeps for itself, of any edition.
const KEYWORDS: [&str; 54] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "raw",
    "ref", "return", "safe", "self", "static", "struct", "super", "trait", "true", "try", "type",
    "typeof", "union", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];
/// Packages that would stand in the way of others, or of cargo.
const TAKEN: [&str; 27] = [
    "alloc",
    "cargo-mmf",
    "axum",
    "build",
    "core",
    "deps",
    "examples",
    "http",
    "incremental",
    "mmf",
    "mmf-macros",
    "mmf-rules",
    "mmf-runtime",
    "proc-macro",
    "prost",
    "reqwest",
    "serde",
    "serde_json",
    "sqlx",
    "std",
    "support",
    "test",
    "thiserror",
    "tokio",
    "tonic",
    "tower",
    "tracing",
];
/// Parts whose modules or types would be others of the same file.
const NO_PARTS: [&str; 30] = [
    "alloc",
    "axum",
    "box",
    "chaos",
    "checks",
    "clients",
    "core",
    "err",
    "from",
    "into",
    "mmf",
    "none",
    "ok",
    "operations",
    "option",
    "outcome",
    "problem",
    "reqwest",
    "resilience",
    "result",
    "some",
    "std",
    "status_code",
    "string",
    "support",
    "tests",
    "thiserror",
    "tokio",
    "tracing",
    "vec",
];
const LONGEST: usize = 64;

/// A name in the forms that a program needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// As it was given: `my-service`.
    pub(super) text: String,
    /// As a module: `my_service`.
    pub(super) ident: String,
    /// As a type: `MyService`.
    pub(super) camel: String,
    /// As words: `my service`.
    pub(super) title: String,
}

impl Name {
    /// That of a package.
    pub(super) fn of_package(text: &str) -> Result<Self, String> {
        let name = Self::of(text)?;
        if TAKEN.iter().any(|taken| taken.replace('-', "_") == name.ident) {
            return Err(format!("`{text}` is a package that others have: take another name"));
        }
        Ok(name)
    }

    /// That of a part of one.
    pub(super) fn of_part(text: &str) -> Result<Self, String> {
        let name = Self::of(text)?;
        if NO_PARTS.contains(&name.ident.as_str()) {
            return Err(format!("`{text}` is what a part itself uses: take another name"));
        }
        Ok(name)
    }

    fn of(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split(['-', '_']).collect();
        let is_word = |word: &&str| {
            !word.is_empty()
                && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        let begins = text.starts_with(|letter: char| letter.is_ascii_lowercase());
        if !begins || !words.iter().all(is_word) || text.len() > LONGEST {
            return Err(format!(
                "{text:?} is no name: write lower case letters and digits, beginning with a letter, at most {LONGEST}, \
                 with `-` or `_` between words"
            ));
        }
        let ident = words.join("_");
        if KEYWORDS.contains(&ident.as_str()) {
            return Err(format!("`{ident}` is a word of Rust: take another name"));
        }
        let camel = |word: &&str| {
            let (first, rest) = word.split_at(1);
            format!("{}{rest}", first.to_ascii_uppercase())
        };
        Ok(Self {
            text: text.to_owned(),
            camel: words.iter().map(camel).collect(),
            title: words.join(" "),
            ident,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_the_forms_that_a_program_needs() {
        let name = Name::of_package("user-profile_v2").unwrap();
        let forms = (name.ident.as_str(), name.camel.as_str(), name.title.as_str());
        assert_eq!(forms, ("user_profile_v2", "UserProfileV2", "user profile v2"));
    }

    #[test]
    fn what_is_no_name_is_refused_with_what_to_write() {
        for (wrong, part) in [
            ("", "is no name"),
            ("My", "lower case"),
            ("2nd", "beginning with a letter"),
            ("-a", "is no name"),
            ("a--b", "is no name"),
            ("a-", "is no name"),
            ("a b", "is no name"),
            ("../a", "is no name"),
            ("a/b", "is no name"),
            ("bücher", "is no name"),
            ("async", "a word of Rust"),
            ("self", "a word of Rust"),
            ("gen", "a word of Rust"),
        ] {
            let told = Name::of_part(wrong).unwrap_err();
            assert!(told.contains(part), "{wrong}: {told}");
        }
        assert!(Name::of_part(&"a".repeat(64)).is_ok() && Name::of_part(&"a".repeat(65)).is_err());
        for taken in ["std", "tokio", "proc_macro", "serde-json", "test", "support", "mmf_rules"] {
            let told = Name::of_package(taken).unwrap_err();
            assert!(told.contains("others have"), "{told}");
        }
        for used in ["outcome", "status-code", "result", "tests", "support", "resilience"] {
            assert!(Name::of_part(used).unwrap_err().contains("a part itself uses"), "{used}");
        }
        assert!(Name::of_part("http").is_ok(), "of a part it is a name like any other");
    }
}
