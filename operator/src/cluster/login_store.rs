//! The Secrets of logins in the cluster.
//!
//! Owns the requests, and the only Secrets that the operator writes: `kt-NAME-session` of an account, and `kt-login-key` in its
//! own namespace. Keeps nothing that it reads but the key that signs links.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crds::TickerAccount;
use crds::names::{
    self, LOGIN_KEY, LOGIN_KEY_SECRET, SECRET_ACCESS_TOKEN, SECRET_API_KEY, SECRET_API_SECRET,
    SECRET_WEBHOOK_URL, SESSION_KEY_HASH, SESSION_LOGIN_TIME, SESSION_SOURCE, SESSION_USER_ID,
};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{ObjectMeta, Patch, PatchParams};
use kube::{Api, Client, Resource as _};
use zeroize::{Zeroize as _, Zeroizing};

use super::api_error::ApiError;
use crate::login::{self, AppCredentials, LoginStore, SOURCE, SessionOwner, SessionValues};
use crate::login_link;
use crate::plan::Key;

/// The Secrets of the cluster.
pub(crate) struct ClusterLogins {
    client: Client,
    /// The key that signs links, once it was read.
    key: Mutex<Option<Zeroizing<Vec<u8>>>>,
}

impl ClusterLogins {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            key: Mutex::default(),
        }
    }

    fn secrets(&self, namespace: &str) -> Api<Secret> {
        Api::namespaced(self.client.clone(), namespace)
    }

    async fn get(&self, secret: &Key) -> Result<Option<Secret>, String> {
        let found = self.secrets(&secret.namespace).get_opt(&secret.name).await;
        found.map_err(|error| format!("Secret {secret}: {}", ApiError::from(error)))
    }

    async fn apply(&self, secret: &Key, content: &Secret) -> Result<(), String> {
        let patch = PatchParams::apply(names::FIELD_MANAGER).force();
        let secrets = self.secrets(&secret.namespace);
        let applied = secrets
            .patch(&secret.name, &patch, &Patch::Apply(content))
            .await;
        let failed = |error| format!("Secret {secret}: {}", ApiError::from(error));
        applied.map(drop).map_err(failed)
    }

    /// The key as it is stored, if it is.
    async fn stored_key(&self, secret: &Key) -> Result<Option<Zeroizing<Vec<u8>>>, String> {
        let found = self.get(secret).await?;
        let key = found.and_then(|secret| take(&mut secret.data?, LOGIN_KEY));
        Ok(key)
    }
}

impl LoginStore for ClusterLogins {
    async fn state_key(&self) -> Result<Zeroizing<Vec<u8>>, String> {
        let known = || {
            self.key
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
        };
        if let Some(key) = &*known() {
            return Ok(key.clone());
        }
        let secret = Key::new(self.client.default_namespace(), LOGIN_KEY_SECRET);
        let key = match self.stored_key(&secret).await? {
            Some(key) => key,
            None => {
                let fresh = login_link::new_key()?;
                let mut content = named(&secret, &BTreeMap::from([(LOGIN_KEY, &fresh[..])]));
                let applied = self.apply(&secret, &content).await;
                wipe(&mut content);
                applied?;
                // Another operator may have written one at the same time.
                self.stored_key(&secret).await?.unwrap_or(fresh)
            }
        };
        *known() = Some(key.clone());
        Ok(key)
    }

    async fn app(&self, secret: &Key) -> Result<Option<AppCredentials>, String> {
        let Some(mut found) = self.get(secret).await? else {
            return Ok(None);
        };
        let version = found.metadata.resource_version.take().unwrap_or_default();
        let mut data = found.data.unwrap_or_default();
        let mut value = |name| login::text(&take(&mut data, name)?);
        let (api_key, api_secret) = (value(SECRET_API_KEY), value(SECRET_API_SECRET));
        data.values_mut().for_each(|value| value.0.zeroize());
        Ok(Some(AppCredentials {
            version,
            api_key,
            api_secret,
        }))
    }

    async fn webhook(&self, secret: &Key) -> Result<Option<Zeroizing<String>>, String> {
        let found = self.get(secret).await?;
        let mut data = found.and_then(|secret| secret.data).unwrap_or_default();
        Ok(take(&mut data, SECRET_WEBHOOK_URL).and_then(|value| login::text(&value)))
    }

    async fn write(&self, owner: &SessionOwner, session: &SessionValues) -> Result<(), String> {
        let account = &owner.account;
        let secret = Key::new(&account.namespace, names::session_secret(&account.name));
        let values = BTreeMap::from([
            (SECRET_ACCESS_TOKEN, session.access_token.as_bytes()),
            (SESSION_KEY_HASH, session.key_hash.as_bytes()),
            (SESSION_USER_ID, session.user_id.as_bytes()),
            (SESSION_LOGIN_TIME, session.login_time.as_bytes()),
            (SESSION_SOURCE, SOURCE.as_bytes()),
        ]);
        let mut content = named(&secret, &values);
        content
            .metadata
            .labels
            .get_or_insert_default()
            .extend([(names::LABEL_ACCOUNT.to_owned(), account.name.clone())]);
        // It goes with its account.
        content.metadata.owner_references = Some(vec![OwnerReference {
            api_version: TickerAccount::api_version(&()).into_owned(),
            kind: TickerAccount::kind(&()).into_owned(),
            name: account.name.clone(),
            uid: owner.uid.clone(),
            ..OwnerReference::default()
        }]);
        let applied = self.apply(&secret, &content).await;
        wipe(&mut content);
        applied
    }
}

/// A Secret with our labels and these values.
fn named(secret: &Key, values: &BTreeMap<&str, &[u8]>) -> Secret {
    let labels = [
        (names::LABEL_APP, names::APP),
        (names::LABEL_MANAGED_BY, names::FIELD_MANAGER),
    ];
    let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let values = values.iter();
    let values = values.map(|(name, value)| ((*name).to_owned(), ByteString(value.to_vec())));
    Secret {
        metadata: ObjectMeta {
            name: Some(secret.name.clone()),
            labels: Some(labels.into()),
            ..ObjectMeta::default()
        },
        data: Some(values.collect()),
        ..Secret::default()
    }
}

fn take(data: &mut BTreeMap<String, ByteString>, name: &str) -> Option<Zeroizing<Vec<u8>>> {
    data.remove(name).map(|value| Zeroizing::new(value.0))
}

fn wipe(secret: &mut Secret) {
    let values = secret.data.iter_mut().flatten();
    values.for_each(|(_, value)| value.0.zeroize());
}
