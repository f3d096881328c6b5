//! The Secrets of the folder, for checks of tokens.
//!
//! Owns the copy that the checking task reads.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::manifest::SecretValues;
use crate::plan::Key;
use crate::token_check::{CredentialSource, CredentialValues};

/// Those that can be read, by name; clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct LocalSecrets(Arc<Mutex<BTreeMap<String, SecretValues>>>);

impl LocalSecrets {
    /// Takes over those of the folder.
    pub(crate) fn set(&self, secrets: BTreeMap<String, SecretValues>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = secrets;
    }
}

impl CredentialSource for LocalSecrets {
    async fn read(&self, secret: &Key) -> Result<Option<CredentialValues>, String> {
        let secrets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = secrets.get(&secret.name);
        Ok(found
            .and_then(|it| CredentialValues::new(it.version(), it.api_key(), it.access_token())))
    }
}
