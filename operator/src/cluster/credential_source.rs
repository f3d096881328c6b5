//! Reads the credentials of an account for a check of its token.
//!
//! Owns the requests; keeps nothing. Must not be asked more often than tokens are checked.

use std::collections::BTreeMap;

use crds::names::{SECRET_ACCESS_TOKEN, SECRET_API_KEY, SESSION_KEY_HASH};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use zeroize::Zeroize;

use super::api_error::ApiError;
use crate::plan::{Key, TokenTarget, session_version};
use crate::token_check::{CredentialSource, CredentialValues, TokenValues};

/// The Secrets of the cluster.
pub(crate) struct ClusterSecrets(pub(crate) Client);

/// A Secret for as long as a check takes; wiped from memory when dropped.
struct Found {
    version: String,
    data: BTreeMap<String, ByteString>,
}

impl Drop for Found {
    fn drop(&mut self) {
        self.data.values_mut().for_each(|value| value.0.zeroize());
    }
}

impl Found {
    fn values(&self) -> TokenValues<'_> {
        let value = |name| self.data.get(name).map(|value| value.0.as_slice());
        TokenValues {
            api_key: value(SECRET_API_KEY),
            access_token: value(SECRET_ACCESS_TOKEN),
            key_hash: value(SESSION_KEY_HASH),
        }
    }
}

impl ClusterSecrets {
    async fn get(&self, secret: &Key) -> Result<Option<Found>, String> {
        let api: Api<Secret> = Api::namespaced(self.0.clone(), &secret.namespace);
        let found = api.get_opt(&secret.name).await;
        let found = found.map_err(|error| format!("Secret {secret}: {}", ApiError::from(error)))?;
        Ok(found.map(|found| Found {
            version: found.metadata.resource_version.unwrap_or_default(),
            data: found.data.unwrap_or_default(),
        }))
    }
}

impl CredentialSource for ClusterSecrets {
    async fn read(&self, target: &TokenTarget) -> Result<Option<CredentialValues>, String> {
        let Some(secret) = self.get(&target.secret).await? else {
            return Ok(None);
        };
        let Some(of_session) = &target.session else {
            let version = secret.version.clone();
            return Ok(CredentialValues::new(version, &secret.values(), None));
        };
        let Some(session) = self.get(&of_session.secret).await? else {
            return Ok(None);
        };
        let version = session_version(&session.version, &secret.version);
        let values = session.values();
        let session = Some((&values, of_session.account_uid.as_str()));
        Ok(CredentialValues::new(version, &secret.values(), session))
    }
}
