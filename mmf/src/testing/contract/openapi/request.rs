//! A request against what a document says of its operation.

use mmf_rules::openapi::{Operation, Place, is_free_form, is_said_elsewhere, kinds, properties};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::super::http::Request;
use super::media::{MediaType, documented};
use super::parameter::{self, Given, Location, Style};
use super::schema::Judge;

/// Checks path, parameters and body; the path is that of the document.
///
/// # Errors
///
/// All that is wrong.
pub(super) fn check(
    operation: &Operation<'_>,
    request: &Request,
    judge: &Judge<'_>,
) -> Result<(), String> {
    if !operation.method.eq_ignore_ascii_case(&request.method) {
        let method = operation.method.to_uppercase();
        return Err(format!("{} is a {method}, not a {}", operation.name(), request.method));
    }
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let captures = operation.captures(path).ok_or_else(|| {
        format!("{path} is not the path of {}: {}", operation.name(), operation.template)
    })?;
    let mut wrong = Vec::new();
    let mut query = Query::of(query, operation)?;
    let mut parameters = operation.parameters()?;
    // What takes all that is left comes last.
    parameters.sort_by_key(|parameter| takes_the_rest(parameter));
    for parameter in &parameters {
        let name = parameter.text("name");
        let location = Location::of(parameter);
        let given = match location {
            Location::Path => captures
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| Given::Texts(vec![(*value).to_owned()])),
            Location::Query => query.take(parameter),
            Location::Cookie => cookie(request, name),
            Location::Header if is_said_elsewhere(name) => continue,
            Location::Header => {
                let values =
                    request.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
                let values: Vec<_> = values.map(|(_, value)| value.clone()).collect();
                (!values.is_empty()).then_some(Given::Texts(values))
            }
        };
        let is = match &given {
            Some(given) => parameter::check(parameter, (name, location), given, judge),
            None if parameter.is("required") || location == Location::Path => {
                wrong.push(format!("the parameter `{name}` is required"));
                continue;
            }
            None => Ok(()),
        };
        let told = |why| format!("the parameter `{name}` is not as documented: {why}");
        wrong.extend(is.err().map(told));
    }
    wrong.extend(query.left().map(|name| format!("there is no parameter `{name}` in the query")));
    wrong.extend(body(operation, request, judge).err());
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
}

/// Whether it is an object whose fields stand in the query each by itself, with whatever name.
fn takes_the_rest(parameter: &Place<'_>) -> bool {
    Location::of(parameter) == Location::Query
        && is_spread(parameter)
        && parameter.schema().is_some_and(|schema| is_free_form(&schema))
}

/// Whether it is an object whose fields stand in the query each by itself.
fn is_spread(parameter: &Place<'_>) -> bool {
    let style = Style::of(parameter, Location::Query);
    let is_object = parameter
        .schema()
        .and_then(|schema| kinds(&schema))
        .is_some_and(|kinds| kinds.contains("object") && !kinds.contains("array"));
    is_object && style.explode && style.name == "form"
}

/// What stands in a query, and what of it no parameter has taken.
struct Query {
    /// The name, the value as it is written, and whether it was taken.
    pairs: Vec<(String, String, bool)>,
    /// Those that every operation takes.
    keys: Vec<String>,
}

impl Query {
    fn of(query: &str, operation: &Operation<'_>) -> Result<Self, String> {
        let keys = operation.keys_in_query()?.into_iter().map(str::to_owned).collect();
        Ok(Self { pairs: pairs(query), keys })
    }

    /// What it has of a parameter.
    fn take(&mut self, parameter: &Place<'_>) -> Option<Given> {
        let name = parameter.text("name");
        let is_deep = parameter.text("style") == "deepObject";
        let spread = is_spread(parameter);
        let own = parameter.schema().map(|schema| properties(&schema)).unwrap_or_default();
        let takes_all = spread && takes_the_rest(parameter);
        let (mut texts, mut fields) = (Vec::new(), Vec::new());
        for (key, text, is_taken) in &mut self.pairs {
            if *is_taken {
                continue;
            }
            let is_own = own.contains(key.as_str())
                || takes_all && !self.keys.iter().any(|known| known == key);
            if is_deep {
                if let Some(way) = way(key, name) {
                    fields.push((way, text.clone()));
                    *is_taken = true;
                }
            } else if spread && is_own {
                fields.push((vec![key.clone()], text.clone()));
                *is_taken = true;
            } else if !spread && key == name {
                texts.push(text.clone());
                *is_taken = true;
            }
        }
        match (fields.is_empty(), texts.is_empty()) {
            (false, _) => Some(Given::Fields(fields)),
            (true, false) => Some(Given::Texts(texts)),
            (true, true) => None,
        }
    }

