//! JSON Schemas of the documents, and a document held against its schema.

use anyhow::{Context, Result, anyhow, bail};
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::tools::{FOLDER, TOOLS, ToolEntry};

/// The schema of a tool's document, as committed.
pub fn document_schema(tool: &ToolEntry) -> Value {
    let mut schema = (tool.schema)().to_value();
    if let Some(object) = schema.as_object_mut() {
        object.insert("$id".into(), json!(format!("pgl.{}/1", tool.short())));
        object.insert("title".into(), json!(format!("Document of {}", tool.name)));
        object.insert("description".into(), json!(tool.about()));
        // The envelope's two constant fields, so that a document says which schema is its own.
        let properties = object.get_mut("properties").and_then(Value::as_object_mut);
        if let Some(properties) = properties {
            let constants = [
                ("schema", format!("pgl.{}/1", tool.short())),
                ("tool", tool.name.to_owned()),
            ];
            for (name, value) in constants {
                if let Some(property) = properties.get_mut(name).and_then(Value::as_object_mut) {
                    property.insert("const".into(), json!(value));
                }
            }
        }
    }
    schema
}

/// Holds a document that a tool wrote against the *committed* schema of that tool, and against
/// the rule of all documents that what is not described is not written.
///
/// # Errors
///
/// Every place where the two differ, by JSON pointer; an unknown tool; text that is no JSON.
pub fn validate_document(tool: &str, text: &str) -> Result<Value> {
    let entry = TOOLS
        .iter()
        .find(|entry| entry.name == tool)
        .with_context(|| format!("{tool} is not in the manual"))?;
    let path = crate::root().join(schema_path(entry));
    let schema = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}; run cargo xtask gen", path.display()))?;
    let schema: Value = serde_json::from_str(&schema).context("the schema is not JSON")?;
    let validator = strict_validator(schema)?;
    let document: Value =
        serde_json::from_str(text).with_context(|| format!("{tool} did not write JSON: {text}"))?;
    let violations: Vec<String> = validator
        .iter_errors(&document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    if !violations.is_empty() {
        bail!(
            "the document of {tool} is not what its schema says:\n  {}",
            violations.join("\n  ")
        );
    }
    Ok(document)
}

/// A validator for which a property that the schema does not describe is a violation.
fn strict_validator(mut schema: Value) -> Result<Validator> {
    close(&mut schema);
    jsonschema::validator_for(&schema).map_err(|error| anyhow!("the schema is invalid: {error}"))
}

/// Forbids what a schema does not describe. The committed schemas allow it, because a reader has to ignore what a later
/// release adds.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            object.values_mut().for_each(close);
            if object.get("properties").is_some_and(Value::is_object) {
                object.entry("additionalProperties").or_insert(json!(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

/// Where the schema of a tool's document is committed.
pub(crate) fn schema_path(tool: &ToolEntry) -> String {
    format!("{FOLDER}/schema/{}.json", tool.short())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every property of every object in a schema: its path and its schema.
    fn properties(schema: &Value, at: &str, out: &mut Vec<(String, Value)>) {
        match schema {
            Value::Object(object) => {
                if let Some(Value::Object(properties)) = object.get("properties") {
                    for (name, schema) in properties {
                        out.push((format!("{at}.{name}"), schema.clone()));
                    }
                }
                for (key, value) in object {
                    let at = if at.is_empty() {
                        key.clone()
                    } else {
                        format!("{at}.{key}")
                    };
                    properties(value, &at, out);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| properties(item, at, out)),
            _ => {}
        }
    }

    fn all() -> Vec<(&'static str, String, String, Value)> {
        let mut out = Vec::new();
        for tool in TOOLS {
            let mut found = Vec::new();
            properties(&document_schema(tool), "", &mut found);
            for (path, schema) in found {
                let name = path.rsplit('.').next().unwrap_or(&path).to_owned();
                out.push((tool.name, path, name, schema));
            }
        }
        assert!(out.len() > 30, "the walk finds properties");
        out
    }

    #[test]
    fn no_document_has_a_place_for_a_connection_string() {
        for (tool, path, name, _) in all() {
            for word in [
                "dsn",
                "password",
                "conninfo",
                "passfile",
                "connection_string",
                "secret",
            ] {
                assert!(!name.contains(word), "{tool}: {path}");
            }
        }
    }

    #[test]
    fn names_are_in_snake_case_and_described() {
        for (tool, path, name, schema) in all() {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            assert!(name.chars().all(plain), "{tool}: {path}");
            // The tag of a variant: the variant has the description.
            let tag = schema.get("const").is_some();
            assert!(
                tag || schema.get("description").is_some(),
                "{tool}: {path} says nothing"
            );
        }
    }

    #[test]
    fn what_exceeds_two_to_the_53_is_a_string() {
        for (tool, path, name, schema) in all() {
            let wide = [
                "lsn",
                "xid",
                "digest",
                "system_identifier",
                "last_value",
                "min_value",
                "max_value",
            ];
            if wide
                .iter()
                .any(|word| name == *word || name.ends_with(&format!("_{word}")))
            {
                let number = ["integer", "number"].iter().any(|kind| {
                    schema["type"] == *kind
                        || schema["type"]
                            .as_array()
                            .is_some_and(|all| all.contains(&json!(kind)))
                });
                assert!(!number, "{tool}: {path} is a number");
            }
        }
    }

    #[test]
    fn what_is_not_the_tools_document_does_not_pass() {
        let tool = TOOLS[0].name;
        assert!(validate_document(tool, "{}").is_err());
        assert!(validate_document(tool, "nonsense").is_err());
        assert!(validate_document("pgl-nothing", "{}").is_err());
    }

    #[test]
    fn what_a_schema_does_not_describe_does_not_pass() {
        for tool in TOOLS {
            strict_validator(document_schema(tool)).unwrap();
        }
        let inner = json!({"type": "object", "properties": {"a": {"pattern": "^[0-9]{1,3}$"}}});
        let validator = strict_validator(json!({
            "properties": {"one": {"$ref": "#/$defs/inner"}, "map": {"additionalProperties": true}},
            "$defs": {"inner": inner},
        }))
        .unwrap();
        assert!(validator.is_valid(&json!({"one": {"a": "12"}, "map": {"b": 1}})));
        for bad in [
            json!({"one": {"a": "x"}}),
            json!({"one": {"b": 1}}),
            json!({"b": 1}),
        ] {
            assert!(!validator.is_valid(&bad), "{bad}");
        }
    }
}
