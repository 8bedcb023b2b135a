//! What documents are made of, each construct as small as it gets: what it allows passes, what it does not fails.
//! Most come from public documents and from public reports on tools that read them.

#![expect(
    clippy::needless_pass_by_value,
    reason = "the rows of a table are written without references"
)]

use axum::Router;
use axum::body::Body;
use axum::http::Response;
use mmf::testing::ContractTest;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// A construct in a document, something that it allows, and something that it does not.
struct Row {
    what: String,
    document: Value,
    right: Exchange,
    wrong: Exchange,
}

/// What is asked, and what is answered: the headers, and the body.
#[derive(Clone)]
struct Exchange {
    endpoint: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Exchange {
    fn answered(kind: &str, body: &str) -> Self {
        let headers = vec![("content-type".to_owned(), kind.to_owned())];
        Self { endpoint: "GET /a".into(), headers, body: body.into() }
    }

    fn asked(endpoint: &str) -> Self {
        Self { endpoint: endpoint.into(), headers: Vec::new(), body: String::new() }
    }
}

fn document(version: &str, operation: &Value, schemas: &Value) -> Value {
    let mut operation = operation.clone();
    if operation["responses"].is_null() {
        operation["responses"] = json!({ "200": { "description": "well" } });
    }
    json!({
        "openapi": version,
        "paths": { "/a": { "get": operation } },
        "components": { "schemas": schemas },
    })
}

/// A schema of an answer, in a document with these other schemas.
fn body_among(version: &str, schemas: &Value, schema: Value, right: &Value, wrong: &Value) -> Row {
    let content = json!({ "application/json": { "schema": schema } });
    let operation = json!({ "responses": { "200": { "content": content } } });
    let answer = |value: &Value| Exchange::answered("application/json", &value.to_string());
    Row {
        what: format!("{version} body {schema}"),
        document: document(version, &operation, schemas),
        right: answer(right),
        wrong: answer(wrong),
    }
}

fn body(version: &str, schema: Value, right: Value, wrong: Value) -> Row {
    body_among(version, &json!({}), schema, &right, &wrong)
}

fn both(schema: Value, right: Value, wrong: Value) -> [Row; 2] {
    ["3.0.4", "3.1.1"].map(|version| body(version, schema.clone(), right.clone(), wrong.clone()))
}

/// A parameter of the query.
fn query(parameter: Value, right: &str, wrong: &str) -> Row {
    let mut parameter = parameter;
    parameter["in"] = "query".into();
    if parameter["name"].is_null() {
        parameter["name"] = "q".into();
    }
    let operation = json!({ "parameters": [parameter] });
    Row {
        what: format!("query {parameter}"),
        document: document("3.0.4", &operation, &json!({})),
        right: Exchange::asked(&format!("GET /a?{right}")),
        wrong: Exchange::asked(&format!("GET /a?{wrong}")),
    }
}

/// A parameter of the path.
fn path(template: &str, parameter: Value, right: &str, wrong: &str) -> Row {
    let mut parameter = parameter;
    parameter["in"] = "path".into();
    parameter["name"] = "p".into();
    parameter["required"] = true.into();
    let responses = json!({ "200": { "description": "well" } });
    let operation = json!({ "parameters": [parameter], "responses": responses });
    Row {
        what: format!("path {template} {parameter}"),
        document: json!({ "openapi": "3.1.1", "paths": { template: { "get": operation } } }),
        right: Exchange::asked(&format!("GET {right}")),
        wrong: Exchange::asked(&format!("GET {wrong}")),
    }
}

/// A header of the answer; several values are several lines.
fn header(header: Value, right: &[&str], wrong: &[&str]) -> Row {
    let response = json!({ "description": "well", "headers": { "X-H": header } });
    let answer = |values: &[&str]| Exchange {
        headers: values.iter().map(|value| ("x-h".to_owned(), (*value).to_owned())).collect(),
        ..Exchange::asked("GET /a")
    };
    Row {
        what: format!("header {header}"),
        document: document("3.1.1", &json!({ "responses": { "200": response } }), &json!({})),
        right: answer(right),
        wrong: answer(wrong),
    }
}

/// Types of the answer: a right and a wrong one, with their bodies.
fn media(content: Value, right: (&str, &str), wrong: (&str, &str)) -> Row {
    let operation = json!({ "responses": { "200": { "content": content } } });
    Row {
        what: format!("content {content}"),
        document: document("3.1.1", &operation, &json!({})),
        right: Exchange::answered(right.0, right.1),
        wrong: Exchange::answered(wrong.0, wrong.1),
    }
}

fn schemas_of_one() -> Vec<Row> {
    let mut rows = Vec::new();
    for (schema, right, wrong) in [
        (json!({ "type": "integer" }), json!(1), json!("1")),
        (json!({ "type": "integer" }), json!(1.0), json!(1.5)),
        (json!({ "type": "number" }), json!(1.5), json!(true)),
        (json!({ "type": "boolean" }), json!(false), json!(0)),
        (json!({ "type": "string" }), json!(""), json!(null)),
        (json!({ "type": "array", "items": {} }), json!([1, "a"]), json!({})),
        (json!({ "type": "object" }), json!({}), json!([])),
        (json!({ "minimum": 2, "maximum": 3 }), json!(3), json!(4)),
        (json!({ "multipleOf": 0.01 }), json!(19.99), json!(0.005)),
        (json!({ "minLength": 2 }), json!("äö"), json!("ä")),
        (json!({ "maxLength": 1 }), json!("🦀"), json!("ab")),
        (json!({ "enum": ["a", 1] }), json!(1), json!("1")),
        (json!({ "minItems": 1, "maxItems": 2 }), json!([1]), json!([1, 2, 3])),
        (json!({ "uniqueItems": true }), json!([1, 2]), json!([1, 1])),
        (json!({ "minProperties": 1 }), json!({ "a": 1 }), json!({})),
        (json!({ "maxProperties": 1 }), json!({ "a": 1 }), json!({ "a": 1, "b": 2 })),
        (json!({ "required": ["a"] }), json!({ "a": null }), json!({ "b": 1 })),
        (
            json!({ "properties": { "a": {} }, "additionalProperties": false }),
            json!({ "a": 1 }),
            json!({ "b": 1 }),
        ),
        (
            json!({ "additionalProperties": { "type": "integer" } }),
            json!({ "x": 1 }),
            json!({ "x": "1" }),
        ),
        (json!({ "pattern": "b" }), json!("abc"), json!("ac")),
        (json!({ "pattern": r"^[\w-\.]+$" }), json!("a-b.c"), json!("a b")),
        (json!({ "pattern": r"^\/[^/]+\/$" }), json!("/a/"), json!("a")),
        (json!({ "pattern": r"^(?!x)\d+$" }), json!("12"), json!("x")),
        (json!({ "pattern": "^[a-zA-Z0-9_.-]*$" }), json!("a.b-c"), json!("a b")),
        (json!({ "pattern": r"^\p{L}+$" }), json!("é"), json!("1")),
        (json!({ "pattern": "(", "type": "string" }), json!("a"), json!(1)),
        (json!({ "format": "int32" }), json!(2_147_483_647), json!(3_000_000_000_u64)),
        (json!({ "format": "int32" }), json!(-2_147_483_648_i64), json!(-2_147_483_649_i64)),
        (json!({ "format": "int64" }), json!(i64::MAX), json!(u64::MAX)),
        (json!({ "format": "byte" }), json!("YWJj"), json!("%")),
        (json!({ "format": "date" }), json!("2024-02-29"), json!("2023-02-29")),
        (
            json!({ "format": "date-time" }),
            json!("2026-11-29T10:00:00.5+01:00"),
            json!("2026-11-29"),
        ),
        (json!({ "format": "uuid" }), json!("00000000-0000-4000-8000-000000000000"), json!("x")),
        (json!({ "format": "email" }), json!("a@example.com"), json!("example.com")),
        (json!({ "format": "uri" }), json!("urn:a:b"), json!("/a b")),
        (json!({ "format": "ipv6" }), json!("::1"), json!(":::")),
        (json!({ "format": "hostname" }), json!("example.com"), json!("-a-")),
        (json!({ "format": "password", "type": "string" }), json!("x"), json!(1)),
        (json!({ "allOf": [{ "type": "integer" }, { "minimum": 2 }] }), json!(2), json!(1)),
        (json!({ "anyOf": [{ "type": "integer" }, { "minLength": 2 }] }), json!("ab"), json!("a")),
        (json!({ "oneOf": [{ "multipleOf": 2 }, { "multipleOf": 3 }] }), json!(4), json!(6)),
        (json!({ "not": { "type": "string" } }), json!(1), json!("a")),
        (json!({ "properties": { "a": { "writeOnly": true } } }), json!({}), json!({ "a": 1 })),
        (
            json!({ "properties": { "a": { "readOnly": true } }, "required": ["a"] }),
            json!({ "a": 1 }),
            json!({}),
        ),
        (
            json!({ "properties": { "example": { "type": "integer" } }, "example": { "$ref": "x" } }),
            json!({ "example": 1 }),
            json!({ "example": "1" }),
        ),
        (
            json!({ "properties": { "$ref": { "type": "integer" } } }),
            json!({ "$ref": 1 }),
            json!({ "$ref": "x" }),
        ),
    ] {
        rows.extend(both(schema, right, wrong));
    }
    for (schema, right, wrong) in [
        (json!({ "type": "string", "nullable": true }), json!(null), json!(1)),
        (json!({ "type": "string", "nullable": false }), json!("a"), json!(null)),
        (
            json!({ "type": "string", "nullable": true, "enum": ["a", null] }),
            json!(null),
            json!("b"),
        ),
        (json!({ "minimum": 1, "exclusiveMinimum": true }), json!(2), json!(1)),
        (json!({ "maximum": 1, "exclusiveMaximum": true }), json!(0), json!(1)),
        (json!({ "minimum": 1, "exclusiveMinimum": false }), json!(1), json!(0)),
    ] {
        rows.push(body("3.0.4", schema, right, wrong));
    }
    for (schema, right, wrong) in [
        (json!({ "type": ["string", "null"] }), json!(null), json!(1)),
        (json!({ "type": "string", "nullable": true }), json!("a"), json!(null)),
        (json!({ "const": { "a": 1 } }), json!({ "a": 1 }), json!({ "a": 2 })),
        (json!({ "exclusiveMinimum": 1 }), json!(2), json!(1)),
        (
            json!({ "prefixItems": [{ "type": "integer" }], "items": false }),
            json!([1]),
            json!([1, 2]),
        ),
        (json!({ "contains": { "const": 1 } }), json!([2, 1]), json!([2])),
        (json!({ "contains": { "const": 1 }, "maxContains": 1 }), json!([1]), json!([1, 1])),
        (json!({ "propertyNames": { "maxLength": 1 } }), json!({ "a": 1 }), json!({ "ab": 1 })),
        (
            json!({ "patternProperties": { "^x": { "type": "integer" } } }),
            json!({ "x": 1 }),
            json!({ "x": "" }),
        ),
        (json!({ "dependentRequired": { "a": ["b"] } }), json!({ "b": 1 }), json!({ "a": 1 })),
        (
            json!({ "dependentSchemas": { "a": { "required": ["b"] } } }),
            json!({}),
            json!({ "a": 1 }),
        ),
        (
            json!({ "if": { "required": ["a"] }, "then": { "required": ["b"] }, "else": { "required": ["c"] } }),
            json!({ "a": 1, "b": 1 }),
            json!({ "b": 1 }),
        ),
        (
            json!({ "allOf": [{ "properties": { "a": {} } }], "unevaluatedProperties": false }),
            json!({ "a": 1 }),
            json!({ "b": 1 }),
        ),
        (
            json!({ "$defs": { "n": { "type": "integer" } }, "items": { "$ref": "#/paths/~1a/get/responses/200/content/application~1json/schema/$defs/n" } }),
            json!([1]),
            json!(["1"]),
        ),
        (json!({ "properties": { "a": true, "b": false } }), json!({ "a": 1 }), json!({ "b": 1 })),
    ] {
        rows.push(body("3.1.1", schema, right, wrong));
    }
    rows
}

fn schemas_of_several() -> Vec<Row> {
    let schemas = json!({
        "Id": { "type": "integer", "readOnly": true },
        "Base": { "type": "object", "properties": { "id": { "$ref": "#/components/schemas/Id" }, "kind": { "type": "string" } }, "required": ["id", "kind"] },
        "Cat": { "allOf": [{ "$ref": "#/components/schemas/Base" }, { "properties": { "lives": { "type": "integer" } } }] },
        "Dog": { "allOf": [{ "$ref": "#/components/schemas/Base" }, { "properties": { "lives": { "type": "string" } } }] },
        "A": { "nullable": true, "type": "object", "properties": { "b": { "type": "integer" } } },
        "Tree": { "type": "object", "properties": { "next": { "$ref": "#/components/schemas/Tree" }, "n": { "type": "integer" } } },
        "a/b~c": { "type": "integer" },
        "Secret": { "properties": { "key": { "allOf": [{ "type": "string" }], "writeOnly": true } }, "required": ["key"] },
        "Named": { "$anchor": "thing", "type": "integer" },
    });
    let refers = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    let cat = |lives: Value| json!({ "id": 1, "kind": "Cat", "lives": lives });
    let of = |schema, right: Value, wrong: Value| {
        ["3.0.4", "3.1.1"]
            .map(|version| body_among(version, &schemas, Value::clone(&schema), &right, &wrong))
    };
    let mut rows = Vec::new();
    rows.extend(of(refers("Tree"), json!({ "next": { "n": 1 } }), json!({ "next": { "n": "x" } })));
    rows.extend(of(refers("a~1b~0c"), json!(1), json!("1")));
    rows.extend(of(refers("a%7E1b~0c"), json!(1), json!("1")));
    rows.extend(of(refers("A/properties/b"), json!(1), json!("1")));
    rows.extend(of(refers("Secret"), json!({}), json!({ "key": "x" })));
    let choice = json!([refers("Cat"), refers("Dog")]);
    let by = |key: &str, mapping: Value| json!({ key: choice, "discriminator": { "propertyName": "kind", "mapping": mapping } });
    rows.extend(of(by("oneOf", json!({})), cat(json!(9)), cat(json!("nine"))));
    rows.extend(of(by("anyOf", json!({})), cat(json!(9)), cat(json!("nine"))));
    let mapped = |lives: Value| json!({ "id": 1, "kind": "tom", "lives": lives });
    rows.extend(of(
        by("oneOf", json!({ "tom": "#/components/schemas/Cat" })),
        mapped(json!(9)),
        mapped(json!("x")),
    ));
    rows.extend(of(by("oneOf", json!({ "tom": "Cat" })), mapped(json!(9)), mapped(json!("x"))));
    rows.extend(of(
        by("oneOf", json!({})),
        cat(json!(9)),
        json!({ "id": 1, "kind": "Cow", "lives": 9.5 }),
    ));
    let with_null = json!({ "allOf": [refers("A")], "nullable": true });
    rows.push(body_among("3.0.4", &schemas, with_null, &json!(null), &json!(1)));
    rows.push(body_among("3.0.4", &schemas, refers("A"), &json!(null), &json!(1)));
    let beside = json!({ "$ref": "#/components/schemas/a~1b~0c", "minimum": 5 });
    rows.push(body_among("3.0.4", &schemas, beside.clone(), &json!(4), &json!("4")));
    rows.push(body_among("3.1.1", &schemas, beside, &json!(5), &json!(4)));
    rows.push(body_among("3.1.1", &schemas, json!({ "$ref": "#thing" }), &json!(1), &json!("1")));
    rows
}

fn parameters() -> Vec<Row> {
    let integers = json!({ "type": "array", "items": { "type": "integer" } });
    let object = json!({ "type": "object", "properties": { "a": { "type": "integer" } }, "additionalProperties": false });
    vec![
        query(json!({ "schema": { "type": "integer" } }), "q=1", "q=x"),
        query(json!({ "schema": { "type": "integer" } }), "q=1", "q=1&q=2"),
        query(json!({ "schema": { "type": "string" } }), "q=1", "r=1"),
        query(json!({ "schema": {}, "required": true }), "q=1", ""),
        query(json!({ "schema": { "enum": ["a b"] } }), "q=a+b", "q=a%2Bb"),
        query(
            json!({ "schema": { "anyOf": [{ "type": "integer" }, { "enum": ["all"] }] } }),
            "q=all",
            "q=some",
        ),
        query(json!({ "schema": { "allOf": [{ "type": "boolean" }] } }), "q=true", "q=yes"),
        query(json!({ "schema": integers }), "q=1&q=2", "q=1&q=x"),
        query(json!({ "schema": integers }), "q=1", "q=1,2"),
        query(json!({ "schema": integers, "explode": false }), "q=1,2", "q=1;2"),
        query(
            json!({ "schema": integers, "style": "pipeDelimited", "explode": false }),
            "q=1%7C2",
            "q=1,2",
        ),
        query(
            json!({ "schema": integers, "style": "spaceDelimited", "explode": false }),
            "q=1%202",
            "q=1,2",
        ),
        query(
            json!({ "name": "expand", "style": "deepObject", "schema": { "type": "array" } }),
            "expand[]=a",
            "expand=&other=1",
        ),
        query(
            json!({ "name": "expand", "style": "deepObject", "schema": integers }),
            "expand[]=1&expand[]=2",
            "expand[]=x",
        ),
        query(
            json!({ "name": "q", "style": "deepObject", "schema": integers }),
            "q%5B0%5D=1",
            "q%5B0%5D=x",
        ),
        query(json!({ "style": "deepObject", "schema": object }), "q[a]=1", "q[b]=1"),
        query(
            json!({ "style": "deepObject", "schema": { "type": "object", "properties": { "a": object } } }),
            "q[a][a]=1",
            "q[a][a]=x",
        ),
        query(json!({ "schema": object }), "a=1", "a=x"),
        query(json!({ "schema": object }), "a=1", "b=1"),
        query(json!({ "schema": object, "explode": false }), "q=a,1", "q=a,x"),
        query(json!({ "schema": { "allOf": [object] } }), "a=1", "a=x"),
        query(
            json!({ "schema": { "type": "object", "additionalProperties": { "type": "string", "maxLength": 3 } } }),
            "colour=red",
            "colour=green",
        ),
        query(
            json!({ "content": { "application/json": { "schema": { "type": "object", "required": ["a"] } } } }),
            "q=%7B%22a%22%3A1%7D",
            "q=%7B%7D",
        ),
        query(json!({ "content": { "application/json": {} }, "required": true }), "q=1", ""),
        query(json!({ "schema": { "type": "integer" }, "allowEmptyValue": true }), "q", "q=x"),
        query(json!({ "schema": { "type": "integer" } }), "q=1", "q="),
        query(json!({ "name": "ids[]", "schema": integers }), "ids[]=1&ids%5B%5D=2", "ids[]=x"),
        query(
            json!({ "schema": { "type": "string", "maxLength": 3 }, "allowReserved": true }),
            "q=a/b",
            "q=a/bc",
        ),
        path("/a/{p}", json!({ "schema": { "type": "integer" } }), "/a/1", "/a/x"),
        path("/a/{p}", json!({ "schema": { "enum": ["a b"] } }), "/a/a%20b", "/a/a+b"),
        path("/a/{p}.json", json!({ "schema": { "type": "integer" } }), "/a/1.json", "/a/1.xml"),
        path("/a/{p}", json!({ "schema": integers }), "/a/1,2", "/a/1;2"),
        path("/a/{p}", json!({ "schema": integers, "style": "label" }), "/a/.1,2", "/a/1,2"),
        path(
            "/a/{p}",
            json!({ "schema": integers, "style": "label", "explode": true }),
            "/a/.1.2",
            "/a/.1.x",
        ),
        path("/a/{p}", json!({ "schema": integers, "style": "matrix" }), "/a/;p=1,2", "/a/;q=1,2"),
        path(
            "/a/{p}",
            json!({ "schema": integers, "style": "matrix", "explode": true }),
            "/a/;p=1;p=2",
            "/a/;p=1;p=x",
        ),
        path("/a/{p}", json!({ "schema": object, "explode": true }), "/a/a=1", "/a/a=x"),
        path(
            "/a/{p}",
            json!({ "content": { "application/json": { "schema": { "type": "object" } } } }),
            "/a/%7B%7D",
            "/a/1",
        ),
        path("/a/{p}#add", json!({ "schema": { "type": "integer" } }), "/a/1#add", "/a/x#add"),
    ]
}

fn headers_and_types() -> Vec<Row> {
    let integers = json!({ "type": "array", "items": { "type": "integer" } });
    let versions = json!({
        "a/b+json; version=1": { "schema": { "required": ["v1"] } },
        "a/b+json; version=2": { "schema": { "required": ["v2"] } },
    });
    let json_of = |schema: Value| json!({ "application/json": { "schema": schema } });
    vec![
        header(json!({ "schema": { "type": "integer" } }), &["1"], &["x"]),
        header(json!({ "schema": { "type": "integer" } }), &[], &["1", "2"]),
        header(json!({ "required": true, "schema": {} }), &["1"], &[]),
        header(json!({ "schema": integers }), &["1, 2"], &["1, x"]),
        header(json!({ "schema": integers }), &["1", "2"], &["1", "x"]),
        header(
            json!({ "schema": { "format": "date-time" } }),
            &["2026-11-29T10:00:00Z"],
            &["today"],
        ),
        header(
            json!({ "schema": { "type": "object", "properties": { "a": { "type": "integer" } } } }),
            &["a,1"],
            &["a,x"],
        ),
        header(
            json!({ "explode": true, "schema": { "type": "object", "properties": { "a": { "type": "integer" } } } }),
            &["a=1"],
            &["a=x"],
        ),
        header(
            json!({ "content": { "application/json": { "schema": { "type": "array" } } } }),
            &["[1, 2]"],
            &["1, 2"],
        ),
        media(
            versions.clone(),
            ("a/b+json; version=2", r#"{"v2":1}"#),
            ("a/b+json; version=2", r#"{"v1":1}"#),
        ),
        media(
            versions,
            ("A/B+JSON;Version=\"1\"", r#"{"v1":1}"#),
            ("a/b+json", r#"{"v1":1,"v2":1}"#),
        ),
        media(
            json_of(json!({ "type": "array" })),
            ("application/json; charset=UTF-8", "[]"),
            ("text/html", "[]"),
        ),
        media(
            json_of(json!({ "type": "array" })),
            ("Application/JSON", "[]"),
            ("application/json", "{}"),
        ),
        media(json_of(json!({})), ("application/json", "1"), ("application/json", "<html>")),
        media(
            json!({ "application/*": { "schema": { "type": "array" } } }),
            ("application/hal+json", "[]"),
            ("application/json", "{}"),
        ),
        media(json!({ "*/*": {} }), ("image/png", "x"), ("", "x")),
        media(
            json!({ "text/plain": { "schema": { "maxLength": 2 } } }),
            ("text/plain", "ab"),
            ("text/plain", "abc"),
        ),
        media(
            json!({ "text/plain": { "schema": { "type": "integer" } } }),
            ("text/plain; charset=utf-8", "12"),
            ("text/plain", "x"),
        ),
        media(
            json!({ "application/xml": {} }),
            ("application/xml", "<a/>"),
            ("application/json", "{}"),
        ),
        media(
            json!({ "application/json": { "schema": { "type": "array" } }, "application/json; a=1": { "schema": { "type": "object" } } }),
            ("application/json;a=1", "{}"),
            ("application/json", "{}"),
        ),
    ]
}

async fn told(document: &Value, exchange: &Exchange) -> String {
    let Exchange { endpoint, headers, body } = exchange.clone();
    let app = Router::new().fallback(move || async move {
        let mut response = Response::new(Body::from(body));
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
            let name: axum::http::HeaderName = name.parse().unwrap();
            response.headers_mut().append(name, value.parse().unwrap());
        }
        response
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(axum::serve(listener, app).into_future());
    let test = ContractTest::new("contracts::constructs", "constructs", endpoint)
        .base_url(url)
        .openapi("openapi.json", document.to_string(), "");
    let report = test.run(|_| async {}).await;
    server.abort();
    report.reasons.join("; ")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_construct_allows_passes_and_what_it_does_not_fails() {
    let rows = [schemas_of_one(), schemas_of_several(), parameters(), headers_and_types()];
    let rows: Vec<_> = rows.into_iter().flatten().collect();
    assert!(rows.len() >= 120, "only {} rows", rows.len());
    let mut failures = Vec::new();
    for Row { what, document, right, wrong } in &rows {
        let (well, ill) = (told(document, right).await, told(document, wrong).await);
        if !well.is_empty() {
            failures
                .push(format!("{what}: {} {:?} is right, and: {well}", right.endpoint, right.body));
        }
        let is_caught = ill.contains("documented ");
        if !is_caught {
            failures.push(format!(
                "{what}: {} {:?} is wrong, and: {ill:?}",
                wrong.endpoint, wrong.body
            ));
        }
    }
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), rows.len(), failures.join("\n"));
}
