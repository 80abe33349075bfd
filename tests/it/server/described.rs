//! The description of the API, compared with what the server answers.

use serde_json::Value;

use crate::server::builds::push;
use crate::server::released;
use crate::support::Node::File;
use crate::support::{Outcome, number};

/// How deep schemas are followed.
const DEPTH_MAX: usize = 32;

/// Says where a value is not what its schema says, if it is not.
fn mismatch(document: &Value, schema: &Value, value: &Value, depth: usize) -> Option<String> {
    if depth > DEPTH_MAX {
        return Some("the schema is nested too deep".into());
    }
    let below = |schema: &Value, value: &Value| mismatch(document, schema, value, depth + 1);
    if let Some(reference) = schema["$ref"].as_str() {
        let described = document.pointer(reference.trim_start_matches('#'));
        return match described {
            Some(described) => below(described, value),
            None => Some(format!("{reference} leads nowhere")),
        };
    }
    for (word, is_one) in [("anyOf", true), ("oneOf", true), ("allOf", false)] {
        if let Some(schemas) = schema[word].as_array() {
            let wrong: Vec<_> = schemas.iter().filter_map(|one| below(one, value)).collect();
            let is_wrong = if is_one {
                wrong.len() == schemas.len()
            } else {
                !wrong.is_empty()
            };
            if is_wrong {
                return Some(format!("{word}: {wrong:?}"));
            }
        }
    }
    if let Some(known) = schema["enum"].as_array()
        && !known.contains(value)
    {
        return Some(format!("{value} is none of {known:?}"));
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let is_kind = match &schema["type"] {
        Value::String(wanted) => wanted == kind,
        Value::Array(wanted) => wanted.iter().any(|wanted| wanted == kind),
        _ => true,
    };
    if !is_kind {
        return Some(format!("{value} is no {}", schema["type"]));
    }
    if let (Some(items), Some(values)) = (schema.get("items"), value.as_array()) {
        return values.iter().find_map(|value| below(items, value));
    }
    fields_mismatch(schema, value, &below)
}

/// The same of the fields of an object.
fn fields_mismatch(
    schema: &Value,
    value: &Value,
    below: &dyn Fn(&Value, &Value) -> Option<String>,
) -> Option<String> {
    let fields = value.as_object()?;
    let (known, more) = (
        schema["properties"].as_object(),
        schema.get("additionalProperties"),
    );
    let required = schema["required"].as_array().into_iter().flatten();
    for name in required.filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            return Some(format!("{name} is missing in {value}"));
        }
    }
    fields.iter().find_map(|(name, value)| {
        let described = known.and_then(|known| known.get(name));
        match (described, more, known) {
            (Some(schema), ..) | (None, Some(schema @ Value::Object(_)), _) => below(schema, value),
            // What has fields of its own and says of one nothing does not know it.
            (None, _, Some(_)) => Some(format!("{name} is not described")),
            (None, _, None) => None,
        }
        .map(|reason| format!("{name}: {reason}"))
    })
}

/// What is asked, of a build `{b}`: method, path of the description, target below `/api/v1`, body.
const ASKED: &[(&str, &str, &str, &str)] = &[
    ("get", "repos", "repos", ""),
    ("get", "repos/{repo}/refs", "repos/main/refs", ""),
    (
        "get",
        "repos/{repo}/refs/{ref}/log",
        "repos/main/refs/stable/log",
        "",
    ),
    (
        "get",
        "repos/{repo}/snapshots",
        "repos/main/snapshots?spec=stable",
        "",
    ),
    ("get", "builds", "builds", ""),
    ("get", "builds/{build}", "builds/{b}", ""),
    ("get", "builds/{build}/log", "builds/{b}/log", ""),
    ("get", "builds/{build}/snapshot", "builds/{b}/snapshot", ""),
    (
        "post",
        "builds/{build}/schedule",
        "builds/{b}/schedule",
        r#"{"after_seconds": 9000}"#,
    ),
    (
        "post",
        "builds/{build}/hold",
        "builds/{b}/hold",
        r#"{"reason": "a test"}"#,
    ),
    ("get", "builds/{build}", "builds/{b}", ""),
    ("post", "builds/{build}/release", "builds/{b}/release", ""),
    (
        "post",
        "builds/{build}/publish",
        "builds/{b}/publish?wait",
        "",
    ),
    ("post", "builds/{build}/withdraw", "builds/{b}/withdraw", ""),
    ("delete", "builds/{build}", "builds/{b}?dry_run", ""),
    (
        "post",
        "repos/{repo}/builds",
        "repos/main/builds",
        r#"{"ref": "stable"}"#,
    ),
    (
        "post",
        "repos/{repo}/retire",
        "repos/main/retire?dry_run",
        r#"{"keep_last": 1}"#,
    ),
    ("post", "repos", "repos", r#"{"repo": "other"}"#),
    ("post", "jobs", "jobs", r#"{"kind": "scrub"}"#),
    ("get", "jobs", "jobs", ""),
    ("get", "audit", "audit", ""),
    ("get", "stats", "stats", ""),
];

#[test]
fn what_is_answered_is_as_it_is_described() -> Outcome {
    let (scratch, served) = released("")?;
    scratch.write("tree", &[("new", File("new"))])?;
    let build = number(
        &push(&scratch, &served, "--commit --label commit=1f3a")?,
        "build",
    )?;
    let document = served.get("/api/v1/openapi.json")?.expect(200)?.json()?;
    for (method, path, target, body) in ASKED {
        let described = &document["paths"][format!("/api/v1/{path}")][method];
        let content = &described["responses"]["2XX"]["content"];
        let schema = content["application/json"].get("schema");
        let schema = schema.ok_or_else(|| format!("{method} {path}: {content}"))?;
        let target = format!("/api/v1/{}", target.replace("{b}", &build.to_string()));
        let reply = served.ask(&method.to_uppercase(), &target, body)?;
        assert!(reply.status < 300, "{method} {target}: {}", reply.text());
        if let Some(reason) = mismatch(&document, schema, &reply.json()?, 0) {
            return Err(format!("{method} {target}: {reason}").into());
        }
    }
    served.end_sound(&scratch)
}

#[test]
fn what_is_not_as_it_is_described_is_found() -> Outcome {
    let document = serde_json::json!({"at": {"type": "object", "required": ["a"], "properties": {
        "a": {"type": ["integer", "null"]}, "b": {"type": "array", "items": {"type": "string"}}}}});
    let schema = serde_json::json!({"$ref": "#/at"});
    for (text, is_right) in [
        (r#"{"a": 1}"#, true),
        (r#"{"a": null, "b": ["x"]}"#, true),
        (r#"{"a": "1"}"#, false),
        (r#"{"b": []}"#, false),
        (r#"{"a": 1, "b": [1]}"#, false),
        (r#"{"a": 1, "c": 1}"#, false),
        ("[]", false),
    ] {
        let found = mismatch(&document, &schema, &serde_json::from_str(text)?, 0);
        assert_eq!(found.is_none(), is_right, "{text}: {found:?}");
    }
    Ok(())
}
