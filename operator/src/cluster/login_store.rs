//! The Secrets of logins in the cluster.
//!
//! Owns the requests, and the only Secrets that the operator writes: `kt-NAME-session` of an account, and `kt-login-key` in its
//! own namespace. Keeps nothing that it reads but the key that signs links.

use std::collections::BTreeMap;

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
    key: tokio::sync::Mutex<Option<Zeroizing<Vec<u8>>>>,
}

impl ClusterLogins {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            key: tokio::sync::Mutex::default(),
        }
    }

    fn secrets(&self, namespace: &str) -> Api<Secret> {
        Api::namespaced(self.client.clone(), namespace)
    }

    async fn get(&self, secret: &Key) -> Result<Option<Secret>, String> {
        let found = self.secrets(&secret.namespace).get_opt(&secret.name).await;
        found.map_err(|error| format!("Secret {secret}: {}", ApiError::from(error)))
    }

    /// Applies it, or asks whether that could be done.
    async fn apply(&self, secret: &Key, content: &Secret, dry_run: bool) -> Result<(), String> {
        let mut patch = PatchParams::apply(names::FIELD_MANAGER).force();
        patch.dry_run = dry_run;
        let secrets = self.secrets(&secret.namespace);
        let applied = secrets
            .patch(&secret.name, &patch, &Patch::Apply(content))
            .await;
        let failed = |error| format!("Secret {secret}: {}", ApiError::from(error));
        applied.map(drop).map_err(failed)
    }

    fn key_secret(&self) -> Key {
        Key::new(self.client.default_namespace(), LOGIN_KEY_SECRET)
    }

    /// The key as it is stored, if it is.
    async fn stored_key(&self, secret: &Key) -> Result<Option<Zeroizing<Vec<u8>>>, String> {
        let found = self.get(secret).await?;
        let key = found.and_then(|secret| take(&mut secret.data?, LOGIN_KEY));
        Ok(key)
    }
}

impl LoginStore for ClusterLogins {
    async fn state_key(&self) -> Result<Option<Zeroizing<Vec<u8>>>, String> {
        let mut known = self.key.lock().await;
        if known.is_none() {
            *known = self.stored_key(&self.key_secret()).await?;
        }
        Ok(known.clone())
    }

    async fn make_state_key(&self) -> Result<Zeroizing<Vec<u8>>, String> {
        if let Some(key) = self.state_key().await? {
            return Ok(key);
        }
        // One at a time makes it.
        let mut known = self.key.lock().await;
        if let Some(key) = &*known {
            return Ok(key.clone());
        }
        let secret = self.key_secret();
        let fresh = login_link::new_key()?;
        let mut content = named(&secret, &BTreeMap::from([(LOGIN_KEY, &fresh[..])]));
        let applied = self.apply(&secret, &content, false).await;
        wipe(&mut content);
        applied?;
        // Another operator may have written one at the same time.
        let key = self.stored_key(&secret).await?.unwrap_or(fresh);
        *known = Some(key.clone());
        Ok(key)
    }

    async fn check(&self, owner: &SessionOwner) -> Result<(), String> {
        let secret = session_key(&owner.account);
        let content = session(owner, &BTreeMap::new());
        let written = self.apply(&secret, &content, true).await;
        written.map_err(|why| {
            format!(
                "{why}: the chart's login.accounts has to name {}, and its helm upgrade to run again after the account was made \
                 anew",
                owner.account.name
            )
        })
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

    async fn write(&self, owner: &SessionOwner, values: &SessionValues) -> Result<(), String> {
        let values = BTreeMap::from([
            (SECRET_ACCESS_TOKEN, values.access_token.as_bytes()),
            (SESSION_KEY_HASH, values.key_hash.as_bytes()),
            (SESSION_USER_ID, values.user_id.as_bytes()),
            (SESSION_LOGIN_TIME, values.login_time.as_bytes()),
            (SESSION_SOURCE, SOURCE.as_bytes()),
        ]);
        let mut content = session(owner, &values);
        let secret = session_key(&owner.account);
        let applied = self.apply(&secret, &content, false).await;
        wipe(&mut content);
        applied
    }
}

/// The Secret of an account's session.
fn session_key(account: &Key) -> Key {
    Key::new(&account.namespace, names::session_secret(&account.name))
}

/// That Secret with these values. It goes with its account.
fn session(owner: &SessionOwner, values: &BTreeMap<&str, &[u8]>) -> Secret {
    let account = &owner.account;
    let mut content = named(&session_key(account), values);
    let label = (names::LABEL_ACCOUNT.to_owned(), account.name.clone());
    content
        .metadata
        .labels
        .get_or_insert_default()
        .extend([label]);
    content.metadata.owner_references = Some(vec![OwnerReference {
        api_version: TickerAccount::api_version(&()).into_owned(),
        kind: TickerAccount::kind(&()).into_owned(),
        name: account.name.clone(),
        uid: owner.uid.clone(),
        ..OwnerReference::default()
    }]);
    content
}

/// A Secret with our label and these values.
fn named(secret: &Key, values: &BTreeMap<&str, &[u8]>) -> Secret {
    // The chart may have made it, and says who manages it.
    let labels = [(names::LABEL_APP.to_owned(), names::APP.to_owned())];
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
