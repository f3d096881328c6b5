//! What the status of an account says of its access token: the one that is used, what Kite said of it, and its end.
//!
//! Pure. Must not decide which token is used.

use contract::TokenSource;
use crds::TickerAccountStatus;
use crds::condition::{ConditionType, Reason};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kite::access_token;

use crate::plan::input::{AccountInput, Secret, TokenAnswer, TokenCheck, token_check};
use crate::plan::readiness;

/// A token that Kite refused before the operator was started.
static REFUSED_BEFORE: TokenCheck = TokenCheck {
    version: String::new(),
    answer: TokenAnswer::Refused,
    at: Timestamp::UNIX_EPOCH,
};

/// What Kite said of the access token that is used, as it is now. An operator that has not asked since its start believes the
/// status: it would take a refusal back for a moment otherwise.
pub(super) fn checked<'a>(
    account: &AccountInput<'a>,
    previous: Option<&TickerAccountStatus>,
) -> Option<&'a TokenCheck> {
    if account.observed.secret == Secret::Missing {
        return None;
    }
    if !is_asked(account) {
        let known = previous.and_then(credentials_before)?;
        return readiness::is_dead_token(known).then_some(&REFUSED_BEFORE);
    }
    token_check(account.observed, source(account))
}

/// Whether Kite has answered about the token that is used, be it about an older version.
pub(super) fn is_asked(account: &AccountInput<'_>) -> bool {
    match source(account) {
        TokenSource::Secret => account.observed.token.is_some(),
        TokenSource::Session => account.observed.session_token.is_some(),
    }
}

/// Which of its tokens an account uses: as its process says, or else as it is told.
pub(super) fn source(account: &AccountInput<'_>) -> TokenSource {
    let said = account.report().and_then(|report| report.token_source);
    said.unwrap_or(account.token_use.source)
}

/// The reason of `CredentialsValid` so far.
pub(super) fn credentials_before(status: &TickerAccountStatus) -> Option<Reason> {
    let known = super::find(&status.conditions, ConditionType::CredentialsValid)?;
    Reason::from_word(&known.reason)
}

/// When the access token ends: the next end of all tokens after it was seen to be good, until then what was known. While
/// tokens end one that is good may be of the day before, so what is known stays.
pub(super) fn end(
    secret: &Secret,
    check: Option<&TokenCheck>,
    before: Option<&Time>,
) -> Option<Time> {
    if *secret == Secret::Missing {
        return None;
    }
    let good = check.filter(|check| matches!(check.answer, TokenAnswer::Accepted { .. }));
    match (good, before) {
        (Some(good), Some(before)) if access_token::is_flushing(good.at.as_second()) => {
            Some(before.clone())
        }
        (Some(good), _) => Some(Time(access_token::end_of(good.at))),
        (None, before) => before.cloned(),
    }
}
