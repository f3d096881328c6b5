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

/// The order of P-256 and of P-384 (NIST SP 800-186).
const P256_ORDER: [u8; 32] = *b"\xff\xff\xff\xff\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\
    \xbc\xe6\xfa\xad\xa7\x17\x9e\x84\xf3\xb9\xca\xc2\xfc\x63\x25\x51";
const P384_ORDER: [u8; 48] = *b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\
    \xff\xff\xff\xff\xff\xff\xff\xff\xc7\x63\x4d\x81\xf4\x37\x2d\xdf\
    \x58\x1a\x0d\xb2\x48\xb0\xa7\x7a\xec\xec\x19\x6a\xcc\xc5\x29\x73";

/// The same token with the other signature that is right too: of an elliptic curve both `s` and the order less
/// `s` are, and everybody can turn one into the other. None for other algorithms.
pub(super) fn twin(token: &str) -> Option<String> {
    let (message, signature) = token.rsplit_once('.')?;
    let (header, _) = message.split_once('.')?;
    let header: Header = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
    let order: &[u8] = match header.alg.as_str()? {
        "ES256" => &P256_ORDER,
        "ES384" => &P384_ORDER,
        _ => return None,
    };
    let mut signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    let s = signature.get_mut(order.len()..)?;
    if s.len() != order.len() {
        return None;
    }
    let mut borrow = false;
    for (s, n) in s.iter_mut().zip(order).rev() {
        let (digit, first) = n.overflowing_sub(*s);
        let (digit, second) = digit.overflowing_sub(u8::from(borrow));
        *s = digit;
        borrow = first || second;
    }
    Some(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{self, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey};

    use super::*;

    #[test]
    fn both_signatures_of_a_curve_are_known() {
        let random = SystemRandom::new();
        let curves = [
            (
                "ES256",
                &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
                &signature::ECDSA_P256_SHA256_FIXED,
            ),
            (
                "ES384",
                &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
                &signature::ECDSA_P384_SHA384_FIXED,
            ),
        ];
        for (name, signing, verifying) in curves {
            let pair = EcdsaKeyPair::generate_pkcs8(signing, &random).unwrap();
            let pair = EcdsaKeyPair::from_pkcs8(signing, pair.as_ref(), &random).unwrap();
            let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{name}"}}"#));
            let message = format!("{header}.e30");
            let signed = pair.sign(&random, message.as_bytes()).unwrap();
            let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signed));
            let other = twin(&token).unwrap();
            assert_ne!(other, token);
            assert_eq!(twin(&other), Some(token));
            let (_, signature) = other.rsplit_once('.').unwrap();
            let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
            let key = UnparsedPublicKey::new(verifying, pair.public_key());
            assert!(key.verify(message.as_bytes(), &signature).is_ok(), "{name}");
        }
        assert_eq!(twin("eyJhbGciOiJIUzI1NiJ9.e30.AAAA"), None);
    }
}
