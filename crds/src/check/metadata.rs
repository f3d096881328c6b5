//! The object's metadata, which no custom schema describes: name, known fields, labels and annotations as text.

use super::ClassifiedViolation;
use serde_json::Value;

/// The fields of an object's metadata.
const KNOWN: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Checks `metadata`; the rule for the name itself is in the definition.
pub(super) fn check(object: &Value) -> Vec<ClassifiedViolation> {
    let Some(metadata) = object.get("metadata").and_then(Value::as_object) else {
        return vec![ClassifiedViolation::blocking(
            "metadata",
            "Required value".to_owned(),
        )];
    };
    let mut found: Vec<ClassifiedViolation> = metadata
        .keys()
        .filter(|key| !KNOWN.contains(&key.as_str()))
        .map(|key| {
            ClassifiedViolation::new(
                &format!("metadata.{key}"),
                format!("unknown field \"metadata.{key}\""),
            )
        })
        .collect();
    match metadata.get("name") {
        Some(Value::String(name)) if !name.is_empty() => {}
        None | Some(Value::Null | Value::String(_)) => {
            found.push(ClassifiedViolation::blocking(
                "metadata.name",
                "resource name may not be empty".to_owned(),
            ));
        }
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            found.push(ClassifiedViolation::blocking(
                "metadata.name",
                "must be of type string".to_owned(),
            ));
        }
    }
    if metadata
        .get("namespace")
        .is_some_and(|namespace| !namespace.is_string())
    {
        found.push(ClassifiedViolation::blocking(
            "metadata.namespace",
            "must be of type string".to_owned(),
        ));
    }
    for map in ["labels", "annotations"] {
        let texts = |value: &Value| {
            value
                .as_object()
                .is_some_and(|map| map.values().all(Value::is_string))
        };
        if metadata
            .get(map)
            .is_some_and(|value| !value.is_null() && !texts(value))
        {
            let message = "must map text to text: quote numbers, true and false".to_owned();
            found.push(ClassifiedViolation::blocking(
                &format!("metadata.{map}"),
                message,
            ));
        }
    }
    found
}
