//! Reads the credentials of an account for a check of its token.
//!
//! Owns the request; keeps nothing. Must not be asked more often than tokens are checked.

use crds::names::{SECRET_ACCESS_TOKEN, SECRET_API_KEY};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use zeroize::Zeroize;

use super::api_error::ApiError;
use crate::plan::Key;
use crate::token_check::{CredentialSource, CredentialValues};

/// The Secrets of the cluster.
pub(crate) struct ClusterSecrets(pub(crate) Client);

impl CredentialSource for ClusterSecrets {
    async fn read(&self, secret: &Key) -> Result<Option<CredentialValues>, String> {
        let api: Api<Secret> = Api::namespaced(self.0.clone(), &secret.namespace);
        let found = api.get_opt(&secret.name).await;
        let found = found.map_err(|error| ApiError::from(error).to_string())?;
        let Some(found) = found else {
            return Ok(None);
        };
        let version = found.metadata.resource_version.unwrap_or_default();
        let mut data = found.data.unwrap_or_default();
        let value = |name| data.get(name).map(|value| value.0.as_slice());
        let (api_key, access_token) = (value(SECRET_API_KEY), value(SECRET_ACCESS_TOKEN));
        let credentials = CredentialValues::new(version, api_key, access_token);
        data.values_mut().for_each(|value| value.0.zeroize());
        Ok(credentials)
    }
}
