//! The structural half of a definition's schema: unknown fields, nulls, defaults, types, bounds and patterns.
//!
//! Knows exactly the keywords the two definitions use; a unit test refuses any other. Must not evaluate rules.

use super::ClassifiedViolation;
use crate::rule;
use regex::Regex;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// Fields of the root that every object has and no custom schema describes.
const ENVELOPE: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Fills in defaults, then returns everything that is wrong.
pub(super) fn check(schema: &Value, object: &mut Value) -> Vec<ClassifiedViolation> {
    let mut walk = Walk::default();
    walk.complete(schema, object, "");
    walk.validate(schema, object, "");
    walk.found
}

#[derive(Default)]
struct Walk<'a> {
    found: Vec<ClassifiedViolation>,
    /// A list of symbols has one pattern and thousands of items.
    patterns: HashMap<&'a str, Option<Regex>>,
}

impl<'a> Walk<'a> {
    /// Reports and removes unknown fields, removes nulls, fills in defaults, makes whole floats integers.
    fn complete(&mut self, schema: &'a Value, value: &mut Value, path: &str) {
        match value {
            Value::Object(map) => self.complete_object(schema, map, path),
            Value::Array(list) => {
                if let Some(items) = schema.get("items") {
                    for (index, item) in list.iter_mut().enumerate() {
                        self.complete(items, item, &format!("{path}[{index}]"));
                    }
                }
            }
            Value::Number(number) => {
                // YAML's 3.0 reaches the API server as 3.
                let whole = number
                    .as_f64()
                    .filter(|float| number.is_f64() && float.fract() == 0.0);
                if let Some(whole) = whole.filter(|whole| whole.abs() < 9e15) {
                    *value = Value::from(whole as i64);
                }
            }
            Value::Null | Value::Bool(_) | Value::String(_) => {}
        }
    }

