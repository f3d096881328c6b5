//! What a login takes once the browser has come back: the order of its steps, and the words for each that fails.
//!
//! Owns that order. A login that fails writes nothing.

use std::time::Duration;

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
use crate::token_check;

/// How long a Secret may take to be read or written.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The pauses between tries to keep a session.
const PAUSES: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

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
    pub(crate) const ALL: [&'static str; 11] = [
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
        "too_late",
    ];
}

/// What is wrong with a Secret.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct StoreError(pub(super) String);

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
    #[error("this answer of Kite was used before, and led to no session")]
    Sent,
    #[error("this page is too old, or its button was pressed before")]
    TooLate,
    #[error("the account does not exist any more, or is to stream nothing")]
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
    Profile,
    #[error("the operator cannot read or write its Secrets: its log says why")]
    Store(#[source] StoreError),
    #[error("the operator has just started, or does not know the last session")]
    NotReady,
}

impl LoginError {
    /// Its label.
    pub(super) const fn label(&self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Forged => "forged",
            Self::Expired => "expired",
            Self::Used | Self::Sent => "used",
            Self::TooLate => "too_late",
            Self::Gone => "gone",
            Self::WrongUser { .. } => "wrong_user",
            Self::Exchange(ExchangeError::Refused(_) | ExchangeError::RateLimited)
            | Self::OtherKey => "refused",
            Self::Exchange(ExchangeError::Transport(_) | ExchangeError::Body(_))
            | Self::Profile => "unanswered",
            Self::NoCredentials(_) | Self::Store(_) | Self::NotReady => "failed",
        }
    }

    /// What the browser gets.
    pub(super) fn page(&self) -> Page {
        let status = match self {
            Self::Cancelled | Self::Used => StatusCode::OK,
            Self::Forged | Self::Expired | Self::Sent | Self::TooLate => StatusCode::BAD_REQUEST,
            Self::Gone => StatusCode::NOT_FOUND,
            Self::WrongUser { .. } | Self::OtherKey => StatusCode::FORBIDDEN,
            Self::Exchange(_) | Self::Profile => StatusCode::BAD_GATEWAY,
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
            Self::Cancelled | Self::Sent | Self::TooLate | Self::Exchange(_) | Self::Profile => {
                "Open the link again."
            }
            Self::Store(_) | Self::NotReady => "Open the link again in a minute.",
        };
        let title = match self {
            Self::Used => "Logged in already",
            _ => "Not logged in",
        };
        // What is behind a failed Secret is for the log.
        let text = match self {
            Self::Store(_) => self.to_string(),
            _ => service::exit::chain(self).to_string(),
        };
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
        let app = within(self.store.app(&candidate.secret)).await?;
        let app = app.unwrap_or_default();
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
        let is = match user {
            Ok(user) => user.ok_or(LoginError::Profile)?,
            // The session is good: Kite has just said whose it is.
            Err(error) => {
                let why = service::exit::chain(&error);
                tracing::warn!("the user of a new session could not be asked for: {why}");
                session.user_id
            }
        };
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
        self.write(candidate, &session).await?;
        Ok(now)
    }
    /// Keeps a session. It may have ended the one before, so that a failure is not the end of it.
    async fn write(
        &self,
        candidate: &Candidate,
        session: &SessionValues,
    ) -> Result<(), LoginError> {
        let mut pauses = PAUSES.into_iter();
        loop {
            let written = within(self.store.write(&candidate.owner, session)).await;
            match (written, pauses.next()) {
                (Err(_), Some(pause)) => tokio::time::sleep(pause).await,
                (written, _) => return written,
            }
        }
    }
}

/// What a Secret's place does, within a time limit.
pub(super) async fn within<T>(
    done: impl Future<Output = Result<T, String>>,
) -> Result<T, LoginError> {
    let done = tokio::time::timeout(TIMEOUT, done).await;
    let done = done.unwrap_or_else(|_| Err(format!("no answer for {TIMEOUT:?}")));
    done.map_err(|why| LoginError::Store(StoreError(why)))
}
