//! Takes out of a report what nobody else may know.
//!
//! Pure. Owns what counts as secret: values by the name of their member, annotations of others, and in every text users of
//! URLs, credentials in parameters and authorization headers.

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

/// Parameters whose value is secret.
const SECRET_PARAMETERS: [&str; 7] = [
    "api_key",
    "api_secret",
    "access_token",
    "request_token",
    "enctoken",
    "password",
    "token",
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
        Value::String(text) => *text = scrubbed(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace(['_', '-'], "");
    SECRET_MEMBERS.contains(&name.as_str())
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

/// A text without users of URLs, secret parameters and authorization headers.
fn scrubbed(text: &str) -> String {
    let text = without_users(text);
    let text = SECRET_PARAMETERS
        .iter()
        .fold(text, |text, name| without_parameter(&text, name));
    without_header(&text)
}

/// `redis://user:password@host` becomes `redis://REDACTED@host`.
fn without_users(text: &str) -> String {
    let mut parts = text.split("://");
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| c == '/' || c == '"' || c.is_whitespace());
        let (authority, rest) = part.split_at(end.unwrap_or(part.len()));
        result.push_str("://");
        match authority.rsplit_once('@') {
            Some((_, host)) => {
                result.push_str(REDACTED);
                result.push('@');
                result.push_str(host);
            }
            None => result.push_str(authority),
        }
        result.push_str(rest);
    }
    result
}

/// `…api_key=x&…` becomes `…api_key=REDACTED&…`; `api_key: x` and `"api_key":"x"` too.
fn without_parameter(text: &str, name: &str) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some(at) = find(rest, name) {
        let (before, found) = rest.split_at(at + name.len());
        result.push_str(before);
        let quote = |c: char| c == '"' || c == '\'' || c == '\\';
        let marks = found.trim_start_matches(quote);
        let value = marks.strip_prefix(['=', ':']);
        let Some(value) = value else {
            rest = found;
            continue;
        };
        let value = value.trim_start_matches(|c: char| c == ' ' || quote(c));
        result.push_str(&found[..found.len() - value.len()]);
        let end =
            |c: char| c == '&' || c == ',' || c == ')' || c == '}' || c.is_whitespace() || quote(c);
        let end = value.find(end).unwrap_or(value.len());
        // A number is the token of an instrument.
        let number = !value[..end].is_empty() && value[..end].bytes().all(|c| c.is_ascii_digit());
        let plain_token = name == "token" && number;
        if end > 0 && !plain_token {
            result.push_str(REDACTED);
        } else {
            result.push_str(&value[..end]);
        }
        rest = &value[end..];
    }
    result + rest
}

/// `token KEY:TOKEN`, as Kite's authorization header has it, and `Bearer TOKEN`.
fn without_header(text: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let before = words.last().map(|it| it.to_ascii_lowercase());
        let secret = match before.as_deref() {
            Some("token") => word.contains(':') && !word.ends_with(':') && word.len() > 8,
            Some("bearer" | "basic") => word.len() > 8,
            _ => false,
        };
        words.push(if secret {
            REDACTED.to_owned()
        } else {
            word.to_owned()
        });
    }
    words.join(" ")
}

/// Where `name` stands in `text`, whatever its case.
fn find(text: &str, name: &str) -> Option<usize> {
    let mut parts = text.as_bytes().windows(name.len());
    parts.position(|part| part.eq_ignore_ascii_case(name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_taken_out_and_what_helps_stays() {
        let mut report = json!({
            "metadata": {
                "name": "a", "managedFields": [{"manager": "kubectl"}],
                "annotations": {
                    "kubectl.kubernetes.io/last-applied-configuration": "{\"x\": \"hunter2\"}",
                    "kiteticker.dev/poke": "7",
                },
            },
            "spec": {
                "redis": {"url": "rediss://user:hunter2@redis:6379"},
                "credentialsSecretRef": {"name": "kite"},
                "endpoint": {"ca": "-----BEGIN hunter2"},
                "instruments": {"tokens": [256_265]},
            },
            "apiKey": "hunter2", "ACCESS_TOKEN": "hunter2", "stringData": {"x": "hunter2"},
            "references": [{"token": 256_265}],
            "message": "wss://ws.kite.trade/?api_key=hunter2&access_token=hunter2&x=1 failed: Token hunter2:hunter2 was refused",
            "text": "{\"api_key\":\"hunter2\",\"token\":256265} and api_key: hunter2",
            "silent": ["redis://h:1", "at 10:31 it said: token 256265 is listed twice"],
        });
        all(&mut report);
        let text = report.to_string();
        assert!(!text.contains("hunter2"), "{text}");
        assert!(!text.contains("managedFields"), "{text}");
        assert_eq!(
            report["spec"]["redis"]["url"],
            "rediss://REDACTED@redis:6379"
        );
        assert_eq!(report["spec"]["credentialsSecretRef"]["name"], "kite");
        assert_eq!(report["spec"]["instruments"]["tokens"][0], 256_265);
        assert_eq!(
            report["metadata"]["annotations"],
            json!({"kiteticker.dev/poke": "7"})
        );
        assert_eq!(report["references"][0]["token"], 256_265);
        assert_eq!(
            report["message"],
            "wss://ws.kite.trade/?api_key=REDACTED&access_token=REDACTED&x=1 failed: Token REDACTED was refused"
        );
        assert_eq!(
            report["text"],
            "{\"api_key\":\"REDACTED\",\"token\":256265} and api_key: REDACTED"
        );
        assert_eq!(report["silent"][0], "redis://h:1");
        assert_eq!(
            report["silent"][1],
            "at 10:31 it said: token 256265 is listed twice"
        );
    }

    #[test]
    fn texts_of_every_kind_survive() {
        for text in [
            "",
            "://",
            "token",
            "token ",
            "api_key",
            "api_key=",
            "é token:",
            "a://@",
            "access_token",
        ] {
            let mut value = Value::String(text.to_owned());
            all(&mut value);
            assert!(value.is_string(), "{text}");
        }
    }
}
