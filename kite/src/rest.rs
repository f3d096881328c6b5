//! The few REST answers that this project needs: the session exchange and the error envelope.
//!
//! Owns shapes and the checksum. Must not send anything.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// `POST`: exchanges a request token for a session. `DELETE`: ends the session for all of its
/// users.
pub const SESSION_PATH: &str = "/session/token";
/// `GET`: the cheapest request that checks a token.
pub const PROFILE_PATH: &str = "/user/profile";
/// `GET`: the instruments list, gzipped CSV. Not authenticated, so it does not check a token.
pub const INSTRUMENTS_PATH: &str = "/instruments";

/// `error_type` of an answer to a dead or wrong token, with status 403.
pub const TOKEN_EXCEPTION: &str = "TokenException";
/// `error_type` of an answer to a request with missing or wrong parameters, with status 400.
pub const INPUT_EXCEPTION: &str = "InputException";
/// `error_type` of an unclassified failure, with status 500.
pub const GENERAL_EXCEPTION: &str = "GeneralException";

/// The value of the `Authorization` header. Secret.
#[must_use]
pub fn authorization(api_key: &str, access_token: &str) -> String {
    format!("token {api_key}:{access_token}")
}

/// The checksum of a session exchange: lower-case hex SHA-256 of the three texts put together.
#[must_use]
pub fn checksum(api_key: &str, request_token: &str, api_secret: &str) -> String {
    let mut hash = Sha256::new();
    for part in [api_key, request_token, api_secret] {
        hash.update(part);
    }
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The envelope of every JSON answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum Answer<T> {
    /// The request succeeded.
    Success {
        /// The result.
        data: T,
    },
    /// The request failed.
    Error {
        /// The message for people.
        message: String,
        /// One of Kite's exception names.
        #[serde(default)]
        error_type: String,
        /// Null where present.
        #[serde(default)]
        data: serde_json::Value,
    },
}

/// What a session exchange returns, as far as it is used. Secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserSession {
    /// The client's account with the broker.
    pub user_id: String,
    /// The key that the session belongs to.
    pub api_key: String,
    /// The credential of the day.
    pub access_token: String,
    /// `YYYY-MM-DD hh:mm:ss` in Indian time, without a zone.
    pub login_time: String,
}

impl std::fmt::Debug for UserSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserSession")
            .field("user_id", &self.user_id)
            .field("login_time", &self.login_time)
            .finish_non_exhaustive()
    }
}

/// Who a token belongs to, as far as it is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The client's account with the broker.
    pub user_id: String,
    /// Exchanges that the client may use.
    pub exchanges: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected: `printf 'keyrequestsecret' | sha256sum`.
    #[test]
    fn the_checksum_is_hex_sha256_of_the_texts_together() {
        assert_eq!(
            checksum("key", "request", "secret"),
            "e4465f58be6159d2a7f087f4292515e9d631b4f91e056b53e6f14456222ff709"
        );
    }

    #[test]
    fn envelopes_are_told_apart() {
        let good: Answer<Profile> = serde_json::from_str(
            r#"{"status":"success","data":{"user_id":"AB1234","exchanges":["NSE"],"email":"x"}}"#,
        )
        .unwrap();
        assert!(matches!(good, Answer::Success { data } if data.user_id == "AB1234"));
        let bad: Answer<Profile> = serde_json::from_str(
            r#"{"status":"error","message":"Invalid `checksum`.","data":null,"error_type":"TokenException"}"#,
        )
        .unwrap();
        assert!(matches!(bad, Answer::Error { error_type, .. } if error_type == TOKEN_EXCEPTION));
    }

    #[test]
    fn a_session_does_not_print_its_secrets() {
        let session = UserSession {
            user_id: "AB1234".to_owned(),
            api_key: "fake-key".to_owned(),
            access_token: "fake-token".to_owned(),
            login_time: "2021-01-01 16:15:14".to_owned(),
        };
        assert!(!format!("{session:?}").contains("fake"));
    }
}
