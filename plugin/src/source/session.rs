//! Where the session of an account is kept: a Secret in the cluster, files of `kite-operator local`.
//!
//! Owns what is written, and whose it is. Of the account's Secret only the API key is read, for the mark that ties a session
//! to it; neither is kept or printed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use contract::answer::{LOGIN_FILE, LOGIN_FOLDER, ReadyState};
use contract::{mount, session_key_hash};
use crds::TickerAccount;
use crds::condition::{ConditionType, Reason};
use crds::names::{
    APP, LABEL_ACCOUNT, LABEL_APP, SECRET_ACCESS_TOKEN, SECRET_API_KEY, SESSION_KEY_HASH,
    SESSION_LOGIN_TIME, SESSION_SOURCE, SESSION_USER_ID, session_secret,
};
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client, Resource as _, ResourceExt as _};
use serde_json::{Value, json};

use crate::error::AskError;

/// What a session says of where its token came from.
const SOURCE: &str = "token-set";

/// The field manager of this program.
const MANAGER: &str = "kubectl-kiteticker";

/// The UID of every account without a cluster.
const LOCAL_UID: &str = "local";

/// No value of a Secret that is read here is longer.
const LARGEST: u64 = 64 * 1024;

/// The place of one account's session.
pub(crate) enum SessionPlace {
    Secret {
        client: Client,
        account: Box<TickerAccount>,
        namespace: String,
        key_hash: String,
    },
    Files {
        folder: PathBuf,
        key_hash: String,
    },
}

/// How the login of an account is.
pub(crate) struct LoginView {
    /// The link, while one is offered.
    pub(crate) url: Option<String>,
    /// Whether the access token has ended, and a login would bring another one.
    pub(crate) needs_login: bool,
    /// What is wrong with the credentials.
    pub(crate) wrong: Option<String>,
    /// Its condition `Ready`.
    pub(crate) ready: Option<ReadyState>,
}

impl LoginView {
    pub(super) async fn in_cluster(
        client: &Client,
        namespace: &str,
        name: &str,
    ) -> Result<Self, AskError> {
        let account = account(client, namespace, name).await?;
        let status = account.status.unwrap_or_default();
        let find = |kind: ConditionType| {
            let mut conditions = status.conditions.iter();
            conditions.find(|it| it.type_ == kind.as_str())
        };
        let valid = find(ConditionType::CredentialsValid);
        let ready = find(ConditionType::Ready).map(|ready| ReadyState {
            status: ready.status.clone(),
            reason: ready.reason.clone(),
            message: ready.message.clone(),
        });
        Ok(Self {
            needs_login: valid.is_some_and(|it| is_cured(&it.reason)),
            wrong: valid
                .filter(|it| it.status == "False")
                .map(|it| format!("{}: {}", it.reason, it.message)),
            url: status.login_url,
            ready,
        })
    }

    pub(super) fn in_files(account: &Path, ready: Option<ReadyState>) -> Result<Self, AskError> {
        let folder = account.join(LOGIN_FOLDER);
        let unreadable = |source| AskError::StateFolder {
            path: folder.clone(),
            source,
        };
        let url = mount::read(&folder, LOGIN_FILE, LARGEST).map_err(unreadable)?;
        let url = url.and_then(|url| String::from_utf8(url).ok());
        let is_about =
            |ready: &&ReadyState| ready.status == "False" && is_about_credentials(&ready.reason);
        let wrong = ready.as_ref().filter(is_about);
        Ok(Self {
            needs_login: url.is_some() || wrong.is_some_and(|it| is_cured(&it.reason)),
            wrong: wrong.map(|it| format!("{}: {}", it.reason, it.message)),
            url,
            ready,
        })
    }
}

/// Whether a login is what an account with this reason needs.
fn is_cured(reason: &str) -> bool {
    let reasons = [Reason::LoginRequired, Reason::RunningOnDeadToken];
    reasons.iter().any(|it| it.as_str() == reason)
}

/// Whether this reason of `Ready` is about credentials.
fn is_about_credentials(reason: &str) -> bool {
    let reasons = [
        Reason::SecretMissing,
        Reason::KeyMissing,
        Reason::TokenExpired,
    ];
    is_cured(reason) || reasons.iter().any(|it| it.as_str() == reason)
}

async fn account(client: &Client, namespace: &str, name: &str) -> Result<TickerAccount, AskError> {
    let accounts: Api<TickerAccount> = Api::namespaced(client.clone(), namespace);
    let account = accounts.get_opt(name).await;
    account
        .map_err(|error| failed(error, "get", "tickeraccounts", namespace))?
        .ok_or_else(|| {
            AskError::Refused(format!("there is no TickerAccount {name} in {namespace}"))
        })
}

