//! Secret manifests: `stringData` as plain text, `data` in base64; `stringData` has precedence, as
//! in Kubernetes.
//!
//! Owns the values while they are in memory; they are never printed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use contract::mount::{REDIS_FILES, SENTINEL_FILES};
use crds::names::{
    SECRET_ACCESS_TOKEN, SECRET_API_KEY, SECRET_API_SECRET, SECRET_WEBHOOK_URL, SESSION_KEY_HASH,
    SESSION_LOGIN_TIME, SESSION_USER_ID,
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::plan::LastLogin;

/// The keys of a Secret that an ingest process or a login may read, with their values.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct SecretValues {
    values: BTreeMap<&'static str, Zeroizing<Vec<u8>>>,
    /// The names of all its keys.
    names: BTreeSet<String>,
}

impl fmt::Debug for SecretValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

impl SecretValues {
    /// These values.
    pub(crate) fn new(values: BTreeMap<&'static str, Vec<u8>>) -> Self {
        let names = values.keys().map(|name| (*name).to_owned()).collect();
        let values = values.into_iter();
        let values = values.map(|(name, value)| (name, Zeroizing::new(value)));
        Self {
            values: values.collect(),
            names,
        }
    }

    /// The values of these keys, as files of a mounted folder.
    pub(crate) fn files(&self, keys: &[&str]) -> BTreeMap<&str, Vec<u8>> {
        self.values
            .iter()
            .filter(|(name, _)| keys.contains(*name))
            .map(|(name, value)| (*name, value.to_vec()))
            .collect()
    }

    /// The names of all its keys.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// The API key.
    pub(crate) fn api_key(&self) -> Option<&[u8]> {
        self.value(SECRET_API_KEY)
    }

    /// The access token.
    pub(crate) fn access_token(&self) -> Option<&[u8]> {
        self.value(SECRET_ACCESS_TOKEN)
    }

    /// The mark of a session.
    pub(crate) fn key_hash(&self) -> Option<&[u8]> {
        self.value(SESSION_KEY_HASH)
    }

    /// Whose session it is.
    pub(crate) fn login(&self) -> Option<LastLogin> {
        LastLogin::read(self.value(SESSION_USER_ID), self.value(SESSION_LOGIN_TIME))
    }

    /// The value of a key.
    pub(crate) fn value(&self, name: &str) -> Option<&[u8]> {
        self.values.get(name).map(|value| value.as_slice())
    }

    /// A number that changes with a value and does not reveal it.
    pub(crate) fn version(&self) -> String {
        let mut hash = Sha256::new();
        for (name, value) in &self.values {
            hash.update(name);
            hash.update((value.len() as u64).to_be_bytes());
            hash.update(value.as_slice());
        }
        hash.finalize()
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

/// A Secret that cannot be used. The message names the key, never the value.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum SecretError {
    /// Not a string.
    #[error("{0} must be a string: put the value in quotes")]
    NoString(String),
    /// Not base64.
    #[error("data.{0} is not base64; plain text goes into stringData")]
    Base64(&'static str),
}

/// Reads the keys that a process may need and ignores others.
pub(crate) fn read(manifest: &Value) -> Result<SecretValues, SecretError> {
    let mut credentials = SecretValues::default();
    let keys = [
        SECRET_API_KEY,
        SECRET_ACCESS_TOKEN,
        SECRET_API_SECRET,
        SECRET_WEBHOOK_URL,
    ]
    .into_iter()
    .chain(REDIS_FILES)
    .chain(SENTINEL_FILES);
    for key in keys {
        let value = match (
            field(manifest, "stringData", key)?,
            field(manifest, "data", key)?,
        ) {
            (Some(text), _) => text.as_bytes().to_vec(),
            (None, Some(encoded)) => BASE64_STANDARD
                .decode(encoded.trim())
                .map_err(|_| SecretError::Base64(key))?,
            (None, None) => continue,
        };
        credentials.values.insert(key, Zeroizing::new(value));
    }
    for part in ["stringData", "data"] {
        let part = manifest.get(part).and_then(Value::as_object);
        let pairs = part.into_iter().flatten();
        let keys = pairs.filter(|(name, value)| value.is_string() && is_key(name));
        credentials.names.extend(keys.map(|(name, _)| name.clone()));
    }
    Ok(credentials)
}

/// Whether an API server would accept it as a key. `access_token:abc`, without a space, is a key to
/// YAML, and must not be shown.
fn is_key(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !name.is_empty() && name.bytes().all(fits)
}

fn field<'a>(manifest: &'a Value, part: &str, key: &str) -> Result<Option<&'a str>, SecretError> {
    match manifest.get(part).and_then(|part| part.get(key)) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(SecretError::NoString(format!("{part}.{key}"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn plain_text_takes_precedence_over_base64() {
        let secret = json!({
            "stringData": {"access_token": "fake-token"},
            "data": {"api_key": "ZmFrZS1rZXk=", "access_token": "b2xk", "other": "eA=="},
        });
        let files = read(&secret).unwrap();
        let files = files.files(&["api_key", "access_token"]);
        assert_eq!(files["api_key"], b"fake-key");
        assert_eq!(files["access_token"], b"fake-token");
        assert_eq!(files.len(), 2);
    }

    #[test]
    fn faults_name_the_place_and_not_the_value() {
        assert_eq!(
            read(&json!({"data": {"api_key": "fake key"}})),
            Err(SecretError::Base64("api_key"))
        );
        assert_eq!(
            read(&json!({"stringData": {"api_key": 12345}})),
            Err(SecretError::NoString("stringData.api_key".to_owned()))
        );
    }

    #[test]
    fn values_that_yaml_takes_for_keys_are_not_named() {
        let secret = json!({"stringData": {
            "api_key": "fake", "access_token:hunter2": null, "hunter3:": "x", "hunter4": null,
        }});
        let secret = read(&secret).unwrap();
        assert_eq!(secret.names().collect::<Vec<_>>(), ["api_key"]);
    }

    #[test]
    fn the_version_follows_the_values_and_debug_hides_them() {
        let of = |key: &str| read(&json!({"stringData": {"api_key": key}})).unwrap();
        assert_eq!(of("fake-1").version(), of("fake-1").version());
        assert_ne!(of("fake-1").version(), of("fake-2").version());
        assert!(!format!("{:?}", of("fake-1")).contains("fake"));
    }
}
