//! The state that goes with a user to Kite's login page and comes back: which account is meant, signed, so that nobody else
//! can make one.
//!
//! Pure. Owns its form and its life. Must not know what a login does.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};
use zeroize::Zeroizing;

/// The form of the text that is signed.
const VERSION: &str = "v1";

/// Longer ones are not looked at. One has about 200 characters.
const LONGEST: usize = 1_024;

/// What signs: 32 random bytes.
pub(crate) struct StateKey(hmac::Key);

impl StateKey {
    /// Bytes in a key.
    pub(crate) const LEN: usize = 32;

    /// The key of these bytes; `None` if they are not as many.
    pub(crate) fn new(bytes: &[u8]) -> Option<Self> {
        (bytes.len() == Self::LEN).then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, bytes)))
    }
}

/// The bytes of a new key.
///
/// # Errors
/// When the operating system gives no randomness.
pub(crate) fn new_key() -> Result<Zeroizing<Vec<u8>>, String> {
    let mut bytes = Zeroizing::new(vec![0; StateKey::LEN]);
    fill(&mut bytes)?;
    Ok(bytes)
}

/// A text that nobody guesses.
///
/// # Errors
/// As [`new_key`].
pub(crate) fn random_text() -> Result<String, String> {
    let mut bytes = [0; 16];
    fill(&mut bytes)?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

fn fill(bytes: &mut [u8]) -> Result<(), String> {
    let filled = SystemRandom::new().fill(bytes);
    filled.map_err(|_| "the operating system gives no randomness".to_owned())
}

/// An offer to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LoginState {
    /// The account's namespace; empty outside a cluster.
    pub(crate) namespace: String,
    /// Its name.
    pub(crate) account: String,
    /// Its UID: an account that is made anew under the name is another one.
    pub(crate) account_uid: String,
    /// When it was offered. A later session of the account means that it was used.
    pub(crate) issued: Timestamp,
    /// Until when it is good.
    pub(crate) expires: Timestamp,
}

/// A state that is not to be followed. It belongs to no account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StateError {
    /// It is not of this operator, or was changed.
    #[error("the state is not one that this operator has signed")]
    Forged,
    /// It is too old.
    #[error("the state has expired")]
    Expired,
}

impl LoginState {
    /// The state as it stands in a link.
    pub(crate) fn sign(&self, key: &StateKey) -> String {
        let text = BASE64_URL_SAFE_NO_PAD.encode(self.text());
        let tag = hmac::sign(&key.0, text.as_bytes());
        format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(tag))
    }

    /// Reads a state that has come back.
    ///
    /// # Errors
    /// When it is not ours, or too old.
    pub(crate) fn verify(state: &str, key: &StateKey, now: Timestamp) -> Result<Self, StateError> {
        let (text, tag) = split(state).ok_or(StateError::Forged)?;
        let tag = BASE64_URL_SAFE_NO_PAD.decode(tag);
        let tag = tag.map_err(|_| StateError::Forged)?;
        let signed = hmac::verify(&key.0, text.as_bytes(), &tag);
        signed.map_err(|_| StateError::Forged)?;
        let state = Self::read(text).ok_or(StateError::Forged)?;
        if state.expires <= now {
            return Err(StateError::Expired);
        }
        Ok(state)
    }

    /// What a state says, whoever has made it.
    pub(crate) fn peek(state: &str) -> Option<Self> {
        Self::read(split(state)?.0)
    }

    fn text(&self) -> String {
        let (issued, expires) = (self.issued.as_second(), self.expires.as_second());
        let Self {
            namespace,
            account,
            account_uid,
            ..
        } = self;
        format!("{VERSION}.{namespace}.{account}.{account_uid}.{issued}.{expires}")
    }

    fn read(text: &str) -> Option<Self> {
        let text = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        let text = String::from_utf8(text).ok()?;
        let parts: Vec<&str> = text.split('.').collect();
        let [VERSION, namespace, account, account_uid, issued, expires] = parts[..] else {
            return None;
        };
        let time = |text: &str| Timestamp::from_second(text.parse().ok()?).ok();
        Some(Self {
            namespace: namespace.to_owned(),
            account: account.to_owned(),
            account_uid: account_uid.to_owned(),
            issued: time(issued)?,
            expires: time(expires)?,
        })
    }
}

fn split(state: &str) -> Option<(&str, &str)> {
    state.split_once('.').filter(|_| state.len() <= LONGEST)
}

/// A state outside a cluster, signed by nobody of importance.
#[cfg(test)]
pub(crate) fn sample(account: &str, uid: &str, issued: Timestamp, expires: Timestamp) -> String {
    let state = LoginState {
        namespace: String::new(),
        account: account.to_owned(),
        account_uid: uid.to_owned(),
        issued,
        expires,
    };
    let key = StateKey::new(&[1; StateKey::LEN]);
    key.map(|key| state.sign(&key)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(byte: u8) -> StateKey {
        StateKey::new(&[byte; StateKey::LEN]).unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn state() -> LoginState {
        LoginState {
            namespace: "ticker".to_owned(),
            account: "acct-a".to_owned(),
            account_uid: "0f3c9ab2-58a4-4d6b-9a3e-1f2c3d4e5f60".to_owned(),
            issued: at(1_796_096_700),
            expires: at(1_796_171_400),
        }
    }

    /// Expected: Python's `hmac.new(bytes([9] * 32), text, 'sha256').digest()` in base64url.
    #[test]
    fn the_form_is_fixed_because_links_outlive_an_upgrade() {
        let signed = state().sign(&key(9));
        let (text, tag) = signed.split_once('.').unwrap();
        assert_eq!(
            BASE64_URL_SAFE_NO_PAD.decode(text).unwrap(),
            b"v1.ticker.acct-a.0f3c9ab2-58a4-4d6b-9a3e-1f2c3d4e5f60.1796096700.1796171400"
        );
        assert_eq!(tag, "ggATkBTLxtAXZ8eFJAfipzxcTG_N9io-pyh-VQlxpcw");
    }

    #[test]
    fn it_comes_back_until_it_expires_and_from_nobody_else() {
        let signed = state().sign(&key(7));
        let verify = |key, now| LoginState::verify(&signed, &key, at(now));
        assert_eq!(verify(key(7), 1_796_171_399), Ok(state()));
        assert_eq!(verify(key(7), 1_796_171_400), Err(StateError::Expired));
        assert_eq!(verify(key(8), 0), Err(StateError::Forged));
        assert_eq!(LoginState::peek(&signed), Some(state()));
        let outside = LoginState {
            namespace: String::new(),
            ..state()
        };
        let signed = outside.sign(&key(7));
        assert_eq!(LoginState::verify(&signed, &key(7), at(0)), Ok(outside));
    }

    #[test]
    fn a_key_has_its_length() {
        assert!(StateKey::new(&[1; 31]).is_none() && StateKey::new(&[]).is_none());
    }

    proptest! {
        #[test]
        fn no_changed_state_is_accepted(at_byte in 0..150_usize, to in "[A-Za-z0-9._-]") {
            let signed = state().sign(&key(7));
            let at_byte = at_byte % signed.len();
            let mut changed = signed.clone();
            changed.replace_range(at_byte..=at_byte, &to);
            let read = LoginState::verify(&changed, &key(7), at(0));
            prop_assert!(changed == signed || read == Err(StateError::Forged));
        }

        #[test]
        fn nothing_that_is_read_panics(text in ".{0,1200}") {
            prop_assert!(LoginState::verify(&text, &key(7), at(0)).is_err());
            drop(LoginState::peek(&text));
        }
    }
}
