//! Whether references lead somewhere: those that an operation comes to. What nobody asks for, and what stands in
//! extensions, may lead anywhere.

use std::collections::HashSet;

use serde_json::Value;

use super::document::Document;
use super::place::Place;
use super::schema::subschemas;

impl Document {
    /// Looks whether every reference that its operations come to leads somewhere.
    ///
    /// # Errors
    ///
    /// Where one does not.
    pub fn check_references(&self) -> Result<(), String> {
        let mut seen = Seen::default();
        for operation in self.operations()? {
            for parameter in operation.parameters()? {
                seen.described(&parameter)?;
            }
            if let Some(body) = operation.place.get("requestBody")? {
                seen.contents(&body)?;
            }
            let responses = operation.place.get("responses")?;
            for (_, response) in entries(responses)? {
                seen.contents(&response)?;
                for (_, header) in entries(response.get("headers")?)? {
                    seen.described(&header)?;
                }
            }
        }
        Ok(())
    }
}

/// Extensions left out.
fn entries<'d>(owner: Option<Place<'d>>) -> Result<Vec<(&'d str, Place<'d>)>, String> {
    let children = owner.map(|owner| owner.children()).unwrap_or_default();
    let known = children.into_iter().filter(|(key, _)| !key.starts_with("x-"));
    known.map(|(key, place)| Ok((key, place.followed()?))).collect()
}

#[derive(Default)]
struct Seen(HashSet<(usize, String)>);

impl Seen {
    /// A parameter or a header.
    fn described(&mut self, place: &Place<'_>) -> Result<(), String> {
        self.contents(place)?;
        self.examples(place)?;
        place.schema().map_or(Ok(()), |schema| self.schema(schema))
    }

    fn contents(&mut self, place: &Place<'_>) -> Result<(), String> {
        for (_, content) in entries(place.get("content")?)? {
            self.examples(&content)?;
            if let Some(schema) = content.schema() {
                self.schema(schema)?;
            }
        }
        Ok(())
    }

    fn examples(&mut self, place: &Place<'_>) -> Result<(), String> {
        entries(place.child("examples").filter(|all| all.value.is_object())).map(drop)
    }

    fn schema(&mut self, schema: Place<'_>) -> Result<(), String> {
        let mut open = vec![schema];
        while let Some(schema) = open.pop() {
            if !self.0.insert((schema.file, schema.pointer.clone())) {
                continue;
            }
            if let Some(reference) = schema.value.get("$ref").and_then(Value::as_str) {
                open.push(schema.resolved(reference)?);
            }
            open.extend(subschemas(&schema));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(schema: &str) -> Result<(), String> {
        let text = format!(
            "openapi: 3.1.0\npaths: {{ /a: {{ get: {{ x-topics: [{{ $ref: ./docs/a.md }}], responses: {{ x-b: {{ $ref: ./b.md }}, '200': {{ content: {{ a/b: {{ schema: {schema} }} }} }} }} }} }} }}\n\
             components: {{ schemas: {{ S: {{ properties: {{ next: {{ $ref: '#/components/schemas/S' }} }} }}, Gone: {{ $ref: '#/nowhere' }} }} }}"
        );
        Document::parse(&text).unwrap().check_references()
    }

    #[test]
    fn what_an_operation_comes_to_leads_somewhere() {
        assert_eq!(told("{ $ref: '#/components/schemas/S' }"), Ok(()));
        assert_eq!(
            told("{ properties: { $ref: { type: string } }, example: { $ref: b } }"),
            Ok(())
        );
        let astray = told("{ items: { $ref: '#/components/schemas/Gone' } }").unwrap_err();
        assert_eq!(astray, "at /components/schemas/Gone: there is no \"#/nowhere\"");
        for schema in [
            "{ not: { $ref: b.yaml } }",
            "{ prefixItems: [{ $ref: b.yaml }] }",
            "{ $defs: { a: { $ref: b.yaml } } }",
        ] {
            assert!(told(schema).is_err(), "{schema}");
        }
    }
}