    fn left(&self) -> impl Iterator<Item = &str> {
        let left =
            self.pairs.iter().filter(|(name, _, is_taken)| !is_taken && !self.keys.contains(name));
        left.map(|(name, ..)| name.as_str())
    }
}

/// The pairs of a query or a form, their values as they are written.
fn pairs(text: &str) -> Vec<(String, String, bool)> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = name.replace('+', " ");
            let name = percent_decode_str(&name).decode_utf8_lossy().into_owned();
            (name, value.to_owned(), false)
        })
        .collect()
}

// Input:  filter[age][gte], filter
// Output: ["age", "gte"]
fn way(key: &str, name: &str) -> Option<Vec<String>> {
    let mut rest = key.strip_prefix(name)?;
    let mut way = Vec::new();
    while !rest.is_empty() {
        let (part, after) = rest.strip_prefix('[')?.split_once(']')?;
        way.push(part.to_owned());
        rest = after;
    }
    Some(way)
}

fn body(operation: &Operation<'_>, request: &Request, judge: &Judge<'_>) -> Result<(), String> {
    let said = operation.place.get("requestBody")?;
    let Some(body) = &request.body else {
        return match said {
            Some(said) if said.is("required") => Err("a request body is required".into()),
            _ => Ok(()),
        };
    };
    let said = said.ok_or("no request body is documented")?;
    let kind = request.header("content-type").unwrap_or("application/octet-stream");
    let parsed = MediaType::parse(kind);
    let content = said.get("content")?;
    let content = content.as_ref().map(|content| documented(content, &parsed)).transpose()?;
    let content =
        content.flatten().ok_or_else(|| format!("a request body of {kind} is not documented"))?;
    let Some(schema) = content.schema() else { return Ok(()) };
    let told = |why| format!("the request body is not as documented: {why}");
    if parsed.is_json() {
        let value: Value = serde_json::from_slice(body)
            .map_err(|error| format!("the request body is no JSON: {error}"))?;
        return judge.check(&schema, &value).map_err(told);
    }
    if parsed.is_form() {
        let fields = pairs(&String::from_utf8_lossy(body)).into_iter();
        let fields: Vec<_> = fields
            .map(|(name, text, _)| {
                let start = name.find('[').unwrap_or(name.len());
                let mut parts = vec![name[..start].to_owned()];
                match way(&name, &name[..start]) {
                    Some(way) => parts.extend(way),
                    None => parts = vec![name],
                }
                (parts, text)
            })
            .collect();
        return parameter::check_form(&schema, &fields, judge).map_err(told);
    }
    Ok(())
}

