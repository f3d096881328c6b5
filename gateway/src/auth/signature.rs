//! A token's three parts, and whether its signature is that of one of our keys.
//!
//! Owns what a header may ask for. Must not read claims.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde_json::Value;

use super::AuthError;
use super::key_store::KeyStore;

#[derive(Deserialize)]
pub(super) struct Header {
    pub(super) alg: Value,
    pub(super) kid: Option<String>,
    /// Extensions that must be understood; none is.
    crit: Option<Value>,
}

/// The claims of a token whose signature is right.
///
/// # Errors
/// When it is not, or no key is known yet.
pub(super) async fn verified(token: &str, keys: &KeyStore) -> Result<Vec<u8>, AuthError> {
    let malformed = || AuthError::refused("not a token");
    let (message, signature) = token.rsplit_once('.').ok_or_else(malformed)?;
    let (header, claims) = message.split_once('.').ok_or_else(malformed)?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed());
    let signature = decode(signature)?;
    let claims = decode(claims)?;
    let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| malformed())?;
    if header.crit.is_some() {
        return Err(AuthError::refused(
            "the header has extensions that are not known",
        ));
    }
    let algorithm: Algorithm = header
        .alg
        .as_str()
        .and_then(|name| name.parse().ok())
        .ok_or_else(|| AuthError::refused("the algorithm is not allowed"))?;
    let key = keys.find(header.kid.as_deref(), algorithm).await?;
    if key.verifies(message.as_bytes(), &signature) {
        Ok(claims)
    } else {
        Err(AuthError::refused("the signature is wrong"))
    }
}