    fn complete_object(&mut self, schema: &'a Value, map: &mut Map<String, Value>, path: &str) {
        let extra = schema.get("additionalProperties");
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
            for (key, item) in map.iter_mut() {
                if let Some(extra) = extra {
                    self.complete(extra, item, &join(path, key));
                }
            }
            return;
        };
        let found = &mut self.found;
        map.retain(|key, _| {
            let known = properties.contains_key(key)
                || (path.is_empty() && ENVELOPE.contains(&key.as_str()));
            if !known {
                let field = join(path, key);
                let near = nearest(key, properties.keys())
                    .map(|near| format!(": did you mean {near}?"))
                    .unwrap_or_default();
                found.push(ClassifiedViolation::new(
                    &field,
                    format!("unknown field {field:?}{near}"),
                ));
            }
            known
        });
        map.retain(|_, item| !item.is_null());
        for (key, property) in properties {
            if let (false, Some(default)) = (map.contains_key(key), property.get("default")) {
                map.insert(key.clone(), default.clone());
            }
            if let Some(item) = map.get_mut(key) {
                self.complete(property, item, &join(path, key));
            }
        }
    }

    fn validate(&mut self, schema: &'a Value, value: &Value, path: &str) {
        if !self.has_type(schema, value, path) {
            return;
        }
        match value {
            Value::Object(map) => self.validate_object(schema, map, path),
            Value::Array(list) => {
                self.at_most(schema, "maxItems", list.len(), path);
                let least = schema.get("minItems").and_then(Value::as_u64);
                if let Some(least) = least.filter(|least| (list.len() as u64) < *least) {
                    let len = list.len();
                    let message = format!(
                        "Invalid value: {len}: {path} in body should have at least {least} items"
                    );
                    self.found
                        .push(ClassifiedViolation::blocking(path, message));
                }
                if let Some(items) = schema.get("items") {
                    for (index, item) in list.iter().enumerate() {
                        self.validate(items, item, &format!("{path}[{index}]"));
                    }
                }
            }
            Value::String(text) => self.validate_text(schema, text, path),
            Value::Number(number) => {
                self.validate_number(schema, number.as_f64().unwrap_or(f64::NAN), path);
            }
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn has_type(&mut self, schema: &Value, value: &Value, path: &str) -> bool {
        let number = if value.is_i64() || value.is_u64() {
            "integer"
        } else {
            "number"
        };
        let actual = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => number,
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let either = schema
            .get("x-kubernetes-int-or-string")
            .is_some_and(|either| *either == true);
        let wanted = if either {
            "integer,string"
        } else {
            schema.get("type").and_then(Value::as_str).unwrap_or(actual)
        };
        let fits = wanted
            .split(',')
            .any(|wanted| wanted == actual || (wanted == "number" && actual == "integer"));
        if !fits {
            let message = format!(
                "Invalid value: {actual:?}: {path} in body must be of type {wanted}: {actual:?}"
            );
            self.found
                .push(ClassifiedViolation::blocking(path, message));
        }
        fits
    }

    fn validate_object(&mut self, schema: &'a Value, map: &Map<String, Value>, path: &str) {
        self.at_most(schema, "maxProperties", map.len(), path);
        for name in schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            if !map.contains_key(name) {
                self.found.push(ClassifiedViolation::blocking(
                    &join(path, name),
                    "Required value".to_owned(),
                ));
            }
        }
        for (key, item) in map {
            let property = schema
                .get("properties")
                .and_then(|properties| properties.get(key));
            if let Some(schema) = property.or_else(|| schema.get("additionalProperties")) {
                self.validate(schema, item, &join(path, key));
            }
        }
    }

    fn validate_text(&mut self, schema: &'a Value, text: &str, path: &str) {
        let length = text.chars().count();
        if let Some(max) = limit(schema, "maxLength").filter(|max| length > *max) {
            self.found.push(ClassifiedViolation::blocking(
                path,
                format!("Too long: may not be more than {max} bytes"),
            ));
        }
        if let Some(min) = limit(schema, "minLength").filter(|min| length < *min) {
            let message = format!(
                "Invalid value: {text:?}: {path} in body should be at least {min} chars long"
            );
            self.found.push(ClassifiedViolation::new(path, message));
        }
        if let Some(pattern) = schema.get("pattern").and_then(Value::as_str) {
            let regex = self
                .patterns
                .entry(pattern)
                .or_insert_with(|| Regex::new(pattern).ok());
            if !regex.as_ref().is_some_and(|regex| regex.is_match(text)) {
                let hint = rule::hint(pattern)
                    .map(|hint| format!(": {hint}"))
                    .unwrap_or_default();
                let message = format!(
                    "Invalid value: {text:?}: {path} in body should match '{pattern}'{hint}"
                );
                self.found.push(ClassifiedViolation::new(path, message));
            }
        }
        let choices = schema.get("enum").and_then(Value::as_array);
        if let Some(choices) =
            choices.filter(|choices| !choices.iter().any(|choice| choice == text))
        {
            let choices: Vec<String> = choices.iter().map(ToString::to_string).collect();
            let message = format!(
                "Unsupported value: {text:?}: supported values: {}",
                choices.join(", ")
            );
            self.found
                .push(ClassifiedViolation::blocking(path, message));
        }
    }

    fn validate_number(&mut self, schema: &Value, number: f64, path: &str) {
        let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
        let (low, high) = (bound("minimum"), bound("maximum"));
        let broken = low.filter(|low| number < *low).map(|low| ("greater", low));
        if let Some((side, bound)) = broken.or(high
            .filter(|high| number > *high)
            .map(|high| ("less", high)))
        {
            let message = format!(
                "Invalid value: {number}: {path} in body should be {side} than or equal to {bound}"
            );
            self.found.push(ClassifiedViolation::new(path, message));
        }
    }

    fn at_most(&mut self, schema: &Value, keyword: &str, count: usize, path: &str) {
        if let Some(max) = limit(schema, keyword).filter(|max| count > *max) {
            self.found.push(ClassifiedViolation::blocking(
                path,
                format!("Too many: {count}: must have at most {max} items"),
            ));
        }
    }
}

/// The known field that was meant, if one is close enough.
fn nearest<'k>(typed: &str, known: impl Iterator<Item = &'k String>) -> Option<&'k String> {
    /// Words that differ more are different words.
    const ALIKE: f64 = 0.8;
    let typed = typed.to_lowercase();
    known
        .map(|known| (strsim::jaro_winkler(&typed, &known.to_lowercase()), known))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, known)| known)
}

fn limit(schema: &Value, keyword: &str) -> Option<usize> {
    schema
        .get(keyword)
        .and_then(Value::as_u64)
        .and_then(|limit| usize::try_from(limit).ok())
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}
