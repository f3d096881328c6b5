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
use crate::plan::input::{AccountInput, Key, Secret};
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
        && match &account.observed.secret {
            Secret::Present { names, .. } => {
                names.iter().any(|name| name == names::SECRET_API_SECRET)
            }
            Secret::Unknown | Secret::Unreadable => {
                let known = before.and_then(token::credentials_before);
                known == Some(Reason::LoginRequired)
            }
            Secret::Missing => false,
        }
}

/// What to offer, with `wrong` credentials.
pub(super) fn offer(
    account: &AccountInput<'_>,
    facts: &AccountFacts<'_>,
    wrong: Option<Reason>,
    before: &TickerAccountStatus,
    now: Timestamp,
) -> LoginOffer {
    let is_needed = facts.offers_login
        && wrong.is_some_and(readiness::is_dead_token)
        && (facts.needs_token || has_no_token(facts));
    // Who has just started knows nothing yet, and takes nothing back.
    let is_unknown = wrong.is_none() && facts.report.is_none() && facts.token.is_none();
    let said = before.login_url.as_deref();
    let said = said.and_then(|url| Some((url, expiry(account, url, now)?)));
    let is_kept = is_unknown && said.is_some() && account.offers_login;
    if !(is_needed || is_kept) {
        return LoginOffer::default();
    }
    let Secret::Present { version, .. } = &account.observed.secret else {
        return LoginOffer {
            url: said.map(|it| it.0.to_owned()),
            expires: said.map(|it| it.1),
            target: None,
        };
    };
    let made = account.observed.login_link.as_ref();
    let made = made.filter(|link| link.version == *version);
    let made = made.and_then(|link| Some((link.url.as_str(), expiry(account, &link.url, now)?)));
    // A link that was said before the operator was started is of the same Secret, as far as is known.
    let of_secret = account.remembered.and_then(|it| it.login_secret.as_ref());
    let said = said.filter(|_| of_secret.is_none_or(|of| of == version));
    let url = made.or(said);
    let target = || {
        let spec = account.spec.as_ref().ok()?;
        let key = &account.observed.object.meta.key;
        Some(LoginTarget {
            secret: Key::new(&key.namespace, &spec.workload.secret),
            version: version.clone(),
            account_uid: account.uid().to_owned(),
            login: spec.login.clone(),
            expires: access_token::end_of(now),
        })
    };
    let is_made_elsewhere = made.is_none() && said.is_some();
    LoginOffer {
        url: url.map(|it| it.0.to_owned()),
        expires: url.map(|it| it.1),
        target: target().filter(|_| !is_made_elsewhere),
    }
}

/// Who installs the operator by day or night wants to see it work.
fn has_no_token(facts: &AccountFacts<'_>) -> bool {
    let said = facts.report.map(|report| &report.credentials);
    matches!(said, Some(CredentialsReport::Missing { .. }))
}

/// Until when a link is good; `None` if it is not, or is of another account.
fn expiry(account: &AccountInput<'_>, url: &str, now: Timestamp) -> Option<Timestamp> {
    let offer = login_link::offer(url)?;
    let is_good = offer.account_uid == account.uid() && offer.expires > now;
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
