//! Types of bodies: which of those that are documented one is.

use mmf_rules::openapi::Place;

/// A type, its parameters in the order of their names.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct MediaType {
    /// `application/json`, in small letters.
    pub(super) name: String,
    /// In small letters, their quotes taken off: case and spaces mean nothing.
    parameters: Vec<(String, String)>,
}

impl MediaType {
    pub(super) fn parse(text: &str) -> Self {
        let mut parts = split(text).into_iter();
        let name = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
        let mut parameters: Vec<_> = parts
            .filter_map(|part| {
                let (name, value) = part.split_once('=')?;
                let value = value.trim().trim_matches('"').replace('\\', "");
                Some((name.trim().to_ascii_lowercase(), value.to_ascii_lowercase()))
            })
            .collect();
        parameters.sort();
        Self { name, parameters }
    }

    /// Whether bodies of it are JSON.
    pub(super) fn is_json(&self) -> bool {
        matches!(self.name.as_str(), "application/json" | "text/json")
            || self.name.ends_with("+json")
    }

    /// Whether bodies of it are forms, field by field.
    pub(super) fn is_form(&self) -> bool {
        self.name == "application/x-www-form-urlencoded"
    }

    pub(super) fn is_text(&self) -> bool {
        self.name.starts_with("text/")
    }

    /// How well a documented type speaks of this one: by how many parameters, and how much of the name.
    fn as_documented(&self, documented: &Self) -> Option<(usize, usize)> {
        let class = self.name.split('/').next().unwrap_or_default();
        let closeness = match documented.name.as_str() {
            name if name == self.name => 2,
            name if name.strip_suffix("/*") == Some(class) => 1,
            "*/*" | "*" => 0,
            _ => return None,
        };
        let mut same = 0;
        for (name, value) in &documented.parameters {
            match self.parameters.iter().find(|(known, _)| known == name) {
                Some((_, known)) if known == value => same += 1,
                // What it says of letters and parts need not be said again.
                None if ["charset", "boundary"].contains(&&**name) => {}
                _ => return None,
            }
        }
        Some((closeness, same))
    }
}

/// At the semicolons that stand in no quotes.
fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let (mut is_quoted, mut is_escaped) = (false, false);
    for letter in text.chars() {
        match letter {
            ';' if !is_quoted => {
                parts.push(String::new());
                continue;
            }
            '"' if !is_escaped => is_quoted = !is_quoted,
            _ => {}
        }
        is_escaped = letter == '\\' && !is_escaped;
        if let Some(part) = parts.last_mut() {
            part.push(letter);
        }
    }
    parts
}

/// What is said of a type: by itself, its class, or any; of several the one with the most of its parameters.
///
/// # Errors
///
/// Where it stands twice.
pub(super) fn documented<'d>(
    kinds: &Place<'d>,
    kind: &MediaType,
) -> Result<Option<Place<'d>>, String> {
    let entries = kinds.entries()?;
    let known: Vec<_> = entries.iter().map(|(name, _)| MediaType::parse(name)).collect();
    for (number, this) in known.iter().enumerate() {
        if let Some(other) = known[..number].iter().position(|other| other == this) {
            let (first, second) = (entries[other].0, entries[number].0);
            return Err(format!(
                "{first:?} and {second:?} are one type, and it stands twice at {kinds}"
            ));
        }
    }
    let fitting = known
        .iter()
        .zip(&entries)
        .filter_map(|(known, (_, place))| Some((kind.as_documented(known)?, place)));
    Ok(fitting.max_by_key(|(closeness, _)| *closeness).map(|(_, place)| place.clone()))
}

#[cfg(test)]
mod tests {
    use mmf_rules::openapi::Document;

    use super::*;

    fn found(kinds: &str, kind: &str) -> Result<Option<String>, String> {
        let text = format!("openapi: 3.1.0\npaths: {{ /a: {{ get: {{ content: {kinds} }} }} }}");
        let document = Document::parse(&text).unwrap();
        let operation = document.operation("GET /a").unwrap();
        let kinds = operation.place.get("content").unwrap().unwrap();
        let found = documented(&kinds, &MediaType::parse(kind))?;
        Ok(found.map(|place| place.text("x").to_owned()))
    }

    #[test]
    fn the_nearest_type_counts() {
        let versions = "{ a/b+json; version=1: { x: one }, A/B+JSON;Version=\"2\": { x: two } }";
        let of = |kind| found(versions, kind).unwrap();
        assert_eq!(of("a/b+json; version=2").as_deref(), Some("two"));
        assert_eq!(of("A/b+json;VERSION = 1").as_deref(), Some("one"));
        assert_eq!(of("a/b+json; version=3"), None);
        assert_eq!(of("a/b+json"), None);
        let classes = "{ '*/*': { x: any }, 'text/*': { x: text }, text/plain: { x: plain }, text/plain;a=1: { x: one } }";
        let of = |kind| found(classes, kind).unwrap();
        assert_eq!(of("image/png").as_deref(), Some("any"));
        assert_eq!(of("text/html").as_deref(), Some("text"));
        assert_eq!(of("text/plain; charset=utf-8").as_deref(), Some("plain"));
        assert_eq!(of("text/plain; a=1; charset=utf-8").as_deref(), Some("one"));
        let letters = "{ 'application/json; charset=utf-8': { x: json } }";
        assert_eq!(found(letters, "application/json").unwrap().as_deref(), Some("json"));
        assert_eq!(
            found(letters, "application/json;charset=UTF-8").unwrap().as_deref(),
            Some("json")
        );
        assert_eq!(found(letters, "application/json;charset=latin1").unwrap(), None);
        let twice = found("{ a/b: {}, 'A/B ;': {} }", "a/b").unwrap_err();
        assert!(twice.contains("\"A/B ;\" and \"a/b\" are one type"), "{twice}");
    }

    #[test]
    fn quotes_hold_what_would_end_a_parameter() {
        let kind = MediaType::parse("multipart/mixed; boundary=\"a;b\\\"c\"; x=1");
        assert_eq!(
            kind.parameters,
            [("boundary".into(), "a;b\"c".into()), ("x".into(), "1".into())]
        );
    }
}
