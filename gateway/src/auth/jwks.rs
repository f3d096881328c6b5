//! A set of keys that an address serves (JWKS).
//!
//! Owns the request, its limits, and which keys of the set are used. Must not decide when it is asked.

use std::time::Duration;

use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

use super::key::VerificationKey;

/// The time limit of a request.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The largest answer.
const LARGEST: usize = 256 * 1024;

/// Keys of a set that are used.
const MOST_KEYS: usize = 100;

/// The address.
#[derive(Debug)]
pub(crate) struct JwksSource {
    url: reqwest::Url,
    client: reqwest::Client,
    algorithm: Option<Algorithm>,
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    /// Neither https nor an address of this machine.
    #[error("--jwks-url must be an https address; http is for addresses of this machine alone")]
    Insecure,
    /// TLS cannot be set up.
    #[error("the HTTP client cannot be built")]
    Client(#[source] reqwest::Error),
    /// No answer.
    #[error("the address of the keys does not answer")]
    Http(#[source] reqwest::Error),
    /// More than is read.
    #[error("the set of keys is larger than {LARGEST} bytes")]
    TooLarge,
    /// Not a set.
    #[error("the address does not serve a set of keys")]
    Invalid(#[source] serde_json::Error),
    /// No key of the set is used.
    #[error("the set has no key that is used: RSA of at least 2048 bits, P-256, P-384 or Ed25519")]
    Empty,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

impl JwksSource {
    /// An address that serves keys; nothing is asked yet.
    ///
    /// # Errors
    /// When it is not safe, or TLS cannot be set up.
    pub(crate) fn new(
        url: reqwest::Url,
        tls: rustls::ClientConfig,
        algorithm: Option<Algorithm>,
    ) -> Result<Self, JwksError> {
        let is_local = match url.host_str() {
            Some(host) => {
                let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
                host == "localhost" || address.is_ok_and(|it| it.is_loopback())
            }
            None => false,
        };
        if url.scheme() != "https" && !(url.scheme() == "http" && is_local) {
            return Err(JwksError::Insecure);
        }
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(JwksError::Client)?;
        Ok(Self {
            url,
            client,
            algorithm,
        })
    }

    /// The keys that are served now.
    ///
    /// # Errors
    /// When the address does not answer with a set in which a key is used.
    pub(crate) async fn read(&self) -> Result<Vec<VerificationKey>, JwksError> {
        // The address may hold a secret of its own.
        let http = |error: reqwest::Error| JwksError::Http(error.without_url());
        let answer = self.client.get(self.url.clone()).send().await;
        let mut answer = answer
            .and_then(reqwest::Response::error_for_status)
            .map_err(http)?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(http)? {
            if body.len() + chunk.len() > LARGEST {
                return Err(JwksError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        let keys = keys_of(&body, self.algorithm)?;
        if keys.is_empty() {
            return Err(JwksError::Empty);
        }
        Ok(keys)
    }
}

/// The keys of a set that are used. A shared secret never is, whoever serves it.
fn keys_of(body: &[u8], algorithm: Option<Algorithm>) -> Result<Vec<VerificationKey>, JwksError> {
    let set: Set = serde_json::from_slice(body).map_err(JwksError::Invalid)?;
    let jwks = set.keys.into_iter().take(MOST_KEYS);
    let jwks = jwks.filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
    Ok(jwks.filter_map(|jwk| key_of(&jwk, algorithm)).collect())
}

fn key_of(jwk: &Jwk, algorithm: Option<Algorithm>) -> Option<VerificationKey> {
    let common = &jwk.common;
    if !matches!(common.public_key_use, None | Some(PublicKeyUse::Signature)) {
        return None;
    }
    match &jwk.algorithm {
        AlgorithmParameters::RSA(_)
        | AlgorithmParameters::EllipticCurve(_)
        | AlgorithmParameters::OctetKeyPair(_) => {}
        _ => return None,
    }
    let key = DecodingKey::from_jwk(jwk).ok()?;
    // What the set says of a key stands above what was asked for.
    let own = common
        .key_algorithm
        .and_then(|it| it.to_string().parse().ok());
    let kid = common.key_id.clone();
    let pinned = VerificationKey::new(kid.clone(), key.clone(), own.or(algorithm));
    pinned.or_else(|_| VerificationKey::new(kid, key, own)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys of RFC 7517, appendix A.1, and RFC 8037, appendix A.2.
    const SET: &str = r#"{"keys":[
        {"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
         "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"enc","kid":"1"},
        {"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
         "e":"AQAB","alg":"RS256","kid":"2011-04-29"},
        {"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"ed"},
        {"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow","kid":"secret"},
        {"kty":"unheard","kid":"x"}, 7]}"#;

    #[test]
    fn keys_for_signatures_are_used_and_secrets_never() {
        let keys = keys_of(SET.as_bytes(), None).unwrap();
        let found: Vec<_> = keys
            .iter()
            .map(|key| (key.kid.as_deref(), key.algorithm))
            .collect();
        assert_eq!(
            found,
            [
                (Some("2011-04-29"), Algorithm::RS256),
                (Some("ed"), Algorithm::EdDSA)
            ]
        );
    }

    #[test]
    fn an_address_is_safe_or_of_this_machine() {
        service::tls::install();
        let tls = || (*service::tls::client_config().unwrap()).clone();
        let new = |url: &str| JwksSource::new(url.parse().unwrap(), tls(), None).is_ok();
        assert!(
            new("https://issuer.example/keys")
                && new("http://127.0.0.1:1/k")
                && new("http://[::1]/k")
        );
        assert!(!new("http://issuer.example/keys") && !new("ftp://127.0.0.1/k"));
    }
}