fn cookie(request: &Request, name: &str) -> Option<Given> {
    let pairs = request.header("cookie")?.split(';').filter_map(|pair| pair.trim().split_once('='));
    let values: Vec<_> =
        pairs.filter(|(known, _)| *known == name).map(|(_, value)| value.to_owned()).collect();
    (!values.is_empty()).then_some(Given::Texts(values))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mmf_rules::openapi::Document;

    use super::super::key::Direction;
    use super::super::schema::Checker;
    use super::*;

    fn wrong(checker: &Arc<Checker>, operation: &str, request: &Request) -> String {
        let judge = Judge::new(checker, Direction::Request);
        check(&checker.document.operation(operation).unwrap(), request, &judge)
            .err()
            .unwrap_or_default()
    }

    const DOCUMENT: &str = r##"
openapi: 3.0.3
paths:
  /users/{id}:
    post:
      parameters:
        - { name: id, in: path, required: true, schema: { type: integer, minimum: 1 } }
        - { name: tag, in: query, required: true, schema: { type: array, items: { enum: [a, b] } } }
        - { name: X-Trace, in: header, schema: { type: integer } }
        - { name: session, in: cookie, schema: { type: integer } }
      requestBody:
        content:
          application/json: { schema: { type: object, required: [name] } }
          application/x-www-form-urlencoded: { schema: { type: object, properties: { age: { type: integer } } } }
"##;

    #[test]
    fn every_part_is_checked() {
        let checker = Checker::new(Document::parse(DOCUMENT).unwrap());
        let asked = |endpoint: &str, headers: &[(&str, &str)], body: Option<&str>| {
            let mut request = Request::of_endpoint(endpoint);
            request.headers =
                headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
            request.body = body.map(|body| body.as_bytes().to_vec());
            wrong(&checker, "POST /users/{id}", &request)
        };
        let json = ("content-type", "application/json");
        assert_eq!(asked("POST /users/7?tag=a&tag=b", &[json], Some(r#"{"name": 1}"#)), "");
        let all = asked(
            "POST /users/0?tag=c&page=1",
            &[("x-trace", "a"), ("cookie", "a=b; session=x"), json],
            Some("{}"),
        );
        for part in [
            "the parameter `id` is not as documented: 0 is less than the minimum of 1",
            "the parameter `tag` is not as documented: at /0: ",
            "the parameter `X-Trace` is not as documented: ",
            "the parameter `session` is not as documented: ",
            "there is no parameter `page` in the query",
            "the request body is not as documented: ",
        ] {
            assert!(all.contains(part), "{part}: {all}");
        }
        assert_eq!(asked("POST /users/7", &[], None), "the parameter `tag` is required");
        assert!(
            asked("POST /users/x?tag=a", &[], None).contains("\"x\" is not of type \"integer\"")
        );
        let form = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");
        assert_eq!(asked("POST /users/7?tag=a", &[form], Some("age=7&b=%26")), "");
        assert!(asked("POST /users/7?tag=a", &[form], Some("age=x")).contains("at /age: "));
        assert!(
            asked("POST /users/7?tag=a", &[("content-type", "a/b")], Some(""))
                .contains("a/b is not documented")
        );
    }

    #[test]
    fn objects_in_the_query_have_their_fields_and_no_others() {
        let text = r##"
openapi: 3.0.3
paths:
  /users:
    get:
      operationId: list
      parameters:
        - { name: filter, in: query, style: deepObject, schema: { $ref: "#/components/schemas/Filter" } }
        - { name: expand, in: query, style: deepObject, schema: { type: array, items: { type: string } } }
        - { name: page, in: query, schema: { allOf: [{ type: object, properties: { limit: { type: integer } } }] } }
        - { name: Authorization, in: header, required: true }
  /free:
    get:
      parameters:
        - { name: f, in: query, schema: { type: object, additionalProperties: { type: integer } } }
        - { name: q, in: query, schema: { type: string } }
components:
  schemas: { Filter: { type: object, properties: { age: { type: integer } }, required: [age] } }
  securitySchemes: { key: { type: apiKey, in: query, name: api_key } }
"##;
        let checker = Checker::new(Document::parse(text).unwrap());
        let list = |query: &str| {
            wrong(&checker, "list", &Request::of_endpoint(&format!("/users?{query}")))
        };
        assert_eq!(list("filter[age]=7&limit=5&api_key=x"), "");
        assert_eq!(list("expand[]=a&expand[]=b&expand%5B0%5D=c&expand=d"), "");
        assert_eq!(list("limti=5"), "there is no parameter `limti` in the query");
        assert!(list("limit=many").contains("`page` is not as documented: at /limit: "));
        let missing = list("filter[name]=a");
        assert!(
            missing.contains("`filter` is not as documented: \"age\" is a required"),
            "{missing}"
        );
        let free = |query: &str| {
            wrong(&checker, "GET /free", &Request::of_endpoint(&format!("/free?{query}")))
        };
        assert_eq!(free("colour=1&q=red&api_key=x"), "");
        assert!(free("colour=red").contains("`f` is not as documented: at /colour: "));
    }
}
