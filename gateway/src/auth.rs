//! Who a client is: the token's signature, its claims, and whether it was revoked.
//!
//! Owns the order of these questions and what a client is told. Tokens never reach a log. Must not know
//! what a client wants.

pub(crate) mod claims;
pub(crate) mod jwks;
pub(crate) mod key;
pub(crate) mod key_store;
mod signature;

use std::sync::Arc;

use redis_link::reader::RedisReader;
use secrecy::{ExposeSecret, SecretString};
use service::clock::Clock;

use crate::rights::Rights;
use claims::ClaimRules;
use key_store::KeyStore;

/// A longer token is not looked at.
const LONGEST_TOKEN: usize = 8 * 1024;

/// Checks tokens.
#[derive(Debug)]
pub(crate) struct Authenticator {
    pub(crate) keys: KeyStore,
    pub(crate) rules: ClaimRules,
    pub(crate) reader: Arc<RedisReader>,
    pub(crate) clock: Clock,
}

/// Why a client is not let in, as it is told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AuthError {
    /// No token.
    #[error("Missing authentication token")]
    Missing,
    /// The token was good.
    #[error("Token expired")]
    Expired,
    /// It was withdrawn.
    #[error("Token revoked")]
    Revoked,
    /// It is no token, of another issuer, or its signature is wrong.
    #[error("Authentication failed: {0}")]
    Refused(String),
    /// Nobody can be let in at present.
    #[error("{0}")]
    NotNow(&'static str),
}

impl AuthError {
    pub(crate) fn refused(reason: impl Into<String>) -> Self {
        Self::Refused(reason.into())
    }

    /// Whether the client may come again with the same token.
    pub(crate) const fn is_temporary(&self) -> bool {
        matches!(self, Self::NotNow(_))
    }
}

impl Authenticator {
    /// What the holder of `token` may do.
    ///
    /// # Errors
    /// When it is not let in.
    pub(crate) async fn check(&self, token: &SecretString) -> Result<Rights, AuthError> {
        let text = token.expose_secret();
        if text.is_empty() {
            return Err(AuthError::Missing);
        }
        if text.len() > LONGEST_TOKEN {
            return Err(AuthError::refused("the token is too long"));
        }
        let claims = signature::verified(text, &self.keys).await?;
        let now = self.now();
        let rights = self.rules.read(&claims, now)?;
        let revoked = self.is_revoked(token, &rights).await;
        match revoked {
            Some(false) => Ok(rights),
            Some(true) => Err(AuthError::Revoked),
            None => Err(AuthError::NotNow(
                "revoked tokens cannot be read at present",
            )),
        }
    }

    /// Whether a token was revoked; none if that is not known.
    pub(crate) async fn is_revoked(&self, token: &SecretString, rights: &Rights) -> Option<bool> {
        let text = token.expose_secret();
        let mut keys = vec![format!("revoked_token:{text}")];
        if let Some(twin) = signature::twin(text) {
            keys.push(format!("revoked_token:{twin}"));
        }
        if let Some(jti) = &rights.jti {
            keys.push(format!("revoked_jti:{jti}"));
        }
        // The error names neither key nor command.
        self.reader.any_exists(&keys).await.ok()
    }

    /// Unix seconds.
    pub(crate) fn now(&self) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            reason = "microseconds of a date fit into 53 bits"
        )]
        let micros = self.clock.wall_micros() as f64;
        micros / 1e6
    }
}
