//! The Secrets of the folder and the sessions of accounts, for checks of tokens.
//!
//! Owns the copy that the checking task reads.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::manifest::SecretValues;
use crate::plan::{TokenTarget, session_version};
use crate::token_check::{CredentialSource, CredentialValues, TokenValues};

/// Those that can be read; clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct LocalSecrets(Arc<Mutex<Values>>);

#[derive(Debug, Default)]
struct Values {
    /// By name of the Secret.
    secrets: BTreeMap<String, SecretValues>,
    /// By name of its Secret in a cluster.
    sessions: BTreeMap<String, SecretValues>,
}

impl LocalSecrets {
    /// Takes over those of the folder.
    pub(crate) fn set(&self, secrets: BTreeMap<String, SecretValues>) {
        self.values().secrets = secrets;
    }

    /// Takes over the session of an account, or that there is none.
    pub(crate) fn set_session(&self, account: &str, session: Option<SecretValues>) {
        let name = crds::names::session_secret(account);
        let sessions = &mut self.values().sessions;
        match session {
            Some(session) => sessions.insert(name, session),
            None => sessions.remove(&name),
        };
    }

    /// What `read` makes of a Secret of the folder; `None` if it does not exist.
    pub(crate) fn with<T>(&self, name: &str, read: impl FnOnce(&SecretValues) -> T) -> Option<T> {
        self.values().secrets.get(name).map(read)
    }

    fn values(&self) -> MutexGuard<'_, Values> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CredentialSource for LocalSecrets {
    async fn read(&self, target: &TokenTarget) -> Result<Option<CredentialValues>, String> {
        let values = self.values();
        let Some(secret) = values.secrets.get(&target.secret.name) else {
            return Ok(None);
        };
        let Some(of_session) = &target.session else {
            let version = secret.version();
            return Ok(CredentialValues::new(version, &secret.into(), None));
        };
        let Some(session) = values.sessions.get(&of_session.secret.name) else {
            return Ok(None);
        };
        let version = session_version(&session.version(), &secret.version());
        let values = TokenValues::from(session);
        let session = Some((&values, of_session.account_uid.as_str()));
        Ok(CredentialValues::new(version, &secret.into(), session))
    }
}

impl<'a> From<&'a SecretValues> for TokenValues<'a> {
    fn from(values: &'a SecretValues) -> Self {
        Self {
            api_key: values.api_key(),
            access_token: values.access_token(),
            key_hash: values.key_hash(),
        }
    }
}
