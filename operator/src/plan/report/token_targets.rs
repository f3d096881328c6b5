//! Which access tokens Kite is asked about.
//!
//! Pure. Must not decide when.

use std::collections::BTreeMap;

use contract::TokenSource;
use crds::names;

use super::account::ReportedAccount;
use super::outcome::{SessionTarget, TokenOwner, TokenTarget};
use crate::plan::input::{AccountInput, Key, token_version};

/// The tokens that are checked: those of accounts that may stream.
pub(super) fn of(accounts: &[ReportedAccount<'_>]) -> BTreeMap<TokenOwner, TokenTarget> {
    let runs = |report: &&ReportedAccount<'_>| report.account.eligibility.suspension().is_none();
    let targets = accounts.iter().filter(runs).flat_map(|report| {
        let sources = [TokenSource::Secret, TokenSource::Session];
        sources.map(|source| {
            let key = &report.account.observed.object.meta.key;
            let target = target(report.account, source)?;
            Some(((key.clone(), source), target))
        })
    });
    targets.flatten().collect()
}

fn target(account: &AccountInput<'_>, source: TokenSource) -> Option<TokenTarget> {
    let spec = account.spec.as_ref().ok()?;
    let Key { namespace, name } = &account.observed.object.meta.key;
    let session = || SessionTarget {
        secret: Key::new(namespace, names::session_secret(name)),
        account_uid: account.uid().to_owned(),
    };
    Some(TokenTarget {
        secret: Key::new(namespace, &spec.workload.secret),
        session: (source == TokenSource::Session).then(session),
        version: token_version(account.observed, source)?,
        api: spec.api.clone(),
    })
}
