//! The description of the API, as an `OpenAPI` document made from the table of routes.
//!
//! # Not here
//!
//! Which routes there are (`server::route_table`), what documents say (`remote::wire`).

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::route_table::{Form, Needs, ROUTES, Row};
use crate::remote::wire::problem::{PROBLEM_TYPE, Problem};

/// The version of `OpenAPI` that the document follows.
const OPENAPI: &str = "3.1.0";
/// Where `OpenAPI` keeps descriptions that several requests use.
const DEFINITIONS: &str = "/components/schemas";

/// The whole document.
#[must_use]
pub fn document() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = DEFINITIONS.into();
    let mut generator = settings.into_generator();
    let problem = generator.subschema_for::<Problem>();
    let mut paths: Map<String, Value> = Map::new();
    for row in ROUTES {
        let path = row.template.replace('+', "");
        let operations = paths.entry(path).or_insert_with(|| json!({}));
        let described = operation(row, &mut generator, &problem);
        if let Some(operations) = operations.as_object_mut() {
            operations.insert(row.method.to_lowercase(), described);
        }
    }
    json!({
        "openapi": OPENAPI,
        "info": {
            "title": "Bindery",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Builds are filled, frozen, tested and published; what is published is read, and verified by whoever reads it.",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}

fn operation(row: &Row, generator: &mut SchemaGenerator, problem: &schemars::Schema) -> Value {
    let mut operation = json!({
        "summary": row.summary,
        "operationId": operation_id(row),
        "parameters": parameters(row),
        "responses": {
            "2XX": { "description": "Done.", "content": content(row.gives, generator) },
            "default": {
                "description": "It could not be done.",
                "content": { PROBLEM_TYPE: { "schema": problem } },
            },
        },
    });
    if !matches!(row.takes, Form::Nothing) {
        operation["requestBody"] = json!({ "content": content(row.takes, generator) });
    }
    match row.needs {
        Needs::Nothing => operation["security"] = json!([]),
        Needs::Read => operation["security"] = json!([{}, { "token": ["read"] }]),
        Needs::Capability(capability) => {
            operation["security"] = json!([{ "token": [capability.word()] }]);
        }
    }
    operation
}

fn content(form: Form, generator: &mut SchemaGenerator) -> Value {
    match form {
        Form::Nothing => json!({}),
        Form::Document(describe) => {
            json!({ "application/json": { "schema": describe(generator) } })
        }
        Form::Bytes(content_type) => json!({ content_type: {} }),
    }
}

/// The names in braces, and what may stand in the query.
fn parameters(row: &Row) -> Vec<Value> {
    let names = row.template.split('/').filter_map(|part| {
        let name = part.strip_prefix('{')?.strip_suffix('}')?;
        Some(name.trim_end_matches('+'))
    });
    let in_path = names.map(
        |name| json!({ "name": name, "in": "path", "required": true, "schema": schema(row, name) }),
    );
    let in_query = row
        .query
        .iter()
        .map(|name| json!({ "name": name, "in": "query", "schema": schema(row, name) }));
    let in_head = headers(row).iter().map(|(name, description)| {
        let schema = json!({ "type": "string" });
        json!({ "name": name, "in": "header", "description": description, "schema": schema })
    });
    in_path.chain(in_query).chain(in_head).collect()
}

/// Headers that mean something to a request of this kind, beside those of every request, and what they say.
fn headers(row: &Row) -> &'static [(&'static str, &'static str)] {
    match row.gives {
        _ if row.method == "POST" => &[(
            "Idempotency-Key",
            "A name of 1 to 255 characters for the request: sent again with the same body, it is not done again.",
        )],
        Form::Bytes("text/event-stream") => &[(
            "Last-Event-ID",
            "The id of the last event that was heard: the stream goes on after it.",
        )],
        Form::Bytes(content_type) if row.is_reading() && content_type != "text/html" => &[
            (
                "Range",
                "Parts of the content: bytes=START-END, several with commas.",
            ),
            (
                "If-Range",
                "The entity tag or date of the content that the parts are to be of.",
            ),
            (
                "If-None-Match",
                "Entity tags of contents that need not be sent.",
            ),
            (
                "If-Modified-Since",
                "The date of the content that need not be sent again.",
            ),
        ],
        _ => &[],
    }
}

/// What a parameter may be. Lists of files and refs go on after a name, all others after a number.
fn schema(row: &Row, name: &str) -> Value {
    match name {
        "after" if row.is_reading() => json!({ "type": "string" }),
        "cursor" if row.template.ends_with("/refs") => json!({ "type": "string" }),
        "build" | "version" | "cursor" | "after" | "number" | "offset" | "frames" => {
            json!({ "type": "integer", "minimum": 0 })
        }
        "wait" | "dry_run" => json!({ "type": "boolean" }),
        "kind" => json!({ "enum": ["tree", "blob"] }),
        _ => json!({ "type": "string" }),
    }
}

/// A name for the operation, made of its method and path: `post_repos_repo_builds`.
fn operation_id(row: &Row) -> String {
    let path = row.template.trim_start_matches("/api/v1");
    let words = path.split(|letter: char| !letter.is_ascii_alphanumeric());
    // What ends in a slash is a page; without it, it leads there.
    let page = path.ends_with('/').then_some("page");
    let words = words.filter(|word| !word.is_empty()).chain(page);
    let words: Vec<&str> = words.collect();
    format!("{}_{}", row.method.to_lowercase(), words.join("_"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_route_is_described_once() {
        let document = document();
        let ids: BTreeSet<String> = ROUTES.iter().map(operation_id).collect();
        assert_eq!(ids.len(), ROUTES.len(), "two routes have the same name");
        for row in ROUTES {
            let path = row.template.replace('+', "");
            let operation = &document["paths"][&path][row.method.to_lowercase()];
            assert_eq!(operation["summary"], row.summary, "{path}");
        }
    }

    #[test]
    fn parameters_have_the_types_that_are_taken() {
        let document = document();
        for (path, method, name, expected) in [
            ("/api/v1/builds/{build}", "get", "build", "integer"),
            ("/api/v1/builds/{build}/publish", "post", "wait", "boolean"),
            ("/api/v1/builds", "get", "cursor", "integer"),
            ("/api/v1/repos/{repo}/refs", "get", "cursor", "string"),
            ("/api/v1/audit", "get", "after", "integer"),
            ("/r/{repo}/files/{path}", "get", "after", "string"),
            ("/r/{repo}/", "get", "after", "string"),
        ] {
            let parameters = document["paths"][path][method]["parameters"].as_array();
            let mut parameters = parameters.into_iter().flatten();
            let found = parameters.find(|parameter| parameter["name"] == name);
            let found = found.map(|parameter| &parameter["schema"]["type"]);
            assert_eq!(
                found.and_then(Value::as_str),
                Some(expected),
                "{path} {name}"
            );
        }
    }

    #[test]
    fn headers_are_described_where_they_mean_something() {
        let document = document();
        for (path, method, name, expected) in [
            (
                "/api/v1/repos/{repo}/builds",
                "post",
                "Idempotency-Key",
                true,
            ),
            ("/api/v1/builds", "get", "Idempotency-Key", false),
            (
                "/api/v1/builds/{build}/events",
                "get",
                "Last-Event-ID",
                true,
            ),
            ("/api/v1/repos/{repo}/events", "get", "Last-Event-ID", true),
            ("/r/{repo}/packs/{to}/{pack}", "get", "Range", true),
            ("/b/{build}/files/{path}", "get", "Range", true),
            ("/r/{repo}/", "get", "Range", false),
        ] {
            let parameters = document["paths"][path][method]["parameters"].as_array();
            let mut parameters = parameters.into_iter().flatten();
            let found = parameters
                .any(|parameter| parameter["name"] == name && parameter["in"] == "header");
            assert_eq!(found, expected, "{path} {name}");
        }
    }

    #[test]
    fn every_reference_leads_to_a_description() {
        let document = document();
        let text = document.to_string();
        let references = text.split("\"$ref\":\"#").skip(1);
        let mut count = 0;
        for reference in references.filter_map(|rest| rest.split('"').next()) {
            assert!(document.pointer(reference).is_some(), "{reference}");
            count += 1;
        }
        assert!(count > 20);
    }
}
