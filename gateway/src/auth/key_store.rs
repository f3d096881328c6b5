//! The keys that are trusted: from a file, or from an address that serves them.
//!
//! Owns which key is used for a token, and when the address is asked. Keys that were read stay when it does
//! not answer.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jsonwebtoken::Algorithm;
use service::clock::Clock;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::AuthError;
use super::jwks::JwksSource;
use super::key::VerificationKey;

/// How often the address is asked.
const EVERY: Duration = Duration::from_mins(10);

/// How often at most because of a key that is not known, or after an error.
const SOON: Duration = Duration::from_secs(30);

/// How often until it has answered for the first time.
const FIRST: Duration = Duration::from_secs(1);

/// The keys.
#[derive(Debug)]
pub(crate) enum KeyStore {
    /// One, from a file.
    Fixed(Arc<VerificationKey>),
    /// Those of an address.
    Served(Arc<ServedKeys>),
}

/// Keys that an address serves.
#[derive(Debug)]
pub(crate) struct ServedKeys {
    source: JwksSource,
    clock: Clock,
    keys: RwLock<Option<Vec<Arc<VerificationKey>>>>,
    /// When the address was asked last; held while it is asked.
    asked: Mutex<Option<Instant>>,
}

impl KeyStore {
    /// The key for a token.
    ///
    /// # Errors
    /// When there is none, or none is known yet.
    pub(super) async fn find(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Arc<VerificationKey>, AuthError> {
        match self {
            Self::Fixed(key) if key.algorithm == algorithm => Ok(Arc::clone(key)),
            Self::Fixed(_) => Err(AuthError::refused("the algorithm is not allowed")),
            Self::Served(served) => served.find(kid, algorithm).await,
        }
    }

    /// Whether tokens can be checked.
    pub(crate) fn is_ready(&self) -> bool {
        match self {
            Self::Fixed(_) => true,
            Self::Served(served) => served.known().is_some(),
        }
    }
}

impl ServedKeys {
    pub(crate) fn new(source: JwksSource, clock: Clock) -> Self {
        Self {
            source,
            clock,
            keys: RwLock::new(None),
            asked: Mutex::new(None),
        }
    }

    /// Asks from time to time until `shutdown`.
    pub(crate) async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        let asking = async {
            loop {
                let answered = self.ask(Duration::ZERO).await;
                let wait = match (answered, self.known().is_some()) {
                    (true, _) => EVERY,
                    (false, true) => SOON,
                    (false, false) => FIRST,
                };
                tokio::time::sleep(wait).await;
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = asking => {}
        }
    }

    fn known(&self) -> Option<Vec<Arc<VerificationKey>>> {
        let keys = self.keys.read();
        keys.unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn find(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Arc<VerificationKey>, AuthError> {
        let absent = AuthError::NotNow("keys are not available at present");
        let keys = self.known().ok_or_else(|| absent.clone())?;
        if let Some(key) = choose(&keys, kid, algorithm)? {
            return Ok(key);
        }
        // Another client may have asked for it meanwhile: all wait for one answer.
        self.ask(SOON).await;
        let keys = self.known().ok_or(absent)?;
        choose(&keys, kid, algorithm)?.ok_or_else(|| AuthError::refused("the key is not known"))
    }

    /// Asks the address unless that was done within `at_least`. Returns whether it answered.
    async fn ask(&self, at_least: Duration) -> bool {
        let mut asked = self.asked.lock().await;
        let now = self.clock.now();
        if asked.is_some_and(|it| now.saturating_duration_since(it) < at_least) {
            return true;
        }
        *asked = Some(now);
        match self.source.read().await {
            Ok(keys) => {
                let keys = keys.into_iter().map(Arc::new).collect();
                *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Some(keys);
                true
            }
            Err(error) => {
                let error = service::exit::chain(&error).to_string();
                tracing::warn!(error, "the keys of tokens cannot be read, retrying");
                false
            }
        }
    }
}

/// The key of this number and algorithm. A token without a number has the only key that fits.
fn choose(
    keys: &[Arc<VerificationKey>],
    kid: Option<&str>,
    algorithm: Algorithm,
) -> Result<Option<Arc<VerificationKey>>, AuthError> {
    let of_algorithm = keys.iter().filter(|key| key.algorithm == algorithm);
    match kid {
        Some(kid) => {
            if let Some(key) = of_algorithm
                .clone()
                .find(|key| key.kid.as_deref() == Some(kid))
            {
                return Ok(Some(Arc::clone(key)));
            }
            if keys.iter().any(|key| key.kid.as_deref() == Some(kid)) {
                return Err(AuthError::refused("the algorithm is not allowed"));
            }
            Ok(None)
        }
        None => {
            let fitting: Vec<_> = of_algorithm.collect();
            match fitting.as_slice() {
                [] => Ok(None),
                [only] => Ok(Some(Arc::clone(only))),
                _ => Err(AuthError::refused("the token does not name its key (kid)")),
            }
        }
    }
}
