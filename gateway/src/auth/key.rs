//! One key, and the one algorithm for which it is used.
//!
//! Owns which algorithm a key has: the token's header does not choose. Pure.

use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind};
use ring::{hmac, signature};

/// A shorter secret is guessed.
const SHORTEST_SECRET: usize = 32;

/// A weaker RSA key is not used.
const FEWEST_RSA_BYTES: usize = 2048 / 8;

/// Length of an uncompressed point of P-256 and of P-384.
const P256_POINT: usize = 65;
const P384_POINT: usize = 97;

/// A key that checks signatures of one algorithm.
#[derive(Clone)]
pub(crate) struct VerificationKey {
    pub(super) kid: Option<String>,
    pub(super) algorithm: Algorithm,
    key: DecodingKey,
}

impl std::fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerificationKey")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// A key that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Too short.
    #[error("the secret must have at least {SHORTEST_SECRET} bytes")]
    ShortSecret,
    /// Not PEM, or of a kind that is not used.
    #[error(
        "the file must hold a public key in PEM: RSA of at least 2048 bits, P-256, P-384 or Ed25519"
    )]
    Pem,
    /// An algorithm for other keys.
    #[error("the algorithm does not fit the key")]
    Algorithm,
}

impl VerificationKey {
    /// A shared secret.
    ///
    /// # Errors
    /// When it is too short.
    pub(crate) fn secret(secret: &[u8], algorithm: Option<Algorithm>) -> Result<Self, KeyError> {
        if secret.len() < SHORTEST_SECRET {
            return Err(KeyError::ShortSecret);
        }
        Self::new(None, DecodingKey::from_secret(secret), algorithm)
    }

    /// A public key in PEM.
    ///
    /// # Errors
    /// When it is none that is used.
    pub(crate) fn pem(pem: &[u8], algorithm: Option<Algorithm>) -> Result<Self, KeyError> {
        let readers = [
            DecodingKey::from_rsa_pem,
            DecodingKey::from_ec_pem,
            DecodingKey::from_ed_pem,
        ];
        let mut keys = readers.into_iter().filter_map(|read| read(pem).ok());
        let key = keys.next().ok_or(KeyError::Pem)?;
        Self::new(None, key, algorithm)
    }

    /// A key with the algorithm of its kind, or another of the same family.
    ///
    /// # Errors
    /// When the key is too weak, or the algorithm is for other keys.
    pub(crate) fn new(
        kid: Option<String>,
        key: DecodingKey,
        algorithm: Option<Algorithm>,
    ) -> Result<Self, KeyError> {
        let usual = match (key.family(), key.kind()) {
            (AlgorithmFamily::Hmac, _) => Algorithm::HS256,
            (AlgorithmFamily::Rsa, kind) => {
                let len = match kind {
                    DecodingKeyKind::SecretOrDer(der) => der.len(),
                    DecodingKeyKind::RsaModulusExponent { n, .. } => n.len(),
                };
                if len < FEWEST_RSA_BYTES {
                    return Err(KeyError::Pem);
                }
                Algorithm::RS256
            }
            (AlgorithmFamily::Ec, DecodingKeyKind::SecretOrDer(point)) => match point.len() {
                P256_POINT => Algorithm::ES256,
                P384_POINT => Algorithm::ES384,
                _ => return Err(KeyError::Pem),
            },
            (AlgorithmFamily::Ed, _) => Algorithm::EdDSA,
            _ => return Err(KeyError::Pem),
        };
        let algorithm = algorithm.unwrap_or(usual);
        let is_of_kind = match key.family() {
            AlgorithmFamily::Hmac => HMACS.contains(&algorithm),
            AlgorithmFamily::Rsa => RSAS.contains(&algorithm),
            _ => algorithm == usual,
        };
        if !is_of_kind {
            return Err(KeyError::Algorithm);
        }
        Ok(Self {
            kid,
            algorithm,
            key,
        })
    }

    /// Whether `signature` is that of `message`.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let public = |kind: &'static dyn signature::VerificationAlgorithm| {
            let DecodingKeyKind::SecretOrDer(bytes) = self.key.kind() else {
                return false;
            };
            let key = signature::UnparsedPublicKey::new(kind, bytes);
            key.verify(message, signature).is_ok()
        };
        let rsa = |kind: &'static signature::RsaParameters| match self.key.kind() {
            DecodingKeyKind::SecretOrDer(_) => public(kind),
            DecodingKeyKind::RsaModulusExponent { n, e } => {
                let key = signature::RsaPublicKeyComponents { n, e };
                key.verify(kind, message, signature).is_ok()
            }
        };
        let hmac = |kind: hmac::Algorithm| {
            let DecodingKeyKind::SecretOrDer(secret) = self.key.kind() else {
                return false;
            };
            hmac::verify(&hmac::Key::new(kind, secret), message, signature).is_ok()
        };
        match self.algorithm {
            Algorithm::HS256 => hmac(hmac::HMAC_SHA256),
            Algorithm::HS384 => hmac(hmac::HMAC_SHA384),
            Algorithm::HS512 => hmac(hmac::HMAC_SHA512),
            Algorithm::RS256 => rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
            Algorithm::RS384 => rsa(&signature::RSA_PKCS1_2048_8192_SHA384),
            Algorithm::RS512 => rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
            Algorithm::PS256 => rsa(&signature::RSA_PSS_2048_8192_SHA256),
            Algorithm::PS384 => rsa(&signature::RSA_PSS_2048_8192_SHA384),
            Algorithm::PS512 => rsa(&signature::RSA_PSS_2048_8192_SHA512),
            Algorithm::ES256 => public(&signature::ECDSA_P256_SHA256_FIXED),
            Algorithm::ES384 => public(&signature::ECDSA_P384_SHA384_FIXED),
            Algorithm::EdDSA => public(&signature::ED25519),
            _ => false,
        }
    }
}

const HMACS: [Algorithm; 3] = [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];

const RSAS: [Algorithm; 6] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

#[cfg(test)]
mod tests;
