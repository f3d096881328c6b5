//! The account that a state is about, as the newest pass left it.
//!
//! Pure. Must not do anything for it.

use crds::condition::{ConditionType, Reason};
use crds::{TickerAccountSpec, TickerAccountStatus};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::store::SessionOwner;
use crate::login_link::LoginState;
use crate::plan::{Key, Memory, ObservedAccount, Secret};
use crate::query::Snapshot;

/// An account whose user has come back from Kite.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) owner: SessionOwner,
    /// The Secret with API key and secret.
    pub(crate) secret: Key,
    /// REST origin.
    pub(crate) api: String,
    /// The user who must log in, if that is known.
    pub(crate) user: Option<String>,
    /// Whether its token has ended.
    pub(crate) needs_login: bool,
    /// Whether it is known who logged in last, and when.
    pub(crate) knows_last_login: bool,
    /// When somebody logged in last.
    pub(crate) last_login: Option<Timestamp>,
}

impl Candidate {
    /// The account of a state; `None` if it does not exist any more.
    pub(crate) fn find(snapshot: &Snapshot, state: &LoginState) -> Option<Self> {
        let key = Key::new(&state.namespace, &state.account);
        let account = find(snapshot, &key)?;
        let meta = &account.object.meta;
        let spec = account.object.spec.as_ref().ok()?;
        if meta.uid != state.account_uid || meta.deleting || spec.paused || is_off(snapshot, &key) {
            return None;
        }
        let login = match &account.session {
            Secret::Present { login, .. } => login.as_ref(),
            Secret::Unknown | Secret::Unreadable | Secret::Missing => None,
        };
        Some(Self {
            secret: Key::new(&key.namespace, &spec.credentials_secret_ref.name),
            api: api(spec),
            user: user(spec).or_else(|| login.map(|it| it.user_id.clone())),
            needs_login: needs_login(&snapshot.memory, &key),
            knows_last_login: matches!(account.session, Secret::Present { .. } | Secret::Missing),
            last_login: login.map(|it| it.at),
            owner: SessionOwner {
                account: key,
                uid: meta.uid.clone(),
            },
        })
    }
}

fn find<'a>(snapshot: &'a Snapshot, key: &Key) -> Option<&'a ObservedAccount> {
    let mut accounts = snapshot.observed.accounts.iter();
    accounts.find(|it| it.object.meta.key == *key)
}

fn api(spec: &TickerAccountSpec) -> String {
    spec.endpoint.api.trim_end_matches('/').to_owned()
}

fn user(spec: &TickerAccountSpec) -> Option<String> {
    spec.login.user_id.clone()
}

fn condition(status: &TickerAccountStatus, kind: ConditionType) -> Option<&Condition> {
    let mut conditions = status.conditions.iter();
    conditions.find(|it| it.type_ == kind.as_str())
}

/// Whether it has the key of an older account: a login would be that one's.
fn is_off(snapshot: &Snapshot, account: &Key) -> bool {
    let status = snapshot.memory.account_status(account);
    let ready = status.and_then(|it| condition(it, ConditionType::Ready));
    ready.is_some_and(|it| it.reason == Reason::DuplicateApiKey.as_str())
}

fn needs_login(memory: &Memory, account: &Key) -> bool {
    let status = memory.account_status(account);
    let valid = status.and_then(|it| condition(it, ConditionType::CredentialsValid));
    let reason = valid.and_then(|it| Reason::from_word(&it.reason));
    reason != Some(Reason::Verified)
}

/// How far an account is after a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Its token is not used yet.
    Waiting,
    /// It is as it should be; the reason of its `Ready`.
    Ready(String),
    /// Its token is good, and something else is wrong.
    Wrong(String),
}

/// How far `account` is that was logged in to at `since`.
pub(crate) fn progress(snapshot: &Snapshot, account: &Key, since: Timestamp) -> Progress {
    let used = find(snapshot, account).is_some_and(|account| {
        let Secret::Present { login, .. } = &account.session else {
            return false;
        };
        login
            .as_ref()
            .is_some_and(|login| login.at.as_second() >= since.as_second())
    });
    let status = snapshot.memory.account_status(account);
    let Some(status) = status.filter(|_| used && !needs_login(&snapshot.memory, account)) else {
        return Progress::Waiting;
    };
    match condition(status, ConditionType::Ready) {
        Some(ready) if ready.status == "True" => Progress::Ready(ready.reason.clone()),
        Some(ready) if ready.status == "False" => Progress::Wrong(ready.message.clone()),
        Some(_) | None => Progress::Waiting,
    }
}
