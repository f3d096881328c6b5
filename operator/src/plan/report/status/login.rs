//! What the status of an account says of its login: the link while one is needed, and who has logged in.
//!
//! Pure. Must not make links: it keeps the one it has said for as long as that is good, so that a status is written once for
//! each login that is needed.

use contract::report::CredentialsReport;
use crds::TickerAccountStatus;
use crds::account::SessionStatus;
use crds::condition::Reason;
use crds::names;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kite::access_token;

use super::token;
use crate::login_link;
use crate::plan::input::{AccountInput, Key, Secret, TokenAnswer};
use crate::plan::readiness::{self, AccountFacts};
use crate::plan::report::outcome::LoginTarget;

/// A login that is needed, or not.
#[derive(Clone, Debug, Default)]
pub(crate) struct LoginOffer {
    /// What the status says.
    pub(crate) url: Option<String>,
    /// Until when that is good.
    pub(crate) expires: Option<Timestamp>,
    /// What a link has to be made of.
    pub(crate) target: Option<LoginTarget>,
}

/// Whether the account's user can log in: its Secret has an API secret. Until that has been read, what the status says counts.
pub(super) fn is_offered(account: &AccountInput<'_>, before: Option<&TickerAccountStatus>) -> bool {
    account.offers_login
        && account.eligibility.suspension().is_none()
        && match &account.observed.secret {
            Secret::Present { names, .. } => {
                names.iter().any(|name| name == names::SECRET_API_SECRET)
            }
            Secret::Unknown | Secret::Unreadable => before.is_some_and(|before| {
                let reason = token::credentials_before(before);
                before.login_url.is_some() || reason == Some(Reason::LoginRequired)
            }),
            Secret::Missing => false,
        }
}

/// Why there can be no link, if that is known.
pub(super) fn obstacle<'a>(account: &AccountInput<'a>) -> Option<&'a str> {
    let made = account.observed.login_link.as_ref()?;
    made.as_ref().err().map(String::as_str)
}

/// What to offer, with `wrong` credentials.
pub(super) fn offer(
    account: &AccountInput<'_>,
    facts: &AccountFacts<'_>,
    wrong: Option<Reason>,
    before: &TickerAccountStatus,
    now: Timestamp,
) -> LoginOffer {
    if !facts.offers_login || is_over(facts, wrong) {
        return LoginOffer::default();
    }
    let key = account.api_key();
    let expiry = |url: &str| expiry(account, url, now);
    let said = before.login_url.as_deref();
    let said = said.and_then(|url| Some((url, expiry(url)?)));
    // A link that was said before the operator was started is of the same API key, as far as is known.
    let of_key = account.remembered.and_then(|it| it.login_key);
    let said = said.filter(|_| of_key.is_none() || key.is_none() || of_key == key);
    if let Some((url, expires)) = said {
        return LoginOffer {
            url: Some(url.to_owned()),
            expires: Some(expires),
            target: None,
        };
    }
    // In these hours Kite ends whatever it has just made.
    let is_early = access_token::is_flushing(now.as_second());
    let is_needed = wrong.is_some_and(readiness::is_dead_token) && !is_early;
    let Secret::Present { version, .. } = &account.observed.secret else {
        return LoginOffer::default();
    };
    if !is_needed || !(facts.needs_token || has_no_token(facts)) {
        return LoginOffer::default();
    }
    let made = account.observed.login_link.as_ref();
    let made = made.and_then(|made| made.as_ref().ok());
    let made = made.filter(|link| link.version == *version);
    let made = made.and_then(|link| Some((link.url.as_str(), expiry(&link.url)?)));
    LoginOffer {
        url: made.map(|it| it.0.to_owned()),
        expires: made.map(|it| it.1),
        target: target(account, version, now),
    }
}

/// What a link has to be made of.
fn target(account: &AccountInput<'_>, version: &str, now: Timestamp) -> Option<LoginTarget> {
    let spec = account.spec.as_ref().ok()?;
    let key = &account.observed.object.meta.key;
    Some(LoginTarget {
        secret: Key::new(&key.namespace, &spec.workload.secret),
        version: version.to_owned(),
        account_uid: account.uid().to_owned(),
        login: spec.login.clone(),
        expires: access_token::end_of(now),
    })
}

/// Whether the account is known to need no login any more: a good token, or something else is wrong that none would cure.
fn is_over(facts: &AccountFacts<'_>, wrong: Option<Reason>) -> bool {
    let accepted = facts
        .token
        .is_some_and(|check| matches!(check.answer, TokenAnswer::Accepted { .. }));
    let reported = facts.report.map(|report| &report.credentials);
    match wrong {
        None => accepted || reported == Some(&CredentialsReport::Accepted),
        Some(reason) => !readiness::is_dead_token(reason),
    }
}

/// Who installs the operator by day or night wants to see it work.
fn has_no_token(facts: &AccountFacts<'_>) -> bool {
    let said = facts.report.map(|report| &report.credentials);
    matches!(said, Some(CredentialsReport::Missing { .. }))
}

/// Until when a link is good; `None` if it is not, is of another account, or was used.
fn expiry(account: &AccountInput<'_>, url: &str, now: Timestamp) -> Option<Timestamp> {
    let offer = login_link::offer(url)?;
    let last = match &account.observed.session {
        Secret::Present { login, .. } => login.as_ref().map(|login| login.at.as_second()),
        Secret::Unknown | Secret::Unreadable | Secret::Missing => None,
    };
    let is_used = last.is_some_and(|last| last >= offer.issued.as_second());
    let is_good = offer.account_uid == account.uid() && offer.expires > now && !is_used;
    is_good.then_some(offer.expires)
}

/// The last login. One that cannot be read at present is as it was.
pub(super) fn session(
    account: &AccountInput<'_>,
    before: &TickerAccountStatus,
) -> Option<SessionStatus> {
    match &account.observed.session {
        Secret::Present { login, .. } => login.as_ref().map(|login| SessionStatus {
            user_id: Some(login.user_id.clone()),
            since: Some(Time(login.at)),
        }),
        Secret::Missing => None,
        Secret::Unknown | Secret::Unreadable => before.session.clone(),
    }
}
