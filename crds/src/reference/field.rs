//! One field of a schema: its path, and in words its type, its bounds and its default; and text that fits into a table.

use serde_json::Value;

use crate::pod::KUBERNETES_FIELDS;

/// A row of the reference.
pub(super) struct Field {
    pub(super) path: String,
    pub(super) shape: String,
    pub(super) bounds: String,
    pub(super) default: String,
    pub(super) description: String,
}

/// Every field below a schema, parents before their children.
pub(super) fn all(schema: &Value, path: &str) -> Vec<Field> {
    let mut fields = Vec::new();
    collect(schema, path, &mut fields);
    fields
}

/// The path and the message of every rule, from the outside in. A rule of the object itself has the path `metadata`.
pub(super) fn rules(schema: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect_rules(schema, "", &mut found);
    found
}

/// A description without line breaks.
pub(super) fn one_line(description: &Value) -> String {
    let words = description.as_str().unwrap_or_default().split_whitespace();
    words.collect::<Vec<_>>().join(" ")
}

/// Text that fits into a table.
pub(super) fn cell(text: &str) -> String {
    text.trim().replace('|', r"\|")
}

fn collect(schema: &Value, path: &str, fields: &mut Vec<Field>) {
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        fields.push(Field {
            shape: shape(property),
            bounds: bounds(property),
            default: default(property, required.contains(&name.as_str())),
            description: one_line(&property["description"]),
            path: path.clone(),
        });
        // Kubernetes' own documentation explains their parts.
        if KUBERNETES_FIELDS.contains(&path.as_str()) {
            continue;
        }
        collect(property, &path, fields);
        collect(&property["items"], &format!("{path}[]"), fields);
    }
}

fn collect_rules(schema: &Value, path: &str, found: &mut Vec<(String, String)>) {
    for rule in schema["x-kubernetes-validations"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let place = if path.is_empty() { "metadata" } else { path };
        found.push((format!("`{place}`"), one_line(&rule["message"])));
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let dot = if path.is_empty() { "" } else { "." };
        collect_rules(property, &format!("{path}{dot}{name}"), found);
    }
    if let Some(items) = schema.get("items") {
        collect_rules(items, &format!("{path}[]"), found);
    }
}

fn shape(schema: &Value) -> String {
    if let Some(words) = schema["enum"].as_array() {
        let words = words.iter().filter_map(Value::as_str);
        let words: Vec<String> = words.map(|word| format!("`{word}`")).collect();
        return words.join(", ");
    }
    if schema["x-kubernetes-int-or-string"] == Value::Bool(true) {
        return "quantity".to_owned();
    }
    match (
        schema["type"].as_str().unwrap_or_default(),
        schema["format"].as_str(),
    ) {
        ("string", Some("date-time")) => "time".to_owned(),
        ("array", _) => format!("list of {}", plural(&schema["items"])),
        ("object", _) if schema.get("additionalProperties").is_some() => {
            format!("map of {}", plural(&schema["additionalProperties"]))
        }
        (name, _) => name.to_owned(),
    }
}

fn plural(schema: &Value) -> String {
    format!("{}s", shape(schema))
}

fn bounds(schema: &Value) -> String {
    let mut bounds: Vec<String> = [
        range(schema, "minimum", "maximum", ""),
        range(schema, "minLength", "maxLength", " characters"),
        range(schema, "minItems", "maxItems", " entries"),
        range(schema, "minProperties", "maxProperties", " entries"),
    ]
    .into_iter()
    .flatten()
    .collect();
    if let Some(pattern) = schema["pattern"].as_str() {
        bounds.push(format!("`{}`", cell(pattern)));
    }
    for (part, name) in [("items", "entry"), ("additionalProperties", "value")] {
        if let Some(inner) = schema.get(part).map(self::bounds) {
            // Fields of an object have their own rows.
            if !inner.is_empty() {
                bounds.push(format!("each {name}: {inner}"));
            }
        }
    }
    bounds.join("; ")
}

fn range(schema: &Value, least: &str, most: &str, unit: &str) -> Option<String> {
    let number = |key: &str| schema[key].as_f64().filter(|number| number.is_finite());
    match (number(least), number(most)) {
        (Some(least), Some(most)) => Some(format!("{least} to {most}{unit}")),
        (Some(least), None) => Some(format!("at least {least}{unit}")),
        (None, Some(most)) => Some(format!("at most {most}{unit}")),
        (None, None) => None,
    }
}

/// The default that the schema sets. A flag that is left out is false.
fn default(schema: &Value, required: bool) -> String {
    if required {
        return "required".to_owned();
    }
    match (&schema["default"], schema["type"].as_str()) {
        // The fields of an object have their own defaults.
        (_, Some("object")) => String::new(),
        (Value::Null, Some("boolean")) => "`false`".to_owned(),
        (Value::Null, _) => String::new(),
        (Value::String(text), _) => format!("`{text}`"),
        (value, _) => format!("`{value}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_list_says_the_bounds_of_its_entries() {
        let list = json!({"type": "array", "maxItems": 3, "items": {"type": "string", "maxLength": 8, "pattern": "^(a|b)$"}});
        assert_eq!(shape(&list), "list of strings");
        assert_eq!(
            bounds(&list),
            r"at most 3 entries; each entry: at most 8 characters; `^(a\|b)$`"
        );
    }

    #[test]
    fn children_follow_their_parent_and_rules_name_their_field() {
        let rule = json!([{"message": "no", "rule": "false"}]);
        let schema = json!({"required": ["a"], "properties": {"a": {"type": "object", "properties":
            {"b": {"type": "boolean", "x-kubernetes-validations": rule}}}}});
        let paths: Vec<String> = all(&schema, "spec")
            .into_iter()
            .map(|field| field.path)
            .collect();
        assert_eq!(paths, ["spec.a", "spec.a.b"]);
        assert_eq!(rules(&schema), [("`a.b`".to_owned(), "no".to_owned())]);
        assert_eq!(default(&schema["properties"]["a"], true), "required");
    }
}