impl SessionPlace {
    pub(super) async fn in_cluster(
        client: &Client,
        namespace: &str,
        name: &str,
    ) -> Result<Self, AskError> {
        let account = account(client, namespace, name).await?;
        let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
        let of_account = &account.spec.credentials_secret_ref.name;
        let secret = secrets.get_opt(of_account).await;
        let secret = secret.map_err(|error| failed(error, "get", "secrets", namespace))?;
        let data = secret.and_then(|secret| secret.data).unwrap_or_default();
        let api_key = data.get(SECRET_API_KEY).map(|value| value.0.as_slice());
        let key_hash = key_hash(of_account, &account.uid().unwrap_or_default(), api_key)?;
        Ok(Self::Secret {
            client: client.clone(),
            account: Box::new(account),
            namespace: namespace.to_owned(),
            key_hash,
        })
    }

    pub(super) fn in_files(account: &Path, name: &str) -> Result<Self, AskError> {
        let credentials = account.join("credentials");
        if !credentials.exists() {
            let why = format!("there is no TickerAccount {name}, or it has not started yet");
            return Err(AskError::Refused(why));
        }
        let unreadable = |source| AskError::StateFolder {
            path: credentials.clone(),
            source,
        };
        let api_key =
            mount::read(&credentials, mount::API_KEY_FILE, LARGEST).map_err(unreadable)?;
        let key_hash = key_hash("of the account", LOCAL_UID, api_key.as_deref())?;
        Ok(Self::Files {
            folder: account.join("session"),
            key_hash,
        })
    }

    /// Writes the token; returns where it is.
    pub(crate) async fn write(&self, token: &str, now: Timestamp) -> Result<String, AskError> {
        match self {
            Self::Secret {
                client,
                account,
                namespace,
                key_hash,
            } => {
                let name = session_secret(&account.name_any());
                let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
                let secret = secret(&name, account, &values(token, key_hash, now));
                let failed = |verb| move |error| failed(error, verb, "secrets", namespace);
                match secrets.create(&PostParams::default(), &secret).await {
                    Err(kube::Error::Api(status)) if status.code == 409 => {
                        // Who logged in last is not whose this token is.
                        let mut patch = json!({"data": secret.data});
                        patch["data"][SESSION_USER_ID] = Value::Null;
                        let patch = Patch::Merge(patch);
                        let written = secrets.patch(&name, &parameters(), &patch).await;
                        written.map_err(failed("patch"))?;
                    }
                    created => drop(created.map_err(failed("create"))?),
                }
                Ok(format!("Secret {name} in {namespace}"))
            }
            Self::Files { folder, key_hash } => {
                let values = values(token, key_hash, now);
                let files = values.iter();
                let files = files.map(|(name, value)| (*name, value.clone().into_bytes()));
                let written = mount::publish(folder, &files.collect());
                written.map_err(|source| AskError::StateFolder {
                    path: folder.clone(),
                    source,
                })?;
                Ok(folder.display().to_string())
            }
        }
    }
}

fn parameters() -> PatchParams {
    PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    }
}

fn key_hash(secret: &str, uid: &str, api_key: Option<&[u8]>) -> Result<String, AskError> {
    let api_key = api_key.and_then(|bytes| std::str::from_utf8(bytes).ok());
    let api_key = api_key.map(str::trim).filter(|it| !it.is_empty());
    let missing = || AskError::Refused(format!("Secret {secret} has no api_key: add it first"));
    Ok(session_key_hash(uid, api_key.ok_or_else(missing)?))
}

fn values(token: &str, key_hash: &str, now: Timestamp) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        (SECRET_ACCESS_TOKEN, token.to_owned()),
        (SESSION_KEY_HASH, key_hash.to_owned()),
        (SESSION_LOGIN_TIME, seconds(now).to_string()),
        (SESSION_SOURCE, SOURCE.to_owned()),
    ])
}

fn seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// It goes with its account.
fn secret(name: &str, account: &TickerAccount, values: &BTreeMap<&'static str, String>) -> Secret {
    let labels = [
        (LABEL_APP.to_owned(), APP.to_owned()),
        (LABEL_ACCOUNT.to_owned(), account.name_any()),
    ];
    let owner = OwnerReference {
        api_version: TickerAccount::api_version(&()).into_owned(),
        kind: TickerAccount::kind(&()).into_owned(),
        name: account.name_any(),
        uid: account.uid().unwrap_or_default(),
        ..OwnerReference::default()
    };
    let data = values.iter();
    let data = data.map(|(name, value)| ((*name).to_owned(), ByteString(value.clone().into())));
    Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(labels.into()),
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        data: Some(data.collect()),
        ..Secret::default()
    }
}

fn failed(
    error: kube::Error,
    verb: &'static str,
    resource: &'static str,
    namespace: &str,
) -> AskError {
    match error {
        kube::Error::Api(status) if status.code == 403 => AskError::NotAllowed {
            verb,
            resource,
            place: format!("namespace {namespace}"),
            message: status.message,
        },
        kube::Error::Api(status) if status.code == 401 => AskError::Unauthenticated(status.message),
        kube::Error::Api(status) => AskError::Refused(status.message),
        error => AskError::Cluster(error.into()),
    }
}
