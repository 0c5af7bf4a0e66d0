//! A JSON Schema validator for what `schemars` writes.
//!
//! The general validators bring sixty crates for formats, references over the network and regular
//! expressions that no schema here uses. This one knows the keywords that ours have, and a keyword
//! that it does not know is a violation: it cannot pass what it did not look at. It is stricter
//! than the standard in one point: a property that the schema does not describe is a violation.

use serde_json::{Map, Value};

use crate::pattern;

/// Keywords that say something to people only. `format` narrows numbers (`uint64`), which
/// `minimum` repeats where it matters.
const ANNOTATIONS: &[&str] = &[
    "$defs",
    "$id",
    "$schema",
    "default",
    "description",
    "examples",
    "format",
    "title",
];

/// Every place where a value is not what a schema says: a JSON pointer and what is wrong.
pub fn violations(schema: &Value, value: &Value) -> Vec<String> {
    let mut checker = Checker {
        root: schema,
        found: Vec::new(),
    };
    checker.check(schema, value, "");
    checker.found
}

struct Checker<'a> {
    root: &'a Value,
    found: Vec<String>,
}

impl<'a> Checker<'a> {
    fn say(&mut self, at: &str, what: impl std::fmt::Display) {
        let at = if at.is_empty() { "/" } else { at };
        self.found.push(format!("{at}: {what}"));
    }

    fn check(&mut self, schema: &'a Value, value: &Value, at: &str) {
        let schema = match schema {
            Value::Bool(true) => return,
            Value::Object(schema) => schema,
            _ => return self.say(at, "nothing is allowed here"),
        };
        for (keyword, rule) in schema {
            match keyword.as_str() {
                "$ref" => self.reference(rule, value, at),
                "type" => self.kind(rule, value, at),
                "const" if rule != value => self.say(at, format!("{value} is not {rule}")),
                "enum" if !rule.as_array().is_some_and(|all| all.contains(value)) => {
                    self.say(at, format!("{value} is not one of {rule}"));
                }
                "anyOf" | "oneOf" => self.alternatives(keyword, rule, value, at),
                "allOf" => rule
                    .as_array()
                    .into_iter()
                    .flatten()
                    .for_each(|s| self.check(s, value, at)),
                "pattern" => self.pattern(rule, value, at),
                "required" => self.required(rule, value, at),
                "minimum" | "maximum" => self.bound(keyword, rule, value, at),
                "minItems" | "maxItems" => self.count(keyword, rule, value, at),
                "items" => {
                    let rest = schema
                        .get("prefixItems")
                        .and_then(Value::as_array)
                        .map_or(0, Vec::len);
                    for (i, item) in value
                        .as_array()
                        .into_iter()
                        .flatten()
                        .enumerate()
                        .skip(rest)
                    {
                        self.check(rule, item, &format!("{at}/{i}"));
                    }
                }
                "prefixItems" => {
                    let rules = rule.as_array().into_iter().flatten();
                    let items = value.as_array().into_iter().flatten();
                    for (i, (rule, item)) in rules.zip(items).enumerate() {
                        self.check(rule, item, &format!("{at}/{i}"));
                    }
                }
                "const" | "enum" | "properties" | "additionalProperties" => {}
                known if ANNOTATIONS.contains(&known) => {}
                unknown => self.say(at, format!("the validator does not know {unknown}")),
            }
        }
        self.properties(schema, value, at);
    }

    fn reference(&mut self, rule: &Value, value: &Value, at: &str) {
        let target = rule
            .as_str()
            .and_then(|r| r.strip_prefix('#'))
            .and_then(|p| self.root.pointer(p));
        match target {
            Some(schema) => self.check(schema, value, at),
            None => self.say(at, format!("{rule} leads nowhere")),
        }
    }

    fn kind(&mut self, rule: &Value, value: &Value, at: &str) {
        let is = |name: &Value| match name.as_str() {
            Some("null") => value.is_null(),
            Some("boolean") => value.is_boolean(),
            Some("string") => value.is_string(),
            Some("integer") => value.is_i64() || value.is_u64(),
            Some("number") => value.is_number(),
            Some("array") => value.is_array(),
            Some("object") => value.is_object(),
            _ => false,
        };
        let fits = rule
            .as_array()
            .map_or_else(|| is(rule), |names| names.iter().any(is));
        if !fits {
            self.say(at, format!("{value} is not of type {rule}"));
        }
    }

    fn alternatives(&mut self, keyword: &str, rule: &'a Value, value: &Value, at: &str) {
        let mut reasons = Vec::new();
        let mut fitting = 0;
        for schema in rule.as_array().into_iter().flatten() {
            let mut trial = Checker {
                root: self.root,
                found: Vec::new(),
            };
            trial.check(schema, value, at);
            if trial.found.is_empty() {
                fitting += 1;
            }
            reasons.extend(trial.found);
        }
        match (keyword, fitting) {
            (_, 0) => self.say(
                at,
                format!("fits none of {keyword}: {}", reasons.join("; ")),
            ),
            ("oneOf", 2..) => self.say(at, format!("fits {fitting} of oneOf")),
            _ => {}
        }
    }

