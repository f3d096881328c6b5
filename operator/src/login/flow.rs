//! What a login takes once the browser has come back: the order of its steps, and the words for each that fails.
//!
//! Owns that order. A login that fails writes nothing.

use axum::http::StatusCode;
use contract::session_key_hash;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use reqwest::Client;
use service::clock::Clock;
use zeroize::Zeroizing;

use super::candidate::Candidate;
use super::exchange::{Exchange, ExchangeError, exchange};
use super::pages::Page;
use super::store::{LoginStore, SessionValues};
use crate::token_check::{self, ProfileError};

/// How many logins ended how.
pub(crate) type LoginCounter = Family<LoginLabel, Counter>;

/// The end of a login, as a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct LoginLabel {
    /// Such as `succeeded`.
    pub(crate) result: &'static str,
}

impl LoginLabel {
    pub(crate) const SUCCEEDED: &'static str = "succeeded";
    /// All results.
    pub(crate) const ALL: [&'static str; 10] = [
        Self::SUCCEEDED,
        "cancelled",
        "forged",
        "expired",
        "used",
        "gone",
        "wrong_user",
        "refused",
        "unanswered",
        "failed",
    ];
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoginError {
    #[error("the login was cancelled")]
    Cancelled,
    #[error("this address is not one that the operator has given out")]
    Forged,
    #[error("the link was good until 06:00 in India")]
    Expired,
    #[error("somebody has logged in with this link already")]
    Used,
    #[error("the account does not exist any more")]
    Gone,
    #[error("you are logged in as {is}, and the account is {should_be}'s")]
    WrongUser { is: String, should_be: String },
    #[error("the Secret {0} has no api_secret and api_key any more")]
    NoCredentials(String),
    #[error("the session is of another API key")]
    OtherKey,
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    #[error("Kite does not accept the new session")]
    Profile(#[source] Option<ProfileError>),
    #[error("{0}")]
    Store(String),
    #[error("the operator has just started")]
    NotReady,
}

impl LoginError {
    /// Its label.
    pub(super) const fn label(&self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Forged => "forged",
            Self::Expired => "expired",
            Self::Used => "used",
            Self::Gone => "gone",
            Self::WrongUser { .. } => "wrong_user",
            Self::Exchange(ExchangeError::Refused(_) | ExchangeError::RateLimited)
            | Self::OtherKey => "refused",
            Self::Exchange(ExchangeError::Transport(_) | ExchangeError::Body(_))
            | Self::Profile(_) => "unanswered",
            Self::NoCredentials(_) | Self::Store(_) | Self::NotReady => "failed",
        }
    }

    /// What the browser gets.
    pub(super) fn page(&self) -> Page {
        let status = match self {
            Self::Cancelled | Self::Used => StatusCode::OK,
            Self::Forged | Self::Expired => StatusCode::BAD_REQUEST,
            Self::Gone => StatusCode::NOT_FOUND,
            Self::WrongUser { .. } | Self::OtherKey => StatusCode::FORBIDDEN,
            Self::Exchange(_) | Self::Profile(_) => StatusCode::BAD_GATEWAY,
            Self::NoCredentials(_) => StatusCode::CONFLICT,
            Self::Store(_) | Self::NotReady => StatusCode::SERVICE_UNAVAILABLE,
        };
        let next = match self {
            Self::Forged => {
                "Open the link in status.loginURL of the account: kubectl kiteticker login prints it."
            }
            Self::Expired => "Ask for a new link: kubectl kiteticker login prints it.",
            Self::Used => "Nothing is left to do, unless kubectl kiteticker status says so.",
            Self::Gone => "Links of an account that was made anew are new, too.",
            Self::WrongUser { .. } => {
                "Log out at Kite, and open the link again as the other user; or correct spec.login.userID."
            }
            Self::NoCredentials(_) => "Add both to it, and open the link again.",
            Self::OtherKey => "Open the link in status.loginURL again.",
            Self::Cancelled | Self::Exchange(_) | Self::Profile(_) => "Open the link again.",
            Self::Store(_) | Self::NotReady => "Open the link again in a minute.",
        };
        let title = match self {
            Self::Used => "Logged in already",
            _ => "Not logged in",
        };
        let text = service::exit::chain(self).to_string();
        let mut letters = text.chars();
        let first = letters.next().map(|it| it.to_uppercase().to_string());
        let text = format!("{}{}.", first.unwrap_or_default(), letters.as_str());
        Page::new(status, title).says(text).says(next)
    }
}

/// The parts that a login needs.
pub(super) struct Flow<'a, S> {
    pub(super) store: &'a S,
    pub(super) client: &'a Client,
    pub(super) clock: &'a Clock,
}

impl<S: LoginStore> Flow<'_, S> {
    /// Makes a session of a request token and keeps it. The request token is sent to Kite once.
    pub(super) async fn complete(
        &self,
        candidate: &Candidate,
        request_token: &str,
    ) -> Result<jiff::Timestamp, LoginError> {
        let app = self.store.app(&candidate.secret).await;
        let app = app.map_err(LoginError::Store)?.unwrap_or_default();
        let (Some(api_key), Some(api_secret)) = (&app.api_key, &app.api_secret) else {
            return Err(LoginError::NoCredentials(candidate.secret.to_string()));
        };
        let of = Exchange {
            api: &candidate.api,
            api_key,
            api_secret,
            request_token,
        };
        let session = exchange(self.client, &of).await?;
        let access_token = Zeroizing::new(session.access_token);
        if session.api_key != **api_key {
            return Err(LoginError::OtherKey);
        }
        let user = token_check::whose(self.client, &candidate.api, api_key, &access_token).await;
        let user = user.map_err(|error| LoginError::Profile(Some(error)))?;
        let is = user.ok_or(LoginError::Profile(None))?;
        if let Some(should_be) = candidate.user.as_ref().filter(|user| **user != is) {
            let should_be = should_be.clone();
            return Err(LoginError::WrongUser { is, should_be });
        }
        let now = self.clock.wall();
        let now = jiff::Timestamp::from_second(now.as_second()).unwrap_or(now);
        let session = SessionValues {
            key_hash: session_key_hash(&candidate.owner.uid, api_key),
            access_token,
            user_id: is,
            login_time: now.to_string(),
        };
        let written = self.store.write(&candidate.owner, &session).await;
        written.map_err(LoginError::Store)?;
        Ok(now)
    }
}
