//! The task that makes login links for the accounts that need one.
//!
//! Owns the newest links, which hold the API key: they are kept for as long as a login is needed. Must not decide when that is.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use service::clock::Clock;
use service::text::LineQuota;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::store::{LoginStore, SessionOwner};
use crate::login_link::{LoginState, StateKey, link};
use crate::plan::{Key, LoginLink, LoginTarget};

/// After a failure, and so often the time is looked at.
const RETRY: Duration = Duration::from_secs(15);

/// How long a Secret may take to be read.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// A link, or why it cannot be made, and what it is made of.
type Made = (LoginTarget, Result<LoginLink, String>);

/// What is needed, and what was made.
#[derive(Debug, Default)]
pub(crate) struct LoginLinks {
    targets: watch::Sender<BTreeMap<Key, LoginTarget>>,
    made: Mutex<BTreeMap<Key, Made>>,
}

impl LoginLinks {
    /// These accounts need a link, and no others.
    pub(crate) fn set_targets(&self, targets: &BTreeMap<Key, LoginTarget>) {
        self.made()
            .retain(|key, (made_of, _)| targets.get(key) == Some(made_of));
        self.targets.send_if_modified(|known| {
            let new = known != targets;
            if new {
                known.clone_from(targets);
            }
            new
        });
    }

    /// The link of an account, or why there is none, once that is known.
    pub(crate) fn of(&self, account: &Key) -> Option<Result<LoginLink, String>> {
        self.made().get(account).map(|(_, link)| link.clone())
    }

    fn made(&self) -> MutexGuard<'_, BTreeMap<Key, Made>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task.
pub(crate) struct LinkMaker<S> {
    pub(crate) links: Arc<LoginLinks>,
    pub(crate) store: Arc<S>,
    pub(crate) clock: Clock,
    pub(crate) dirty: Arc<Notify>,
}

impl<S: LoginStore> LinkMaker<S> {
    /// Makes links until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut targets = self.links.targets.subscribe();
        let mut lines = LineQuota::for_reasons();
        loop {
            let wanted = targets.borrow_and_update().clone();
            for (account, target) in wanted {
                let known = self.links.made().get(&account).map(|it| it.1.clone());
                if known.as_ref().is_some_and(Result::is_ok) {
                    continue;
                }
                let made = self.make(&account, &target).await.transpose();
                if let Some(made) = &made
                    && known.as_ref() != Some(made)
                {
                    self.links
                        .made()
                        .insert(account.clone(), (target, made.clone()));
                    self.dirty.notify_one();
                }
                match made.transpose() {
                    Ok(Some(_)) => {}
                    // The Secret has changed: another target follows.
                    Ok(None) => {}
                    Err(why) => {
                        if let Some(suppressed) = lines.take(self.clock.now()) {
                            tracing::warn!(%account, suppressed, "there is no login link: {why}");
                        }
                    }
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                changed = targets.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(RETRY) => {}
            }
        }
    }

    async fn make(&self, account: &Key, target: &LoginTarget) -> Result<Option<LoginLink>, String> {
        let late = |_| format!("no answer for {READ_TIMEOUT:?}");
        let owner = SessionOwner {
            account: account.clone(),
            uid: target.account_uid.clone(),
        };
        // Otherwise Kite would make a session that nobody can keep.
        let check = tokio::time::timeout(READ_TIMEOUT, self.store.check(&owner));
        check.await.map_err(late)??;
        let key = tokio::time::timeout(READ_TIMEOUT, self.store.make_state_key());
        let key = key.await.map_err(late)??;
        let key = StateKey::new(&key).ok_or("the key that signs it has another length")?;
        let app = tokio::time::timeout(READ_TIMEOUT, self.store.app(&target.secret));
        let app = app.await.map_err(late)??;
        let Some(app) = app.filter(|app| app.version == target.version) else {
            return Ok(None);
        };
        let Some(api_key) = &app.api_key else {
            return Err(format!("Secret {} has no api_key", target.secret));
        };
        let state = LoginState {
            namespace: account.namespace.clone(),
            account: account.name.clone(),
            account_uid: target.account_uid.clone(),
            issued: self.clock.wall(),
            expires: target.expires,
        };
        Ok(Some(LoginLink {
            url: link(&target.login, api_key, &state.sign(&key)),
            version: app.version,
        }))
    }
}