    fn pattern(&mut self, rule: &Value, value: &Value, at: &str) {
        let (Some(rule), Some(text)) = (rule.as_str(), value.as_str()) else {
            return;
        };
        match pattern::fits(rule, text) {
            Some(true) => {}
            Some(false) => self.say(at, format!("{value} is not of the form {rule}")),
            None => self.say(at, format!("the validator does not understand {rule}")),
        }
    }

    fn required(&mut self, rule: &Value, value: &Value, at: &str) {
        let Some(object) = value.as_object() else {
            return;
        };
        for name in rule
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            if !object.contains_key(name) {
                self.say(at, format!("{name} is missing"));
            }
        }
    }

    fn bound(&mut self, keyword: &str, rule: &Value, value: &Value, at: &str) {
        let (Some(limit), Some(number)) = (rule.as_f64(), value.as_f64()) else {
            return;
        };
        if keyword == "minimum" && number < limit || keyword == "maximum" && number > limit {
            self.say(at, format!("{value} is beyond the {keyword} {rule}"));
        }
    }

    fn count(&mut self, keyword: &str, rule: &Value, value: &Value, at: &str) {
        let (Some(limit), Some(items)) = (rule.as_u64(), value.as_array()) else {
            return;
        };
        let length = items.len() as u64;
        if keyword == "minItems" && length < limit || keyword == "maxItems" && length > limit {
            self.say(at, format!("{length} items, {keyword} is {rule}"));
        }
    }

    fn properties(&mut self, schema: &'a Map<String, Value>, value: &Value, at: &str) {
        let Some(object) = value.as_object() else {
            return;
        };
        let described = schema.get("properties").and_then(Value::as_object);
        let others = schema.get("additionalProperties");
        if described.is_none() && others.is_none() {
            // A schema that only refers, or one of several alternatives that are no objects.
            return;
        }
        for (name, value) in object {
            let at = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
            match (described.and_then(|d| d.get(name)), others) {
                (Some(rule), _) | (None, Some(rule)) => self.check(rule, value, &at),
                (None, None) => self.say(&at, "is not described"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn fits(schema: &Value, value: &Value) {
        let none: Vec<String> = Vec::new();
        assert_eq!(violations(schema, value), none);
    }

    #[track_caller]
    fn breaks(schema: &Value, value: &Value, with: &str) {
        let found = violations(schema, value).join("\n");
        assert!(found.contains(with), "{found:?} does not contain {with:?}");
    }

    #[test]
    fn types_and_constants() {
        fits(&json!({"type": ["string", "null"]}), &json!(null));
        breaks(&json!({"type": "string"}), &json!(1), "/: 1 is not of type");
        breaks(&json!({"type": "integer"}), &json!(1.5), "not of type");
        breaks(&json!({"const": "a"}), &json!("b"), "is not \"a\"");
        fits(&json!({"pattern": "^[0-9]{1,3}$"}), &json!("12"));
        breaks(
            &json!({"pattern": "^[0-9]{1,3}$"}),
            &json!("x"),
            "not of the form",
        );
        breaks(
            &json!({"pattern": "^.*$"}),
            &json!("x"),
            "does not understand",
        );
        breaks(&json!({"enum": ["a"]}), &json!("b"), "not one of");
        breaks(&json!(false), &json!(1), "nothing is allowed");
    }

    #[test]
    fn objects() {
        let schema = json!({
            "type": "object", "required": ["a", "b"],
            "properties": {"a": {"type": "integer", "minimum": 0}, "b": {"$ref": "#/$defs/B"}},
            "$defs": {"B": {"type": "array", "items": {"type": "string"}}}
        });
        fits(&schema, &json!({"a": 0, "b": ["x"]}));
        breaks(&schema, &json!({"a": 0}), "b is missing");
        breaks(
            &schema,
            &json!({"a": -1, "b": []}),
            "/a: -1 is beyond the minimum",
        );
        breaks(
            &schema,
            &json!({"a": 0, "b": ["x", 1]}),
            "/b/1: 1 is not of type",
        );
        breaks(
            &schema,
            &json!({"a": 0, "b": [], "c": 1}),
            "/c: is not described",
        );
    }

    #[test]
    fn maps_and_tuples() {
        fits(
            &json!({"additionalProperties": {"type": "integer"}}),
            &json!({"x": 1}),
        );
        breaks(
            &json!({"additionalProperties": {"type": "integer"}}),
            &json!({"x": ""}),
            "/x",
        );
        let pair = json!({"prefixItems": [{"type": "string"}], "items": {"type": "integer"}, "maxItems": 2});
        fits(&pair, &json!(["a", 1]));
        breaks(&pair, &json!(["a", "b"]), "/1");
        breaks(&pair, &json!(["a", 1, 2]), "3 items");
    }

    #[test]
    fn alternatives() {
        let schema = json!({"anyOf": [{"$ref": "#/$defs/N"}, {"type": "null"}], "$defs": {"N": {"type": "integer"}}});
        fits(&schema, &json!(null));
        fits(&schema, &json!(1));
        breaks(&schema, &json!("x"), "fits none of anyOf");
        breaks(
            &json!({"oneOf": [{"type": "integer"}, {"minimum": 0}]}),
            &json!(1),
            "fits 2 of oneOf",
        );
    }

    #[test]
    fn what_it_does_not_know_does_not_pass() {
        breaks(&json!({"if": {}}), &json!(1), "does not know if");
        breaks(&json!({"$ref": "#/$defs/Gone"}), &json!(1), "leads nowhere");
    }
}
