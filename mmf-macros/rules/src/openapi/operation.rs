//! What a document says of one method of a path.

use percent_encoding::percent_decode_str;

use super::place::Place;

/// A method of a path.
#[derive(Clone, Debug)]
pub struct Operation<'d> {
    /// In small letters.
    pub method: &'static str,
    /// `/users/{id}`
    pub template: String,
    pub(super) item: Place<'d>,
    /// What is said of it.
    pub place: Place<'d>,
}

impl<'d> Operation<'d> {
    /// Its id, or method and path where it has none.
    pub fn name(&self) -> String {
        self.place.value["operationId"].as_str().map_or_else(|| self.title(), str::to_owned)
    }

    /// Method and path.
    pub fn title(&self) -> String {
        format!("{} {}", self.method.to_uppercase(), self.template)
    }

    /// Its parameters; those of the path that it does not have itself included.
    ///
    /// # Errors
    ///
    /// Where a reference leads nowhere, one stands twice, or is in no place that there is.
    pub fn parameters(&self) -> Result<Vec<Place<'d>>, String> {
        let mut parameters: Vec<Place<'d>> = Vec::new();
        for owner in [&self.place, &self.item] {
            let own = owner.get("parameters")?.map(|all| all.items()).transpose()?;
            let before = parameters.len();
            for parameter in own.into_iter().flatten() {
                let place = parameter.text("in");
                if !["path", "query", "header", "cookie"].contains(&place) {
                    return Err(format!(
                        "{}: the parameter at {parameter} is in {place:?}, expected path, query, header or cookie",
                        self.name()
                    ));
                }
                let same = |known: &Place<'_>| {
                    known.value["name"] == parameter.value["name"]
                        && known.value["in"] == parameter.value["in"]
                };
                match parameters.iter().position(same) {
                    None => parameters.push(parameter),
                    Some(known)
                        if known >= before
                            && parameters[known].identity() != parameter.identity() =>
                    {
                        return Err(format!(
                            "{}: the parameter `{}` stands twice, at {} and at {parameter}",
                            self.name(),
                            parameter.text("name"),
                            parameters[known],
                        ));
                    }
                    Some(_) => {}
                }
            }
        }
        Ok(parameters)
    }

    /// What stands in a path in place of the parameters, as it is written; nothing where it is another path.
    pub fn captures<'a>(&'a self, path: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
        captures(&self.template, path)
    }

    /// The path that its own lies below: that of its first server, or else of those of its path, or of the document.
    /// It has no slash at its end.
    pub fn server_path(&self) -> String {
        let root = self.place.root();
        let servers = [&self.place, &self.item, &root].map(|owner| &owner.value["servers"][0]);
        let Some(server) = servers.into_iter().find(|server| server.is_object()) else {
            return String::new();
        };
        let mut url = server["url"].as_str().unwrap_or_default().to_owned();
        for (name, variable) in server["variables"].as_object().into_iter().flatten() {
            let value = variable["default"].as_str().unwrap_or_default();
            url = url.replace(&format!("{{{name}}}"), value);
        }
        let path = match url.split_once("://") {
            Some((_, rest)) => rest.find('/').map_or("", |start| &rest[start..]),
            None => &url,
        };
        // Relative ones are relative to where the document is, which is taken to be the root.
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let path = path.trim_start_matches('.').trim_matches('/');
        if path.is_empty() { String::new() } else { format!("/{path}") }
    }

    /// Names in the query that are of no parameter: keys of an API.
    ///
    /// # Errors
    ///
    /// Where a reference leads nowhere.
    pub fn keys_in_query(&self) -> Result<Vec<&'d str>, String> {
        let components = self.place.root().get("components")?;
        let schemes = components.map(|all| all.get("securitySchemes")).transpose()?.flatten();
        let schemes = schemes.map(|schemes| schemes.entries()).transpose()?.unwrap_or_default();
        let in_query = schemes.iter().filter(|(_, scheme)| scheme.text("in") == "query");
        Ok(in_query.map(|(_, scheme)| scheme.text("name")).collect())
    }
}

/// What stands in a path in place of the parameters of a template.
pub(super) fn captures<'a>(template: &'a str, path: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
    let (wanted, parts) = (template.split('/'), path.split('/'));
    if wanted.clone().count() != parts.clone().count() {
        return None;
    }
    let mut captures = Vec::new();
    for (template, part) in wanted.zip(parts) {
        captures.extend(captures_of_part(template, part)?);
    }
    Some(captures)
}

/// Of `{name}.json` and `a.b.json`: the last that fits, since what follows is more telling than what it may be.
fn captures_of_part<'a>(template: &'a str, part: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
    let Some((before, rest)) = template.split_once('{') else {
        let is_it = template == part || decoded(template) == decoded(part);
        return is_it.then(Vec::new);
    };
    let (name, after) = rest.split_once('}')?;
    let part = part.strip_prefix(before)?;
    let ends = part.char_indices().map(|(start, letter)| start + letter.len_utf8());
    ends.rev().find_map(|end| {
        let (value, left) = part.split_at(end);
        let mut captures = captures_of_part(after, left)?;
        captures.insert(0, (name, value));
        Some(captures)
    })
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// `/users/{}`
pub(super) fn without_names(template: &str) -> String {
    let mut shape = String::new();
    let mut rest = template;
    while let Some((before, name)) = rest.split_once('{') {
        shape.push_str(before);
        shape.push_str("{}");
        rest = name.split_once('}').map_or("", |(_, after)| after);
    }
    shape + rest
}

#[cfg(test)]
mod tests {
    use super::super::document::Document;

    #[test]
    fn a_parameter_is_in_a_place_that_there_is() {
        let of = |place: &str| {
            let text = format!(
                "openapi: 3.1.0\ninfo: {{ title: t, version: '1' }}\npaths: {{ /a: {{ get: {{ operationId: a, \
                 parameters: [{{ name: q, in: {place}, schema: {{ type: string }} }}], responses: {{}} }} }} }}\n"
            );
            let document = Document::parse(&text).unwrap();
            document.operation("a").unwrap().parameters().map(|all| all.len())
        };
        for place in ["path", "query", "header", "cookie"] {
            assert_eq!(of(place), Ok(1), "{place}");
        }
        let wrong = of("qurey").unwrap_err();
        assert!(wrong.contains("\"qurey\", expected path, query, header or cookie"), "{wrong}");
    }
}
