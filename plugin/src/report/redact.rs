//! Takes out of a report what nobody else may know.
//!
//! Pure. Owns which members are secret by their name, and that annotations of others are; `text` owns what is secret within a
//! text. Where a secret ends is not always known: then more is taken out than needed.

mod text;

use serde_json::Value;

/// What stands in place of a secret.
const REDACTED: &str = "REDACTED";

/// Members whose text is secret, in small letters and without `_` and `-`.
const SECRET_MEMBERS: [&str; 13] = [
    "apikey",
    "apisecret",
    "accesstoken",
    "requesttoken",
    "enctoken",
    "publictoken",
    "authorization",
    "password",
    "secret",
    "stringdata",
    "data",
    "token",
    "ca",
];

/// Annotations that are kept begin so.
const OWN_ANNOTATIONS: &str = "kiteticker.dev/";

/// Takes secrets out of everything in `value`.
pub(super) fn all(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.remove("managedFields");
            if let Some(Value::Object(annotations)) = members.get_mut("annotations") {
                annotations.retain(|name, _| name.starts_with(OWN_ANNOTATIONS));
            }
            for (name, value) in members {
                if is_secret(name) {
                    hide(value);
                } else {
                    all(value);
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(all),
        Value::String(text) => *text = text::scrubbed(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace(['_', '-'], "");
    SECRET_MEMBERS.contains(&name.as_str()) || name.ends_with("password")
}

/// Hides every text. A number is the token of an instrument.
fn hide(value: &mut Value) {
    match value {
        Value::Object(members) => members.values_mut().for_each(hide),
        Value::Array(values) => values.iter_mut().for_each(hide),
        Value::String(text) if !text.is_empty() => *text = REDACTED.to_owned(),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests;
